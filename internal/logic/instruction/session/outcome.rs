//! Actions that wait for a commit and are carried out when the log has the entries before them.

use super::connect::Connecting;
use super::{ActorUnavailable, Release};
use faceshare_biz::Error;
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::facesession::SessionRecord;
use faceshare_biz::domain::instruction::{CloseReason, Profile, Seq};
use faceshare_biz::domain::{MemberId, PointId};
use faceshare_exec::Entry;
use std::borrow::Cow;

/// The connection that gets an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Requester {
    pub(crate) point: PointId,
    pub(crate) incarnation: u64,
    /// The frame's id; 0: it gets no answer.
    pub(crate) id: u32,
}

/// An action to carry out after a commit.
pub(crate) enum Outcome {
    /// Send the events of an entry to all points. `before` is the seq before its first frame.
    SendEvents { entry: Box<Entry>, before: Seq },
    /// Tell the observer that the session is listed differently.
    Observe(Box<SessionRecord>),
    /// Tell the observer that the host denied this knock.
    Denied(Box<Profile>),
    /// Acknowledge a frame.
    Ack { requester: Requester, seq: Seq },
    /// Refuse a frame.
    Nack {
        requester: Requester,
        code: ErrorCode,
        detail: Cow<'static, str>,
    },
    /// Send a reply.
    Release(Release),
    /// Attach a connection.
    Connected(Box<Connecting>),
    /// Close the connections of a member.
    Close {
        member: MemberId,
        reason: CloseReason,
    },
    /// Close all connections.
    CloseAll(CloseReason),
}

impl Outcome {
    /// Fails the action because the entries before it are not in the log; returns the refusal to
    /// send, if it answers a frame.
    pub(crate) fn fail(self) -> Option<Self> {
        match self {
            Self::SendEvents { .. }
            | Self::Observe(_)
            | Self::Denied(_)
            | Self::Close { .. }
            | Self::CloseAll(_) => None,
            Self::Ack { requester, .. } | Self::Nack { requester, .. } => {
                let error = Error::from(ActorUnavailable::LogUnwritten);
                Some(Self::Nack {
                    requester,
                    code: error.code,
                    detail: error.detail,
                })
            }
            Self::Release(release) => {
                release(Err(ActorUnavailable::LogUnwritten.into()));
                None
            }
            Self::Connected(connecting) => {
                connecting.refuse(ActorUnavailable::LogUnwritten.into());
                None
            }
        }
    }
}
