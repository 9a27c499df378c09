//! How many streams one address may have.

use faceshare_biz::{Error, ErrorCode, Result};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The streams of each address. An address without one is not kept.
#[derive(Debug)]
pub struct StreamPlaces {
    /// 0: any number.
    per_address: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

impl StreamPlaces {
    /// `per_address`: streams of one address, `limits.streams_per_address`; 0: any number.
    #[must_use]
    pub fn new(per_address: usize) -> Arc<Self> {
        Arc::new(Self {
            per_address,
            taken: Mutex::default(),
        })
    }

    /// A place for one more stream from an address.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` when the address has as many as it may.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Result<StreamPlace> {
        let mut taken = self.lock();
        let streams = taken.entry(address).or_default();
        if self.per_address > 0 && *streams >= self.per_address {
            metrics::counter!("stream_refused_total", "limit" => "streams_per_address")
                .increment(1);
            return Err(Error::new(
                ErrorCode::LimitExceeded,
                "too many streams from your address",
            ));
        }
        *streams += 1;
        drop(taken);
        Ok(StreamPlace {
            places: self.clone(),
            address,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct StreamPlace {
    places: Arc<StreamPlaces>,
    address: IpAddr,
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        let Some(streams) = taken.get_mut(&self.address) else {
            return;
        };
        *streams -= 1;
        if *streams == 0 {
            taken.remove(&self.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ErrorCode, StreamPlaces};
    use proptest::prelude::*;
    use std::net::{IpAddr, Ipv4Addr};

    fn address(last: u8) -> IpAddr {
        Ipv4Addr::new(10, 0, 0, last).into()
    }

    proptest! {
        #[test]
        fn an_address_has_at_most_its_share_and_places_come_back(ops in prop::collection::vec((0_u8..3, any::<bool>()), 0..60)) {
            let places = StreamPlaces::new(4);
            let mut held = Vec::new();
            for (from, take) in ops {
                let of_address = held.iter().filter(|(address, _)| *address == from).count();
                if take {
                    match places.take(address(from)) {
                        Ok(place) => held.push((from, place)),
                        Err(error) => prop_assert!(of_address == 4 && error.code == ErrorCode::LimitExceeded),
                    }
                    prop_assert!(of_address < 5);
                } else if let Some(at) = held.iter().position(|(address, _)| *address == from) {
                    drop(held.swap_remove(at));
                }
            }
            drop(held);
            prop_assert!(places.lock().is_empty());
        }
    }

    #[test]
    fn without_a_limit_everybody_has_a_place() {
        let places = StreamPlaces::new(0);
        let held: Vec<_> = (0..5_000).map(|_| places.take(address(1))).collect();
        assert!(held.iter().all(Result::is_ok));
    }
}
