//! JSON bodies. A body that does not fit is refused with the path of the field.

use crate::e::HttpError;
use axum::RequestExt as _;
use axum::body::HttpBody as _;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use faceshare_api::json::with_plain_integers;
use faceshare_biz::{Error, ErrorCode};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

/// A JSON body.
#[derive(Debug, Clone, Copy)]
pub struct ValidJson<T>(pub T);

/// A JSON body that may be empty when all of its fields are optional.
#[derive(Debug, Clone, Copy)]
pub struct OptionalJson<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for ValidJson<T> {
    type Rejection = HttpError;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        require_json(request.headers())?;
        Ok(Self(parse(&body(request, state).await?)?))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalJson<T> {
    type Rejection = HttpError;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        // Refuse another media type before reading, so that the client need not send the body. A
        // body without a media type and without a declared length must be read to know whether it
        // is empty.
        let must_be_json =
            request.headers().contains_key(CONTENT_TYPE) || request.body().size_hint().lower() > 0;
        let is_json = match require_json(request.headers()) {
            Err(error) if must_be_json && !request.body().is_end_stream() => {
                return Err(error.into());
            }
            is_json => is_json,
        };
        let body = body(request, state).await?;
        if body.is_empty() {
            return Ok(Self(T::default()));
        }
        is_json?;
        Ok(Self(parse(&body)?))
    }
}

fn require_json(headers: &HeaderMap) -> Result<(), Error> {
    let essence = headers
        .get(CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.split(';').next())
        .unwrap_or_default()
        .trim();
    let is_json = essence.split_once('/').is_some_and(|(kind, sub)| {
        let sub = sub.to_ascii_lowercase();
        kind.eq_ignore_ascii_case("application") && (sub == "json" || sub.ends_with("+json"))
    });
    if is_json {
        Ok(())
    } else {
        Err(Error::new(
            ErrorCode::UnsupportedMediaType,
            "the body must be JSON, with Content-Type: application/json",
        ))
    }
}

/// The request with its body limited as the route says. A body that declares a greater length is
/// refused unread: its client may be waiting for `100 Continue`.
///
/// # Errors
/// `PAYLOAD_TOO_LARGE` for such a body.
pub(crate) fn limited(request: Request) -> Result<Request, Error> {
    let declared = request.body().size_hint().lower();
    let request = request.with_limited_body();
    // A limited body never declares more than its limit.
    if request.body().size_hint().lower() < declared {
        return Err(too_large());
    }
    Ok(request)
}

/// Reads the whole body, up to the limit of the route.
///
/// # Errors
/// `PAYLOAD_TOO_LARGE`, or `INVALID_ARGUMENT` when the body ends early.
pub(crate) async fn body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Error> {
    Bytes::from_request(limited(request)?, state)
        .await
        .map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                too_large()
            } else {
                Error::invalid("", "the body could not be read to its end")
            }
        })
}

/// `PAYLOAD_TOO_LARGE` for a body beyond its limit.
pub(crate) fn too_large() -> Error {
    Error::new(
        ErrorCode::PayloadTooLarge,
        "the body is larger than allowed",
    )
}

/// Parses a body, which must hold a JSON object. Integers may be written with a fraction or an
/// exponent.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    // serde would accept an array as the fields in their order.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(Error::invalid("", "must be a JSON object"));
    }
    parse_as_written(body).or_else(|error| {
        with_plain_integers(body).map_or(Err(error), |plain| parse_as_written(&plain))
    })
}

fn parse_as_written<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { "" } else { &path };
        // serde also reports bad syntax when it expects a variant name and finds a number.
        let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
        if is_json && !error.inner().is_data() {
            Error::invalid(path, "has a value of the wrong kind")
        } else {
            field_error(path, error.inner())
        }
    })?;
    reader.end().map_err(|error| field_error("", &error))?;
    Ok(value)
}

/// Names the missing field where serde names the object that lacks it, and keeps line numbers for
/// syntax errors only.
fn field_error(path: &str, error: &serde_json::Error) -> Error {
    let text = error.to_string();
    if !error.is_data() {
        return Error::invalid(
            if error.is_syntax() || error.is_eof() {
                ""
            } else {
                path
            },
            format!("is not JSON: {text}"),
        );
    }
    let message = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(message, _)| message);
    match message
        .strip_prefix("missing field `")
        .and_then(|rest| rest.strip_suffix('`'))
    {
        Some(field) if path.is_empty() => Error::invalid(field, "is required"),
        Some(field) => Error::invalid(format!("{path}.{field}"), "is required"),
        None => Error::invalid(path, message),
    }
}

#[cfg(test)]
mod tests {
    use super::{OptionalJson, ValidJson};
    use axum::Router;
    use axum::body::Body;
    use axum::extract::DefaultBodyLimit;
    use axum::routing::post;
    use faceshare_biz::{Error, ErrorCode};
    use http::{Request, StatusCode};
    use serde::Deserialize;
    use std::sync::Arc;
    use tower::ServiceExt;

