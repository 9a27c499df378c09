//! What one connection has in service and in flight, and what follows: whether it is idle, stalled,
//! or holds too many bytes.

use crate::table::{Connection, Sums};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Bytes that a request and the head of its response count as, besides the bodies of both.
pub(crate) const EXCHANGE_BYTES: usize = 4_096;

/// A new connection does not count as idle within this time. Otherwise many clients that connect at
/// once would push each other out.
const GRACE_PERIOD: Duration = Duration::from_secs(1);

/// How long a connection may stay idle or stalled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectionTimeouts {
    /// Time without a request.
    pub(crate) idle: Duration,
    /// Time in which the client reads nothing of a response.
    pub(crate) stalled: Duration,
}

/// What to do about a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Check again after this time.
    Wait(Duration),
    /// No request for [`ConnectionTimeouts::idle`], and none in service.
    Idle,
    /// A response waits for the client, which read nothing for [`ConnectionTimeouts::stalled`].
    Stalled,
}

/// How a connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Eviction {
    /// Requests in service may finish.
    Graceful = 1,
    /// At once.
    Abort = 2,
}

/// Shared by a connection's task, its answers and the table.
#[derive(Debug)]
pub(crate) struct Usage {
    epoch: Instant,
    sums: Sums,
    /// Requests in service.
    requests: AtomicUsize,
    /// Requests and responses that are not dropped yet.
    exchanges: AtomicUsize,
    /// Bytes of the responses' bodies.
    answer_bytes: AtomicUsize,
    /// Bytes of the requests' bodies.
    request_bytes: AtomicUsize,
    /// Chunks of responses that wait for the client to read them.
    pending: AtomicUsize,
    /// Milliseconds after `epoch` when an exchange last began or ended.
    active_at: AtomicU64,
    /// Milliseconds after `epoch` when the client last read a chunk, or the first of `pending`
    /// began to wait.
    progress_at: AtomicU64,
    has_received_request: AtomicBool,
    eviction: AtomicU8,
    evicted: Notify,
    drained: Notify,
}

impl Usage {
    /// The usage of a connection that opens now. `epoch` is the same for all of a table.
    pub(crate) fn new(epoch: Instant, sums: Sums) -> Self {
        let now = millis(epoch);
        Self {
            epoch,
            sums,
            requests: AtomicUsize::new(0),
            exchanges: AtomicUsize::new(0),
            answer_bytes: AtomicUsize::new(0),
            request_bytes: AtomicUsize::new(0),
            pending: AtomicUsize::new(0),
            active_at: AtomicU64::new(now),
            progress_at: AtomicU64::new(now),
            has_received_request: AtomicBool::new(false),
            eviction: AtomicU8::new(0),
            evicted: Notify::new(),
            drained: Notify::new(),
        }
    }

    /// Whether the connection has had a request.
    pub(crate) fn has_received_request(&self) -> bool {
        self.has_received_request.load(Ordering::Relaxed)
    }

    /// Whether no request is in service.
    pub(crate) fn is_idle(&self) -> bool {
        self.requests.load(Ordering::Relaxed) == 0
    }

    /// What to do about the connection at this time.
    pub(crate) fn verdict(&self, timeouts: ConnectionTimeouts) -> Verdict {
        let since = |at: &AtomicU64| {
            Duration::from_millis(millis(self.epoch).saturating_sub(at.load(Ordering::Relaxed)))
        };
        let mut look = timeouts.idle.min(timeouts.stalled);
        if self.pending.load(Ordering::Relaxed) > 0 {
            match timeouts.stalled.checked_sub(since(&self.progress_at)) {
                None | Some(Duration::ZERO) => return Verdict::Stalled,
                Some(left) => look = look.min(left),
            }
        }
        if self.exchanges.load(Ordering::Relaxed) == 0 {
            match timeouts.idle.checked_sub(since(&self.active_at)) {
                None | Some(Duration::ZERO) => return Verdict::Idle,
                Some(left) => look = look.min(left),
            }
        }
        Verdict::Wait(look)
    }

    /// Tells the connection's task to close it.
    pub(crate) fn evict(&self, how: Eviction) {
        self.eviction.fetch_max(how as u8, Ordering::Relaxed);
        self.evicted.notify_one();
    }

    /// Waits until the connection is told to close.
    pub(crate) async fn evicted(&self) -> Eviction {
        loop {
            match self.eviction.load(Ordering::Relaxed) {
                0 => self.evicted.notified().await,
                1 => return Eviction::Graceful,
                _ => return Eviction::Abort,
            }
        }
    }

    /// Waits until the connection is told to close at once.
    pub(crate) async fn aborted(&self) {
        while self.eviction.load(Ordering::Relaxed) < Eviction::Abort as u8 {
            self.evicted.notified().await;
        }
    }

