//! The ordered frames of one session, shared by all its clients.
//!
//! Two hundred members receive the same frames. Each frame is decoded once, and must then be the
//! same for every other client.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::socket::{decode, seq};
use crate::{DEADLINE, Format};

/// The ordered frames that at least one client has received.
#[derive(Debug)]
pub struct EventLog {
    received: Mutex<ReceivedFrames>,
    head: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct ReceivedFrames {
    /// The seq of each message as it was on the wire; a frame has one message for each format.
    messages: HashMap<Vec<u8>, u64>,
    frames: BTreeMap<u64, Arc<Value>>,
}

impl EventLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            received: Mutex::default(),
            head: watch::Sender::new(0),
        })
    }

    fn received(&self) -> MutexGuard<'_, ReceivedFrames> {
        self.received
            .lock()
            .expect("no reader panics while it writes")
    }

    /// Decodes a message that a client received, and records it if it is ordered.
    ///
    /// # Panics
    /// When another frame of the same seq was received before.
    pub fn read(&self, format: Format, message: &[u8]) -> Arc<Value> {
        if let Some(frame) = self.decoded(message) {
            return frame;
        }
        let frame = Arc::new(decode(format, message));
        let frame_seq = seq(&frame);
        if frame_seq > 0 {
            let mut received = self.received();
            let first = received
                .frames
                .entry(frame_seq)
                .or_insert_with(|| frame.clone())
                .clone();
            received.messages.insert(message.to_vec(), frame_seq);
            drop(received);
            assert_eq!(first, frame, "two frames of seq {frame_seq}");
            self.head
                .send_if_modified(|head| std::mem::replace(head, frame_seq.max(*head)) < frame_seq);
        }
        frame
    }

    fn decoded(&self, message: &[u8]) -> Option<Arc<Value>> {
        let received = self.received();
        received
            .messages
            .get(message)
            .map(|seq| received.frames[seq].clone())
    }

    /// The highest seq that a client has received.
    #[must_use]
    pub fn head(&self) -> u64 {
        *self.head.borrow()
    }

    /// Waits until a client has received the seq `head`.
    ///
    /// # Panics
    /// When no client receives it before the deadline.
    pub async fn until(&self, head: u64) {
        let mut heads = self.head.subscribe();
        let reached = timeout(DEADLINE, heads.wait_for(|at| *at >= head)).await;
        reached
            .unwrap_or_else(|_| panic!("the last seq is {}, not {head}", self.head()))
            .expect("the sender is here");
    }

    /// All frames after the seq `after`.
    ///
    /// # Panics
    /// When there is a gap.
    #[must_use]
    pub fn after(&self, after: u64) -> Vec<Arc<Value>> {
        let received = self.received();
        let later = received.frames.range(after + 1..);
        for (found, expected) in later.clone().map(|(seq, _)| *seq).zip(after + 1..) {
            assert_eq!(found, expected, "a seq is missing");
        }
        later.map(|(_, frame)| frame.clone()).collect()
    }
}
