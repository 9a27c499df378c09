//! Limits the streams of one address, of one network, of one prefix, and of all.

use faceshare_biz::{Error, ErrorCode, Result};
use network::{NetworkKey, address_key, network_key, prefix_key};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// When a client may try again after all streams were taken. Streams last for minutes.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// How many streams may be open at once; 0: any number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamQuotas {
    /// Of one address (of IPv6, one /64), `limits.streams_per_address`.
    pub per_address: usize,
    /// Of one network (/24, or /56 of IPv6), `limits.streams_per_network`.
    pub per_network: usize,
    /// Of one prefix (/16, or /32 of IPv6), `limits.streams_per_prefix`; at most three quarters of
    /// `total`.
    pub per_prefix: usize,
    /// Of all.
    pub total: usize,
}

/// Counts the open streams.
#[derive(Debug)]
pub struct StreamPermits {
    quotas: StreamQuotas,
    open: Mutex<OpenStreams>,
}

/// The open streams by group. A group without streams has no entry.
#[derive(Debug, Default)]
struct OpenStreams {
    total: usize,
    by_group: HashMap<StreamGroup, usize>,
}

/// Streams that are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum StreamGroup {
    Address(IpAddr),
    Network(NetworkKey),
    Prefix(NetworkKey),
}

impl StreamGroup {
    /// The groups of a stream, the narrowest first.
    fn of(address: IpAddr) -> [Self; 3] {
        [
            Self::Address(address_key(address)),
            Self::Network(network_key(address)),
            Self::Prefix(prefix_key(address)),
        ]
    }

    const fn quota(self, quotas: &StreamQuotas) -> usize {
        match self {
            Self::Address(_) => quotas.per_address,
            Self::Network(_) => quotas.per_network,
            Self::Prefix(_) => quotas.per_prefix,
        }
    }

    fn refusal(self) -> Error {
        let (limit, detail) = match self {
            Self::Address(_) => ("streams_per_address", "too many streams from your address"),
            Self::Network(_) => ("streams_per_network", "too many streams from your network"),
            Self::Prefix(_) => (
                "streams_per_prefix",
                "too many streams from the networks around yours",
            ),
        };
        refuse(limit, Error::new(ErrorCode::LimitExceeded, detail))
    }
}

fn refuse(limit: &'static str, error: Error) -> Error {
    metrics::counter!("stream_refused_total", "limit" => limit).increment(1);
    error
}

impl StreamPermits {
    /// Permits within these quotas. A quarter of all stays for other prefixes than the greatest, as
    /// long as a prefix has a quota.
    #[must_use]
    pub fn new(mut quotas: StreamQuotas) -> Arc<Self> {
        if quotas.total > 0 {
            quotas.per_prefix = quotas.per_prefix.min(quotas.total - quotas.total / 4);
        }
        Arc::new(Self {
            quotas,
            open: Mutex::default(),
        })
    }

    /// A permit for one more stream from an address.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` when its address, network or prefix has as many streams as allowed;
    /// `UNAVAILABLE` when all together have.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Result<StreamPermit> {
        let is_full = |streams: usize, most: usize| most > 0 && streams >= most;
        let groups = StreamGroup::of(address);
        let mut open = self.lock();
        let full = groups.iter().find(|group| {
            let streams = open.by_group.get(group).copied().unwrap_or(0);
            is_full(streams, group.quota(&self.quotas))
        });
        if let Some(full) = full {
            return Err(full.refusal());
        }
        if is_full(open.total, self.quotas.total) {
            let error = Error::new(
                ErrorCode::Unavailable,
                "the server has as many streams as it can hold; try again later",
            );
            return Err(refuse("streams", error.retry_after(RETRY_AFTER)));
        }
        open.total += 1;
        for group in groups {
            *open.by_group.entry(group).or_default() += 1;
        }
        drop(open);
        Ok(StreamPermit {
            permits: self.clone(),
            groups,
        })
    }

    fn lock(&self) -> MutexGuard<'_, OpenStreams> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A permit; dropping it frees it.
#[derive(Debug)]
pub(super) struct StreamPermit {
    permits: Arc<StreamPermits>,
    groups: [StreamGroup; 3],
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        let mut open = self.permits.lock();
        open.total -= 1;
        for group in self.groups {
            let Some(streams) = open.by_group.get_mut(&group) else {
                continue;
            };
            *streams -= 1;
            if *streams == 0 {
                open.by_group.remove(&group);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ErrorCode, StreamPermits, StreamQuotas};
    use proptest::prelude::*;
    use std::net::{IpAddr, Ipv4Addr};

    type Host = (u8, u8, u8);

    const QUOTAS: StreamQuotas = StreamQuotas {
        per_address: 2,
        per_network: 4,
        per_prefix: 7,
        total: 12,
    };

    fn address((prefix, network, host): Host) -> IpAddr {
        Ipv4Addr::new(10, prefix, network, host).into()
    }

    proptest! {
        #[test]
        fn each_group_has_at_most_its_quota_and_dropped_permits_are_free_again(ops in prop::collection::vec(((0_u8..3, 0_u8..3, 0_u8..3), prop::bool::weighted(0.8)), 0..120)) {
            let permits = StreamPermits::new(QUOTAS);
            let mut held: Vec<(Host, _)> = Vec::new();
            for (from, take) in ops {
                let count = |is: &dyn Fn(Host) -> bool| held.iter().filter(|(host, _)| is(*host)).count();
                let is_full = count(&|host| host == from) == 2
                    || count(&|host| (host.0, host.1) == (from.0, from.1)) == 4
                    || count(&|host| host.0 == from.0) == 7;
                let all = held.len() == 12;
                if take {
                    match permits.take(address(from)) {
                        Ok(permit) => {
                            prop_assert!(!is_full && !all);
                            held.push((from, permit));
                        }
                        Err(error) if is_full => prop_assert_eq!(error.code, ErrorCode::LimitExceeded),
                        Err(error) => {
                            prop_assert!(all && error.retry_after.is_some());
                            prop_assert_eq!(error.code, ErrorCode::Unavailable);
                        }
                    }
                } else if let Some(at) = held.iter().position(|(host, _)| *host == from) {
                    drop(held.swap_remove(at));
                }
            }
            drop(held);
            let open = permits.lock();
            prop_assert!(open.total == 0 && open.by_group.is_empty());
        }
    }

    #[test]
    fn without_quotas_every_stream_gets_a_permit() {
        let permits = StreamPermits::new(StreamQuotas::default());
        let held: Vec<_> = (0..5_000)
            .map(|_| permits.take(address((1, 1, 1))))
            .collect();
        assert!(held.iter().all(Result::is_ok));
    }

    #[test]
    fn a_quarter_of_all_streams_stays_for_other_prefixes() {
        let permits = StreamPermits::new(StreamQuotas {
            total: 100,
            per_prefix: 1_000,
            ..StreamQuotas::default()
        });
        let of_one: Vec<_> = (0..100)
            .map_while(|n| permits.take(address((1, n, 1))).ok())
            .collect();
        assert_eq!(of_one.len(), 75);
        let of_others: Vec<_> = (2..27)
            .map_while(|prefix| permits.take(address((prefix, 1, 1))).ok())
            .collect();
        assert_eq!(of_others.len(), 25);
        let refused = permits
            .take(address((27, 1, 1)))
            .expect_err("all are taken");
        assert_eq!(refused.code, ErrorCode::Unavailable);
    }
}
