//! `limits.*`: bounds on everything that a client can make the server hold or do.
//!
//! A client that exceeds a limit gets an error code that says which. The defaults are those that
//! the documentation of the API promises to clients.

use std::time::Duration;

use super::{DAY, SHORTEST, section::Section};

/// Bounds. Sizes are in bytes, rates per second, lengths in Unicode scalar values.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Members in a session, seats included.
    pub(crate) members_per_session: usize,
    /// Connected devices of one member.
    pub(crate) points_per_member: usize,
    /// Seats of one address in one session that are not connected yet.
    pub(crate) seats_per_address: usize,
    /// Sessions that one host has running.
    pub(crate) live_sessions_per_host: usize,
    /// Length of a session's title.
    pub(crate) title: usize,
    /// Length of a nickname.
    pub(crate) nickname: usize,
    /// A frame from a client.
    pub(crate) frame_in: usize,
    /// A frame to a client.
    pub(crate) frame_out: usize,
    /// Ordered frames that wait for one slow point.
    pub(crate) queue_frames: usize,
    /// Their bytes.
    pub(crate) queue_bytes: usize,
    /// A point that was away longer gets a snapshot instead of a replay.
    pub(crate) resume_age: Duration,
    /// A point that missed more frames gets a snapshot instead of a replay.
    pub(crate) resume_frames: usize,
    /// A point that missed more bytes of frames gets a snapshot instead of a replay.
    pub(crate) resume_bytes: usize,
    /// Ordered instructions of a point.
    pub(crate) ordered_per_second: u32,
    /// Burst of `ordered_per_second`.
    pub(crate) ordered_burst: u32,
    /// `followMe` and `cancelFollowMe` of a member.
    pub(crate) follow_me_per_second: u32,
    /// Burst of `follow_me_per_second`.
    pub(crate) follow_me_burst: u32,
    /// `actionSync` per member and key; faster ones are conflated.
    pub(crate) actions_per_second: u32,
    /// `actionSync` of a point over all keys; more closes it.
    pub(crate) actions_flood_per_second: u32,
    /// `ackHeart`, pings, pongs and empty fragments of a point; more closes it.
    pub(crate) keepalives_per_second: u32,
    /// Action keys of one member.
    pub(crate) action_keys: usize,
    /// Length of an action's key.
    pub(crate) action_key_bytes: usize,
    /// Length of an action.
    pub(crate) action_bytes: usize,
    /// A point with more refused instructions than this within `refusal_window` is closed.
    pub(crate) refusals: u32,
    /// The window of `refusals`.
    pub(crate) refusal_window: Duration,
    /// A point that sends this many invalid frames in a row is closed.
    pub(crate) bad_frames: u32,
    /// People who wait at one session for the host's approval.
    pub(crate) knocks_per_session: usize,
    /// Of those, from one address.
    pub(crate) knocks_per_address: usize,
    /// HTTP requests from one address; five times that at once. 0: any number.
    pub(crate) http_per_address: u32,
    /// HTTP requests of one account; five times that at once. 0: any number.
    pub(crate) http_per_account: u32,
    /// New guests from one address in a minute. 0: any number.
    pub(crate) guests_per_address: u32,
    /// Sign-ups from one address in a minute. 0: any number.
    pub(crate) accounts_per_address: u32,
    /// Body of an HTTP request.
    pub(crate) request_body: usize,
    /// Bytes of a body that are discarded when no handler read it, to keep its connection.
    pub(crate) discard_bytes: usize,
    /// How long the answer waits for that body.
    pub(crate) discard_timeout: Duration,
    /// An uploaded picture.
    pub(crate) avatar_bytes: usize,
    /// Pixels of an uploaded picture.
    pub(crate) avatar_pixels: u64,
    /// An upload without progress for this long is aborted.
    pub(crate) avatar_idle: Duration,
    /// Uploads that are being received or wait to be decoded.
    pub(crate) avatar_queue: usize,
    /// Of those, and of the one that is being decoded, of one account. 0: any number.
    pub(crate) avatar_queue_per_account: usize,
    /// Likewise from one address.
    pub(crate) avatar_queue_per_address: usize,
    /// An HTTP request is answered within this.
    pub(crate) request_timeout: Duration,
    /// Request line and headers of an HTTP request.
    pub(crate) header_bytes: usize,
    /// Time for the headers of a request. Over HTTP/2 also the time that a connection may be
    /// without a request.
    pub(crate) header_timeout: Duration,
    /// A client reads some part of an answer at least once within this time.
    pub(crate) answer_timeout: Duration,
    /// Connections of a listener at once, without streams.
    pub(crate) connections: usize,
    /// Of these, from one address. 0: any number.
    pub(crate) connections_per_address: usize,
    /// Of these, from one network. 0: any number.
    pub(crate) connections_per_network: usize,
    /// Of these, from one prefix. 0: any number.
    pub(crate) connections_per_prefix: usize,
    /// Streams from one address. 0: any number.
    pub(crate) streams_per_address: usize,
    /// Streams from one network. 0: any number.
    pub(crate) streams_per_network: usize,
    /// Streams from one prefix. 0: any number.
    pub(crate) streams_per_prefix: usize,
    /// Descriptors that streams leave free.
    pub(crate) reserved_descriptors: usize,
    /// Bytes of unread answers beyond which the requests of a connection wait.
    pub(crate) unread_bytes: usize,
    /// Bytes of requests and unread answers of one address beyond which a connection of it is
    /// closed. 0: any number.
    pub(crate) unread_bytes_per_address: usize,
    /// Likewise of one network.
    pub(crate) unread_bytes_per_network: usize,
    /// Likewise of all connections of a listener.
    pub(crate) unread_bytes_total: usize,
}

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

