//! The outermost layer: names the request, opens its span, counts it, catches panics and writes
//! problem documents.
//!
//! Records a request's method, the route it matched, its status and its time. It never records the
//! path itself, the query, a body or a header value: they may hold tokens, codes and invites.
//! Successful requests are logged at `debug`; the metrics count them.

use super::date::DateHeader;
use super::rate::ClientAddress;
use super::request_id::{RequestId, X_REQUEST_ID};
use super::request_metrics::{InFlight, RequestLabels, RequestMetrics};
use super::trace_context::TraceContext;
use super::{headers, panic_response};
use crate::e::http::{ResponseError, error_for_status, write_problem};
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use faceshare_biz::Error;
use faceshare_biz::domain::port::{Clock, IdGenerator};
use http::HeaderValue;
use http::header::DATE;
use network::TrustedProxies;
use pin_project_lite::pin_project;
use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tower::{Layer, Service};
use tracing::Span;

/// The layer that names and records the requests of one listener.
#[derive(Clone)]
pub struct Observer {
    shared: Arc<ObserverShared>,
    strict_transport: Option<HeaderValue>,
}

/// State that all requests of a listener share.
struct ObserverShared {
    ids: Arc<dyn IdGenerator>,
    proxies: TrustedProxies,
    clock: Arc<dyn Clock>,
    date: DateHeader,
    request_metrics: RequestMetrics,
}

impl Observer {
    /// `ids` names requests that bring no id; `proxies` are those whose word on the client's
    /// address counts; `clock` is for the `Date` header. Create it once the metrics recorder is
    /// installed.
    #[must_use]
    pub fn new(ids: Arc<dyn IdGenerator>, proxies: TrustedProxies, clock: Arc<dyn Clock>) -> Self {
        let shared = ObserverShared {
            ids,
            proxies,
            clock,
            date: DateHeader::default(),
            request_metrics: RequestMetrics::new(),
        };
        Self {
            shared: Arc::new(shared),
            strict_transport: None,
        }
    }

    /// For a listener over TLS: browsers shall use TLS only for `max_age`; zero: the header is not
    /// sent.
    #[must_use]
    pub fn over_tls(self, max_age: Duration) -> Self {
        Self {
            strict_transport: (!max_age.is_zero()).then(|| headers::strict_transport(max_age)),
            ..self
        }
    }

    /// The client's address, as far as it can be trusted.
    fn client(&self, request: &Request) -> Option<IpAddr> {
        let ConnectInfo(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
        Some(network::resolve(
            peer.ip(),
            request.headers(),
            &self.shared.proxies,
        ))
    }
}

impl<S> Layer<S> for Observer {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed {
            observer: self.clone(),
            inner,
        }
    }
}

/// A service whose requests have an id and are recorded.
#[derive(Clone)]
pub struct Observed<S> {
    observer: Observer,
    inner: S,
}

impl<S> Service<Request> for Observed<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = ObserveFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> ObserveFuture<S::Future> {
        let started = Instant::now();
        let observer = self.observer.clone();
        let id = RequestId::of(request.headers(), || observer.shared.ids.next_id());
        let labels = RequestLabels::of(&request);
        let client = observer.client(&request);
        let span = span(&request, &id, &labels, client);
        if let Some(client) = client
            .map(ClientAddress)
            .filter(|client| ClientAddress::of(request.extensions()) != Some(*client))
        {
            request.extensions_mut().insert(client);
        }
        let in_flight = observer.shared.request_metrics.enter();
        let answer = Some(self.inner.call(request));
        ObserveFuture {
            answer,
            span,
            in_progress: Some(RequestInProgress {
                observer,
                labels,
                id,
                started,
                in_flight,
            }),
        }
    }
}

pin_project! {
    /// The future of an observed request. Its polls and its drop run in the request's span.
    pub struct ObserveFuture<F> {
        #[pin]
        answer: Option<F>,
        span: Span,
        in_progress: Option<RequestInProgress>,
    }

    impl<F> PinnedDrop for ObserveFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.answer.is_some() {
                this.span.in_scope(|| this.answer.set(None));
            }
        }
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for ObserveFuture<F> {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let _entered = this.span.enter();
        let answer = this
            .answer
            .as_mut()
            .as_pin_mut()
            .expect("invariant: a future is not polled after it is ready");
        // A panic is answered and logged like any other error.
        let response = match catch_unwind(AssertUnwindSafe(|| answer.poll(context))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(response))) => response,
            Ok(Poll::Ready(Err(never))) => match never {},
            Err(panic) => panic_response(panic),
        };
        this.answer.set(None);
        let in_progress = this
            .in_progress
            .take()
            .expect("invariant: the state is there until the response is ready");
        Poll::Ready(Ok(in_progress.complete(response)))
    }
}

