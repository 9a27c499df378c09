//! State and settings of the classic API.

use crate::extract::UploadLimits;
use crate::links::Links;
use axum::extract::FromRef;
use faceshare_logic::account::Accounts;
use std::sync::Arc;

/// Settings of the classic API.
#[derive(Debug, Clone, Copy)]
pub struct ClassicRules {
    /// `classic.reveal_unknown_user`: whether signing in says that a username does not exist.
    pub reveal_unknown_user: bool,
}

/// State of its handlers.
#[derive(Clone, FromRef)]
pub struct ClassicState {
    pub(super) accounts: Arc<Accounts>,
    pub(super) links: Arc<Links>,
    pub(super) uploads: UploadLimits,
    pub(super) rules: ClassicRules,
}
