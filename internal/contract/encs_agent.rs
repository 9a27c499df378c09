//! What every [`EncsAgent`] must do.

use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::encs::{DataKey, EncsAgent};
use faceshare_biz::{Error, ErrorCode};

/// Runs the suite. `$fresh` is a future of an agent and of a value that is kept until the test
/// ends.
#[macro_export]
macro_rules! encs_agent_contract {
    ($fresh:expr) => {
        $crate::run_contract!(
            encs_agent,
            $fresh,
            [
                what_was_wrapped_is_unwrapped,
                a_key_wrapped_twice_is_unwrapped_from_both,
                a_key_of_another_session_is_not_unwrapped,
                a_changed_wrapping_is_not_unwrapped,
                a_key_id_that_is_not_its_own_is_refused,
                a_destroyed_key_is_not_found_and_others_stay,
                destroying_again_or_without_a_key_changes_nothing,
            ]
        );
    };
}

fn session(number: u64) -> SessionId {
    SessionId::new(number).expect("not zero")
}

fn key(byte: u8) -> DataKey {
    DataKey::filled(|bytes| bytes.fill(byte))
}

fn is_refused(outcome: Result<DataKey, Error>) -> bool {
    outcome.is_err_and(|error| error.code != ErrorCode::NotFound)
}

pub async fn what_was_wrapped_is_unwrapped(agent: &impl EncsAgent) {
    for byte in [0, 7, 255] {
        let wrapped = agent.wrap(session(1), &key(byte)).await.expect("wrapped");
        let plain = [byte; DataKey::LEN];
        assert!(!wrapped.wrapped.windows(plain.len()).any(|w| w == plain));
        let unwrapped = agent.unwrap(session(1), &wrapped).await;
        assert_eq!(unwrapped.expect("unwrapped").expose(), &plain);
    }
}

pub async fn a_key_wrapped_twice_is_unwrapped_from_both(agent: &impl EncsAgent) {
    let one = agent.wrap(session(1), &key(1)).await.expect("wrapped");
    let other = agent.wrap(session(1), &key(1)).await.expect("wrapped");
    for wrapped in [one, other] {
        let unwrapped = agent.unwrap(session(1), &wrapped).await;
        assert!(unwrapped.expect("unwrapped") == key(1));
    }
}

pub async fn a_key_of_another_session_is_not_unwrapped(agent: &impl EncsAgent) {
    let wrapped = agent.wrap(session(1), &key(1)).await.expect("wrapped");
    assert!(is_refused(agent.unwrap(session(2), &wrapped).await));
}

pub async fn a_changed_wrapping_is_not_unwrapped(agent: &impl EncsAgent) {
    let wrapped = agent.wrap(session(1), &key(1)).await.expect("wrapped");
    for at in 0..wrapped.wrapped.len() {
        let mut changed = wrapped.clone();
        changed.wrapped[at] ^= 1;
        assert!(is_refused(agent.unwrap(session(1), &changed).await), "{at}");
    }
    let mut short = wrapped;
    short.wrapped.pop();
    assert!(is_refused(agent.unwrap(session(1), &short).await));
    short.wrapped.clear();
    assert!(is_refused(agent.unwrap(session(1), &short).await));
}

pub async fn a_key_id_that_is_not_its_own_is_refused(agent: &impl EncsAgent) {
    let mut wrapped = agent.wrap(session(1), &key(1)).await.expect("wrapped");
    wrapped.key_id = "unknown".to_owned();
    assert!(is_refused(agent.unwrap(session(1), &wrapped).await));
}

pub async fn a_destroyed_key_is_not_found_and_others_stay(agent: &impl EncsAgent) {
    let one = agent.wrap(session(1), &key(1)).await.expect("wrapped");
    let other = agent.wrap(session(2), &key(2)).await.expect("wrapped");
    agent.destroy(session(1)).await.expect("destroyed");
    let gone = agent.unwrap(session(1), &one).await.expect_err("destroyed");
    assert_eq!(gone.code, ErrorCode::NotFound);
    let unwrapped = agent.unwrap(session(2), &other).await;
    assert!(unwrapped.expect("another session") == key(2));
}

pub async fn destroying_again_or_without_a_key_changes_nothing(agent: &impl EncsAgent) {
    let wrapped = agent.wrap(session(1), &key(1)).await.expect("wrapped");
    for _ in 0..2 {
        agent.destroy(session(1)).await.expect("destroyed");
        agent.destroy(session(3)).await.expect("nothing to destroy");
    }
    let gone = agent.unwrap(session(1), &wrapped).await;
    assert_eq!(gone.expect_err("destroyed").code, ErrorCode::NotFound);
}
