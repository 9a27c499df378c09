//! Many concurrent uploads of pictures: their memory, and which are refused.

use super::accounts::QUICK;
use faceshare_tests::DEADLINE;
use faceshare_tests::http::{Answer, Http, send};
use faceshare_tests::picture::PNG;
use faceshare_tests::server::Server;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The announced length of each upload, and the part of it that is sent.
const ANNOUNCED: usize = 5 << 20;
const SENT: usize = 4 << 20;
const UPLOADS: usize = 60;
/// The attackers' address, another of their network, and an honest caller elsewhere.
const ATTACKER: &str = "192.0.2.7";
const NEIGHBOUR: &str = "192.0.2.8";
const HONEST: &str = "198.51.100.7";

async fn server(settings: &[(&str, &str)]) -> Server {
    let common = [
        ("http.trusted_proxies", "127.0.0.1"),
        ("classic.enabled", "true"),
    ];
    Server::start_with(&[&common, &QUICK[..], settings].concat()).await
}

/// Resident memory of the server's process, in bytes.
fn resident(server: &Server) -> usize {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("it runs");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .expect("a line");
    line.trim()
        .trim_end_matches(" kB")
        .parse::<usize>()
        .expect("a number")
        * 1024
}

/// Announces an upload with `Expect: 100-continue`. If the server agrees, sends most of it and
/// keeps the connection open. Returns the first status: `100` means that the upload has a slot.
async fn begin(server: &Server, head: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(server.url().replace("http://", ""))
        .await
        .expect("it listens");
    let head = format!(
        "{head}\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: {ANNOUNCED}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = vec![0; 1024];
    let length = timeout(DEADLINE, stream.read(&mut answer))
        .await
        .expect("answered in time")
        .expect("an answer");
    answer.truncate(length);
    let answer = String::from_utf8(answer).expect("text");
    if answer.starts_with("HTTP/1.1 100 ") {
        // The server may abort the upload meanwhile.
        let _ = stream.write_all(&vec![b'x'; SENT]).await;
    }
    (stream, answer)
}

fn head(token: &str, address: &str) -> String {
    let path = "/v1/accounts/me/avatar";
    format!(
        "PUT {path} HTTP/1.1\r\nAuthorization: Bearer {token}\r\nX-Forwarded-For: {address}\r\nContent-Type: image/png"
    )
}

async fn put(http: &Http, token: &str, address: &str) -> Answer {
    let request = http
        .request(Method::PUT, "/v1/accounts/me/avatar")
        .bearer_auth(token)
        .header("x-forwarded-for", address);
    send(
        request
            .header("content-type", "image/png")
            .body(PNG.to_vec()),
    )
    .await
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_without_a_slot_are_refused_before_they_are_read() {
    let server = server(&[("limits.avatar_idle", "10s")]).await;
    let http = server.http();
    let (guest, honest) = (
        http.guest("Mallory").await.access,
        http.guest("Ann").await.access,
    );
    put(&http, &honest, HONEST).await.ok(200);
    let before = resident(&server);

    let others: Vec<_> =
        join_all((0..UPLOADS).map(async |_| http.guest("Mallory").await.access)).await;
    let by_one_guest = (0..UPLOADS).map(|_| head(&guest, ATTACKER));
    let by_one_address = others.iter().map(|token| head(token, ATTACKER));
    let by_one_network = others.iter().map(|token| head(token, NEIGHBOUR));
    let mut held = Vec::new();
    for (heads, most) in [
        (by_one_guest.collect::<Vec<_>>(), 2),
        (by_one_address.collect(), 2),
        (by_one_network.collect(), 1),
    ] {
        let answers = join_all(heads.iter().map(|head| begin(&server, head))).await;
        let admitted = answers
            .iter()
            .filter(|(_, answer)| status(answer) == "100")
            .count();
        assert_eq!(admitted, most, "of {UPLOADS}");
        for (_, refused) in answers.iter().filter(|(_, answer)| status(answer) != "100") {
            assert!(
                status(refused) == "429" && refused.to_ascii_lowercase().contains("retry-after: "),
                "{refused}"
            );
            assert!(refused.contains("RATE_LIMITED"), "{refused}");
        }
        held.extend(answers);
        put(&http, &honest, HONEST).await.ok(200);
    }
    let grown = resident(&server).saturating_sub(before);
    assert!(
        grown < 60 << 20,
        "{} MiB for {} uploads of {} MiB",
        grown >> 20,
        3 * UPLOADS,
        SENT >> 20
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn classic_uploads_take_a_slot_before_they_are_read() {
    let server = server(&[("limits.avatar_idle", "10s")]).await;
    let http = server.http();
    let sign_in = async |name: &str| {
        http.member(name, "correct horse").await;
        let request = http.request(Method::POST, "/api/entrytask/user/signin");
        let answer =
            send(request.json(&json!({"username": name, "password": "correct horse"}))).await;
        answer
            .header("set-cookie")
            .split(';')
            .next()
            .expect("a cookie")
            .to_owned()
    };
    let (cookie, honest) = (sign_in("mallory").await, http.guest("Ann").await.access);
    let head = format!(
        "POST /api/entrytask/user/update_profile_pic HTTP/1.1\r\nCookie: {cookie}\r\nX-Forwarded-For: {ATTACKER}\r\n\
         Content-Type: multipart/form-data; boundary=cut"
    );
    put(&http, &honest, HONEST).await.ok(200);
    let before = resident(&server);
    let answers = join_all((0..UPLOADS).map(|_| begin(&server, &head))).await;
    assert_eq!(
        answers
            .iter()
            .filter(|(_, answer)| status(answer) == "100")
            .count(),
        2
    );
    for (_, refused) in answers.iter().filter(|(_, answer)| status(answer) != "100") {
        assert!(
            status(refused) == "200" && refused.contains(r#""errCode":"0""#),
            "{refused}"
        );
        assert!(
            refused.to_ascii_lowercase().contains("retry-after: "),
            "{refused}"
        );
    }
    put(&http, &honest, HONEST).await.ok(200);
    let grown = resident(&server).saturating_sub(before);
    assert!(
        grown < 40 << 20,
        "{} MiB for {UPLOADS} uploads of {} MiB",
        grown >> 20,
        SENT >> 20
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_stalls_frees_its_slot() {
    let server = server(&[
        ("limits.avatar_idle", "200ms"),
        ("limits.avatar_queue", "0"),
    ])
    .await;
    let http = server.http();
    let (guest, honest) = (
        http.guest("Mallory").await.access,
        http.guest("Ann").await.access,
    );
    let (mut stream, answer) = begin(&server, &head(&guest, ATTACKER)).await;
    assert_eq!(status(&answer), "100");
    let began = Instant::now();
    loop {
        let answer = put(&http, &honest, HONEST).await;
        if answer.status == 200 {
            break;
        }
        answer.problem(503, "UNAVAILABLE");
        assert!(began.elapsed() < DEADLINE, "the place is never free");
    }
    let mut end = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut end))
        .await
        .expect("answered in time")
        .expect("text");
    assert!(
        end.contains("408") && end.contains("REQUEST_TIMEOUT"),
        "{end}"
    );
}
