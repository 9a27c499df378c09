//! TLS on the server's listeners, and reloads of certificates and keys.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use faceshare_tests::flood::{connect_from, until_metric};
use faceshare_tests::http::{Http, send};
use faceshare_tests::programs::program;
use faceshare_tests::server::{Log, Server, refused_start};
use futures_util::StreamExt;
use hyper_util::rt::TokioIo;
use reqwest::{Certificate, Client, Method};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{Connector, connect_async_tls_with_config};
use tonic::transport::{Channel, Endpoint, Uri};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tower::service_fn;

/// Files with a certificate for 127.0.0.1 and its key.
struct Pair {
    dir: TempDir,
    pem: String,
}

impl Pair {
    fn new() -> Self {
        let pair = Self {
            dir: TempDir::new().expect("a folder"),
            pem: String::new(),
        };
        pair.renewed()
    }

    /// Replaces the files by another certificate.
    fn renewed(mut self) -> Self {
        let made =
            rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()])
                .expect("a certificate");
        self.pem = made.cert.pem();
        std::fs::write(self.cert(), &self.pem).expect("written");
        std::fs::write(self.key(), made.signing_key.serialize_pem()).expect("written");
        self
    }

    fn cert(&self) -> PathBuf {
        self.dir.path().join("cert.pem")
    }

    fn key(&self) -> PathBuf {
        self.dir.path().join("key.pem")
    }

    /// A client that trusts only this certificate.
    fn client(&self) -> Client {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let root = Certificate::from_pem(self.pem.as_bytes()).expect("a certificate");
        Client::builder()
            .no_proxy()
            .tls_certs_only([root])
            .build()
            .expect("a client")
    }

    fn connector(&self) -> Connector {
        Connector::Rustls(Arc::new(self.trusting()))
    }

    fn trusting(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.pem.as_bytes()).expect("a certificate"))
            .expect("a root");
        ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    /// A gRPC channel to this address.
    async fn channel(&self, address: String) -> Channel {
        let mut config = self.trusting();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let tls = TlsConnector::from(Arc::new(config));
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("a URL");
        let connect = service_fn(move |_: Uri| {
            let (tls, address) = (tls.clone(), address.clone());
            async move {
                let name = ServerName::try_from("127.0.0.1").expect("an address");
                let stream = tls
                    .connect(name, TcpStream::connect(address).await?)
                    .await?;
                assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
                std::io::Result::Ok(TokioIo::new(stream))
            }
        });
        endpoint
            .connect_with_connector(connect)
            .await
            .expect("connected")
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path")
}

async fn hang_up(server: &Server) {
    let status = Command::new("kill")
        .args(["-HUP", &server.pid().to_string()])
        .status()
        .await
        .expect("kill runs");
    assert!(status.success());
}

