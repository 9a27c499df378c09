//! The ORM's types of the main database's rows.

pub(super) mod account;
#[allow(
    unreachable_pub,
    reason = "the ORM implements public traits over these types, which want them public"
)]
pub(super) mod answer;
#[allow(
    unreachable_pub,
    reason = "the ORM implements public traits over these types, which want them public"
)]
pub(super) mod avatar;
pub(super) mod face_session;
pub(super) mod invite;
pub(super) mod number_code;
#[allow(
    unreachable_pub,
    reason = "the ORM implements public traits over these types, which want them public"
)]
pub(super) mod session_host;
pub(super) mod token_family;
