//! What is asked of a session most often, kept where it can be read without waiting for the actor's turn.
//!
//! Invariant: what is kept is the committed state. The actor keeps something only while nothing of its state is ahead of the log, and takes
//! it away before it applies the next entry; so a reader is never ahead of the log, and never behind what anybody has been told. A session
//! in which much happens keeps nothing, and is asked as ever.

use bytes::Bytes;
use faceshare_biz::domain::facesession::FaceSession;
use faceshare_biz::domain::{MemberId, Timestamp};
use faceshare_exec::{Access, State};
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Strangers whose answer is remembered, too, are bounded by this; when it is reached, the next reading starts anew.
const STANDINGS: usize = 16_384;

/// A session as it is committed, and how it reads: it reads the same to everybody who may see it, so whoever shows it first writes it down
/// for the others, and what is written goes when the session changes.
#[derive(Debug)]
pub struct Shown {
    session: FaceSession,
    text: OnceLock<Bytes>,
}

impl Shown {
    const fn new(session: FaceSession) -> Self {
        Self {
            session,
            text: OnceLock::new(),
        }
    }

    /// How it reads, as `write` has it. There is one way to write it.
    pub fn text(&self, write: impl FnOnce(&FaceSession) -> Bytes) -> Bytes {
        self.text.get_or_init(|| write(&self.session)).clone()
    }
}

impl Deref for Shown {
    type Target = FaceSession;

    fn deref(&self) -> &FaceSession {
        &self.session
    }
}

/// A session, and what somebody is in it.
#[derive(Debug, Clone)]
pub struct Glance {
    /// The session.
    pub session: Arc<Shown>,
    /// What they are.
    pub standing: Standing,
}

/// What somebody is in a session.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// Whether they are there.
    pub access: Access,
    /// Until when a place is held for them.
    pub seat_expires_at: Option<Timestamp>,
}

impl Glance {
    /// At this state.
    pub(crate) fn of(state: &State, who: MemberId) -> Self {
        let standing = Standing {
            access: state.access(who),
            seat_expires_at: state.seat_expires_at(who),
        };
        Self {
            session: Arc::new(Shown::new(state.face_session())),
            standing,
        }
    }
}

/// What has been seen of one committed state. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Glances(Arc<Mutex<Option<Seen>>>);

#[derive(Debug)]
struct Seen {
    session: Arc<Shown>,
    standings: HashMap<MemberId, Standing>,
}

impl Glances {
    /// What is kept for somebody.
    pub(crate) fn get(&self, who: MemberId) -> Option<Glance> {
        let kept = self.lock();
        let seen = kept.as_ref()?;
        let standing = *seen.standings.get(&who)?;
        Some(Glance {
            session: seen.session.clone(),
            standing,
        })
    }

    /// Keeps what was seen of the state that is committed now.
    pub(crate) fn keep(&self, who: MemberId, glance: &Glance) {
        let mut kept = self.lock();
        let seen = kept.get_or_insert_with(|| Seen {
            session: glance.session.clone(),
            standings: HashMap::new(),
        });
        if seen.standings.len() >= STANDINGS {
            seen.standings.clear();
        }
        seen.standings.insert(who, glance.standing);
    }

    /// The state is about to change, or there is nobody left who would tell.
    pub(crate) fn forget(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
