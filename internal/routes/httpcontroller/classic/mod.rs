//! The calls of an older system, over the same use cases as everything else.
//!
//! Clients of that system know six paths, one cookie, and responses that are always 200 with a code
//! in them.

mod answer;
mod cross_site;
mod fields;
pub mod get_user_info;
mod session;
pub mod signin;
pub mod signout;
pub mod signup;
mod state;
pub mod update_nickname;
pub mod update_profile_pic;

pub use answer::{ClassicAnswer, ClassicError, ClassicResult, IfAny, Nothing, Success};
pub use fields::{ClassicCredentials, ClassicNickname, ClassicSignUp, Fields};
pub use session::{Secure, Session};
pub use state::{ClassicRules, ClassicState};

use crate::paths::CLASSIC_PREFIX;
use crate::state::AppState;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

/// Bytes of a multipart body beside its file at most.
const MULTIPART_FRAME: usize = 64 * 1024;

/// The routes of the classic API.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(
    rules: ClassicRules,
    state: &AppState,
) -> Router<S> {
    let uploads = state.avatar_uploads;
    let state = ClassicState {
        accounts: state.accounts.clone(),
        links: state.links.clone(),
        uploads,
        rules,
    };
    let path = |name: &str| format!("{CLASSIC_PREFIX}{name}");
    let pictures = DefaultBodyLimit::max(uploads.bytes.saturating_add(MULTIPART_FRAME));
    Router::new()
        .route(&path("signup"), post(signup::classic_signup))
        .route(&path("signin"), post(signin::classic_signin))
        .route(&path("signout"), get(signout::classic_signout))
        .route(
            &path("update_nickname"),
            post(update_nickname::classic_update_nickname),
        )
        .route(
            &path("update_profile_pic"),
            post(update_profile_pic::classic_update_profile_pic).layer(pictures),
        )
        .layer(from_fn_with_state(state.links.clone(), cross_site::refuse))
        .route(
            &path("get_user_info"),
            get(get_user_info::classic_get_user_info),
        )
        .with_state(state)
}
