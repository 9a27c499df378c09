//! Rate limits of addresses and accounts.

use axum::extract::{ConnectInfo, Request};
use faceshare_biz::domain::AccountId;
use faceshare_biz::{Error, ErrorCode};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use http::{Extensions, Method};
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;

/// A burst is this many seconds' worth of requests.
const BURST_SECONDS: NonZeroU32 = NonZeroU32::new(5).expect("invariant: five is not zero");
/// Sign-ups by the classic API count against the same rate.
const SIGN_UP_CLASSIC: &str = "/api/entrytask/user/signup";
/// The host part of an IPv6 address: one client has all addresses that share the first 64 bits.
const IPV6_HOST: u128 = u64::MAX as u128;

/// The client's address, as far as it can be trusted; an extension of requests that come through a
/// proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// The address that a trusted proxy names, else that of the connection's peer.
    pub(crate) fn of(extensions: &Extensions) -> Option<Self> {
        let peer = || {
            extensions
                .get()
                .map(|ConnectInfo(peer): &ConnectInfo<SocketAddr>| Self(peer.ip().to_canonical()))
        };
        extensions.get().copied().or_else(peer)
    }
}

/// Rates of one address; 0: unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AddressRates {
    /// Requests per second.
    pub requests: u32,
    /// New guests per minute.
    pub guests: u32,
    /// Sign-ups per minute.
    pub accounts: u32,
}

/// The rate limiters of one listener. Cheap to clone.
#[derive(Clone)]
pub struct AddressLimits {
    requests: Option<Arc<KeyedLimit>>,
    guests: Option<Arc<KeyedLimit>>,
    accounts: Option<Arc<KeyedLimit>>,
}

impl AddressLimits {
    /// Creates limiters with these rates.
    #[must_use]
    pub fn new(rates: AddressRates) -> Self {
        let per_minute = |rate| {
            NonZeroU32::new(rate).map(|rate| Arc::new(KeyedLimit::new(Quota::per_minute(rate))))
        };
        Self {
            requests: KeyedLimit::per_second(rates.requests),
            guests: per_minute(rates.guests),
            accounts: per_minute(rates.accounts),
        }
    }

    /// No limits.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            requests: None,
            guests: None,
            accounts: None,
        }
    }
}

/// The rate limiter of accounts, across all their addresses. Cheap to clone.
#[derive(Clone)]
pub struct AccountLimits(Option<Arc<KeyedLimit>>);

impl AccountLimits {
    /// `requests_per_second` = 0: unlimited.
    #[must_use]
    pub fn new(requests_per_second: u32) -> Self {
        Self(KeyedLimit::per_second(requests_per_second))
    }

    /// `RATE_LIMITED` over the rate.
    pub(crate) fn check(&self, account: AccountId) -> Result<(), Error> {
        self.0.as_ref().map_or(Ok(()), |limit| {
            limit.check(account, "too many requests by your account")
        })
    }
}

/// A rate for each of many keys. Keys are hashed into 65,536 buckets, so the table is bounded
/// however many clients come. Now and then two keys share a bucket; the hash is seeded, so a client
/// cannot find out or choose which.
struct KeyedLimit {
    limiter: DefaultKeyedRateLimiter<u16>,
    hasher: RandomState,
}

impl KeyedLimit {
    fn new(quota: Quota) -> Self {
        Self {
            limiter: RateLimiter::keyed(quota),
            hasher: RandomState::new(),
        }
    }

    /// `None` when `rate` is 0: unlimited.
    fn per_second(rate: u32) -> Option<Arc<Self>> {
        let rate = NonZeroU32::new(rate)?;
        Some(Arc::new(Self::new(
            Quota::per_second(rate).allow_burst(rate.saturating_mul(BURST_SECONDS)),
        )))
    }

    fn check(&self, who: impl Hash, refusal: &'static str) -> Result<(), Error> {
        // The remainder is below 65,536, so it fits `u16`.
        let bucket = (self.hasher.hash_one(who) % (1 << u16::BITS)) as u16;
        self.limiter.check_key(&bucket).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            metrics::counter!("http_requests_rate_limited_total").increment(1);
            Error::new(ErrorCode::RateLimited, refusal).retry_after(wait)
        })
    }
}

/// `RATE_LIMITED` for requests over the rate of their address. Health checks are always answered.
pub(crate) fn check(limits: &AddressLimits, request: &Request) -> Result<(), Error> {
    let Some(ClientAddress(address)) = ClientAddress::of(request.extensions()) else {
        return Ok(());
    };
    let (host, path) = (host(address), request.uri().path());
    if let Some(limit) = &limits.requests
        && !matches!(path, "/healthz" | "/readyz")
    {
        limit.check(host, "too many requests from your address")?;
    }
    let newcomers = match path {
        "/v1/guests" => limits
            .guests
            .as_ref()
            .zip(Some("too many new guests from your address")),
        "/v1/accounts" | SIGN_UP_CLASSIC => limits
            .accounts
            .as_ref()
            .zip(Some("too many sign-ups from your address")),
        _ => None,
    };
    match newcomers {
        Some((limit, refusal)) if request.method() == Method::POST => limit.check(host, refusal),
        _ => Ok(()),
    }
}

