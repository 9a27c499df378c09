//! What calls send and return. Sessions and members have the shapes of the stream, so they are its
//! types.

use crate::Id;
use faceshare_api::v1::face_session::{Admission, HostLeft};
use faceshare_api::v1::{FaceSession, Member};
use faceshare_api::wellknown::Timestamp;
use serde::{Deserialize, Serialize};

/// A user or guest account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Account id; also the member's id in every session.
    pub id: Id,
    /// Unique name; absent for guests.
    pub username: Option<String>,
    /// The name that other members see.
    pub nickname: String,
    /// URL of the picture; absent without one.
    pub avatar_url: Option<String>,
    /// Whether this is a guest account, without username and password.
    #[serde(default)]
    pub guest: bool,
    /// When the account was created.
    pub created_at: Option<Timestamp>,
}

/// The result of signing up or refreshing. `Debug` leaves the tokens out.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// Access token, for `Authorization: Bearer`.
    pub access_token: String,
    /// Refresh token; it can be exchanged once for the next pair.
    pub refresh_token: String,
    /// When the access token expires.
    pub expires_at: Timestamp,
    /// Seconds until the access token expires, for clients with a wrong clock.
    #[serde(default)]
    pub expires_in: u64,
    /// When the refresh token expires if it is not used.
    pub refresh_expires_at: Option<Timestamp>,
    /// The account; a refresh may leave it out.
    pub account: Option<Account>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("account", &self.account)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// A session to create; for missing fields the server uses its defaults.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewFaceSession {
    /// Title, at most 100 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Whether joining needs the host's approval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admission: Option<Admission>,
    /// The most members, including the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_members: Option<u32>,
    /// What happens when the host leaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_left: Option<HostLeft>,
    /// The longest duration, e.g. `"3600s"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_end_after: Option<String>,
}

/// Changes to a session; missing fields keep their value.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FaceSessionPatch {
    /// Title, at most 100 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Whether joining needs the host's approval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admission: Option<Admission>,
    /// The most members, including the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_members: Option<u32>,
    /// What happens when the host leaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_left: Option<HostLeft>,
    /// Whether new members are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked: Option<bool>,
}

/// A session's number code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NumberCode {
    /// 6 to 12 digits.
    pub code: String,
    /// When the code expires; each use extends this.
    pub expires_at: Timestamp,
}

/// A new session, with the host's session token.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreatedFaceSession {
    /// The session as it was created.
    pub face_session: FaceSession,
    /// The code with which others join.
    pub number_code: NumberCode,
    /// Session token for the stream.
    pub session_token: String,
    /// When the session token expires.
    pub expires_at: Timestamp,
    /// URL of the stream.
    pub websocket_url: String,
}

/// What a session shows to people who have not joined.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// The session's title.
    #[serde(default)]
    pub title: String,
    /// Nickname of the host.
    #[serde(default)]
    pub host_nickname: String,
    /// Number of members.
    #[serde(default)]
    pub member_count: u32,
    /// `OPEN` or `APPROVAL`.
    #[serde(default)]
    pub admission: String,
}

/// A key to a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum JoinKey {
    /// Number code: digits; spaces and hyphens are ignored.
    NumberCode(String),
    /// The secret of an invite link.
    InviteToken(String),
}

/// A description of this point's device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceInfo {
    /// Name, e.g. "Ann's phone".
    pub name: String,
    /// Kind, e.g. "phone", "laptop", "terminal".
    pub kind: String,
}

/// The result of a join attempt.
#[derive(Debug, Clone)]
pub enum JoinOutcome {
    /// The caller may connect.
    Admitted(Box<Admitted>),
    /// The host has to approve; ask again with the token.
    Waiting {
        /// Token for [`Api::wait`](super::Api::wait).
        wait_token: String,
        /// When the join request expires.
        expires_at: Option<Timestamp>,
    },
    /// The request was not granted; only an answer to a wait.
    Refused(JoinRefusal),
}

/// Why a wait ended without a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JoinRefusal {
    /// The host denied the request.
    Denied,
    /// The host did not decide in time; the caller may ask again.
    Expired,
    /// The session has ended.
    Ended,
}

/// The result of a wait.
pub type WaitOutcome = Result<Box<Admitted>, JoinRefusal>;

/// The admission to a session.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Admitted {
    /// The session's current state.
    pub face_session: FaceSession,
    /// Session token for the stream.
    pub session_token: String,
    /// When the session token expires.
    pub expires_at: Timestamp,
    /// When the reserved seat is released if the caller has not connected.
    pub seat_expires_at: Option<Timestamp>,
    /// URL of the stream.
    pub websocket_url: String,
}

/// A session token for the stream.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionGrant {
    /// Session token.
    pub session_token: String,
    /// When the session token expires.
    pub expires_at: Timestamp,
    /// Seconds until the session token expires.
    #[serde(default)]
    pub expires_in: u64,
    /// URL of the stream.
    pub websocket_url: String,
}

/// An invite link.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InvokeLink {
    /// Web URL to send to people; the QR code contains it.
    pub web_url: String,
    /// URL that opens the app.
    #[serde(default)]
    pub app_url: String,
    /// The secret in the URLs.
    pub invite_token: String,
    /// When the link expires; `None` if never.
    pub expires_at: Option<Timestamp>,
    /// The QR code as an SVG document.
    #[serde(default)]
    pub qr_svg: String,
}

/// An invite link to create; for missing fields the server uses its defaults.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewInvokeLink {
    /// Lifetime, e.g. `"3600s"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<String>,
    /// How many people may join with the link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_uses: Option<u32>,
    /// Whether the host has to approve people with the link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<bool>,
}

/// One page of the caller's sessions, newest first.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FaceSessionPage {
    /// The sessions, at most as many as requested.
    pub face_sessions: Vec<FaceSession>,
    /// Token for the next page; absent on the last page.
    pub next_page_token: Option<String>,
}

/// The members of a session.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Members {
    pub(crate) members: Vec<Member>,
}
