//! What handlers take from a request: who calls, which session, a body that has been checked.

mod authenticated;
mod client_site;
mod json;
mod path;
mod upload;

pub use authenticated::{Authenticated, MaybeAuthenticated};
pub use client_site::ClientSite;
pub use json::{OptionalJson, ValidJson};
pub(crate) use json::{body, parse, too_large};
pub use path::{KnockPath, MemberPath, SessionPath};
pub use upload::UploadLimits;
