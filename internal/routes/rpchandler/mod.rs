//! gRPC: health and reflection.

use axum::Router;
use std::future::Future;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};

/// The services, and the task that turns health red once the server drains; it ends by itself then.
///
/// # Errors
/// When a descriptor set is damaged: a mistake of the build.
pub fn services(
    draining: CancellationToken,
) -> Result<(Router, impl Future<Output = ()> + Send + 'static), tonic_reflection::server::Error> {
    let (reporter, health) = health_reporter();
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(faceshare_api::DESCRIPTORS)
    };
    // Older tools ask in the older form.
    let (v1, v1alpha) = (reflection().build_v1()?, reflection().build_v1alpha()?);
    let router = Routes::new(health).add_service(v1).add_service(v1alpha).prepare().into_axum_router();
    Ok((router, follow_drain(reporter, draining)))
}

/// The empty name stands for the server as a whole.
async fn follow_drain(reporter: HealthReporter, draining: CancellationToken) {
    reporter.set_service_status("", ServingStatus::Serving).await;
    draining.cancelled().await;
    reporter.set_service_status("", ServingStatus::NotServing).await;
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
        let (router, follow) = services(draining.clone()).expect("descriptors are whole");
        let mut client = HealthClient::new(router);
        let check = || HealthCheckRequest { service: String::new() };
        assert_eq!(client.check(check()).await.expect("answers").into_inner().status, 1);
        draining.cancel();
        follow.await;
        assert_eq!(client.check(check()).await.expect("answers").into_inner().status, 2);
    }
}
