//! The addresses of the members of each session, as far as this process knows, for limits by
//! address on joining.
//!
//! Addresses are kept only in memory, and at most [`REMEMBERED`] after the member's last connect or
//! seat.

use faceshare_biz::domain::{MemberId, SessionId, Timestamp};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long the addresses of a member are kept.
const REMEMBERED: Duration = Duration::from_secs(3_600);
/// Addresses that are kept for one member, at most; the newest.
const ADDRESSES_MAX: usize = 8;
/// Members of one session whose addresses are kept, at most; the limits of a session with more do
/// not count the others.
const PEOPLE: usize = 4_096;

/// The addresses, by session.
#[derive(Debug, Default)]
pub struct PointAddresses {
    sessions: Mutex<HashMap<SessionId, Addresses>>,
}

#[derive(Debug, Default)]
struct Addresses {
    /// How many points are connected from each.
    connected: HashMap<IpAddr, u32>,
    people: HashMap<MemberId, Whereabouts>,
}

#[derive(Debug)]
struct Whereabouts {
    address: IpAddr,
    /// Other addresses that it came from, oldest first.
    before: Vec<IpAddr>,
    /// When it was last heard of.
    at: Timestamp,
    /// Its place is held until then, and it has not connected.
    seat_until: Option<Timestamp>,
}

/// A point is connected from an address for as long as this lives.
#[derive(Debug)]
pub struct ConnectedFrom {
    registry: Arc<PointAddresses>,
    session: SessionId,
    address: IpAddr,
}

impl Drop for ConnectedFrom {
    fn drop(&mut self) {
        let mut sessions = self.registry.lock();
        let Some(addresses) = sessions.get_mut(&self.session) else {
            return;
        };
        if let Some(points) = addresses.connected.get_mut(&self.address) {
            *points -= 1;
            if *points == 0 {
                addresses.connected.remove(&self.address);
            }
        }
    }
}

impl PointAddresses {
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Addresses>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A point of a member connects.
    #[must_use]
    pub fn connect(
        self: &Arc<Self>,
        session: SessionId,
        member: MemberId,
        address: IpAddr,
        now: Timestamp,
    ) -> ConnectedFrom {
        let mut sessions = self.lock();
        let addresses = sessions.entry(session).or_default();
        *addresses.connected.entry(address).or_default() += 1;
        addresses.remember(
            member,
            Whereabouts {
                address,
                before: Vec::new(),
                at: now,
                seat_until: None,
            },
        );
        ConnectedFrom {
            registry: self.clone(),
            session,
            address,
        }
    }

    /// Whether a member of the session is connected from this address.
    #[must_use]
    pub fn is_near(&self, session: SessionId, address: IpAddr) -> bool {
        self.lock()
            .get(&session)
            .is_some_and(|a| a.connected.contains_key(&address))
    }

    /// Holds a seat for a member, unless `limit` other members from that address hold one and have
    /// not connected.
    ///
    /// # Errors
    /// The time until the first of those seats expires.
    pub fn hold_seat(
        &self,
        session: SessionId,
        member: MemberId,
        address: IpAddr,
        (now, until): (Timestamp, Timestamp),
        limit: usize,
    ) -> Result<(), Duration> {
        let mut sessions = self.lock();
        let addresses = sessions.entry(session).or_default();
        let others = addresses
            .people
            .iter()
            .filter(|(who, w)| **who != member && w.address == address);
        let held: Vec<_> = others
            .filter_map(|(_, w)| w.seat_until.filter(|until| now < *until))
            .collect();
        if held.len() >= limit {
            return Err(held
                .into_iter()
                .min()
                .map_or(Duration::ZERO, |until| until.since(now)));
        }
        addresses.remember(
            member,
            Whereabouts {
                address,
                before: Vec::new(),
                at: now,
                seat_until: Some(until),
            },
        );
        Ok(())
    }

    /// Gives up a seat that the member did not get after all.
    pub fn give_up_seat(&self, session: SessionId, member: MemberId) {
        if let Some(whereabouts) = self
            .lock()
            .get_mut(&session)
            .and_then(|a| a.people.get_mut(&member))
        {
            whereabouts.seat_until = None;
        }
    }

    /// The addresses of a member in this session, oldest first; empty when none is known.
    #[must_use]
    pub fn all_of(&self, session: SessionId, member: MemberId) -> Vec<IpAddr> {
        let sessions = self.lock();
        let whereabouts = sessions.get(&session).and_then(|a| a.people.get(&member));
        whereabouts.map_or_else(Vec::new, |w| {
            w.before.iter().copied().chain([w.address]).collect()
        })
    }

