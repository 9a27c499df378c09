//! Handles request bodies that were not read to their end.
//!
//! Over HTTP/1.1 the next request begins where the body ends. So the rest of an unread body is read
//! and discarded before the response, within bounds; where the bounds do not suffice, the response
//! says `Connection: close`. hyper would close such a connection too, but without the header, and
//! the client's next request on it would fail. HTTP/2 does not need this: there a body ends with
//! its stream.

use super::ResponseFuture;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::response::Response;
use futures_util::future::Either;
use http::header::{CONNECTION, EXPECT};
use http::{HeaderMap, HeaderValue, StatusCode, Version};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::timeout;
use tower::{Layer, Service};

/// After a response that closes the connection, the body is read for this much longer while it
/// keeps coming: the kernel answers data on a closed socket with a reset, and a client that is
/// still sending would lose the response with it.
const LINGER: Duration = Duration::from_secs(2);

/// The layer that discards unread bodies, and its bounds.
#[derive(Debug, Clone, Copy)]
pub struct DiscardUnread {
    /// `limits.discard_bytes`.
    pub bytes: usize,
    /// `limits.discard_timeout`: a response waits this long at most for the rest of a body.
    pub timeout: Duration,
}

impl DiscardUnread {
    /// Reads the rest of the body, or as much as the bounds allow within `time`. Frames may come at
    /// most `self.timeout` apart.
    async fn discard(self, body: &mut Body, time: Duration) -> DiscardOutcome {
        let mut left = self.bytes;
        let read = async {
            loop {
                let Ok(frame) = timeout(self.timeout, body.frame()).await else {
                    return DiscardOutcome::More;
                };
                let Some(frame) = frame else {
                    return DiscardOutcome::Read;
                };
                let Ok(frame) = frame else {
                    return DiscardOutcome::Broken;
                };
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                let Some(rest) = left.checked_sub(bytes) else {
                    return DiscardOutcome::More;
                };
                left = rest;
            }
        };
        timeout(time, read).await.unwrap_or(DiscardOutcome::More)
    }

    /// Discards the rest of the body so that the connection can be used again, or marks the
    /// response to close it.
    async fn finish(
        self,
        mut response: Response,
        unread: Unread,
        expects_continue: bool,
    ) -> Response {
        let Unread { mut body, is_begun } = unread;
        // Reading the body now would make hyper write `100 Continue` before the response.
        let is_held_back = expects_continue && !is_begun;
        let too_long = body.size_hint().lower() > self.bytes as u64;
        let is_late = response.status() == StatusCode::REQUEST_TIMEOUT;
        if !is_held_back
            && !too_long
            && !is_late
            && self.discard(&mut body, self.timeout).await == DiscardOutcome::Read
        {
            return response;
        }
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
        if !is_held_back {
            // The task ends after `LINGER` at most, or with the connection.
            tokio::spawn(async move { self.discard(&mut body, LINGER).await });
        }
        response
    }
}

/// What became of the rest of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DiscardOutcome {
    /// It was read to its end.
    Read,
    /// There is more than the bounds allow, or it comes too late.
    More,
    /// It cannot be read: malformed, or the client is gone.
    Broken,
}

/// A body that its reader dropped before its end.
struct Unread {
    body: Body,
    /// Whether the reader has polled it.
    is_begun: bool,
}

/// Where a body is put when its reader drops it.
type UnreadSlot = Arc<Mutex<Option<Unread>>>;

/// A request's body as handlers get it. When a handler drops it before its end, it is put into the
/// slot.
struct TrackedBody {
    body: Option<Body>,
    is_begun: bool,
    slot: UnreadSlot,
}

impl HttpBody for TrackedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.is_begun = true;
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for TrackedBody {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(Unread {
                body,
                is_begun: self.is_begun,
            });
        }
    }
}

