//! What a connection does because of the time: heartbeats, the loss of a silent peer, a fresh token before the old one ends.

use super::Connection;
use faceshare_biz::domain::Timestamp;
use faceshare_biz::domain::instruction::{CloseReason, Notice, Seq, ServerFrame};
use faceshare_exec::Watermark;
use std::convert::Infallible;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A timer that fires so late says that the process did not run; half of what the timeout leaves beside the interval, if that is less.
const LATE: Duration = Duration::from_secs(1);

pub(super) struct Pulse<'a> {
    connection: &'a Connection<'a>,
    /// Held for an assignment at a time, and by the futures of one task only.
    peer: Mutex<Peer>,
}

struct Peer {
    heard_at: Instant,
    /// Nothing is read at the moment.
    deaf: bool,
    seen: Watermark,
}

impl<'a> Pulse<'a> {
    pub(super) fn new(connection: &'a Connection<'a>) -> Self {
        let peer = Peer {
            heard_at: Instant::now(),
            deaf: false,
            seen: Watermark::default(),
        };
        Self {
            connection,
            peer: Mutex::new(peer),
        }
    }

    fn peer<T>(&self, look: impl FnOnce(&mut Peer) -> T) -> T {
        look(&mut self.peer.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Something came from the peer.
    pub(super) fn heard(&self) {
        self.peer(|peer| peer.heard_at = Instant::now());
    }

    /// Does something during which the peer cannot be heard.
    pub(super) async fn deaf_while<T>(&self, doing: impl Future<Output = T>) -> T {
        self.peer(|peer| peer.deaf = true);
        let done = doing.await;
        self.peer(|peer| (peer.deaf, peer.heard_at) = (false, Instant::now()));
        done
    }

    /// When the peer was last heard, or could not be.
    fn heard_at(&self) -> Instant {
        self.peer(|peer| {
            if peer.deaf {
                Instant::now()
            } else {
                peer.heard_at
            }
        })
    }

    /// The peer says how far it has read.
    pub(super) fn seen(&self, seq: Seq) {
        self.peer(|peer| peer.seen.raise(seq, Seq::new(u32::MAX)));
    }

    /// How far the peer has read, as far as it has said.
    pub(super) fn watermark(&self) -> Seq {
        self.peer(|peer| peer.seen.get())
    }

    /// Never returns: it closes through the outbound queue.
    pub(super) async fn run(&self) -> Infallible {
        let settings = self.connection.clients.sessions.settings();
        let mut heart_at = Instant::now() + settings.heartbeat_interval;
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
                .chain([heart_at, lost_at])
                .min()
                .unwrap_or(heart_at);
            tokio::time::sleep_until(next).await;
            let now = Instant::now();
            if now.duration_since(next) >= tolerance {
                // This process did not run (it was stopped, or had no processor): nothing was read or sent, so the silence is not the peer's.
                self.heard();
            }
            if self.heard_at() + settings.heartbeat_timeout <= now {
                // What has come and was not noticed yet is read before this goes on.
                tokio::task::yield_now().await;
            }
            if self.heard_at() + settings.heartbeat_timeout <= now {
                self.connection.outbound.close(CloseReason::HeartbeatLost);
                return std::future::pending().await;
            }
            if heart_at <= now {
                self.say(|sent_at| Notice::SysHeart { sent_at });
                heart_at = now + settings.heartbeat_interval;
            }
            if renew_at.is_some_and(|at| at <= now) {
                renew_at = self.renew().map(|life| now + life * 2 / 3);
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.connection.clients.sessions.deps().clock.now()
    }

    fn say(&self, notice: impl FnOnce(Timestamp) -> Notice) {
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

    /// Sends a fresh token; how long it lives. A member that is gone has no connection left to send it on.
    /// Somebody who has signed out has one for a moment at most, and gets no token on it.
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
                self.say(|_| Notice::TokenRenewed {
                    token: token.token,
                    expires_at,
                });
                Some(life)
            }
            Err(error) => {
                tracing::error!(error = %error, cause = ?error.cause(), "no fresh session token");
                Some(Duration::from_secs(30))
            }
        }
    }
}
