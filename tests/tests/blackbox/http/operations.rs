//! The endpoints for operators.

use faceshare_tests::DEADLINE;
use faceshare_tests::http::{Http, send};
use faceshare_tests::server::Server;
use reqwest::Method;

#[tokio::test]
async fn health_readiness_and_the_api_document_are_served() {
    let server = Server::start().await;
    let http = server.http();
    for path in ["/healthz", "/readyz"] {
        let answer = http.call(Method::GET, path, None, None).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let document = http
        .call(Method::GET, "/openapi.json", None, None)
        .await
        .ok(200);
    assert!(
        document["openapi"]
            .as_str()
            .is_some_and(|version| version.starts_with("3.")),
        "{}",
        document["openapi"]
    );
    for path in [
        "/v1/guests",
        "/v1/accounts/refresh",
        "/v1/face-sessions",
        "/v1/face-sessions/prejoin",
        "/v1/face-sessions/{id}/members",
    ] {
        assert!(
            document["paths"][path].is_object(),
            "{path} is not described"
        );
    }
}

#[tokio::test]
async fn metrics_have_our_prefix_and_are_only_for_this_machine() {
    let server = Server::start().await;
    let http = server.http();
    http.guest("ann").await;
    let metrics = http.call(Method::GET, "/metrics", None, None).await;
    assert_eq!(metrics.status, 200, "{metrics:?}");
    assert!(
        metrics.text.lines().any(|line| line.starts_with("# TYPE ")),
        "{}",
        metrics.text
    );
    for line in metrics.text.lines().filter(|line| !line.starts_with('#')) {
        let ours = line.starts_with("faceshare_") || line.starts_with("process_");
        assert!(ours || line.is_empty(), "{line}");
    }
    for header in ["x-forwarded-for", "forwarded"] {
        let forwarded = send(
            http.request(Method::GET, "/metrics")
                .header(header, "for=10.0.0.1"),
        )
        .await;
        assert!(matches!(forwarded.status, 403 | 404), "{forwarded:?}");
    }
}

#[tokio::test]
async fn grpc_serves_health() {
    let server = Server::start().await;
    let channel = tonic::transport::Channel::from_shared(server.grpc_url())
        .expect("a URL")
        .connect()
        .await
        .expect("it listens");
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel);
    let request = tonic_health::pb::HealthCheckRequest {
        service: String::new(),
    };
    let answer = health
        .check(request)
        .await
        .expect("it answers")
        .into_inner();
    assert_eq!(
        answer.status(),
        tonic_health::pb::health_check_response::ServingStatus::Serving
    );
}

#[tokio::test]
async fn every_answer_on_every_listener_is_guarded() {
    let server = Server::start_with(&[("http.ops_listen", "127.0.0.1:0")]).await;
    let ops = server
        .log()
        .line(|line| line["message"] == "listening")
        .await["ops"]
        .as_str()
        .expect("an address")
        .to_owned();
    let ops = Http::new(&format!("http://{ops}"));
    let http = server.http();
    for (http, path, status) in [
        (&http, "/healthz", 200),
        (&http, "/v1/accounts/me", 401),
        (&http, "/nowhere", 404),
        (&http, "/v1/avatars/x", 404),
        (&http, "/j", 200),
        (&http, "/docs", 200),
        (&http, "/docs/start.js", 200),
        (&ops, "/metrics", 200),
        (&ops, "/readyz", 200),
        (&ops, "/nowhere", 404),
    ] {
        let answer = http.call(Method::GET, path, None, None).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        let policy = answer.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert_eq!(
            answer.header("strict-transport-security"),
            "",
            "not in clear text: {path}"
        );
    }
}

#[tokio::test]
async fn what_happens_to_accounts_is_told_in_the_event_log_and_measured() {
    let server = Server::start().await;
    let http = server.http();
    http.guest("ann").await;
    let numbered = async {
        loop {
            let metrics = http.call(Method::GET, "/metrics", None, None).await.text;
            let is_numbered = metrics
                .lines()
                .filter_map(|line| line.strip_prefix("faceshare_events_sequenced_total"))
                .any(|of| of == r#"{topic="accounts"} 1"#);
            if is_numbered {
                return metrics;
            }
        }
    };
    let metrics = tokio::time::timeout(DEADLINE, numbered).await;
    let metrics = metrics.expect("the sequencer runs");
    for name in [
        "events_sequenced_total",
        "events_unsequenced",
        "events_unsequenced_age_seconds",
        "event_lease_changes_total",
    ] {
        let help = format!("# HELP faceshare_{name} ");
        assert!(metrics.contains(&help), "{name}: {metrics}");
    }
    assert!(
        metrics
            .contains(r#"faceshare_event_lease_changes_total{lease="sequencer",change="taken"} 1"#),
        "{metrics}"
    );
}
