//! Who is connected where.

pub mod pointaddresses;
pub mod pointmemmgr;
pub(crate) mod waiters;
