//! Who is connected where.

pub mod pointaddresses;
pub mod pointmemmgr;
