//! A service for tests, with faults: [`TestService`].

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use wps2sign::{BodyDigest, Message, Presented, Scheme};

/// What a request held.
#[derive(Debug, Clone)]
pub struct Received {
    /// The method.
    pub method: Method,
    /// Path and query, as in the request line.
    pub uri: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Received {
    /// A header as text; empty when it is missing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    }

    /// The path without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.uri.split('?').next().unwrap_or_default()
    }

    /// True when the request is signed with these credentials at about this time.
    #[must_use]
    pub fn is_signed(
        &self,
        scheme: Scheme,
        app_id: &str,
        secret: &SecretString,
        now: SystemTime,
    ) -> bool {
        let header = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok());
        let Ok(Some(presented)) = Presented::from_headers(scheme, header) else {
            return false;
        };
        let message = Message {
            method: self.method.as_str(),
            uri: &self.uri,
            content_type: self.header("content-type"),
            body: &BodyDigest::of(&self.body),
        };
        presented.access_key() == app_id && presented.verify(&message, secret, now).is_ok()
    }
}

/// How the service answers a request.
#[derive(Debug, Clone)]
pub enum TestAnswer {
    /// With this status, these headers and this body.
    Whole(StatusCode, Vec<(&'static str, String)>, Bytes),
    /// With a head that announces the length, with these bytes, and by closing the connection.
    Cut(u64, Bytes),
    /// With a head, with these bytes, and then never again.
    Stall(u64, Bytes),
    /// Never.
    Hang,
}

impl TestAnswer {
    /// A status without a body.
    #[must_use]
    pub const fn status(status: StatusCode) -> Self {
        Self::Whole(status, Vec::new(), Bytes::new())
    }

    /// 200 with a JSON text.
    #[must_use]
    pub fn json(text: impl Into<Bytes>) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self::Whole(StatusCode::OK, headers, text.into())
    }
}

type Handler = Arc<dyn Fn(&Received) -> TestAnswer + Send + Sync>;
type TestBody = http_body_util::combinators::UnsyncBoxBody<Bytes, io::Error>;

/// An HTTP server on a port of its own. It ends when it is dropped.
pub struct TestService {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    accepting: JoinHandle<()>,
}

impl TestService {
    /// Starts a service that answers by `handler`.
    ///
    /// # Panics
    /// When no port of 127.0.0.1 can be bound.
    pub async fn start(handler: impl Fn(&Received) -> TestAnswer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let received = Arc::default();
        let accepting = tokio::spawn(accept(
            listener,
            Arc::new(handler) as Handler,
            Arc::clone(&received),
        ));
        Self {
            address,
            received,
            accepting,
        }
    }

    /// The base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far, in the order of their arrival.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.received
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for TestService {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, handler: Handler, received: Arc<Mutex<Vec<Received>>>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (handler, received) = (Arc::clone(&handler), Arc::clone(&received));
        connections.spawn(async move {
            let service = hyper::service::service_fn(move |request| {
                answer(request, Arc::clone(&handler), Arc::clone(&received))
            });
            // A client that closes the connection is no failure of the service.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    handler: Handler,
    received: Arc<Mutex<Vec<Received>>>,
) -> Result<Response<TestBody>, Infallible> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return Ok(respond(StatusCode::BAD_REQUEST, &[], whole(Bytes::new())));
    };
    let request = Received {
        method: parts.method,
        uri: parts.uri.to_string(),
        headers: parts.headers,
        body: body.to_bytes(),
    };
    let answer = handler(&request);
    received
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(request);
    Ok(match answer {
        TestAnswer::Whole(status, headers, body) => respond(status, &headers, whole(body)),
        TestAnswer::Cut(length, body) => {
            // What was sent before is flushed while the body is not ready.
            let cut = async {
                tokio::task::yield_now().await;
                Err(io::ErrorKind::ConnectionAborted.into())
            };
            partly(length, body, futures_util::stream::once(cut))
        }
        TestAnswer::Stall(length, body) => partly(length, body, futures_util::stream::pending()),
        TestAnswer::Hang => std::future::pending().await,
    })
}

fn respond(
    status: StatusCode,
    headers: &[(&'static str, String)],
    body: TestBody,
) -> Response<TestBody> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, value);
    }
    response.body(body).expect("a response of a test")
}

fn whole(body: Bytes) -> TestBody {
    Full::new(body)
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// A head that announces `length` bytes, the first bytes, and what comes after them.
fn partly(
    length: u64,
    first: Bytes,
    rest: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> Response<TestBody> {
    let chunks = futures_util::stream::iter([Ok(first)]).chain(rest);
    let body = StreamBody::new(chunks.map(|chunk| chunk.map(Frame::data))).boxed_unsync();
    let headers = [("content-length", length.to_string())];
    respond(StatusCode::OK, &headers, body)
}
