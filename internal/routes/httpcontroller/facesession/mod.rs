//! Face sessions: create, find, join, change, leave, end.

mod admission;
pub mod admit_knock;
pub mod cancel_wait;
pub mod create;
pub mod deny_knock;
pub mod end;
pub mod get;
mod invite;
mod knock;
pub mod knocks;
pub mod list;
pub mod make_invite;
mod member;
pub mod members;
mod number_code;
pub mod patch;
pub mod prejoin;
pub mod quit;
pub mod remove_member;
mod representation;
pub mod revoke_invite;
pub mod rotate_number_code;
pub mod search;
pub mod show_invite;
pub mod show_number_code;
pub mod token;
pub mod wait;

pub use admission::{AdmittedAnswer, AdmittedStatus, WaitingAnswer, WaitingStatus};
pub use invite::InviteAnswer;
pub use knock::KnockView;
pub use member::{DeviceView, FollowView, MemberView, PointView};
pub use number_code::{NumberCodeAnswer, NumberCodeView};

pub use representation::{
    AdmissionText, DeviceRequest, FaceSessionAnswer, FaceSessionView, HostLeftText,
    SessionTokenView,
};
