//! Who is connected where.

pub mod pointmemmgr;
