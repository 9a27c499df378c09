//! Requests that hyper cannot parse: malformed, or with more headers than a listener accepts.
//!
//! hyper answers such a request itself, with a status and no body, and offers no hook.
//! [`ProblemResponses`] stands between hyper and the socket: in place of such a response it writes
//! the router's own, with the problem document, the request id and the headers that every response
//! has.

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use bytes::{Buf, Bytes};
use faceshare_biz::{Error, ErrorCode};
use futures_util::FutureExt;
use http::{Method, StatusCode};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower::ServiceExt;

/// Bytes of the longest response that hyper writes itself, with a margin of two.
const BARE_MAX: usize = 256;
/// Bytes of the problem document at most.
const DOCUMENT_MAX: usize = 64 * 1024;

/// Up to this many bytes, head and body are copied and written in one piece: the copy costs less
/// than a vectored write.
const COPY_MAX: usize = 2_048;

/// Request extension that says which status hyper gave to what it could not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnreadableRequest(StatusCode);

impl UnreadableRequest {
    /// The error that the client gets.
    pub(crate) fn error(self) -> Error {
        match self.0 {
            StatusCode::BAD_REQUEST => Error::new(
                ErrorCode::InvalidArgument,
                "this cannot be read as an HTTP request",
            ),
            _ => Error::new(
                ErrorCode::HeadersTooLarge,
                "the path is too long, or there are too many or too large headers",
            ),
        }
    }
}

/// A connection that replaces hyper's own error responses by problem documents.
#[derive(Debug)]
pub struct ProblemResponses<S> {
    stream: S,
    router: Router,
    peer: SocketAddr,
    /// The part of a problem response that is not written yet.
    unwritten: Bytes,
    /// Whether the next write may begin a response. `false` for good once the socket took a part of
    /// a write only: a later write may then be the rest of any other data.
    at_beginning: bool,
}

impl<S> ProblemResponses<S> {
    /// A connection from `peer`; `router` writes the problem documents.
    pub const fn new(stream: S, router: Router, peer: SocketAddr) -> Self {
        Self {
            stream,
            router,
            peer,
            unwritten: Bytes::new(),
            at_beginning: true,
        }
    }

    /// The wrapped connection, once hyper no longer uses it.
    pub fn into_inner(self) -> S {
        self.stream
    }

    /// Records a write of hyper's that began with these bytes. After a switch of protocols no write
    /// begins a response.
    fn note_written(&mut self, beginning: &[u8], whole: bool) {
        self.at_beginning &= whole && !beginning.starts_with(b"HTTP/1.1 101");
    }

    /// Replaces a response of hyper's own: `true` when `written` was one, and the problem response
    /// is to be written instead.
    fn replace(&mut self, written: &[u8]) -> bool {
        if !self.at_beginning {
            return false;
        }
        let Some(bare) = BareResponse::of(written) else {
            return false;
        };
        let Some((response, body)) =
            answer(&self.router, self.peer, UnreadableRequest(bare.status))
        else {
            return false;
        };
        self.unwritten = bare.with_problem(&response, &body);
        true
    }
}

impl<S: AsyncWrite + Unpin> ProblemResponses<S> {
    fn poll_unwritten(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unwritten.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.unwritten))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unwritten.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

/// The router's problem response; `None` when the router answers something else. The router must
/// answer without waiting.
fn answer(
    router: &Router,
    peer: SocketAddr,
    what: UnreadableRequest,
) -> Option<(Response<()>, Bytes)> {
    let mut request = Request::new(Body::empty());
    // The real method is not known.
    *request.method_mut() = Method::from_bytes(b"UNREADABLE").ok()?;
    request.extensions_mut().insert(what);
    request.extensions_mut().insert(ConnectInfo(peer));
    let Ok(response) = router.clone().oneshot(request).now_or_never()?;
    let wanted = if what.0 == StatusCode::BAD_REQUEST {
        what.0
    } else {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    };
    if response.status() != wanted {
        return None;
    }
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, DOCUMENT_MAX)
        .now_or_never()?
        .ok()?;
    Some((Response::from_parts(parts, ()), body))
}

/// Copies all slices into `room`, which must be large enough.
fn concat<'b>(slices: &[IoSlice<'_>], room: &'b mut [u8]) -> &'b [u8] {
    let mut end = 0;
    for slice in slices {
        room[end..end + slice.len()].copy_from_slice(slice);
        end += slice.len();
    }
    &room[..end]
}

