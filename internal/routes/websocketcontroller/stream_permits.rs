//! Limits the streams of one address.

use faceshare_biz::{Error, ErrorCode, Result};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts the streams of each address. An address without streams has no entry.
#[derive(Debug)]
pub struct StreamPermits {
    /// 0: any number.
    per_address: usize,
    streams_by_address: Mutex<HashMap<IpAddr, usize>>,
}

impl StreamPermits {
    /// `per_address`: streams of one address at most, `limits.streams_per_address`; 0: unlimited.
    #[must_use]
    pub fn new(per_address: usize) -> Arc<Self> {
        Arc::new(Self {
            per_address,
            streams_by_address: Mutex::default(),
        })
    }

    /// A permit for one more stream of an address.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` when the address has as many streams as allowed.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Result<StreamPermit> {
        let mut streams_by_address = self.lock();
        let streams = streams_by_address.entry(address).or_default();
        if self.per_address > 0 && *streams >= self.per_address {
            metrics::counter!("stream_refused_total", "limit" => "streams_per_address")
                .increment(1);
            return Err(Error::new(
                ErrorCode::LimitExceeded,
                "too many streams from your address",
            ));
        }
        *streams += 1;
        drop(streams_by_address);
        Ok(StreamPermit {
            permits: self.clone(),
            address,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.streams_by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A permit; dropping it frees it.
#[derive(Debug)]
pub(super) struct StreamPermit {
    permits: Arc<StreamPermits>,
    address: IpAddr,
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        let mut streams_by_address = self.permits.lock();
        let Some(streams) = streams_by_address.get_mut(&self.address) else {
            return;
        };
        *streams -= 1;
        if *streams == 0 {
            streams_by_address.remove(&self.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ErrorCode, StreamPermits};
    use proptest::prelude::*;
    use std::net::{IpAddr, Ipv4Addr};

    fn address(last: u8) -> IpAddr {
        Ipv4Addr::new(10, 0, 0, last).into()
    }

    proptest! {
        #[test]
        fn an_address_has_at_most_its_quota_and_dropped_permits_are_free_again(ops in prop::collection::vec((0_u8..3, any::<bool>()), 0..60)) {
            let permits = StreamPermits::new(4);
            let mut held = Vec::new();
            for (from, take) in ops {
                let of_address = held.iter().filter(|(address, _)| *address == from).count();
                if take {
                    match permits.take(address(from)) {
                        Ok(permit) => held.push((from, permit)),
                        Err(error) => prop_assert!(of_address == 4 && error.code == ErrorCode::LimitExceeded),
                    }
                    prop_assert!(of_address < 5);
                } else if let Some(at) = held.iter().position(|(address, _)| *address == from) {
                    drop(held.swap_remove(at));
                }
            }
            drop(held);
            prop_assert!(permits.lock().is_empty());
        }
    }

    #[test]
    fn without_a_limit_every_stream_gets_a_permit() {
        let permits = StreamPermits::new(0);
        let held: Vec<_> = (0..5_000).map(|_| permits.take(address(1))).collect();
        assert!(held.iter().all(Result::is_ok));
    }
}
