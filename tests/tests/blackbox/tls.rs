//! TLS on the server's own listeners, and what is read again while it runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use faceshare_tests::http::{Http, send};
use faceshare_tests::server::{Server, refused_start};
use futures_util::StreamExt;
use reqwest::{Certificate, Client, Method};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{Connector, connect_async_tls_with_config};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

/// A certificate for 127.0.0.1, in files.
struct Pair {
    dir: TempDir,
    pem: String,
}

impl Pair {
    fn new() -> Self {
        let pair = Self { dir: TempDir::new().expect("a folder"), pem: String::new() };
        pair.renewed()
    }

    /// Puts another one in its place.
    fn renewed(mut self) -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()]).expect("a certificate");
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

    /// A client that trusts this certificate alone.
    fn client(&self) -> Client {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let root = Certificate::from_pem(self.pem.as_bytes()).expect("a certificate");
        Client::builder().no_proxy().tls_certs_only([root]).build().expect("a client")
    }

    fn connector(&self) -> Connector {
        use rustls::pki_types::pem::PemObject;
        let mut roots = rustls::RootCertStore::empty();
        roots.add(rustls::pki_types::CertificateDer::from_pem_slice(self.pem.as_bytes()).expect("a certificate")).expect("a root");
        Connector::Rustls(Arc::new(rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()))
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path")
}

async fn hang_up(server: &Server) {
    let status = Command::new("kill").args(["-HUP", &server.pid().to_string()]).status().await.expect("kill runs");
    assert!(status.success());
}

#[tokio::test]
async fn http_streams_and_grpc_go_over_tls_and_a_new_certificate_is_taken_while_they_do() {
    let first = Pair::new();
    let server = Server::start_with(&[("tls.cert", text(&first.cert())), ("tls.key", text(&first.key()))]).await;
    let url = server.url().replace("http://", "https://");
    let http = Http::with(&url, first.client());
    let ann = http.guest("Ann").await;
    let opened = http.create(&ann, json!({})).await;
    let websocket_url = opened["websocketUrl"].as_str().expect("a URL");
    assert!(websocket_url.starts_with("wss://127.0.0.1:"), "{websocket_url}");

    let mut handshake = websocket_url.into_client_request().expect("a URL");
    let offer = format!("faceshare.v1.json, bearer.{}", opened["sessionToken"].as_str().expect("a token"));
    handshake.headers_mut().insert("sec-websocket-protocol", offer.parse().expect("a header"));
    let connected = connect_async_tls_with_config(handshake, None, false, Some(first.connector())).await;
    let (mut stream, _) = connected.expect("connected");
    let welcome = stream.next().await.expect("a frame").expect("a frame").into_text().expect("text");
    assert!(welcome.contains("\"welcome\""), "{welcome}");

    let (pem, second) = (first.pem.clone(), first.renewed());
    assert_ne!(pem, second.pem);
    hang_up(&server).await;
    server.log().text("the certificate was read again").await;
    Http::with(&url, second.client()).guest("Bob").await;
    let stranger = Certificate::from_pem(pem.as_bytes()).expect("a certificate");
    let stranger = Client::builder().no_proxy().tls_certs_only([stranger]).build().expect("a client");
    assert!(stranger.get(format!("{url}/healthz")).send().await.is_err(), "the old certificate is gone");

    std::fs::write(second.key(), "no key").expect("written");
    hang_up(&server).await;
    server.log().text("the new certificate cannot be used").await;
    Http::with(&url, second.client()).guest("Cat").await;

    server.terminate().await;
    while let Some(Ok(_)) = stream.next().await {}
}

#[tokio::test]
async fn clear_text_is_not_spoken_where_tls_is_and_grpc_neither() {
    let pair = Pair::new();
    let server = Server::start_with(&[("tls.cert", text(&pair.cert())), ("tls.key", text(&pair.key()))]).await;
    assert!(pair.client().get(format!("{}/healthz", server.url())).send().await.is_err());
    let channel = tonic::transport::Channel::from_shared(server.grpc_url()).expect("a URL").connect_lazy();
    let refused = HealthClient::new(channel).check(HealthCheckRequest { service: String::new() }).await;
    refused.expect_err("TLS is spoken here");
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_stops_the_start_and_is_named() {
    let (pair, other) = (Pair::new(), Pair::new());
    let cases = [
        (text(&pair.cert()).to_owned(), "/nonexistent".to_owned(), "tls.key"),
        ("/nonexistent".to_owned(), text(&pair.key()).to_owned(), "tls.cert"),
        (text(&pair.cert()).to_owned(), text(&other.key()).to_owned(), "tls.key"),
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
    server.log().text("the keys for tokens were read again").await;
    let bob = http.guest("Bob").await;
    assert_eq!((works(&ann.access).await, works(&bob.access).await), (200, 200));

    std::fs::write(key_file(&server), "junk\n").expect("written");
    hang_up(&server).await;
    server.log().text("the new keys cannot be used").await;
    assert_eq!((works(&ann.access).await, works(&bob.access).await), (200, 200));

    std::fs::write(key_file(&server), &new_keys).expect("written");
    hang_up(&server).await;
    let seals = new_keys.lines().filter(|line| !line.starts_with('#')).find_map(|line| line.split_once(':')).expect("a key").0;
    server.log().text(&format!("[\\\"{seals}\\\"]")).await;
    assert_eq!(works(&bob.access).await, 200);
    send(http.request(Method::GET, "/v1/accounts/me").bearer_auth(&ann.access)).await.problem(401, "UNAUTHENTICATED");
}
