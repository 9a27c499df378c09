//! The open connections, by address and network, and the choice of the one to close when there are
//! too many.
//!
//! No I/O: the caller closes the connection that the table names.

use faceshare_routes::{NetworkKey, address_key, network_key};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many connections may be open at once; 0: unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConnectionQuotas {
    pub(crate) total: usize,
    pub(crate) per_address: usize,
    pub(crate) per_network: usize,
}

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// A trusted proxy, which stands for many clients: it has no quota.
    Proxy,
    /// An address (of IPv6, a /64) and its network (/24, or /56 of IPv6).
    Client {
        address: IpAddr,
        network: NetworkKey,
    },
}

impl Source {
    pub(crate) fn client(address: IpAddr) -> Self {
        Self::Client {
            address: address_key(address),
            network: network_key(address),
        }
    }
}

/// What the table needs to know of a connection.
pub(crate) trait Connection {
    /// When the connection became idle, in the caller's unit; `None` while a request is in service.
    fn idle_since(&self) -> Option<u64>;
    /// Bytes that its requests and unread responses hold.
    fn held_bytes(&self) -> usize;
}

/// Bytes that the connections of one address or network hold together.
#[derive(Debug, Default)]
pub(crate) struct HeldBytes(AtomicUsize);

impl HeldBytes {
    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn subtract(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The sums that a new connection adds its bytes to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sums {
    pub(crate) address: Arc<HeldBytes>,
    pub(crate) network: Arc<HeldBytes>,
}

/// Identifies a connection in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ConnectionId {
    source: Source,
    number: u64,
}

/// The quota that a connection is closed or refused for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exhausted {
    /// The quota of its address.
    Address,
    /// The quota of its network.
    Network,
    /// The quota of all connections.
    Total,
}

impl Exhausted {
    /// The label in metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Network => "network",
            Self::Total => "total",
        }
    }
}

/// A connection that was added, and the one that must be closed for it.
#[derive(Debug)]
pub(crate) struct AdmittedConnection<C> {
    pub(crate) id: ConnectionId,
    pub(crate) connection: C,
    /// It was idle, and may finish what has begun.
    pub(crate) evicted: Option<(Exhausted, C)>,
    /// It was evicted before and has not ended: it must end at once.
    pub(crate) overdue: Option<C>,
}

/// The open connections.
#[derive(Debug)]
pub(crate) struct ConnectionTable<C> {
    quotas: ConnectionQuotas,
    next: u64,
    total: usize,
    networks: HashMap<NetworkKey, Network<C>>,
    proxies: HashMap<u64, C>,
    /// Connections that were evicted for another one and have not ended, by the order of their eviction.
    leaving: BTreeMap<u64, (ConnectionId, C)>,
    evictions: u64,
}

/// As many evicted connections may be open as this part of all.
const LEAVING_PART: usize = 8;

#[derive(Debug)]
struct Network<C> {
    total: usize,
    held: Arc<HeldBytes>,
    addresses: HashMap<IpAddr, Address<C>>,
}

#[derive(Debug)]
struct Address<C> {
    held: Arc<HeldBytes>,
    connections: HashMap<u64, C>,
}

impl<C: Connection + Clone> ConnectionTable<C> {
    pub(crate) fn new(quotas: ConnectionQuotas) -> Self {
        Self {
            quotas,
            next: 0,
            total: 0,
            networks: HashMap::new(),
            proxies: HashMap::new(),
            leaving: BTreeMap::new(),
            evictions: 0,
        }
    }

    /// The number of connections of all sources, without those that were evicted.
    pub(crate) const fn len(&self) -> usize {
        self.total
    }

    /// The number of connections that were evicted and have not ended.
    pub(crate) fn leaving(&self) -> usize {
        self.leaving.len()
    }

