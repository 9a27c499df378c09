//! How much one address may ask for. Off unless the configuration sets a rate.

use crate::e::HttpError;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use faceshare_biz::{Error, ErrorCode};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use http::Method;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A burst is this many seconds' worth of requests.
const BURST_SECONDS: NonZeroU32 = NonZeroU32::new(5).expect("invariant: five is not zero");
/// Addresses that have not asked for long are forgotten each time so many requests have come.
const SWEEP_EVERY: u32 = 10_000;

/// Where a request comes from, as far as that can be trusted; a request extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// The rates of one listener. Cheap to clone.
#[derive(Clone)]
pub struct AddressLimits {
    requests: Option<Arc<Limit>>,
    guests: Option<Arc<Limit>>,
}

struct Limit {
    limiter: DefaultKeyedRateLimiter<IpAddr>,
    asked: AtomicU32,
}

impl AddressLimits {
    /// Requests in a second and new guests in a minute from one address; 0: any number.
    #[must_use]
    pub fn new(requests_per_second: u32, guests_per_minute: u32) -> Self {
        let quota = |rate: NonZeroU32| Quota::per_second(rate).allow_burst(rate.saturating_mul(BURST_SECONDS));
        Self {
            requests: NonZeroU32::new(requests_per_second).map(|rate| Limit::new(quota(rate))),
            guests: NonZeroU32::new(guests_per_minute).map(|rate| Limit::new(Quota::per_minute(rate))),
        }
    }
}

impl Limit {
    fn new(quota: Quota) -> Arc<Self> {
        Arc::new(Self { limiter: RateLimiter::keyed(quota), asked: AtomicU32::new(0) })
    }

    fn check(&self, address: IpAddr) -> Result<(), Error> {
        if self.asked.fetch_add(1, Ordering::Relaxed).is_multiple_of(SWEEP_EVERY) {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(&address).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            Error::new(ErrorCode::RateLimited, "too many requests from your address").retry_after(wait)
        })
    }
}

/// Answers requests over the rate of their address with `RATE_LIMITED`.
pub async fn enforce(State(limits): State<AddressLimits>, request: Request, next: Next) -> Response {
    match check(&limits, &request) {
        Ok(()) => next.run(request).await,
        Err(error) => HttpError(error).into_response(),
    }
}

fn check(limits: &AddressLimits, request: &Request) -> Result<(), Error> {
    let Some(ClientAddress(address)) = request.extensions().get().copied() else { return Ok(()) };
    if let Some(limit) = &limits.requests {
        limit.check(address)?;
    }
    match &limits.guests {
        Some(limit) if request.method() == Method::POST && request.uri().path() == "/v1/guests" => limit.check(address),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{AddressLimits, ClientAddress, check};
    use axum::body::Body;
    use axum::extract::Request;
    use faceshare_biz::ErrorCode;
    use std::net::IpAddr;

    fn request(method: &str, path: &str, address: [u8; 4]) -> Request {
        let mut request = Request::builder().method(method).uri(path).body(Body::empty()).expect("a request");
        request.extensions_mut().insert(ClientAddress(IpAddr::from(address)));
        request
    }

    #[test]
    fn guests_are_counted_by_address_and_other_requests_are_not_guests() {
        let limits = AddressLimits::new(0, 2);
        let guest = |address| check(&limits, &request("POST", "/v1/guests", address));
        assert!(guest([127, 0, 0, 1]).is_ok() && guest([127, 0, 0, 1]).is_ok());
        let refused = guest([127, 0, 0, 1]).expect_err("the third");
        assert_eq!(refused.code, ErrorCode::RateLimited);
        assert!(refused.retry_after.is_some_and(|wait| !wait.is_zero()));
        assert!(guest([127, 0, 0, 2]).is_ok());
        assert!(check(&limits, &request("GET", "/healthz", [127, 0, 0, 1])).is_ok());
    }

    #[test]
    fn a_burst_is_five_seconds_worth() {
        let limits = AddressLimits::new(10, 0);
        let passed = (0..60).filter(|_| check(&limits, &request("GET", "/", [10, 0, 0, 1])).is_ok()).count();
        assert!((50..55).contains(&passed), "{passed}");
    }

    #[test]
    fn nothing_is_limited_unless_asked_for() {
        let limits = AddressLimits::new(0, 0);
        assert!((0..5_000).all(|_| check(&limits, &request("POST", "/v1/guests", [10, 0, 0, 1])).is_ok()));
    }
}
