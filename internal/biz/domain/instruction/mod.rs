//! The instruction stream: what clients may ask ([`Command`]), what the server sends ([`Event`],
//! [`Notice`]), and the log that orders it.
//!
//! `Command` and `Event` are two types on purpose: a client cannot forge a server event, because a
//! `Command` cannot represent one.

mod action;
mod command;
mod event;
mod follow;
mod frame;
mod knock;
mod log;
mod member;
mod port;

pub use action::{Action, ActionKey, ActionValue, SentAction, View};
pub use command::Command;
pub use event::{AutoEnd, AutoEndReason, Event, QuitReason};
pub use follow::{Edge, EdgeReason, Invite, Lock, Presenting, Suspend};
pub use frame::{
    ClientFrame, CloseReason, Decoded, Notice, ServerFrame, Statement, Welcome, WireFormat,
};
pub use knock::{KnockState, MemberKnock, Origin};
pub use log::{
    Append, AppendError, Epoch, Loaded, LogRecord, Position, Retained, Seq, SnapshotRecord,
};
pub use member::{Device, Member, PointInfo, Profile, Role, Snapshot};
pub use port::{FrameCodec, SessionLog};
