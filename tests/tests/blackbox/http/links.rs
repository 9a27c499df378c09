//! The host of links without `http.public_url`.

use faceshare_tests::http::{Guest, Http, send};
use faceshare_tests::server::Server;
use reqwest::Method;
use serde_json::json;

async fn websocket_url(http: &Http, guest: &Guest, host: &str) -> String {
    let request = http
        .request(Method::POST, "/v1/face-sessions")
        .bearer_auth(&guest.access)
        .header("host", host)
        .json(&json!({}));
    send(request).await.ok(201)["websocketUrl"]
        .as_str()
        .expect("an address")
        .to_owned()
}

#[tokio::test]
async fn links_use_the_names_of_this_machine_and_say_once_which_host_they_do_not_use() {
    let server = Server::start().await;
    let http = server.http();
    let guest = http.guest("Ann").await;
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .expect("a host name")
        .trim()
        .to_ascii_lowercase();
    let label = name.split('.').next().expect("a label").to_owned();
    for host in [
        name,
        format!("{label}.local"),
        "192.168.1.7".to_owned(),
        "localhost".to_owned(),
    ] {
        let host = format!("{host}:8080");
        assert_eq!(
            websocket_url(&http, &guest, &host).await,
            format!("ws://{host}/v1/instructions")
        );
    }
    let own = server.url().replace("http", "ws") + "/v1/instructions";
    for _ in 0..2 {
        assert_eq!(
            websocket_url(&http, &guest, "otherbox.local:8080").await,
            own
        );
    }
    let line = server
        .log()
        .line(|line| line["host"] == "otherbox.local:8080")
        .await;
    let message = line["message"].as_str().expect("a message");
    assert!(
        message.contains("http.allowed_hosts") && message.contains("http.public_url"),
        "{line}"
    );
    assert_eq!(
        server
            .log()
            .lines()
            .iter()
            .filter(|line| line.contains("otherbox.local"))
            .count(),
        1
    );
}
