use super::{
    Connection, ConnectionId, ConnectionQuotas, ConnectionTable, Exhausted, Group, Path, Source,
};
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

/// A connection whose state a test sets.
#[derive(Debug, Clone)]
struct Fake(Rc<State>);

#[derive(Debug)]
struct State {
    source: Source,
    idle_since: Cell<Option<u64>>,
    held: Cell<usize>,
}

impl Connection for Fake {
    fn idle_since(&self) -> Option<u64> {
        self.0.idle_since.get()
    }

    fn held_bytes(&self) -> usize {
        self.0.held.get()
    }
}

fn fake(source: Source, idle_since: Option<u64>) -> Fake {
    Fake(Rc::new(State {
        source,
        idle_since: Cell::new(idle_since),
        held: Cell::new(0),
    }))
}

/// Address `host` of a network of a prefix.
fn client_of(prefix: u8, network: u8, host: u8) -> Source {
    Source::client(IpAddr::V4(Ipv4Addr::new(10, prefix, network, host)))
}

/// Address `host` of network `network`.
fn client(network: u8, host: u8) -> Source {
    client_of(0, network, host)
}

const QUOTAS: ConnectionQuotas = ConnectionQuotas {
    total: 12,
    per_address: 2,
    per_network: 4,
    per_prefix: 8,
};
const UNLIMITED: ConnectionQuotas = ConnectionQuotas {
    total: 0,
    per_address: 0,
    per_network: 0,
    per_prefix: 0,
};

#[derive(Debug, Clone)]
enum Op {
    Open {
        source: Option<(u8, u8, u8)>,
        idle: bool,
        held: usize,
    },
    Close(prop::sample::Index),
    Turn(prop::sample::Index, bool),
}

/// Few connections are idle, so that busy ones must give way too.
fn op() -> impl Strategy<Value = Op> {
    let source = prop::option::weighted(0.9, (0_u8..4, 0_u8..4, 0_u8..3));
    let open = (source, prop::bool::weighted(0.2), 0_usize..4);
    prop_oneof![
        8 => open.prop_map(|(source, idle, held)| Op::Open { source, idle, held }),
        2 => any::<prop::sample::Index>().prop_map(Op::Close),
        2 => (any::<prop::sample::Index>(), prop::bool::weighted(0.2)).prop_map(|(which, idle)| Op::Turn(which, idle)),
    ]
}

/// The open connections as a plain list.
#[derive(Default)]
struct Model(Vec<(ConnectionId, Fake)>);

impl Model {
    fn paths(&self) -> impl Iterator<Item = Path> {
        self.0.iter().filter_map(|(_, fake)| fake.0.source.path())
    }

    /// Connections of the group at this path.
    fn of_group(&self, path: &[IpAddr]) -> usize {
        self.paths().filter(|other| other.starts_with(path)).count()
    }

    /// Connections of the greatest group right below the one at this path.
    fn greatest_below(&self, path: &[IpAddr]) -> usize {
        let inside = self.paths().filter(|other| other.starts_with(path));
        inside
            .map(|other| self.of_group(&other[..=path.len()]))
            .max()
            .unwrap_or(0)
    }

    fn exhausted(&self, source: Source) -> Option<Exhausted> {
        let has = |most: usize, depth: usize| {
            source
                .path()
                .is_some_and(|path| self.of_group(&path[..depth]) >= most)
        };
        if has(QUOTAS.per_address, 3) {
            Some(Exhausted::Address)
        } else if has(QUOTAS.per_network, 2) {
            Some(Exhausted::Network)
        } else if has(QUOTAS.per_prefix, 1) {
            Some(Exhausted::Prefix)
        } else {
            (self.0.len() >= QUOTAS.total).then_some(Exhausted::Total)
        }
    }

    /// Whether a connection from there may be closed because of this.
    fn in_scope(exhausted: Exhausted, newcomer: Source, held: Source) -> bool {
        let depth = exhausted.depth();
        match (newcomer.path(), held.path()) {
            _ if exhausted == Exhausted::Total => true,
            (Some(newcomer), Some(held)) => newcomer[..depth] == held[..depth],
            _ => false,
        }
    }

