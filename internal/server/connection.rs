//! Serves one connection, HTTP/1.1 or HTTP/2, in clear text or over TLS, until it is done or the
//! server stops.

use crate::admission::{ConnectionLimits, ConnectionPermit};
use crate::answer::AnswerBody;
use crate::lifecycle::Lifecycle;
use crate::request_body::counted;
use crate::usage::{Eviction, Exchange, Verdict};
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::{Response, Version};
use faceshare_routes::ProblemResponses;
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

/// Settings of every connection of a listener.
#[derive(Debug, Clone)]
pub struct ConnectionPolicy {
    /// How long a client may take to send a request's headers, and how long a connection may be
    /// open without a request.
    pub header_timeout: Duration,
    /// How long a request may take. A connection that was told to close is open no longer than this
    /// and a second.
    pub request_timeout: Duration,
    /// Bytes of a request's headers beyond which the connection is closed (for HTTP/1.1 with 431);
    /// at least 8 KiB.
    pub header_bytes: usize,
    /// Bounds on the number of connections and on the bytes that they hold.
    pub limits: ConnectionLimits,
    /// Whether the listener accepts HTTP/2 only, as gRPC needs it.
    pub http2_only: bool,
}

/// How long a closing connection without a request in service stays open, so that responses can be
/// written.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);
/// The least value that hyper accepts.
const HEADER_BYTES_MIN: usize = 8_192;
/// Concurrent requests on one HTTP/2 connection: the least that RFC 9113 recommends.
const HTTP2_STREAMS: u32 = 100;
/// Bytes of request bodies that a client may send before the server has read any, on one HTTP/2
/// stream and on a whole connection.
const HTTP2_STREAM_WINDOW: u32 = 256 * 1024;
const HTTP2_CONNECTION_WINDOW: u32 = 512 * 1024;
/// Bytes of a response that h2 keeps unsent for one stream.
const HTTP2_SEND_BUFFER: usize = 64 * 1024;
/// Bytes that rustls keeps unsent: the end of a response, which is not counted as unread.
const TLS_SEND_BUFFER: usize = 16 * 1024;
/// The interval of HTTP/2 pings, and how long a peer may take to answer one.
const HTTP2_KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Serves a connection to its end, or until it is upgraded; it then stays open.
pub(crate) async fn accept(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    policy: Arc<ConnectionPolicy>,
    permit: ConnectionPermit,
    lifecycle: Lifecycle,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection closed before it was served");
        return;
    }
    let permit = Arc::new(permit);
    // Boxed at once: the future is large, and a task is copied several times until it is in its
    // place.
    let Some(tls) = tls else {
        return Box::pin(serve(stream, peer, router, policy, permit, lifecycle)).await;
    };
    let handshake = tls.accept_with(stream, |tls| tls.set_buffer_limit(Some(TLS_SEND_BUFFER)));
    let handshake = tokio::time::timeout(policy.header_timeout, handshake);
    let handshake = tokio::select! {
        done = lifecycle.soft.run_until_cancelled(handshake) => done,
        _ = permit.usage().evicted() => None,
    };
    match handshake {
        Some(Ok(Ok(stream))) => {
            Box::pin(serve(stream, peer, router, policy, permit, lifecycle)).await
        }
        // Logged at `debug` only: scanners with old TLS versions or none at all connect all the
        // time.
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
    permit: Arc<ConnectionPermit>,
    lifecycle: Lifecycle,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = ProblemResponses::new(stream, router.clone(), peer);
    let usage = permit.usage().clone();
    let timeouts = permit.timeouts(policy.header_timeout);
    let serving = permit.clone();
    let read_buffer = policy.header_bytes.max(HEADER_BYTES_MIN);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let unread_max = if request.version() == Version::HTTP_2 {
            HTTP2_STREAM_WINDOW as usize
        } else {
            read_buffer
        };
        let mut request = request.map(|body| counted(body, &serving, unread_max));
        request.extensions_mut().insert(ConnectInfo(peer));
        let exchange = Exchange::begin(serving.usage());
        answer(router.clone(), request, exchange, serving.clone())
    });
    let builder = builder(&policy);
    let mut connection =
        std::pin::pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let mut check_timer = std::pin::pin!(tokio::time::sleep(
        policy.header_timeout.min(timeouts.stalled)
    ));
    let mut is_closing = false;
    // An HTTP/2 client that does not acknowledge the end could begin requests for ever.
    let mut close_deadline = None;
    let deadline_from_now = || Some(Instant::now() + policy.request_timeout + FINISH_TIMEOUT);
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(error = %error, "a connection failed");
                }
                return;
            }
            () = check_timer.as_mut() => match usage.verdict(timeouts) {
                Verdict::Wait(time) => check_timer.as_mut().reset(Instant::now() + time),
                Verdict::Stalled => {
                    permit.count_stalled();
                    return;
                }
                // hyper detects the HTTP version without a timer, so a peer that sends nothing is
                // disconnected here.
                Verdict::Idle if is_closing || !usage.has_received_request() => return,
                Verdict::Idle => {
                    is_closing = true;
                    close_deadline = deadline_from_now();
                    connection.as_mut().graceful_shutdown();
                    check_timer.as_mut().reset(Instant::now() + FINISH_TIMEOUT);
                }
            },
            how = usage.evicted(), if !is_closing => match how {
                Eviction::Graceful => {
                    is_closing = true;
                    close_deadline = deadline_from_now();
                    connection.as_mut().graceful_shutdown();
                }
                Eviction::Abort => return,
            },
            () = usage.aborted(), if is_closing => return,
            () = until(close_deadline), if is_closing => return,
            () = lifecycle.soft.cancelled(), if !is_closing => {
                is_closing = true;
                connection.as_mut().graceful_shutdown();
            }
            // The server does not wait for a client that has begun a request and not completed it.
            () = tokio::time::sleep(FINISH_TIMEOUT), if is_closing && usage.is_idle() => if usage.is_idle() { return },
            // The hard stage never comes before the soft one, so it need not be watched until then.
            () = lifecycle.hard.cancelled(), if is_closing => return,
        }
    }
}

/// Waits until `time`; for ever without one.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Answers one request, once the client has read enough of the earlier responses.
async fn answer(
    router: Router,
    request: Request<Body>,
    exchange: Exchange,
    permit: Arc<ConnectionPermit>,
) -> Result<Response<AnswerBody>, Infallible> {
    permit.evict_over_byte_limits();
    permit.ready_for_request().await;
    let serving = exchange.serve();
    let answer = router.oneshot(request).await?;
    drop(serving);
    let answer = answer.map(|body| AnswerBody::new(body, exchange));
    permit.evict_over_byte_limits();
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