    /// Adds a connection. When its address, its network or all connections together have reached
    /// their quota, it removes the longest idle connection of the address, of the network's
    /// greatest address, or of the greatest network.
    ///
    /// # Errors
    /// When each connection that could be closed has a request in service.
    pub(crate) fn admit(
        &mut self,
        source: Source,
        make: impl FnOnce(Sums) -> C,
    ) -> Result<AdmittedConnection<C>, Exhausted> {
        let evicted = match self.exhausted(source) {
            Some(exhausted) => {
                let victim = self.idle_in(exhausted, source).ok_or(exhausted)?;
                let connection = self.take(victim).ok_or(exhausted)?;
                self.evictions += 1;
                self.leaving
                    .insert(self.evictions, (victim, connection.clone()));
                Some((exhausted, connection))
            }
            None => None,
        };
        let overdue = self.overdue();
        let id = ConnectionId {
            source,
            number: self.next,
        };
        self.next += 1;
        self.total += 1;
        let connection = self.insert(id, make);
        Ok(AdmittedConnection {
            id,
            connection,
            evicted,
            overdue,
        })
    }

    /// Removes a connection that has ended; `None` when it is removed already.
    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<C> {
        self.take(id).or_else(|| {
            let (order, _) = self.leaving.iter().find(|(_, (other, _))| *other == id)?;
            let order = *order;
            self.leaving
                .remove(&order)
                .map(|(_, connection)| connection)
        })
    }

    /// Takes out the connection that was evicted first, when too many of those are open.
    fn overdue(&mut self) -> Option<C> {
        let most = (self.quotas.total / LEAVING_PART).max(1);
        if self.quotas.total == 0 || self.leaving.len() <= most {
            return None;
        }
        self.leaving
            .pop_first()
            .map(|(_, (_, connection))| connection)
    }

    fn take(&mut self, id: ConnectionId) -> Option<C> {
        let Source::Client {
            address: key,
            network: network_key,
        } = id.source
        else {
            let removed = self.proxies.remove(&id.number)?;
            self.total -= 1;
            return Some(removed);
        };
        let network = self.networks.get_mut(&network_key)?;
        let address = network.addresses.get_mut(&key)?;
        let removed = address.connections.remove(&id.number)?;
        if address.connections.is_empty() {
            network.addresses.remove(&key);
        }
        network.total -= 1;
        if network.total == 0 {
            self.networks.remove(&network_key);
        }
        self.total -= 1;
        Some(removed)
    }

    /// Removes the longest idle connection of the greatest network, to free a descriptor.
    pub(crate) fn evict(&mut self) -> Option<C> {
        let victim = self.idle_of_all()?;
        self.take(victim)
    }

    /// Removes the connection that holds the most bytes of an address or a network, if together its
    /// connections hold more than `most`. The sum is computed again: it does not include
    /// connections that were told to close at once.
    pub(crate) fn evict_heaviest(
        &mut self,
        source: Source,
        scope: Exhausted,
        most: usize,
    ) -> Option<C> {
        let Source::Client { address, network } = source else {
            return None;
        };
        let is_in_scope = |of: Source| match of {
            Source::Client { address: other, .. } if scope == Exhausted::Address => {
                other == address
            }
            Source::Client { network: other, .. } => other == network,
            Source::Proxy => false,
        };
        let open = self
            .networks
            .get(&network)
            .into_iter()
            .flat_map(|network| &network.addresses)
            .flat_map(|(address, of_address)| {
                of_address.connections.iter().map(|(number, connection)| {
                    let source = Source::Client {
                        address: *address,
                        network,
                    };
                    (
                        ConnectionId {
                            source,
                            number: *number,
                        },
                        connection,
                    )
                })
            });
        let leaving = self.leaving.values().map(|(id, c)| (*id, c));
        let in_scope = open
            .chain(leaving)
            .filter(|(id, _)| is_in_scope(id.source))
            .map(|(id, connection)| (connection.held_bytes(), id));
        let (mut sum, mut heaviest) = (0, None::<(usize, ConnectionId)>);
        for next in in_scope {
            sum += next.0;
            if heaviest.is_none_or(|(bytes, _)| bytes < next.0) {
                heaviest = Some(next);
            }
        }
        let (_, id) = heaviest.filter(|_| sum > most)?;
        self.remove(id)
    }

