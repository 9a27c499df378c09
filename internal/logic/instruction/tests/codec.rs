//! A codec whose messages are places in a table, so that what goes over a socket can be looked at
//! as what it is.

use bytes::Bytes;
use faceshare_biz::domain::instruction::{Decoded, FrameCodec, ServerFrame, WireFormat};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

type Bomb = fn(&ServerFrame) -> bool;

#[derive(Debug, Default)]
pub(super) struct TableCodec {
    server: Mutex<Vec<ServerFrame>>,
    client: Mutex<Vec<Decoded>>,
    /// Panics once, at the first frame that this says yes to.
    bomb: Mutex<Option<Bomb>>,
    padding: AtomicUsize,
}

impl TableCodec {
    /// What a message from the server says.
    pub(super) fn frame(&self, message: &[u8]) -> ServerFrame {
        self.server.lock().expect("not poisoned")[place(message)].clone()
    }

    /// A message that will be read as this.
    pub(super) fn message(&self, decoded: Decoded) -> Bytes {
        let mut table = self.client.lock().expect("not poisoned");
        table.push(decoded);
        written(table.len() - 1, 0)
    }

    pub(super) fn panic_once_at(&self, bomb: Bomb) {
        *self.bomb.lock().expect("not poisoned") = Some(bomb);
    }

    /// All messages are so much longer from now on.
    pub(super) fn pad(&self, bytes: usize) {
        self.padding.store(bytes, Ordering::SeqCst);
    }

    fn goes_off(&self, frame: &ServerFrame) -> bool {
        self.bomb
            .lock()
            .expect("not poisoned")
            .take_if(|bomb| bomb(frame))
            .is_some()
    }
}

fn written(place: usize, padding: usize) -> Bytes {
    let mut bytes = u32::try_from(place)
        .expect("a short table")
        .to_be_bytes()
        .to_vec();
    bytes.resize(4 + padding, 0);
    bytes.into()
}

fn place(message: &[u8]) -> usize {
    let place: [u8; 4] = message
        .get(..4)
        .and_then(|b| b.try_into().ok())
        .expect("a message of this codec");
    u32::from_be_bytes(place) as usize
}

impl FrameCodec for TableCodec {
    fn encode(&self, _format: WireFormat, frame: &ServerFrame) -> Bytes {
        assert!(!self.goes_off(frame), "told to panic");
        let mut table = self.server.lock().expect("not poisoned");
        table.push(frame.clone());
        written(table.len() - 1, self.padding.load(Ordering::SeqCst))
    }

    /// Panics at an empty message, which is never decoded.
    fn decode(&self, _format: WireFormat, message: &[u8]) -> Decoded {
        self.client.lock().expect("not poisoned")[place(message)].clone()
    }
}
