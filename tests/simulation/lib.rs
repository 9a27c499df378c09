//! A deterministic simulation of the instruction engine: the real sessions, queues and connections over a simulated store, a simulated
//! network and a virtual clock. A seed decides a history; the same seed gives the same history, on any machine.
//!
//! ```text
//! seed ── Chance ──> World ── steps ──> Clients ── Link ──> ConnClients, Sessions (the program's) ──> Store
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
mod chance;
mod chatter;
mod client;
mod door;
mod fates;
mod finale;
mod invariants;
mod link;
mod mirror;
mod panics;
mod ports;
mod process;
mod steps;
mod store;
mod trace;
mod world;

pub use bug::Bug;
pub use faceshare_exec::PlantedFault;
pub use invariants::Violation;

use std::fmt::Write;
use world::World;

/// Lines of a trace that a failure shows.
const SHOWN: usize = 40;

/// What came of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// What decided it.
    pub seed: u64,
    /// What was found broken.
    pub violation: Option<Violation>,
    /// What happened, line by line; empty unless it was asked for.
    pub trace: Vec<String>,
}

/// Lets the history of a seed happen. With `traced` it is slower and says what happened.
///
/// # Panics
/// When no runtime can be made.
#[must_use]
pub fn run(seed: u64, bug: Bug, traced: bool) -> History {
    bounds::limit_memory();
    faceshare_exec::plant(bug.of_kernel());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    let (violation, trace) = runtime.block_on(async {
        let mut world = World::new(seed, bug, traced);
        let violation = world.live().await.err();
        (violation, world.into_trace())
    });
    drop(runtime);
    faceshare_exec::plant(None);
    History { seed, violation, trace }
}

/// Lets the histories of these seeds happen.
///
/// # Errors
/// The first that breaks an invariant: with its seed, the end of its trace, and the command that replays it.
pub fn run_all(seeds: impl IntoIterator<Item = u64>) -> Result<(), String> {
    match seeds.into_iter().find(|seed| run(*seed, Bug::None, false).violation.is_some()) {
        Some(seed) => Err(report(&run(seed, Bug::None, true))),
        None => Ok(()),
    }
}

/// A history for people.
#[must_use]
pub fn report(history: &History) -> String {
    let mut text = String::new();
    let start = history.trace.len().saturating_sub(SHOWN);
    for line in &history.trace[start..] {
        let _ = writeln!(text, "{line}");
    }
    let _ = match &history.violation {
        Some(Violation { invariant, detail }) => writeln!(text, "seed {} breaks invariant_{invariant}: {detail}", history.seed),
        None => writeln!(text, "seed {} breaks nothing when it is traced: the simulation is not deterministic", history.seed),
    };
    let _ = writeln!(text, "replay it: scripts/simulate --seed {}", history.seed);
    text
}
