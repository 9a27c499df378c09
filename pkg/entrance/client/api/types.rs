//! What calls take and give. Sessions and members have the shapes of the stream, so they are the stream's types.

use crate::Id;
use faceshare_api::v1::face_session::{Admission, HostLeft};
use faceshare_api::v1::{FaceSession, Member};
use faceshare_api::wellknown::Timestamp;
use serde::{Deserialize, Serialize};

/// Somebody with an account, or a guest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Also the member's id in every session.
    pub id: Id,
    /// Absent for guests.
    pub username: Option<String>,
    /// What others see.
    pub nickname: String,
    /// Where the picture is.
    pub avatar_url: Option<String>,
    /// Without username and password.
    #[serde(default)]
    pub guest: bool,
    /// When it was made.
    pub created_at: Option<Timestamp>,
}

/// What signing up or refreshing gives. `Debug` leaves the tokens out.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// For `Authorization: Bearer`.
    pub access_token: String,
    /// Buys the next pair, once.
    pub refresh_token: String,
    /// When the access token ends.
    pub expires_at: Timestamp,
    /// The same in seconds from now, for skewed clocks.
    #[serde(default)]
    pub expires_in: u64,
    /// When the refresh token ends, unless used before.
    pub refresh_expires_at: Option<Timestamp>,
    /// Whose they are; a refresh may leave it out.
    pub account: Option<Account>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("account", &self.account).field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// A session to be made; what is left out is the server's choice.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewFaceSession {
    /// At most 100 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Who comes in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admission: Option<Admission>,
    /// Including the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_members: Option<u32>,
    /// What happens when the host leaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_left: Option<HostLeft>,
    /// A maximum duration, e.g. `"3600s"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_end_after: Option<String>,
}

/// What the host changes; what is left out stays.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FaceSessionPatch {
    /// At most 100 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Who comes in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admission: Option<Admission>,
    /// Including the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_members: Option<u32>,
    /// What happens when the host leaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_left: Option<HostLeft>,
    /// Nobody new comes in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked: Option<bool>,
}

/// The code to read aloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NumberCode {
    /// 6 to 12 digits.
    pub code: String,
    /// Each use moves it.
    pub expires_at: Timestamp,
}

/// A new session, and the way in for its host.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreatedFaceSession {
    /// As it is now.
    pub face_session: FaceSession,
    /// For the others.
    pub number_code: NumberCode,
    /// For the stream.
    pub session_token: String,
    /// When the token ends.
    pub expires_at: Timestamp,
    /// Where the stream is.
    pub websocket_url: String,
}

/// What a stranger may know of a session.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// Its title.
    #[serde(default)]
    pub title: String,
    /// Whose it is.
    #[serde(default)]
    pub host_nickname: String,
    /// How many are in it.
    #[serde(default)]
    pub member_count: u32,
    /// `OPEN` or `APPROVAL`.
    #[serde(default)]
    pub admission: String,
}

/// What is shown at the door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Key {
    /// Digits; spaces and hyphens do not matter.
    NumberCode(String),
    /// The secret of an invite link.
    InviteToken(String),
}

/// What this point is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceInfo {
    /// E.g. "Ann's phone".
    pub name: String,
    /// E.g. "phone", "laptop", "terminal".
    pub kind: String,
}

/// The door's answer.
#[derive(Debug, Clone)]
pub enum Door {
    /// Come in.
    Admitted(Box<Admitted>),
    /// The host decides; ask again with the token.
    Waiting {
        /// For [`Api::wait`](super::Api::wait).
        wait_token: String,
        /// Then it is over.
        expires_at: Option<Timestamp>,
    },
    /// Not to be had; said to those who waited.
    Refused(Refusal),
}

/// How a wait ended without a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Refusal {
    /// The host did not let the caller in.
    Denied,
    /// Nobody answered in time; knocking again is fine.
    Expired,
    /// The session is over.
    Ended,
}

/// How a wait ended.
pub type Waited = Result<Box<Admitted>, Refusal>;

/// The way into a session.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Admitted {
    /// As it is now.
    pub face_session: FaceSession,
    /// For the stream.
    pub session_token: String,
    /// When the token ends.
    pub expires_at: Timestamp,
    /// Connect before this, or the seat is somebody else's.
    pub seat_expires_at: Option<Timestamp>,
    /// Where the stream is.
    pub websocket_url: String,
}

/// A token for the stream.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionGrant {
    /// For the stream.
    pub session_token: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The same in seconds from now.
    #[serde(default)]
    pub expires_in: u64,
    /// Where the stream is.
    pub websocket_url: String,
}

/// A link that lets people in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InvokeLink {
    /// To send around; what the QR holds.
    pub web_url: String,
    /// Opens the app.
    #[serde(default)]
    pub app_url: String,
    /// The secret in it.
    pub invite_token: String,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// An SVG document.
    #[serde(default)]
    pub qr_svg: String,
}

/// How a link is made; what is left out is the server's choice.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewInvokeLink {
    /// E.g. `"3600s"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<String>,
    /// How many may come by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_uses: Option<u32>,
    /// The host is asked all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<bool>,
}

/// One page of the caller's sessions, newest first.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FaceSessionPage {
    /// At most as many as asked for.
    pub face_sessions: Vec<FaceSession>,
    /// Absent on the last page.
    pub next_page_token: Option<String>,
}

/// The members of a session.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Members {
    pub(crate) members: Vec<Member>,
}
