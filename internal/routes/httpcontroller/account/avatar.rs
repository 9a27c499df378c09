//! `GET /v1/avatars/{key}`

use super::PictureFile;
use crate::e::HttpError;
use crate::openapi::NotHere;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use faceshare_biz::Error;
use faceshare_logic::account::Accounts;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use std::sync::Arc;

/// What is under a key never changes: another picture has another key.
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// Shows a picture.
///
/// Open to everybody who has its address, which cannot be guessed. `NOT_FOUND` once there is another one in its place, or the account is gone.
#[utoipa::path(
    get,
    path = "/v1/avatars/{key}",
    tag = "accounts",
    params(("key" = String, Path, description = "As `avatarUrl` ends")),
    responses(
        (status = 200, description = "A picture of 256 by 256", content((PictureFile = "image/jpeg"), (PictureFile = "image/png"))),
        NotHere
    )
)]
pub async fn show_avatar(
    State(accounts): State<Arc<Accounts>>,
    key: Result<Path<String>, PathRejection>,
) -> Result<Response, HttpError> {
    // What cannot be read as a key is none.
    let Path(key) = key.map_err(|_| Error::not_found())?;
    let picture = accounts.picture(&key).await?;
    let media_type = HeaderValue::from_str(&picture.media_type).map_err(Error::internal)?;
    Ok((
        [(CONTENT_TYPE, media_type), (CACHE_CONTROL, FOREVER)],
        picture.bytes,
    )
        .into_response())
}