    fn idle_in_scope(&self, exhausted: Exhausted, source: Source) -> Vec<&Fake> {
        let all = self.0.iter().map(|(_, fake)| fake);
        all.filter(|fake| fake.idle_since().is_some())
            .filter(|fake| Self::in_scope(exhausted, source, fake.0.source))
            .collect()
    }

    /// That `victim` was the right idle one to go for a newcomer from `source`.
    fn check_idle_victim(&self, exhausted: Exhausted, source: Source, victim: &Fake) {
        assert!(Self::in_scope(exhausted, source, victim.0.source));
        let since = victim.idle_since().expect("it is idle");
        for other in self.idle_in_scope(exhausted, source) {
            if other.0.source == victim.0.source {
                assert!(
                    other.idle_since().expect("it is idle") >= since,
                    "the longest idle one of an address goes"
                );
            }
            let Some(others) = other.0.source.path() else {
                continue;
            };
            let path = victim.0.source.path().expect("proxies go last");
            for level in 0..3 {
                assert!(
                    self.of_group(&others[..=level]) <= self.of_group(&path[..=level]),
                    "the greatest group gives"
                );
                if others[level] != path[level] {
                    break;
                }
            }
        }
    }

    /// The path of the group that a busy connection must be taken from for a newcomer from
    /// `source`, and how many connections that group has; `None` when no group has enough more.
    fn giving_group(&self, exhausted: Exhausted, source: Source) -> Option<(Vec<IpAddr>, usize)> {
        let path = source.path();
        let path = path.as_ref().map_or(&[][..], |path| &path[..]);
        for depth in exhausted.depth()..3 {
            let above = path.get(..depth)?;
            let own = path.get(..=depth).map_or(0, |own| self.of_group(own));
            let greatest = self.greatest_below(above);
            if greatest >= own + 2 {
                return Some((above.to_vec(), greatest));
            }
        }
        None
    }

    /// That `victim` was the right busy one to go for a newcomer from `source`.
    fn check_busy_victim(&self, exhausted: Exhausted, source: Source, victim: &Fake) {
        assert!(self.idle_in_scope(exhausted, source).is_empty());
        let (above, most) = self.giving_group(exhausted, source).expect("a group gives");
        let path = victim.0.source.path().expect("proxies keep theirs");
        assert!(path.starts_with(&above));
        assert_eq!(self.of_group(&path[..=above.len()]), most);
        for depth in above.len() + 1..3 {
            let of_its_group = self.of_group(&path[..=depth]);
            assert_eq!(of_its_group, self.greatest_below(&path[..depth]));
        }
        let mut neighbours = self.0.iter().map(|(_, fake)| fake);
        assert!(neighbours.all(|fake| {
            fake.0.source != victim.0.source || fake.held_bytes() >= victim.held_bytes()
        }));
    }
}

