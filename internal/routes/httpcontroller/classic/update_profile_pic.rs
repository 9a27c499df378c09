//! `POST /api/entrytask/user/update_profile_pic`

use super::answer::{ClassicAnswer, ClassicError, ClassicResult, IfAny, Success};
use super::session::Session;
use crate::extract::{ClientSite, Pieces, UploadLimits, limited};
use axum::extract::{FromRequest, Multipart, Request, State};
use bytes::Bytes;
use faceshare_logic::account::Accounts;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Name of the form field that holds the file.
const FIELD: &str = "profilePic";

/// A form with a file.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes the body")]
pub struct ClassicUpload {
    /// PNG, JPEG or WebP.
    #[schema(rename = "profilePic", value_type = String, format = Binary)]
    profile_pic: Vec<u8>,
}

/// The path of the new picture.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassicPicture {
    /// Path of the picture.
    profile_path: String,
}

/// The form of an upload. A body that declares more than the route allows is refused unread.
pub struct UploadForm(Multipart);

impl<S: Send + Sync> FromRequest<S> for UploadForm {
    type Rejection = ClassicError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ClassicError> {
        Multipart::from_request(limited(request)?, state)
            .await
            .map(Self)
            .map_err(|_| ClassicError::InvalidParams)
    }
}

/// Reads the file's field. The other fields are ignored: only the cookie says whose picture
/// changes.
async fn file(limits: UploadLimits, mut form: Multipart) -> Result<Bytes, ClassicError> {
    while let Some(mut field) = limits
        .in_time(form.next_field())
        .await?
        .map_err(|_| ClassicError::InvalidParams)?
    {
        if field.name() == Some(FIELD) {
            let mut pieces = Pieces::default();
            while let Some(piece) = limits
                .in_time(field.chunk())
                .await?
                .map_err(|_| ClassicError::InvalidParams)?
            {
                if pieces.len() + piece.len() > limits.bytes {
                    return Err(ClassicError::InvalidParams);
                }
                pieces.push(piece);
            }
            return Ok(pieces.whole());
        }
    }
    Err(ClassicError::InvalidParams)
}

/// Changes the picture, as an older system does.
///
/// For the user that the cookie names; a field `username` is ignored. `errCode` 6 when there is no
/// `profilePic`, or it is no picture, or too large.
#[utoipa::path(
    post,
    path = "/api/entrytask/user/update_profile_pic",
    tag = "classic",
    params(("sessionID" = String, Cookie, description = "As signin has set it")),
    request_body(
        content = ClassicUpload,
        content_type = "multipart/form-data",
        encoding(("profilePic" = (content_type = "image/png, image/jpeg, image/webp")))
    ),
    responses((status = 200, description = "`data` holds the path", body = ClassicAnswer<IfAny<ClassicPicture>>))
)]
pub async fn classic_update_profile_pic(
    Session(caller): Session,
    State(accounts): State<Arc<Accounts>>,
    State(limits): State<UploadLimits>,
    ClientSite(site): ClientSite,
    UploadForm(form): UploadForm,
) -> ClassicResult<ClassicPicture> {
    let picture = accounts.begin_picture(caller, site)?;
    let upload = file(limits, form).await?;
    let account = picture.finish(upload).await?;
    Ok(Success(ClassicPicture {
        profile_path: account.avatar_url,
    }))
}