    /// The first quota, from the narrowest, that one more connection would exceed.
    fn exhausted(&self, source: Source) -> Option<Exhausted> {
        let full = |held: usize, max: usize| max > 0 && held >= max;
        if let Source::Client { address, network } = source
            && let Some(network) = self.networks.get(&network)
        {
            let of_address = network
                .addresses
                .get(&address)
                .map_or(0, |a| a.connections.len());
            if full(of_address, self.quotas.per_address) {
                return Some(Exhausted::Address);
            }
            if full(network.total, self.quotas.per_network) {
                return Some(Exhausted::Network);
            }
        }
        full(self.total, self.quotas.total).then_some(Exhausted::Total)
    }

    fn idle_in(&self, exhausted: Exhausted, source: Source) -> Option<ConnectionId> {
        match (exhausted, source) {
            (Exhausted::Address, Source::Client { address, network }) => {
                self.idle_of_address(network, address)
            }
            (Exhausted::Network, Source::Client { network, .. }) => self.idle_of_network(network),
            _ => self.idle_of_all(),
        }
    }

    fn idle_of_address(&self, network: NetworkKey, address: IpAddr) -> Option<ConnectionId> {
        let number = longest_idle(
            &self
                .networks
                .get(&network)?
                .addresses
                .get(&address)?
                .connections,
        )?;
        Some(ConnectionId {
            source: Source::Client { address, network },
            number,
        })
    }

    fn idle_of_network(&self, network: NetworkKey) -> Option<ConnectionId> {
        let addresses = self
            .networks
            .get(&network)?
            .addresses
            .iter()
            .map(|(address, a)| (a.connections.len(), *address));
        greatest_first(addresses)
            .into_iter()
            .find_map(|address| self.idle_of_address(network, address))
    }

    /// Connections of proxies come last: each stands for many clients.
    fn idle_of_all(&self) -> Option<ConnectionId> {
        let networks = greatest_first(
            self.networks
                .iter()
                .map(|(key, network)| (network.total, *key)),
        );
        let of_clients = networks
            .into_iter()
            .find_map(|network| self.idle_of_network(network));
        of_clients.or_else(|| {
            longest_idle(&self.proxies).map(|number| ConnectionId {
                source: Source::Proxy,
                number,
            })
        })
    }

    fn insert(&mut self, id: ConnectionId, make: impl FnOnce(Sums) -> C) -> C {
        let Source::Client { address, network } = id.source else {
            return self
                .proxies
                .entry(id.number)
                .or_insert_with(|| make(Sums::default()))
                .clone();
        };
        let network = self.networks.entry(network).or_insert_with(|| Network {
            total: 0,
            held: Arc::default(),
            addresses: HashMap::new(),
        });
        network.total += 1;
        let address = network.addresses.entry(address).or_insert_with(|| Address {
            held: Arc::default(),
            connections: HashMap::new(),
        });
        let connection = make(Sums {
            address: address.held.clone(),
            network: network.held.clone(),
        });
        address.connections.insert(id.number, connection.clone());
        connection
    }
}

fn longest_idle<C: Connection>(connections: &HashMap<u64, C>) -> Option<u64> {
    let idle = connections
        .iter()
        .filter_map(|(number, connection)| Some((connection.idle_since()?, *number)));
    idle.min().map(|(_, number)| number)
}

fn greatest_first<K: Ord>(holders: impl Iterator<Item = (usize, K)>) -> Vec<K> {
    let mut holders: Vec<_> = holders.collect();
    holders.sort_unstable_by(|one, other| other.cmp(one));
    holders.into_iter().map(|(_, key)| key).collect()
}

#[cfg(test)]
mod tests;
