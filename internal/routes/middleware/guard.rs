//! Checks a request before its handler runs: the rate of its address, the size of its headers, the
//! coding of its body. Then bounds its time.

use super::deadline::{self, DeadlineFuture};
use super::idempotency::IdempotentCalls;
use super::rate::{self, AddressLimits};
use super::{ResponseFuture, headers};
use crate::e::HttpError;
use crate::unreadable::UnreadableRequest;
use axum::body::HttpBody as _;
use axum::extract::{DefaultBodyLimit, Request};
use axum::response::{IntoResponse, Response};
use faceshare_biz::Error;
use futures_util::future::{Either, Ready, ready};
use http::HeaderValue;
use http::header::ACCEPT_ENCODING;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tower::{Layer, Service};

/// The layer that keeps the limits of one listener.
#[derive(Clone)]
pub struct Guard(Arc<Limits>);

/// Limits of a listener.
pub struct Limits {
    /// Rates of one address.
    pub addresses: AddressLimits,
    /// Bytes of the path and headers at most.
    pub headers: usize,
    /// Bytes of a body at most, unless a route sets its own limit.
    pub body: usize,
    /// The deadline of a request, its body included.
    pub timeout: Duration,
    /// Runs calls under an idempotency key; `None`: the listener has no such calls.
    pub idempotent_calls: Option<IdempotentCalls>,
}

impl Guard {
    /// Creates the layer.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(limits))
    }
}

impl Limits {
    fn check(&self, request: &Request) -> Result<(), Error> {
        if let Some(unreadable) = request.extensions().get::<UnreadableRequest>() {
            return Err(unreadable.error());
        }
        rate::check(&self.addresses, request)?;
        headers::check(self.headers, request)
    }
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded {
            limits: self.0.clone(),
            inner,
        }
    }
}

/// A service behind the limits.
#[derive(Clone)]
pub struct Guarded<S> {
    limits: Arc<Limits>,
    inner: S,
}

/// The future of a guarded request: a refusal, or the inner response within the deadline.
pub type GuardFuture<F> =
    Either<Ready<Result<Response, Infallible>>, DeadlineFuture<Either<ResponseFuture, F>>>;

impl<S> Service<Request> for Guarded<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = GuardFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> GuardFuture<S::Future> {
        if let Err(error) = self.limits.check(&request) {
            return Either::Left(ready(Ok(HttpError(error).into_response())));
        }
        if let Err(error) = headers::check_coding(&request) {
            let identity = [(ACCEPT_ENCODING, HeaderValue::from_static("identity"))];
            return Either::Left(ready(Ok((identity, HttpError(error)).into_response())));
        }
        // An empty body needs no limit.
        if !request.body().is_end_stream() {
            DefaultBodyLimit::max(self.limits.body).apply(&mut request);
        }
        let timeout = deadline::of(self.limits.timeout, request.uri().path());
        let answer = match self
            .limits
            .idempotent_calls
            .as_ref()
            .filter(|idempotent_calls| idempotent_calls.applies_to(&request))
        {
            Some(idempotent_calls) => Either::Left(Box::pin(
                idempotent_calls.clone().run(request, self.inner.clone()),
            ) as ResponseFuture),
            None => Either::Right(self.inner.call(request)),
        };
        Either::Right(DeadlineFuture::new(timeout, answer))
    }
}
