//! Metrics of requests.
//!
//! Looking up a metric by its labels costs more than counting: each handle is looked up once and
//! kept.

use super::observe::Labels;
use arc_swap::ArcSwap;
use http::StatusCode;
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
    /// when its client goes away.
    pub(crate) fn enter(&self) -> InFlight {
        self.in_flight.increment(1.0);
        InFlight(self.in_flight.clone())
    }

    /// Counts an answered request.
    pub(crate) fn record(&self, labels: &Labels, status: StatusCode, took: Duration) {
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
    fn new(labels: &Labels, status: StatusCode) -> Self {
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

/// Guard of a request in flight.
pub(crate) struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
