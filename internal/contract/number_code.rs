//! What every [`NumberCodeRepository`] must do.

use faceshare_biz::ErrorCode;
use faceshare_biz::domain::facesession::{CodeRecord, NumberCodeRepository};
use faceshare_biz::domain::{SessionId, Timestamp};

/// Runs the suite. `$fresh` is a future of a store and of a value that is kept until the test ends.
#[macro_export]
macro_rules! number_code_contract {
    ($fresh:expr) => {
        $crate::run_contract!(
            number_code,
            $fresh,
            [
                a_code_is_found_until_it_expires,
                assigning_retires_the_code_before,
                a_code_that_is_live_or_in_quarantine_is_not_given_again,
                a_refused_code_changes_nothing,
                of_two_sessions_at_once_one_gets_the_code,
                extending_never_brings_back_a_code,
                a_code_that_expires_by_itself_is_listed_in_its_time_alone,
                a_retired_code_leads_nowhere,
                purging_forgets_only_what_is_out_of_quarantine,
            ]
        );
    };
}
/// Codes live from 100 to 200 here; a quarantine lasts 30.
const EXPIRES: i64 = 200;
const QUARANTINE: i64 = 30;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn session(id: u64) -> SessionId {
    SessionId::new(id).expect("an id")
}

fn code(digit: u8, of: u64) -> CodeRecord {
    CodeRecord {
        fingerprint: [digit; 32],
        sealed: format!("sealed {digit}"),
        session: session(of),
        created_at: at(100),
        expires_at: at(EXPIRES),
        effect: (digit > 1).then_some(u64::from(digit)),
    }
}

async fn assign(
    codes: &impl NumberCodeRepository,
    code: &CodeRecord,
    now: i64,
) -> Result<(), ErrorCode> {
    codes
        .assign(code, at(now), at(now + QUARANTINE))
        .await
        .map_err(|error| error.code)
}

async fn found(codes: &impl NumberCodeRepository, digit: u8, now: i64) -> Option<CodeRecord> {
    codes
        .find(&[[digit; 32]], at(now))
        .await
        .expect("looked up")
}

async fn current(codes: &impl NumberCodeRepository, of: u64, now: i64) -> Option<CodeRecord> {
    codes
        .current(session(of), at(now))
        .await
        .expect("looked up")
}

pub async fn a_code_is_found_until_it_expires(codes: &impl NumberCodeRepository) {
    assign(codes, &code(1, 1), 100).await.expect("assigned");
    assign(codes, &code(2, 2), 100).await.expect("assigned");
    assert_eq!(found(codes, 1, 199).await, Some(code(1, 1)));
    assert_eq!(current(codes, 1, 199).await, Some(code(1, 1)));
    assert_eq!(
        (
            found(codes, 1, EXPIRES).await,
            current(codes, 1, EXPIRES).await
        ),
        (None, None)
    );
    assert_eq!(found(codes, 9, 100).await, None);
    let first_named = codes
        .find(&[[9; 32], [2; 32], [1; 32]], at(100))
        .await
        .expect("looked up");
    assert_eq!(first_named, Some(code(2, 2)));
    assert_eq!(codes.find(&[], at(100)).await.expect("looked up"), None);
}

pub async fn assigning_retires_the_code_before(codes: &impl NumberCodeRepository) {
    assign(codes, &code(1, 1), 100).await.expect("assigned");
    assign(codes, &code(2, 1), 110).await.expect("assigned");
    assert_eq!(found(codes, 1, 110).await, None);
    assert_eq!(current(codes, 1, 110).await, Some(code(2, 1)));
}

pub async fn a_code_that_is_live_or_in_quarantine_is_not_given_again(
    codes: &impl NumberCodeRepository,
) {
    assign(codes, &code(1, 1), 100).await.expect("assigned");
    assert_eq!(
        assign(codes, &code(1, 2), 150).await,
        Err(ErrorCode::AlreadyExists),
        "live"
    );
    assert_eq!(
        assign(codes, &code(1, 1), 150).await,
        Err(ErrorCode::AlreadyExists),
        "its own"
    );
    codes
        .retire(session(1), at(150), at(150 + QUARANTINE))
        .await
        .expect("retired");
    assert_eq!(
        assign(codes, &code(1, 2), 179).await,
        Err(ErrorCode::AlreadyExists),
        "in quarantine"
    );
    assign(codes, &code(1, 2), 180)
        .await
        .expect("out of quarantine");
    assert_eq!(found(codes, 1, 180).await, Some(code(1, 2)));
    assert_eq!(
        assign(codes, &code(1, 3), EXPIRES + QUARANTINE - 1).await,
        Err(ErrorCode::AlreadyExists),
        "it expired only now"
    );
    assign(
        codes,
        &CodeRecord {
            expires_at: at(400),
            ..code(1, 3)
        },
        EXPIRES + QUARANTINE,
    )
    .await
    .expect("out of quarantine");
}

