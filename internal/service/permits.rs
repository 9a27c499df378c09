//! A bounded number of permits, of which no caller holds more than its quotas.

use crate::quota::{Holdings, Quota};
use faceshare_biz::{Error, ErrorCode};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// When a caller without a place should ask again. A queue is a few seconds long.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// Every place is taken.
    All,
    /// The caller has its share.
    Share,
}

impl Full {
    /// `UNAVAILABLE` when all places are taken, `RATE_LIMITED` when the caller has its share.
    pub(crate) fn error(self, all: &'static str, share: &'static str) -> Error {
        let error = match self {
            Self::All => Error::new(ErrorCode::Unavailable, all),
            Self::Share => Error::new(ErrorCode::RateLimited, share),
        };
        error.retry_after(RETRY_AFTER)
    }

    /// The label for metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::All => "line",
            Self::Share => "share",
        }
    }
}

/// The permits. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Permits {
    places: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    count: usize,
    holdings: Holdings,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Permit<const N: usize> {
    permits: Permits,
    quotas: [Quota; N],
}

impl Permits {
    pub(crate) fn new(places: usize) -> Self {
        Self {
            places,
            taken: Arc::default(),
        }
    }

    /// A permit that counts towards these quotas.
    pub(crate) fn take<const N: usize>(&self, quotas: [Quota; N]) -> Result<Permit<N>, Full> {
        let mut taken = self.lock();
        let free = self.places - taken.count;
        if !taken.holdings.allow(&quotas, free) {
            return Err(Full::Share);
        }
        if free == 0 {
            return Err(Full::All);
        }
        taken.count += 1;
        for quota in quotas {
            taken.holdings.add(quota.principal);
        }
        drop(taken);
        Ok(Permit {
            permits: self.clone(),
            quotas,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<const N: usize> Drop for Permit<N> {
    fn drop(&mut self) {
        let mut taken = self.permits.lock();
        taken.count -= 1;
        for quota in self.quotas {
            taken.holdings.remove(quota.principal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Full, Permits};
    use crate::quota::Quota;
    use faceshare_biz::domain::Site;
    use std::net::IpAddr;

    /// One address of one network of one prefix.
    fn site([prefix, network, host]: [u8; 3]) -> Site {
        Site {
            address: IpAddr::from([10, prefix, network, host]),
            network: IpAddr::from([10, prefix, network, 0]),
        }
    }

    fn quotas(host: [u8; 3]) -> [Quota; 2] {
        [
            Quota::of_address(site(host), 2),
            Quota::of_prefix(site(host)),
        ]
    }

    #[test]
    fn an_address_has_its_quota_and_a_prefix_leaves_as_many_places_as_it_holds() {
        let permits = Permits::new(6);
        let take = |host| permits.take(quotas(host));
        let first = [take([1, 0, 1]).expect("one"), take([1, 0, 1]).expect("two")];
        assert_eq!(
            take([1, 0, 1]).expect_err("the address has its quota"),
            Full::Share
        );
        let _third = take([1, 1, 2]).expect("another network of the prefix");
        assert_eq!(
            take([1, 2, 3]).expect_err("the prefix holds half"),
            Full::Share
        );
        let _others = [
            take([2, 0, 1]).expect("another prefix"),
            take([2, 0, 2]).expect("its second"),
        ];
        assert_eq!(
            take([2, 0, 3]).expect_err("one is free, and it holds two"),
            Full::Share
        );
        let _last = take([3, 0, 1]).expect("the free one");
        assert_eq!(take([4, 0, 1]).expect_err("none is free"), Full::All);
        drop(first);
        take([4, 0, 1]).expect("free again");
    }

    #[test]
    fn a_refusal_takes_nothing_and_nothing_is_kept_of_permits_that_were_given_back() {
        let permits = Permits::new(4);
        for _ in 0..3 {
            let held = [
                permits.take(quotas([1, 0, 1])).expect("one"),
                permits.take(quotas([1, 0, 1])).expect("two"),
            ];
            assert_eq!(
                permits.take(quotas([1, 0, 1])).expect_err("no third"),
                Full::Share
            );
            drop(held);
        }
        let taken = permits.lock();
        assert!(taken.count == 0 && taken.holdings.is_empty(), "{taken:?}");
    }
}
