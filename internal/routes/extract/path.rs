//! Ids in the path. What is no id names nothing: `NOT_FOUND`.

use crate::e::HttpError;
use axum::extract::{FromRequestParts, RawPathParams};
use faceshare_biz::Error;
use faceshare_biz::domain::{KnockId, MemberId, SessionId};
use http::request::Parts;
use std::str::FromStr;

/// `{id}`: a face session.
#[derive(Debug, Clone, Copy)]
pub struct SessionPath(pub SessionId);

/// `{id}` and `{memberId}`: a member of a face session.
#[derive(Debug, Clone, Copy)]
pub struct MemberPath {
    /// The session.
    pub session: SessionId,
    /// The member.
    pub member: MemberId,
}

/// `{id}` and `{knockId}`: somebody who waits at a face session.
#[derive(Debug, Clone, Copy)]
pub struct KnockPath {
    /// The session.
    pub session: SessionId,
    /// The knock.
    pub knock: KnockId,
}

impl<S: Send + Sync> FromRequestParts<S> for SessionPath {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(param(&params(parts, state).await?, "id")?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for MemberPath {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let params = params(parts, state).await?;
        Ok(Self { session: param(&params, "id")?, member: param(&params, "memberId")? })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for KnockPath {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let params = params(parts, state).await?;
        Ok(Self { session: param(&params, "id")?, knock: param(&params, "knockId")? })
    }
}

async fn params<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<RawPathParams, Error> {
    RawPathParams::from_request_parts(parts, state).await.map_err(|_| Error::not_found())
}

fn param<T: FromStr>(params: &RawPathParams, name: &str) -> Result<T, Error> {
    params.iter().find(|(key, _)| *key == name).and_then(|(_, value)| value.parse().ok()).ok_or_else(Error::not_found)
}
