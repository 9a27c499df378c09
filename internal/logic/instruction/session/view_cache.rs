//! The answers to the most frequent reads of a session, cached where a reader gets them without
//! locking the actor.
//!
//! Invariant: what is cached is the committed state. The actor caches an answer only while its
//! state is not ahead of the log, and clears the cache before it applies the next entry. So a
//! reader never sees a state that is not in the log, nor one older than what any client was told. A
//! session that changes all the time caches nothing and is asked each time.

use bytes::Bytes;
use faceshare_biz::domain::facesession::FaceSession;
use faceshare_biz::domain::{MemberId, Timestamp};
use faceshare_exec::{Access, State};
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Cached accounts at most. Accounts that are no members are cached too, so their number needs a
/// bound; the cache is cleared when it is reached.
const ACCOUNTS_MAX: usize = 16_384;

/// A session as committed, with its serialized form. The form is the same for every account that
/// may see the session, so the first reader serializes it for all; it is dropped when the session
/// changes.
#[derive(Debug)]
pub struct RenderedSession {
    session: FaceSession,
    text: OnceLock<Bytes>,
}

impl RenderedSession {
    const fn new(session: FaceSession) -> Self {
        Self {
            session,
            text: OnceLock::new(),
        }
    }

    /// The serialized form; made by `write` at the first call. All callers must pass the same
    /// function.
    pub fn text(&self, write: impl FnOnce(&FaceSession) -> Bytes) -> Bytes {
        self.text.get_or_init(|| write(&self.session)).clone()
    }
}

impl Deref for RenderedSession {
    type Target = FaceSession;

    fn deref(&self) -> &FaceSession {
        &self.session
    }
}

/// A session as one account sees it.
#[derive(Debug, Clone)]
pub struct SessionView {
    /// The session as committed.
    pub session: Arc<RenderedSession>,
    /// The account's access to it.
    pub member: MemberAccess,
}

/// An account's access to a session.
#[derive(Debug, Clone, Copy)]
pub struct MemberAccess {
    /// Whether the account is in the session, was, or never was.
    pub access: Access,
    /// When the seat that is held for the account expires; `None` when none is held.
    pub seat_expires_at: Option<Timestamp>,
}

impl SessionView {
    /// The view of `who` on this state.
    pub(crate) fn of(state: &State, who: MemberId) -> Self {
        let member = MemberAccess {
            access: state.access(who),
            seat_expires_at: state.seat_expires_at(who),
        };
        Self {
            session: Arc::new(RenderedSession::new(state.face_session())),
            member,
        }
    }
}

/// The cached views of one committed state. Clones share the cache.
#[derive(Debug, Clone, Default)]
pub(crate) struct ViewCache(Arc<Mutex<Option<CachedViews>>>);

#[derive(Debug)]
struct CachedViews {
    session: Arc<RenderedSession>,
    members: HashMap<MemberId, MemberAccess>,
}

impl ViewCache {
    /// The cached view of an account; `None` if there is none.
    pub(crate) fn get(&self, who: MemberId) -> Option<SessionView> {
        let cache = self.lock();
        let cached = cache.as_ref()?;
        let member = *cached.members.get(&who)?;
        Some(SessionView {
            session: cached.session.clone(),
            member,
        })
    }

    /// Caches a view of the state that is committed now.
    pub(crate) fn insert(&self, who: MemberId, view: &SessionView) {
        let mut cache = self.lock();
        let cached = cache.get_or_insert_with(|| CachedViews {
            session: view.session.clone(),
            members: HashMap::new(),
        });
        if cached.members.len() >= ACCOUNTS_MAX {
            cached.members.clear();
        }
        cached.members.insert(who, view.member);
    }

    /// To be called before the state changes, and when the actor stops.
    pub(crate) fn clear(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<CachedViews>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