#[tokio::test]
async fn http_streams_and_grpc_go_over_tls_and_a_new_certificate_is_taken_while_they_do() {
    let first = Pair::new();
    let server = Server::start_with(&[
        ("tls.cert", text(&first.cert())),
        ("tls.key", text(&first.key())),
    ])
    .await;
    let url = server.url().replace("http://", "https://");
    let http = Http::with(&url, first.client());
    let ann = http.guest("Ann").await;
    let opened = http.create(&ann, json!({})).await;
    let websocket_url = opened["websocketUrl"].as_str().expect("a URL");
    assert!(
        websocket_url.starts_with("wss://127.0.0.1:"),
        "{websocket_url}"
    );

    let mut handshake = websocket_url.into_client_request().expect("a URL");
    let offer = format!(
        "faceshare.v1.json, bearer.{}",
        opened["sessionToken"].as_str().expect("a token")
    );
    handshake
        .headers_mut()
        .insert("sec-websocket-protocol", offer.parse().expect("a header"));
    let connected =
        connect_async_tls_with_config(handshake, None, false, Some(first.connector())).await;
    let (mut stream, _) = connected.expect("connected");
    let welcome = stream
        .next()
        .await
        .expect("a frame")
        .expect("a frame")
        .into_text()
        .expect("text");
    assert!(welcome.contains("\"welcome\""), "{welcome}");

    let (pem, second) = (first.pem.clone(), first.renewed());
    assert_ne!(pem, second.pem);
    hang_up(&server).await;
    server.log().text("the certificate was read again").await;
    Http::with(&url, second.client()).guest("Bob").await;
    let stranger = Certificate::from_pem(pem.as_bytes()).expect("a certificate");
    let stranger = Client::builder()
        .no_proxy()
        .tls_certs_only([stranger])
        .build()
        .expect("a client");
    assert!(
        stranger.get(format!("{url}/healthz")).send().await.is_err(),
        "the old certificate is gone"
    );

    std::fs::write(second.key(), "no key").expect("written");
    hang_up(&server).await;
    server
        .log()
        .text("the new certificate cannot be used")
        .await;
    Http::with(&url, second.client()).guest("Cat").await;

    server.terminate().await;
    while let Some(Ok(_)) = stream.next().await {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_which_nothing_is_taken_is_given_up_over_tls_too() {
    let pair = Pair::new();
    let times = [
        ("limits.answer_timeout", "700ms"),
        ("limits.header_timeout", "5m"),
    ];
    let files = [
        ("tls.cert", text(&pair.cert()).to_owned()),
        ("tls.key", text(&pair.key()).to_owned()),
    ];
    let settings: Vec<_> = times
        .into_iter()
        .chain(files.iter().map(|(key, file)| (*key, file.as_str())))
        .collect();
    let server = Server::start_with(&settings).await;
    let http = Http::with(&server.url().replace("http://", "https://"), pair.client());
    let tls = TlsConnector::from(Arc::new(pair.trusting()));
    let mut kept = Vec::new();
    for _ in 0..5 {
        let stream = connect_from([127, 9, 0, 1], &server.url().replace("http://", ""))
            .await
            .expect("connected");
        let mut stream = tls
            .connect(
                ServerName::try_from("127.0.0.1").expect("an address"),
                stream,
            )
            .await
            .expect("TLS");
        stream
            .write_all(
                "GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n"
                    .repeat(80)
                    .as_bytes(),
            )
            .await
            .expect("sent");
        kept.push(stream);
    }
    until_metric(
        &http,
        "faceshare_http_connections_stalled_total",
        "listener=\"http\"",
        |stalled| stalled >= 5.0,
    )
    .await;
    until_metric(
        &http,
        "faceshare_http_connections_open",
        "listener=\"http\"",
        |open| open <= 2.0,
    )
    .await;
}

#[tokio::test]
async fn clear_text_is_refused_on_listeners_with_tls() {
    let pair = Pair::new();
    let server = Server::start_with(&[
        ("tls.cert", text(&pair.cert())),
        ("tls.key", text(&pair.key())),
    ])
    .await;
    assert!(
        pair.client()
            .get(format!("{}/healthz", server.url()))
            .send()
            .await
            .is_err()
    );
    let channel = tonic::transport::Channel::from_shared(server.grpc_url())
        .expect("a URL")
        .connect_lazy();
    let refused = HealthClient::new(channel)
        .check(HealthCheckRequest {
            service: String::new(),
        })
        .await;
    refused.expect_err("TLS is spoken here");
}

#[tokio::test]
async fn grpc_serves_health_over_tls() {
    let pair = Pair::new();
    let server = Server::start_with(&[
        ("tls.cert", text(&pair.cert())),
        ("tls.key", text(&pair.key())),
    ])
    .await;
    // The client for HTTP installs the provider that both use.
    assert_eq!(
        pair.client()
            .get(format!(
                "{}/healthz",
                server.url().replace("http:", "https:")
            ))
            .send()
            .await
            .expect("sent")
            .status(),
        200
    );
    let mut health =
        HealthClient::new(pair.channel(server.grpc_url().replace("http://", "")).await);
    let answer = health
        .check(HealthCheckRequest {
            service: String::new(),
        })
        .await
        .expect("it answers")
        .into_inner();
    assert_eq!(answer.status(), ServingStatus::Serving);
}

#[tokio::test]
async fn a_changed_certificate_is_applied_without_sighup() {
    let first = Pair::new();
    let server = Server::start_with(&[
        ("tls.cert", text(&first.cert())),
        ("tls.key", text(&first.key())),
    ])
    .await;
    let url = server.url().replace("http://", "https://");
    Http::with(&url, first.client()).guest("Ann").await;
    let second = first.renewed();
    server.log().text("the certificate was read again").await;
    Http::with(&url, second.client()).guest("Bob").await;
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_stops_the_start_and_is_named() {
    let (pair, other) = (Pair::new(), Pair::new());
    let cases = [
        (
            text(&pair.cert()).to_owned(),
            "/nonexistent".to_owned(),
            "tls.key",
        ),
        (
            "/nonexistent".to_owned(),
            text(&pair.key()).to_owned(),
            "tls.cert",
        ),
        (
            text(&pair.cert()).to_owned(),
            text(&other.key()).to_owned(),
            "tls.key",
        ),
        (text(&pair.cert()).to_owned(), String::new(), "tls.key"),
    ];
    for (cert, key, named) in cases {
        let (status, said) = refused_start(&[("tls.cert", &cert), ("tls.key", &key)]).await;
        assert!(!status.success() && said.contains(named), "{said}");
    }
}

#[tokio::test]
async fn keys_for_tokens_are_exchanged_with_an_overlap() {
    let server = Server::start().await;
    let http = server.http();
    let key_file = |server: &Server| server.data_dir().join("data/auth.keys");
    let old_keys = std::fs::read_to_string(key_file(&server)).expect("keys");
    let new_keys = std::fs::read_to_string(key_file(&Server::start().await)).expect("keys");
    let works = async |token: &str| http.get("/v1/accounts/me", token).await.status;
    let ann = http.guest("Ann").await;

    std::fs::write(key_file(&server), format!("{new_keys}{old_keys}")).expect("written");
    hang_up(&server).await;
    server
        .log()
        .text("the keys for tokens were read again")
        .await;
    let bob = http.guest("Bob").await;
    assert_eq!(
        (works(&ann.access).await, works(&bob.access).await),
        (200, 200)
    );

    std::fs::write(key_file(&server), "junk\n").expect("written");
    hang_up(&server).await;
    server.log().text("the new keys cannot be used").await;
    assert_eq!(
        (works(&ann.access).await, works(&bob.access).await),
        (200, 200)
    );

    std::fs::write(key_file(&server), &new_keys).expect("written");
    hang_up(&server).await;
    let seals = new_keys
        .lines()
        .filter(|line| !line.starts_with('#'))
        .find_map(|line| line.split_once(':'))
        .expect("a key")
        .0;
    server.log().text(&format!("[\\\"{seals}\\\"]")).await;
    assert_eq!(works(&bob.access).await, 200);
    send(
        http.request(Method::GET, "/v1/accounts/me")
            .bearer_auth(&ann.access),
    )
    .await
    .problem(401, "UNAUTHENTICATED");
}

#[tokio::test]
async fn browsers_are_told_to_keep_to_tls_where_there_is_tls_unless_it_is_turned_off() {
    let pair = Pair::new();
    let strict = async |settings: &[(&str, &str)]| {
        let (cert, key) = (pair.cert(), pair.key());
        let settings: Vec<_> = settings
            .iter()
            .copied()
            .chain([("tls.cert", text(&cert)), ("tls.key", text(&key))])
            .collect();
        let server = Server::start_with(&settings).await;
        let http = Http::with(&server.url().replace("http://", "https://"), pair.client());
        let known = http
            .call(Method::GET, "/healthz", None, None)
            .await
            .header("strict-transport-security")
            .to_owned();
        let unknown = http
            .call(Method::GET, "/nowhere", None, None)
            .await
            .header("strict-transport-security")
            .to_owned();
        assert_eq!(known, unknown);
        known
    };
    assert_eq!(strict(&[]).await, "max-age=31536000");
    assert_eq!(
        strict(&[("tls.strict_transport", "1h")]).await,
        "max-age=3600"
    );
    assert_eq!(strict(&[("tls.strict_transport", "0ms")]).await, "");
}

/// Runs `facesharectl create` on a system that trusts the certificates of this file.
fn create(server: &str, trusted: &Path) -> (Child, Log) {
    let mut command = Command::new(program("facesharectl"));
    command
        .args(["create", "--plain", "--nickname", "Ann", "--server", server])
        .env("SSL_CERT_FILE", trusted)
        .env_remove("SSL_CERT_DIR");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().expect("facesharectl starts");
    let log = Log::of(&mut child);
    (child, log)
}

#[tokio::test]
async fn the_terminal_client_uses_tls_with_the_roots_of_the_system() {
    let (pair, other) = (Pair::new(), Pair::new());
    let server = Server::start_with(&[
        ("tls.cert", text(&pair.cert())),
        ("tls.key", text(&pair.key())),
    ])
    .await;
    let url = server.url().replace("http://", "https://");
    let (_running, log) = create(&url, &pair.cert());
    log.text("connected").await;
    log.text("Ann [").await;
    let (mut refused, log) = create(&url, &other.cert());
    let line = log.text("certificate").await;
    assert!(line.contains(&url), "{line}");
    assert!(
        !refused
            .wait()
            .await
            .expect("it can be waited for")
            .success()
    );
}
