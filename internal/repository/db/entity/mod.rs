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
#[allow(
    unreachable_pub,
    reason = "the ORM implements public traits over these types, which want them public"
)]
pub(super) mod dead_letter;
#[allow(
    unreachable_pub,
    reason = "the ORM implements public traits over these types, which want them public"
)]
pub(super) mod event;
#[allow(
    unreachable_pub,
    reason = "the ORM implements public traits over these types, which want them public"
)]
pub(super) mod event_consumer;
#[allow(
    unreachable_pub,
    reason = "the ORM implements public traits over these types, which want them public"
)]
pub(super) mod event_mark;
#[allow(
    unreachable_pub,
    reason = "the ORM implements public traits over these types, which want them public"
)]
pub(super) mod event_tip;
pub(super) mod face_session;
pub(super) mod invite;
#[allow(
    unreachable_pub,
    reason = "the ORM implements public traits over these types, which want them public"
)]
pub(super) mod lease;
pub(super) mod number_code;
#[allow(
    unreachable_pub,
    reason = "the ORM implements public traits over these types, which want them public"
)]
pub(super) mod session_host;
pub(super) mod token_family;
