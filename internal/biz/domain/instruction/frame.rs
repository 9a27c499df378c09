//! Frames: one instruction on its way to or from a client, before it has a wire format.

use super::{Command, Epoch, Event, MemberKnock, PointInfo, Role, SentAction, Seq, Snapshot};
use crate::ErrorCode;
use crate::domain::{MemberId, Timestamp};
use std::borrow::Cow;
use std::time::Duration;

/// How frames are written on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WireFormat {
    /// Protobuf in binary frames.
    Proto,
    /// Canonical proto3 JSON in text frames.
    Json,
}

impl WireFormat {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Proto, Self::Json];
}

/// A frame from a client, understood.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientFrame {
    /// 0: wants no answer.
    pub id: u32,
    /// 0: none.
    pub nonce: u64,
    /// What is asked.
    pub command: Command,
}

/// What came of reading a client's frame.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded {
    /// Understood.
    Frame(ClientFrame),
    /// A frame, but not one that can be carried out.
    Refused {
        /// The frame's id; 0: wants no answer.
        id: u32,
        /// Why.
        code: ErrorCode,
        /// For people.
        detail: Cow<'static, str>,
    },
    /// Not a frame at all.
    Malformed,
}

/// The first frame of a connection.
#[derive(Debug, Clone, PartialEq)]
pub struct Welcome {
    /// Who is connected.
    pub member: MemberId,
    /// As which point.
    pub point: PointInfo,
    /// As what.
    pub role: Role,
    /// The order that seq counts in.
    pub epoch: Epoch,
    /// The head of the order.
    pub seq: Seq,
    /// How often heartbeats come.
    pub heartbeat_interval: Duration,
    /// The whole state; `None`: resumed, and what was missed follows.
    pub snapshot: Option<Snapshot>,
}

/// What the server tells some points, outside of the order.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// You are connected.
    Welcome(Box<Welcome>),
    /// Taken.
    Ack {
        /// The frame's id.
        id: u32,
        /// The seq of the frame that repeats the instruction.
        seq: Seq,
    },
    /// Refused.
    Nack {
        /// The frame's id.
        id: u32,
        /// Why.
        code: ErrorCode,
        /// For people.
        detail: Cow<'static, str>,
    },
    /// Are you there?
    SysHeart {
        /// When it was asked.
        sent_at: Timestamp,
    },
    /// A fresh session token.
    TokenRenewed {
        /// A secret.
        token: String,
        /// Its end.
        expires_at: Timestamp,
    },
    /// To the host: the number code changed.
    NumberCodeChange {
        /// Its end; `None`: there is none.
        expires_at: Option<Timestamp>,
    },
    /// To the host: somebody waits at the door, or does so no longer.
    MemberKnock(MemberKnock),
    /// Where the one that the receiver follows is.
    ActionSync(SentAction),
}

/// What a frame from the server says.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// In order, to everybody.
    Event(Event),
    /// Outside of the order, to some.
    Notice(Notice),
}

/// A frame from the server.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerFrame {
    /// Its place in the order; 0: none.
    pub seq: Seq,
    /// When it was said.
    pub at: Timestamp,
    /// Whose doing it is; `None`: the server's.
    pub from: Option<MemberId>,
    /// What it says.
    pub statement: Statement,
}

impl ServerFrame {
    /// A frame outside of the order, from the server itself.
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

/// Why the server closes a connection. The codes on the wire stand in one place, with the transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The member left.
    Left,
    /// Too many frames that are none.
    BadFrames,
    /// The credentials are not, or no longer, good.
    Unauthenticated,
    /// The host removed the member.
    Removed,
    /// Nothing heard for too long.
    HeartbeatLost,
    /// The same point connected again.
    Replaced,
    /// The session is over.
    SessionEnded,
    /// A frame over the limit.
    FrameTooLarge,
    /// Too much of something.
    TooMany,
    /// The receiver does not keep up.
    TooSlow,
    /// The server stops or restarts, or the session's order starts anew.
    Restarting,
    /// A bug on our side.
    Internal,
}

impl CloseReason {
    /// All of them, for table tests.
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
