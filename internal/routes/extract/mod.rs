//! Extractors: the caller, the session of the path, a checked body.

mod authenticated;
mod client_site;
mod json;
mod path;
mod upload;

pub use authenticated::{Authenticated, MaybeAuthenticated};
pub use client_site::ClientSite;
pub use json::{OptionalJson, ValidJson};
pub(crate) use json::{body, limited, parse, too_large};
pub use path::{KnockPath, MemberPath, SessionPath};
pub(crate) use upload::Pieces;
pub use upload::UploadLimits;
