//! Writes to a connection's socket without its task.

use super::socket::{DirectWrite, PeerGone};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, send, sendmsg};
use std::io::IoSlice;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use yoke::{Yoke, Yokeable};

/// A send to a closed peer returns an error instead of raising SIGPIPE. Where the flag is missing,
/// Rust's start-up code ignores the signal.
#[cfg(not(target_vendor = "apple"))]
const FLAGS: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
const FLAGS: SendFlags = SendFlags::empty();

/// The descriptor of a socket; `None` if the transport has none.
#[derive(Debug, Yokeable)]
struct SocketFd<'a>(Option<BorrowedFd<'a>>);

/// A direct writer together with the descriptor of its socket. A write uses the descriptor and does
/// not read the transport's memory, which is often not in the processor's cache. The descriptor is
/// borrowed from the transport, which lives as long as this.
#[derive(Debug)]
pub(super) struct Direct(Yoke<SocketFd<'static>, Arc<dyn DirectWrite>>);

impl From<Arc<dyn DirectWrite>> for Direct {
    fn from(direct: Arc<dyn DirectWrite>) -> Self {
        Self(Yoke::attach_to_cart(direct, |direct| {
            SocketFd(direct.socket())
        }))
    }
}

impl Direct {
    /// Same contract as [`DirectWrite::write_now`].
    pub(super) fn write_now(&self, frames: &[IoSlice<'_>]) -> Result<usize, PeerGone> {
        let SocketFd(Some(socket)) = self.0.get() else {
            return self.0.backing_cart().write_now(frames);
        };
        let sent = match frames {
            [frame] => send(socket, frame, FLAGS),
            frames => sendmsg(socket, frames, &mut SendAncillaryBuffer::default(), FLAGS),
        };
        match sent {
            Ok(sent) => Ok(sent),
            // Try again through the transport, which then registers the task to be woken.
            Err(Errno::AGAIN) => self.0.backing_cart().write_now(frames),
            Err(Errno::INTR) => Ok(0),
            Err(_) => Err(PeerGone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, BorrowedFd, Direct, DirectWrite, IoSlice, PeerGone};
    use std::io::Read as _;
    use std::os::fd::AsFd as _;
    use std::os::unix::net::UnixStream;
    use std::sync::Mutex;

    /// A transport whose own writes take nothing; records the bytes that each was offered.
    #[derive(Debug)]
    struct RecordingTransport(UnixStream, Mutex<Vec<usize>>);

    impl DirectWrite for RecordingTransport {
        fn write_now(&self, frames: &[IoSlice<'_>]) -> Result<usize, PeerGone> {
            self.1
                .lock()
                .expect("not poisoned")
                .push(frames.iter().map(|frame| frame.len()).sum());
            Ok(0)
        }

        fn socket(&self) -> Option<BorrowedFd<'_>> {
            Some(self.0.as_fd())
        }
    }

    fn wire() -> (Direct, Arc<RecordingTransport>, UnixStream) {
        let (near, far) = UnixStream::pair().expect("a pair");
        near.set_nonblocking(true).expect("set");
        let wire = Arc::new(RecordingTransport(near, Mutex::default()));
        (
            Direct::from(wire.clone() as Arc<dyn DirectWrite>),
            wire,
            far,
        )
    }

    fn asked(wire: &RecordingTransport) -> usize {
        wire.1.lock().expect("not poisoned").len()
    }

    #[test]
    fn frames_reach_the_socket_in_order_without_the_transport() {
        let (direct, wire, mut far) = wire();
        assert_eq!(direct.write_now(&[IoSlice::new(b"one")]), Ok(3));
        assert_eq!(
            direct.write_now(&[IoSlice::new(b"two"), IoSlice::new(b"three")]),
            Ok(8)
        );
        let mut read = [0; 11];
        far.read_exact(&mut read).expect("read");
        assert_eq!((&read, asked(&wire)), (b"onetwothree", 0));
    }

    #[test]
    fn the_transport_is_asked_when_the_socket_is_full_and_not_when_it_is_gone() {
        let (direct, wire, far) = wire();
        let frame = [7; 1 << 16];
        while direct.write_now(&[IoSlice::new(&frame)]) != Ok(0) {}
        assert_eq!(*wire.1.lock().expect("not poisoned"), [frame.len()]);
        drop(far);
        assert_eq!(direct.write_now(&[IoSlice::new(&frame)]), Err(PeerGone));
        assert_eq!(asked(&wire), 1);
    }

    #[test]
    fn the_socket_stays_open_while_the_direct_writer_exists() {
        let (direct, wire, mut far) = wire();
        drop(wire);
        assert_eq!(direct.write_now(&[IoSlice::new(b"still")]), Ok(5));
        drop(direct);
        let mut read = String::new();
        far.read_to_string(&mut read).expect("its end");
        assert_eq!(read, "still");
    }
}
