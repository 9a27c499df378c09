//! Answers in JSON.

use crate::e::HttpError;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use faceshare_biz::Error;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use serde::Serialize;

/// Bytes that hold most answers without growing.
const MOST: usize = 512;
/// Headers that an answer leaves with, most often: those of every answer, its type and its length.
const HEADERS: usize = 8;

/// A value, written as JSON. Unlike axum's, it makes room for the whole answer at once, headers included.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match written(&self.0) {
            Ok(text) => Written(text).into_response(),
            Err(error) => HttpError(Error::internal(error)).into_response(),
        }
    }
}

/// JSON that has been written already.
#[derive(Debug, Clone)]
pub struct Written(pub Bytes);

impl IntoResponse for Written {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.0));
        *response.headers_mut() = HeaderMap::with_capacity(HEADERS);
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

/// A value as JSON.
///
/// # Errors
/// When it has no such form; what we answer with has one.
pub fn written(value: &impl Serialize) -> serde_json::Result<Bytes> {
    let mut text = Vec::with_capacity(MOST);
    serde_json::to_writer(&mut text, value)?;
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::Json;
    use crate::e::http::Failure;
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
    fn what_cannot_be_written_is_a_failure_of_ours() {
        let response = Json(HashMap::from([((1, 2), 3)])).into_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(
            response
                .extensions()
                .get::<Failure>()
                .expect("it failed")
                .0
                .code,
            ErrorCode::Internal
        );
    }
}
