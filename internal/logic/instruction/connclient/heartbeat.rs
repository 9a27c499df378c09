//! The timers of a connection: it sends heartbeats, closes when the peer is silent for too long,
//! and renews the session token before it expires.

use super::Connection;
use faceshare_biz::domain::Timestamp;
use faceshare_biz::domain::instruction::{CloseReason, Notice, Seq, ServerFrame};
use faceshare_exec::Watermark;
use std::convert::Infallible;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A timer that fires this late shows that the process was not running. Half of the difference
/// between timeout and interval is used if that is less.
const LATE: Duration = Duration::from_secs(1);

pub(super) struct Heartbeat<'a> {
    connection: &'a Connection<'a>,
    /// Locked for one assignment at a time, by the futures of one task only.
    peer: Mutex<PeerState>,
}

struct PeerState {
    heard_at: Instant,
    /// The reader waits for the session and does not read from the socket.
    not_reading: bool,
    seen: Watermark,
}

impl<'a> Heartbeat<'a> {
    pub(super) fn new(connection: &'a Connection<'a>) -> Self {
        let peer = PeerState {
            heard_at: Instant::now(),
            not_reading: false,
            seen: Watermark::default(),
        };
        Self {
            connection,
            peer: Mutex::new(peer),
        }
    }

    fn peer<T>(&self, change: impl FnOnce(&mut PeerState) -> T) -> T {
        change(&mut self.peer.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Called when the peer has sent something.
    pub(super) fn heard(&self) {
        self.peer(|peer| peer.heard_at = Instant::now());
    }

    /// Awaits `doing`; until it completes the connection reads nothing, so silence does not count
    /// against the peer.
    pub(super) async fn while_not_reading<T>(&self, doing: impl Future<Output = T>) -> T {
        self.peer(|peer| peer.not_reading = true);
        let done = doing.await;
        self.peer(|peer| (peer.not_reading, peer.heard_at) = (false, Instant::now()));
        done
    }

    /// When the peer last sent something; now, while nothing is read.
    fn heard_at(&self) -> Instant {
        self.peer(|peer| {
            if peer.not_reading {
                Instant::now()
            } else {
                peer.heard_at
            }
        })
    }

    /// The peer has acknowledged all frames up to `seq`.
    pub(super) fn seen(&self, seq: Seq) {
        self.peer(|peer| peer.seen.raise(seq, Seq::new(u32::MAX)));
    }

    /// The highest seq that the peer has acknowledged.
    pub(super) fn watermark(&self) -> Seq {
        self.peer(|peer| peer.seen.get())
    }

    /// Never completes: to close the connection it closes the outbound queue.
    pub(super) async fn run(&self) -> Infallible {
        let settings = self.connection.clients.sessions.settings();
        let mut heartbeat_at = Instant::now() + settings.heartbeat_interval;
        let mut renew_at = Some(Instant::now() + self.token_life() * 2 / 3);
        let tolerance = (settings
            .heartbeat_timeout
            .saturating_sub(settings.heartbeat_interval)
            / 2)
        .min(LATE);
        loop {
            let lost_at = self.heard_at() + settings.heartbeat_timeout;
            let next = renew_at
                .into_iter()
                .chain([heartbeat_at, lost_at])
                .min()
                .unwrap_or(heartbeat_at);
            tokio::time::sleep_until(next).await;
            let now = Instant::now();
            if now.duration_since(next) >= tolerance {
                // This process was not running (stopped, or without a processor): it read and sent
                // nothing, so the silence is not the peer's.
                self.heard();
            }
            if self.heard_at() + settings.heartbeat_timeout <= now {
                // Let the reader read what has already arrived.
                tokio::task::yield_now().await;
            }
            if self.heard_at() + settings.heartbeat_timeout <= now {
                self.connection.outbound.close(CloseReason::HeartbeatLost);
                return std::future::pending().await;
            }
            if heartbeat_at <= now {
                self.send(|sent_at| Notice::SysHeart { sent_at });
                heartbeat_at = now + settings.heartbeat_interval;
            }
            if renew_at.is_some_and(|at| at <= now) {
                renew_at = self.renew().map(|life| now + life * 2 / 3);
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.connection.clients.sessions.deps().clock.now()
    }

    fn send(&self, notice: impl FnOnce(Timestamp) -> Notice) {
        let now = self.now();
        let frame = ServerFrame::notice(now, notice(now));
        self.connection.outbound.push(
            self.connection
                .clients
                .codec
                .encode(self.connection.format, &frame),
        );
    }

    fn token_life(&self) -> Duration {
        self.connection.expires_at.since(self.now())
    }

    /// Sends a new token and returns its lifetime. A member that left has no connection left to
    /// send it on. A member that signed out gets none: its connection, which lives for at most a
    /// moment longer, is closed.
    fn renew(&self) -> Option<Duration> {
        let now = self.now();
        if self
            .connection
            .clients
            .revocations
            .is_revoked(self.connection.claims.family)
        {
            self.connection.outbound.close(CloseReason::Unauthenticated);
            return None;
        }
        match self
            .connection
            .clients
            .tokens
            .issue_session(&self.connection.claims, now)
        {
            Ok(token) => {
                let (expires_at, life) = (token.expires_at, token.expires_at.since(now));
                self.send(|_| Notice::TokenRenewed {
                    token: token.token,
                    expires_at,
                });
                Some(life)
            }
            Err(error) => {
                tracing::error!(error = %error, cause = ?error.cause(), "session token could not be renewed; trying again in 30 s");
                Some(Duration::from_secs(30))
            }
        }
    }
}
