//! What handlers take from a request: who calls, which session, a body that has been checked.

mod authenticated;
mod json;
mod path;

pub use authenticated::Authenticated;
pub use json::{OptionalJson, ValidJson};
pub use path::{MemberPath, SessionPath};
