//! How many of a bounded number of permits a caller may hold.

use faceshare_biz::domain::{AccountId, Site};
use network::prefix_key;
use std::collections::HashMap;
use std::net::IpAddr;

/// The permits of one principal are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Principal {
    Account(AccountId),
    Address(IpAddr),
    Network(IpAddr),
    /// See [`prefix_of`].
    Prefix(IpAddr),
}

/// How many permits one principal may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    pub(crate) principal: Principal,
    pub(crate) most: Most,
}

/// The size of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Most {
    /// This number; 0 sets no limit.
    Number(usize),
    /// As many as are free, so that some stay free for others, however few principals there are.
    AsManyAsAreFree,
}

impl Quota {
    pub(crate) const fn of_account(account: AccountId, most: usize) -> Self {
        Self {
            principal: Principal::Account(account),
            most: Most::Number(most),
        }
    }

    pub(crate) const fn of_address(site: Site, most: usize) -> Self {
        Self {
            principal: Principal::Address(site.address),
            most: Most::Number(most),
        }
    }

    pub(crate) const fn of_network(site: Site, most: usize) -> Self {
        Self {
            principal: Principal::Network(site.network),
            most: Most::Number(most),
        }
    }

    pub(crate) fn of_prefix(site: Site) -> Self {
        Self {
            principal: Principal::Prefix(prefix_of(site)),
            most: Most::AsManyAsAreFree,
        }
    }
}

/// The first address of the /16 of IPv4 or the /32 of IPv6 around a site.
pub(crate) fn prefix_of(site: Site) -> IpAddr {
    prefix_key(site.network).first()
}

/// The number of permits that each principal holds. A principal without one takes no memory.
#[derive(Debug, Default)]
pub(crate) struct Holdings(HashMap<Principal, usize>);

impl Holdings {
    /// Whether one more permit is within all quotas, when `free` permits are free.
    pub(crate) fn allow(&self, quotas: &[Quota], free: usize) -> bool {
        quotas.iter().all(|quota| {
            let held = self.0.get(&quota.principal).copied().unwrap_or(0);
            match quota.most {
                Most::Number(0) => true,
                Most::Number(most) => held < most,
                Most::AsManyAsAreFree => held < free.max(1),
            }
        })
    }

    pub(crate) fn add(&mut self, principal: Principal) {
        *self.0.entry(principal).or_default() += 1;
    }

    pub(crate) fn remove(&mut self, principal: Principal) {
        let Some(held) = self.0.get_mut(&principal) else {
            return;
        };
        *held -= 1;
        if *held == 0 {
            self.0.remove(&principal);
        }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::{Holdings, Principal, Quota};
    use faceshare_biz::domain::Site;

    fn site(network: &str) -> Site {
        let network = network.parse().expect("an address");
        Site {
            address: network,
            network,
        }
    }

    #[test]
    fn a_quota_of_zero_is_no_limit_and_what_is_given_back_is_forgotten() {
        let (mut holdings, here) = (Holdings::default(), site("10.1.2.0"));
        let principal = Principal::Address(here.address);
        holdings.add(principal);
        holdings.add(principal);
        assert!(holdings.allow(&[Quota::of_address(here, 0), Quota::of_address(here, 3)], 0));
        assert!(!holdings.allow(&[Quota::of_address(here, 0), Quota::of_address(here, 2)], 9));
        holdings.remove(principal);
        holdings.remove(principal);
        holdings.remove(principal);
        assert!(holdings.is_empty());
    }
}