fn expects_continue(headers: &HeaderMap) -> bool {
    headers
        .get_all(EXPECT)
        .iter()
        .any(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

impl<S> Layer<S> for DiscardUnread {
    type Service = Discarding<S>;

    fn layer(&self, inner: S) -> Discarding<S> {
        Discarding {
            limits: *self,
            inner,
        }
    }
}

/// A service whose connections are ready for the next request after each response.
#[derive(Debug, Clone)]
pub struct Discarding<S> {
    limits: DiscardUnread,
    inner: S,
}

impl<S> Service<Request> for Discarding<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<S::Future, ResponseFuture>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        if request.version() > Version::HTTP_11 || request.body().is_end_stream() {
            return Either::Left(self.inner.call(request));
        }
        let expects_continue = expects_continue(request.headers());
        let unread = UnreadSlot::default();
        let slot = unread.clone();
        let answer = self.inner.call(request.map(|body| {
            Body::new(TrackedBody {
                body: Some(body),
                is_begun: false,
                slot,
            })
        }));
        let limits = self.limits;
        Either::Right(Box::pin(async move {
            // Everything that held the body is dropped once the response is there.
            let Ok(response) = answer.await;
            let unread = unread.lock().unwrap_or_else(PoisonError::into_inner).take();
            Ok(match unread {
                Some(unread) if response.status() != StatusCode::SWITCHING_PROTOCOLS => {
                    limits.finish(response, unread, expects_continue).await
                }
                _ => response,
            })
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::DiscardUnread;
    use axum::Router;
    use axum::body::Body;
    use axum::extract::Request;
    use axum::routing::post;
    use http::StatusCode;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio::time::{Instant, sleep};
    use tower::ServiceExt;

    const BOUND: usize = 1_000;
    const WAIT: Duration = Duration::from_secs(1);

    /// A connection to a server that reads no body except for `/read`.
    fn connect() -> DuplexStream {
        let app = Router::new()
            .route("/read", post(async |body: String| body))
            .route("/late", post(async || StatusCode::REQUEST_TIMEOUT))
            .fallback(async || StatusCode::NOT_FOUND)
            .layer(DiscardUnread {
                bytes: BOUND,
                timeout: WAIT,
            });
        let (near, far) = tokio::io::duplex(64 * 1_024);
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                app.clone().oneshot(request.map(Body::new))
            });
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(far), service)
                .await;
        });
        near
    }

    /// One response: its status, whether it closes the connection, its body.
    async fn answer(connection: &mut DuplexStream) -> (u16, bool, String) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(connection.read_u8().await.expect("an answer"));
        }
        let head = String::from_utf8(head).expect("text").to_ascii_lowercase();
        let field = |name: &str| {
            head.split("\r\n")
                .find_map(|line| line.strip_prefix(name))
                .map(str::to_owned)
        };
        let mut body = vec![
            0;
            field("content-length: ")
                .map_or(0, |length| length.parse().expect("a number"))
        ];
        connection.read_exact(&mut body).await.expect("a body");
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .expect("a status");
        (
            status,
            field("connection: ").as_deref() == Some("close"),
            String::from_utf8(body).expect("text"),
        )
    }

    async fn send(connection: &mut DuplexStream, text: &str) {
        connection.write_all(text.as_bytes()).await.expect("sent");
    }

    fn head(path: &str, more: &str) -> String {
        format!("POST {path} HTTP/1.1\r\nhost: x\r\n{more}\r\n")
    }

    async fn assert_next_is_served(connection: &mut DuplexStream) {
        send(
            connection,
            &format!("{}next", head("/read", "content-length: 4\r\n")),
        )
        .await;
        assert_eq!(answer(connection).await, (200, false, "next".to_owned()));
    }

    async fn assert_closed(mut connection: DuplexStream) {
        assert_eq!(
            connection
                .read_to_end(&mut Vec::new())
                .await
                .expect("an end"),
            0
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_arrives_in_time_keeps_the_connection_open() {
        let mut connection = connect();
        for (more, body) in [
            ("content-length: 24\r\n", "x".repeat(24)),
            (
                "transfer-encoding: chunked\r\n",
                "3\r\nabc\r\n0\r\n\r\n".to_owned(),
            ),
        ] {
            send(&mut connection, &head("/nowhere", more)).await;
            sleep(WAIT / 2).await;
            send(&mut connection, &body).await;
            assert_eq!(answer(&mut connection).await, (404, false, String::new()));
            assert_next_is_served(&mut connection).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_arrives_closes_the_connection_with_a_header_that_says_so() {
        let (mut connection, began) = (connect(), Instant::now());
        send(&mut connection, &head("/nowhere", "content-length: 24\r\n")).await;
        assert_eq!(answer(&mut connection).await, (404, true, String::new()));
        assert_eq!(began.elapsed().as_secs(), WAIT.as_secs());
        assert_closed(connection).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_is_too_long_is_not_waited_for() {
        let (mut connection, began) = (connect(), Instant::now());
        send(
            &mut connection,
            &head("/nowhere", &format!("content-length: {}\r\n", BOUND + 1)),
        )
        .await;
        assert_eq!(answer(&mut connection).await, (404, true, String::new()));
        assert!(began.elapsed() < WAIT);
    }

    #[tokio::test(start_paused = true)]
    async fn an_endless_body_is_read_up_to_the_bound() {
        let mut connection = connect();
        send(
            &mut connection,
            &head("/nowhere", "transfer-encoding: chunked\r\n"),
        )
        .await;
        send(&mut connection, "64\r\n").await;
        let (mut read, mut write) = tokio::io::split(connection);
        let mut sent = 0;
        while sent < 100 * BOUND
            && write
                .write_all(format!("{}\r\n64\r\n", "x".repeat(100)).as_bytes())
                .await
                .is_ok()
        {
            sent += 100;
        }
        let mut text = String::new();
        read.read_to_string(&mut text).await.expect("an end");
        assert!(
            text.starts_with("HTTP/1.1 404 ") && text.contains("connection: close"),
            "{text}"
        );
        assert!(sent < 100 * BOUND, "the rest is not taken");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_is_held_back_is_not_asked_for() {
        let mut connection = connect();
        send(
            &mut connection,
            &head("/nowhere", "content-length: 24\r\nexpect: 100-continue\r\n"),
        )
        .await;
        assert_eq!(answer(&mut connection).await, (404, true, String::new()));
        assert_closed(connection).await;
        let mut connection = connect();
        send(
            &mut connection,
            &head("/read", "content-length: 4\r\nexpect: 100-continue\r\n"),
        )
        .await;
        assert_eq!(answer(&mut connection).await.0, 100);
        send(&mut connection, "body").await;
        assert_eq!(
            answer(&mut connection).await,
            (200, false, "body".to_owned())
        );
        assert_next_is_served(&mut connection).await;
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_request_timeout_the_body_is_not_waited_for() {
        let (mut connection, began) = (connect(), Instant::now());
        send(&mut connection, &head("/late", "content-length: 24\r\n")).await;
        assert_eq!(answer(&mut connection).await, (408, true, String::new()));
        assert!(began.elapsed() < WAIT);
    }

    #[tokio::test(start_paused = true)]
    async fn after_an_answer_that_closes_a_client_that_sends_on_reads_it() {
        let mut connection = connect();
        send(
            &mut connection,
            &head("/nowhere", &format!("content-length: {}\r\n", BOUND + 1)),
        )
        .await;
        sleep(WAIT).await;
        send(&mut connection, &"x".repeat(BOUND)).await;
        assert_eq!(answer(&mut connection).await, (404, true, String::new()));
    }
}
