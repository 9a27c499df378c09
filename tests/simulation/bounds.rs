//! Ceilings of a history: a fault that makes something without end must fail the history, not stop the machine.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::sync::Once;

/// How often the server may ask for the time while none passes. A history of the server as it is asks a few hundred times.
pub(crate) const LOOKS_AT_ONE_TIME: u64 = 100_000;

/// Address space of the process. A history takes a few megabytes; with threads and what they have reserved it is below one gigabyte.
const MEMORY: u64 = 4 << 30;

/// From now on an allocation beyond [`MEMORY`] fails, which ends the process.
pub(crate) fn limit_memory() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let Rlimit { current, maximum } = getrlimit(Resource::As);
        let limit = Rlimit {
            current: Some(current.map_or(MEMORY, |current| current.min(MEMORY))),
            maximum,
        };
        setrlimit(Resource::As, limit).expect("invariant: a process may lower its own limit");
    });
}
