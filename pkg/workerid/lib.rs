//! Snowflake ids: sortable, unique 63-bit numbers, generated without coordination.
//!
//! Layout from the highest bit: 1 bit zero (so that an id fits an `i64`), 41 bits of milliseconds
//! since [`EPOCH_MS`] (enough until September 2094), 10 bits of [`WorkerId`], 12 bits of sequence.
//!
//! [`Generator`] generates them, strictly increasing in one process whatever the clock does;
//! [`WorkerLease`] ensures that no two processes of one machine use the same worker id.
//!
//! Why not the crate snowflake-rs 0.1.1: it does not mask the worker id, panics on an epoch in the
//! future, fails while the clock is behind, spins when a millisecond is used up, takes no clock
//! from outside and depends on time 0.1, which has an open advisory. Once all that is fixed,
//! nothing of it remains.

mod generator;
mod lease;
mod worker;

pub use generator::{EPOCH_MS, Generator, TimeSource, timestamp_ms, worker_of};
pub use lease::{ClaimError, WorkerLease};
pub use worker::{WorkerId, WorkerIdError};
