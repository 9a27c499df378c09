//! What a distributed attacker gains, and whether honest people still get in, over 24 simulated
//! hours against the real budgets.
//!
//! Time and randomness belong to the simulation. The attacker is the strongest that the budgets are
//! meant for: it guesses as guests, stays just below the budget of every address and network,
//! guesses only numbers that have the shape of codes, and uses what it finds at the first moment at
//! which a guest is admitted without approval. It owns sessions, whose codes it enters between
//! guesses to no effect.

use super::EmbeddedGuessBudgets;
use faceshare_biz::domain::facesession::{
    ExpectedHits, GuessBudgets as _, GuessDecision, GuessLimits, GuessTarget, Guesser,
};
use faceshare_biz::domain::{AccountId, Site, Timestamp};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// The highest density of codes: one in 10,000 numbers. Eight in ten numbers have the shape of a
/// code.
const LIVE_CODES: u64 = 100;
const CODE_SHAPED: u64 = 800_000;
const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);
/// The time of one round of the attacker: the budget of an address recovers in at most 11 minutes.
const ROUND: Duration = Duration::from_secs(11 * 60);
const ROUNDS: u32 = 24 * 60 / 11;
/// The longest life of a code that was found.
const CODE_LIFE: Duration = Duration::from_secs(2 * 3_600);
/// After this many guesses that cannot be used yet, the attacker pauses.
const STORED_GUESSES: usize = 5_000;
/// The documented bound of sessions entered in a day.
const BOUND: f64 = 0.2002;

/// The SplitMix64 generator: the same seed gives the same history.
struct SplitMix64(u64);

impl SplitMix64 {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

fn site(number: u32) -> Site {
    // Ten addresses in a network: more would spend the network's budget first.
    let (network, host) = (number / 10, number % 10);
    let at = |last: u32| IpAddr::from(Ipv4Addr::from(0x0a00_0000 + (network << 8) + last));
    Site {
        address: at(host + 1),
        network: at(0),
    }
}

fn guest(number: u32) -> Guesser {
    Guesser {
        account: None,
        site: site(number),
    }
}

/// The result of one day of guessing.
#[derive(Debug, Default)]
struct AttackDay {
    guesses: u64,
    /// Codes found and entered as a guest without approval, then or later.
    entered: u32,
    /// The expected number of guesses that let a guest in.
    expected: f64,
}

/// What the attacker does while guests need approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AttackStrategy {
    /// It continues to guess, to use what it finds later.
    Greedy,
    /// It stops at once and returns when its guesses count again.
    Patient,
}

/// Simulates one day of guessing from this many addresses.
async fn attack(
    addresses: u32,
    strategy: AttackStrategy,
    seed: u64,
) -> (EmbeddedGuessBudgets, AttackDay) {
    let (budgets, mut random, mut day) = (
        EmbeddedGuessBudgets::new(GuessLimits::default()),
        SplitMix64(seed),
        AttackDay::default(),
    );
    let worth = ExpectedHits::of_guess(LIVE_CODES, 6);
    // What was found while guests needed approval: when it was guessed, the number of hits, and the
    // expected number.
    let mut stored: Vec<(Timestamp, u32, f64)> = Vec::new();
    for round in 0..ROUNDS {
        let now = START + ROUND * round;
        if budgets.pressure(now).await.expect("known").spent.is_none() {
            for (_, hits, expected) in stored
                .drain(..)
                .filter(|(at, ..)| now.since(*at) < CODE_LIFE)
            {
                day.entered += hits;
                day.expected += expected;
            }
        }
        for next in 0..addresses {
            let address = (round * 1_000 + next) % addresses;
            // The attacker's own session, which resets no budget.
            budgets
                .judge(
                    &guest(address),
                    GuessTarget::Session { near: false },
                    ExpectedHits::NONE,
                    now,
                )
                .await
                .expect("judged");
            for _ in 0..9 {
                let hit = random.below(CODE_SHAPED) < LIVE_CODES;
                let found = if hit {
                    GuessTarget::Session { near: false }
                } else {
                    GuessTarget::Nothing
                };
                let judged = budgets
                    .judge(&guest(address), found, worth, now)
                    .await
                    .expect("judged");
                let GuessDecision::Stands { under_attack } = judged else {
                    panic!("it stays below its budgets")
                };
                day.guesses += 1;
                if under_attack {
                    stored.push((now, u32::from(hit), worth.as_f64()));
                } else {
                    day.entered += u32::from(hit);
                    day.expected += worth.as_f64();
                }
            }
            // With three times the day's budget stored, more guessing only makes the wait longer.
            let enough = if strategy == AttackStrategy::Patient {
                0
            } else {
                STORED_GUESSES
            };
            if stored.len() > enough {
                break;
            }
        }
        stored.retain(|(at, ..)| now.since(*at) < CODE_LIFE);
    }
    (budgets, day)
}

