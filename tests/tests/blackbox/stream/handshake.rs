//! The handshake: accepted and refused connections.

use faceshare_tests::http::send;
use faceshare_tests::meeting::Meeting;
use faceshare_tests::server::Server;
use faceshare_tests::socket::{Credential, Socket, handshake};
use faceshare_tests::{Format, in_both_formats};
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;

in_both_formats!(
    a_bad_token_in_the_header_is_refused_with_a_status,
    a_bad_token_in_the_subprotocol_is_upgraded_and_closed,
    a_point_that_connects_again_replaces_itself,
    a_page_of_another_site_opens_no_stream,
    behind_a_proxy_the_servers_own_page_opens_a_stream,
);

/// The handshake as a plain request, so that the whole refusal can be read.
fn upgrade(meeting: &Meeting, protocols: Option<&str>, token: Option<&str>) -> RequestBuilder {
    let mut request = meeting
        .http
        .request(Method::GET, "/v1/instructions")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    if let Some(protocols) = protocols {
        request = request.header("sec-websocket-protocol", protocols);
    }
    match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    }
}

async fn a_bad_token_in_the_header_is_refused_with_a_status(format: Format) {
    let (meeting, _sockets) = Meeting::of(format, 1).await;
    for bad in ["rubbish", "v4.local.AAAA", meeting.access(0)] {
        send(upgrade(&meeting, Some(format.subprotocol()), Some(bad)))
            .await
            .problem(401, "UNAUTHENTICATED");
    }
    send(upgrade(&meeting, Some(format.subprotocol()), None))
        .await
        .problem(401, "UNAUTHENTICATED");
}

async fn a_bad_token_in_the_subprotocol_is_upgraded_and_closed(format: Format) {
    let (meeting, _sockets) = Meeting::of(format, 1).await;
    for bad in ["rubbish", "v4.local.AAAA", meeting.access(0)] {
        let request = handshake(&meeting.websocket_url, format, bad, Credential::Subprotocol);
        Socket::upgrade(request, format)
            .await
            .expect_close(4001)
            .await;
    }
}

#[tokio::test]
async fn a_request_without_a_subprotocol_of_ours_is_refused() {
    let (meeting, _sockets) = Meeting::of(Format::Json, 1).await;
    for protocols in [
        None,
        Some("chat"),
        Some("faceshare.v2.json"),
        Some("bearer.x"),
    ] {
        send(upgrade(&meeting, protocols, Some(&meeting.tokens[0])))
            .await
            .problem(400, "INVALID_ARGUMENT");
    }
}

#[tokio::test]
async fn a_request_without_an_upgrade_is_refused() {
    let (meeting, _sockets) = Meeting::of(Format::Json, 1).await;
    let answer = meeting
        .http
        .get("/v1/instructions", &meeting.tokens[0])
        .await;
    assert!((400..500).contains(&answer.status), "{answer:?}");
}

/// With the token in the header and as browsers send it. The page is refused before its token is
/// checked.
async fn a_page_of_another_site_opens_no_stream(format: Format) {
    let (meeting, mut sockets) = Meeting::with(
        format,
        1,
        &[("http.cors_origins", "https://page.example")],
        json!({}),
    )
    .await;
    let from = |origin: &str, credential| {
        let mut request = handshake(
            &meeting.websocket_url,
            format,
            &meeting.tokens[0],
            credential,
        );
        request
            .headers_mut()
            .insert("origin", origin.parse().expect("a header"));
        request
    };
    let own = meeting.server.url();
    let elsewhere = own.replace("127.0.0.1", "localhost");
    for credential in [Credential::Header, Credential::Subprotocol] {
        for origin in [
            "https://evil.example",
            "http://page.example",
            "https://page.example.evil.example",
            "null",
            "*",
            &elsewhere,
        ] {
            match connect_async(from(origin, credential)).await {
                Err(Error::Http(answer)) => assert_eq!(answer.status(), 403, "{origin}"),
                other => panic!("{origin}: {other:?}"),
            }
        }
    }
    // The open stream is not affected.
    sockets[0].acked(json!({"followMe": {}})).await;
    for credential in [Credential::Header, Credential::Subprotocol] {
        for origin in ["https://page.example", "HTTPS://PAGE.example", &own] {
            let socket = Socket::open(from(origin, credential), format).await;
            assert_eq!(socket.member(), meeting.guests[0].id, "{origin}");
        }
    }
    let refused = upgrade(
        &meeting,
        Some(format.subprotocol()),
        Some(&meeting.tokens[0]),
    )
    .header("origin", "https://evil.example");
    let problem = send(refused).await.problem(403, "FORBIDDEN");
    assert_eq!(
        problem["detail"],
        "origin https://evil.example is not in http.cors_origins"
    );
}

/// The proxy sends its own name or the public address as Host, with the default port or without it.
async fn behind_a_proxy_the_servers_own_page_opens_a_stream(format: Format) {
    let server = Server::start_with(&[("http.public_url", "https://meet.example.com")]).await;
    let meeting = Meeting::created(server, format, json!({})).await;
    let local = meeting.server.url().replace("http", "ws") + "/v1/instructions";
    for host in ["127.0.0.1:8080", "meet.example.com", "meet.example.com:443"] {
        for origin in ["https://meet.example.com", "https://meet.example.com:443"] {
            let mut request =
                handshake(&local, format, &meeting.tokens[0], Credential::Subprotocol);
            request
                .headers_mut()
                .insert("host", host.parse().expect("a header"));
            request
                .headers_mut()
                .insert("origin", origin.parse().expect("a header"));
            let socket = Socket::open(request, format).await;
            assert_eq!(socket.member(), meeting.guests[0].id, "{host} {origin}");
        }
    }
}

async fn a_point_that_connects_again_replaces_itself(format: Format) {
    let (meeting, mut sockets) = Meeting::of(format, 2).await;
    let again = meeting.connect(1).await;
    sockets[1].expect_close(4009).await;
    assert_eq!(again.welcome["self"], sockets[1].welcome["self"]);
    let head = sockets[0].seq;
    assert_eq!(again.welcome["seq"].as_u64(), Some(head));
    let seq = sockets[0].acked(json!({"followMe": {}})).await;
    assert_eq!(seq, head + 1, "no frame announces it");
}
