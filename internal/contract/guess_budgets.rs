//! What every [`GuessBudgets`] with the default limits must do.

use faceshare_biz::domain::facesession::{
    ExpectedHits, GuessBudgets, GuessDecision, GuessLimits, GuessTarget, Guesser,
};
use faceshare_biz::domain::{AccountId, SessionId, Site, Timestamp};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// Runs the suite. `$fresh` is a future of a store and of a value that is kept until the test ends.
#[macro_export]
macro_rules! guess_budgets_contract {
    ($fresh:expr) => {
        $crate::run_contract!(
            guess_budgets,
            $fresh,
            [
                an_account_guesses_wrong_five_times_and_then_waits,
                guests_share_the_budget_of_their_address,
                a_right_guess_takes_nothing_back,
                a_spent_address_finds_near_sessions_alone,
                an_address_ends_at_a_hundred_even_for_near_sessions,
                a_network_ends_at_a_hundred,
                guesses_of_a_spent_address_count_for_no_other_caller,
                wrong_guesses_are_forgotten_with_time,
                expected_hits_are_counted_for_ten_minutes,
                expected_hits_are_counted_for_a_day,
                what_a_spent_address_guesses_is_worth_nothing,
                guesses_at_once_are_answered_no_more_often,
                full_sessions_spend_what_is_shown_and_not_what_lets_through,
                guesses_at_full_sessions_and_wrong_ones_are_answered_alike,
                wrong_guesses_past_the_shown_budget_still_end_the_true_one,
                past_the_shown_budget_few_right_guesses_are_let_through,
                a_guess_that_was_let_through_and_did_not_get_in_is_given_back,
                a_bar_holds_until_its_end_for_its_session_and_address,
            ]
        );
    };
}
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const MINUTE: Duration = Duration::from_secs(60);
const FAR: GuessTarget = GuessTarget::Session { near: false };
const NEAR: GuessTarget = GuessTarget::Session { near: true };
const PEACE: GuessDecision = GuessDecision::Stands {
    under_attack: false,
};

const LET_THROUGH: GuessDecision = GuessDecision::LetThrough {
    under_attack: false,
};

fn site(a: u8, b: u8) -> Site {
    Site {
        address: IpAddr::from(Ipv4Addr::new(192, 0, a, b)),
        network: IpAddr::from(Ipv4Addr::new(192, 0, a, 0)),
    }
}

fn guest(a: u8, b: u8) -> Guesser {
    Guesser {
        account: None,
        site: site(a, b),
    }
}

fn account(number: u64, a: u8, b: u8) -> Guesser {
    Guesser {
        account: AccountId::new(number),
        site: site(a, b),
    }
}

async fn judge(
    budgets: &impl GuessBudgets,
    who: Guesser,
    found: GuessTarget,
    now: Timestamp,
) -> GuessDecision {
    budgets
        .judge(&who, found, ExpectedHits::NONE, now)
        .await
        .expect("judged")
}

async fn miss(budgets: &impl GuessBudgets, who: Guesser, times: u32, now: Timestamp) {
    for _ in 0..times {
        judge(budgets, who, GuessTarget::Nothing, now).await;
    }
}

async fn wait(budgets: &impl GuessBudgets, who: Guesser, now: Timestamp) -> Option<Duration> {
    budgets.wait(&who, now).await.expect("looked up")
}

pub async fn an_account_guesses_wrong_five_times_and_then_waits(budgets: &impl GuessBudgets) {
    let mut now = NOW;
    miss(budgets, account(1, 1, 1), 4, now).await;
    for minutes in [1, 2, 4] {
        // From another address each time: the budget goes with the account.
        let who = account(1, 2, u8::try_from(minutes).expect("small"));
        assert_eq!(wait(budgets, who, now).await, None);
        assert_eq!(
            judge(budgets, who, GuessTarget::Nothing, now).await,
            PEACE,
            "the guess itself is still answered"
        );
        assert_eq!(wait(budgets, who, now).await, Some(minutes * MINUTE));
        for found in [GuessTarget::Nothing, FAR, NEAR] {
            assert_eq!(
                judge(budgets, who, found, now).await,
                GuessDecision::Wait(minutes * MINUTE)
            );
        }
        now = now + minutes * MINUTE;
    }
    assert_eq!(wait(budgets, account(2, 1, 1), now).await, None);
}

