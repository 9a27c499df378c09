use super::{Connection, ConnectionId, ConnectionQuotas, ConnectionTable, Exhausted, Source};
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

/// Address `host` of network `network`.
fn client(network: u8, host: u8) -> Source {
    Source::client(IpAddr::V4(Ipv4Addr::new(10, 0, network, host)))
}

const QUOTAS: ConnectionQuotas = ConnectionQuotas {
    total: 12,
    per_address: 3,
    per_network: 6,
};

#[derive(Debug, Clone)]
enum Op {
    Open {
        source: Option<(u8, u8)>,
        idle: bool,
    },
    Close(prop::sample::Index),
    Turn(prop::sample::Index, bool),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (prop::option::weighted(0.9, (0_u8..5, 0_u8..4)), any::<bool>()).prop_map(|(source, idle)| Op::Open { source, idle }),
        2 => any::<prop::sample::Index>().prop_map(Op::Close),
        2 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(which, idle)| Op::Turn(which, idle)),
    ]
}

/// The open connections as a plain list.
#[derive(Default)]
struct Model(Vec<(ConnectionId, Fake)>);

impl Model {
    fn sources(&self) -> impl Iterator<Item = Source> {
        self.0.iter().map(|(_, fake)| fake.0.source)
    }

    fn of_address(&self, source: Source) -> usize {
        self.sources().filter(|s| *s == source).count()
    }

    fn network(source: Source) -> Option<super::NetworkKey> {
        match source {
            Source::Client { network, .. } => Some(network),
            Source::Proxy => None,
        }
    }

    fn of_network(&self, source: Source) -> usize {
        self.sources()
            .filter(|s| Self::network(*s).is_some() && Self::network(*s) == Self::network(source))
            .count()
    }

    fn exhausted(&self, source: Source) -> Option<Exhausted> {
        let counted = source != Source::Proxy;
        if counted && self.of_address(source) >= QUOTAS.per_address {
            Some(Exhausted::Address)
        } else if counted && self.of_network(source) >= QUOTAS.per_network {
            Some(Exhausted::Network)
        } else {
            (self.0.len() >= QUOTAS.total).then_some(Exhausted::Total)
        }
    }

    /// Whether a connection from there may be closed because of this.
    fn in_scope(exhausted: Exhausted, newcomer: Source, held: Source) -> bool {
        match exhausted {
            Exhausted::Address => held == newcomer,
            Exhausted::Network => Self::network(held) == Self::network(newcomer),
            Exhausted::Total => true,
        }
    }

    /// That `victim` was the right one to go for a newcomer from `source`.
    fn check_victim(&self, exhausted: Exhausted, source: Source, victim: &Fake) {
        assert!(Self::in_scope(exhausted, source, victim.0.source));
        let since = victim.idle_since().expect("it is idle");
        for (_, other) in self
            .0
            .iter()
            .filter(|(_, other)| Self::in_scope(exhausted, source, other.0.source))
        {
            let Some(other_since) = other.idle_since() else {
                continue;
            };
            if other.0.source == victim.0.source {
                assert!(
                    other_since >= since,
                    "the longest idle one of an address goes"
                );
            }
            if other.0.source != Source::Proxy {
                assert!(victim.0.source != Source::Proxy, "proxies go last");
                assert!(
                    self.of_network(other.0.source) <= self.of_network(victim.0.source),
                    "the greatest network gives"
                );
            }
            if Self::network(other.0.source) == Self::network(victim.0.source) {
                assert!(
                    self.of_address(other.0.source) <= self.of_address(victim.0.source),
                    "its greatest address gives"
                );
            }
        }
    }
}

