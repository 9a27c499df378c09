//! The session actor: one task that owns a session's state and is the only one to change it. Positions, which are no part of the state, may
//! be carried out past the task while it rests, and the state be looked at (see `turns`).
//!
//! An input is stepped on the state at once and its entry gathered; what is gathered is appended to the log as one batch, at most one batch
//! at a time. Everything that anybody is told of it (frames, answers, replies) waits until the log has it. So the state here may be ahead
//! of the log by what is gathered and in flight; when an append fails, the state is read back from the log and everybody whose input is
//! not in it is told `UNAVAILABLE`.

mod actor;
pub(crate) mod ask;
mod commit;
mod connect;
mod counters;
mod door;
mod glance;
mod handle;
mod load;
mod outcome;
mod pacing;
mod run;
mod turns;

pub(crate) use actor::{Actor, ActorDeps};
pub use connect::{Connected, Missed, Opening};
pub(crate) use glance::Glances;
pub use glance::{Glance, Shown, Standing};
pub use handle::SessionHandle;
pub(crate) use load::{Recovered, load};
pub(crate) use run::{MAILBOX, Runner};
pub(crate) use turns::{Turns, is_spoilt};

use faceshare_biz::domain::instruction::{ClientFrame, Notice};
use faceshare_biz::domain::{KnockId, MemberId, PointId};
use faceshare_biz::{Error, Result};
use faceshare_exec::{Input, State};
use tokio::sync::oneshot;

/// Releases what a reader has taken from the state, once the log has that state; or the reason why it never will.
pub(crate) type Release = Box<dyn FnOnce(Result<()>) + Send>;

/// Looks at the state after an input was carried out, or learns why it was not.
pub(crate) type Look = Box<dyn FnOnce(Result<&State>) -> Release + Send>;

/// What the actor is asked. Small, as each session has room for many.
pub(crate) enum Request {
    /// Carry out an input that does not come over a stream.
    Propose { input: Box<Input>, look: Look },
    /// Look at the state.
    Read(Box<dyn FnOnce(&State) -> Release + Send>),
    /// Look at what is asked most often, and keep it for the next one who asks.
    Glance {
        who: MemberId,
        reply: oneshot::Sender<Result<Glance>>,
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
    /// A connection is gone.
    Lost { point: PointId, incarnation: u64 },
    /// Tell the host's points.
    TellHost(Box<Notice>),
    /// Something is due sooner than the task knows.
    LookAtTheTime,
    /// Whether the installation forces approval has changed.
    SeeTheHouse,
    /// Close this channel when a knock is over.
    AwaitKnock {
        knock: KnockId,
        listener: oneshot::Sender<()>,
    },
}

/// The session can not be worked with right now.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(crate) enum Away {
    #[error("the session's log could not be written")]
    LogUnwritten,
    #[error("the session's task stopped before it answered")]
    TaskStopped,
}

impl From<Away> for Error {
    fn from(away: Away) -> Self {
        Self::unavailable(away)
    }
}
