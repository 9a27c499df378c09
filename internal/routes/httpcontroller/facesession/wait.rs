//! `POST /v1/face-sessions/wait`

use super::{AdmittedAnswer, WaitingAnswer};
use crate::e::HttpError;
use crate::extract::{Authenticated, ValidJson};
use crate::json::Json;
use crate::links::PublicBase;
use crate::openapi::{AuthProblems, BodyProblems, Problem422};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use faceshare_biz::domain::port::Clock;
use faceshare_biz::{Error, ErrorCode};
use faceshare_logic::facesession::{FaceSessions, Waited};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

/// A wait token at hand.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WaitRequest {
    /// As `prejoin` gave it.
    #[schema(example = "v4.local.…")]
    wait_token: String,
}

impl WaitRequest {
    pub(super) fn wait_token(&self) -> &str {
        &self.wait_token
    }
}

/// How the wait ended without a seat.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RefusalStatus {
    /// The host did not let the caller in, or removed it since.
    Denied,
    /// The host did not answer in time. Knocking again is fine.
    Expired,
    /// The session is over.
    Ended,
}

/// Nobody was let in.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefusedAnswer {
    status: RefusalStatus,
}

/// How a wait ended.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum WaitAnswer {
    /// There is a seat.
    Admitted(Box<AdmittedAnswer>),
    /// There is none.
    Refused(RefusedAnswer),
}

impl WaitAnswer {
    const fn refused(status: RefusalStatus) -> Self {
        Self::Refused(RefusedAnswer { status })
    }
}

/// Waits for the host's answer to a knock, up to 25 seconds. For the one who knocked.
///
/// 202 after that: ask again. Of several questions about one knock the last is held open; the earlier ones are answered with 202.
/// Asking changes nothing: an `Idempotency-Key` is ignored, and a lost answer is asked for again.
#[utoipa::path(
    post,
    path = "/v1/face-sessions/wait",
    tag = "face-sessions",
    security(("bearer" = [])),
    request_body = WaitRequest,
    responses(
        (status = 200, description = "The wait is over", body = WaitAnswer),
        (status = 202, description = "The host has not answered yet: ask again", body = WaitingAnswer),
        AuthProblems, BodyProblems, Problem422
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
    // Nobody is held open while the server goes down: whoever waits asks again elsewhere, or once it is back.
    let going = || {
        Error::new(ErrorCode::Unavailable, "this node is going down; ask again")
            .retry_after(Duration::from_secs(1))
    };
    let answer = match waited.ok_or_else(going)?? {
        Waited::Waiting(waiting) => {
            return Ok((StatusCode::ACCEPTED, Json(WaitingAnswer::from(waiting))).into_response());
        }
        Waited::Admitted(entered) => {
            WaitAnswer::Admitted(Box::new(AdmittedAnswer::new(entered, clock.now(), &base)))
        }
        Waited::Denied => WaitAnswer::refused(RefusalStatus::Denied),
        Waited::Expired => WaitAnswer::refused(RefusalStatus::Expired),
        Waited::Ended => WaitAnswer::refused(RefusalStatus::Ended),
    };
    Ok(Json(answer).into_response())
}
