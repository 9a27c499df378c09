//! Calls for operators: health, readiness, metrics, the OpenAPI document.

pub mod healthz;
pub mod metrics;
pub mod openapi_document;
mod process;
pub mod readyz;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

pub use openapi_document::OpenApiDocument;
pub use readyz::{JobStatus, ReadinessCheck};

/// State of these calls.
#[derive(Clone, FromRef)]
pub struct Ops {
    /// Cancelled once the server drains; it is not ready from then on.
    pub draining: CancellationToken,
    /// The server is ready when all of them pass.
    pub checks: Arc<[Arc<dyn ReadinessCheck>]>,
    /// The state of the background jobs, for `/readyz`.
    pub jobs: Arc<dyn JobStatus>,
    /// Renders the metrics; `None`: `/metrics` is served on another listener or not at all.
    pub metrics: Option<PrometheusHandle>,
}

/// Routes of the public listener. Its `/metrics` answers loopback peers only.
pub fn public_routes(ops: Ops, document: OpenApiDocument) -> Router {
    let document = get(openapi_document::openapi_document).with_state(document);
    shared()
        .route("/metrics", get(metrics::metrics_for_loopback))
        .route("/openapi.json", document)
        .with_state(ops)
}

/// Routes of the operators' listener.
pub fn private_routes(ops: Ops) -> Router {
    shared()
        .route("/metrics", get(metrics::metrics_for_all))
        .with_state(ops)
}

fn shared() -> Router<Ops> {
    Router::new()
        .route("/healthz", get(healthz::healthz))
        .route("/readyz", get(readyz::readyz))
}