proptest! {
    #[test]
    fn quotas_hold_and_a_connection_is_refused_only_when_every_one_that_could_be_closed_is_busy(ops in prop::collection::vec(op(), 1..120)) {
        let (mut table, mut model) = (ConnectionTable::new(QUOTAS), Model::default());
        let mut leaving: VecDeque<(ConnectionId, Fake)> = VecDeque::new();
        for (now, op) in (0_u64..).zip(ops) {
            match op {
                Op::Open { source, idle } => {
                    let source = source.map_or(Source::Proxy, |(network, host)| client(network, host));
                    let exhausted = model.exhausted(source);
                    match table.admit(source, |_| fake(source, idle.then_some(now))) {
                        Ok(admitted) => {
                            prop_assert_eq!(admitted.evicted.as_ref().map(|(why, _)| *why), exhausted);
                            if let Some((why, victim)) = admitted.evicted {
                                model.check_victim(why, source, &victim);
                                let at = model.0.iter().position(|(_, fake)| Rc::ptr_eq(&fake.0, &victim.0));
                                leaving.push_back(model.0.remove(at.expect("it was open")));
                            }
                            if let Some(overdue) = admitted.overdue {
                                let (_, first) = leaving.pop_front().expect("one was evicted");
                                prop_assert!(Rc::ptr_eq(&overdue.0, &first.0), "the one that was evicted first");
                            }
                            model.0.push((admitted.id, admitted.connection));
                        }
                        Err(why) => {
                            prop_assert_eq!(Some(why), exhausted);
                            let could_go = |fake: &Fake| fake.idle_since().is_some() && Model::in_scope(why, source, fake.0.source);
                            prop_assert!(!model.0.iter().any(|(_, fake)| could_go(fake)));
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
            for source in model.sources().filter(|source| *source != Source::Proxy) {
                prop_assert!(model.of_address(source) <= QUOTAS.per_address && model.of_network(source) <= QUOTAS.per_network);
            }
        }
        for (id, _) in model.0.into_iter().chain(leaving) {
            table.remove(id);
        }
        prop_assert!(table.len() == 0 && table.leaving() == 0 && table.networks.is_empty() && table.proxies.is_empty(), "nothing is kept of who has left");
    }

    #[test]
    fn while_an_address_or_a_network_holds_too_much_its_heaviest_connection_is_removed(
        held in prop::collection::vec((0_u8..2, 0_u8..3, 0_usize..1000), 1..40),
        host in 0_u8..3,
        most in 0_usize..3000,
        by_address: bool,
    ) {
        let mut table = ConnectionTable::new(ConnectionQuotas { total: 0, per_address: 0, per_network: 0 });
        let (source, scope) = (client(1, host), if by_address { Exhausted::Address } else { Exhausted::Network });
        let mut in_scope = Vec::new();
        for (network, host, bytes) in held {
            let from = client(network, host);
            let admitted = table.admit(from, |_| fake(from, None)).expect("there is no limit");
            admitted.connection.0.held.set(bytes);
            if Model::in_scope(scope, source, from) {
                in_scope.push(bytes);
            }
        }
        in_scope.sort_unstable();
        while in_scope.iter().sum::<usize>() > most {
            let evicted = table.evict_heaviest(source, scope, most).map(|c| c.held_bytes());
            prop_assert_eq!(evicted, in_scope.pop());
        }
        prop_assert!(table.evict_heaviest(source, scope, most).is_none());
        prop_assert!(table.evict_heaviest(Source::Proxy, scope, 0).is_none());
    }
}

#[test]
fn connections_of_one_address_and_of_one_network_add_to_the_same_sums() {
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
    }
    let added: Vec<_> = sums
        .iter()
        .map(|s| (s.address.get(), s.network.get()))
        .collect();
    assert_eq!(added, [(2, 3), (2, 3), (1, 3), (1, 1), (1, 1)]);
}

#[test]
fn without_quotas_every_connection_is_admitted() {
    let mut table = ConnectionTable::new(ConnectionQuotas {
        total: 0,
        per_address: 0,
        per_network: 0,
    });
    assert!((0..5_000).all(|_| {
        table
            .admit(client(1, 1), |_| fake(client(1, 1), None))
            .is_ok()
    }));
}

#[test]
fn an_idle_connection_of_the_greatest_network_is_removed_and_a_busy_one_never() {
    let mut table = ConnectionTable::new(QUOTAS);
    let ours = |network, idle| fake(client(network, 1), idle);
    table
        .admit(client(1, 1), |_| ours(1, Some(1)))
        .expect("there is room");
    for since in [Some(3), Some(2), None] {
        table
            .admit(client(2, 1), |_| ours(2, since))
            .expect("there is room");
    }
    let evicted: Vec<_> = std::iter::from_fn(|| table.evict())
        .map(|c| c.idle_since())
        .collect();
    assert_eq!(
        evicted,
        [Some(2), Some(3), Some(1)],
        "network 2 has two at least until it is as small as the other"
    );
    assert_eq!(table.len(), 1);
}
