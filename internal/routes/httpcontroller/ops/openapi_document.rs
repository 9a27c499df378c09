//! `GET /openapi.json`

use axum::Json;

/// The description of these calls.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "operations",
    responses((status = 200, description = "An OpenAPI document", body = Object, content_type = "application/json"))
)]
pub async fn openapi_document() -> Json<utoipa::openapi::OpenApi> {
    Json(crate::openapi::openapi())
}
