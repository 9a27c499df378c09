//! How others talk to a session actor.

use super::turns::{Brought, Turns};
use super::{Away, Glance, Glances, Request};
use faceshare_biz::Result;
use faceshare_biz::domain::instruction::ClientFrame;
use faceshare_biz::domain::{MemberId, PointId, SessionId};
use faceshare_exec::State;
use std::sync::Arc;
use tokio::sync::mpsc;

/// A way to one session actor. Cheap to clone; sending waits while the actor's mailbox is full.
#[derive(Clone)]
pub struct SessionHandle {
    /// At hand, not behind the inbox: a position hardly ever needs anything else, and each step to it is one more place to wait for.
    turns: Arc<Turns>,
    inbox: Arc<Inbox>,
}

struct Inbox {
    id: SessionId,
    mailbox: mpsc::Sender<Request>,
    glances: Glances,
}

impl std::fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionHandle")
            .field("id", &self.inbox.id)
            .finish_non_exhaustive()
    }
}

/// The actor is gone; nothing of the request was looked at.
#[derive(Debug)]
pub(crate) struct Gone(pub(crate) Request);

impl SessionHandle {
    pub(crate) fn new(
        id: SessionId,
        mailbox: mpsc::Sender<Request>,
        glances: Glances,
        turns: Arc<Turns>,
    ) -> Self {
        Self {
            turns,
            inbox: Arc::new(Inbox {
                id,
                mailbox,
                glances,
            }),
        }
    }

    /// Which session.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.inbox.id
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.inbox.mailbox.is_closed()
    }

    /// What somebody may see at a glance, if the actor has kept it and is there to take it back.
    pub(crate) fn glance(&self, who: MemberId) -> Option<Glance> {
        self.inbox.glances.get(who).filter(|_| !self.is_gone())
    }

    /// Looks at the state here and now, if the actor has nothing else to do; otherwise gives the look back.
    pub(crate) fn look<T, L: FnOnce(&State) -> T>(&self, look: L) -> Result<Result<T, Away>, L> {
        if self.is_gone() {
            Err(look)
        } else {
            self.turns.look(look)
        }
    }

    pub(crate) async fn send(&self, request: Request) -> Result<(), Gone> {
        let Some(room) = self.room().await else {
            return Err(Gone(request));
        };
        room.put(request);
        Ok(())
    }

    /// Room for one more of a point's frames, if there is any now.
    pub(crate) fn try_room(&self) -> Option<Room<'_>> {
        let permit = self.inbox.mailbox.try_reserve().ok()?;
        Some(Room {
            permit,
            turns: &self.turns,
        })
    }

    /// Room for one more of a point's frames, waited for if there is none. `None`: the session is gone.
    pub(crate) async fn room(&self) -> Option<Room<'_>> {
        let permit = self.inbox.mailbox.reserve().await.ok()?;
        Some(Room {
            permit,
            turns: &self.turns,
        })
    }

    /// The connection of a point is gone.
    pub(crate) async fn lost(&self, point: PointId, incarnation: u64) {
        // With the actor gone there is nobody to tell: a session that comes back counts all its points as lost.
        if let Some(room) = self.room().await {
            room.put(Request::Lost { point, incarnation });
        }
    }

    /// Fetches ahead what [`bring`](Self::bring) needs.
    pub(crate) fn prefetch(&self) {
        self.turns.prefetch();
    }

    /// Carries out a position of a connected point here and now, if the actor has nothing else to do; otherwise gives it back.
    pub(crate) fn bring(
        &self,
        point: PointId,
        incarnation: u64,
        frame: ClientFrame,
    ) -> Option<ClientFrame> {
        match self.turns.bring(point, incarnation, frame) {
            Brought::Busy(frame) => Some(frame),
            Brought::Done { wake } => {
                // A mailbox without room wakes the actor as well.
                if wake && let Some(room) = self.try_room() {
                    room.put(Request::LookAtTheTime);
                }
                None
            }
        }
    }
}

/// A place in a session's mailbox.
pub(crate) struct Room<'a> {
    permit: mpsc::Permit<'a, Request>,
    turns: &'a Turns,
}

impl Room<'_> {
    fn put(self, request: Request) {
        self.turns.ask();
        self.permit.send(request);
    }

    /// Hands over a frame of a connected point.
    pub(crate) fn frame(self, point: PointId, incarnation: u64, frame: Box<ClientFrame>) {
        self.put(Request::Frame {
            point,
            incarnation,
            frame,
        });
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
            Self::LookAtTheTime => "LookAtTheTime",
            Self::SeeTheHouse => "SeeTheHouse",
            Self::AwaitKnock { .. } => "AwaitKnock",
        })
    }
}
