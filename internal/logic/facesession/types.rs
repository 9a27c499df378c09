//! Inputs and outputs of the use cases.

use crate::idempotency::EffectId;
use faceshare_biz::domain::account::IssuedToken;
use faceshare_biz::domain::facesession::{Admission, FaceSession, HostLeft, NumberCode};
use faceshare_biz::domain::{Nickname, Timestamp, Title};
use std::time::Duration;

/// The settings of a new session. A field that is `None` gets its default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewFaceSession {
    /// The title; empty by default.
    pub title: Option<String>,
    /// How newcomers are admitted; [`Admission::Open`] by default.
    pub admission: Option<Admission>,
    /// The most members, 1 to the configured limit; the configured limit by default.
    pub max_members: Option<u32>,
    /// What happens when the host leaves; [`HostLeft::Countdown`] by default.
    pub host_left: Option<HostLeft>,
    /// The session ends this long after its creation at the latest, 1 second to 24 hours; no such
    /// end by default.
    pub auto_end_after: Option<Duration>,
    /// The device that the host connects with.
    pub device: Option<DeviceInput>,
    /// The session's id, for a call that may be repeated: a session that already has this id was
    /// made by an earlier attempt at the same call. `None`: a new id.
    pub effect: Option<EffectId>,
}

/// A device as its client describes it; 0 to 64 characters each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceInput {
    /// E.g. "Ann's phone".
    pub name: Option<String>,
    /// E.g. "phone".
    pub kind: Option<String>,
}

/// A new session, with the code and the token for its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The session.
    pub session: FaceSession,
    /// The number code by which others find it.
    pub code: ShownCode,
    /// The session token with which the host connects.
    pub token: IssuedToken,
}

/// A number code in clear text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownCode {
    /// The digits: a secret, never logged.
    pub code: NumberCode,
    /// When it expires; each use moves this later, a rotation ends the code at once.
    pub expires_at: Timestamp,
}

/// An invite in clear text.
#[derive(Clone, PartialEq, Eq)]
pub struct ShownInvite {
    /// The secret of the link. Never logged.
    pub secret: String,
    /// When it expires.
    pub expires_at: Timestamp,
    /// The most uses; `None`: no limit.
    pub max_uses: Option<u32>,
    /// The uses spent so far.
    pub uses: u32,
}

impl std::fmt::Debug for ShownInvite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShownInvite")
            .field("secret", &"***")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// An admitted caller: it has a seat in the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entered {
    /// The session.
    pub session: FaceSession,
    /// The session token with which the caller connects.
    pub token: IssuedToken,
    /// The seat is held until then, unless the caller connects first.
    pub seat_expires_at: Timestamp,
}

/// The outcome of a prejoin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prejoined {
    /// The caller has a seat.
    Admitted(Entered),
    /// The caller waits for the host's answer.
    Waiting(PendingKnock),
}

#[cfg(test)]
impl Prejoined {
    pub(super) fn admitted(self) -> Entered {
        match self {
            Self::Admitted(entered) => entered,
            Self::Waiting(waiting) => panic!("not admitted: {waiting:?}"),
        }
    }

    pub(super) fn waiting(self) -> PendingKnock {
        match self {
            Self::Waiting(waiting) => waiting,
            Self::Admitted(entered) => panic!("not waiting: {entered:?}"),
        }
    }
}

/// A knock that waits for the host's answer.
#[derive(Clone, PartialEq, Eq)]
pub struct PendingKnock {
    /// The wait token, with which the caller asks for the answer. A secret.
    pub token: String,
    /// The knock expires then if the host has not answered.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for PendingKnock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingKnock")
            .field("token", &"***")
            .field("expires_at", &self.expires_at)
            .finish()
    }
}

/// The outcome of a wait for the host's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitOutcome {
    /// The host admitted the caller.
    Admitted(Entered),
    /// The host has not answered yet.
    Waiting(PendingKnock),
    /// The host denied the knock, or removed the caller since.
    Denied,
    /// The host did not answer in time.
    Expired,
    /// The session has ended.
    Ended,
}

/// What a number code shows of its session before the caller joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// The title; may be empty.
    pub title: Title,
    /// The host's nickname.
    pub host_nickname: Nickname,
    /// The number of members now, online or within their grace.
    pub member_count: u32,
    /// How newcomers are admitted.
    pub admission: Admission,
}

/// What a caller joins with.
#[derive(Clone, PartialEq, Eq)]
pub enum Key {
    /// A number code, as typed.
    NumberCode(String),
    /// The secret of an invite.
    Invite(String),
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NumberCode(_) => "NumberCode(***)",
            Self::Invite(_) => "Invite(***)",
        })
    }
}

/// The host's changes to a session; a field that is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PatchInput {
    /// The title; may be empty.
    pub title: Option<String>,
    /// How newcomers are admitted.
    pub admission: Option<Admission>,
    /// The most members. A number below the present one removes no member.
    pub max_members: Option<u32>,
    /// What happens when the host leaves.
    pub host_left: Option<HostLeft>,
    /// Whether newcomers are refused.
    pub locked: Option<bool>,
}

/// The settings of a new invite.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NewInvite {
    /// The lifetime, 1 minute to 7 days; the configured one by default.
    pub expires_in: Option<Duration>,
    /// The most uses, 1 to 10,000; no limit by default.
    pub max_uses: Option<u32>,
    /// Whether a newcomer who uses it needs the host's approval.
    pub approval: Option<bool>,
    /// The effect id of a call that may be repeated: the session's invite that already has it was
    /// made by an earlier attempt at the same call. `None`: the call is not repeated.
    pub effect: Option<EffectId>,
}
