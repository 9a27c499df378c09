//! Face sessions as a whole: what they are called, who hosts them, how one gets in.

mod invite;
mod number_code;
mod port;
mod types;

pub use invite::{Invite, InviteUse};
pub use number_code::{CodeRecord, NumberCode};
pub use port::{FaceSessionRepository, InviteRepository, NumberCodeRepository};
pub use types::{Admission, EndReason, Ended, FaceSession, HostLeft, SessionClaims, Status};
