//! The numbers that a session runs by, from the configuration. They are input to `step` alone:
//! replay does not need them.

use std::time::Duration;

/// Time spans and limits.
#[derive(Debug, Clone)]
pub struct Rules {
    /// A lost point is announced after this; back within it, nothing is sent.
    pub debounce: Duration,
    /// A member without points keeps its place for this long from the loss.
    pub grace: Duration,
    /// The same for a member whose app was in the background.
    pub background_grace: Duration,
    /// A seat counts towards the session's members for this long.
    pub seat: Duration,
    /// Connected points of one member.
    pub points_per_member: usize,
    /// How long a session goes on without its host.
    pub host_left: Duration,
    /// How long a session goes on without anybody.
    pub empty: Duration,
    /// How long a knock waits for its answer.
    pub knock: Duration,
    /// Knocks that wait at one session.
    pub knocks: usize,
    /// Of those, from one address.
    pub knocks_per_address: usize,
    /// People remembered who are not present, so that they may come back; beyond, the longest-known
    /// are forgotten.
    pub people_remembered: usize,
}

impl Default for Rules {
    /// The documented defaults.
    fn default() -> Self {
        Self {
            debounce: Duration::from_secs(2),
            grace: Duration::from_secs(30),
            background_grace: Duration::from_secs(600),
            seat: Duration::from_secs(30),
            points_per_member: 5,
            host_left: Duration::from_secs(300),
            empty: Duration::from_secs(60),
            knock: Duration::from_secs(600),
            knocks: 50,
            knocks_per_address: 3,
            people_remembered: 4096,
        }
    }
}
