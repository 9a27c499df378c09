//! `GET /v1/avatars/{key}`

use super::representation::PictureFile;
use crate::e::HttpError;
use crate::responses::HiddenProblems;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use faceshare_biz::Error;
use faceshare_logic::account::Accounts;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use std::sync::Arc;

/// A key's picture never changes: a new picture gets a new key.
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// Shows a picture.
///
/// Needs no token, only the picture's address, which cannot be guessed. `NOT_FOUND` once the
/// picture is replaced or the account deleted.
#[utoipa::path(
    get,
    path = "/v1/avatars/{key}",
    tag = "accounts",
    params(("key" = String, Path, description = "As `avatarUrl` ends")),
    responses(
        (status = 200, description = "A picture of 256 by 256", content((PictureFile = "image/jpeg"), (PictureFile = "image/png"))),
        HiddenProblems
    )
)]
pub async fn show_avatar(
    State(accounts): State<Arc<Accounts>>,
    key: Result<Path<String>, PathRejection>,
) -> Result<Response, HttpError> {
    // A segment that is not readable as a key names no picture.
    let Path(key) = key.map_err(|_| Error::not_found())?;
    let picture = accounts.picture(&key).await?;
    let media_type = HeaderValue::from_str(&picture.media_type).map_err(Error::internal)?;
    Ok((
        [(CONTENT_TYPE, media_type), (CACHE_CONTROL, FOREVER)],
        picture.bytes,
    )
        .into_response())
}