pub async fn a_refused_code_changes_nothing(codes: &impl NumberCodeRepository) {
    assign(codes, &code(1, 1), 100).await.expect("assigned");
    assign(codes, &code(2, 2), 100).await.expect("assigned");
    assert_eq!(
        assign(codes, &code(1, 2), 110).await,
        Err(ErrorCode::AlreadyExists)
    );
    assert_eq!(current(codes, 1, 110).await, Some(code(1, 1)));
    assert_eq!(current(codes, 2, 110).await, Some(code(2, 2)));
}

pub async fn of_two_sessions_at_once_one_gets_the_code(codes: &impl NumberCodeRepository) {
    for digit in 0..10 {
        let (left, right) = (code(digit, 1), code(digit, 2));
        let (a, b) = tokio::join!(assign(codes, &left, 100), assign(codes, &right, 100));
        assert!(
            matches!(
                (a, b),
                (Ok(()), Err(ErrorCode::AlreadyExists)) | (Err(ErrorCode::AlreadyExists), Ok(()))
            ),
            "{a:?} {b:?}"
        );
        assert_eq!(
            found(codes, digit, 100).await,
            Some(if a.is_ok() { left } else { right })
        );
    }
}

pub async fn a_code_that_expires_by_itself_is_listed_in_its_time_alone(
    codes: &impl NumberCodeRepository,
) {
    for digit in 1..=4 {
        assign(codes, &code(digit, digit.into()), 100)
            .await
            .expect("assigned");
    }
    let extended = codes.extend([2; 32], at(150), at(300)).await;
    assert!(extended.expect("asked"));
    codes
        .retire(session(3), at(150), at(180))
        .await
        .expect("retired");
    let expired = async |after, until| {
        let mut found = codes.expired(at(after), at(until)).await.expect("listed");
        found.sort();
        found
    };
    assert_eq!(expired(100, EXPIRES - 1).await, []);
    assert_eq!(
        expired(EXPIRES - 1, EXPIRES).await,
        [session(1), session(4)]
    );
    assert_eq!(expired(EXPIRES, 299).await, []);
    assert_eq!(expired(EXPIRES, 1_000).await, [session(2)]);
    let next = CodeRecord {
        expires_at: at(2_000),
        ..code(5, 1)
    };
    assign(codes, &next, 1_000).await.expect("assigned");
    assert_eq!(
        expired(0, EXPIRES).await,
        [session(4)],
        "it has another code"
    );
}

pub async fn extending_never_brings_back_a_code(codes: &impl NumberCodeRepository) {
    assign(codes, &code(1, 1), 100).await.expect("assigned");
    let extend = async |now, until| {
        codes
            .extend([1; 32], at(now), at(until))
            .await
            .expect("asked")
    };
    assert!(extend(150, 300).await);
    assert_eq!(
        found(codes, 1, 299).await.map(|code| code.expires_at),
        Some(at(300))
    );
    assert!(!extend(300, 400).await, "expired");
    codes
        .retire(session(1), at(250), at(280))
        .await
        .expect("retired");
    assert!(!extend(260, 400).await, "retired");
    assert!(
        !codes
            .extend([9; 32], at(100), at(400))
            .await
            .expect("asked"),
        "no such code"
    );
    assert_eq!(found(codes, 1, 260).await, None);
}

pub async fn a_retired_code_leads_nowhere(codes: &impl NumberCodeRepository) {
    assign(codes, &code(1, 1), 100).await.expect("assigned");
    assign(codes, &code(2, 2), 100).await.expect("assigned");
    codes
        .retire(session(1), at(110), at(140))
        .await
        .expect("retired");
    codes
        .retire(session(9), at(110), at(140))
        .await
        .expect("nothing to retire");
    assert_eq!(
        (found(codes, 1, 110).await, current(codes, 1, 110).await),
        (None, None)
    );
    assert_eq!(found(codes, 2, 110).await, Some(code(2, 2)));
}

pub async fn purging_forgets_only_what_is_out_of_quarantine(codes: &impl NumberCodeRepository) {
    for digit in 1..=3 {
        assign(codes, &code(digit, digit.into()), 100)
            .await
            .expect("assigned");
    }
    codes
        .retire(session(1), at(110), at(140))
        .await
        .expect("retired");
    let purge = async |now: i64| {
        codes
            .purge(at(now), at(now - QUARANTINE))
            .await
            .expect("purged")
    };
    assert_eq!(purge(140).await, 0);
    assert_eq!(purge(141).await, 1, "the retired one");
    assert_eq!(found(codes, 2, 141).await, Some(code(2, 2)));
    assert_eq!(purge(EXPIRES + QUARANTINE).await, 0);
    assert_eq!(purge(EXPIRES + QUARANTINE + 1).await, 2, "the expired ones");
}
