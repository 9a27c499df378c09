//! Metrics of requests.
//!
//! Looking up a metric by its labels costs more than counting: each handle is looked up once and
//! kept.

use arc_swap::ArcSwap;
use axum::extract::{MatchedPath, Request};
use http::{Method, StatusCode};
use metrics::{Counter, Gauge, Histogram};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// The metrics of one listener's requests. There are as many series as routes, methods and
/// statuses; clients cannot make the map grow.
pub(crate) struct RequestMetrics {
    in_flight: Gauge,
    routes: ArcSwap<HashMap<Box<str>, Vec<RequestSeries>>>,
}

/// The series of one route, method and status.
#[derive(Clone)]
struct RequestSeries {
    method: &'static str,
    status: StatusCode,
    requests: Counter,
    duration: Histogram,
}

impl RequestMetrics {
    /// Call it once the recorder is installed: earlier counts are lost.
    pub(crate) fn new() -> Self {
        Self {
            in_flight: metrics::gauge!("http_requests_in_flight"),
            routes: ArcSwap::default(),
        }
    }

    /// Counts a request as in flight until the returned guard is dropped: when it is answered, or
    /// when its client disconnects.
    pub(crate) fn enter(&self) -> InFlight {
        self.in_flight.increment(1.0);
        InFlight(self.in_flight.clone())
    }

    /// Counts an answered request.
    pub(crate) fn record(&self, labels: &RequestLabels, status: StatusCode, took: Duration) {
        let routes = self.routes.load();
        let series_of_route = routes.get(labels.route()).into_iter().flatten();
        if let Some(series) = series_of_route
            .into_iter()
            .find(|series| series.method == labels.method && series.status == status)
        {
            series.count(took);
            return;
        }
        let series = RequestSeries::new(labels, status);
        series.count(took);
        self.routes.rcu(|routes| {
            let mut routes = HashMap::clone(routes);
            routes
                .entry(labels.route().into())
                .or_default()
                .push(series.clone());
            Arc::new(routes)
        });
    }
}

impl RequestSeries {
    fn new(labels: &RequestLabels, status: StatusCode) -> Self {
        let (method, route) = (labels.method, labels.route().to_owned());
        let duration = metrics::histogram!("http_request_duration_seconds", "method" => method, "route" => route.clone());
        let requests = metrics::counter!("http_requests_total", "method" => method, "route" => route, "status" => status.as_str().to_owned());
        Self {
            method,
            status,
            requests,
            duration,
        }
    }

    fn count(&self, took: Duration) {
        self.requests.increment(1);
        self.duration.record(took.as_secs_f64());
    }
}

/// The metric labels of a request.
pub(crate) struct RequestLabels {
    pub(crate) method: &'static str,
    route: Option<MatchedPath>,
}

impl RequestLabels {
    pub(crate) fn of(request: &Request) -> Self {
        Self {
            method: method_label(request.method()),
            route: request.extensions().get::<MatchedPath>().cloned(),
        }
    }

    /// The route's pattern. Requests without a route share one label, so that clients cannot grow
    /// the metrics.
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

/// Guard of a request in flight.
pub(crate) struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
