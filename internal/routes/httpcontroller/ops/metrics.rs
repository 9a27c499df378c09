//! `GET /metrics`

use super::process::process_metrics;
use crate::e::HttpError;
use axum::Extension;
use axum::extract::{ConnectInfo, State};
use axum::response::IntoResponse;
use faceshare_biz::Error;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use metrics_exporter_prometheus::PrometheusHandle;
use std::net::SocketAddr;

/// Media type of the Prometheus text format.
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Metrics for Prometheus.
///
/// Without an operators' listener (`http.ops_listen`), only processes on this machine can read
/// them.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "operations",
    responses((status = 200, description = "The text format of Prometheus", body = String, content_type = "text/plain"), crate::responses::HiddenProblems)
)]
pub async fn metrics_for_loopback(
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    State(metrics): State<Option<PrometheusHandle>>,
) -> Result<impl IntoResponse, HttpError> {
    let local = peer.is_some_and(|Extension(ConnectInfo(peer))| network::is_loopback(peer.ip()));
    if local && !network::has_forwarding_header(&headers) {
        render(metrics).await
    } else {
        Err(Error::not_found().into())
    }
}

/// Metrics on the operators' listener, for every client that reaches it.
pub async fn metrics_for_all(
    State(metrics): State<Option<PrometheusHandle>>,
) -> Result<impl IntoResponse, HttpError> {
    render(metrics).await
}

/// Renders in the blocking pool: the text of many metrics and the list of ten thousand open files
/// take some milliseconds.
async fn render(metrics: Option<PrometheusHandle>) -> Result<impl IntoResponse + use<>, HttpError> {
    let metrics = metrics.ok_or_else(Error::not_found)?;
    let text = tokio::task::spawn_blocking(move || metrics.render() + &process_metrics())
        .await
        .map_err(Error::internal)?;
    Ok(([(CONTENT_TYPE, PROMETHEUS_TEXT)], text))
}

#[cfg(test)]
mod tests {
    use super::metrics_for_loopback;
    use axum::Extension;
    use axum::extract::{ConnectInfo, State};
    use axum::response::IntoResponse;
    use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
    use metrics_exporter_prometheus::PrometheusBuilder;

    async fn status(peer: Option<&str>, header: Option<&'static str>) -> StatusCode {
        let handle = PrometheusBuilder::new().build_recorder().handle();
        let peer = peer.map(|p| Extension(ConnectInfo(p.parse().expect("an address"))));
        let headers: HeaderMap = header
            .map(|h| {
                (
                    HeaderName::from_static(h),
                    HeaderValue::from_static("1.2.3.4"),
                )
            })
            .into_iter()
            .collect();
        metrics_for_loopback(peer, headers, State(Some(handle)))
            .await
            .into_response()
            .status()
    }

    #[tokio::test]
    async fn only_processes_on_this_machine_can_read_the_metrics() {
        assert_eq!(status(Some("127.0.0.1:5"), None).await, StatusCode::OK);
        assert_eq!(status(Some("[::1]:5"), None).await, StatusCode::OK);
        assert_eq!(
            status(Some("[::ffff:127.0.0.1]:5"), None).await,
            StatusCode::OK
        );
        assert_eq!(
            status(Some("192.168.0.2:5"), None).await,
            StatusCode::NOT_FOUND
        );
        assert_eq!(status(None, None).await, StatusCode::NOT_FOUND);
        for header in ["x-forwarded-for", "forwarded", "via", "x-real-ip"] {
            assert_eq!(
                status(Some("127.0.0.1:5"), Some(header)).await,
                StatusCode::NOT_FOUND,
                "{header}"
            );
        }
    }
}
