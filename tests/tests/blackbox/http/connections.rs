//! Quotas of connections and memory for one address, network and prefix, and that others can still
//! connect.

use std::time::Duration;

use super::accounts::QUICK;
use faceshare_tests::Format;
use faceshare_tests::flood::{Http2, connect_from, get_from, metric, until_closed, until_metric};
use faceshare_tests::http::send;
use faceshare_tests::meeting::Meeting;
use faceshare_tests::picture::noise;
use faceshare_tests::server::Server;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::http::HeaderValue;

/// How long an honest caller waits: far longer than an answer takes, and far shorter than the
/// timeouts that would free connections.
const PATIENCE: Duration = Duration::from_secs(5);
const MIB: u64 = 1024 * 1024;
/// The metric of open connections, and the label of the listener for clients. Reading the metrics
/// is itself a connection and a request.
const OPEN: &str = "faceshare_http_connections_open";
const OF_CLIENTS: &str = "listener=\"http\"";

fn address(server: &Server) -> String {
    server.url().replace("http://", "")
}

/// An HTTP/2 connection on which one request was answered and no other follows.
async fn idle_http2(from: [u8; 4], to: &str) -> Option<Http2> {
    let mut client = Http2::open(connect_from(from, to).await.ok()?, 65_535)
        .await
        .ok()?;
    client.get("/healthz", 1).await.ok()?;
    client.until_frame(1).await.ok()?;
    client.acknowledge().await.ok()?;
    Some(client)
}

/// One address, then three of its network, then other networks: each exceeds its quota.
fn attacker(round: u8, n: u8) -> [u8; 4] {
    match round {
        0..12 => [127, 9, 0, 1],
        12..24 => [127, 9, 0, 1 + n % 3],
        _ => [127, 9, 1 + n % 2, 1 + n % 3],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_takes_every_connection_keeps_neither_newcomers_nor_its_own_busy_ones_out() {
    let shares = [
        ("limits.connections", "64"),
        ("limits.connections_per_address", "24"),
        ("limits.connections_per_network", "48"),
    ];
    let server = Server::start_with(&shares).await;
    let (http, to) = (server.http(), address(&server));
    let before = server.resident_bytes();
    let mut busy = connect_from([127, 9, 0, 1], &to).await.expect("connected");
    busy.write_all(
        b"POST /v1/guests HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 22\r\n\r\n{\"nickname\"",
    )
    .await
    .expect("sent");
    until_metric(&http, "faceshare_http_requests_in_flight", "", |requests| {
        requests >= 2.0
    })
    .await;

    let mut taken = Vec::new();
    let mut served = 0;
    for round in 0..40_u8 {
        let wave = (0..8_u8).map(|n| idle_http2(attacker(round, n), &to));
        taken.extend(join_all(wave).await);
        served += usize::from(
            get_from([127, 20, round, 1], &to, "/healthz", PATIENCE)
                .await
                .is_some_and(|answer| answer.contains(" 200 ")),
        );
    }
    assert_eq!(served, 40, "every newcomer gets in");
    let open = metric(&http, OPEN, OF_CLIENTS).await;
    assert!(open <= 64.0, "{open} connections");
    for limit in ["address", "network", "total"] {
        let evicted = metric(
            &http,
            "faceshare_http_connections_evicted_total",
            &format!("limit=\"{limit}\""),
        )
        .await;
        assert!(evicted > 0.0, "the limit of the {limit} is met");
    }
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 32 * MIB, "{grown} bytes more");

    busy.write_all(b":\"patient\"}").await.expect("sent");
    let mut answer = Vec::new();
    busy.read_to_end(&mut answer).await.expect("an answer");
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.starts_with("HTTP/1.1 201 "),
        "what was in service is finished: {answer}"
    );
}

