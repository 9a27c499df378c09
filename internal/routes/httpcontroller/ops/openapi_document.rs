//! `GET /openapi.json`

use super::Classic;
use crate::json::{JsonBytes, to_json};
use crate::openapi;
use axum::extract::State;
use bytes::Bytes;
use std::sync::LazyLock;

/// The document is large: it is serialized once, and all responses share its bytes.
static WITH_CLASSIC: LazyLock<Bytes> = LazyLock::new(|| document(&openapi::openapi()));
static WITHOUT_CLASSIC: LazyLock<Bytes> =
    LazyLock::new(|| document(&openapi::openapi_without_classic()));

/// The OpenAPI document of these calls.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "operations",
    responses((status = 200, description = "An OpenAPI document", body = Object, content_type = "application/json"))
)]
pub async fn openapi_document(State(Classic(classic)): State<Classic>) -> JsonBytes {
    JsonBytes(if classic {
        WITH_CLASSIC.clone()
    } else {
        WITHOUT_CLASSIC.clone()
    })
}

fn document(openapi: &utoipa::openapi::OpenApi) -> Bytes {
    to_json(openapi).expect("invariant: an OpenAPI document serializes to JSON")
}

#[cfg(test)]
mod tests {
    use super::{Classic, openapi_document};
    use axum::extract::State;

    #[tokio::test]
    async fn all_answers_share_the_bytes_of_one_document() {
        for classic in [true, false] {
            let one = openapi_document(State(Classic(classic))).await.0;
            let other = openapi_document(State(Classic(classic))).await.0;
            assert_eq!(one.as_ptr(), other.as_ptr());
            assert_eq!(
                one.windows(14).any(|text| text == b"/api/entrytask"),
                classic
            );
        }
    }
}