proptest! {
    #[test]
    fn quotas_hold_and_a_connection_is_refused_only_when_no_group_has_two_more_than_its_own(ops in prop::collection::vec(op(), 1..160)) {
        let (mut table, mut model) = (ConnectionTable::new(QUOTAS), Model::default());
        let mut leaving: VecDeque<(ConnectionId, Fake)> = VecDeque::new();
        for (now, op) in (0_u64..).zip(ops) {
            match op {
                Op::Open { source, idle, held } => {
                    let source = source.map_or(Source::Proxy, |(prefix, network, host)| client_of(prefix, network, host));
                    let exhausted = model.exhausted(source);
                    match table.admit(source, |_| fake(source, idle.then_some(now))) {
                        Ok(admitted) => {
                            prop_assert_eq!(admitted.evicted.as_ref().map(|evicted| evicted.exhausted), exhausted);
                            if let Some(evicted) = admitted.evicted {
                                let victim = evicted.connection;
                                if evicted.was_idle {
                                    model.check_idle_victim(evicted.exhausted, source, &victim);
                                } else {
                                    model.check_busy_victim(evicted.exhausted, source, &victim);
                                }
                                let at = model.0.iter().position(|(_, fake)| Rc::ptr_eq(&fake.0, &victim.0));
                                leaving.push_back(model.0.remove(at.expect("it was open")));
                            }
                            if let Some(overdue) = admitted.overdue {
                                let (_, first) = leaving.pop_front().expect("one was evicted");
                                prop_assert!(Rc::ptr_eq(&overdue.0, &first.0), "the one that was evicted first");
                            }
                            admitted.connection.0.held.set(held);
                            model.0.push((admitted.id, admitted.connection));
                        }
                        Err(why) => {
                            prop_assert_eq!(Some(why), exhausted);
                            prop_assert!(model.idle_in_scope(why, source).is_empty());
                            prop_assert_eq!(model.giving_group(why, source), None);
                        }
                    }
                }
                Op::Close(which) if !model.0.is_empty() => {
                    let (id, _) = model.0.swap_remove(which.index(model.0.len()));
                    prop_assert!(table.remove(id).is_some());
                    prop_assert!(table.remove(id).is_none(), "once");
                }
                Op::Turn(which, idle) if !model.0.is_empty() => {
                    model.0[which.index(model.0.len())].1.0.idle_since.set(idle.then_some(now));
                }
                Op::Close(_) | Op::Turn(..) => {}
            }
            prop_assert_eq!(table.len(), model.0.len());
            prop_assert!(table.len() <= QUOTAS.total);
            prop_assert_eq!(table.leaving(), leaving.len(), "evicted connections are counted until they end");
            prop_assert!(table.leaving() <= 1, "an eighth of all");
            for path in model.paths() {
                for (depth, most) in [(1, QUOTAS.per_prefix), (2, QUOTAS.per_network), (3, QUOTAS.per_address)] {
                    prop_assert!(model.of_group(&path[..depth]) <= most);
                }
            }
        }
        for (id, _) in model.0.into_iter().chain(leaving) {
            table.remove(id);
        }
        let is_empty = |group: &Group<Fake>| group.groups.is_empty() && group.connections.is_empty();
        prop_assert!(table.len() == 0 && table.leaving() == 0 && is_empty(&table.clients) && is_empty(&table.proxies), "nothing is kept of who has left");
    }

    #[test]
    fn while_an_address_a_network_or_all_hold_too_much_the_heaviest_connection_of_the_heaviest_group_is_removed(
        held in prop::collection::vec((prop::option::weighted(0.9, (0_u8..2, 0_u8..2, 0_u8..2)), 0_usize..1000), 1..40),
        host in 0_u8..2,
        most in 0_usize..3000,
        scope in prop::sample::select(vec![Exhausted::Address, Exhausted::Network, Exhausted::Total]),
    ) {
        let mut table = ConnectionTable::new(UNLIMITED);
        let source = client_of(1, 1, host);
        let mut in_scope = Vec::new();
        for (from, bytes) in held {
            let from = from.map_or(Source::Proxy, |(prefix, network, host)| client_of(prefix, network, host));
            let admitted = table.admit(from, |_| fake(from, None)).expect("there is no limit");
            admitted.connection.0.held.set(bytes);
            if Model::in_scope(scope, source, from) {
                in_scope.push(admitted.connection);
            }
        }
        let sum = |of: &[Fake], is: &dyn Fn(&Fake) -> bool| of.iter().filter(|fake| is(fake)).map(Fake::held_bytes).sum::<usize>();
        while sum(&in_scope, &|_| true) > most {
            let evicted = table.evict_heaviest(source, scope, most).expect("there is too much");
            let mut group = in_scope.clone();
            for level in 0..2 {
                let key = |fake: &Fake| fake.0.source.path().map(|path| path[level]);
                let sum_of = |of: &Fake| sum(&group, &|fake| key(fake) == key(of));
                let heaviest = group.iter().map(sum_of).max().expect("one at least");
                prop_assert_eq!(sum_of(&evicted), heaviest, "of the heaviest group");
                group.retain(|fake| key(fake) == key(&evicted));
            }
            let heaviest = group.iter().map(Fake::held_bytes).max();
            prop_assert_eq!(Some(evicted.held_bytes()), heaviest);
            in_scope.retain(|fake| !Rc::ptr_eq(&fake.0, &evicted.0));
        }
        prop_assert!(table.evict_heaviest(source, scope, most).is_none());
        prop_assert!(table.evict_heaviest(Source::Proxy, Exhausted::Network, 0).is_none());
    }
}

