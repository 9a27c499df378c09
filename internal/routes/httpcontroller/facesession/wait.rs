//! `POST /v1/face-sessions/wait`

use super::admission::{AdmittedAnswer, WaitingAnswer};
use crate::e::HttpError;
use crate::extract::{Authenticated, ValidJson};
use crate::json::Json;
use crate::links::PublicBase;
use crate::responses::{AuthProblems, BodyProblems, LimitProblems};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use faceshare_biz::domain::port::Clock;
use faceshare_biz::{Error, ErrorCode};
use faceshare_logic::facesession::{FaceSessions, WaitOutcome};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

/// The wait token.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WaitRequest {
    /// The `waitToken` of `prejoin`.
    #[schema(example = "v4.local.…")]
    wait_token: String,
}

impl WaitRequest {
    pub(super) fn wait_token(&self) -> &str {
        &self.wait_token
    }
}

/// Why the wait ended without a seat.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RefusalStatus {
    /// The host refused the caller, or removed it since.
    Denied,
    /// The host did not answer in time. The caller may knock again.
    Expired,
    /// The session has ended.
    Ended,
}

/// The wait ended without a seat.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefusedAnswer {
    status: RefusalStatus,
}

/// How a wait ended.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum WaitAnswer {
    /// The caller has a seat.
    Admitted(Box<AdmittedAnswer>),
    /// The caller has no seat.
    Refused(RefusedAnswer),
}

impl WaitAnswer {
    const fn refused(status: RefusalStatus) -> Self {
        Self::Refused(RefusedAnswer { status })
    }
}

/// Waits for the host's answer to a knock, up to 25 seconds. For the caller that knocked.
///
/// 202 after that time: ask again. Of several requests about one knock only the last is held open;
/// the earlier ones are answered with 202. The call changes nothing: an `Idempotency-Key` is
/// ignored, and a client that lost the answer asks again.
#[utoipa::path(
    post,
    path = "/v1/face-sessions/wait",
    tag = "face-sessions",
    security(("bearer" = [])),
    request_body = WaitRequest,
    responses(
        (status = 200, description = "The wait is over", body = WaitAnswer),
        (status = 202, description = "The host has not answered yet: ask again", body = WaitingAnswer),
        AuthProblems, BodyProblems, LimitProblems
    )
)]
pub async fn wait_for_admission(
    Authenticated(caller): Authenticated,
    State(sessions): State<Arc<FaceSessions>>,
    State(clock): State<Arc<dyn Clock>>,
    State(draining): State<CancellationToken>,
    base: PublicBase,
    ValidJson(request): ValidJson<WaitRequest>,
) -> Result<Response, HttpError> {
    let waited = draining
        .run_until_cancelled(sessions.wait(caller, &request.wait_token))
        .await;
    // No request is held open while the server drains: the client asks again, on another node or
    // once this one is back.
    let draining_error = || {
        Error::new(
            ErrorCode::Unavailable,
            "the server is shutting down; ask again",
        )
        .retry_after(Duration::from_secs(1))
    };
    let answer = match waited.ok_or_else(draining_error)?? {
        WaitOutcome::Waiting(waiting) => {
            return Ok((StatusCode::ACCEPTED, Json(WaitingAnswer::from(waiting))).into_response());
        }
        WaitOutcome::Admitted(entered) => {
            WaitAnswer::Admitted(Box::new(AdmittedAnswer::new(entered, clock.now(), &base)))
        }
        WaitOutcome::Denied => WaitAnswer::refused(RefusalStatus::Denied),
        WaitOutcome::Expired => WaitAnswer::refused(RefusalStatus::Expired),
        WaitOutcome::Ended => WaitAnswer::refused(RefusalStatus::Ended),
    };
    Ok(Json(answer).into_response())
}
