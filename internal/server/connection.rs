//! One connection: HTTP/1.1 or HTTP/2, in clear text or over TLS, until it is done or the server stops.

use crate::lifecycle::Lifecycle;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use faceshare_routes::Documented;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// What holds for every connection of a listener.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionPolicy {
    /// How long a client may take to send a request's headers, and an HTTP/1.1 connection may idle between requests.
    pub header_timeout: Duration,
    /// Bytes of a request's headers beyond which the connection ends (for HTTP/1.1 with 431); at least 8 KiB.
    pub header_bytes: usize,
    /// Connections at once; more wait to be accepted.
    pub connections: usize,
    /// Whether only HTTP/2 is spoken, as gRPC needs it.
    pub http2_only: bool,
}

/// How long a connection without a request in service lives on once the listener closes: answers that are being written get out.
const UNFINISHED: Duration = Duration::from_secs(1);
/// The least that hyper allows.
const HEADER_BYTES_MIN: usize = 8_192;
/// Requests at once on one HTTP/2 connection.
const HTTP2_STREAMS: u32 = 256;
/// How often an HTTP/2 peer is asked whether it is there, and how long it may take to say so.
const HTTP2_KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Serves a connection to its end. Upgraded connections leave it and live on.
pub(crate) async fn accept(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    policy: ConnectionPolicy,
    lifecycle: Lifecycle,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone before it was served");
        return;
    }
    // On the heap at once: it is large, and a task is copied several times on its way to where it stays.
    let Some(tls) = tls else { return Box::pin(serve(stream, peer, router, policy, lifecycle)).await };
    let handshake = tokio::time::timeout(policy.header_timeout, tls.accept(stream));
    match lifecycle.soft.run_until_cancelled(handshake).await {
        Some(Ok(Ok(stream))) => Box::pin(serve(stream, peer, router, policy, lifecycle)).await,
        // Strangers knock all day, with old versions or none at all.
        Some(Ok(Err(error))) => {
            metrics::counter!("tls_handshakes_failed_total").increment(1);
            tracing::debug!(%error, "a TLS handshake failed");
        }
        Some(Err(_)) | None => metrics::counter!("tls_handshakes_failed_total").increment(1),
    }
}

async fn serve<S>(stream: S, peer: SocketAddr, router: Router, policy: ConnectionPolicy, lifecycle: Lifecycle)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = Documented::new(stream, router.clone(), peer);
    let spoke = CancellationToken::new();
    let first = spoke.clone();
    let busy = Arc::new(AtomicUsize::new(0));
    let counted = busy.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        first.cancel();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let serving = Serving::begin(&counted);
        let answer = router.clone().oneshot(request);
        async move {
            let _serving = serving;
            answer.await
        }
    });
    let builder = builder(policy);
    let mut connection = std::pin::pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let mut leaving = false;
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(error = %error, "a connection broke");
                }
                return;
            }
            // Which version a peer speaks is found out without a timer; one that says nothing at all is not waited for.
            () = tokio::time::sleep(policy.header_timeout), if !spoke.is_cancelled() => if !spoke.is_cancelled() { return },
            () = lifecycle.soft.cancelled(), if !leaving => {
                leaving = true;
                connection.as_mut().graceful_shutdown();
            }
            // A client that has begun a request and does not go on with it is not waited for.
            () = tokio::time::sleep(UNFINISHED), if leaving && is_idle(&busy) => if is_idle(&busy) { return },
            // It never comes before the soft end: until that one does, nobody looks out for this one.
            () = lifecycle.hard.cancelled(), if leaving => return,
        }
    }
}

fn is_idle(busy: &AtomicUsize) -> bool {
    busy.load(Ordering::Relaxed) == 0
}

/// A request in service.
struct Serving(Arc<AtomicUsize>);

impl Serving {
    fn begin(busy: &Arc<AtomicUsize>) -> Self {
        busy.fetch_add(1, Ordering::Relaxed);
        Self(busy.clone())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn builder(policy: ConnectionPolicy) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    let header_bytes = policy.header_bytes.max(HEADER_BYTES_MIN);
    builder.http1().timer(TokioTimer::new()).header_read_timeout(policy.header_timeout).max_buf_size(header_bytes);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(HTTP2_STREAMS)
        .max_header_list_size(u32::try_from(header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(HTTP2_KEEP_ALIVE)
        .keep_alive_timeout(HTTP2_KEEP_ALIVE);
    if policy.http2_only { builder.http2_only() } else { builder }
}
