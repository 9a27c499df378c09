//! How others talk to a session actor.

use super::{Glance, Glances, Request};
use faceshare_biz::Result;
use faceshare_biz::domain::instruction::ClientFrame;
use faceshare_biz::domain::{MemberId, PointId, SessionId};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// A way to one session actor. Cheap to clone; sending waits while the actor's mailbox is full.
#[derive(Debug, Clone)]
pub struct SessionHandle {
    id: SessionId,
    mailbox: mpsc::Sender<Request>,
    glances: Glances,
}

/// The actor is gone; nothing of the request was looked at.
#[derive(Debug)]
pub(crate) struct Gone(pub(crate) Request);

impl SessionHandle {
    pub(crate) const fn new(id: SessionId, mailbox: mpsc::Sender<Request>, glances: Glances) -> Self {
        Self { id, mailbox, glances }
    }

    /// Which session.
    #[must_use]
    pub const fn id(&self) -> SessionId {
        self.id
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.mailbox.is_closed()
    }

    /// What somebody may see at a glance, if the actor has kept it and is there to take it back.
    pub(crate) fn glance(&self, who: MemberId) -> Option<Glance> {
        self.glances.get(who).filter(|_| !self.is_gone())
    }

    pub(crate) async fn send(&self, request: Request) -> Result<(), Gone> {
        self.mailbox.send(request).await.map_err(|e| Gone(e.0))
    }

    /// Room for one more of a point's frames, waited for if there is none. `None`: the session is gone.
    ///
    /// Frames are handed over in two steps, and the wait is on the heap, because a connection's task is as large as what it may ever hold.
    pub async fn room(&self) -> Option<Room<'_>> {
        match self.mailbox.try_reserve() {
            Ok(permit) => Some(Room(permit)),
            Err(TrySendError::Full(())) => Box::pin(self.mailbox.reserve()).await.ok().map(Room),
            Err(TrySendError::Closed(())) => None,
        }
    }

    /// The connection of a point is gone.
    pub async fn lost(&self, point: PointId, incarnation: u64) {
        // With the actor gone there is nobody to tell: a session that comes back counts all its points as lost.
        if let Some(room) = self.room().await {
            room.0.send(Request::Lost { point, incarnation });
        }
    }
}

/// A place in a session's mailbox.
#[derive(Debug)]
pub struct Room<'a>(mpsc::Permit<'a, Request>);

impl Room<'_> {
    /// Hands over a frame of a connected point.
    pub fn frame(self, point: PointId, incarnation: u64, frame: ClientFrame) {
        self.0.send(Request::Frame { point, incarnation, frame });
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Propose { .. } => "Propose",
            Self::Read(_) => "Read",
            Self::Glance { .. } => "Glance",
            Self::Connect { .. } => "Connect",
            Self::Frame { .. } => "Frame",
            Self::Lost { .. } => "Lost",
            Self::TellHost(_) => "TellHost",
            Self::SeeTheHouse => "SeeTheHouse",
            Self::AwaitKnock { .. } => "AwaitKnock",
        })
    }
}
