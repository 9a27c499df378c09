//! `PUT /v1/accounts/me/avatar`

use super::representation::{AccountAnswer, PictureFile};
use crate::e::HttpError;
use crate::extract::{Authenticated, ClientSite, UploadLimits};
use crate::json::Json;
use crate::middleware::idempotency::KeyedUpload;
use crate::responses::{AuthProblems, QueueProblems, UploadProblems};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use faceshare_biz::{Error, ErrorCode};
use faceshare_logic::account::Accounts;
use faceshare_logic::idempotency::Idempotency;
use futures_util::FutureExt as _;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use std::sync::Arc;

/// Accepted media types.
const MEDIA_TYPES: [&str; 3] = ["image/png", "image/jpeg", "image/webp"];

/// Sets the caller's picture.
///
/// For accounts and guests, on themselves. A PNG, JPEG or WebP file of at most 5 MiB and 25
/// megapixels (`limits.avatar_bytes`, `limits.avatar_pixels`). Its middle is cut out and encoded
/// again, 256 by 256, without any other data of the file. The address of the picture changes, the
/// previous picture is deleted, and the sessions that the caller is connected to are notified with
/// `memberChange`.
#[utoipa::path(
    put,
    path = "/v1/accounts/me/avatar",
    tag = "accounts",
    security(("bearer" = [])),
    request_body(content(
        (PictureFile = "image/png"), (PictureFile = "image/jpeg"), (PictureFile = "image/webp")
    ), description = "The file"),
    responses((status = 200, description = "The caller as it is now", body = AccountAnswer), AuthProblems, UploadProblems, QueueProblems)
)]
pub async fn put_avatar(
    Authenticated(caller): Authenticated,
    State(accounts): State<Arc<Accounts>>,
    State(limits): State<UploadLimits>,
    State(idempotency): State<Idempotency>,
    ClientSite(site): ClientSite,
    request: Request,
) -> Result<Response, HttpError> {
    let (parts, body) = request.into_parts();
    require_picture(&parts.headers)?;
    limits.check_announced(&parts.headers)?;
    let mut keyed = KeyedUpload::of(caller, &parts)?;
    let picture = accounts.begin_picture(caller, site)?;
    let upload = limits
        .read(body, |piece| {
            keyed.iter_mut().for_each(|keyed| keyed.add(piece))
        })
        .await?;
    let answer = async move {
        let account = picture.finish(upload).await.map_err(HttpError)?;
        Ok(Json(AccountAnswer {
            account: account.into(),
        }))
    };
    let answer = answer.map(|answer: Result<_, HttpError>| answer.into_response());
    Ok(match keyed {
        Some(keyed) => keyed.run(&idempotency, answer).await?,
        None => answer.await,
    })
}

fn require_picture(headers: &HeaderMap) -> Result<(), Error> {
    let named = headers
        .get(CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let essence = named
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if MEDIA_TYPES.contains(&essence.as_str()) {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::UnsupportedMediaType,
        "the body must be image/png, image/jpeg or image/webp",
    ))
}