/// The key that an address counts under.
fn host(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !IPV6_HOST).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{AccountLimits, AddressLimits, AddressRates, ClientAddress, check};
    use axum::body::Body;
    use axum::extract::{ConnectInfo, Request};
    use faceshare_biz::ErrorCode;
    use faceshare_biz::domain::AccountId;
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};

    fn request(method: &str, path: &str, address: [u8; 4]) -> Request {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .body(Body::empty())
            .expect("a request");
        request
            .extensions_mut()
            .insert(ClientAddress(IpAddr::from(address)));
        request
    }

    #[test]
    fn without_a_proxy_the_client_address_is_the_peer_in_canonical_form() {
        let mut request = Request::new(Body::empty());
        assert_eq!(ClientAddress::of(request.extensions()), None);
        request
            .extensions_mut()
            .insert(ConnectInfo(SocketAddr::from((
                Ipv4Addr::LOCALHOST.to_ipv6_mapped(),
                7,
            ))));
        assert_eq!(
            ClientAddress::of(request.extensions()),
            Some(ClientAddress(Ipv4Addr::LOCALHOST.into()))
        );
        request
            .extensions_mut()
            .insert(ClientAddress(Ipv4Addr::BROADCAST.into()));
        assert_eq!(
            ClientAddress::of(request.extensions()),
            Some(ClientAddress(Ipv4Addr::BROADCAST.into()))
        );
    }

    #[test]
    fn guests_are_counted_by_address_and_other_requests_are_not_guests() {
        let limits = AddressLimits::new(AddressRates {
            guests: 2,
            ..AddressRates::default()
        });
        let guest = |address| check(&limits, &request("POST", "/v1/guests", address));
        assert!(guest([127, 0, 0, 1]).is_ok() && guest([127, 0, 0, 1]).is_ok());
        let refused = guest([127, 0, 0, 1]).expect_err("the third");
        assert_eq!(refused.code, ErrorCode::RateLimited);
        assert!(refused.retry_after.is_some_and(|wait| !wait.is_zero()));
        assert!(guest([127, 0, 0, 2]).is_ok());
        assert!(check(&limits, &request("GET", "/v1/guests", [127, 0, 0, 1])).is_ok());
    }

    #[test]
    fn sign_ups_by_either_api_are_counted_by_address_and_sign_ins_are_not() {
        let limits = AddressLimits::new(AddressRates {
            accounts: 2,
            ..AddressRates::default()
        });
        let post = |path, address| check(&limits, &request("POST", path, address));
        assert!(
            post("/v1/accounts", [127, 0, 0, 1]).is_ok()
                && post(super::SIGN_UP_CLASSIC, [127, 0, 0, 1]).is_ok()
        );
        for path in ["/v1/accounts", super::SIGN_UP_CLASSIC] {
            let refused = post(path, [127, 0, 0, 1]).expect_err("the third");
            assert!(
                refused.code == ErrorCode::RateLimited
                    && refused.retry_after.is_some_and(|wait| !wait.is_zero()),
                "{path}: {refused:?}"
            );
            assert!(post(path, [127, 0, 0, 2]).is_ok());
        }
        assert!(
            post("/v1/accounts/sign-in", [127, 0, 0, 1]).is_ok()
                && post("/v1/guests", [127, 0, 0, 1]).is_ok()
        );
    }

    #[test]
    fn a_burst_is_five_seconds_worth() {
        let limits = AddressLimits::new(AddressRates {
            requests: 10,
            ..AddressRates::default()
        });
        let passed = (0..60)
            .filter(|_| check(&limits, &request("GET", "/", [10, 0, 0, 1])).is_ok())
            .count();
        assert!((50..55).contains(&passed), "{passed}");
    }

    #[test]
    fn all_ipv6_addresses_of_one_network_share_a_rate() {
        let limits = AddressLimits::new(AddressRates {
            requests: 1,
            ..AddressRates::default()
        });
        let ask = |address: &str| {
            let mut request = request("GET", "/", [0; 4]);
            request
                .extensions_mut()
                .insert(ClientAddress(address.parse().expect("an address")));
            check(&limits, &request)
        };
        assert!((0..5).all(|n| ask(&format!("2001:db8::{n}")).is_ok()));
        assert!(ask("2001:db8::ffff:1").is_err() && ask("2001:db8:0:1::1").is_ok());
    }

    #[test]
    fn an_account_is_limited_across_its_addresses() {
        let (limits, id) = (AccountLimits::new(2), |id| {
            AccountId::new(id).expect("an id")
        });
        assert_eq!((0..20).filter(|_| limits.check(id(1)).is_ok()).count(), 10);
        let refused = limits.check(id(1)).expect_err("over the rate");
        assert!(refused.code == ErrorCode::RateLimited && refused.retry_after.is_some());
        assert!(limits.check(id(2)).is_ok() && AccountLimits::new(0).check(id(1)).is_ok());
    }

    #[test]
    fn the_table_is_bounded_and_probes_are_always_answered() {
        let limits = AddressLimits::new(AddressRates {
            requests: 1,
            ..AddressRates::default()
        });
        for address in 0..200_000_u32 {
            let _ = check(&limits, &request("GET", "/", address.to_be_bytes()));
        }
        assert!(
            limits
                .requests
                .is_some_and(|limit| limit.limiter.len() <= 1 << u16::BITS)
        );
        let limits = AddressLimits::new(AddressRates {
            requests: 1,
            ..AddressRates::default()
        });
        assert!(
            (0..100).all(|_| check(&limits, &request("GET", "/healthz", [10, 0, 0, 1])).is_ok())
        );
    }

    #[test]
    fn nothing_is_limited_unless_asked_for() {
        let limits = AddressLimits::new(AddressRates::default());
        assert!(
            (0..5_000)
                .all(|_| check(&limits, &request("POST", "/v1/guests", [10, 0, 0, 1])).is_ok())
        );
    }
}
