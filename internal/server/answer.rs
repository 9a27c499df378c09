//! The body of a response, handed to hyper in chunks that are counted until they are written.
//!
//! hyper and h2 keep what they cannot send yet. Each chunk carries its exchange, so that its bytes
//! are counted as long as hyper keeps them. A dropped chunk shows that the client reads.

use crate::usage::Exchange;
use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Bytes of a chunk at most. A client that reads less than one chunk within the time for unread
/// responses is disconnected.
const CHUNK_BYTES: usize = 16 * 1024;
/// A longer response is counted as this many bytes: it is produced while it is sent, and hyper
/// keeps less of it. A response of unknown length is a stream, of which only the last message is
/// kept, and is not counted.
const COUNTED_MAX: usize = 256 * 1024;

/// A response body whose bytes are counted until the client has read them.
pub(crate) struct AnswerBody {
    inner: Body,
    /// The part of the last frame of `inner` that is not handed out yet.
    rest: Bytes,
    exchange: Arc<Exchange>,
    /// Whether the client has data to read, as far as known. `false` while `inner` waits for the
    /// server.
    pending: bool,
}

impl AnswerBody {
    pub(crate) fn new(inner: Body, exchange: Exchange) -> Self {
        let hint = inner.size_hint();
        let bytes = hint
            .upper()
            .and_then(|most| usize::try_from(most).ok())
            .map_or(0, |most| most.min(COUNTED_MAX));
        exchange.answered(bytes);
        exchange.add_pending();
        Self {
            inner,
            rest: Bytes::new(),
            exchange: Arc::new(exchange),
            pending: true,
        }
    }

    fn set_pending(&mut self, pending: bool) {
        match (self.pending, pending) {
            (false, true) => self.exchange.add_pending(),
            (true, false) => self.exchange.remove_pending(),
            _ => {}
        }
        self.pending = pending;
    }

    fn chunk(&mut self) -> Frame<Bytes> {
        let bytes = self.rest.split_to(self.rest.len().min(CHUNK_BYTES));
        self.exchange.add_pending();
        Frame::data(Bytes::from_owner(CountedChunk {
            bytes,
            exchange: self.exchange.clone(),
        }))
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        if !this.rest.is_empty() {
            return Poll::Ready(Some(Ok(this.chunk())));
        }
        let polled = Pin::new(&mut this.inner).poll_frame(cx);
        this.set_pending(matches!(polled, Poll::Ready(Some(_))));
        match ready!(polled) {
            Some(Ok(frame)) => Poll::Ready(Some(Ok(match frame.into_data() {
                Ok(data) if !data.is_empty() => {
                    this.rest = data;
                    this.chunk()
                }
                Ok(empty) => Frame::data(empty),
                Err(other) => other,
            }))),
            other => Poll::Ready(other),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, rest) = (self.inner.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + rest);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.set_pending(false);
    }
}

/// A chunk on its way to the client.
struct CountedChunk {
    bytes: Bytes,
    exchange: Arc<Exchange>,
}

impl AsRef<[u8]> for CountedChunk {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for CountedChunk {
    fn drop(&mut self) {
        self.exchange.remove_pending();
    }
}

#[cfg(test)]
mod tests {
    use super::{AnswerBody, CHUNK_BYTES};
    use crate::table::{Connection as _, Sums};
    use crate::usage::{ConnectionTimeouts, EXCHANGE_BYTES, Exchange, Usage, Verdict};
    use axum::body::{Body, Bytes};
    use hyper::body::Body as _;
    use proptest::prelude::*;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;
    use tokio::time::Instant;

    const TIMEOUTS: ConnectionTimeouts = ConnectionTimeouts {
        idle: Duration::from_secs(30),
        stalled: Duration::from_secs(20),
    };

    fn poll(body: &mut AnswerBody) -> Poll<Option<Bytes>> {
        let polled = Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()));
        polled.map(|frame| frame.map(|frame| frame.expect("no error").into_data().expect("data")))
    }

    fn usage() -> Arc<Usage> {
        Arc::new(Usage::new(Instant::now(), Sums::default()))
    }

    proptest! {
        #[test]
        fn a_body_arrives_whole_in_chunks_and_its_length_is_known_all_the_way(length in 0_usize..5 * CHUNK_BYTES) {
            let sent: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
            let _inside = runtime.enter();
            let usage = usage();
            let mut body = AnswerBody::new(Body::from(sent.clone()), Exchange::begin(&usage));
            let mut read = Vec::new();
            while let Poll::Ready(Some(chunk)) = poll(&mut body) {
                prop_assert!(chunk.len() <= CHUNK_BYTES);
                read.extend_from_slice(&chunk);
                prop_assert_eq!(body.size_hint().exact(), Some((length - read.len()) as u64));
                prop_assert_eq!(usage.held_bytes(), length + EXCHANGE_BYTES);
            }
            prop_assert!(body.is_end_stream());
            prop_assert_eq!(read, sent);
            drop(body);
            prop_assert_eq!(usage.held_bytes(), 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn unsent_bytes_of_a_response_count_after_its_body_is_dropped_and_stall_the_connection() {
        let usage = usage();
        let mut body = AnswerBody::new(Body::from(vec![7; 1_000]), Exchange::begin(&usage));
        let Poll::Ready(Some(kept)) = poll(&mut body) else {
            panic!("there is a piece")
        };
        drop(body);
        let part = kept.slice(900..);
        drop(kept);
        assert_eq!(usage.held_bytes(), 1_000 + EXCHANGE_BYTES);
        tokio::time::advance(TIMEOUTS.stalled).await;
        assert_eq!(usage.verdict(TIMEOUTS), Verdict::Stalled);
        drop(part);
        assert_eq!(usage.held_bytes(), 0);
        assert!(matches!(usage.verdict(TIMEOUTS), Verdict::Wait(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_waits_for_the_server_stalls_nothing_and_one_that_is_not_asked_for_does() {
        let usage = usage();
        let unending = Body::new(silent());
        let mut body = AnswerBody::new(unending, Exchange::begin(&usage));
        assert!(poll(&mut body).is_pending());
        tokio::time::advance(Duration::from_secs(3_600)).await;
        assert!(
            matches!(usage.verdict(TIMEOUTS), Verdict::Wait(_)),
            "the server has nothing to say"
        );
        let _unasked = AnswerBody::new(Body::from("more"), Exchange::begin(&usage));
        tokio::time::advance(TIMEOUTS.stalled).await;
        assert_eq!(usage.verdict(TIMEOUTS), Verdict::Stalled);
    }

    /// A body that never produces a frame.
    fn silent() -> impl hyper::body::Body<Data = Bytes, Error = axum::Error> {
        struct Silent;
        impl hyper::body::Body for Silent {
            type Data = Bytes;
            type Error = axum::Error;

            fn poll_frame(
                self: Pin<&mut Self>,
                _cx: &mut Context<'_>,
            ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, axum::Error>>> {
                Poll::Pending
            }
        }
        Silent
    }
}
