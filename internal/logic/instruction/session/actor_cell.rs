//! The actor behind its lock. The session's task locks it for each step; a connection or a reader
//! locks it only when the actor is idle.
//!
//! Most requests to a session are positions, and most of them find the actor idle. The connection
//! that received such a position processes it inline: its memory is in the cache, and no other task
//! has to be woken. A read of a state that is in the log runs inline too. Everything else goes
//! through the mailbox. So does a position if the mailbox may hold an earlier frame of the same
//! connection: the frames of one connection are processed in the order in which they came.

use super::ActorUnavailable;
use super::actor::Actor;
use crate::instruction::prefetch::prefetch;
use faceshare_biz::Error;
use faceshare_biz::domain::PointId;
use faceshare_biz::domain::instruction::ClientFrame;
use faceshare_exec::State;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Code that held the actor has panicked: the state it left behind may be half changed and is not
/// used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("code that held the session's actor panicked")]
pub(crate) struct ActorPoisoned;

impl From<ActorPoisoned> for Error {
    fn from(poisoned: ActorPoisoned) -> Self {
        Self::internal(poisoned)
    }
}

/// Whether a session's task ended because of [`ActorPoisoned`].
pub(crate) fn is_poisoned(error: &Error) -> bool {
    error
        .cause()
        .is_some_and(|cause| cause.is::<ActorPoisoned>())
}

/// An actor and the number of requests that it has not processed yet.
pub(crate) struct ActorCell {
    actor: Mutex<Actor>,
    /// Requests that are in the mailbox, or taken out of it and not processed yet.
    pending_requests: AtomicUsize,
}

/// The outcome of [`ActorCell::try_inline`].
pub(crate) enum InlineOutcome {
    /// The position is processed. `wake`: the actor's task has a deadline earlier than the one it
    /// sleeps for.
    Done { wake: bool },
    /// The actor is busy: the frame has to go through the mailbox.
    Busy(ClientFrame),
}

impl ActorCell {
    pub(crate) const fn new(actor: Actor) -> Self {
        Self {
            actor: Mutex::new(actor),
            pending_requests: AtomicUsize::new(0),
        }
    }

    /// Prefetches the actor's memory for a call that may follow in a moment.
    pub(crate) fn prefetch(&self) {
        prefetch(self);
    }

    /// Locks the actor for the session's task.
    pub(crate) fn lock(&self) -> Result<MutexGuard<'_, Actor>, ActorPoisoned> {
        self.actor.lock().map_err(|_| ActorPoisoned)
    }

    /// Locks the actor a last time, to stop it, even if it is poisoned.
    pub(crate) fn lock_even_poisoned(&self) -> MutexGuard<'_, Actor> {
        self.actor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be called before a request is put into the mailbox.
    pub(crate) fn request_begins(&self) {
        self.pending_requests.fetch_add(1, Ordering::SeqCst);
    }

    /// To be called after `count` requests from the mailbox were processed.
    pub(crate) fn requests_done(&self, count: usize) {
        self.pending_requests.fetch_sub(count, Ordering::SeqCst);
    }

    /// Reads the state if the log has all of it and no request waits to change it; gives `read`
    /// back otherwise. If `read` panics, which cannot change the state, the result is
    /// [`ActorUnavailable`].
    pub(crate) fn try_read<T, R: FnOnce(&State) -> T>(
        &self,
        read: R,
    ) -> Result<Result<T, ActorUnavailable>, R> {
        match self.try_lock_idle() {
            Some(actor) if actor.ahead() == 0 => {
                Ok(catch_unwind(AssertUnwindSafe(|| read(&actor.state)))
                    .map_err(|_| ActorUnavailable::TaskStopped))
            }
            _ => Err(read),
        }
    }

    /// The actor, if no request is pending, no other code holds it, and its log is not in doubt.
    fn try_lock_idle(&self) -> Option<MutexGuard<'_, Actor>> {
        if self.pending_requests.load(Ordering::SeqCst) > 0 {
            return None;
        }
        self.actor.try_lock().ok().filter(|actor| !actor.in_doubt)
    }

    /// Processes a position of a connected point in the caller's task. It does so only when all
    /// earlier frames of the same connection are processed.
    pub(crate) fn try_inline(
        &self,
        point: PointId,
        incarnation: u64,
        frame: ClientFrame,
    ) -> InlineOutcome {
        let Some(mut actor) = self.try_lock_idle() else {
            return InlineOutcome::Busy(frame);
        };
        // Many receivers are left to the session's task, which yields between them.
        if !actor.fanout.can_write_inline(point, incarnation) {
            return InlineOutcome::Busy(frame);
        }
        let due = actor.next_waiting_position();
        actor.frame(point, incarnation, frame);
        let wake = actor
            .next_waiting_position()
            .is_some_and(|now| due.is_none_or(|before| now < before));
        let pending = actor.fanout.write_direct_inline();
        drop(actor);
        pending.flush();
        InlineOutcome::Done { wake }
    }
}
