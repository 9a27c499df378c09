//! Writing past a connection's task to its socket.

use super::socket::{DirectWrite, PeerGone};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, send, sendmsg};
use std::io::IoSlice;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use yoke::{Yoke, Yokeable};

/// A peer that is gone is an error, not a signal. Where a send cannot ask for that, the signal is ignored, as Rust's start-up has it.
#[cfg(not(target_vendor = "apple"))]
const FLAGS: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
const FLAGS: SendFlags = SendFlags::empty();

/// The descriptor of a socket, where there is one.
#[derive(Debug, Yokeable)]
struct Socket<'a>(Option<BorrowedFd<'a>>);

/// A way to write at once, with the descriptor of its socket: who keeps it writes without a look at what the transport has of the connection,
/// which would be one more place in memory to wait for. The descriptor is borrowed from the transport, which lives as long as this.
#[derive(Debug)]
pub(super) struct Direct(Yoke<Socket<'static>, Arc<dyn DirectWrite>>);

impl From<Arc<dyn DirectWrite>> for Direct {
    fn from(direct: Arc<dyn DirectWrite>) -> Self {
        Self(Yoke::attach_to_cart(direct, |direct| {
            Socket(direct.socket())
        }))
    }
}

impl Direct {
    /// As [`DirectWrite::write_now`].
    pub(super) fn write_now(&self, frames: &[IoSlice<'_>]) -> Result<usize, PeerGone> {
        let Socket(Some(socket)) = self.0.get() else {
            return self.0.backing_cart().write_now(frames);
        };
        let sent = match frames {
            [frame] => send(socket, frame, FLAGS),
            frames => sendmsg(socket, frames, &mut SendAncillaryBuffer::default(), FLAGS),
        };
        match sent {
            Ok(sent) => Ok(sent),
            // Asked again through the transport, which only then knows that it has to wait.
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

    /// A transport that takes nothing itself; what it was asked for.
    #[derive(Debug)]
    struct Wire(UnixStream, Mutex<Vec<usize>>);

    impl DirectWrite for Wire {
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

    fn wire() -> (Direct, Arc<Wire>, UnixStream) {
        let (near, far) = UnixStream::pair().expect("a pair");
        near.set_nonblocking(true).expect("set");
        let wire = Arc::new(Wire(near, Mutex::default()));
        (
            Direct::from(wire.clone() as Arc<dyn DirectWrite>),
            wire,
            far,
        )
    }

    fn asked(wire: &Wire) -> usize {
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
    fn the_transport_hears_of_a_socket_that_takes_no_more_and_of_one_that_is_gone_it_does_not() {
        let (direct, wire, far) = wire();
        let frame = [7; 1 << 16];
        while direct.write_now(&[IoSlice::new(&frame)]) != Ok(0) {}
        assert_eq!(*wire.1.lock().expect("not poisoned"), [frame.len()]);
        drop(far);
        assert_eq!(direct.write_now(&[IoSlice::new(&frame)]), Err(PeerGone));
        assert_eq!(asked(&wire), 1);
    }

    #[test]
    fn the_socket_is_open_for_as_long_as_the_direct_way_to_it_is_kept() {
        let (direct, wire, mut far) = wire();
        drop(wire);
        assert_eq!(direct.write_now(&[IoSlice::new(b"still")]), Ok(5));
        drop(direct);
        let mut read = String::new();
        far.read_to_string(&mut read).expect("its end");
        assert_eq!(read, "still");
    }
}