/// A response of hyper's own, which has no body.
struct BareResponse<'a> {
    status: StatusCode,
    /// `HTTP/1.1` or `HTTP/1.0`.
    version: &'a str,
    /// Its headers, each on its line.
    fields: &'a str,
}

impl<'a> BareResponse<'a> {
    /// Recognizes a response of hyper's own. Responses of ours are longer or name their request;
    /// frames and served bodies begin differently.
    fn of(written: &'a [u8]) -> Option<Self> {
        if !written.starts_with(b"HTTP/1.") || written.len() > BARE_MAX {
            return None;
        }
        let (line, fields) = std::str::from_utf8(written)
            .ok()?
            .strip_suffix("\r\n\r\n")?
            .split_once("\r\n")?;
        let mut words = line.split(' ');
        let (version, status) = (words.next()?, words.next()?.parse::<u16>().ok()?);
        let known = matches!(status, 400 | 414 | 431) && !fields.contains("x-request-id");
        known.then_some(Self {
            status: StatusCode::from_u16(status).ok()?,
            version,
            fields,
        })
    }

    /// The same, with what `response` has.
    fn with_problem(&self, response: &Response<()>, body: &[u8]) -> Bytes {
        let mut text = format!("{} {}\r\n", self.version, response.status()).into_bytes();
        let mut line =
            |name: &[u8], value: &[u8]| text.extend([name, b": ", value, b"\r\n"].concat());
        let is_ours = |name: &str| matches!(name, "content-length" | "connection");
        // Of hyper's own, what the response does not say.
        let said = |name: &str| is_ours(name) || response.headers().contains_key(name);
        for (name, value) in self
            .fields
            .split("\r\n")
            .filter_map(|line| line.split_once(": "))
            .filter(|(name, _)| !said(name))
        {
            line(name.as_bytes(), value.as_bytes());
        }
        for (name, value) in response
            .headers()
            .iter()
            .filter(|(name, _)| !is_ours(name.as_str()))
        {
            line(name.as_str().as_bytes(), value.as_bytes());
        }
        line(b"connection", b"close");
        line(b"content-length", body.len().to_string().as_bytes());
        text.extend([b"\r\n", body].concat());
        text.into()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ProblemResponses<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ProblemResponses<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_unwritten(cx))?;
        if this.replace(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, bytes))?;
        this.note_written(bytes, written == bytes.len());
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_unwritten(cx))?;
        if let [bytes] = slices
            && this.replace(bytes)
        {
            return Poll::Ready(Ok(bytes.len()));
        }
        let total = slices.iter().map(|slice| slice.len()).sum::<usize>();
        let written = if slices.len() > 1 && total <= COPY_MAX {
            ready!(Pin::new(&mut this.stream).poll_write(cx, concat(slices, &mut [0; COPY_MAX])))?
        } else {
            ready!(Pin::new(&mut this.stream).poll_write_vectored(cx, slices))?
        };
        let whole = written == total;
        this.note_written(slices.first().map_or(&[], |slice| slice), whole);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_unwritten(cx))?;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_unwritten(cx))?;
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::{BareResponse, ProblemResponses};
    use axum::Router;
    use http::StatusCode;
    use std::io::IoSlice;
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const BARE: &str =
        "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\ndate: today\r\n\r\n";

    /// The bytes that reach a peer when hyper writes `written`; the peer reads 16 bytes at a time.
    async fn reaches(router: Router, written: &str) -> String {
        let (mut near, far) = tokio::io::duplex(16);
        let mut connection =
            ProblemResponses::new(far, router, SocketAddr::from(([127, 0, 0, 1], 1)));
        let write = async {
            connection
                .write_all(written.as_bytes())
                .await
                .expect("written");
            connection.shutdown().await.expect("shut down");
        };
        let mut read = String::new();
        let ((), bytes) = tokio::join!(write, near.read_to_string(&mut read));
        bytes.expect("read");
        read
    }

    #[tokio::test]
    async fn the_rest_of_a_partial_write_is_not_taken_for_a_response() {
        let router = Router::new().fallback(async || (StatusCode::BAD_REQUEST, "why"));
        // The peer takes sixteen bytes at a time: what is left begins like an answer.
        let written = format!("{}{BARE}", "x".repeat(16));
        assert_eq!(reaches(router, &written).await, written);
    }

    #[tokio::test]
    async fn after_a_switch_of_protocols_nothing_is_taken_for_a_response() {
        let (mut near, far) = tokio::io::duplex(1_024);
        let router = Router::new().fallback(async || (StatusCode::BAD_REQUEST, "why"));
        let mut connection =
            ProblemResponses::new(far, router, SocketAddr::from(([127, 0, 0, 1], 1)));
        for part in ["HTTP/1.1 101 Switching Protocols\r\n\r\n", BARE] {
            connection
                .write_all(part.as_bytes())
                .await
                .expect("written");
        }
        drop(connection);
        let mut read = String::new();
        near.read_to_string(&mut read).await.expect("read");
        assert!(read.ends_with(BARE), "{read}");
    }

    #[tokio::test]
    async fn the_routers_response_replaces_hypers_as_a_whole() {
        let router = Router::new()
            .fallback(async || (StatusCode::BAD_REQUEST, [("x-request-id", "7")], "why"));
        let read = reaches(router, BARE).await;
        let (head, body) = read.split_once("\r\n\r\n").expect("a head");
        let mut lines: Vec<_> = head.split("\r\n").collect();
        lines[1..].sort_unstable();
        let fields = [
            "connection: close",
            "content-length: 3",
            "content-type: text/plain; charset=utf-8",
            "date: today",
            "x-request-id: 7",
        ];
        assert_eq!(
            (lines[0], &lines[1..], body),
            ("HTTP/1.1 400 Bad Request", &fields[..], "why")
        );
    }

    #[tokio::test]
    async fn the_routers_date_replaces_hypers() {
        let router = Router::new().fallback(async || (StatusCode::BAD_REQUEST, [("date", "now")]));
        let read = reaches(router, BARE).await;
        assert!(
            read.contains("date: now\r\n") && !read.contains("date: today"),
            "{read}"
        );
    }

    #[tokio::test]
    async fn all_other_bytes_are_written_unchanged() {
        let refuses = || Router::new().fallback(async || StatusCode::BAD_REQUEST);
        for written in [
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            "\u{81}\u{2}ok",
            "HTTP/1.1 400 Bad Request\r\nx-request-id: 7\r\n\r\n",
        ] {
            assert_eq!(reaches(refuses(), written).await, written);
        }
        let other_router = Router::new().fallback(async || StatusCode::NO_CONTENT);
        assert_eq!(
            reaches(other_router, BARE).await,
            BARE,
            "a router without a problem response leaves hyper's in place"
        );
    }

    #[tokio::test]
    async fn parts_arrive_in_order_whether_they_are_copied_or_not() {
        for (head, body) in [
            (100, 100),
            (1_000, 1_048),
            (1_000, 1_049),
            (1_000, 50_000),
            (0, 7),
        ] {
            let (mut near, far) = tokio::io::duplex(1_024);
            let sent: Vec<u8> = (0..head + body).map(|at| (at % 251) as u8).collect();
            let written = sent.clone();
            let mut connection =
                ProblemResponses::new(far, Router::new(), SocketAddr::from(([127, 0, 0, 1], 1)));
            let writing = tokio::spawn(async move {
                let (head, body) = written.split_at(head);
                let mut slices = &mut [IoSlice::new(head), IoSlice::new(body)][..];
                while !slices.is_empty() {
                    let written = connection.write_vectored(slices).await.expect("written");
                    IoSlice::advance_slices(&mut slices, written);
                }
            });
            let mut read = Vec::new();
            near.read_to_end(&mut read).await.expect("read");
            writing.await.expect("joined");
            assert_eq!(read, sent);
        }
    }

    #[test]
    fn a_response_of_hypers_own_is_distinguished_from_all_other_bytes() {
        let date = "date: Sat, 21 Nov 2026 12:00:00 GMT";
        for (status, reason) in [
            (400, "Bad Request"),
            (414, "URI Too Long"),
            (431, "Request Header Fields Too Large"),
        ] {
            let bare = format!(
                "HTTP/1.1 {status} {reason}\r\nconnection: close\r\ncontent-length: 0\r\n{date}\r\n\r\n"
            );
            let found = BareResponse::of(bare.as_bytes()).expect("bare");
            assert_eq!(
                (found.status, found.version),
                (StatusCode::from_u16(status).expect("a status"), "HTTP/1.1")
            );
            let ours = bare.replace(date, "x-request-id: 7");
            assert!(BareResponse::of(ours.as_bytes()).is_none());
            assert!(
                BareResponse::of(&bare.as_bytes()[..bare.len() - 1]).is_none(),
                "a part of one"
            );
            assert!(
                BareResponse::of(format!("{bare}x").as_bytes()).is_none(),
                "more than one"
            );
        }
        for other in [
            "",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            "{\"status\":400}\r\n\r\n",
        ] {
            assert!(BareResponse::of(other.as_bytes()).is_none(), "{other}");
        }
    }
}
