//! Whose turn it is with an actor: its task's, or that of somebody whose position, or look at the state, finds it with nothing to do.
//!
//! Most of what a session is asked is where somebody is, and most of the time it is asked nothing else at that moment. Such a position is
//! carried out by the connection that brings it, where it is warm, rather than by another task a moment later; and so is a look at a state
//! that is in the log. Anything else goes through the mailbox, and so does a position behind which the same connection could have
//! something waiting there: what one connection says is carried out in the order in which it says it.

use super::Away;
use super::actor::Actor;
use crate::instruction::prefetch::prefetch;
use faceshare_biz::Error;
use faceshare_biz::domain::PointId;
use faceshare_biz::domain::instruction::ClientFrame;
use faceshare_exec::State;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A bug has panicked during somebody's turn: what it has left behind is not to be built on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a turn with the session's actor ended in a panic")]
pub(crate) struct Spoilt;

impl From<Spoilt> for Error {
    fn from(spoilt: Spoilt) -> Self {
        Self::internal(spoilt)
    }
}

/// Whether this is why a session's task ended.
pub(crate) fn is_spoilt(error: &Error) -> bool {
    error.cause().is_some_and(|cause| cause.is::<Spoilt>())
}

/// An actor, for one at a time.
pub(crate) struct Turns {
    actor: Mutex<Actor>,
    /// Requests that have a place in the mailbox or have been taken out of it, and are not carried out yet.
    asked: AtomicUsize,
}

/// What became of a position that was brought past the mailbox.
pub(crate) enum Brought {
    /// It is carried out. `wake`: the actor's task has something to do sooner than it knows.
    Done { wake: bool },
    /// The actor has something else to do: this has to go through the mailbox.
    Busy(ClientFrame),
}

impl Turns {
    pub(crate) const fn new(actor: Actor) -> Self {
        Self {
            actor: Mutex::new(actor),
            asked: AtomicUsize::new(0),
        }
    }

    /// Fetches the actor ahead of a turn that may come in a moment.
    pub(crate) fn prefetch(&self) {
        prefetch(self);
    }

    /// The task's turn.
    pub(crate) fn take(&self) -> Result<MutexGuard<'_, Actor>, Spoilt> {
        self.actor.lock().map_err(|_| Spoilt)
    }

    /// The last turn, in whatever state the actor is.
    pub(crate) fn take_last(&self) -> MutexGuard<'_, Actor> {
        self.actor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request is about to go into the mailbox.
    pub(crate) fn ask(&self) {
        self.asked.fetch_add(1, Ordering::SeqCst);
    }

    /// So many requests are carried out.
    pub(crate) fn answered(&self, count: usize) {
        self.asked.fetch_sub(count, Ordering::SeqCst);
    }

    /// Looks at the state, if it is in the log as it is and nobody else wants to change it; otherwise gives the look back. A look that
    /// panics, which costs the state nothing, is [`Away`].
    pub(crate) fn look<T, L: FnOnce(&State) -> T>(&self, look: L) -> Result<Result<T, Away>, L> {
        match self.free() {
            Some(actor) if actor.ahead() == 0 => {
                Ok(catch_unwind(AssertUnwindSafe(|| look(&actor.state)))
                    .map_err(|_| Away::TaskStopped))
            }
            _ => Err(look),
        }
    }

    /// The actor, if it has nothing else to do and its log is not in doubt.
    fn free(&self) -> Option<MutexGuard<'_, Actor>> {
        if self.asked.load(Ordering::SeqCst) > 0 {
            return None;
        }
        self.actor.try_lock().ok().filter(|actor| !actor.in_doubt)
    }

    /// A position of a connected point. Whatever this connection has asked before is carried out, or this is not.
    pub(crate) fn bring(&self, point: PointId, incarnation: u64, frame: ClientFrame) -> Brought {
        let Some(mut actor) = self.free() else {
            return Brought::Busy(frame);
        };
        // Many receivers are the task's work: it lets others have a turn in between.
        if !actor.fanout.may_go_past_the_task(point, incarnation) {
            return Brought::Busy(frame);
        }
        let due = actor.next_waiting_position();
        actor.frame(point, incarnation, frame);
        let wake = actor
            .next_waiting_position()
            .is_some_and(|now| due.is_none_or(|before| now < before));
        let told = actor.fanout.write_to_few();
        drop(actor);
        told.flush();
        Brought::Done { wake }
    }
}
