//! The state that the handlers share.

use crate::extract::UploadLimits;
use crate::links::Links;
use crate::middleware::rate::AccountLimits;
use axum::extract::FromRef;
use faceshare_biz::domain::port::Clock;
use faceshare_logic::account::Accounts;
use faceshare_logic::facesession::FaceSessions;
use faceshare_logic::idempotency::Idempotency;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// State of the handlers; each handler extracts the fields that it needs.
pub struct AppState {
    /// Accounts and guests.
    pub accounts: Arc<Accounts>,
    /// Face sessions and their members.
    pub face_sessions: Arc<FaceSessions>,
    /// The time, for `expiresIn`.
    pub clock: Arc<dyn Clock>,
    /// Rates of each account.
    pub account_limits: AccountLimits,
    /// Stores the responses of calls under an idempotency key.
    pub idempotency: Idempotency,
    /// Bounds of uploaded pictures.
    pub avatar_uploads: UploadLimits,
    /// Builds links.
    pub links: Arc<Links>,
    /// Cancelled when the server drains; calls that wait end then.
    pub draining: CancellationToken,
}

/// The state as the router clones it, several times for each request.
#[derive(Clone)]
pub(crate) struct RouterState(pub(crate) Arc<AppState>);

macro_rules! from_app_state {
    ($($field:ident: $type:ty,)*) => {$(
        impl FromRef<RouterState> for $type {
            fn from_ref(state: &RouterState) -> Self {
                state.0.$field.clone()
            }
        }
    )*};
}

from_app_state! {
    accounts: Arc<Accounts>,
    face_sessions: Arc<FaceSessions>,
    clock: Arc<dyn Clock>,
    account_limits: AccountLimits,
    idempotency: Idempotency,
    avatar_uploads: UploadLimits,
    links: Arc<Links>,
    draining: CancellationToken,
}