/// State of a request that its response needs.
struct RequestInProgress {
    observer: Observer,
    labels: RequestLabels,
    id: RequestId,
    started: Instant,
    in_flight: InFlight,
}

impl RequestInProgress {
    fn complete(self, response: Response) -> Response {
        let Self {
            observer,
            labels,
            id,
            started,
            in_flight,
        } = self;
        drop(in_flight);
        let (mut response, failure) = finish(response, &id);
        headers::secure(response.headers_mut(), observer.strict_transport.as_ref());
        if let Some(date) = observer.shared.date.at(observer.shared.clock.now()) {
            response.headers_mut().insert(DATE, date);
        }
        response
            .headers_mut()
            .insert(X_REQUEST_ID, id.into_header());
        let took = started.elapsed();
        observer
            .shared
            .request_metrics
            .record(&labels, response.status(), took);
        log(&response, failure.as_deref(), took);
        response
    }
}

/// All fields at once: adding one later costs as much as a new span.
fn span(request: &Request, id: &RequestId, labels: &RequestLabels, client: Option<IpAddr>) -> Span {
    let trace = TraceContext::of(request.headers());
    tracing::info_span!(
        "http",
        request_id = id.as_str(),
        method = labels.method,
        route = labels.route(),
        client = client.map(|client| tracing::field::display(AddressText(client))),
        trace_id = trace.map(|t| t.trace_id),
        parent_id = trace.map(|t| t.parent_id)
    )
}

/// Formats an address as its own `Display` does. That of IPv4 runs the formatter for each of its
/// numbers, which is slower.
struct AddressText(IpAddr);

impl fmt::Display for AddressText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let IpAddr::V4(address) = self.0 else {
            return self.0.fmt(f);
        };
        let [first, rest @ ..] = address.octets();
        f.write_str(itoa::Buffer::new().format(first))?;
        for octet in rest {
            f.write_str(".")?;
            f.write_str(itoa::Buffer::new().format(octet))?;
        }
        Ok(())
    }
}

/// Writes the document of an error response, from a handler or elsewhere, and returns its error.
fn finish(mut response: Response, id: &RequestId) -> (Response, Option<Arc<Error>>) {
    let failure = response
        .extensions_mut()
        .remove::<ResponseError>()
        .map(|f| f.0);
    let Some(error) = failure.or_else(|| error_for_status(response.status()).map(Arc::new)) else {
        return (response, None);
    };
    (write_problem(response, &error, id.as_str()), Some(error))
}

/// One line for each failed request; a successful one is logged at `debug`.
fn log(response: &Response, failure: Option<&Error>, took: Duration) {
    let (status, latency_ms) = (response.status().as_u16(), milliseconds(took));
    let Some(error) = failure else {
        tracing::debug!(status, latency_ms, "request answered");
        return;
    };
    let (code, cause) = (error.code.as_str(), causes(error));
    match (response.status().is_server_error(), cause) {
        (true, Some(cause)) => tracing::error!(status, code, cause, latency_ms, "request failed"),
        (true, None) => tracing::warn!(status, code, latency_ms, "request failed"),
        (false, cause) => tracing::info!(status, code, cause, latency_ms, "request refused"),
    }
}

/// The whole chain of causes. It is never part of a response.
fn causes(error: &Error) -> Option<String> {
    let cause = error.cause()?;
    let mut text = cause.to_string();
    let mut deeper = cause.source();
    while let Some(source) = deeper {
        text.push_str(": ");
        text.push_str(&source.to_string());
        deeper = source.source();
    }
    Some(text)
}

/// Milliseconds with at most three decimals.
fn milliseconds(took: Duration) -> f64 {
    let microseconds = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
    f64::from(microseconds) / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::{AddressText, milliseconds};
    use std::net::IpAddr;
    use std::time::Duration;

    #[test]
    fn an_address_reads_as_its_own_display_has_it() {
        for text in [
            "127.0.0.1",
            "255.255.255.255",
            "0.0.0.0",
            "10.20.3.100",
            "::1",
            "2001:db8::7",
            "::ffff:1.2.3.4",
        ] {
            let address: IpAddr = text.parse().expect("an address");
            assert_eq!(AddressText(address).to_string(), address.to_string());
        }
    }

    #[test]
    fn latencies_have_three_decimals_at_most() {
        for (nanoseconds, shown) in [
            (0, "0"),
            (1_234_567, "1.234"),
            (123_456_789_123, "123456.789"),
            (333_333, "0.333"),
        ] {
            assert_eq!(
                milliseconds(Duration::from_nanos(nanoseconds)).to_string(),
                shown
            );
        }
    }
}
