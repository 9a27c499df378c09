//! `GET /openapi.json`

use super::Classic;
use crate::json::Json;
use axum::extract::State;

/// The description of these calls.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "operations",
    responses((status = 200, description = "An OpenAPI document", body = Object, content_type = "application/json"))
)]
pub async fn openapi_document(State(Classic(classic)): State<Classic>) -> Json<utoipa::openapi::OpenApi> {
    Json(if classic { crate::openapi::openapi() } else { crate::openapi::openapi_without_classic() })
}