    /// Drops the addresses that are older than [`REMEMBERED`].
    pub fn forget_old(&self, now: Timestamp) {
        self.lock().retain(|_, addresses| {
            addresses.people.retain(|_, w| {
                now.since(w.at) < REMEMBERED || addresses.connected.contains_key(&w.address)
            });
            !addresses.people.is_empty() || !addresses.connected.is_empty()
        });
    }
}

impl Addresses {
    fn remember(&mut self, member: MemberId, mut now: Whereabouts) {
        if let Some(known) = self.people.remove(&member) {
            now.before = known.before;
            now.before.push(known.address);
            now.before.retain(|address| *address != now.address);
            if now.before.len() == ADDRESSES_MAX {
                now.before.remove(0);
            }
        }
        if self.people.len() < PEOPLE {
            self.people.insert(member, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PointAddresses;
    use faceshare_biz::domain::{MemberId, SessionId, Timestamp};
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn session() -> SessionId {
        SessionId::new(1).expect("an id")
    }

    fn member(number: u64) -> MemberId {
        MemberId::new(number).expect("an id")
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from(Ipv4Addr::new(192, 0, 2, last))
    }

    #[test]
    fn an_address_is_near_while_a_point_is_connected_from_there() {
        let registry = Arc::<PointAddresses>::default();
        assert!(!registry.is_near(session(), address(1)));
        let one = registry.connect(session(), member(1), address(1), NOW);
        let two = registry.connect(session(), member(2), address(1), NOW);
        assert!(registry.is_near(session(), address(1)));
        assert!(!registry.is_near(session(), address(2)));
        assert!(!registry.is_near(SessionId::new(2).expect("an id"), address(1)));
        drop(one);
        assert!(registry.is_near(session(), address(1)));
        drop(two);
        assert!(!registry.is_near(session(), address(1)));
        assert_eq!(
            registry.all_of(session(), member(1)),
            [address(1)],
            "who has gone is remembered"
        );
    }

    #[test]
    fn a_member_with_several_addresses_is_known_by_the_newest_of_them() {
        let registry = Arc::<PointAddresses>::default();
        for last in [1, 2, 1, 1, 3] {
            drop(registry.connect(session(), member(1), address(last), NOW));
        }
        assert_eq!(
            registry.all_of(session(), member(1)),
            [address(2), address(1), address(3)]
        );
        for last in 10..30 {
            drop(registry.connect(session(), member(1), address(last), NOW));
        }
        assert_eq!(
            registry.all_of(session(), member(1)),
            (22..30).map(address).collect::<Vec<_>>()
        );
    }

    #[test]
    fn seats_of_an_address_are_counted_until_they_connect_or_lapse() {
        let (registry, until) = (
            Arc::<PointAddresses>::default(),
            NOW + Duration::from_secs(30),
        );
        let hold = |number, from, now| {
            registry.hold_seat(session(), member(number), address(from), (now, until), 2)
        };
        assert!(hold(1, 1, NOW).is_ok() && hold(2, 1, NOW).is_ok());
        assert!(hold(2, 1, NOW).is_ok(), "one's own seat again");
        assert_eq!(hold(3, 1, NOW), Err(Duration::from_secs(30)));
        assert!(hold(3, 2, NOW).is_ok());
        let connected = registry.connect(session(), member(1), address(1), NOW);
        assert!(hold(4, 1, NOW).is_ok());
        assert!(hold(5, 1, NOW).is_err());
        registry.give_up_seat(session(), member(4));
        assert!(hold(5, 1, NOW).is_ok());
        assert!(hold(6, 1, until).is_ok(), "they have lapsed");
        drop(connected);
    }

    #[test]
    fn addresses_are_forgotten_an_hour_after_their_owner_was_heard_of() {
        let registry = Arc::<PointAddresses>::default();
        drop(registry.connect(session(), member(1), address(1), NOW));
        let connected = registry.connect(session(), member(2), address(2), NOW);
        registry.forget_old(NOW + Duration::from_secs(3_599));
        assert_eq!(registry.all_of(session(), member(1)), [address(1)]);
        registry.forget_old(NOW + Duration::from_secs(3_600));
        assert!(registry.all_of(session(), member(1)).is_empty());
        assert_eq!(
            registry.all_of(session(), member(2)),
            [address(2)],
            "it is still there"
        );
        drop(connected);
        registry.forget_old(NOW + Duration::from_secs(3_600));
        assert!(registry.lock().is_empty());
    }
}
