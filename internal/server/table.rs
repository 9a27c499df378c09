//! The open connections, by prefix, network and address, and the choice of the one to close when
//! there are too many.
//!
//! No I/O: the caller closes the connection that the table names.

use faceshare_routes::{address_key, network_key, prefix_key};
use std::cmp::Reverse;
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
    pub(crate) per_prefix: usize,
}

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Source {
    /// A trusted proxy, which stands for many clients: it has no quota.
    Proxy,
    /// An address (of IPv6, a /64).
    Client(IpAddr),
}

/// The keys of a client's groups, the widest first: its prefix (/16, or /32 of IPv6), its network
/// (/24, or /56 of IPv6), its address.
type Path = [IpAddr; 3];

impl Source {
    pub(crate) fn client(address: IpAddr) -> Self {
        Self::Client(address_key(address))
    }

    fn path(self) -> Option<Path> {
        let Self::Client(address) = self else {
            return None;
        };
        Some([
            prefix_key(address).first(),
            network_key(address).first(),
            address,
        ])
    }
}

/// What the table needs to know of a connection.
pub(crate) trait Connection {
    /// When the connection became idle, in the caller's unit; `None` while a request is in service.
    fn idle_since(&self) -> Option<u64>;
    /// Bytes that its requests, their bodies and its unread responses hold.
    fn held_bytes(&self) -> usize;
}

/// Bytes that the connections of one address, of one network or of all hold together.
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
    pub(crate) total: Arc<HeldBytes>,
}

/// Identifies a connection in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ConnectionId {
    /// Counts up, so that an older connection has a smaller number.
    number: u64,
    source: Source,
}

/// The quota that a connection is closed or refused for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exhausted {
    /// The quota of its address.
    Address,
    /// The quota of its network.
    Network,
    /// The quota of its prefix.
    Prefix,
    /// The quota of all connections.
    Total,
}

impl Exhausted {
    /// The label in metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Network => "network",
            Self::Prefix => "prefix",
            Self::Total => "total",
        }
    }

    /// The number of keys in the path of a group that has this quota.
    const fn depth(self) -> usize {
        match self {
            Self::Address => 3,
            Self::Network => 2,
            Self::Prefix => 1,
            Self::Total => 0,
        }
    }
}

/// A connection that was added, and the one that must be closed for it.
#[derive(Debug)]
pub(crate) struct AdmittedConnection<C> {
    pub(crate) id: ConnectionId,
    pub(crate) connection: C,
    pub(crate) evicted: Option<EvictedConnection<C>>,
    /// It was evicted before and has not ended: it must end at once.
    pub(crate) overdue: Option<C>,
}

/// A connection that must be closed for another one.
#[derive(Debug)]
pub(crate) struct EvictedConnection<C> {
    pub(crate) exhausted: Exhausted,
    pub(crate) connection: C,
    /// Whether it may finish what has begun; otherwise it must end at once.
    pub(crate) was_idle: bool,
}

/// The open connections.
#[derive(Debug)]
pub(crate) struct ConnectionTable<C> {
    quotas: ConnectionQuotas,
    next: u64,
    clients: Group<C>,
    proxies: Group<C>,
    /// What all of them hold together.
    held: Arc<HeldBytes>,
    /// Connections that were evicted for another one and have not ended, by the order of their
    /// eviction.
    leaving: BTreeMap<u64, (ConnectionId, C)>,
    evictions: u64,
}

/// The quota of all connections divided by this is the number of evicted connections that may still
/// be open.
const LEAVING_PART: usize = 8;

impl<C: Connection + Clone> ConnectionTable<C> {
    pub(crate) fn new(quotas: ConnectionQuotas) -> Self {
        Self {
            quotas,
            next: 0,
            clients: Group::new(),
            proxies: Group::new(),
            held: Arc::default(),
            leaving: BTreeMap::new(),
            evictions: 0,
        }
    }

    /// The number of connections of all sources, without those that were evicted.
    pub(crate) const fn len(&self) -> usize {
        self.clients.len + self.proxies.len
    }

    /// The number of connections that were evicted and have not ended.
    pub(crate) fn leaving(&self) -> usize {
        self.leaving.len()
    }

