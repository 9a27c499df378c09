//! The domain's types by area, and the types that all areas share.

pub mod account;
pub mod drive;
pub mod encs;
pub mod event;
pub mod facesession;
mod id;
pub mod idempotency;
pub mod instruction;
mod page;
pub mod port;
mod site;
mod text;
mod time;

pub use id::{AccountId, FamilyId, FileId, KnockId, MemberId, PointId, SessionId};
pub use page::{Page, PageRequest};
pub use site::Site;
pub use text::{Nickname, TextError, Title, clean_text};
pub use time::Timestamp;
