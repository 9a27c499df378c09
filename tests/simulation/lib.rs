//! A deterministic simulation of the instruction engine: the real sessions, queues and connections
//! over a simulated store, a simulated network and a virtual clock. A seed determines a history;
//! the same seed gives the same history on any machine.
//!
//! ```text
//! seed ── Random ──> World ── steps ──> Clients ── Link ──> ConnClients, Sessions (the program's) ──> Store
//!                      └── invariants, after each step and at the end
//! ```
//!
//! A history that goes round in circles ends: it asks the clock without time passing, which the clock bears so often, and the memory of the process is
//! limited.
//!
//! A history runs on a single thread under tokio's paused time: waiting costs nothing, and no two runs interleave differently.

mod archive;
mod bounds;
mod bug;
mod client;
mod final_phase;
mod invariants;
mod join_guests;
mod knock_outcomes;
mod link;
mod many_nonces;
mod mirror;
mod panics;
mod ports;
mod process;
mod random;
mod steps;
mod store;
mod trace;
mod world;

pub use bug::Bug;
pub use faceshare_exec::PlantedFault;
pub use invariants::Violation;

use std::fmt::Write;
use world::World;

/// Lines of a trace that a failure prints.
const TRACE_LINES: usize = 40;

/// The result of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The seed that determined it.
    pub seed: u64,
    /// The first violated invariant.
    pub violation: Option<Violation>,
    /// The events, line by line; empty unless traced.
    pub trace: Vec<String>,
}

/// Runs the history of a seed. With `traced` it is slower and records the events.
///
/// # Panics
/// When the runtime cannot be built.
#[must_use]
pub fn run(seed: u64, bug: Bug, traced: bool) -> History {
    bounds::limit_memory();
    faceshare_exec::plant(bug.of_kernel());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let (violation, trace) = runtime.block_on(async {
        let mut world = World::new(seed, bug, traced);
        let violation = world.run().await.err();
        (violation, world.into_trace())
    });
    drop(runtime);
    faceshare_exec::plant(None);
    History {
        seed,
        violation,
        trace,
    }
}

/// Runs the histories of these seeds.
///
/// # Errors
/// A report of the first violation: its seed, the end of its trace, and the command that replays
/// it.
pub fn run_all(seeds: impl IntoIterator<Item = u64>) -> Result<(), String> {
    match seeds
        .into_iter()
        .find(|seed| run(*seed, Bug::None, false).violation.is_some())
    {
        Some(seed) => Err(report(&run(seed, Bug::None, true))),
        None => Ok(()),
    }
}

/// A readable report of a history.
#[must_use]
pub fn report(history: &History) -> String {
    let mut text = String::new();
    let start = history.trace.len().saturating_sub(TRACE_LINES);
    for line in &history.trace[start..] {
        let _ = writeln!(text, "{line}");
    }
    let _ = match &history.violation {
        Some(Violation { invariant, detail }) => writeln!(
            text,
            "seed {} breaks invariant_{invariant}: {detail}",
            history.seed
        ),
        None => writeln!(
            text,
            "seed {} breaks nothing when it is traced: the simulation is not deterministic",
            history.seed
        ),
    };
    let _ = writeln!(text, "replay it: scripts/simulate --seed {}", history.seed);
    text
}
