//! What a client may ask of a session.

use super::{Action, Invite, Lock, Suspend};
use crate::domain::{KnockId, MemberId, Timestamp};

/// One instruction from a client.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// The echo of a heartbeat, with the last ordered seq that the client has seen.
    AckHeart {
        /// As it came in the heartbeat.
        sent_at: Option<Timestamp>,
        /// The delivered watermark.
        last_seq: u32,
    },
    /// The app went to the background, or came back.
    PointState {
        /// Whether it is there now.
        background: bool,
    },
    /// Leave.
    Quit,
    /// Present, take over, or change how.
    FollowMe {
        /// What to ask of the others.
        invite: Invite,
        /// Whom to hold.
        lock: Lock,
        /// Whom to make the presenter; `None`: the sender.
        presenter: Option<MemberId>,
    },
    /// End the presenting.
    CancelFollowMe,
    /// Follow one member.
    FollowOther {
        /// Whom; `None` when the client named nobody.
        target: Option<MemberId>,
    },
    /// Stop following, or pause.
    CancelFollow {
        /// Why to pause; `None`: stop.
        suspend: Option<Suspend>,
    },
    /// Stop the countdown to the end.
    CancelAutoEnd,
    /// Let somebody in.
    Admit {
        /// Who knocked.
        knock: Option<KnockId>,
    },
    /// Keep somebody out.
    Deny {
        /// Who knocked.
        knock: Option<KnockId>,
    },
    /// Where the sender is.
    ActionSync(Action),
}

impl Command {
    /// The name of the instruction on the wire.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AckHeart { .. } => "ackHeart",
            Self::PointState { .. } => "pointState",
            Self::Quit => "quit",
            Self::FollowMe { .. } => "followMe",
            Self::CancelFollowMe => "cancelFollowMe",
            Self::FollowOther { .. } => "followOther",
            Self::CancelFollow { .. } => "cancelFollow",
            Self::CancelAutoEnd => "cancelAutoEnd",
            Self::Admit { .. } => "admit",
            Self::Deny { .. } => "deny",
            Self::ActionSync(_) => "actionSync",
        }
    }
}
