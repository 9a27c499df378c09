//! Admits connections to a listener, and chooses which connections are closed to make room.

use crate::table::{ConnectionId, ConnectionQuotas, ConnectionTable, Exhausted, HeldBytes, Source};
use crate::usage::{ConnectionTimeouts, Eviction, Usage};
use faceshare_routes::TrustedProxies;
use metrics::{counter, gauge};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Bounds on the connections of a listener. Streams of upgraded connections are not among them.
#[derive(Debug, Clone, Default)]
pub struct ConnectionLimits {
    /// Open connections at most; 0: unlimited.
    pub connections: usize,
    /// Open connections of one address (of IPv6, one /64); 0: unlimited.
    pub per_address: usize,
    /// Open connections of one network (/24, or /56 of IPv6); 0: unlimited.
    pub per_network: usize,
    /// Open connections of one prefix (/16, or /32 of IPv6); 0: unlimited.
    pub per_prefix: usize,
    /// How long a client may read nothing of a response.
    pub answer_timeout: Duration,
    /// When this many bytes of responses are unsent, further requests of the connection wait.
    pub unread_bytes: usize,
    /// Bytes of requests and unread responses of one address at most; beyond that, its connection
    /// with the most of them is closed. 0: unlimited. A request's body counts while it is received.
    pub unread_bytes_per_address: usize,
    /// Like `unread_bytes_per_address`, for one network.
    pub unread_bytes_per_network: usize,
    /// Like `unread_bytes_per_address`, for all connections of the listener, those of proxies
    /// included.
    pub unread_bytes_total: usize,
    /// Peers without a quota: each stands for many clients.
    pub proxies: TrustedProxies,
}

/// Idle connections that are closed at once when the process has no descriptors left. Listeners try
/// again ten times a second.
const EVICTED_AT_ONCE: usize = 64;

/// The connections of one listener.
#[derive(Debug)]
pub(crate) struct Admission {
    listener: &'static str,
    limits: ConnectionLimits,
    epoch: Instant,
    table: Mutex<ConnectionTable<Arc<Usage>>>,
}

/// The permit of an open connection; dropping it frees it.
#[derive(Debug)]
pub(crate) struct ConnectionPermit {
    admission: Arc<Admission>,
    source: Source,
    id: ConnectionId,
    usage: Arc<Usage>,
}

impl Admission {
    /// `listener` is the listener's name in metrics.
    pub(crate) fn new(listener: &'static str, limits: ConnectionLimits) -> Arc<Self> {
        let quotas = ConnectionQuotas {
            total: limits.connections,
            per_address: limits.per_address,
            per_network: limits.per_network,
            per_prefix: limits.per_prefix,
        };
        Arc::new(Self {
            listener,
            limits,
            epoch: Instant::now(),
            table: Mutex::new(ConnectionTable::new(quotas)),
        })
    }

    /// A permit for a connection; `None` when the connection must be closed at once.
    pub(crate) fn admit(self: &Arc<Self>, peer: IpAddr) -> Option<ConnectionPermit> {
        let source = if self.limits.proxies.contains(peer) {
            Source::Proxy
        } else {
            Source::client(peer)
        };
        let mut table = self.lock();
        let permit = table.admit(source, |sums| Arc::new(Usage::new(self.epoch, sums)));
        self.report(&table);
        drop(table);
        match permit {
            Ok(permit) => {
                if let Some(evicted) = permit.evicted {
                    let how = if evicted.was_idle {
                        Eviction::Graceful
                    } else {
                        Eviction::Abort
                    };
                    self.evict(&evicted.connection, how, evicted.exhausted.name());
                }
                if let Some(usage) = permit.overdue {
                    usage.evict(Eviction::Abort);
                }
                Some(ConnectionPermit {
                    admission: self.clone(),
                    source,
                    id: permit.id,
                    usage: permit.connection,
                })
            }
            Err(exhausted) => {
                counter!("http_connections_refused_total", "listener" => self.listener, "limit" => exhausted.name()).increment(1);
                None
            }
        }
    }

    /// Closes idle connections when the process has no descriptor left for a new one; without any,
    /// the emptiest connection of the greatest prefix. `false` when there is none to close.
    pub(crate) fn make_room(&self) -> bool {
        let evicted: Vec<_> = {
            let mut table = self.lock();
            let idle: Vec<_> = std::iter::from_fn(|| table.evict())
                .take(EVICTED_AT_ONCE)
                .collect();
            if idle.is_empty() {
                table.evict_busy().into_iter().collect()
            } else {
                idle
            }
        };
        for usage in &evicted {
            self.evict(usage, Eviction::Abort, "descriptors");
        }
        !evicted.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, ConnectionTable<Arc<Usage>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn evict(&self, usage: &Usage, how: Eviction, limit: &'static str) {
        usage.evict(how);
        counter!("http_connections_evicted_total", "listener" => self.listener, "limit" => limit)
            .increment(1);
    }

    fn report(&self, table: &ConnectionTable<Arc<Usage>>) {
        // A count far below 2^52 is exact as `f64`.
        #[expect(clippy::cast_precision_loss)]
        gauge!("http_connections_open", "listener" => self.listener).set(table.len() as f64);
        #[expect(clippy::cast_precision_loss)]
        gauge!("http_connections_leaving", "listener" => self.listener).set(table.leaving() as f64);
    }
}

impl ConnectionPermit {
    pub(crate) fn usage(&self) -> &Arc<Usage> {
        &self.usage
    }

    /// `idle`: how long the connection may be open without a request.
    pub(crate) fn timeouts(&self, idle: Duration) -> ConnectionTimeouts {
        ConnectionTimeouts {
            idle,
            stalled: self.admission.limits.answer_timeout,
        }
    }

    /// Waits until the unread bytes of this connection's responses allow one more request.
    pub(crate) async fn ready_for_request(&self) {
        self.usage.drained(self.admission.limits.unread_bytes).await;
    }

    /// While the connections of this one's address, of its network or of all hold too many bytes,
    /// closes the one with the most among those.
    pub(crate) fn evict_over_byte_limits(&self) {
        let (limits, sums) = (&self.admission.limits, self.usage.sums());
        self.evict_heaviest(
            Exhausted::Address,
            &sums.address,
            limits.unread_bytes_per_address,
            "unread_bytes_per_address",
        );
        self.evict_heaviest(
            Exhausted::Network,
            &sums.network,
            limits.unread_bytes_per_network,
            "unread_bytes_per_network",
        );
        self.evict_heaviest(
            Exhausted::Total,
            &sums.total,
            limits.unread_bytes_total,
            "unread_bytes_total",
        );
    }

    fn evict_heaviest(&self, scope: Exhausted, held: &HeldBytes, most: usize, limit: &'static str) {
        if most == 0 || held.get() <= most {
            return;
        }
        loop {
            let mut table = self.admission.lock();
            let heaviest = table.evict_heaviest(self.source, scope, most);
            drop(table);
            let Some(usage) = heaviest else { return };
            self.admission.evict(&usage, Eviction::Abort, limit);
        }
    }

    /// Counts a connection that was closed because its client read nothing of a response.
    pub(crate) fn count_stalled(&self) {
        counter!("http_connections_stalled_total", "listener" => self.admission.listener)
            .increment(1);
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut table = self.admission.lock();
        table.remove(self.id);
        self.admission.report(&table);
    }
}
