//! Refuses requests whatever their route: a missing or wrong `Host`, and the preflight of a page
//! that may not call.

use super::origins::AllowedOrigins;
use crate::e::HttpError;
use crate::unreadable::UnreadableRequest;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use faceshare_biz::Error;
use futures_util::future::{Either, Ready, ready};
use http::header::{
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN, VARY,
};
use http::{HeaderValue, Method, Version};
use std::convert::Infallible;
use std::task::{Context, Poll};
use tower::{Layer, Service};

/// The layer that makes these checks.
#[derive(Debug, Clone)]
pub struct Precheck {
    origins: AllowedOrigins,
}

impl Precheck {
    /// Lets the preflights of these origins through.
    #[must_use]
    pub const fn new(origins: AllowedOrigins) -> Self {
        Self { origins }
    }

    fn refusal(&self, request: &Request) -> Option<Response> {
        if request.extensions().get::<UnreadableRequest>().is_some() {
            return None;
        }
        if let Err(error) = check_host(request) {
            return Some(HttpError(error).into_response());
        }
        if !is_preflight(request) {
            return None;
        }
        // A page of the server's own origin sends no preflight.
        let error = self.origins.check(request.headers(), None).err()?;
        let mut response = HttpError(error).into_response();
        for name in [
            ORIGIN,
            ACCESS_CONTROL_REQUEST_METHOD,
            ACCESS_CONTROL_REQUEST_HEADERS,
        ] {
            response.headers_mut().append(VARY, HeaderValue::from(name));
        }
        Some(response)
    }
}

/// `INVALID_ARGUMENT` unless there is exactly one well-formed `Host` (RFC 9112, section 3.2).
/// HTTP/1.0 may leave it out, and so may HTTP/2, which has `:authority`.
fn check_host(request: &Request) -> Result<(), Error> {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => Err(Error::invalid("Host", "must be sent once")),
        (Some(host), None) if !host.to_str().is_ok_and(network::host_is_well_formed) => {
            Err(Error::invalid(
                "Host",
                "must be a name or an address, with or without a port",
            ))
        }
        (None, _) if request.version() == Version::HTTP_11 => {
            Err(Error::invalid("Host", "is required"))
        }
        _ => Ok(()),
    }
}

/// Whether this is the question that a browser asks before a call that a form could not make.
pub(super) fn is_preflight(request: &Request) -> bool {
    let has = |name| request.headers().contains_key(name);
    request.method() == Method::OPTIONS && has(ORIGIN) && has(ACCESS_CONTROL_REQUEST_METHOD)
}

impl<S> Layer<S> for Precheck {
    type Service = Prechecked<S>;

    fn layer(&self, inner: S) -> Prechecked<S> {
        Prechecked {
            check: self.clone(),
            inner,
        }
    }
}

/// A service behind the checks.
#[derive(Debug, Clone)]
pub struct Prechecked<S> {
    check: Precheck,
    inner: S,
}

impl<S> Service<Request> for Prechecked<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response, Infallible>>, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match self.check.refusal(&request) {
            Some(response) => Either::Left(ready(Ok(response))),
            None => Either::Right(self.inner.call(request)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check_host;
    use axum::body::Body;
    use axum::extract::Request;
    use http::Version;

    fn is_accepted(version: Version, hosts: &[&str]) -> bool {
        let mut request = Request::builder().version(version).uri("/");
        for host in hosts {
            request = request.header("host", *host);
        }
        check_host(&request.body(Body::empty()).expect("a request")).is_ok()
    }

    #[test]
    fn a_request_names_one_host_and_only_http_1_1_must() {
        for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
            assert!(is_accepted(version, &["meet.example:8080"]), "{version:?}");
            assert_eq!(
                is_accepted(version, &[]),
                version != Version::HTTP_11,
                "{version:?}"
            );
            for hosts in [
                &["a.example", "a.example"][..],
                &["a.example", "b.example"],
                &[""],
                &["a b"],
                &["http://a.example"],
                &["a:b"],
            ] {
                assert!(!is_accepted(version, hosts), "{version:?} {hosts:?}");
            }
        }
    }
}
