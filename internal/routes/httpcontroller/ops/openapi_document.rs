//! `GET /openapi.json`

use crate::json::JsonBytes;
use axum::extract::State;
use bytes::Bytes;

/// State: returns the document that the server answers with, as JSON.
#[derive(Debug, Clone, Copy)]
pub struct OpenApiDocument(pub fn() -> Bytes);

/// The OpenAPI document of these calls.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "operations",
    responses((status = 200, description = "An OpenAPI document", body = Object, content_type = "application/json"))
)]
pub async fn openapi_document(State(document): State<OpenApiDocument>) -> JsonBytes {
    JsonBytes((document.0)())
}
