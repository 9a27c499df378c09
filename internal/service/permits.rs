//! A bounded number of permits, of which no caller holds more than its quotas.

use crate::quota::{Holdings, Quota};
use faceshare_biz::{Error, ErrorCode};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// When a refused caller should try again. A queue takes a few seconds.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Why a permit was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// Every permit is taken.
    All,
    /// The caller has used its quota.
    Quota,
}

impl Full {
    /// `UNAVAILABLE` when all permits are taken, `RATE_LIMITED` when the caller has used its quota.
    pub(crate) fn error(self, all: &'static str, quota: &'static str) -> Error {
        let error = match self {
            Self::All => Error::new(ErrorCode::Unavailable, all),
            Self::Quota => Error::new(ErrorCode::RateLimited, quota),
        };
        error.retry_after(RETRY_AFTER)
    }

    /// The label for metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Quota => "quota",
        }
    }
}

/// The permits. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Permits {
    permits: usize,
    held: Arc<Mutex<HeldPermits>>,
}

#[derive(Debug, Default)]
struct HeldPermits {
    count: usize,
    holdings: Holdings,
}

/// A permit, held until it is dropped.
#[derive(Debug)]
pub(crate) struct Permit<const N: usize> {
    permits: Permits,
    quotas: [Quota; N],
}

impl Permits {
    pub(crate) fn new(permits: usize) -> Self {
        Self {
            permits,
            held: Arc::default(),
        }
    }

    /// A permit that counts towards these quotas.
    pub(crate) fn take<const N: usize>(&self, quotas: [Quota; N]) -> Result<Permit<N>, Full> {
        let mut held = self.lock();
        let free = self.permits - held.count;
        if !held.holdings.allow(&quotas, free) {
            return Err(Full::Quota);
        }
        if free == 0 {
            return Err(Full::All);
        }
        held.count += 1;
        for quota in quotas {
            held.holdings.add(quota.principal);
        }
        drop(held);
        Ok(Permit {
            permits: self.clone(),
            quotas,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HeldPermits> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<const N: usize> Drop for Permit<N> {
    fn drop(&mut self) {
        let mut held = self.permits.lock();
        held.count -= 1;
        for quota in self.quotas {
            held.holdings.remove(quota.principal);
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
    fn an_address_has_its_quota_and_a_prefix_leaves_as_many_permits_as_it_holds() {
        let permits = Permits::new(6);
        let take = |host| permits.take(quotas(host));
        let first = [take([1, 0, 1]).expect("one"), take([1, 0, 1]).expect("two")];
        assert_eq!(
            take([1, 0, 1]).expect_err("the address has its quota"),
            Full::Quota
        );
        let _third = take([1, 1, 2]).expect("another network of the prefix");
        assert_eq!(
            take([1, 2, 3]).expect_err("the prefix holds half"),
            Full::Quota
        );
        let _others = [
            take([2, 0, 1]).expect("another prefix"),
            take([2, 0, 2]).expect("its second"),
        ];
        assert_eq!(
            take([2, 0, 3]).expect_err("one is free, and it holds two"),
            Full::Quota
        );
        let _last = take([3, 0, 1]).expect("the free one");
        assert_eq!(take([4, 0, 1]).expect_err("none is free"), Full::All);
        drop(first);
        take([4, 0, 1]).expect("free again");
    }

    #[test]
    fn a_refusal_takes_nothing_and_a_dropped_permit_leaves_nothing() {
        let permits = Permits::new(4);
        for _ in 0..3 {
            let both = [
                permits.take(quotas([1, 0, 1])).expect("one"),
                permits.take(quotas([1, 0, 1])).expect("two"),
            ];
            assert_eq!(
                permits.take(quotas([1, 0, 1])).expect_err("no third"),
                Full::Quota
            );
            drop(both);
        }
        let held = permits.lock();
        assert!(held.count == 0 && held.holdings.is_empty(), "{held:?}");
    }
}
