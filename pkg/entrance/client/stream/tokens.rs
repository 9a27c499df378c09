//! The source of a connection's next token.

use crate::api::SessionGrant;
use crate::{Api, CallError, Id};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

/// Returns a new session token, as `POST /v1/face-sessions/{id}/token` does.
pub trait TokenSource: Send + Sync {
    /// A token for `point`, or for a new point if it is `None`.
    fn renew(&self, point: Option<Id>) -> BoxFuture<'_, Result<SessionGrant, CallError>>;
}

/// The session tokens of one session, requested with the caller's credentials.
pub struct SessionTokens {
    api: Api,
    session: Id,
}

impl SessionTokens {
    /// For the session with this id.
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
