//! What the use cases take and give.

use crate::idempotency::EffectId;
use faceshare_biz::domain::account::IssuedToken;
use faceshare_biz::domain::facesession::{Admission, FaceSession, HostLeft, NumberCode};
use faceshare_biz::domain::{Nickname, Timestamp, Title};
use std::time::Duration;

/// How a new session is wanted. What is left out gets its default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewFaceSession {
    /// What it is called; empty by default.
    pub title: Option<String>,
    /// How people come in; [`Admission::Open`] by default.
    pub admission: Option<Admission>,
    /// How many members at most; the installation's limit by default.
    pub max_members: Option<u32>,
    /// What happens when the host leaves; [`HostLeft::Countdown`] by default.
    pub host_left: Option<HostLeft>,
    /// It ends this long after its beginning at the latest, 10 minutes to 24 hours; never by default.
    pub auto_end_after: Option<Duration>,
    /// The device the host connects with.
    pub device: Option<DeviceInput>,
    /// The session's id, for a call that may be repeated: a session that is there already under it was made by an earlier attempt. `None`:
    /// a new id.
    pub effect: Option<EffectId>,
}

/// A device, as a client describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceInput {
    /// E.g. "Ann's phone".
    pub name: Option<String>,
    /// E.g. "phone".
    pub kind: Option<String>,
}

/// A new session, and all its host needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The session.
    pub session: FaceSession,
    /// By which others find it.
    pub code: ShownCode,
    /// With which the host connects.
    pub token: IssuedToken,
}

/// A number code, in clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownCode {
    /// A secret.
    pub code: NumberCode,
    /// Its end, unless it is used or rotated before.
    pub expires_at: Timestamp,
}

/// An invite, in clear.
#[derive(Clone, PartialEq, Eq)]
pub struct ShownInvite {
    /// A secret: what the link holds.
    pub secret: String,
    /// Its end.
    pub expires_at: Timestamp,
    /// How often it may be used; `None`: any number of times.
    pub max_uses: Option<u32>,
    /// How often it was used.
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

/// Somebody was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entered {
    /// The session.
    pub session: FaceSession,
    /// With which to connect.
    pub token: IssuedToken,
    /// Until then a place is held.
    pub seat_expires_at: Timestamp,
}

/// How the attempt to come in went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prejoined {
    /// There is a seat.
    Admitted(Entered),
    /// The host is asked.
    Waiting(Waiting),
}

#[cfg(test)]
impl Prejoined {
    pub(super) fn admitted(self) -> Entered {
        match self {
            Self::Admitted(entered) => entered,
            Self::Waiting(waiting) => panic!("{waiting:?} is no seat"),
        }
    }

    pub(super) fn waiting(self) -> Waiting {
        match self {
            Self::Waiting(waiting) => waiting,
            Self::Admitted(entered) => panic!("{entered:?} does not wait"),
        }
    }
}

/// Somebody waits to be let in.
#[derive(Clone, PartialEq, Eq)]
pub struct Waiting {
    /// A secret: with which to ask how it ends.
    pub token: String,
    /// Unanswered until then, the knock expires.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting")
            .field("token", &"***")
            .field("expires_at", &self.expires_at)
            .finish()
    }
}

/// How a knock stands when somebody has waited for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waited {
    /// The host let the caller in.
    Admitted(Entered),
    /// The host has not answered yet.
    Waiting(Waiting),
    /// The host did not let the caller in, or removed it since.
    Denied,
    /// The host did not answer in time.
    Expired,
    /// The session is over.
    Ended,
}

/// What a number code tells before one goes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// What the session is called.
    pub title: Title,
    /// Who hosts it.
    pub host_nickname: Nickname,
    /// Members now.
    pub member_count: u32,
    /// How people come in.
    pub admission: Admission,
}

/// By what somebody wants to come in.
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

/// What the host wants to change; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PatchInput {
    /// What the session is called.
    pub title: Option<String>,
    /// How people come in.
    pub admission: Option<Admission>,
    /// How many members at most. Fewer than there are removes nobody.
    pub max_members: Option<u32>,
    /// What happens when the host leaves.
    pub host_left: Option<HostLeft>,
    /// Whether nobody new comes in.
    pub locked: Option<bool>,
}

/// How a new invite is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NewInvite {
    /// Its life, 1 minute to 7 days; the configured one by default.
    pub expires_in: Option<Duration>,
    /// How often it may be used, 1 to 10,000; any number of times by default.
    pub max_uses: Option<u32>,
    /// Whether the host must let in who comes by it.
    pub approval: Option<bool>,
}
