//! gRPC: health and reflection.

use axum::Router;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};

/// The service name that stands for the whole server.
const SERVER: &str = "";

/// Keeps the health service in step with the drain. Cheap to clone.
#[derive(Clone)]
pub struct Health {
    reporter: HealthReporter,
    draining: CancellationToken,
}

impl Health {
    /// Reports `SERVING`, then waits for the drain and reports `NOT_SERVING`.
    pub async fn follow(self) {
        if !self.draining.is_cancelled() {
            self.reporter
                .set_service_status(SERVER, ServingStatus::Serving)
                .await;
            self.draining.cancelled().await;
        }
        self.reporter
            .set_service_status(SERVER, ServingStatus::NotServing)
            .await;
    }
}

/// The router of the services, and the task that reports health.
///
/// # Errors
/// When a descriptor set cannot be read, which is a build error.
pub fn services(
    draining: CancellationToken,
) -> Result<(Router, Health), tonic_reflection::server::Error> {
    let (reporter, health) = health_reporter();
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(faceshare_api::DESCRIPTORS)
    };
    // Older tools use the `v1alpha` service.
    let (v1, v1alpha) = (reflection().build_v1()?, reflection().build_v1alpha()?);
    let router = Routes::new(health)
        .add_service(v1)
        .add_service(v1alpha)
        .prepare()
        .into_axum_router();
    Ok((router, Health { reporter, draining }))
}

#[cfg(test)]
mod tests {
    use super::services;
    use tokio_util::sync::CancellationToken;
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;

    #[tokio::test]
    async fn health_reports_not_serving_once_the_server_drains() {
        let draining = CancellationToken::new();
        let (router, health) = services(draining.clone()).expect("descriptors are whole");
        let mut client = HealthClient::new(router);
        let check = || HealthCheckRequest {
            service: String::new(),
        };
        assert_eq!(
            client
                .check(check())
                .await
                .expect("answers")
                .into_inner()
                .status,
            1
        );
        draining.cancel();
        health.follow().await;
        assert_eq!(
            client
                .check(check())
                .await
                .expect("answers")
                .into_inner()
                .status,
            2
        );
    }
}
