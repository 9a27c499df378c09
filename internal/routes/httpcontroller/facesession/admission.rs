//! JSON forms of an attempt to join: admitted, or waiting for the host.

use super::representation::{FaceSessionView, SessionTokenView};
use crate::links::PublicBase;
use crate::text::TimeText;
use faceshare_biz::domain::Timestamp;
use faceshare_logic::facesession::{Entered, PendingKnock};
use serde::Serialize;
use utoipa::ToSchema;

/// The status of a client that was admitted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AdmittedStatus {
    /// The client has a seat.
    Admitted,
}

/// A seat in the session. It is kept until `seatExpiresAt`: connect before.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdmittedAnswer {
    status: AdmittedStatus,
    face_session: FaceSessionView,
    /// The seat is kept until then for the first connection.
    #[schema(value_type = String, format = DateTime)]
    seat_expires_at: TimeText,
    #[serde(flatten)]
    token: SessionTokenView,
}

impl AdmittedAnswer {
    /// `now` is the start of `expiresIn`.
    pub fn new(entered: Entered, now: Timestamp, base: &PublicBase) -> Self {
        Self {
            status: AdmittedStatus::Admitted,
            face_session: entered.session.into(),
            seat_expires_at: TimeText(entered.seat_expires_at),
            token: SessionTokenView::new(entered.token, now, base),
        }
    }
}

/// The status of a client that waits for the host.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WaitingStatus {
    /// The host has not answered yet.
    Waiting,
}

/// The host must admit the caller: `POST /v1/face-sessions/wait` waits for the answer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WaitingAnswer {
    status: WaitingStatus,
    /// The token for `wait`, valid for the same caller only. A secret.
    #[schema(example = "v4.local.…")]
    wait_token: String,
    /// The knock expires then, unless the host has answered.
    #[schema(value_type = String, format = DateTime)]
    expires_at: TimeText,
}

impl From<PendingKnock> for WaitingAnswer {
    fn from(waiting: PendingKnock) -> Self {
        let PendingKnock { token, expires_at } = waiting;
        Self {
            status: WaitingStatus::Waiting,
            wait_token: token,
            expires_at: TimeText(expires_at),
        }
    }
}