impl Limits {
    pub(super) fn read(keys: &mut Section<'_, '_>) -> Self {
        let limits = Self {
            members_per_session: keys.number("members_per_session", 500, 1..=10_000),
            points_per_member: keys.number("points_per_member", 5, 1..=100),
            seats_per_address: keys.number("seats_per_address", 40, 1..=10_000),
            live_sessions_per_host: keys.number("live_sessions_per_host", 20, 1..=10_000),
            title: keys.number("title", 100, 1..=1000),
            nickname: keys.number("nickname", 32, 1..=256),
            frame_in: keys.number("frame_in", 16 * KIB, KIB..=MIB),
            frame_out: keys.number("frame_out", MIB, 64 * KIB..=16 * MIB),
            queue_frames: keys.number("queue_frames", 1024, 16..=65_536),
            queue_bytes: keys.number("queue_bytes", MIB, 64 * KIB..=64 * MIB),
            resume_age: keys.duration("resume_age", Duration::from_mins(10), SHORTEST..=DAY),
            resume_frames: keys.number("resume_frames", 10_000, 1..=1_000_000),
            resume_bytes: keys.number("resume_bytes", 8 * MIB, 64 * KIB..=1024 * MIB),
            ordered_per_second: keys.number("ordered_per_second", 100, 1..=100_000),
            ordered_burst: keys.number("ordered_burst", 100, 1..=100_000),
            follow_me_per_second: keys.number("follow_me_per_second", 1, 1..=1000),
            follow_me_burst: keys.number("follow_me_burst", 5, 1..=1000),
            actions_per_second: keys.number("actions_per_second", 60, 1..=1000),
            actions_flood_per_second: keys.number("actions_flood_per_second", 600, 1..=100_000),
            keepalives_per_second: keys.number("keepalives_per_second", 200, 1..=100_000),
            action_keys: keys.number("action_keys", 16, 1..=256),
            action_key_bytes: keys.number("action_key_bytes", 32, 1..=256),
            action_bytes: keys.number("action_bytes", 4 * KIB, 64..=MIB),
            refusals: keys.number("refusals", 200, 1..=100_000),
            refusal_window: keys.duration(
                "refusal_window",
                Duration::from_secs(10),
                SHORTEST..=Duration::from_hours(1),
            ),
            bad_frames: keys.number("bad_frames", 3, 1..=1000),
            knocks_per_session: keys.number("knocks_per_session", 50, 1..=1000),
            knocks_per_address: keys.number("knocks_per_address", 3, 1..=1000),
            http_per_address: keys.number("http_per_address", 200, 0..=1_000_000),
            http_per_account: keys.number("http_per_account", 100, 0..=1_000_000),
            guests_per_address: keys.number("guests_per_address", 60, 0..=1_000_000),
            accounts_per_address: keys.number("accounts_per_address", 30, 0..=1_000_000),
            request_body: keys.number("request_body", 64 * KIB, KIB..=16 * MIB),
            discard_bytes: keys.number("discard_bytes", 8 * MIB, 0..=64 * MIB),
            discard_timeout: keys.duration(
                "discard_timeout",
                Duration::from_secs(1),
                SHORTEST..=Duration::from_mins(1),
            ),
            avatar_bytes: keys.number("avatar_bytes", 5 * MIB, KIB..=64 * MIB),
            avatar_pixels: keys.number("avatar_pixels", 25_000_000, 65_536..=200_000_000),
            avatar_idle: keys.duration(
                "avatar_idle",
                Duration::from_secs(5),
                SHORTEST..=Duration::from_mins(10),
            ),
            avatar_queue: keys.number("avatar_queue", 8, 0..=1000),
            avatar_queue_per_account: keys.number("avatar_queue_per_account", 2, 0..=1000),
            avatar_queue_per_address: keys.number("avatar_queue_per_address", 4, 0..=1000),
            request_timeout: keys.duration(
                "request_timeout",
                Duration::from_secs(15),
                SHORTEST..=Duration::from_mins(10),
            ),
            header_bytes: keys.number("header_bytes", 32 * KIB, 8 * KIB..=MIB),
            header_timeout: keys.duration(
                "header_timeout",
                Duration::from_secs(30),
                SHORTEST..=Duration::from_mins(10),
            ),
            answer_timeout: keys.duration(
                "answer_timeout",
                Duration::from_secs(20),
                SHORTEST..=Duration::from_mins(10),
            ),
            connections: keys.number("connections", 16_384, 16..=1_000_000),
            connections_per_address: keys.number("connections_per_address", 2_048, 0..=1_000_000),
            connections_per_network: keys.number("connections_per_network", 4_096, 0..=1_000_000),
            connections_per_prefix: keys.number("connections_per_prefix", 8_192, 0..=1_000_000),
            streams_per_address: keys.number("streams_per_address", 16_384, 0..=1_000_000),
            streams_per_network: keys.number("streams_per_network", 32_768, 0..=1_000_000),
            streams_per_prefix: keys.number("streams_per_prefix", 65_536, 0..=1_000_000),
            reserved_descriptors: keys.number("reserved_descriptors", 1_024, 64..=1_000_000),
            unread_bytes: keys.number("unread_bytes", 512 * KIB, 64 * KIB..=64 * MIB),
            unread_bytes_per_address: keys.number(
                "unread_bytes_per_address",
                32 * MIB,
                0..=4096 * MIB,
            ),
            unread_bytes_per_network: keys.number(
                "unread_bytes_per_network",
                128 * MIB,
                0..=4096 * MIB,
            ),
            unread_bytes_total: keys.number("unread_bytes_total", 512 * MIB, 0..=65_536 * MIB),
        };
        limits.check(keys);
        limits
    }

    /// Refuses combinations in which one limit makes another unreachable.
    fn check(&self, keys: &mut Section<'_, '_>) {
        if self.queue_bytes < self.frame_out {
            keys.problem(
                "queue_bytes",
                format!(
                    "{} is less than limits.frame_out, {}: one frame must fit",
                    self.queue_bytes, self.frame_out
                ),
            );
        }
        if self.action_bytes > self.frame_in {
            keys.problem(
                "action_bytes",
                format!(
                    "{} is more than limits.frame_in, {}, lets in",
                    self.action_bytes, self.frame_in
                ),
            );
        }
        if self.actions_flood_per_second < self.actions_per_second {
            let (flood, allowed) = (self.actions_flood_per_second, self.actions_per_second);
            keys.problem(
                "actions_flood_per_second",
                format!("{flood} is less than limits.actions_per_second, {allowed}"),
            );
        }
    }
}