    /// Adds a connection. When its address, network or prefix or all connections together have
    /// reached their quota, it removes another one among those: the longest idle one of the
    /// greatest prefix, in it of the greatest network, in it of the greatest address; without an
    /// idle one, the one that [`Group::displaced_by`] names.
    ///
    /// # Errors
    /// When no group among those has so much more than the groups of the new connection.
    pub(crate) fn admit(
        &mut self,
        source: Source,
        make: impl FnOnce(Sums) -> C,
    ) -> Result<AdmittedConnection<C>, Exhausted> {
        let evicted = match self.exhausted(source) {
            Some(exhausted) => Some(self.evict_for(source, exhausted).ok_or(exhausted)?),
            None => None,
        };
        let overdue = self.overdue();
        let id = ConnectionId {
            source,
            number: self.next,
        };
        self.next += 1;
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

    /// Removes the longest idle connection of the greatest prefix, to free a descriptor.
    pub(crate) fn evict(&mut self) -> Option<C> {
        let victim = self.longest_idle()?;
        self.take(victim)
    }

    /// Removes the emptiest connection of the greatest prefix, to free a descriptor. `None` when no
    /// prefix has two.
    pub(crate) fn evict_busy(&mut self) -> Option<C> {
        let victim = self.clients.displaced_by(&[])?;
        self.take(victim)
    }

    /// Removes the connection that holds the most bytes of an address, of a network or of all, if
    /// together its connections hold more than `most`: of all, the heaviest connection of the
    /// heaviest network of the heaviest prefix. Proxies count as one network. The sum is computed
    /// again: it does not include connections that were told to close at once.
    pub(crate) fn evict_heaviest(
        &mut self,
        source: Source,
        scope: Exhausted,
        most: usize,
    ) -> Option<C> {
        let path = source.path();
        let scope = match &path {
            Some(path) => &path[..scope.depth()],
            None if scope == Exhausted::Total => &[],
            None => return None,
        };
        let mut holders = Vec::new();
        let mut add = |id: ConnectionId, connection: &C| {
            let (path, bytes) = (id.source.path(), connection.held_bytes());
            let is_in_scope = scope.is_empty() || path.is_some_and(|path| path.starts_with(scope));
            if bytes > 0 && is_in_scope {
                holders.push(Holder { path, id, bytes });
            }
        };
        if let Some(group) = self.clients.get(scope) {
            group.visit(&mut add);
        }
        self.proxies.visit(&mut add);
        for (id, connection) in self.leaving.values() {
            add(*id, connection);
        }
        if holders.iter().map(|holder| holder.bytes).sum::<usize>() <= most {
            return None;
        }
        // By prefix, then by network.
        for level in 0..2 {
            retain_heaviest(&mut holders, level);
        }
        let heaviest = holders.iter().max_by_key(|holder| holder.bytes)?;
        self.remove(heaviest.id)
    }

    /// Removes the connection that was evicted first, when too many evicted ones are still open.
    fn overdue(&mut self) -> Option<C> {
        let most = (self.quotas.total / LEAVING_PART).max(1);
        if self.quotas.total == 0 || self.leaving.len() <= most {
            return None;
        }
        self.leaving
            .pop_first()
            .map(|(_, (_, connection))| connection)
    }

    /// The first quota, from the narrowest, that one more connection would exceed.
    fn exhausted(&self, source: Source) -> Option<Exhausted> {
        let is_full = |held: usize, most: usize| most > 0 && held >= most;
        let quotas = [
            (Exhausted::Address, self.quotas.per_address),
            (Exhausted::Network, self.quotas.per_network),
            (Exhausted::Prefix, self.quotas.per_prefix),
        ];
        let of_groups = source.path().and_then(|path| {
            quotas.into_iter().find(|(exhausted, most)| {
                let group = self.clients.get(&path[..exhausted.depth()]);
                is_full(group.map_or(0, |group| group.len), *most)
            })
        });
        match of_groups {
            Some((exhausted, _)) => Some(exhausted),
            None => is_full(self.len(), self.quotas.total).then_some(Exhausted::Total),
        }
    }

    /// Removes a connection to make room for one from `source`.
    fn evict_for(&mut self, source: Source, exhausted: Exhausted) -> Option<EvictedConnection<C>> {
        let path = source.path();
        let (scope, rest) = path
            .as_ref()
            .map_or((&[][..], &[][..]), |path| path.split_at(exhausted.depth()));
        let group = self.clients.get(scope)?;
        let idle = if exhausted == Exhausted::Total {
            self.longest_idle()
        } else {
            group.longest_idle()
        };
        let victim = idle.or_else(|| group.displaced_by(rest))?;
        let connection = self.take(victim)?;
        self.evictions += 1;
        self.leaving
            .insert(self.evictions, (victim, connection.clone()));
        Some(EvictedConnection {
            exhausted,
            connection,
            was_idle: idle.is_some(),
        })
    }

    /// Connections of proxies come last: each stands for many clients.
    fn longest_idle(&self) -> Option<ConnectionId> {
        self.clients
            .longest_idle()
            .or_else(|| self.proxies.longest_idle())
    }

    fn take(&mut self, id: ConnectionId) -> Option<C> {
        match id.source.path() {
            Some(path) => self.clients.remove(&path, id),
            None => self.proxies.remove(&[], id),
        }
    }

    fn insert(&mut self, id: ConnectionId, make: impl FnOnce(Sums) -> C) -> C {
        let total = self.held.clone();
        let Some([prefix, network, address]) = id.source.path() else {
            let sums = Sums {
                total,
                ..Sums::default()
            };
            return self.proxies.insert(id, make(sums));
        };
        let network = self.clients.enter(prefix).enter(network);
        let of_network = network.held.clone();
        let address = network.enter(address);
        let sums = Sums {
            address: address.held.clone(),
            network: of_network,
            total,
        };
        address.insert(id, make(sums))
    }
}

/// The connections of a part of all clients: of all, a prefix, a network or an address.
#[derive(Debug)]
struct Group<C> {
    /// Connections in all of it.
    len: usize,
    /// What they hold together.
    held: Arc<HeldBytes>,
    /// The groups in it, none of them empty. An address has none.
    groups: HashMap<IpAddr, Group<C>>,
    /// Empty but for an address.
    connections: HashMap<ConnectionId, C>,
}

impl<C: Connection + Clone> Group<C> {
    fn new() -> Self {
        Self {
            len: 0,
            held: Arc::default(),
            groups: HashMap::new(),
            connections: HashMap::new(),
        }
    }

