//! The outermost layer: names the request, opens its span, counts it, catches panics and writes problem documents.
//!
//! What is recorded of a request is its method, the route it matched, its status and its time. Never the path itself, the query, a body or a
//! header's value: tokens, codes and invites travel there. What went well is logged at `debug`: the metrics count it.

use super::date::DateHeader;
use super::ledger::{InFlight, Ledger};
use super::rate::ClientAddress;
use super::request_id::{RequestId, X_REQUEST_ID};
use super::trace_context::TraceContext;
use super::{headers, panic_response};
use crate::e::http::{Failure, error_for_status, write_problem};
use axum::extract::{ConnectInfo, MatchedPath, Request};
use axum::response::Response;
use faceshare_biz::Error;
use faceshare_biz::domain::port::{Clock, IdGenerator};
use http::header::DATE;
use http::{HeaderValue, Method};
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

/// What naming a request takes; the layer that does it.
#[derive(Clone)]
pub struct Observer {
    desk: Arc<Desk>,
    strict_transport: Option<HeaderValue>,
}

/// What all requests of a listener share.
struct Desk {
    ids: Arc<dyn IdGenerator>,
    proxies: TrustedProxies,
    clock: Arc<dyn Clock>,
    date: DateHeader,
    ledger: Ledger,
}

impl Observer {
    /// `ids` name requests that come without a name; `proxies` are those whose word on the client's address counts; `clock` is for the `Date`
    /// of answers. Made once the metrics' recorder is installed.
    #[must_use]
    pub fn new(ids: Arc<dyn IdGenerator>, proxies: TrustedProxies, clock: Arc<dyn Clock>) -> Self {
        let desk = Desk {
            ids,
            proxies,
            clock,
            date: DateHeader::default(),
            ledger: Ledger::new(),
        };
        Self {
            desk: Arc::new(desk),
            strict_transport: None,
        }
    }

    /// The same for a listener over TLS, to which browsers shall come over TLS alone for so long; zero: nothing is said about it.
    #[must_use]
    pub fn over_tls(self, max_age: Duration) -> Self {
        Self {
            strict_transport: (!max_age.is_zero()).then(|| headers::strict_transport(max_age)),
            ..self
        }
    }