#[tokio::test]
async fn a_day_of_distributed_guessing_stays_below_the_documented_bound() {
    let (greedy, patient) = (AttackStrategy::Greedy, AttackStrategy::Patient);
    let attackers = [
        (1, greedy, 20_u32),
        (1_000, greedy, 1),
        (1_000, patient, 20),
        (100_000, greedy, 1),
        (100_000, patient, 20),
    ];
    for (addresses, strategy, days) in attackers {
        let (mut entered, mut expected) = (0, 0.0);
        for seed in 0..days {
            let (_, day) = attack(addresses, strategy, u64::from(seed)).await;
            assert!(day.expected <= BOUND, "{addresses} addresses: {day:?}");
            entered += day.entered;
            expected += day.expected / f64::from(days);
        }
        assert!(
            expected > 0.0,
            "{addresses} addresses: nothing was guessed, so the test proves nothing"
        );
        // The drawn number must fit the expected one: four times the bound over all these days has
        // a chance below one in millions.
        assert!(
            f64::from(entered) <= (BOUND * f64::from(days)).mul_add(4.0, 4.0),
            "{addresses} addresses: {entered}"
        );
    }
}

#[tokio::test]
async fn honest_people_get_in_during_an_attack() {
    let (budgets, _) = attack(1_000, AttackStrategy::Greedy, 7).await;
    let now = START + ROUND * (ROUNDS - 1);
    let pressure = budgets.pressure(now).await.expect("known");
    assert!(
        pressure.spent.is_some(),
        "guests need approval by now: {pressure:?}"
    );

    // A person with an account mistypes four times. That the account is old enough for admission at
    // once is checked elsewhere.
    let typist = Guesser {
        account: AccountId::new(1),
        site: site(900_000),
    };
    for _ in 0..4 {
        budgets
            .judge(
                &typist,
                GuessTarget::Nothing,
                ExpectedHits::of_guess(LIVE_CODES, 6),
                now,
            )
            .await
            .expect("judged");
    }
    assert_eq!(budgets.wait(&typist, now).await.expect("known"), None);
    let right = budgets
        .judge(
            &typist,
            GuessTarget::Session { near: false },
            ExpectedHits::NONE,
            now,
        )
        .await
        .expect("judged");
    assert!(matches!(right, GuessDecision::Stands { .. }), "{right:?}");

    // Thirty pupils behind one address, the teacher's: each mistypes twice, and all get in within
    // the hour.
    for pupil in 0..30 {
        for _ in 0..2 {
            budgets
                .judge(
                    &guest(950_000),
                    GuessTarget::Nothing,
                    ExpectedHits::of_guess(LIVE_CODES, 6),
                    now,
                )
                .await
                .expect("judged");
        }
        let right = budgets
            .judge(
                &guest(950_000),
                GuessTarget::Session { near: true },
                ExpectedHits::NONE,
                now,
            )
            .await
            .expect("judged");
        assert!(
            matches!(right, GuessDecision::Stands { .. }),
            "pupil {pupil}: {right:?}"
        );
    }
}
