//! The measurement of one request in flight.

use std::borrow::Cow;
use std::time::Instant;

use metrics::{
    Gauge, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

/// Requests that have ended, by outcome.
pub const REQUESTS_TOTAL: &str = "http_client_requests_total";
/// Seconds from sending a request to the head of its response, or to the failure.
pub const REQUEST_DURATION_SECONDS: &str = "http_client_request_duration_seconds";
/// Requests that were sent and have no response yet.
pub const REQUESTS_IN_FLIGHT: &str = "http_client_requests_in_flight";

/// Registers the metrics' descriptions with the installed recorder. Called once, at start.
pub fn describe() {
    describe_counter!(
        REQUESTS_TOTAL,
        Unit::Count,
        "Outgoing HTTP requests by outcome."
    );
    describe_histogram!(
        REQUEST_DURATION_SECONDS,
        Unit::Seconds,
        "Time from sending an outgoing HTTP request to the head of its response."
    );
    describe_gauge!(
        REQUESTS_IN_FLIGHT,
        Unit::Count,
        "Outgoing HTTP requests waiting for their response."
    );
}

/// Measures one request until it is dropped. However a request ends, even if the future that sends
/// it is dropped, the gauge decreases once and the outcome is recorded once.
pub(crate) struct RequestInFlight {
    client: &'static str,
    operation: &'static str,
    started: Instant,
    in_flight: Gauge,
    outcome: Cow<'static, str>,
}

impl RequestInFlight {
    pub(crate) fn start(client: &'static str, operation: &'static str) -> Self {
        let in_flight = gauge!(REQUESTS_IN_FLIGHT, "client" => client, "operation" => operation);
        in_flight.increment(1);
        Self {
            client,
            operation,
            started: Instant::now(),
            in_flight,
            outcome: Cow::Borrowed("cancelled"),
        }
    }

    pub(crate) fn end(mut self, result: &reqwest::Result<reqwest::Response>) {
        self.outcome = match result {
            Ok(response) => Cow::Owned(response.status().as_str().to_owned()),
            Err(error) if error.is_timeout() => Cow::Borrowed("timeout"),
            Err(error) if error.is_connect() => Cow::Borrowed("connect"),
            Err(_) => Cow::Borrowed("error"),
        };
    }
}

impl Drop for RequestInFlight {
    fn drop(&mut self) {
        let (client, operation) = (self.client, self.operation);
        self.in_flight.decrement(1);
        histogram!(REQUEST_DURATION_SECONDS, "client" => client, "operation" => operation)
            .record(self.started.elapsed());
        let status = std::mem::take(&mut self.outcome);
        counter!(REQUESTS_TOTAL, "client" => client, "operation" => operation, "status" => status)
            .increment(1);
    }
}