pub async fn guests_share_the_budget_of_their_address(budgets: &impl GuessBudgets) {
    miss(budgets, account(1, 1, 1), 3, NOW).await;
    miss(budgets, guest(1, 1), 6, NOW).await;
    assert_eq!(judge(budgets, guest(1, 1), FAR, NOW).await, PEACE);
    miss(budgets, guest(1, 1), 1, NOW).await;
    assert!(matches!(
        judge(budgets, guest(1, 1), FAR, NOW).await,
        GuessDecision::Wait(_)
    ));
    assert!(matches!(
        judge(budgets, account(2, 1, 1), FAR, NOW).await,
        GuessDecision::Wait(_)
    ));
    assert_eq!(judge(budgets, guest(1, 2), FAR, NOW).await, PEACE);
}

pub async fn a_right_guess_takes_nothing_back(budgets: &impl GuessBudgets) {
    for _ in 0..9 {
        assert_eq!(
            judge(budgets, guest(1, 1), GuessTarget::Nothing, NOW).await,
            PEACE
        );
        assert_eq!(judge(budgets, guest(1, 1), FAR, NOW).await, PEACE);
    }
    miss(budgets, guest(1, 1), 1, NOW).await;
    assert!(matches!(
        judge(budgets, guest(1, 1), FAR, NOW).await,
        GuessDecision::Wait(_)
    ));
}

pub async fn a_spent_address_finds_near_sessions_alone(budgets: &impl GuessBudgets) {
    miss(budgets, guest(1, 1), 10, NOW).await;
    assert_eq!(wait(budgets, guest(1, 1), NOW).await, None, "it may ask");
    let nothing = judge(budgets, guest(1, 1), GuessTarget::Nothing, NOW).await;
    assert!(
        matches!(nothing, GuessDecision::Wait(wait) if wait >= 10 * MINUTE && wait <= 11 * MINUTE),
        "{nothing:?}"
    );
    assert_eq!(
        judge(budgets, guest(1, 1), FAR, NOW).await,
        nothing,
        "wrong or right, it reads alike"
    );
    assert_eq!(judge(budgets, guest(1, 1), NEAR, NOW).await, PEACE);
}

pub async fn an_address_ends_at_a_hundred_even_for_near_sessions(budgets: &impl GuessBudgets) {
    miss(budgets, guest(1, 1), 50, NOW).await;
    for _ in 0..49 {
        judge(budgets, guest(1, 1), FAR, NOW).await;
    }
    assert_eq!(
        judge(budgets, guest(1, 1), NEAR, NOW).await,
        PEACE,
        "the hundredth is yet to come"
    );
    judge(budgets, guest(1, 1), FAR, NOW).await;
    assert!(matches!(
        judge(budgets, guest(1, 1), NEAR, NOW).await,
        GuessDecision::Wait(_)
    ));
    assert!(wait(budgets, guest(1, 1), NOW).await.is_some());
}

pub async fn a_network_ends_at_a_hundred(budgets: &impl GuessBudgets) {
    for b in 1..=10 {
        miss(budgets, guest(1, b), 10, NOW).await;
    }
    assert!(matches!(
        judge(budgets, guest(1, 200), NEAR, NOW).await,
        GuessDecision::Wait(_)
    ));
    assert!(wait(budgets, guest(1, 200), NOW).await.is_some());
    assert_eq!(wait(budgets, guest(2, 200), NOW).await, None);
}

/// Neither for other addresses of its network nor for a person who typed a right code from that
/// address.
pub async fn guesses_of_a_spent_address_count_for_no_other_caller(budgets: &impl GuessBudgets) {
    miss(budgets, guest(1, 1), 10, NOW).await;
    for found in [GuessTarget::Nothing, FAR] {
        for _ in 0..30 {
            assert!(matches!(
                judge(budgets, account(1, 1, 1), found, NOW).await,
                GuessDecision::Wait(_)
            ));
        }
    }
    assert_eq!(wait(budgets, account(1, 2, 1), NOW).await, None);
    assert_eq!(judge(budgets, guest(1, 2), FAR, NOW).await, PEACE);
    miss(budgets, guest(1, 1), 30, NOW).await;
    assert!(
        wait(budgets, guest(1, 1), NOW).await.is_some(),
        "its own hundred are spent all the same"
    );
}

pub async fn wrong_guesses_are_forgotten_with_time(budgets: &impl GuessBudgets) {
    miss(budgets, guest(1, 1), 10, NOW).await;
    let GuessDecision::Wait(wait) = judge(budgets, guest(1, 1), FAR, NOW + 9 * MINUTE).await else {
        panic!("forgotten within the window")
    };
    assert_eq!(
        judge(budgets, guest(1, 1), FAR, NOW + 11 * MINUTE + wait).await,
        PEACE
    );
    miss(budgets, account(1, 2, 1), 5, NOW).await;
    let rested = NOW + 4 * 60 * MINUTE;
    miss(budgets, account(1, 2, 1), 3, rested).await;
    assert_eq!(
        super::guess_budgets::wait(budgets, account(1, 2, 1), rested).await,
        None,
        "four of five were forgotten, one an hour"
    );
    miss(budgets, account(1, 2, 1), 1, rested).await;
    assert_eq!(
        super::guess_budgets::wait(budgets, account(1, 2, 1), rested).await,
        Some(MINUTE)
    );
}

