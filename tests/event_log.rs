//! What everybody has seen of one session's order, kept once for all.
//!
//! Two hundred members see the same frames: each is decoded when the first of them shows it, and must then be the same for everybody.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::socket::{decode, seq};
use crate::{DEADLINE, Format};

/// The one order, as all its readers together have seen it.
#[derive(Debug)]
pub struct Ledger {
    seen: Mutex<Seen>,
    head: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Which seq a message of the wire is; one for each format.
    messages: HashMap<Vec<u8>, u64>,
    frames: BTreeMap<u64, Arc<Value>>,
}

impl Ledger {
    /// Nobody has seen anything.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            seen: Mutex::default(),
            head: watch::Sender::new(0),
        })
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("no reader panics while it writes")
    }

    /// A frame, as somebody gets it.
    ///
    /// # Panics
    /// When it is ordered and another one was seen in its place.
    pub fn read(&self, format: Format, message: &[u8]) -> Arc<Value> {
        if let Some(frame) = self.known(message) {
            return frame;
        }
        let frame = Arc::new(decode(format, message));
        let place = seq(&frame);
        if place > 0 {
            let mut seen = self.seen();
            let first = seen
                .frames
                .entry(place)
                .or_insert_with(|| frame.clone())
                .clone();
            seen.messages.insert(message.to_vec(), place);
            drop(seen);
            assert_eq!(first, frame, "two frames of seq {place}");
            self.head
                .send_if_modified(|head| std::mem::replace(head, place.max(*head)) < place);
        }
        frame
    }

    fn known(&self, message: &[u8]) -> Option<Arc<Value>> {
        let seen = self.seen();
        seen.messages
            .get(message)
            .map(|place| seen.frames[place].clone())
    }

    /// The highest seq that anybody has seen.
    #[must_use]
    pub fn head(&self) -> u64 {
        *self.head.borrow()
    }

    /// Waits until somebody has seen this much.
    ///
    /// # Panics
    /// When nobody has before the deadline.
    pub async fn until(&self, head: u64) {
        let mut heads = self.head.subscribe();
        let reached = timeout(DEADLINE, heads.wait_for(|at| *at >= head)).await;
        reached
            .unwrap_or_else(|_| panic!("the order stands at {}, not at {head}", self.head()))
            .expect("the sender is here");
    }

    /// All frames after `after`, which must be without a gap.
    ///
    /// # Panics
    /// When there is a gap.
    #[must_use]
    pub fn after(&self, after: u64) -> Vec<Arc<Value>> {
        let seen = self.seen();
        let later = seen.frames.range(after + 1..);
        for (place, due) in later.clone().map(|(place, _)| *place).zip(after + 1..) {
            assert_eq!(place, due, "a gap in what all have seen");
        }
        later.map(|(_, frame)| frame.clone()).collect()
    }
}
