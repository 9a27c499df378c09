//! The numbers that streams run by, from the configuration.

use faceshare_biz::constants::SEQ_MAX;
use faceshare_exec::Rules;
use std::time::Duration;

/// How far back a client may resume; whichever bound comes first.
#[derive(Debug, Clone, Copy)]
pub struct ResumeBounds {
    /// Frames older than this are forgotten.
    pub age: Duration,
    /// At most this many frames are kept.
    pub frames: u32,
    /// At most this many bytes of entries are kept.
    pub bytes: u64,
}

/// Limits and time spans of sessions and connections.
#[derive(Debug, Clone)]
pub struct StreamSettings {
    /// What the kernel goes by.
    pub rules: Rules,
    /// How far back a client may resume.
    pub resume: ResumeBounds,
    /// How often `sysHeart` is sent.
    pub heartbeat_interval: Duration,
    /// A point that sends nothing for this long is lost.
    pub heartbeat_timeout: Duration,
    /// Frames that wait for one receiver.
    pub queue_frames: usize,
    /// Bytes that wait for one receiver.
    pub queue_bytes: usize,
    /// Bytes of one frame to a client.
    pub frame_out: usize,
    /// Keys of positions that one member may use.
    pub action_keys: usize,
    /// Bytes of the body of one position.
    pub action_bytes: usize,
    /// Positions of one (member, key) in a second; what comes faster is conflated.
    pub actions_per_second: u32,
    /// Ordered instructions of one point in a second.
    pub ordered_per_second: u32,
    /// The burst of those.
    pub ordered_burst: u32,
    /// `followMe` and `cancelFollowMe` of one member in a second.
    pub follow_me_per_second: u32,
    /// The burst of those.
    pub follow_me_burst: u32,
    /// Positions of one point in a second; over it the connection is closed.
    pub actions_flood_per_second: u32,
    /// Signs of life of one point (`ackHeart`, pings, pongs, empty fragments) in a second; over it
    /// the connection is closed.
    pub keepalives_per_second: u32,
    /// Refusals within `refusal_window` that one connection survives.
    pub refusals: u32,
    /// See `refusals`.
    pub refusal_window: Duration,
    /// The n-th frame in a row that is none closes the connection.
    pub bad_frames: u32,
    /// Bytes of a session's newest entries that stay in memory for those who resume.
    pub recent_bytes: usize,
    /// A new epoch starts when seq reaches this.
    pub seq_max: u32,
}

impl Default for StreamSettings {
    /// The documented defaults.
    fn default() -> Self {
        Self {
            rules: Rules::default(),
            resume: ResumeBounds {
                age: Duration::from_secs(600),
                frames: 10_000,
                bytes: 8 << 20,
            },
            heartbeat_interval: Duration::from_secs(20),
            heartbeat_timeout: Duration::from_secs(30),
            queue_frames: 1024,
            queue_bytes: 1 << 20,
            frame_out: 1 << 20,
            action_keys: 16,
            action_bytes: 4096,
            actions_per_second: 60,
            ordered_per_second: 100,
            ordered_burst: 100,
            follow_me_per_second: 1,
            follow_me_burst: 5,
            actions_flood_per_second: 600,
            keepalives_per_second: 200,
            refusals: 200,
            refusal_window: Duration::from_secs(10),
            bad_frames: 3,
            recent_bytes: 16 << 10,
            seq_max: SEQ_MAX,
        }
    }
}