    /// Where a request comes from, as far as that can be trusted.
    fn client(&self, request: &Request) -> Option<IpAddr> {
        let ConnectInfo(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
        Some(network::resolve(
            peer.ip(),
            request.headers(),
            &self.desk.proxies,
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

/// A service whose requests run under their ids.
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
    type Future = Observing<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Observing<S::Future> {
        let started = Instant::now();
        let observer = self.observer.clone();
        let id = RequestId::of(request.headers(), || observer.desk.ids.next_id());
        let labels = Labels::of(&request);
        let client = observer.client(&request);
        let span = span(&request, &id, &labels, client);
        if let Some(client) = client
            .map(ClientAddress)
            .filter(|client| ClientAddress::of(request.extensions()) != Some(*client))
        {
            request.extensions_mut().insert(client);
        }
        let in_flight = observer.desk.ledger.enter();
        let answer = Some(self.inner.call(request));
        Observing {
            answer,
            span,
            seen: Some(Seen {
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
    /// An answer on its way, under the id of its request. What it does, its end included, happens in the request's span.
    pub struct Observing<F> {
        #[pin]
        answer: Option<F>,
        span: Span,
        seen: Option<Seen>,
    }

    impl<F> PinnedDrop for Observing<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.answer.is_some() {
                this.span.in_scope(|| this.answer.set(None));
            }
        }
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Observing<F> {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let _entered = this.span.enter();
        let answer = this
            .answer
            .as_mut()
            .as_pin_mut()
            .expect("invariant: nobody asks again for what was answered");
        // A panic is answered and logged like any other failure.
        let response = match catch_unwind(AssertUnwindSafe(|| answer.poll(context))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(response))) => response,
            Ok(Poll::Ready(Err(never))) => match never {},
            Err(panic) => panic_response(panic),
        };
        this.answer.set(None);
        let seen = this
            .seen
            .take()
            .expect("invariant: it is there until the answer is");
        Poll::Ready(Ok(seen.conclude(response)))
    }
}

/// A request, as far as its answer has to do with it.
struct Seen {
    observer: Observer,
    labels: Labels,
    id: RequestId,
    started: Instant,
    in_flight: InFlight,
}

impl Seen {
    fn conclude(self, response: Response) -> Response {
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
        if let Some(date) = observer.desk.date.at(observer.desk.clock.now()) {
            response.headers_mut().insert(DATE, date);
        }
        response
            .headers_mut()
            .insert(X_REQUEST_ID, id.into_header());
        let took = started.elapsed();
        observer
            .desk
            .ledger
            .record(&labels, response.status(), took);
        log(&response, failure.as_deref(), took);
        response
    }
}

/// What a request is counted under.
pub(crate) struct Labels {
    pub(crate) method: &'static str,
    route: Option<MatchedPath>,
}

impl Labels {
    fn of(request: &Request) -> Self {
        Self {
            method: method_label(request.method()),
            route: request.extensions().get::<MatchedPath>().cloned(),
        }
    }

    /// The route's pattern; requests that match none share one label, so that strangers cannot grow the metrics.
    pub(crate) fn route(&self) -> &str {
        self.route.as_ref().map_or("unmatched", MatchedPath::as_str)
    }
}

fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "CONNECT" => "CONNECT",
        _ => "OTHER",
    }
}

/// All fields at once: to add one later costs as much as to begin anew.
fn span(request: &Request, id: &RequestId, labels: &Labels, client: Option<IpAddr>) -> Span {
    let trace = TraceContext::of(request.headers());
    tracing::info_span!(
        "http",
        request_id = id.as_str(),
        method = labels.method,
        route = labels.route(),
        client = client.map(|client| tracing::field::display(Plainly(client))),
        trace_id = trace.map(|t| t.trace_id),
        parent_id = trace.map(|t| t.parent_id)
    )
}

/// An address as its `Display` has it. That of IPv4 goes through the formatting machinery for each of its numbers.
struct Plainly(IpAddr);

impl fmt::Display for Plainly {
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

/// Writes the document of an error response, whoever made it, and hands its error back.
fn finish(mut response: Response, id: &RequestId) -> (Response, Option<Arc<Error>>) {
    let failure = response.extensions_mut().remove::<Failure>().map(|f| f.0);
    let Some(error) = failure.or_else(|| error_for_status(response.status()).map(Arc::new)) else {
        return (response, None);
    };
    (write_problem(response, &error, id.as_str()), Some(error))
}

/// One line for each request that failed; one that went well is there at `debug`.
fn log(response: &Response, failure: Option<&Error>, took: Duration) {
    let (status, latency_ms) = (response.status().as_u16(), milliseconds(took));
    let Some(error) = failure else {
        tracing::debug!(status, latency_ms, "answered");
        return;
    };
    let (code, cause) = (error.code.as_str(), causes(error));
    match (response.status().is_server_error(), cause) {
        (true, Some(cause)) => tracing::error!(status, code, cause, latency_ms, "request failed"),
        (true, None) => tracing::warn!(status, code, latency_ms, "request failed"),
        (false, cause) => tracing::info!(status, code, cause, latency_ms, "request refused"),
    }
}

/// The whole chain of causes; it is never part of a response.
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

/// With three decimals at most.
fn milliseconds(took: Duration) -> f64 {
    let microseconds = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
    f64::from(microseconds) / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::{Plainly, milliseconds};
    use std::net::IpAddr;
    use std::time::Duration;

    #[test]
    fn an_address_reads_as_ever() {
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
            assert_eq!(Plainly(address).to_string(), address.to_string());
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
