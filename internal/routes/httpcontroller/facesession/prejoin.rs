//! `POST /v1/face-sessions/prejoin`

use super::admission::{AdmittedAnswer, WaitingAnswer};
use super::representation::DeviceRequest;
use crate::e::HttpError;
use crate::extract::{Authenticated, ClientSite, ValidJson};
use crate::json::Json;
use crate::links::PublicBase;
use crate::responses::{AuthProblems, BodyProblems, CodeProblems, LimitProblems};
use crate::schemas;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use faceshare_biz::domain::port::Clock;
use faceshare_biz::{Error, Result};
use faceshare_logic::facesession::{FaceSessions, Key, Prejoined};
use http::StatusCode;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A number code or an invite token, exactly one of them.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrejoinRequest {
    /// 6 to 12 digits; white space, hyphens and dashes do not count.
    #[schema(schema_with = schemas::number_code)]
    number_code: Option<String>,
    /// What follows the `#` of an invite link.
    invite_token: Option<String>,
    /// The device that joins.
    device: Option<DeviceRequest>,
}

fn key(number_code: Option<String>, invite_token: Option<String>) -> Result<Key> {
    match (number_code, invite_token) {
        (Some(code), None) => Ok(Key::NumberCode(code)),
        (None, Some(invite)) => Ok(Key::Invite(invite)),
        (None, None) => Err(Error::invalid(
            "numberCode",
            "is required, unless there is an inviteToken",
        )),
        (Some(_), Some(_)) => Err(Error::invalid(
            "inviteToken",
            "cannot be used together with numberCode",
        )),
    }
}

/// Joins a session by number code or invite, or asks the host to be admitted.
///
/// Every code or invite that does not work gets the same answer, whatever the reason. Wrong codes
/// count against limits of the account, the address and the network; once one is reached the answer
/// is `RATE_LIMITED`, for right codes too until `Retry-After`. Where the host must admit members,
/// the answer is 202 with a token to wait with; a caller that waits already gets the same knock
/// again. A former member of the session is admitted at once. `LIMIT_EXCEEDED`: too many callers
/// wait at this session, or too many from the caller's address wait or have a seat and have not
/// connected.
#[utoipa::path(
    post,
    path = "/v1/face-sessions/prejoin",
    tag = "face-sessions",
    security(("bearer" = [])),
    request_body = PrejoinRequest,
    responses(
        (status = 200, description = "The caller has a seat", body = AdmittedAnswer),
        (status = 202, description = "The caller waits for the host's answer", body = WaitingAnswer),
        AuthProblems, BodyProblems, CodeProblems, LimitProblems
    )
)]
pub async fn prejoin_face_session(
    Authenticated(caller): Authenticated,
    ClientSite(site): ClientSite,
    State(sessions): State<Arc<FaceSessions>>,
    State(clock): State<Arc<dyn Clock>>,
    base: PublicBase,
    ValidJson(request): ValidJson<PrejoinRequest>,
) -> Result<Response, HttpError> {
    let key = key(request.number_code, request.invite_token)?;
    Ok(
        match sessions
            .prejoin(caller, site, key, request.device.map(Into::into))
            .await?
        {
            Prejoined::Admitted(entered) => {
                Json(AdmittedAnswer::new(entered, clock.now(), &base)).into_response()
            }
            Prejoined::Waiting(waiting) => {
                (StatusCode::ACCEPTED, Json(WaitingAnswer::from(waiting))).into_response()
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::{Key, key};

    #[test]
    fn exactly_one_key_is_needed() {
        let some = || Some("x".to_owned());
        assert!(matches!(key(some(), None), Ok(Key::NumberCode(_))));
        assert!(matches!(key(None, some()), Ok(Key::Invite(_))));
        assert_eq!(
            key(None, None)
                .err()
                .map(|e| e.violations[0].path.clone())
                .as_deref(),
            Some("numberCode")
        );
        assert_eq!(
            key(some(), some())
                .err()
                .map(|e| e.violations[0].path.clone())
                .as_deref(),
            Some("inviteToken")
        );
    }
}
