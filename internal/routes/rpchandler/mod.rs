//! gRPC: health and reflection.

use axum::Router;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};

/// The name of the server as a whole.
const SERVER: &str = "";

/// What the health service says of the server. Cheap to clone.
#[derive(Clone)]
pub struct Health {
    reporter: HealthReporter,
    draining: CancellationToken,
}

impl Health {
    /// Says that the server serves, and once it drains that it does not; then it ends.
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

/// The services, and what keeps their health in step with the drain.
///
/// # Errors
/// When a descriptor set is damaged: a mistake of the build.
pub fn services(
    draining: CancellationToken,
) -> Result<(Router, Health), tonic_reflection::server::Error> {
    let (reporter, health) = health_reporter();
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(faceshare_api::DESCRIPTORS)
    };
    // Older tools ask in the older form.
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
    async fn health_turns_red_with_the_drain() {
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