/// Wrong guesses, each from a new network, that are worth `thousandths` in all.
async fn spend(budgets: &impl GuessBudgets, thousandths: u8, from: u8, now: Timestamp) {
    for number in 0..thousandths {
        let worth = ExpectedHits::from_thousandths(1);
        budgets
            .judge(&guest(from, number), GuessTarget::Nothing, worth, now)
            .await
            .expect("judged");
    }
}

pub async fn expected_hits_are_counted_for_ten_minutes(budgets: &impl GuessBudgets) {
    spend(budgets, 49, 1, NOW).await;
    assert_eq!(judge(budgets, guest(2, 1), FAR, NOW).await, PEACE);
    assert_eq!(budgets.pressure(NOW).await.expect("known").spent, None);
    spend(budgets, 1, 3, NOW).await;
    assert_eq!(
        judge(budgets, guest(2, 1), FAR, NOW).await,
        GuessDecision::Stands { under_attack: true }
    );
    let pressure = budgets.pressure(NOW).await.expect("known");
    assert_eq!(pressure.short, ExpectedHits::from_thousandths(50));
    let spent = pressure.spent.expect("spent");
    assert!(spent >= 10 * MINUTE && spent <= 11 * MINUTE, "{spent:?}");
    assert_eq!(judge(budgets, guest(2, 1), FAR, NOW + spent).await, PEACE);
}

pub async fn expected_hits_are_counted_for_a_day(budgets: &impl GuessBudgets) {
    let mut now = NOW;
    for round in 0..5 {
        assert_eq!(
            judge(budgets, guest(200, 1), FAR, now).await,
            PEACE,
            "{round}"
        );
        spend(budgets, 40, round, now).await;
        now = now + 12 * MINUTE;
    }
    assert_eq!(
        judge(budgets, guest(200, 1), FAR, now).await,
        GuessDecision::Stands { under_attack: true }
    );
    let late = NOW + Duration::from_secs(24 * 3_600 - 1);
    assert_eq!(
        judge(budgets, guest(200, 1), FAR, late).await,
        GuessDecision::Stands { under_attack: true }
    );
    assert_eq!(
        judge(budgets, guest(200, 1), FAR, late + 16 * MINUTE).await,
        PEACE
    );
}

pub async fn what_a_spent_address_guesses_is_worth_nothing(budgets: &impl GuessBudgets) {
    let worth = ExpectedHits::from_thousandths(1);
    for found in [GuessTarget::Nothing, FAR] {
        for _ in 0..30 {
            budgets
                .judge(&guest(1, 1), found, worth, NOW)
                .await
                .expect("judged");
        }
    }
    assert_eq!(
        budgets.pressure(NOW).await.expect("known").short,
        ExpectedHits::from_thousandths(10)
    );
}

pub async fn guesses_at_once_are_answered_no_more_often(budgets: &impl GuessBudgets) {
    let all = (0..80).map(|_| judge(budgets, guest(1, 1), GuessTarget::Nothing, NOW));
    let judgements = futures_util::future::join_all(all).await;
    assert_eq!(judgements.iter().filter(|j| **j == PEACE).count(), 10);
}

pub async fn a_bar_holds_until_its_end_for_its_session_and_address(budgets: &impl GuessBudgets) {
    let session = |number| SessionId::new(number).expect("an id");
    let (here, there) = (site(1, 1).address, site(1, 2).address);
    budgets
        .bar(session(1), here, NOW + MINUTE)
        .await
        .expect("barred");
    budgets
        .bar(session(1), here, NOW)
        .await
        .expect("never shorter");
    for (number, address, after, barred) in [
        (1, here, 0, true),
        (1, here, 59, true),
        (1, here, 60, false),
        (1, there, 0, false),
        (2, here, 0, false),
    ] {
        let now = NOW + Duration::from_secs(after);
        assert_eq!(
            budgets
                .is_barred(session(number), address, now)
                .await
                .expect("looked up"),
            barred,
            "{number} {address} {after}"
        );
    }
}

