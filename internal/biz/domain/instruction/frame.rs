//! Frames: one instruction on its way to or from a client, before it has a wire format.

use super::{Command, Epoch, Event, MemberKnock, PointInfo, Role, SentAction, Seq, Snapshot};
use crate::ErrorCode;
use crate::domain::{MemberId, Timestamp};
use std::borrow::Cow;
use std::time::Duration;

/// The encoding of frames on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WireFormat {
    /// Protobuf in binary frames.
    Proto,
    /// Canonical proto3 JSON in text frames.
    Json,
}

impl WireFormat {
    /// All formats.
    pub const ALL: [Self; 2] = [Self::Proto, Self::Json];
}

/// A decoded frame of a client.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientFrame {
    /// The frame's id, repeated in the answer; 0: no answer is wanted.
    pub id: u32,
    /// Detects repeats of the same instruction; 0: none.
    pub nonce: u64,
    /// The instruction.
    pub command: Command,
}

/// The result of decoding a client's message.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded {
    /// A valid frame.
    Frame(ClientFrame),
    /// A well-formed frame whose instruction is not valid.
    Refused {
        /// The frame's id; 0: no answer is wanted.
        id: u32,
        /// The reason of the refusal.
        code: ErrorCode,
        /// A text for developers and users.
        detail: Cow<'static, str>,
    },
    /// The message is not a frame.
    Malformed,
}

/// The first frame of a connection.
#[derive(Debug, Clone, PartialEq)]
pub struct Welcome {
    /// The member that is connected.
    pub member: MemberId,
    /// The point that is connected.
    pub point: PointInfo,
    /// The member's role.
    pub role: Role,
    /// The epoch that `seq` counts in.
    pub epoch: Epoch,
    /// The newest seq of the epoch.
    pub seq: Seq,
    /// The interval of heartbeats.
    pub heartbeat_interval: Duration,
    /// The whole state; `None`: the connection resumes, and the missed frames follow.
    pub snapshot: Option<Snapshot>,
}

/// Instructions of the server to single points, without a seq.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// The connection is accepted.
    Welcome(Box<Welcome>),
    /// The instruction was accepted.
    Ack {
        /// The frame's id.
        id: u32,
        /// The seq of the frame that carries the instruction to all members.
        seq: Seq,
    },
    /// The instruction was refused.
    Nack {
        /// The frame's id.
        id: u32,
        /// The reason of the refusal.
        code: ErrorCode,
        /// A text for developers and users.
        detail: Cow<'static, str>,
    },
    /// A heartbeat, which the client must answer.
    SysHeart {
        /// When it was sent.
        sent_at: Timestamp,
    },
    /// A fresh session token.
    TokenRenewed {
        /// The token: a secret, never logged.
        token: String,
        /// When it expires.
        expires_at: Timestamp,
    },
    /// To the host: the number code changed.
    NumberCodeChange {
        /// When the new code expires; `None`: there is no code.
        expires_at: Option<Timestamp>,
    },
    /// To the host: a knock began to wait, or has ended.
    MemberKnock(MemberKnock),
    /// The position of the member that the receiver follows.
    ActionSync(SentAction),
}

/// The content of a frame from the server.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// Ordered, to all members.
    Event(Event),
    /// Without a seq, to single points.
    Notice(Notice),
}

/// A frame from the server.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerFrame {
    /// The seq of the frame; 0: not ordered.
    pub seq: Seq,
    /// When the server issued it.
    pub at: Timestamp,
    /// The member that caused it; `None`: the server.
    pub from: Option<MemberId>,
    /// The content.
    pub statement: Statement,
}

impl ServerFrame {
    /// A frame without a seq, from the server itself.
    #[must_use]
    pub const fn notice(at: Timestamp, notice: Notice) -> Self {
        Self {
            seq: Seq::NONE,
            at,
            from: None,
            statement: Statement::Notice(notice),
        }
    }
}

/// Why the server closes a connection. The transport maps each reason to a WebSocket close code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The member left.
    Left,
    /// Too many malformed frames.
    BadFrames,
    /// The token is not valid, expired or revoked.
    Unauthenticated,
    /// The host removed the member.
    Removed,
    /// The client sent nothing for too long.
    HeartbeatLost,
    /// The same point opened another connection.
    Replaced,
    /// The session has ended.
    SessionEnded,
    /// A frame exceeded the size limit.
    FrameTooLarge,
    /// A rate or count limit was exceeded.
    TooMany,
    /// The client reads too slowly: its outbound queue is full.
    TooSlow,
    /// The server stops or restarts, or the session starts a new epoch.
    Restarting,
    /// A bug of the server.
    Internal,
}

impl CloseReason {
    /// All reasons, for table tests.
    pub const ALL: [Self; 12] = [
        Self::Left,
        Self::BadFrames,
        Self::Unauthenticated,
        Self::Removed,
        Self::HeartbeatLost,
        Self::Replaced,
        Self::SessionEnded,
        Self::FrameTooLarge,
        Self::TooMany,
        Self::TooSlow,
        Self::Restarting,
        Self::Internal,
    ];
}