    /// Waits until the bodies of unread responses are at most `most` bytes.
    pub(crate) async fn drained(&self, most: usize) {
        // Each dropped response wakes one waiting request. That request wakes the next one when it
        // goes on: one dropped response may make room for several, and the next response may be
        // dropped much later.
        let mut has_waited = false;
        while self.answer_bytes.load(Ordering::Relaxed) > most {
            self.drained.notified().await;
            has_waited = true;
        }
        if has_waited {
            self.drained.notify_one();
        }
    }

    /// Bytes that the connections of its address, of its network and of all hold, those that are
    /// being closed included.
    pub(crate) const fn sums(&self) -> &Sums {
        &self.sums
    }

    fn touch(&self, at: &AtomicU64) {
        at.store(millis(self.epoch), Ordering::Relaxed);
    }

    fn add_pending(&self) {
        if self.pending.fetch_add(1, Ordering::Relaxed) == 0 {
            self.touch(&self.progress_at);
        }
    }

    fn remove_pending(&self) {
        self.touch(&self.progress_at);
        self.pending.fetch_sub(1, Ordering::Relaxed);
    }

    fn hold(&self, bytes: usize) {
        self.sums.address.add(bytes);
        self.sums.network.add(bytes);
        self.sums.total.add(bytes);
    }

    fn release(&self, bytes: usize) {
        self.sums.address.subtract(bytes);
        self.sums.network.subtract(bytes);
        self.sums.total.subtract(bytes);
    }
}

impl Connection for Usage {
    fn idle_since(&self) -> Option<u64> {
        let since = self.active_at.load(Ordering::Relaxed);
        let is_young = !self.has_received_request()
            && Duration::from_millis(millis(self.epoch).saturating_sub(since)) < GRACE_PERIOD;
        (self.is_idle() && !is_young).then_some(since)
    }

    fn held_bytes(&self) -> usize {
        self.answer_bytes.load(Ordering::Relaxed)
            + self.request_bytes.load(Ordering::Relaxed)
            + self.exchanges.load(Ordering::Relaxed) * EXCHANGE_BYTES
    }
}

impl<C: Connection> Connection for Arc<C> {
    fn idle_since(&self) -> Option<u64> {
        (**self).idle_since()
    }

    fn held_bytes(&self) -> usize {
        (**self).held_bytes()
    }
}

/// A request and its response, until both are dropped.
#[derive(Debug)]
pub(crate) struct Exchange {
    usage: Arc<Usage>,
    body: AtomicUsize,
}

impl Exchange {
    /// Begins the exchange of a request.
    pub(crate) fn begin(usage: &Arc<Usage>) -> Self {
        usage.has_received_request.store(true, Ordering::Relaxed);
        usage.exchanges.fetch_add(1, Ordering::Relaxed);
        usage.hold(EXCHANGE_BYTES);
        usage.touch(&usage.active_at);
        Self {
            usage: usage.clone(),
            body: AtomicUsize::new(0),
        }
    }

    /// The request is in service as long as the returned guard lives.
    pub(crate) fn serve(&self) -> Serving {
        self.usage.requests.fetch_add(1, Ordering::Relaxed);
        Serving(self.usage.clone())
    }

    /// Counts the bytes of the response's body, until the exchange is dropped.
    pub(crate) fn answered(&self, bytes: usize) {
        self.body.fetch_add(bytes, Ordering::Relaxed);
        self.usage.answer_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.usage.hold(bytes);
    }

    /// A chunk of the response waits for the client.
    pub(crate) fn add_pending(&self) {
        self.usage.add_pending();
    }

    /// The client has read a chunk, or the chunk is not sent any more.
    pub(crate) fn remove_pending(&self) {
        self.usage.remove_pending();
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let body = *self.body.get_mut();
        let usage = &self.usage;
        usage.release(body + EXCHANGE_BYTES);
        usage.answer_bytes.fetch_sub(body, Ordering::Relaxed);
        usage.exchanges.fetch_sub(1, Ordering::Relaxed);
        usage.touch(&usage.active_at);
        usage.drained.notify_one();
    }
}

/// Bytes of a request's body that are in memory, counted until this is dropped.
#[derive(Debug)]
pub(crate) struct RequestBytes {
    usage: Arc<Usage>,
    bytes: usize,
}

impl RequestBytes {
    pub(crate) fn hold(usage: &Arc<Usage>, bytes: usize) -> Self {
        usage.request_bytes.fetch_add(bytes, Ordering::Relaxed);
        usage.hold(bytes);
        Self {
            usage: usage.clone(),
            bytes,
        }
    }
}

impl Drop for RequestBytes {
    fn drop(&mut self) {
        self.usage.release(self.bytes);
        self.usage
            .request_bytes
            .fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Guard of a request in service.
#[derive(Debug)]
pub(crate) struct Serving(Arc<Usage>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.touch(&self.0.active_at);
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

fn millis(epoch: Instant) -> u64 {
    u64::try_from(epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