/// A connection with a request whose body never comes.
async fn unending_request(from: [u8; 4], to: &str) -> TcpStream {
    let mut stream = connect_from(from, to).await.expect("the system takes it");
    // The server may have closed it at once.
    let _ = stream
        .write_all(b"POST /v1/guests HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n")
        .await;
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_whose_requests_are_all_in_service_keeps_no_newcomer_out() {
    let settings = [
        ("limits.connections", "64"),
        ("limits.connections_per_address", "0"),
        ("limits.connections_per_network", "0"),
        ("limits.connections_per_prefix", "0"),
        ("limits.request_timeout", "5m"),
    ];
    let server = Server::start_with(&settings).await;
    let (http, to) = (server.http(), address(&server));
    let attacker = |n: u8| [127, 9, n % 16, 1 + n / 16];
    let mut taken = Vec::new();
    for n in 0..96 {
        taken.push(unending_request(attacker(n), &to).await);
    }
    until_metric(&http, "faceshare_http_requests_in_flight", "", |requests| {
        requests >= 64.0
    })
    .await;
    let mut served = 0;
    for n in 0..20 {
        let newcomer = [127, 20 + n, 1, 1];
        let answer = get_from(newcomer, &to, "/healthz", PATIENCE).await;
        served += usize::from(answer.is_some_and(|answer| answer.contains(" 200 ")));
        for more in 0..4 {
            taken.push(unending_request(attacker(96 + 4 * n + more), &to).await);
        }
    }
    assert_eq!(served, 20, "every newcomer gets in");
    let of_all = "limit=\"total\"";
    for metric_name in [
        "faceshare_http_connections_evicted_total",
        "faceshare_http_connections_refused_total",
    ] {
        let count = metric(&http, metric_name, of_all).await;
        assert!(count > 0.0, "{metric_name}");
    }
    let open = metric(&http, OPEN, OF_CLIENTS).await;
    assert!(open <= 64.0, "{open} connections");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prefix_has_a_quota_and_the_smallest_network_in_it_gets_in() {
    let settings = [
        ("limits.connections_per_prefix", "6"),
        ("limits.request_timeout", "5m"),
    ];
    let server = Server::start_with(&settings).await;
    let (http, to) = (server.http(), address(&server));
    let mut taken = Vec::new();
    for n in 0..12 {
        taken.push(unending_request([127, 9, 1, 1 + n], &to).await);
    }
    let in_flight = "faceshare_http_requests_in_flight";
    until_metric(&http, in_flight, "", |requests| requests >= 7.0).await;
    let refused = "faceshare_http_connections_refused_total";
    until_metric(&http, refused, "limit=\"prefix\"", |refused| refused >= 6.0).await;
    for newcomer in [[127, 9, 2, 1], [127, 20, 1, 1]] {
        let answer = get_from(newcomer, &to, "/healthz", PATIENCE).await;
        assert!(answer.is_some(), "{newcomer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_every_connection_is_in_service_the_next_one_is_closed_at_once_and_a_place_that_is_free_again_is_given()
 {
    let server = Server::start_with(&[("limits.connections_per_address", "3")]).await;
    let (http, to) = (server.http(), address(&server));
    let mut busy = Vec::new();
    for _ in 0..3 {
        let mut stream = connect_from([127, 9, 0, 1], &to).await.expect("connected");
        stream
            .write_all(b"POST /v1/guests HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n")
            .await
            .expect("sent");
        busy.push(stream);
    }
    until_metric(&http, "faceshare_http_requests_in_flight", "", |requests| {
        requests >= 4.0
    })
    .await;
    let mut refused = connect_from([127, 9, 0, 1], &to)
        .await
        .expect("the system takes it");
    until_closed(&mut refused).await;
    until_metric(
        &http,
        "faceshare_http_connections_refused_total",
        "limit=\"address\"",
        |refused| refused >= 1.0,
    )
    .await;
    assert!(
        get_from([127, 9, 0, 2], &to, "/healthz", PATIENCE)
            .await
            .is_some(),
        "its neighbour is served"
    );
    drop(busy.pop());
    until_metric(&http, "faceshare_http_requests_in_flight", "", |requests| {
        requests < 4.0
    })
    .await;
    until_metric(&http, OPEN, OF_CLIENTS, |open| open <= 3.0).await;
    assert!(
        get_from([127, 9, 0, 1], &to, "/healthz", PATIENCE)
            .await
            .is_some()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_of_http_2_ends_as_one_of_http_1_does() {
    let server = Server::start_with(&[("limits.header_timeout", "500ms")]).await;
    let to = address(&server);
    let mut second = idle_http2([127, 9, 0, 1], &to).await.expect("served");
    until_closed(&mut second.stream).await;
    let mut first = connect_from([127, 9, 0, 1], &to).await.expect("connected");
    first
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .expect("sent");
    until_closed(&mut first).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trusted_proxy_has_no_quota() {
    let settings = [
        ("limits.connections_per_address", "2"),
        ("limits.connections_per_network", "3"),
        ("http.trusted_proxies", r#"127.9.0.0/24"#),
    ];
    let server = Server::start_with(&settings).await;
    let (http, to) = (server.http(), address(&server));
    let kept = join_all((0..10).map(|_| idle_http2([127, 9, 0, 1], &to))).await;
    assert!(kept.iter().all(Option::is_some));
    until_metric(&http, OPEN, OF_CLIENTS, |open| open >= 10.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_has_a_quota_of_streams_and_an_ended_stream_frees_a_slot() {
    let (mut meeting, mut sockets) = Meeting::with(
        Format::Json,
        3,
        &[("limits.streams_per_address", "3")],
        json!({}),
    )
    .await;
    meeting.admit("one too many").await;
    let handshake = faceshare_tests::socket::handshake;
    let request = |credential| {
        handshake(
            &meeting.websocket_url,
            Format::Json,
            &meeting.tokens[3],
            credential,
        )
    };
    let refused = connect_async(request(faceshare_tests::socket::Credential::Header))
        .await
        .expect_err("refused");
    assert!(
        matches!(&refused, Error::Http(answer) if answer.status() == 422),
        "{refused}"
    );
    let browser = request(faceshare_tests::socket::Credential::Subprotocol);
    faceshare_tests::socket::Socket::upgrade(browser, Format::Json)
        .await
        .expect_close(4029)
        .await;
    sockets.pop().expect("a socket").cut();
    until_metric(&meeting.http, "faceshare_stream_points", "", |points| {
        points < 3.0
    })
    .await;
    meeting.connect(3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_and_a_prefix_have_quotas_of_streams() {
    use faceshare_tests::socket::{Credential, Socket, handshake};
    let settings = [
        ("limits.streams_per_network", "2"),
        ("limits.streams_per_prefix", "3"),
        ("http.trusted_proxies", "127.0.0.1"),
    ];
    let (mut meeting, _host) = Meeting::with(Format::Json, 1, &settings, json!({})).await;
    for nickname in ["Ann", "Ben", "Cleo", "Dan", "Eve", "Fay"] {
        meeting.admit(nickname).await;
    }
    let request = |index: usize, from: &'static str, credential| {
        let token = &meeting.tokens[index];
        let mut request = handshake(&meeting.websocket_url, Format::Json, token, credential);
        request
            .headers_mut()
            .insert("x-forwarded-for", HeaderValue::from_static(from));
        request
    };
    let mut open = Vec::new();
    for (index, from, is_admitted) in [
        (1, "203.0.113.1", true),
        (2, "203.0.113.2", true),
        (3, "203.0.113.3", false),
        (4, "203.0.114.1", true),
        (5, "203.0.115.1", false),
        (6, "203.1.1.1", true),
    ] {
        if is_admitted {
            let request = request(index, from, Credential::Header);
            open.push(Socket::open(request, Format::Json).await);
            continue;
        }
        let refused = connect_async(request(index, from, Credential::Header)).await;
        let refused = refused.expect_err("refused");
        assert!(
            matches!(&refused, Error::Http(answer) if answer.status() == 422),
            "{from}: {refused}"
        );
        Socket::upgrade(request(index, from, Credential::Subprotocol), Format::Json)
            .await
            .expect_close(4029)
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_leave_descriptors_free_for_plain_http() {
    use faceshare_tests::socket::{Credential, Socket, handshake};
    // Half of the descriptors are for streams.
    let unlimited = [("limits.streams_per_prefix", "0")];
    let server = Server::start_with_descriptors(128, &unlimited).await;
    let mut meeting = Meeting::created(server, Format::Json, json!({})).await;
    let mut open = vec![meeting.connect(0).await];
    for index in 1..64 {
        meeting.admit("a member").await;
        open.push(meeting.connect(index).await);
    }
    meeting.admit("one too many").await;
    let request = |credential| {
        let token = &meeting.tokens[64];
        handshake(&meeting.websocket_url, Format::Json, token, credential)
    };
    let refused = connect_async(request(Credential::Header)).await;
    let refused = refused.expect_err("refused");
    assert!(
        matches!(&refused, Error::Http(answer) if answer.status() == 503 && answer.headers().contains_key("retry-after")),
        "{refused}"
    );
    Socket::upgrade(request(Credential::Subprotocol), Format::Json)
        .await
        .expect_close(1012)
        .await;
    let to = address(&meeting.server);
    let plain = join_all((0..20).map(|_| get_from([127, 20, 0, 1], &to, "/healthz", PATIENCE)));
    assert!(
        plain.await.iter().all(Option::is_some),
        "plain HTTP goes on"
    );
    open.pop().expect("a socket").cut();
    until_metric(&meeting.http, "faceshare_stream_points", "", |points| {
        points < 64.0
    })
    .await;
    meeting.connect(64).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_not_read_hold_bounded_memory_while_others_are_served() {
    let bounds = [
        ("limits.unread_bytes", "65536"),
        ("limits.unread_bytes_per_address", "2097152"),
        ("limits.unread_bytes_per_network", "4194304"),
        ("limits.avatar_queue_per_address", "0"),
    ];
    let settings: Vec<_> = QUICK.iter().chain(&bounds).copied().collect();
    let server = Server::start_with(&settings).await;
    let (http, to) = (server.http(), address(&server));
    let ann = http.guest("Ann").await;
    let request = http
        .request(Method::PUT, "/v1/accounts/me/avatar")
        .bearer_auth(&ann.access)
        .header("content-type", "image/png");
    let account = send(request.body(noise())).await.ok(200);
    let avatar = account["account"]["avatarUrl"].as_str().expect("a path");
    let document = get_from([127, 20, 0, 1], &to, "/openapi.json", PATIENCE)
        .await
        .expect("the document");
    assert!(
        get_from([127, 20, 0, 1], &to, avatar, PATIENCE)
            .await
            .is_some_and(|answer| answer.len() > 100_000),
        "a large picture"
    );

    let before = server.resident_bytes();
    let (mut kept, mut served, mut most) = (Vec::new(), 0, 0);
    for round in 0..30_u8 {
        for path in [avatar, "/openapi.json"] {
            // A window of zero, and one of a byte, which makes the server start to send.
            let mut client = Http2::open(
                connect_from([127, 9, 0, 1 + round % 4], &to)
                    .await
                    .expect("connected"),
                u32::from(round % 2),
            )
            .await
            .expect("sent");
            // The server may close the connection at any time.
            let _ = client.get(path, 100).await;
            kept.push(client);
        }
        let honest = [
            get_from([127, 20, round, 1], &to, avatar, PATIENCE),
            get_from([127, 9, 0, 9], &to, "/healthz", PATIENCE),
        ];
        served += join_all(honest)
            .await
            .iter()
            .flatten()
            .filter(|answer| answer.contains(" 200 "))
            .count();
        most = most.max(server.resident_bytes());
    }
    let asked = document.len() as u64 * 3_000 + 200_000 * 3_000;
    assert!(asked > 600 * MIB, "a good deal is asked for");
    assert_eq!(
        served, 60,
        "others are served meanwhile, from elsewhere and from the same network"
    );
    let grown = most.saturating_sub(before);
    assert!(grown < 64 * MIB, "{grown} bytes more");
    assert!(
        metric(
            &http,
            "faceshare_http_connections_evicted_total",
            "limit=\"unread_bytes_per_address\""
        )
        .await
            > 0.0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_bodies_that_do_not_end_are_bounded_in_all_and_the_lightest_networks_stay() {
    let settings = [
        ("limits.unread_bytes_per_address", "0"),
        ("limits.unread_bytes_per_network", "0"),
        ("limits.unread_bytes_total", "4194304"),
        ("limits.request_timeout", "5m"),
    ];
    let server = Server::start_with(&settings).await;
    let (http, to) = (server.http(), address(&server));
    let begin = "POST /v1/guests HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length:";
    let (first, last) = ("{\"nickname\"", ":\"patient\"}");
    let mut honest = connect_from([127, 20, 1, 1], &to).await.expect("connected");
    let head = format!("{begin} {}\r\n\r\n{first}", first.len() + last.len());
    honest.write_all(head.as_bytes()).await.expect("sent");
    let mut taken = Vec::new();
    for n in 0..120_u8 {
        let mut stream = connect_from([127, 9, n % 40, 1], &to)
            .await
            .expect("connected");
        let body = "x".repeat(50_000);
        // The server may have closed it by then.
        let _ = stream
            .write_all(format!("{begin} 60000\r\n\r\n{body}").as_bytes())
            .await;
        taken.push(stream);
    }
    let evicted = "faceshare_http_connections_evicted_total";
    let limit = "limit=\"unread_bytes_total\"";
    until_metric(&http, evicted, limit, |evicted| evicted >= 40.0).await;
    honest.write_all(last.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    honest.read_to_end(&mut answer).await.expect("an answer");
    assert!(answer.starts_with(b"HTTP/1.1 201 "), "it is served");
}

/// Sends many requests and reads nothing.
async fn ask_and_do_not_read(to: &str) -> TcpStream {
    let mut stream = connect_from([127, 9, 0, 1], to).await.expect("connected");
    let requests = "GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(80);
    stream.write_all(requests.as_bytes()).await.expect("sent");
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_which_nothing_is_taken_is_given_up_over_either_version() {
    // Raise the header timeout, which must not be the reason for the close.
    let server = Server::start_with(&[
        ("limits.answer_timeout", "700ms"),
        ("limits.header_timeout", "5m"),
    ])
    .await;
    let (http, to) = (server.http(), address(&server));
    let before = server.resident_bytes();
    let mut first = Vec::new();
    let mut second = Vec::new();
    for _ in 0..20 {
        first.push(ask_and_do_not_read(&to).await);
        let mut client = Http2::open(
            connect_from([127, 9, 1, 1], &to).await.expect("connected"),
            0,
        )
        .await
        .expect("sent");
        client.get("/openapi.json", 40).await.expect("sent");
        second.push(client);
    }
    until_metric(
        &http,
        "faceshare_http_connections_stalled_total",
        OF_CLIENTS,
        |stalled| stalled >= 40.0,
    )
    .await;
    until_metric(&http, OPEN, OF_CLIENTS, |open| open <= 2.0).await;
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 64 * MIB, "{grown} bytes more");
    assert!(
        get_from([127, 9, 1, 1], &to, "/healthz", PATIENCE)
            .await
            .is_some()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_slowly_gets_its_whole_answer_however_long_it_takes() {
    let server = Server::start_with(&[
        ("limits.answer_timeout", "1s"),
        ("limits.header_timeout", "1s"),
    ])
    .await;
    let to = address(&server);
    let whole = get_from([127, 9, 0, 1], &to, "/openapi.json", PATIENCE)
        .await
        .expect("the document");
    let body = whole.split_once("\r\n\r\n").expect("a head").1;
    // Read at 8 KiB per 10 ms, they take longer than the time-outs.
    let times = 20;
    let mut stream = TcpStream::connect(&to).await.expect("connected");
    let request = "GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let last = request.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
    stream
        .write_all(format!("{}{last}", request.repeat(times - 1)).as_bytes())
        .await
        .expect("sent");
    let (mut read, mut buffer) = (Vec::new(), [0; 8_192]);
    let mut pace = interval(Duration::from_millis(10));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        pace.tick().await;
        match stream.read(&mut buffer).await.expect("it is not cut off") {
            0 => break,
            taken => read.extend_from_slice(&buffer[..taken]),
        }
    }
    assert_eq!(
        String::from_utf8(read).expect("text").matches(body).count(),
        times
    );
}