    /// The group at this path below it, if it is not empty.
    fn get(&self, path: &[IpAddr]) -> Option<&Self> {
        match path {
            [] => Some(self),
            [key, rest @ ..] => self.groups.get(key)?.get(rest),
        }
    }

    /// The group in it with this key, to which the caller adds one connection.
    fn enter(&mut self, key: IpAddr) -> &mut Self {
        self.len += 1;
        self.groups.entry(key).or_insert_with(Self::new)
    }

    fn insert(&mut self, id: ConnectionId, connection: C) -> C {
        self.len += 1;
        self.connections.insert(id, connection.clone());
        connection
    }

    fn remove(&mut self, path: &[IpAddr], id: ConnectionId) -> Option<C> {
        let removed = match path {
            [] => self.connections.remove(&id)?,
            [key, rest @ ..] => {
                let group = self.groups.get_mut(key)?;
                let removed = group.remove(rest, id)?;
                if group.len == 0 {
                    self.groups.remove(key);
                }
                removed
            }
        };
        self.len -= 1;
        Some(removed)
    }

    fn visit(&self, each: &mut dyn FnMut(ConnectionId, &C)) {
        for (id, connection) in &self.connections {
            each(*id, connection);
        }
        for group in self.groups.values() {
            group.visit(each);
        }
    }

    /// The longest idle connection of the greatest group in it that has one.
    fn longest_idle(&self) -> Option<ConnectionId> {
        let idle = self
            .connections
            .iter()
            .filter_map(|(id, connection)| Some((connection.idle_since()?, *id)));
        if let Some((_, id)) = idle.min() {
            return Some(id);
        }
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_unstable_by_key(|(key, group)| (Reverse(group.len), **key));
        groups
            .into_iter()
            .find_map(|(_, group)| group.longest_idle())
    }

    /// The connection that gives way to a new one at this path below the group, though a request is
    /// in service on it: the emptiest one of the greatest group, at the first level where the new
    /// one's group has fewer than the greatest by two or more. `None`: no group has so much more.
    fn displaced_by(&self, path: &[IpAddr]) -> Option<ConnectionId> {
        let greatest = self.greatest()?;
        let own = path.first().and_then(|key| self.groups.get(key));
        if greatest.len > own.map_or(0, |group| group.len) + 1 {
            greatest.emptiest()
        } else {
            own?.displaced_by(&path[1..])
        }
    }

    /// The connection that holds the fewest bytes of the greatest address of the greatest group; of
    /// several, the oldest.
    fn emptiest(&self) -> Option<ConnectionId> {
        if let Some(greatest) = self.greatest() {
            return greatest.emptiest();
        }
        let by_bytes = self
            .connections
            .iter()
            .map(|(id, connection)| (connection.held_bytes(), *id));
        by_bytes.min().map(|(_, id)| id)
    }

    fn greatest(&self) -> Option<&Self> {
        self.groups.values().max_by_key(|group| group.len)
    }
}

/// A connection that holds bytes.
#[derive(Debug)]
struct Holder {
    path: Option<Path>,
    id: ConnectionId,
    bytes: usize,
}

impl Holder {
    /// The key of its group; of a proxy's connection, none.
    fn key(&self, level: usize) -> Option<IpAddr> {
        self.path.map(|path| path[level])
    }
}

/// Keeps the holders of the group that holds the most bytes among those of this level.
fn retain_heaviest(holders: &mut Vec<Holder>, level: usize) {
    let mut sums: HashMap<_, usize> = HashMap::new();
    for holder in &*holders {
        *sums.entry(holder.key(level)).or_default() += holder.bytes;
    }
    let heaviest = sums.into_iter().max_by_key(|(_, sum)| *sum);
    holders.retain(|holder| heaviest.is_some_and(|(key, _)| holder.key(level) == key));
}

#[cfg(test)]
mod tests;
