//! The body of a request as handlers get it. What the process holds of it counts as bytes of its
//! connection.

use crate::admission::ConnectionPermit;
use crate::usage::RequestBytes;
use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// What a chunk takes besides its bytes: an allocation, its owner, and its entry in the list of the
/// handler that collects the body. A client may send a byte at a time.
const CHUNK_OVERHEAD: usize = 128;

/// A request body whose chunks are counted until the handler drops them.
struct ReceivedBody<B> {
    inner: B,
    permit: Arc<ConnectionPermit>,
    /// What the connection may have received of the body and not handed out; `None` after its end.
    unread: Option<RequestBytes>,
}

/// Counts what the process holds of `body`. The connection keeps at most `unread_max` bytes of it
/// before the handler reads them.
pub(crate) fn counted<B>(body: B, permit: &Arc<ConnectionPermit>, unread_max: usize) -> Body
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    if body.is_end_stream() {
        return Body::new(body);
    }
    let unread = body
        .size_hint()
        .upper()
        .and_then(|most| usize::try_from(most).ok())
        .map_or(unread_max, |most| most.min(unread_max));
    Body::new(ReceivedBody {
        inner: body,
        permit: permit.clone(),
        unread: Some(RequestBytes::hold(permit.usage(), unread)),
    })
}

impl<B> ReceivedBody<B> {
    /// Copies the data: it is a part of the connection's read buffer, all of which would be kept as
    /// long as the chunk.
    fn chunk(&self, data: &[u8]) -> Bytes {
        let held = RequestBytes::hold(self.permit.usage(), data.len() + CHUNK_OVERHEAD);
        Bytes::from_owner(ReceivedChunk {
            data: data.into(),
            _held: held,
        })
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for ReceivedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.inner).poll_frame(cx));
        if frame.is_none() || this.inner.is_end_stream() {
            this.unread = None;
        }
        let frame = frame.map(|frame| frame.map(|frame| frame.map_data(|data| this.chunk(&data))));
        this.permit.evict_over_byte_limits();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A chunk that a handler holds.
struct ReceivedChunk {
    data: Box<[u8]>,
    _held: RequestBytes,
}

impl AsRef<[u8]> for ReceivedChunk {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

#[cfg(test)]
mod tests {
    use super::{CHUNK_OVERHEAD, counted};
    use crate::admission::{Admission, ConnectionLimits, ConnectionPermit};
    use crate::table::Connection as _;
    use crate::usage::Eviction;
    use axum::body::{Body, Bytes};
    use futures_util::FutureExt as _;
    use hyper::body::{Body as HttpBody, Frame, SizeHint};
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::net::{IpAddr, Ipv4Addr};
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};

    /// A body of which these chunks have arrived, and no end.
    struct Arrived(VecDeque<Bytes>);

    impl HttpBody for Arrived {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let chunk = self.get_mut().0.pop_front();
            chunk.map_or(Poll::Pending, |data| {
                Poll::Ready(Some(Ok(Frame::data(data))))
            })
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(5_000)
        }
    }

    fn permit(admission: &Arc<Admission>) -> Arc<ConnectionPermit> {
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Arc::new(admission.admit(peer).expect("there is room"))
    }

    fn chunk(body: &mut Body) -> Option<Bytes> {
        let mut context = Context::from_waker(Waker::noop());
        match Pin::new(body).poll_frame(&mut context) {
            Poll::Ready(Some(Ok(frame))) => frame.into_data().ok(),
            _ => None,
        }
    }

    #[test]
    fn chunks_count_until_they_are_dropped_and_what_may_be_unread_until_the_body_is() {
        let permit = permit(&Admission::new("test", ConnectionLimits::default()));
        let usage = permit.usage().clone();
        let arrived = Bytes::from(vec![7; 1_000]);
        let chunks = VecDeque::from([arrived.slice(..600), arrived.slice(600..)]);
        let mut body = counted(Arrived(chunks), &permit, 4_096);
        assert_eq!(usage.held_bytes(), 4_096, "less than its length");
        let one = chunk(&mut body).expect("a chunk");
        let other = chunk(&mut body).expect("a chunk");
        assert_eq!((one.len(), other.len()), (600, 400));
        assert!(arrived.is_unique(), "the read buffer is not kept");
        let held = 4_096 + 1_000 + 2 * CHUNK_OVERHEAD;
        assert_eq!((usage.held_bytes(), usage.sums().total.get()), (held, held));
        drop(one);
        assert_eq!(usage.held_bytes(), 4_096 + 400 + CHUNK_OVERHEAD);
        drop(body);
        assert_eq!(usage.held_bytes(), 400 + CHUNK_OVERHEAD);
        drop(other);
        assert_eq!((usage.held_bytes(), usage.sums().total.get()), (0, 0));
    }

    #[test]
    fn what_may_be_unread_does_not_count_after_the_end_and_an_empty_body_does_not_count() {
        let permit = permit(&Admission::new("test", ConnectionLimits::default()));
        let usage = permit.usage().clone();
        drop(counted(Body::empty(), &permit, 4_096));
        let _empty = counted(Body::empty(), &permit, 4_096);
        assert_eq!(usage.held_bytes(), 0);
        let mut body = counted(Body::from("all"), &permit, 4_096);
        assert_eq!(usage.held_bytes(), 3);
        let all = chunk(&mut body).expect("a chunk");
        assert_eq!(usage.held_bytes(), 3 + CHUNK_OVERHEAD);
        drop(all);
        assert_eq!(usage.held_bytes(), 0);
    }

    #[test]
    fn while_a_body_arrives_the_heaviest_connection_of_the_listener_is_closed() {
        let limits = ConnectionLimits {
            unread_bytes_total: 3_000,
            ..ConnectionLimits::default()
        };
        let admission = Admission::new("test", limits);
        let (heavy, light) = (permit(&admission), permit(&admission));
        let chunks = |bytes: usize| VecDeque::from([Bytes::from(vec![7; bytes])]);
        let mut held = Vec::new();
        for (permit, bytes) in [(&heavy, 2_000), (&light, 500)] {
            let mut body = counted(Arrived(chunks(bytes)), permit, 0);
            held.push((chunk(&mut body).expect("a chunk"), body));
            assert_eq!(heavy.usage().evicted().now_or_never(), None);
        }
        let mut more = counted(Arrived(chunks(700)), &light, 0);
        held.push((chunk(&mut more).expect("a chunk"), more));
        assert_eq!(
            heavy.usage().evicted().now_or_never(),
            Some(Eviction::Abort)
        );
        assert_eq!(light.usage().evicted().now_or_never(), None);
    }
}
