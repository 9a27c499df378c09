//! What every [`PasswordBudgets`] with the default limits must do.

use faceshare_biz::domain::account::{PasswordBudgets, PasswordGuess};
use faceshare_biz::domain::{Site, Timestamp};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// Runs the suite. `$fresh` is a future of a store and of a value that is kept until the test ends.
#[macro_export]
macro_rules! password_budgets_contract {
    ($fresh:expr) => {
        $crate::run_contract!(
            password_budgets,
            $fresh,
            [
                a_network_says_ten_wrong_passwords_for_a_name,
                a_right_password_takes_nothing_back,
                strangers_do_not_keep_an_owner_out_who_was_there_before,
                a_place_that_is_told_of_counts_like_one_where_the_password_was_said,
                a_name_is_said_a_hundred_wrong_passwords_from_wherever,
                a_network_says_two_hundred_wrong_passwords_for_whatever_names,
                passwords_at_once_are_answered_no_more_often,
            ]
        );
    };
}
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const MINUTE: Duration = Duration::from_secs(60);

fn guess(username: &str, network: u8) -> PasswordGuess<'_> {
    let network = IpAddr::from(Ipv4Addr::new(192, 0, network, 0));
    PasswordGuess {
        username,
        site: Site {
            address: network,
            network,
        },
    }
}

async fn wrong(budgets: &impl PasswordBudgets, username: &str, network: u8, times: u32) {
    for _ in 0..times {
        budgets
            .judge(&guess(username, network), false, NOW)
            .await
            .expect("judged");
    }
}

async fn wait(
    budgets: &impl PasswordBudgets,
    username: &str,
    network: u8,
    now: Timestamp,
) -> Option<Duration> {
    budgets
        .wait(&guess(username, network), now)
        .await
        .expect("asked")
}

pub async fn a_network_says_ten_wrong_passwords_for_a_name(budgets: &impl PasswordBudgets) {
    wrong(budgets, "ann", 1, 9).await;
    assert_eq!(wait(budgets, "ann", 1, NOW).await, None);
    wrong(budgets, "Ann", 1, 1).await;
    let told = wait(budgets, "aNN", 1, NOW)
        .await
        .expect("in any case of its letters");
    assert!(told <= 17 * MINUTE, "{told:?}");
    for right in [true, false] {
        assert_eq!(
            budgets
                .judge(&guess("ann", 1), right, NOW)
                .await
                .expect("judged"),
            Some(told),
            "right or wrong"
        );
    }
    assert_eq!(
        (
            wait(budgets, "ann", 2, NOW).await,
            wait(budgets, "ben", 1, NOW).await
        ),
        (None, None),
        "elsewhere, and others"
    );
    assert_eq!(
        wait(budgets, "ann", 1, NOW + told).await,
        None,
        "what waited was not counted"
    );
}

pub async fn a_right_password_takes_nothing_back(budgets: &impl PasswordBudgets) {
    wrong(budgets, "ann", 1, 9).await;
    assert_eq!(
        budgets
            .judge(&guess("ann", 1), true, NOW)
            .await
            .expect("judged"),
        None
    );
    wrong(budgets, "ann", 1, 1).await;
    assert!(wait(budgets, "ann", 1, NOW).await.is_some());
}

pub async fn strangers_do_not_keep_an_owner_out_who_was_there_before(
    budgets: &impl PasswordBudgets,
) {
    budgets
        .judge(&guess("ann", 99), true, NOW)
        .await
        .expect("judged");
    for network in 0..20 {
        wrong(budgets, "ann", network, 10).await;
    }
    assert!(
        wait(budgets, "ann", 98, NOW).await.is_some(),
        "elsewhere it waits"
    );
    assert_eq!(
        wait(budgets, "ann", 99, NOW).await,
        None,
        "where it was signed in it does not"
    );
    for number in 0..40 {
        wrong(budgets, &format!("pupil-{number}"), 99, 10).await;
    }
    assert_eq!(
        wait(budgets, "ann", 99, NOW).await,
        None,
        "whatever its neighbours do"
    );
    wrong(budgets, "ann", 99, 10).await;
    assert!(
        wait(budgets, "ann", 99, NOW).await.is_some(),
        "its own budget holds there too"
    );
}

pub async fn a_name_is_said_a_hundred_wrong_passwords_from_wherever(
    budgets: &impl PasswordBudgets,
) {
    for network in 0..10 {
        assert_eq!(wait(budgets, "ann", 99, NOW).await, None, "{network}");
        wrong(budgets, "ann", network, 10).await;
    }
    let told = wait(budgets, "ann", 99, NOW).await.expect("spent");
    assert!(told > 50 * MINUTE && told <= 67 * MINUTE, "{told:?}");
    assert_eq!(wait(budgets, "ann", 99, NOW + told).await, None);
}

pub async fn a_network_says_two_hundred_wrong_passwords_for_whatever_names(
    budgets: &impl PasswordBudgets,
) {
    for number in 0..200 {
        let name = format!("name-{number}");
        assert_eq!(wait(budgets, &name, 1, NOW).await, None, "{name}");
        wrong(budgets, &name, 1, 1).await;
    }
    let told = wait(budgets, "another", 1, NOW).await.expect("spent");
    assert!(wait(budgets, "another", 2, NOW).await.is_none());
    assert_eq!(wait(budgets, "another", 1, NOW + told).await, None);
}

pub async fn passwords_at_once_are_answered_no_more_often(budgets: &impl PasswordBudgets) {
    // All of them were let through to be compared, before the first was judged.
    let mut answered = 0;
    for _ in 0..1_000 {
        answered += usize::from(
            budgets
                .judge(&guess("ann", 1), false, NOW)
                .await
                .expect("judged")
                .is_none(),
        );
    }
    assert_eq!(answered, 10);
}

pub async fn a_place_that_is_told_of_counts_like_one_where_the_password_was_said(
    budgets: &impl PasswordBudgets,
) {
    for network in 10..20 {
        wrong(budgets, "ann", network, 10).await;
    }
    assert!(
        wait(budgets, "ann", 1, NOW).await.is_some(),
        "the name has said a hundred"
    );
    budgets
        .remember(&guess("Ann", 1))
        .await
        .expect("remembered");
    assert_eq!(wait(budgets, "ann", 1, NOW).await, None);
    assert!(wait(budgets, "ann", 2, NOW).await.is_some(), "elsewhere");
    assert!(wait(budgets, "ann", 10, NOW).await.is_some());
}
