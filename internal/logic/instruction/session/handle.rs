//! The handle through which other tasks send requests to a session actor.

use super::actor_cell::{ActorCell, InlineOutcome};
use super::{ActorUnavailable, Request, SessionView, ViewCache};
use faceshare_biz::Result;
use faceshare_biz::domain::instruction::ClientFrame;
use faceshare_biz::domain::{MemberId, PointId, SessionId};
use faceshare_exec::State;
use std::sync::Arc;
use tokio::sync::mpsc;

/// A handle of one session actor. Cheap to clone; sending waits while the actor's mailbox is full.
#[derive(Clone)]
pub struct SessionHandle {
    /// Not in `inbox`: most positions need only the cell, and each further pointer is another read
    /// of cold memory.
    cell: Arc<ActorCell>,
    inbox: Arc<Inbox>,
}

struct Inbox {
    id: SessionId,
    mailbox: mpsc::Sender<Request>,
    views: ViewCache,
}

impl std::fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionHandle")
            .field("id", &self.inbox.id)
            .finish_non_exhaustive()
    }
}

/// The actor has stopped; the request was not processed and is given back.
#[derive(Debug)]
pub(crate) struct ActorGone(pub(crate) Request);

impl SessionHandle {
    pub(crate) fn new(
        id: SessionId,
        mailbox: mpsc::Sender<Request>,
        views: ViewCache,
        cell: Arc<ActorCell>,
    ) -> Self {
        Self {
            cell,
            inbox: Arc::new(Inbox { id, mailbox, views }),
        }
    }

    /// The session's id.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.inbox.id
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.inbox.mailbox.is_closed()
    }

    /// The cached view of an account; `None` if there is none or the actor has stopped and so would
    /// not clear it.
    pub(crate) fn cached_view(&self, who: MemberId) -> Option<SessionView> {
        self.inbox.views.get(who).filter(|_| !self.is_gone())
    }

    /// Reads the state in the caller's task if the actor is idle; otherwise gives `read` back.
    pub(crate) fn try_read<T, R: FnOnce(&State) -> T>(
        &self,
        read: R,
    ) -> Result<Result<T, ActorUnavailable>, R> {
        if self.is_gone() {
            Err(read)
        } else {
            self.cell.try_read(read)
        }
    }

    pub(crate) async fn send(&self, request: Request) -> Result<(), ActorGone> {
        let Some(permit) = self.reserve().await else {
            return Err(ActorGone(request));
        };
        permit.send(request);
        Ok(())
    }

    /// A place in the mailbox; `None` if it is full or the actor has stopped.
    pub(crate) fn try_reserve(&self) -> Option<MailboxPermit<'_>> {
        let permit = self.inbox.mailbox.try_reserve().ok()?;
        Some(MailboxPermit {
            permit,
            cell: &self.cell,
        })
    }

    /// Waits for a place in the mailbox; `None`: the actor has stopped.
    pub(crate) async fn reserve(&self) -> Option<MailboxPermit<'_>> {
        let permit = self.inbox.mailbox.reserve().await.ok()?;
        Some(MailboxPermit {
            permit,
            cell: &self.cell,
        })
    }

    /// Reports that the connection of a point is gone.
    pub(crate) async fn lost(&self, point: PointId, incarnation: u64) {
        // If the actor has stopped, no report is needed: a session that is loaded again counts all
        // its points as lost.
        if let Some(permit) = self.reserve().await {
            permit.send(Request::Lost { point, incarnation });
        }
    }

    /// Prefetches the memory that [`try_inline`](Self::try_inline) reads.
    pub(crate) fn prefetch(&self) {
        self.cell.prefetch();
    }

    /// Processes a position of a connected point in the caller's task if the actor is idle;
    /// otherwise gives the frame back.
    pub(crate) fn try_inline(
        &self,
        point: PointId,
        incarnation: u64,
        frame: ClientFrame,
    ) -> Option<ClientFrame> {
        match self.cell.try_inline(point, incarnation, frame) {
            InlineOutcome::Busy(frame) => Some(frame),
            InlineOutcome::Done { wake } => {
                // If the mailbox is full, the actor is awake anyway.
                if wake && let Some(permit) = self.try_reserve() {
                    permit.send(Request::CheckDeadlines);
                }
                None
            }
        }
    }
}

/// A place in a session's mailbox.
pub(crate) struct MailboxPermit<'a> {
    permit: mpsc::Permit<'a, Request>,
    cell: &'a ActorCell,
}

impl MailboxPermit<'_> {
    fn send(self, request: Request) {
        self.cell.request_begins();
        self.permit.send(request);
    }

    /// Sends a frame of a connected point.
    pub(crate) fn frame(self, point: PointId, incarnation: u64, frame: Box<ClientFrame>) {
        self.send(Request::Frame {
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
            Self::View { .. } => "View",
            Self::Connect { .. } => "Connect",
            Self::Frame { .. } => "Frame",
            Self::Lost { .. } => "Lost",
            Self::TellHost(_) => "TellHost",
            Self::CheckDeadlines => "CheckDeadlines",
            Self::ApplyForcedAdmission => "ApplyForcedAdmission",
            Self::AwaitKnock { .. } => "AwaitKnock",
        })
    }
}
