//! CORS: which pages may read responses, and the answers to their preflights.

use super::idempotency::{IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED};
use super::origins::AllowedOrigins;
use super::precheck::is_preflight;
use super::request_id;
use axum::extract::Request;
use axum::response::Response;
use futures_util::future::Either;
use http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION, RETRY_AFTER};
use http::{HeaderName, Method};
use std::convert::Infallible;
use std::task::{Context, Poll};
use std::time::Duration;
use tower::{Layer, Service};
use tower_http::cors::{self, AllowOrigin, CorsLayer};

/// Lets pages of these origins read responses. Credentials travel in headers, so pages may not use
/// cookies. `None` without origins.
pub fn cors(origins: &AllowedOrigins) -> Option<Cors> {
    if origins.is_empty() {
        return None;
    }
    let origins = origins.clone();
    let request_headers = [
        AUTHORIZATION,
        CONTENT_TYPE,
        IF_NONE_MATCH,
        IDEMPOTENCY_KEY,
        request_id::X_REQUEST_ID,
        HeaderName::from_static("traceparent"),
        HeaderName::from_static("x-faceshare-cookie"),
    ];
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| {
            origins.contains(origin)
        }))
        .allow_methods([
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
        .allow_headers(request_headers)
        .expose_headers([
            request_id::X_REQUEST_ID,
            RETRY_AFTER,
            LOCATION,
            ETAG,
            IDEMPOTENCY_REPLAYED,
        ])
        .max_age(Duration::from_secs(600));
    Some(Cors(layer))
}

/// The layer that answers preflights and adds the headers of CORS to responses.
#[derive(Debug, Clone)]
pub struct Cors(CorsLayer);

impl<S> Layer<S> for Cors {
    type Service = WithCors<S>;

    fn layer(&self, inner: S) -> WithCors<S> {
        WithCors(self.0.layer(inner))
    }
}

/// A service behind CORS.
#[derive(Debug, Clone)]
pub struct WithCors<S>(cors::Cors<S>);

impl<S> Service<Request> for WithCors<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<cors::ResponseFuture<S::Future>, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // `tower_http` answers every `OPTIONS` request as a preflight.
        if request.method() == Method::OPTIONS && !is_preflight(&request) {
            Either::Right(self.0.get_mut().call(request))
        } else {
            Either::Left(self.0.call(request))
        }
    }
}
