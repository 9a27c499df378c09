//! The outermost layer: names the request, opens its span, counts it, and writes problem documents.
//!
//! What is recorded of a request is its method, the route it matched, its status and its time. Never the path itself, the query, a body or a
//! header's value: tokens, codes and invites travel there.

use super::rate::ClientAddress;
use super::request_id::{RequestId, X_REQUEST_ID};
use super::trace_context::TraceContext;
use crate::e::http::{Failure, error_for_status, write_problem};
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use faceshare_biz::Error;
use faceshare_biz::domain::port::IdGenerator;
use http::{HeaderValue, Method};
use network::TrustedProxies;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{Instrument, Span};

/// What naming a request takes.
#[derive(Clone)]
pub struct Observer {
    /// Names requests that come without a name.
    pub ids: Arc<dyn IdGenerator>,
    /// Whose word on the client's address counts.
    pub proxies: Arc<TrustedProxies>,
}

impl Observer {
    /// Where a request comes from, as far as that can be trusted.
    fn client(&self, request: &Request) -> Option<IpAddr> {
        let ConnectInfo(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
        Some(network::resolve(peer.ip(), request.headers(), &self.proxies))
    }
}

/// Runs a request under its id.
pub async fn observe(State(observer): State<Observer>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = RequestId::of(request.headers(), || observer.ids.next_id());
    let labels = Labels::of(&request);
    let span = span(&request, &id, &labels);
    if let Some(client) = observer.client(&request) {
        request.extensions_mut().insert(ClientAddress(client));
        span.record("client", tracing::field::display(client));
    }
    request.extensions_mut().insert(id.clone());

    let in_flight = InFlight::enter();
    let response = next.run(request).instrument(span.clone()).await;
    drop(in_flight);

    let mut response = span.in_scope(|| finish(response, &id));
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    span.in_scope(|| record(&labels, &response, started.elapsed()));
    response
}

struct Labels {
    method: &'static str,
    route: MatchedRoute,
}

/// The route's pattern; requests that match none share one label, so that strangers cannot grow the metrics.
enum MatchedRoute {
    Known(MatchedPath),
    Unknown,
}

impl MatchedRoute {
    fn as_str(&self) -> &str {
        match self {
            Self::Known(path) => path.as_str(),
            Self::Unknown => "unmatched",
        }
    }
}

impl Labels {
    fn of(request: &Request) -> Self {
        let route = request.extensions().get::<MatchedPath>().cloned().map_or(MatchedRoute::Unknown, MatchedRoute::Known);
        Self { method: method_label(request.method()), route }
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

fn span(request: &Request, id: &RequestId, labels: &Labels) -> Span {
    let (request_id, method, route) = (id.as_str(), labels.method, labels.route.as_str());
    let span = tracing::info_span!(
        "http",
        request_id,
        method,
        route,
        client = tracing::field::Empty,
        trace_id = tracing::field::Empty,
        parent_id = tracing::field::Empty
    );
    if let Some(trace) = TraceContext::of(request.headers()) {
        span.record("trace_id", trace.trace_id).record("parent_id", trace.parent_id);
    }
    span
}

/// Writes the document of an error response, whoever made it.
fn finish(mut response: Response, id: &RequestId) -> Response {
    let failure = response.extensions_mut().remove::<Failure>().map(|f| f.0);
    let Some(error) = failure.or_else(|| error_for_status(response.status()).map(Arc::new)) else {
        return response;
    };
    log_cause(&error);
    write_problem(response, &error, id.as_str())
}

/// The whole chain of causes; it is never part of a response.
fn log_cause(error: &Error) {
    let Some(cause) = error.cause() else { return };
    let mut text = cause.to_string();
    let mut deeper = cause.source();
    while let Some(source) = deeper {
        text.push_str(": ");
        text.push_str(&source.to_string());
        deeper = source.source();
    }
    tracing::error!(code = error.code.as_str(), cause = text, "request failed");
}

fn record(labels: &Labels, response: &Response, took: Duration) {
    let (method, route, status) = (labels.method, labels.route.as_str().to_owned(), response.status().as_u16());
    metrics::counter!("http_requests_total", "method" => method, "route" => route.clone(), "status" => status.to_string()).increment(1);
    metrics::histogram!("http_request_duration_seconds", "method" => method, "route" => route).record(took.as_secs_f64());
    let latency_ms = took.as_secs_f64() * 1_000.0;
    if response.status().is_server_error() {
        tracing::warn!(status, latency_ms, "answered");
    } else {
        tracing::info!(status, latency_ms, "answered");
    }
}

/// Counts a request as under way until it is dropped: when answered, and when its client goes away before.
struct InFlight;

impl InFlight {
    fn enter() -> Self {
        metrics::gauge!("http_requests_in_flight").increment(1.0);
        Self
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        metrics::gauge!("http_requests_in_flight").decrement(1.0);
    }
}
