//! One connection: HTTP/1.1 or HTTP/2, in clear text or over TLS, until it is done or the server stops.

use crate::admission::{Admitted, ConnectionLimits};
use crate::answer::AnswerBody;
use crate::lifecycle::Lifecycle;
use crate::usage::{Eviction, Exchange, Verdict};
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::Response;
use faceshare_routes::Documented;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

/// What holds for every connection of a listener.
#[derive(Debug, Clone)]
pub struct ConnectionPolicy {
    /// How long a client may take to send a request's headers, and a connection may be open without a request.
    pub header_timeout: Duration,
    /// Bytes of a request's headers beyond which the connection ends (for HTTP/1.1 with 431); at least 8 KiB.
    pub header_bytes: usize,
    /// How many connections there may be, and what they may hold.
    pub limits: ConnectionLimits,
    /// Whether only HTTP/2 is spoken, as gRPC needs it.
    pub http2_only: bool,
}

/// How long a connection without a request in service lives on once the listener closes: answers that are being written get out.
const UNFINISHED: Duration = Duration::from_secs(1);
/// The least that hyper allows.
const HEADER_BYTES_MIN: usize = 8_192;
/// Requests at once on one HTTP/2 connection: what RFC 9113 recommends as the least.
const HTTP2_STREAMS: u32 = 100;
/// Bytes of request bodies that a client may send before the server has read any, on one HTTP/2 stream and on all of a connection.
const HTTP2_STREAM_WINDOW: u32 = 256 * 1024;
const HTTP2_CONNECTION_WINDOW: u32 = 512 * 1024;
/// Bytes of an answer that h2 keeps for one stream until they are sent.
const HTTP2_SEND_BUFFER: usize = 64 * 1024;
/// Bytes that rustls keeps until they are sent. They are the last of an answer, and are not counted as unread.
const TLS_SEND_BUFFER: usize = 16 * 1024;
/// How often an HTTP/2 peer is asked whether it is there, and how long it may take to say so.
const HTTP2_KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Serves a connection to its end. Upgraded connections leave it and live on.
pub(crate) async fn accept(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    policy: Arc<ConnectionPolicy>,
    admitted: Admitted,
    lifecycle: Lifecycle,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone before it was served");
        return;
    }
    let admitted = Arc::new(admitted);
    // On the heap at once: it is large, and a task is copied several times on its way to where it stays.
    let Some(tls) = tls else {
        return Box::pin(serve(stream, peer, router, policy, admitted, lifecycle)).await;
    };
    let handshake = tls.accept_with(stream, |tls| tls.set_buffer_limit(Some(TLS_SEND_BUFFER)));
    let handshake = tokio::time::timeout(policy.header_timeout, handshake);
    let handshake = tokio::select! {
        done = lifecycle.soft.run_until_cancelled(handshake) => done,
        _ = admitted.usage().evicted() => None,
    };
    match handshake {
        Some(Ok(Ok(stream))) => {
            Box::pin(serve(stream, peer, router, policy, admitted, lifecycle)).await
        }
        // Strangers knock all day, with old versions or none at all.
        Some(Ok(Err(error))) => {
            metrics::counter!("tls_handshakes_failed_total").increment(1);
            tracing::debug!(%error, "a TLS handshake failed");
        }
        Some(Err(_)) | None => metrics::counter!("tls_handshakes_failed_total").increment(1),
    }
}

async fn serve<S>(
    stream: S,
    peer: SocketAddr,
    router: Router,
    policy: Arc<ConnectionPolicy>,
    admitted: Arc<Admitted>,
    lifecycle: Lifecycle,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = Documented::new(stream, router.clone(), peer);
    let usage = admitted.usage().clone();
    let patience = admitted.patience(policy.header_timeout);
    let serving = admitted.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let exchange = Exchange::begin(serving.usage());
        answer(router.clone(), request, exchange, serving.clone())
    });
    let builder = builder(&policy);
    let mut connection =
        std::pin::pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let mut look = std::pin::pin!(tokio::time::sleep(
        policy.header_timeout.min(patience.stalled)
    ));
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
            () = look.as_mut() => match usage.verdict(patience) {
                Verdict::Wait(time) => look.as_mut().reset(Instant::now() + time),
                Verdict::Stalled => {
                    admitted.count_stalled();
                    return;
                }
                // Which version a peer speaks is found out without a timer; one that says nothing at all is not waited for.
                Verdict::Idle if leaving || !usage.spoke() => return,
                Verdict::Idle => {
                    leaving = true;
                    connection.as_mut().graceful_shutdown();
                    look.as_mut().reset(Instant::now() + UNFINISHED);
                }
            },
            how = usage.evicted(), if !leaving => match how {
                Eviction::Graceful => {
                    leaving = true;
                    connection.as_mut().graceful_shutdown();
                }
                Eviction::Abort => return,
            },
            () = lifecycle.soft.cancelled(), if !leaving => {
                leaving = true;
                connection.as_mut().graceful_shutdown();
            }
            // A client that has begun a request and does not go on with it is not waited for.
            () = tokio::time::sleep(UNFINISHED), if leaving && usage.is_idle() => if usage.is_idle() { return },
            // It never comes before the soft end: until that one does, nobody looks out for this one.
            () = lifecycle.hard.cancelled(), if leaving => return,
        }
    }
}

/// Answers one request, as soon as the client has read enough of the answers before.
async fn answer(
    router: Router,
    request: Request<Body>,
    exchange: Exchange,
    admitted: Arc<Admitted>,
) -> Result<Response<AnswerBody>, Infallible> {
    admitted.relieve();
    admitted.ready_for_request().await;
    let serving = exchange.serve();
    let answer = router.oneshot(request).await?;
    drop(serving);
    let answer = answer.map(|body| AnswerBody::new(body, exchange));
    admitted.relieve();
    Ok(answer)
}

fn builder(policy: &ConnectionPolicy) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    let header_bytes = policy.header_bytes.max(HEADER_BYTES_MIN);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(policy.header_timeout)
        .max_buf_size(header_bytes);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(HTTP2_STREAMS)
        .initial_stream_window_size(HTTP2_STREAM_WINDOW)
        .initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
        .max_send_buf_size(HTTP2_SEND_BUFFER)
        .max_header_list_size(u32::try_from(header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(HTTP2_KEEP_ALIVE)
        .keep_alive_timeout(HTTP2_KEEP_ALIVE);
    if policy.http2_only {
        builder.http2_only()
    } else {
        builder
    }
}
