//! The instructions that a client may send to a session.

use super::{Action, Invite, Lock, Suspend};
use crate::domain::{KnockId, MemberId, Timestamp};

/// One instruction from a client.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// The echo of a heartbeat, with the last ordered seq that the client has seen.
    AckHeart {
        /// The time that the heartbeat carried; `None`: absent.
        sent_at: Option<Timestamp>,
        /// The highest ordered seq that the client has received.
        last_seq: u32,
    },
    /// The app went to the background, or came back.
    PointState {
        /// Whether the app is in the background now.
        background: bool,
    },
    /// Leave the session.
    Quit,
    /// Start to present, take over, or change the settings of the presentation.
    FollowMe {
        /// What to ask of the other members.
        invite: Invite,
        /// Whether followers may stop.
        lock: Lock,
        /// The member that becomes the presenter; `None`: the sender.
        presenter: Option<MemberId>,
    },
    /// End the presenting.
    CancelFollowMe,
    /// Follow one member.
    FollowOther {
        /// The member to follow; `None` when the client named no member.
        target: Option<MemberId>,
    },
    /// Stop following, or pause.
    CancelFollow {
        /// The reason to pause; `None`: stop following.
        suspend: Option<Suspend>,
    },
    /// Stop the countdown to the end.
    CancelAutoEnd,
    /// Admit a caller who knocks.
    Admit {
        /// The knock; `None` when the client named none.
        knock: Option<KnockId>,
    },
    /// Deny a caller who knocks.
    Deny {
        /// The knock; `None` when the client named none.
        knock: Option<KnockId>,
    },
    /// The position of the sender.
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
