//! Ten thousand histories of the instruction engine, and proofs that the invariants find planted
//! bugs.
//!
//! `SIM_HISTORIES=n` runs n of them, `SIM_SEED=n` replays one: see `scripts/simulate`.

use faceshare_simulation::{Bug, PlantedFault, report, run, run_all};

/// The number of tests that the histories are divided into; they may run at the same time.
const PARTS: u64 = 8;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} wants a number, not {text:?}"))
    })
}

/// Runs one part of the histories, unless a single one is to be replayed.
fn part(part: u64) {
    if number("SIM_SEED").is_some() {
        return;
    }
    let each = number("SIM_HISTORIES").unwrap_or(10_000).div_ceil(PARTS);
    if let Err(failure) = run_all(part * each..(part + 1) * each) {
        panic!("\n{failure}");
    }
}

macro_rules! parts {
    ($($name:ident: $number:literal),*) => {
        $(
            #[test]
            fn $name() {
                part($number);
            }
        )*
    };
}

parts! {
    histories_keep_the_invariants_1: 0,
    histories_keep_the_invariants_2: 1,
    histories_keep_the_invariants_3: 2,
    histories_keep_the_invariants_4: 3,
    histories_keep_the_invariants_5: 4,
    histories_keep_the_invariants_6: 5,
    histories_keep_the_invariants_7: 6,
    histories_keep_the_invariants_8: 7
}

/// `SIM_SEED=n`: replays one history and prints its trace.
#[test]
fn replay() {
    let Some(seed) = number("SIM_SEED") else {
        return;
    };
    let history = run(seed, Bug::None, true);
    for line in &history.trace {
        eprintln!("{line}");
    }
    assert!(history.violation.is_none(), "\n{}", report(&history));
}

/// Histories that once found a fault, and are too rare for the number that every run covers.
#[test]
fn histories_that_found_faults_keep_the_invariants() {
    // A client that resumed at the very end of an epoch was sent the next epoch instead, because
    // the two were committed together (the first two). A receiver whose queue overflowed in the
    // middle of an instruction's frames was sent a position that they end (the third).
    for seed in [126_697, 268_313, 303_224] {
        let history = run(seed, Bug::None, false);
        assert!(history.violation.is_none(), "\n{}", report(&history));
    }
}

/// Without guests the invariants of join requests would hold trivially.
#[test]
fn guests_ask_to_join_and_receive_every_outcome() {
    let traces: Vec<String> = (0..40)
        .filter(|seed| seed % 5 < 2)
        .map(|seed| run(seed, Bug::None, true).trace.join("\n"))
        .collect();
    for text in [
        "KnockState(Some(Admitted))",
        "KnockState(Some(Denied))",
        "KnockState(Some(Expired))",
        "answered Err(LimitExceeded)",
        ") answered Err(Forbidden)",
        "Admit(Admit",
        "Deny(Deny",
        "MemberKnock { ",
    ] {
        let histories = traces.iter().filter(|trace| trace.contains(text)).count();
        assert!(histories > 0, "{text} never comes");
    }
    let quiet = run(2, Bug::None, true).trace.join("\n");
    assert!(!quiet.contains("Knock"), "no guest asks in other histories");
}

#[test]
fn a_seed_always_gives_the_same_history() {
    for seed in 0..20 {
        let (first, second) = (run(seed, Bug::None, true), run(seed, Bug::None, true));
        let differs = first
            .trace
            .iter()
            .zip(&second.trace)
            .position(|(a, b)| a != b);
        assert_eq!(
            differs.map(|at| (&first.trace[at], &second.trace[at])),
            None,
            "seed {seed}"
        );
        assert_eq!(first, second, "seed {seed}");
        assert_eq!(
            run(seed, Bug::None, false).violation,
            first.violation,
            "seed {seed}: tracing changes nothing"
        );
    }
}

/// Which of `seeds` histories with a planted bug violate an invariant, and which one.
fn found(bug: Bug, seeds: u64) -> Vec<(u64, &'static str)> {
    found_in(bug, 0..seeds)
}

fn found_in(bug: Bug, seeds: impl Iterator<Item = u64>) -> Vec<(u64, &'static str)> {
    seeds
        .filter_map(|seed| Some((seed, run(seed, bug, false).violation?.invariant)))
        .collect()
}

#[test]
fn a_lost_ack_is_found() {
    let found = found(Bug::LostAck, 60);
    assert!(found.len() >= 15, "{found:?}");
}

#[test]
fn a_wrong_root_is_found() {
    let found = found(Bug::WrongRoot, 30);
    assert!(found.len() >= 15, "{found:?}");
}

#[test]
fn a_double_delivery_is_found() {
    let found = found(Bug::DoubleDelivery, 30);
    assert!(found.len() >= 15, "{found:?}");
    assert!(
        found
            .iter()
            .any(|(_, invariant)| *invariant == "ordered_frames_have_no_gap"),
        "{found:?}"
    );
}

/// The actor ends with a panic before anything goes on without end, and a panic is a mistake of the server.
#[test]
fn a_deadline_that_stays_when_it_has_fired_is_found() {
    let found = found(Bug::Kernel(PlantedFault::LastingDeadline), 30);
    assert!(found.len() >= 15, "{found:?}");
    assert!(
        found
            .iter()
            .any(|(_, invariant)| *invariant == "no_internal_errors"),
        "{found:?}"
    );
}

#[test]
fn a_kernel_that_forgets_the_newest_nonces_is_found() {
    // One history in ten has so many nonces.
    let found = found_in(
        Bug::Kernel(PlantedFault::NewestNonceForgotten),
        (5..200).step_by(10),
    );
    assert!(found.len() >= 3, "{found:?}");
    assert!(
        found
            .iter()
            .any(|(_, invariant)| *invariant == "acknowledged_is_in_the_log_once"),
        "{found:?}"
    );
}
