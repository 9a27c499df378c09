//! Request bodies: form fields or JSON.

use super::answer::ClassicError;
use crate::extract::{body, limited, parse};
use axum::Form;
use axum::extract::{FromRequest, Request};
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use std::ops::RangeInclusive;
use utoipa::ToSchema;

/// Allowed length, in characters, of usernames and passwords that are set here.
pub(super) const LENGTH: RangeInclusive<usize> = 4..=13;
/// Characters of a nickname that is set here, at most.
pub(super) const NICKNAME_MAX: usize = 8;

/// A username and password, of any account.
#[derive(Deserialize, ToSchema)]
pub struct ClassicCredentials {
    /// As it was given when signing up.
    #[schema(example = "ann_1", min_length = 1)]
    pub(super) username: String,
    /// As it was given when signing up.
    #[schema(example = "secret", min_length = 1, format = Password)]
    pub(super) password: String,
}

/// A new username and its password.
#[derive(Deserialize, ToSchema)]
pub struct ClassicSignUp {
    /// 4 to 13 of `a-z 0-9 _ . -`; unique whatever its case.
    #[schema(
        example = "ann_1",
        min_length = 4,
        max_length = 13,
        pattern = "^[A-Za-z0-9_.-]+$"
    )]
    pub(super) username: String,
    /// 4 to 13 characters, any.
    #[schema(example = "secret", min_length = 4, max_length = 13, format = Password)]
    pub(super) password: String,
}

/// Another nickname.
#[derive(Deserialize, ToSchema)]
pub struct ClassicNickname {
    /// 1 to 8 characters.
    #[schema(example = "Ann", min_length = 1, max_length = 8)]
    pub(super) nickname: String,
}

/// Fields from a form or from JSON.
pub struct Fields<T>(pub(super) T);

impl<S: Send + Sync, T: serde::de::DeserializeOwned> FromRequest<S> for Fields<T> {
    type Rejection = super::answer::ClassicError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ClassicError> {
        let kind = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default();
        if kind
            .split(';')
            .next()
            .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
        {
            return Ok(Self(parse(&body(request, state).await?)?));
        }
        Form::from_request(limited(request)?, state)
            .await
            .map(|Form(fields)| Self(fields))
            .map_err(|_| ClassicError::InvalidParams)
    }
}
