//! What a distributed attacker gets, and what honest people still get, over 24 hours against the real budgets.
//!
//! Time and chance are the simulation's own. The attacker is the strongest that the budgets are meant for: it guesses with guests, stays
//! just below the budget of every address and network, guesses only numbers of the shape of codes, and uses what it finds at the first
//! moment at which a guest comes in without approval. It owns sessions of its own, whose codes it enters between guesses to no avail.

use super::EmbeddedGuessBudgets;
use faceshare_biz::domain::facesession::{ExpectedHits, Found, GuessBudgets as _, GuessLimits, Guesser, Judgement};
use faceshare_biz::domain::{AccountId, Site, Timestamp};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// The densest that codes get: one in 10,000 numbers, of which eight in ten have the shape of a code.
const LIVE: u64 = 100;
const SHAPELY: u64 = 800_000;
const BEGINNING: Timestamp = Timestamp::from_millis(1_700_000_000_000);
/// The attacker's round: the budget of an address comes back in 11 minutes at the latest.
const ROUND: Duration = Duration::from_secs(11 * 60);
const ROUNDS: u32 = 24 * 60 / 11;
/// A code that was found lives for so long at most.
const CODE_LIFE: Duration = Duration::from_secs(2 * 3_600);
/// Guesses of some hours that cannot be used, after which the attacker rests.
const SHELF: usize = 5_000;
/// The documented bound of what is entered in a day.
const BOUND: f64 = 0.2002;

/// SplitMix64: a seed is a history.
struct Chance(u64);

impl Chance {
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
    Site { address: at(host + 1), network: at(0) }
}

fn guest(number: u32) -> Guesser {
    Guesser { account: None, site: site(number) }
}

/// What a day of guessing came to.
#[derive(Debug, Default)]
struct Day {
    guesses: u64,
    /// Codes found and entered as a guest without approval, then or later.
    entered: u32,
    /// Guesses that a guest would have entered by, as a chance in all.
    expected: f64,
}

/// How the attacker takes it when guests need approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Temper {
    /// It goes on guessing, to use what it finds later.
    Greedy,
    /// It stops at once and comes back when its guesses count again.
    Patient,
}

/// One day of guessing from so many addresses.
async fn attack(addresses: u32, temper: Temper, seed: u64) -> (EmbeddedGuessBudgets, Day) {
    let (budgets, mut chance, mut day) = (EmbeddedGuessBudgets::new(GuessLimits::default()), Chance(seed), Day::default());
    let worth = ExpectedHits::of_guess(LIVE, 6);
    // What was found while guests needed approval, and what that was worth in expectation, by when it was guessed.
    let mut shelved: Vec<(Timestamp, u32, f64)> = Vec::new();
    for round in 0..ROUNDS {
        let now = BEGINNING + ROUND * round;
        if budgets.pressure(now).await.expect("known").spent.is_none() {
            for (_, hits, expected) in shelved.drain(..).filter(|(at, ..)| now.since(*at) < CODE_LIFE) {
                day.entered += hits;
                day.expected += expected;
            }
        }
        for next in 0..addresses {
            let address = (round * 1_000 + next) % addresses;
            // Its own session, which clears nothing.
            budgets.judge(&guest(address), Found::Session { near: false }, ExpectedHits::NONE, now).await.expect("judged");
            for _ in 0..9 {
                let hit = chance.below(SHAPELY) < LIVE;
                let found = if hit { Found::Session { near: false } } else { Found::Nothing };
                let judged = budgets.judge(&guest(address), found, worth, now).await.expect("judged");
                let Judgement::Stands { under_attack } = judged else { panic!("it stays below its budgets") };
                day.guesses += 1;
                if under_attack {
                    shelved.push((now, u32::from(hit), worth.as_f64()));
                } else {
                    day.entered += u32::from(hit);
                    day.expected += worth.as_f64();
                }
            }
            // With three times the day's budget on the shelf, more guessing only makes the wait longer: it saves its breath.
            let enough = if temper == Temper::Patient { 0 } else { SHELF };
            if shelved.len() > enough {
                break;
            }
        }
        shelved.retain(|(at, ..)| now.since(*at) < CODE_LIFE);
    }
    (budgets, day)
}

#[tokio::test]
async fn a_day_of_distributed_guessing_stays_below_the_documented_bound() {
    let (greedy, patient) = (Temper::Greedy, Temper::Patient);
    let attackers = [(1, greedy, 20_u32), (1_000, greedy, 1), (1_000, patient, 20), (100_000, greedy, 1), (100_000, patient, 20)];
    for (addresses, temper, days) in attackers {
        let (mut entered, mut expected) = (0, 0.0);
        for seed in 0..days {
            let (_, day) = attack(addresses, temper, u64::from(seed)).await;
            assert!(day.expected <= BOUND, "{addresses} addresses: {day:?}");
            entered += day.entered;
            expected += day.expected / f64::from(days);
        }
        assert!(expected > 0.0, "{addresses} addresses: nothing was guessed, so nothing is shown");
        // What was drawn must fit what was reckoned: four times the bound in all these days is beyond any luck but one in millions.
        assert!(f64::from(entered) <= (BOUND * f64::from(days)).mul_add(4.0, 4.0), "{addresses} addresses: {entered}");
    }
}

#[tokio::test]
async fn honest_people_get_in_while_the_attack_goes_on() {
    let (budgets, _) = attack(1_000, Temper::Greedy, 7).await;
    let now = BEGINNING + ROUND * (ROUNDS - 1);
    let pressure = budgets.pressure(now).await.expect("known");
    assert!(pressure.spent.is_some(), "guests need approval by now: {pressure:?}");

    // Somebody with an account mistypes four times; that the account is old enough to come in at once is the door's to say.
    let typist = Guesser { account: AccountId::new(1), site: site(900_000) };
    for _ in 0..4 {
        budgets.judge(&typist, Found::Nothing, ExpectedHits::of_guess(LIVE, 6), now).await.expect("judged");
    }
    assert_eq!(budgets.wait(&typist, now).await.expect("known"), None);
    let right = budgets.judge(&typist, Found::Session { near: false }, ExpectedHits::NONE, now).await.expect("judged");
    assert!(matches!(right, Judgement::Stands { .. }), "{right:?}");

    // Thirty pupils behind one address, the teacher's: every one mistypes twice, all get in within the hour, which is now.
    for pupil in 0..30 {
        for _ in 0..2 {
            budgets.judge(&guest(950_000), Found::Nothing, ExpectedHits::of_guess(LIVE, 6), now).await.expect("judged");
        }
        let right = budgets.judge(&guest(950_000), Found::Session { near: true }, ExpectedHits::NONE, now).await.expect("judged");
        assert!(matches!(right, Judgement::Stands { .. }), "pupil {pupil}: {right:?}");
    }
}
