//! Admission of connections to a listener, and what becomes of those that have to go.

use crate::table::{ConnectionId, ConnectionTable, Exhausted, Shares, Source};
use crate::usage::{Eviction, Patience, Usage};
use faceshare_routes::TrustedProxies;
use metrics::{counter, gauge};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Bounds on the connections of a listener. Streams of upgraded connections are not among them.
#[derive(Debug, Clone, Default)]
pub struct ConnectionLimits {
    /// Connections at once; 0: any number.
    pub connections: usize,
    /// Of these, from one address (of IPv6, one /64); 0: any number.
    pub per_address: usize,
    /// Of these, from one network (/24, or /56 of IPv6); 0: any number.
    pub per_network: usize,
    /// How long a client may take nothing of an answer.
    pub answer_timeout: Duration,
    /// Bytes of answers that are not sent yet beyond which the requests of one connection wait.
    pub unread_bytes: usize,
    /// Bytes of requests and unread answers of one address beyond which its connection with the most of them is closed; 0: any number.
    pub unread_bytes_per_address: usize,
    /// The same for one network.
    pub unread_bytes_per_network: usize,
    /// Peers without a share: each stands for many clients.
    pub proxies: TrustedProxies,
}

/// Connections that are closed at a time when there are no descriptors left: listeners try again ten times a second.
const ROOM: usize = 64;

/// The connections of one listener.
#[derive(Debug)]
pub(crate) struct Admission {
    listener: &'static str,
    limits: ConnectionLimits,
    epoch: Instant,
    table: Mutex<ConnectionTable<Arc<Usage>>>,
}

/// The place of an open connection; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    admission: Arc<Admission>,
    source: Source,
    id: ConnectionId,
    usage: Arc<Usage>,
}

impl Admission {
    /// `listener` is its name in metrics.
    pub(crate) fn new(listener: &'static str, limits: ConnectionLimits) -> Arc<Self> {
        let shares = Shares {
            total: limits.connections,
            per_address: limits.per_address,
            per_network: limits.per_network,
        };
        Arc::new(Self {
            listener,
            limits,
            epoch: Instant::now(),
            table: Mutex::new(ConnectionTable::new(shares)),
        })
    }

    /// Lets a connection in, or `None` when it has to be closed at once.
    pub(crate) fn admit(self: &Arc<Self>, peer: IpAddr) -> Option<Admitted> {
        let source = if self.limits.proxies.contains(peer) {
            Source::Proxy
        } else {
            Source::client(peer)
        };
        let mut table = self.lock();
        let admitted = table.admit(source, |sums| Arc::new(Usage::new(self.epoch, sums)));
        self.report(&table);
        drop(table);
        match admitted {
            Ok(admitted) => {
                if let Some((exhausted, usage)) = admitted.evicted {
                    self.evict(&usage, Eviction::Graceful, exhausted.name());
                }
                Some(Admitted {
                    admission: self.clone(),
                    source,
                    id: admitted.id,
                    usage: admitted.connection,
                })
            }
            Err(exhausted) => {
                counter!("http_connections_refused_total", "listener" => self.listener, "limit" => exhausted.name()).increment(1);
                None
            }
        }
    }

    /// Closes idle connections, because the process has no descriptor left for another one. `false`: there is none.
    pub(crate) fn make_room(&self) -> bool {
        let evicted: Vec<_> = {
            let mut table = self.lock();
            std::iter::from_fn(|| table.evict()).take(ROOM).collect()
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
        // Far fewer than the 2^52 up to which it is exact.
        #[expect(clippy::cast_precision_loss)]
        gauge!("http_connections_open", "listener" => self.listener).set(table.len() as f64);
    }
}

impl Admitted {
    pub(crate) fn usage(&self) -> &Arc<Usage> {
        &self.usage
    }

    /// `idle`: how long the connection may be without a request.
    pub(crate) fn patience(&self, idle: Duration) -> Patience {
        Patience {
            idle,
            stalled: self.admission.limits.answer_timeout,
        }
    }

    /// Waits until few enough bytes of this connection's answers are unread for one more request.
    pub(crate) async fn ready_for_request(&self) {
        self.usage.drained(self.admission.limits.unread_bytes).await;
    }

    /// Closes what holds the most bytes of this connection's address or network, where these hold too many.
    pub(crate) fn relieve(&self) {
        let limits = &self.admission.limits;
        let (of_address, of_network) = self.usage.sums();
        self.relieve_one(
            Exhausted::Address,
            of_address,
            limits.unread_bytes_per_address,
        );
        self.relieve_one(
            Exhausted::Network,
            of_network,
            limits.unread_bytes_per_network,
        );
    }

    fn relieve_one(&self, scope: Exhausted, held: usize, most: usize) {
        if most == 0 || held <= most || self.source == Source::Proxy {
            return;
        }
        loop {
            let heaviest = self
                .admission
                .lock()
                .evict_heaviest(self.source, scope, most);
            let Some(usage) = heaviest else { return };
            let limit = if scope == Exhausted::Address {
                "unread_bytes_per_address"
            } else {
                "unread_bytes_per_network"
            };
            self.admission.evict(&usage, Eviction::Abort, limit);
        }
    }

    /// A connection was closed because its client took nothing of an answer.
    pub(crate) fn count_stalled(&self) {
        counter!("http_connections_stalled_total", "listener" => self.admission.listener)
            .increment(1);
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut table = self.admission.lock();
        table.remove(self.id);
        self.admission.report(&table);
    }
}