pub async fn full_sessions_spend_what_is_shown_and_not_what_lets_through(
    budgets: &impl GuessBudgets,
) {
    for who in [account(1, 1, 1), guest(2, 1)] {
        for _ in 0..20 {
            budgets
                .judge(
                    &who,
                    GuessTarget::Full,
                    ExpectedHits::from_thousandths(100),
                    NOW,
                )
                .await
                .expect("judged");
        }
        assert!(
            matches!(
                judge(budgets, who, GuessTarget::Full, NOW).await,
                GuessDecision::Wait(_)
            ),
            "{who:?} is told to wait"
        );
        assert!(
            matches!(
                judge(budgets, who, GuessTarget::Nothing, NOW).await,
                GuessDecision::Wait(_)
            ),
            "and so for a wrong code"
        );
        assert_eq!(
            judge(budgets, who, FAR, NOW).await,
            LET_THROUGH,
            "{who:?} gets in elsewhere, and the installation has spent nothing"
        );
        assert_eq!(wait(budgets, who, NOW).await, None);
    }
}

/// Two callers send the same guesses, but where one hits full sessions the other is wrong: while
/// neither is let in, both get the same answers.
pub async fn guesses_at_full_sessions_and_wrong_ones_are_answered_alike(
    budgets: &impl GuessBudgets,
) {
    let mut now = NOW;
    for step in 0..600_u32 {
        let hit = if step % 3 == 0 {
            GuessTarget::Full
        } else {
            GuessTarget::Nothing
        };
        for (hits, misses) in [
            (guest(1, 1), guest(2, 1)),
            (account(1, 3, 1), account(2, 4, 1)),
        ] {
            let (hits, misses) = (
                judge(budgets, hits, hit, now).await,
                judge(budgets, misses, GuessTarget::Nothing, now).await,
            );
            assert_eq!(hits, misses, "step {step}");
        }
        now = now + Duration::from_secs(u64::from(step % 7) * 13);
    }
}

pub async fn wrong_guesses_past_the_shown_budget_still_end_the_true_one(
    budgets: &impl GuessBudgets,
) {
    let who = guest(1, 1);
    for _ in 0..10 {
        judge(budgets, who, GuessTarget::Full, NOW).await;
    }
    miss(budgets, who, 9, NOW).await;
    assert_eq!(judge(budgets, who, FAR, NOW).await, LET_THROUGH);
    miss(budgets, who, 1, NOW).await;
    assert!(
        matches!(judge(budgets, who, FAR, NOW).await, GuessDecision::Wait(_)),
        "after ten wrong guesses no guess is let through"
    );
    assert_eq!(judge(budgets, who, NEAR, NOW).await, PEACE);
    assert_eq!(
        judge(budgets, guest(1, 2), FAR, NOW).await,
        PEACE,
        "the network is not spent"
    );
}

/// Each one shows how many of the earlier guesses were at full sessions.
pub async fn past_the_shown_budget_few_right_guesses_are_let_through(budgets: &impl GuessBudgets) {
    for who in [guest(1, 1), account(1, 2, 1)] {
        for _ in 0..10 {
            judge(budgets, who, GuessTarget::Full, NOW).await;
        }
        for _ in 0..GuessLimits::LET_THROUGH {
            assert_eq!(judge(budgets, who, FAR, NOW).await, LET_THROUGH, "{who:?}");
        }
        let right = judge(budgets, who, FAR, NOW).await;
        let wrong = judge(budgets, who, GuessTarget::Nothing, NOW).await;
        assert!(
            matches!(right, GuessDecision::Wait(_)),
            "{who:?}: {right:?}"
        );
        assert_eq!(right, wrong, "{who:?}");
    }
    assert_eq!(
        judge(budgets, guest(1, 1), NEAR, NOW).await,
        PEACE,
        "what the shown budget lets through is not among them"
    );
    // Another address of the same account, another account of the same address.
    for who in [account(1, 3, 1), account(2, 1, 1)] {
        assert!(
            matches!(judge(budgets, who, FAR, NOW).await, GuessDecision::Wait(_)),
            "{who:?}"
        );
    }
    let later = NOW + 11 * MINUTE;
    assert_eq!(judge(budgets, guest(1, 1), FAR, later).await, PEACE);
    for _ in 0..10 {
        judge(budgets, guest(1, 1), GuessTarget::Full, later).await;
    }
    assert_eq!(judge(budgets, guest(1, 1), FAR, later).await, LET_THROUGH);
}

pub async fn a_guess_that_was_let_through_and_did_not_get_in_is_given_back(
    budgets: &impl GuessBudgets,
) {
    for who in [guest(1, 1), account(1, 2, 1)] {
        for _ in 0..10 {
            judge(budgets, who, GuessTarget::Full, NOW).await;
        }
        for _ in 0..3 * GuessLimits::LET_THROUGH {
            assert_eq!(judge(budgets, who, FAR, NOW).await, LET_THROUGH, "{who:?}");
            budgets.give_back(&who).await.expect("given back");
        }
    }
}
