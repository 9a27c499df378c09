//! `POST /v1/face-sessions`

use super::number_code::NumberCodeView;
use super::representation::{
    AdmissionText, DeviceRequest, FaceSessionView, HostLeftText, SessionTokenView,
};
use crate::e::HttpError;
use crate::extract::{Authenticated, OptionalJson};
use crate::json::Json;
use crate::links::PublicBase;
use crate::responses::{AuthProblems, BodyProblems, LimitProblems};
use crate::schemas;
use crate::text::DurationText;
use axum::Extension;
use axum::extract::State;
use faceshare_biz::domain::port::Clock;
use faceshare_logic::facesession::{FaceSessions, NewFaceSession};
use faceshare_logic::idempotency::EffectId;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Settings of the new session. All fields and the body are optional.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateFaceSessionRequest {
    /// At most 100 characters.
    #[schema(schema_with = schemas::title)]
    title: Option<String>,
    /// `OPEN` by default.
    admission: Option<AdmissionText>,
    /// At most what the server allows, which is also the default.
    #[schema(schema_with = schemas::max_members)]
    max_members: Option<u32>,
    /// `COUNTDOWN` by default.
    host_left: Option<HostLeftText>,
    /// The session ends this long after it was created, 1 s to 24 hours; announced 5 minutes
    /// before.
    #[schema(schema_with = schemas::auto_end_after)]
    auto_end_after: Option<DurationText>,
    /// The host's device.
    device: Option<DeviceRequest>,
}

impl From<CreateFaceSessionRequest> for NewFaceSession {
    fn from(request: CreateFaceSessionRequest) -> Self {
        Self {
            title: request.title,
            admission: request.admission.map(Into::into),
            max_members: request.max_members,
            host_left: request.host_left.map(Into::into),
            auto_end_after: request.auto_end_after.map(|d| d.0),
            device: request.device.map(Into::into),
            effect: None,
        }
    }
}

/// The created session.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateFaceSessionAnswer {
    face_session: FaceSessionView,
    number_code: NumberCodeView,
    #[serde(flatten)]
    token: SessionTokenView,
}

/// Creates a session.
///
/// The caller is its host.
#[utoipa::path(
    post,
    path = "/v1/face-sessions",
    tag = "face-sessions",
    security(("bearer" = [])),
    request_body = Option<CreateFaceSessionRequest>,
    responses((status = 201, description = "The session was created", body = CreateFaceSessionAnswer), AuthProblems, BodyProblems, LimitProblems)
)]
pub async fn create_face_session(
    Authenticated(caller): Authenticated,
    State(sessions): State<Arc<FaceSessions>>,
    State(clock): State<Arc<dyn Clock>>,
    base: PublicBase,
    effect: Option<Extension<EffectId>>,
    OptionalJson(request): OptionalJson<CreateFaceSessionRequest>,
) -> Result<(StatusCode, Json<CreateFaceSessionAnswer>), HttpError> {
    let created = sessions
        .create(
            caller,
            NewFaceSession {
                effect: effect.map(|Extension(id)| id),
                ..request.into()
            },
        )
        .await?;
    let answer = CreateFaceSessionAnswer {
        face_session: created.session.into(),
        number_code: created.code.into(),
        token: SessionTokenView::new(created.token, clock.now(), &base),
    };
    Ok((StatusCode::CREATED, Json(answer)))
}
