//! JSON responses.

use crate::e::HttpError;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use faceshare_biz::Error;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use serde::Serialize;

/// Initial capacity of a body in bytes: most bodies fit without growing.
const BODY_CAPACITY: usize = 512;
/// Initial capacity of the header map: the headers of every response, the media type and the
/// length.
const HEADER_CAPACITY: usize = 8;

/// Serializes its value as the response body. Unlike axum's `Json`, it allocates the body and the
/// header map once.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match to_json(&self.0) {
            Ok(text) => JsonBytes(text).into_response(),
            Err(error) => HttpError(Error::internal(error)).into_response(),
        }
    }
}

/// A body that is JSON already.
#[derive(Debug, Clone)]
pub struct JsonBytes(pub Bytes);

impl IntoResponse for JsonBytes {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.0));
        *response.headers_mut() = HeaderMap::with_capacity(HEADER_CAPACITY);
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

/// Serializes a value to JSON.
///
/// # Errors
/// When the value cannot be serialized. Values of this crate always can.
pub fn to_json(value: &impl Serialize) -> serde_json::Result<Bytes> {
    let mut text = Vec::with_capacity(BODY_CAPACITY);
    serde_json::to_writer(&mut text, value)?;
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::Json;
    use crate::e::http::ResponseError;
    use axum::response::IntoResponse;
    use faceshare_biz::ErrorCode;
    use http::StatusCode;
    use http_body_util::BodyExt;
    use std::collections::HashMap;

    #[tokio::test]
    async fn a_value_is_written_with_its_type_however_long_it_is() {
        let long = vec!["é\"".to_owned(); 1_000];
        let response = Json(&long).into_response();
        assert_eq!(
            (response.status(), &response.headers()["content-type"]),
            (
                StatusCode::OK,
                &"application/json".parse().expect("a value")
            )
        );
        let body = response
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes();
        assert_eq!(
            serde_json::from_slice::<Vec<String>>(&body).expect("JSON"),
            long
        );
    }

    #[test]
    fn a_value_that_cannot_be_serialized_is_an_internal_error() {
        let response = Json(HashMap::from([((1, 2), 3)])).into_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(
            response
                .extensions()
                .get::<ResponseError>()
                .expect("it failed")
                .0
                .code,
            ErrorCode::Internal
        );
    }
}
