//! What waits for a commit: whom to tell what, once the log has the entries before it.

use super::connect::Connecting;
use super::{Away, Release};
use faceshare_biz::Error;
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::facesession::FaceSession;
use faceshare_biz::domain::instruction::{CloseReason, Profile, Seq};
use faceshare_biz::domain::{MemberId, PointId};
use faceshare_exec::Entry;
use std::borrow::Cow;

/// Which connection an answer goes to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker {
    pub(crate) point: PointId,
    pub(crate) incarnation: u64,
    /// The frame's id; 0: wants no answer.
    pub(crate) id: u32,
}

/// One thing to do after the commit.
pub(crate) enum Outcome {
    /// Tell everybody what an entry says. `before` is the seq before its first frame.
    Tell { entry: Box<Entry>, before: Seq },
    /// Let the directory know how the session is.
    Observe(Box<FaceSession>, u64),
    /// Let the door know whom the host did not let in.
    Denied(Box<Profile>),
    /// "Taken."
    Ack { asker: Asker, seq: Seq },
    /// "Refused."
    Nack {
        asker: Asker,
        code: ErrorCode,
        detail: Cow<'static, str>,
    },
    /// Let whoever asked have what was seen of the state.
    Release(Release),
    /// Let a connection in.
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
    /// What it comes to when the entries before it never got into the log.
    pub(crate) fn fail(self) -> Option<Self> {
        match self {
            Self::Tell { .. }
            | Self::Observe(..)
            | Self::Denied(_)
            | Self::Close { .. }
            | Self::CloseAll(_) => None,
            Self::Ack { asker, .. } | Self::Nack { asker, .. } => {
                let error = Error::from(Away::LogUnwritten);
                Some(Self::Nack {
                    asker,
                    code: error.code,
                    detail: error.detail,
                })
            }
            Self::Release(release) => {
                release(Err(Away::LogUnwritten.into()));
                None
            }
            Self::Connected(connecting) => {
                connecting.refuse(Away::LogUnwritten.into());
                None
            }
        }
    }
}
