//! A line of bounded length, in which nobody has more than a share of the places.

use faceshare_biz::domain::{AccountId, Site};
use faceshare_biz::{Error, ErrorCode};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// When one who found no place should try again. A line is a few seconds long.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Whose places are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Party {
    Account(AccountId),
    Address(IpAddr),
    Network(IpAddr),
}

/// The most places that one may have; 0: any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) party: Party,
    pub(crate) most: usize,
}

impl Share {
    pub(crate) const fn of_account(account: AccountId, most: usize) -> Self {
        Self { party: Party::Account(account), most }
    }

    pub(crate) const fn of_address(site: Site, most: usize) -> Self {
        Self { party: Party::Address(site.address), most }
    }

    pub(crate) const fn of_network(site: Site, most: usize) -> Self {
        Self { party: Party::Network(site.network), most }
    }
}

/// Places, running and waiting together. Who may not have one is told so at once. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Line(Arc<Places>);

#[derive(Debug)]
struct Places {
    all: usize,
    taken: Mutex<Taken>,
}

/// Never larger than the places times the parties of one.
#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by: HashMap<Party, usize>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// All are taken.
    Line,
    /// As many are taken as one may have.
    Share,
}

impl Full {
    /// `UNAVAILABLE` when it is everybody's doing, `RATE_LIMITED` when it is one's own.
    pub(crate) fn error(self, everybody: &'static str, own: &'static str) -> Error {
        let error = match self {
            Self::Line => Error::new(ErrorCode::Unavailable, everybody),
            Self::Share => Error::new(ErrorCode::RateLimited, own),
        };
        error.retry_after(RETRY_AFTER)
    }

    /// For metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Share => "share",
        }
    }
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place<const N: usize> {
    places: Arc<Places>,
    parties: [Party; N],
}

impl Line {
    pub(crate) fn new(places: usize) -> Self {
        Self(Arc::new(Places { all: places, taken: Mutex::default() }))
    }

    /// A place that counts for each of these parties.
    pub(crate) fn take<const N: usize>(&self, shares: [Share; N]) -> Result<Place<N>, Full> {
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let spent = |share: &Share| share.most > 0 && taken.by.get(&share.party).is_some_and(|held| *held >= share.most);
        if shares.iter().any(spent) {
            return Err(Full::Share);
        }
        if taken.all >= self.0.all {
            return Err(Full::Line);
        }
        taken.all += 1;
        let parties = shares.map(|share| share.party);
        for party in parties {
            *taken.by.entry(party).or_default() += 1;
        }
        Ok(Place { places: self.0.clone(), parties })
    }
}

impl<const N: usize> Drop for Place<N> {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        for party in &self.parties {
            let held = taken.by.get_mut(party).map(|held| {
                *held -= 1;
                *held
            });
            if held == Some(0) {
                taken.by.remove(party);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Full, Line, Share};
    use faceshare_biz::domain::Site;
    use std::net::IpAddr;

    /// One address of one network.
    fn shares(network: u8, host: u8) -> [Share; 2] {
        let site = Site { address: IpAddr::from([10, 0, network, host]), network: IpAddr::from([10, 0, network, 0]) };
        [Share::of_address(site, 2), Share::of_network(site, 3)]
    }

    #[test]
    fn an_address_and_a_network_have_a_share_and_leave_the_rest() {
        let line = Line::new(5);
        let _held = [line.take(shares(1, 1)).expect("one"), line.take(shares(1, 1)).expect("two")];
        assert_eq!(line.take(shares(1, 1)).expect_err("the address has its share"), Full::Share);
        let _other = line.take(shares(1, 2)).expect("the network has one left");
        assert_eq!(line.take(shares(1, 3)).expect_err("the network has its share"), Full::Share);
        let _elsewhere = [line.take(shares(2, 1)).expect("four"), line.take(shares(2, 1)).expect("five")];
        assert_eq!(line.take(shares(3, 1)).expect_err("the line is full"), Full::Line);
    }

    #[test]
    fn a_place_that_is_left_is_free_again_and_nothing_is_kept_of_who_had_it() {
        let line = Line::new(3);
        for _ in 0..3 {
            let held = [line.take(shares(1, 1)).expect("one"), line.take(shares(1, 1)).expect("two")];
            assert_eq!(line.take(shares(1, 1)).expect_err("no third"), Full::Share);
            drop(held);
        }
        let taken = line.0.taken.lock().expect("not poisoned");
        assert!(taken.all == 0 && taken.by.is_empty(), "{taken:?}");
    }

    #[test]
    fn whoever_is_refused_takes_no_part_of_any_share() {
        let line = Line::new(2);
        let held = [line.take(shares(1, 1)).expect("one"), line.take(shares(1, 1)).expect("two")];
        for _ in 0..5 {
            assert_eq!(line.take(shares(1, 1)).expect_err("its share"), Full::Share);
            assert_eq!(line.take(shares(2, 1)).expect_err("full"), Full::Line);
        }
        drop(held);
        let _free = [line.take(shares(2, 1)).expect("one"), line.take(shares(2, 1)).expect("two")];
    }

    #[test]
    fn nought_is_no_share() {
        let line = Line::new(9);
        let any = || shares(1, 1).map(|share| Share { most: 0, ..share });
        let held: Vec<_> = std::iter::from_fn(|| line.take(any()).ok()).collect();
        assert_eq!(held.len(), 9);
    }
}
