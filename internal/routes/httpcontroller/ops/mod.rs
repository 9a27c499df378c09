//! For those who run the server: is it alive, is it ready, what does it count, what does it offer.

pub mod healthz;
pub mod metrics;
pub mod openapi_document;
pub mod readyz;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

pub use readyz::{JobStatus, ReadinessCheck};

/// What these calls report from.
#[derive(Clone, FromRef)]
pub struct Ops {
    /// Cancelled once the server drains: it is not ready from then on.
    pub draining: CancellationToken,
    /// All must pass for the server to be ready.
    pub checks: Arc<[Arc<dyn ReadinessCheck>]>,
    /// How the background work is, for `/readyz`.
    pub jobs: Arc<dyn JobStatus>,
    /// Where the metrics are read from; `None`: `/metrics` is served elsewhere or not at all.
    pub metrics: Option<PrometheusHandle>,
    /// Whether the classic API is served, and so described.
    pub classic: Classic,
}

/// Whether the classic API is served.
#[derive(Debug, Clone, Copy)]
pub struct Classic(pub bool);

/// On the public listener. `/metrics`, if it is here, is for loopback peers alone.
pub fn public_routes(ops: Ops) -> Router {
    shared()
        .route("/metrics", get(metrics::metrics_for_loopback))
        .route("/openapi.json", get(openapi_document::openapi_document))
        .with_state(ops)
}

/// On a listener that only operators reach.
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
