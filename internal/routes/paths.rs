//! Paths that several modules refer to.

/// The prefix of all paths of the classic API.
pub const CLASSIC_PREFIX: &str = "/api/entrytask/user/";