#[test]
fn connections_of_one_address_of_one_network_and_of_all_add_to_the_same_sums() {
    let mut table = ConnectionTable::new(QUOTAS);
    let mut sums = Vec::new();
    for source in [
        client(1, 1),
        client(1, 1),
        client(1, 2),
        client(2, 1),
        Source::Proxy,
    ] {
        table
            .admit(source, |s| {
                sums.push(s);
                fake(source, None)
            })
            .expect("there is room");
    }
    for sum in &sums {
        sum.address.add(1);
        sum.network.add(1);
        sum.total.add(1);
    }
    let added: Vec<_> = sums
        .iter()
        .map(|s| (s.address.get(), s.network.get(), s.total.get()))
        .collect();
    assert_eq!(
        added,
        [(2, 3, 5), (2, 3, 5), (1, 3, 5), (1, 1, 5), (1, 1, 5)]
    );
}

#[test]
fn without_quotas_every_connection_is_admitted() {
    let mut table = ConnectionTable::new(UNLIMITED);
    assert!((0..5_000).all(|_| {
        table
            .admit(client(1, 1), |_| fake(client(1, 1), None))
            .is_ok()
    }));
}

#[test]
fn a_provider_that_takes_every_place_with_requests_in_service_keeps_no_other_out() {
    let quotas = ConnectionQuotas {
        total: 64,
        ..UNLIMITED
    };
    let mut table = ConnectionTable::new(quotas);
    let mut open = |source| {
        table
            .admit(source, |_| fake(source, None))
            .map(|admitted| admitted.evicted.map(|evicted| evicted.connection.0.source))
    };
    for host in 0..64 {
        let admitted = open(client_of(1, host, 1)).expect("there is room");
        assert_eq!(admitted, None);
    }
    assert_eq!(
        open(client_of(1, 200, 1)),
        Err(Exhausted::Total),
        "its own has as many"
    );
    for newcomer in 2..33 {
        let evicted = open(client_of(newcomer, 1, 1)).expect("it gets in");
        let path = evicted
            .and_then(Source::path)
            .expect("one of a client gave way");
        assert!(path.starts_with(&client_of(1, 0, 0).path().expect("a client")[..1]));
    }
}

#[test]
fn in_a_prefix_that_is_full_a_smaller_network_gets_in_and_in_a_network_a_smaller_address() {
    for (quotas, exhausted, taker, newcomer) in [
        (
            ConnectionQuotas {
                per_prefix: 4,
                ..UNLIMITED
            },
            Exhausted::Prefix,
            client_of(1, 1, 1),
            client_of(1, 2, 1),
        ),
        (
            ConnectionQuotas {
                per_network: 4,
                ..UNLIMITED
            },
            Exhausted::Network,
            client_of(1, 1, 1),
            client_of(1, 1, 2),
        ),
    ] {
        let mut table = ConnectionTable::new(quotas);
        for bytes in [7, 3, 5, 9] {
            let taken = table
                .admit(taker, |_| fake(taker, None))
                .expect("there is room");
            taken.connection.0.held.set(bytes);
        }
        assert!(table.admit(taker, |_| fake(taker, None)).is_err());
        let admitted = table
            .admit(newcomer, |_| fake(newcomer, None))
            .expect("it gets in");
        let evicted = admitted.evicted.expect("one gave way");
        assert_eq!(
            (
                evicted.exhausted,
                evicted.was_idle,
                evicted.connection.held_bytes()
            ),
            (exhausted, false, 3),
            "the emptiest"
        );
    }
}

#[test]
fn for_a_descriptor_idle_connections_go_first_and_then_busy_ones_of_the_greatest_prefix() {
    let mut table = ConnectionTable::new(QUOTAS);
    let mut open = |prefix, host, idle| {
        let source = client_of(prefix, 1, host);
        table
            .admit(source, |_| fake(source, idle))
            .expect("there is room");
    };
    open(1, 1, Some(1));
    open(2, 1, Some(3));
    open(2, 1, Some(2));
    open(2, 2, None);
    open(2, 2, None);
    let evicted: Vec<_> = std::iter::from_fn(|| table.evict())
        .map(|c| c.idle_since())
        .collect();
    assert_eq!(
        evicted,
        [Some(2), Some(3), Some(1)],
        "prefix 2 has the most"
    );
    assert_eq!(table.len(), 2);
    let busy = table.evict_busy().expect("two of one prefix");
    assert_eq!(busy.0.source, client_of(2, 1, 2));
    assert!(table.evict_busy().is_none(), "one is not too many");
}
