//! What one connection has in service and in flight, and what follows from it: whether it is idle, stalled, or holds too much.

use crate::table::{Connection, Sums};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Bytes that a request and the head of its answer are counted as, besides the answer's body.
pub(crate) const EXCHANGE_BYTES: usize = 4_096;

/// A new connection has this long to say something before it may be closed for another one. Without it, a crowd that comes at once would
/// push itself out.
const YOUNG: Duration = Duration::from_secs(1);

/// How long a connection may stay as it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Without a request.
    pub(crate) idle: Duration,
    /// With an answer of which the client takes nothing.
    pub(crate) stalled: Duration,
}

/// What a look at a connection says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Look again after this.
    Wait(Duration),
    /// No request for [`Patience::idle`], and none in service.
    Idle,
    /// An answer waits for the client, which took nothing for [`Patience::stalled`].
    Stalled,
}

/// How a connection is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Eviction {
    /// What has begun may be finished.
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
    /// Requests and answers that are not dropped yet.
    exchanges: AtomicUsize,
    /// Bytes of their bodies.
    answer_bytes: AtomicUsize,
    /// Parts of answers that wait for the client to take them.
    owed: AtomicUsize,
    /// Milliseconds after `epoch`: the last beginning or end of an exchange.
    active_at: AtomicU64,
    /// Likewise: when the client last took a part of an answer, or the first of `owed` began to wait.
    progress_at: AtomicU64,
    spoke: AtomicBool,
    eviction: AtomicU8,
    evicted: Notify,
    drained: Notify,
}

impl Usage {
    /// Of a connection that opens now. `epoch` is the same for all of a table.
    pub(crate) fn new(epoch: Instant, sums: Sums) -> Self {
        let now = millis(epoch);
        Self {
            epoch,
            sums,
            requests: AtomicUsize::new(0),
            exchanges: AtomicUsize::new(0),
            answer_bytes: AtomicUsize::new(0),
            owed: AtomicUsize::new(0),
            active_at: AtomicU64::new(now),
            progress_at: AtomicU64::new(now),
            spoke: AtomicBool::new(false),
            eviction: AtomicU8::new(0),
            evicted: Notify::new(),
            drained: Notify::new(),
        }
    }

    /// Whether there was a request.
    pub(crate) fn spoke(&self) -> bool {
        self.spoke.load(Ordering::Relaxed)
    }

    /// Whether no request is in service.
    pub(crate) fn is_idle(&self) -> bool {
        self.requests.load(Ordering::Relaxed) == 0
    }

    /// What to do about the connection now.
    pub(crate) fn verdict(&self, patience: Patience) -> Verdict {
        let since = |at: &AtomicU64| {
            Duration::from_millis(millis(self.epoch).saturating_sub(at.load(Ordering::Relaxed)))
        };
        let mut look = patience.idle.min(patience.stalled);
        if self.owed.load(Ordering::Relaxed) > 0 {
            match patience.stalled.checked_sub(since(&self.progress_at)) {
                None | Some(Duration::ZERO) => return Verdict::Stalled,
                Some(left) => look = look.min(left),
            }
        }
        if self.exchanges.load(Ordering::Relaxed) == 0 {
            match patience.idle.checked_sub(since(&self.active_at)) {
                None | Some(Duration::ZERO) => return Verdict::Idle,
                Some(left) => look = look.min(left),
            }
        }
        Verdict::Wait(look)
    }

    /// Tells the connection's task to end it.
    pub(crate) fn evict(&self, how: Eviction) {
        self.eviction.fetch_max(how as u8, Ordering::Relaxed);
        self.evicted.notify_one();
    }

    /// Waits until the connection is told to end.
    pub(crate) async fn evicted(&self) -> Eviction {
        loop {
            match self.eviction.load(Ordering::Relaxed) {
                0 => self.evicted.notified().await,
                1 => return Eviction::Graceful,
                _ => return Eviction::Abort,
            }
        }
    }

    /// Waits until the bodies of unread answers are no more than `most` bytes.
    pub(crate) async fn drained(&self, most: usize) {
        // Each answer that goes lets one request on; the ones behind it follow when that one's answer goes.
        while self.answer_bytes.load(Ordering::Relaxed) > most {
            self.drained.notified().await;
        }
    }

    /// Bytes that all connections of its address, and of its network, hold; those that are being closed included.
    pub(crate) fn sums(&self) -> (usize, usize) {
        (self.sums.address.get(), self.sums.network.get())
    }

    fn touch(&self, at: &AtomicU64) {
        at.store(millis(self.epoch), Ordering::Relaxed);
    }

    fn owe(&self) {
        if self.owed.fetch_add(1, Ordering::Relaxed) == 0 {
            self.touch(&self.progress_at);
        }
    }

    fn paid(&self) {
        self.touch(&self.progress_at);
        self.owed.fetch_sub(1, Ordering::Relaxed);
    }

    fn hold(&self, bytes: usize) {
        self.sums.address.add(bytes);
        self.sums.network.add(bytes);
    }

    fn release(&self, bytes: usize) {
        self.sums.address.subtract(bytes);
        self.sums.network.subtract(bytes);
    }
}

impl Connection for Usage {
    fn idle_since(&self) -> Option<u64> {
        let since = self.active_at.load(Ordering::Relaxed);
        let is_young = !self.spoke()
            && Duration::from_millis(millis(self.epoch).saturating_sub(since)) < YOUNG;
        (self.is_idle() && !is_young).then_some(since)
    }

    fn held_bytes(&self) -> usize {
        self.answer_bytes.load(Ordering::Relaxed)
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

/// A request and its answer, until nothing of either is kept any more.
#[derive(Debug)]
pub(crate) struct Exchange {
    usage: Arc<Usage>,
    body: AtomicUsize,
}

impl Exchange {
    /// A request has come.
    pub(crate) fn begin(usage: &Arc<Usage>) -> Self {
        usage.spoke.store(true, Ordering::Relaxed);
        usage.exchanges.fetch_add(1, Ordering::Relaxed);
        usage.hold(EXCHANGE_BYTES);
        usage.touch(&usage.active_at);
        Self {
            usage: usage.clone(),
            body: AtomicUsize::new(0),
        }
    }

    /// The request is in service for as long as this lives.
    pub(crate) fn serve(&self) -> Serving {
        self.usage.requests.fetch_add(1, Ordering::Relaxed);
        Serving(self.usage.clone())
    }

    /// The answer keeps so many bytes until the client has taken it.
    pub(crate) fn answered(&self, bytes: usize) {
        self.body.fetch_add(bytes, Ordering::Relaxed);
        self.usage.answer_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.usage.hold(bytes);
    }

    /// A part of the answer waits for the client.
    pub(crate) fn owe(&self) {
        self.usage.owe();
    }

    /// The client took a part, or it is not to be sent any more.
    pub(crate) fn paid(&self) {
        self.usage.paid();
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

/// A request in service.
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
