//! Where a connection gets its next token from.

use crate::api::SessionGrant;
use crate::{Api, CallError, Id};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

/// Gives a fresh session token, as `POST /v1/face-sessions/{id}/token` does.
pub trait TokenSource: Send + Sync {
    /// A token for `point`, or for a new point.
    fn renew(&self, point: Option<Id>) -> BoxFuture<'_, Result<SessionGrant, CallError>>;
}

/// The tokens of one session, by the caller's credentials.
pub struct SessionTokens {
    api: Api,
    session: Id,
}

impl SessionTokens {
    /// For this session.
    #[must_use]
    pub const fn new(api: Api, session: Id) -> Self {
        Self { api, session }
    }
}

impl TokenSource for SessionTokens {
    fn renew(&self, point: Option<Id>) -> BoxFuture<'_, Result<SessionGrant, CallError>> {
        self.api.session_token(self.session, point).boxed()
    }
}
