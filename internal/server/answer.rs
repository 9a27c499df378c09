//! An answer's body as hyper takes it: in pieces that are counted until they are written.
//!
//! hyper and h2 keep what they cannot send yet. Each piece that they are given carries its exchange with it, so that what they keep is
//! counted as long as they keep it, and what they let go of is progress.

use crate::usage::Exchange;
use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Bytes of a piece at most. A client that takes less than one within the time for unread answers is given up.
const PIECE: usize = 16 * 1024;
/// A longer answer is counted as this: it is made while it is sent, and hyper keeps less of it. One of unknown length is a stream, of which
/// only what was said last is kept, and is not counted.
const COUNTED_MOST: usize = 256 * 1024;

/// The body of an answer, whose bytes its connection holds until the client has taken them.
pub(crate) struct AnswerBody {
    inner: Body,
    /// Of what `inner` gave, what is not handed out yet.
    rest: Bytes,
    exchange: Arc<Exchange>,
    /// `inner` is not known to wait for the server: the client is to take something.
    owed: bool,
}

impl AnswerBody {
    pub(crate) fn new(inner: Body, exchange: Exchange) -> Self {
        let hint = inner.size_hint();
        let bytes = hint
            .upper()
            .and_then(|most| usize::try_from(most).ok())
            .map_or(0, |most| most.min(COUNTED_MOST));
        exchange.answered(bytes);
        exchange.owe();
        Self {
            inner,
            rest: Bytes::new(),
            exchange: Arc::new(exchange),
            owed: true,
        }
    }

    fn set_owed(&mut self, owed: bool) {
        match (self.owed, owed) {
            (false, true) => self.exchange.owe(),
            (true, false) => self.exchange.paid(),
            _ => {}
        }
        self.owed = owed;
    }

    fn piece(&mut self) -> Frame<Bytes> {
        let bytes = self.rest.split_to(self.rest.len().min(PIECE));
        self.exchange.owe();
        Frame::data(Bytes::from_owner(Piece {
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
            return Poll::Ready(Some(Ok(this.piece())));
        }
        let polled = Pin::new(&mut this.inner).poll_frame(cx);
        this.set_owed(matches!(polled, Poll::Ready(Some(_))));
        match ready!(polled) {
            Some(Ok(frame)) => Poll::Ready(Some(Ok(match frame.into_data() {
                Ok(data) if !data.is_empty() => {
                    this.rest = data;
                    this.piece()
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
        self.set_owed(false);
    }
}

/// Bytes on their way to the client.
struct Piece {
    bytes: Bytes,
    exchange: Arc<Exchange>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.exchange.paid();
    }
}

#[cfg(test)]
mod tests {
    use super::{AnswerBody, PIECE};
    use crate::table::{Connection as _, Sums};
    use crate::usage::{EXCHANGE_BYTES, Exchange, Patience, Usage, Verdict};
    use axum::body::{Body, Bytes};
    use hyper::body::Body as _;
    use proptest::prelude::*;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;
    use tokio::time::Instant;

    const PATIENCE: Patience = Patience {
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
        fn a_body_arrives_whole_in_pieces_and_its_length_is_known_all_the_way(length in 0_usize..5 * PIECE) {
            let sent: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
            let _inside = runtime.enter();
            let usage = usage();
            let mut body = AnswerBody::new(Body::from(sent.clone()), Exchange::begin(&usage));
            let mut read = Vec::new();
            while let Poll::Ready(Some(piece)) = poll(&mut body) {
                prop_assert!(piece.len() <= PIECE);
                read.extend_from_slice(&piece);
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
    async fn what_is_kept_of_an_answer_counts_after_its_body_is_gone_and_stalls_the_connection() {
        let usage = usage();
        let mut body = AnswerBody::new(Body::from(vec![7; 1_000]), Exchange::begin(&usage));
        let Poll::Ready(Some(kept)) = poll(&mut body) else {
            panic!("there is a piece")
        };
        drop(body);
        let part = kept.slice(900..);
        drop(kept);
        assert_eq!(usage.held_bytes(), 1_000 + EXCHANGE_BYTES);
        tokio::time::advance(PATIENCE.stalled).await;
        assert_eq!(usage.verdict(PATIENCE), Verdict::Stalled);
        drop(part);
        assert_eq!(usage.held_bytes(), 0);
        assert!(matches!(usage.verdict(PATIENCE), Verdict::Wait(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_waits_for_the_server_stalls_nothing_and_one_that_is_not_asked_for_does() {
        let usage = usage();
        let unending = Body::new(silent());
        let mut body = AnswerBody::new(unending, Exchange::begin(&usage));
        assert!(poll(&mut body).is_pending());
        tokio::time::advance(Duration::from_secs(3_600)).await;
        assert!(
            matches!(usage.verdict(PATIENCE), Verdict::Wait(_)),
            "the server has nothing to say"
        );
        let _unasked = AnswerBody::new(Body::from("more"), Exchange::begin(&usage));
        tokio::time::advance(PATIENCE.stalled).await;
        assert_eq!(usage.verdict(PATIENCE), Verdict::Stalled);
    }

    /// A body that never gives anything.
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
