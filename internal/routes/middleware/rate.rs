//! How much one address, and one account, may ask for.

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
/// Signing up by the classic API spends the same rate.
const SIGN_UP_CLASSIC: &str = "/api/entrytask/user/signup";
/// Whoever has one address of IPv6 has all that share its first 64 bits.
const IPV6_HOST: u128 = u64::MAX as u128;

/// Where a request comes from, as far as that can be trusted; an extension of requests that come by a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// As a proxy of ours says, where one stands between; else whoever is at the other end of the connection.
    pub(crate) fn of(extensions: &Extensions) -> Option<Self> {
        let peer = || {
            extensions
                .get()
                .map(|ConnectInfo(peer): &ConnectInfo<SocketAddr>| Self(peer.ip().to_canonical()))
        };
        extensions.get().copied().or_else(peer)
    }
}

/// How often one address may do what; 0: any number of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AddressRates {
    /// Requests in a second.
    pub requests: u32,
    /// New guests in a minute.
    pub guests: u32,
    /// Sign-ups in a minute.
    pub accounts: u32,
}

/// The rates of one listener. Cheap to clone.
#[derive(Clone)]
pub struct AddressLimits {
    requests: Option<Arc<Limit>>,
    guests: Option<Arc<Limit>>,
    accounts: Option<Arc<Limit>>,
}

impl AddressLimits {
    /// With these rates.
    #[must_use]
    pub fn new(rates: AddressRates) -> Self {
        let per_minute =
            |rate| NonZeroU32::new(rate).map(|rate| Arc::new(Limit::new(Quota::per_minute(rate))));
        Self {
            requests: Limit::per_second(rates.requests),
            guests: per_minute(rates.guests),
            accounts: per_minute(rates.accounts),
        }
    }

    /// Where nobody is counted.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            requests: None,
            guests: None,
            accounts: None,
        }
    }
}

/// How much one account may ask for, from wherever it asks. Cheap to clone.
#[derive(Clone)]
pub struct AccountLimits(Option<Arc<Limit>>);

impl AccountLimits {
    /// Requests in a second; 0: any number.
    #[must_use]
    pub fn new(requests_per_second: u32) -> Self {
        Self(Limit::per_second(requests_per_second))
    }

    /// `RATE_LIMITED` over the rate.
    pub(crate) fn check(&self, account: AccountId) -> Result<(), Error> {
        self.0.as_ref().map_or(Ok(()), |limit| {
            limit.check(account, "too many requests by your account")
        })
    }
}

/// A rate for each of very many. They are counted in 65,536 places, so that the table has a bound whoever comes: now and then two share one,
/// and nobody can tell with whom.
struct Limit {
    limiter: DefaultKeyedRateLimiter<u16>,
    places: RandomState,
}

impl Limit {
    fn new(quota: Quota) -> Self {
        Self {
            limiter: RateLimiter::keyed(quota),
            places: RandomState::new(),
        }
    }

    /// `None`: any number.
    fn per_second(rate: u32) -> Option<Arc<Self>> {
        let rate = NonZeroU32::new(rate)?;
        Some(Arc::new(Self::new(
            Quota::per_second(rate).allow_burst(rate.saturating_mul(BURST_SECONDS)),
        )))
    }

    fn check(&self, who: impl Hash, refusal: &'static str) -> Result<(), Error> {
        // The remainder is below 65,536: nothing is cut off.
        let place = (self.places.hash_one(who) % (1 << u16::BITS)) as u16;
        self.limiter.check_key(&place).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            metrics::counter!("http_requests_rate_limited_total").increment(1);
            Error::new(ErrorCode::RateLimited, refusal).retry_after(wait)
        })
    }
}

/// `RATE_LIMITED` for requests over the rate of their address. Who asks whether the server is well is always told.
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

/// What counts as one address.
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
    fn without_a_proxy_it_is_the_peer_in_canonical_form() {
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
    fn sign_ups_are_counted_by_address_by_whichever_call_and_sign_ins_are_none() {
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
    fn an_address_of_ipv6_is_as_many_as_its_network_has() {
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
    fn an_account_is_limited_wherever_it_is() {
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
