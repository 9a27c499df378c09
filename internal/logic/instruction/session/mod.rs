//! The session actor: one task that owns a session's state and alone changes it. While the task is
//! idle, other tasks may process positions, which are no part of the state, and read the state (see
//! `actor_cell`).
//!
//! An input is stepped on the state at once, and its entry joins the next batch. A batch is
//! appended to the log with one write, one batch at a time. Every frame, answer and reply that
//! follows from an entry waits until the log has the entry. So the state may be ahead of the log by
//! the two batches `gathering` and `in_flight`. When an append fails, the state is read back from
//! the log, and each caller whose input is not in it gets `UNAVAILABLE`.

mod actor;
mod actor_cell;
pub(crate) mod ask;
mod commit;
mod connect;
mod counters;
mod door;
mod handle;
mod load;
mod outcome;
mod pacing;
mod run;
mod view_cache;

pub(crate) use actor::{Actor, ActorDeps};
pub(crate) use actor_cell::{ActorCell, is_poisoned};
pub use connect::{Connected, Missed, Opening};
pub use handle::SessionHandle;
pub(crate) use load::{Recovered, load};
pub(crate) use run::{MAILBOX, Runner};
pub(crate) use view_cache::ViewCache;
pub use view_cache::{MemberAccess, RenderedSession, SessionView};

use faceshare_biz::domain::instruction::{ClientFrame, Notice};
use faceshare_biz::domain::{KnockId, MemberId, PointId};
use faceshare_biz::{Error, Result};
use faceshare_exec::{Input, State};
use tokio::sync::oneshot;

/// Sends a reply that was made from the state. It is called with `Ok` when the log has that state,
/// or with the reason why it never will.
pub(crate) type Release = Box<dyn FnOnce(Result<()>) + Send>;

/// Makes a reply from the state after an input was processed, or from the reason why it was
/// refused.
pub(crate) type MakeReply = Box<dyn FnOnce(Result<&State>) -> Release + Send>;

/// A request to the actor. Its size is kept small, because the mailbox of each session has room for
/// many.
pub(crate) enum Request {
    /// Process an input that does not come from a connection.
    Propose {
        input: Box<Input>,
        make_reply: MakeReply,
    },
    /// Read the state.
    Read(Box<dyn FnOnce(&State) -> Release + Send>),
    /// Return an account's view of the session, and cache it.
    View {
        who: MemberId,
        reply: oneshot::Sender<Result<SessionView>>,
    },
    /// A connection wants to be a point.
    Connect {
        opening: Box<Opening>,
        reply: oneshot::Sender<Result<Connected>>,
    },
    /// A connected point sent a frame.
    Frame {
        point: PointId,
        incarnation: u64,
        frame: Box<ClientFrame>,
    },
    /// The connection of a point is gone.
    Lost { point: PointId, incarnation: u64 },
    /// Send a notice to the host's points.
    TellHost(Box<Notice>),
    /// A deadline has come up that is earlier than the one the task sleeps for.
    CheckDeadlines,
    /// The installation's setting for forced approval has changed.
    ApplyForcedAdmission,
    /// Close the channel when the knock is over.
    AwaitKnock {
        knock: KnockId,
        listener: oneshot::Sender<()>,
    },
}

/// The request could not be completed now.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(crate) enum ActorUnavailable {
    #[error("the session's log could not be written")]
    LogUnwritten,
    #[error("the session's task stopped before it answered")]
    TaskStopped,
}

impl From<ActorUnavailable> for Error {
    fn from(away: ActorUnavailable) -> Self {
        Self::unavailable(away)
    }
}
