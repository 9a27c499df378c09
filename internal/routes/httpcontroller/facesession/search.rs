//! `POST /v1/face-sessions/search`

use super::representation::AdmissionText;
use crate::e::HttpError;
use crate::extract::{Authenticated, ClientSite, ValidJson};
use crate::json::Json;
use crate::responses::{AuthProblems, BodyProblems, CodeProblems};
use crate::schemas;
use axum::extract::State;
use faceshare_logic::facesession::{FaceSessions, Preview};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// The number code to search for.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SearchRequest {
    /// 6 to 12 digits; white space, hyphens and dashes do not count.
    #[schema(schema_with = schemas::number_code)]
    number_code: String,
}

/// The part of a session that a non-member with the code may see.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Preview)]
pub struct PreviewView {
    title: String,
    host_nickname: String,
    member_count: u32,
    admission: AdmissionText,
}

impl From<Preview> for PreviewView {
    fn from(preview: Preview) -> Self {
        Self {
            title: preview.title.to_string(),
            host_nickname: preview.host_nickname.to_string(),
            member_count: preview.member_count,
            admission: preview.admission.into(),
        }
    }
}

/// The session that was found.
#[derive(Debug, Serialize, ToSchema)]
pub struct SearchAnswer {
    preview: PreviewView,
}

/// Shows the session of a number code, without joining it.
///
/// A POST, so that codes stay out of access logs. Every code that does not work gets the same
/// answer, whatever the reason. Wrong codes count against the same limits as in prejoin; while many
/// codes are being guessed, guests cannot search at all.
#[utoipa::path(
    post,
    path = "/v1/face-sessions/search",
    tag = "face-sessions",
    security(("bearer" = [])),
    request_body = SearchRequest,
    responses((status = 200, description = "The code works", body = SearchAnswer), AuthProblems, BodyProblems, CodeProblems)
)]
pub async fn search_face_session(
    Authenticated(caller): Authenticated,
    ClientSite(site): ClientSite,
    State(sessions): State<Arc<FaceSessions>>,
    ValidJson(request): ValidJson<SearchRequest>,
) -> Result<Json<SearchAnswer>, HttpError> {
    let preview = sessions.search(caller, site, &request.number_code).await?;
    Ok(Json(SearchAnswer {
        preview: preview.into(),
    }))
}
