//! What is counted of requests.
//!
//! To find a metric by its labels costs more than to count: each is looked up once and kept.

use super::observe::Labels;
use arc_swap::ArcSwap;
use http::StatusCode;
use metrics::{Counter, Gauge, Histogram};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// The metrics of one listener's requests. As many as there are routes, methods and statuses: strangers cannot make it grow.
pub(crate) struct Ledger {
    in_flight: Gauge,
    routes: ArcSwap<HashMap<Box<str>, Vec<Line>>>,
}

/// What is counted under one route.
#[derive(Clone)]
struct Line {
    method: &'static str,
    status: StatusCode,
    requests: Counter,
    duration: Histogram,
}

impl Ledger {
    /// Once the recorder is installed: what is counted before is lost.
    pub(crate) fn new() -> Self {
        Self {
            in_flight: metrics::gauge!("http_requests_in_flight"),
            routes: ArcSwap::default(),
        }
    }

    /// Counts a request as under way until this is dropped: when answered, and when its client goes away before.
    pub(crate) fn enter(&self) -> InFlight {
        self.in_flight.increment(1.0);
        InFlight(self.in_flight.clone())
    }

    /// Counts an answered request.
    pub(crate) fn record(&self, labels: &Labels, status: StatusCode, took: Duration) {
        let routes = self.routes.load();
        let lines = routes.get(labels.route()).into_iter().flatten();
        if let Some(line) = lines
            .into_iter()
            .find(|line| line.method == labels.method && line.status == status)
        {
            line.count(took);
            return;
        }
        let line = Line::new(labels, status);
        line.count(took);
        self.routes.rcu(|routes| {
            let mut routes = HashMap::clone(routes);
            routes
                .entry(labels.route().into())
                .or_default()
                .push(line.clone());
            Arc::new(routes)
        });
    }
}

impl Line {
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

/// A request under way.
pub(crate) struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