    #[derive(Debug, Default, Deserialize)]
    #[allow(dead_code, reason = "only whether it can be read matters here")]
    struct AccountBody {
        nickname: String,
        device: Option<DeviceBody>,
        ids: Option<Vec<u32>>,
        color: Option<Color>,
    }

    #[derive(Debug, Deserialize)]
    enum Color {
        Red,
    }

    #[derive(Debug, Default, Deserialize)]
    #[allow(dead_code, reason = "only whether it can be read matters here")]
    struct DeviceBody {
        name: String,
    }

    async fn send(
        path: &str,
        content_type: Option<&str>,
        body: impl Into<Body>,
    ) -> Result<StatusCode, Arc<Error>> {
        let app = Router::new()
            .route("/required", post(|_: ValidJson<AccountBody>| async {}))
            .route("/optional", post(|_: OptionalJson<AccountBody>| async {}))
            .layer(DefaultBodyLimit::max(256));
        let mut request = Request::post(path);
        if let Some(kind) = content_type {
            request = request.header("content-type", kind);
        }
        let response = app
            .oneshot(request.body(body.into()).expect("a request"))
            .await
            .expect("infallible");
        match response.extensions().get::<crate::e::http::ResponseError>() {
            Some(failure) => Err(failure.0.clone()),
            None => Ok(response.status()),
        }
    }

    async fn path_of_refusal(body: &'static str) -> String {
        let error = send("/required", Some("application/json"), body)
            .await
            .expect_err("refused");
        assert_eq!(error.code, ErrorCode::InvalidArgument);
        error.violations[0].path.clone()
    }

    #[tokio::test]
    async fn a_refusal_names_the_field() {
        assert_eq!(path_of_refusal(r#"{"nickname": 1}"#).await, "nickname");
        assert_eq!(path_of_refusal("{}").await, "nickname");
        assert_eq!(path_of_refusal(r#"{"nickname": null}"#).await, "nickname");
        assert_eq!(
            path_of_refusal(r#"{"nickname": "a", "device": {}}"#).await,
            "device.name"
        );
        assert_eq!(
            path_of_refusal(r#"{"nickname": "a", "ids": [1, -1]}"#).await,
            "ids[1]"
        );
        assert_eq!(path_of_refusal(r#"["a", null, null]"#).await, "");
        assert_eq!(
            path_of_refusal(r#"{"nickname": "a", "color": 1}"#).await,
            "color"
        );
        assert_eq!(path_of_refusal("{").await, "");
        assert_eq!(path_of_refusal(r#"{"nickname": "a"} x"#).await, "");
    }

    #[tokio::test]
    async fn whole_numbers_may_be_written_with_a_fraction_or_an_exponent() {
        for ids in ["3.0", "1e1", "30e-1, 4294967295.0"] {
            let body = format!(r#"{{"nickname": "a", "ids": [{ids}]}}"#);
            assert_eq!(
                send("/required", Some("application/json"), body)
                    .await
                    .expect("read"),
                StatusCode::OK,
                "{ids}"
            );
        }
        for body in [
            r#"{"nickname": "a", "ids": [1, 1.5]}"#,
            r#"{"nickname": "a", "ids": [1.0, 1e999]}"#,
            r#"{"nickname": "a", "ids": [1.0, 4294967296.0]}"#,
            r#"{"nickname": "a", "ids": [1.0, -1.0]}"#,
        ] {
            assert_eq!(path_of_refusal(body).await, "ids[1]", "{body}");
        }
    }

    #[tokio::test]
    async fn unknown_fields_and_nulls_for_optional_ones_are_fine() {
        let body = r#"{"nickname": "a", "device": null, "later": true}"#;
        assert_eq!(
            send("/required", Some("application/json; charset=utf-8"), body)
                .await
                .expect("read"),
            StatusCode::OK
        );
    }

    #[tokio::test]
    async fn a_body_of_another_kind_is_not_read() {
        for kind in [
            None,
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some("json"),
        ] {
            let error = send("/required", kind, "{}").await.expect_err("refused");
            assert_eq!(error.code, ErrorCode::UnsupportedMediaType, "{kind:?}");
        }
    }

    #[tokio::test]
    async fn an_oversized_body_is_not_read() {
        let error = send("/required", Some("application/json"), "x".repeat(257))
            .await
            .expect_err("refused");
        assert_eq!(error.code, ErrorCode::PayloadTooLarge);
    }

    #[tokio::test]
    async fn an_optional_body_may_be_left_out_but_not_be_wrong() {
        assert_eq!(
            send("/optional", None, "").await.expect("read"),
            StatusCode::OK
        );
        assert_eq!(
            send("/optional", Some("text/plain"), "{}")
                .await
                .expect_err("refused")
                .code,
            ErrorCode::UnsupportedMediaType
        );
        assert_eq!(
            send("/optional", Some("application/json"), "{")
                .await
                .expect_err("refused")
                .code,
            ErrorCode::InvalidArgument
        );
    }
}
