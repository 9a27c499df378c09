//! Ids in the path. A segment that is no id is answered with `NOT_FOUND`.

use crate::e::HttpError;
use crate::text::IdText;
use axum::extract::{FromRequestParts, Path};
use faceshare_biz::Error;
use faceshare_biz::domain::{KnockId, MemberId, SessionId};
use http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;

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

/// `{id}` and `{knockId}`: a knock at a face session.
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
        let IdText(session) = params(parts, state).await?;
        Ok(Self(session))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for MemberPath {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct MemberParams {
            id: IdText<SessionId>,
            member_id: IdText<MemberId>,
        }
        let MemberParams { id, member_id } = params(parts, state).await?;
        Ok(Self {
            session: id.0,
            member: member_id.0,
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for KnockPath {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct KnockParams {
            id: IdText<SessionId>,
            knock_id: IdText<KnockId>,
        }
        let KnockParams { id, knock_id } = params(parts, state).await?;
        Ok(Self {
            session: id.0,
            knock: knock_id.0,
        })
    }
}

async fn params<S: Send + Sync, T: DeserializeOwned + Send>(
    parts: &mut Parts,
    state: &S,
) -> Result<T, Error> {
    let Path(params) = Path::from_request_parts(parts, state)
        .await
        .map_err(|_| Error::not_found())?;
    Ok(params)
}
