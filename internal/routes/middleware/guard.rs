//! What a request must pass before it is looked at: its address' rate, the size of its headers, the coding of its body, and then the time it
//! may take.

use super::deadline::{self, Bounded};
use super::idempotency::Once;
use super::rate::{self, AddressLimits};
use super::{Answering, headers};
use crate::e::HttpError;
use crate::unreadable::Unreadable;
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

/// The limits of one listener; the layer that keeps them.
#[derive(Clone)]
pub struct Guard(Arc<Limits>);

/// What is let in.
pub struct Limits {
    /// What one address may ask for.
    pub addresses: AddressLimits,
    /// Bytes of the path and headers.
    pub headers: usize,
    /// Bytes of a body, unless a route says otherwise.
    pub body: usize,
    /// How long a request may take, its body included.
    pub timeout: Duration,
    /// Calls that take effect once though they are sent again; `None`: on this listener there are none.
    pub once: Option<Once>,
}

impl Guard {
    /// With these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(limits))
    }
}

impl Limits {
    fn check(&self, request: &Request) -> Result<(), Error> {
        if let Some(unreadable) = request.extensions().get::<Unreadable>() {
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

/// A service behind its limits.
#[derive(Clone)]
pub struct Guarded<S> {
    limits: Arc<Limits>,
    inner: S,
}

/// An answer on its way: a refusal, or what the inner service says in time.
pub type Guarding<F> = Either<Ready<Result<Response, Infallible>>, Bounded<Either<Answering, F>>>;

impl<S> Service<Request> for Guarded<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Guarding<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Guarding<S::Future> {
        if let Err(error) = self.limits.check(&request) {
            return Either::Left(ready(Ok(HttpError(error).into_response())));
        }
        if let Err(error) = headers::check_coding(&request) {
            let identity = [(ACCEPT_ENCODING, HeaderValue::from_static("identity"))];
            return Either::Left(ready(Ok((identity, HttpError(error)).into_response())));
        }
        // Of nothing there is nothing to limit.
        if !request.body().is_end_stream() {
            DefaultBodyLimit::max(self.limits.body).apply(&mut request);
        }
        let timeout = deadline::of(self.limits.timeout, request.uri().path());
        let answer = match self
            .limits
            .once
            .as_ref()
            .filter(|once| once.concerns(&request))
        {
            Some(once) => {
                Either::Left(Box::pin(once.clone().run(request, self.inner.clone())) as Answering)
            }
            None => Either::Right(self.inner.call(request)),
        };
        Either::Right(Bounded::new(timeout, answer))
    }
}
