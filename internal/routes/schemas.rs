//! Schemas of text that people write, as exact as the rules behind them: the server does not refuse
//! a client that checks against the document.

use utoipa::openapi::schema::{
    AnyOfBuilder, KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type,
};

/// Characters that a text may hold: none that controls a terminal, a line or the direction of
/// writing.
macro_rules! allowed {
    () => {
        r"[^\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
    };
}
/// `allowed!` without invisible characters: white space, joiners, fillers, selectors. Those beyond
/// U+FFFF are missing because not every dialect of patterns can name them.
macro_rules! visible {
    () => {
        r"[^\s\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb]"
    };
}

const USERNAME: &str = "^[A-Za-z0-9_.-]+$";
const TEXT: &str = concat!("^( *|", allowed!(), "*", visible!(), allowed!(), "*)$");
const NAME: &str = concat!("^", allowed!(), "*", visible!(), allowed!(), "*$");
/// 6 to 12 digits, with spaces and hyphens anywhere. The server accepts more than that: see
/// [`number_code`].
const CODE: &str = "^[ -]{0,4}([0-9][ -]{0,2}){6,12}$";
/// 1 s to 24 h.
const TO_A_DAY: &str = r"^([1-9]\d{0,3}|[1-7]\d{4}|8[0-5]\d{3}|86[0-3]\d{2})(\.\d{1,9})?s$";
/// 60 s to 7 days.
const MINUTE_TO_A_WEEK: &str =
    r"^([6-9]\d|[1-9]\d{2,4}|[1-5]\d{5}|60[0-3]\d{3}|604[0-7]\d{2})(\.\d{1,9})?s$";

fn text(description: &str, pattern: &str, longest: usize) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(description))
        .pattern(Some(pattern))
        .max_length(Some(longest))
}

fn optional(text: ObjectBuilder) -> ObjectBuilder {
    text.schema_type(SchemaType::from_iter([Type::String, Type::Null]))
}

/// The nickname that other members see.
pub(crate) fn nickname() -> Schema {
    let description = "What others see: 1 to 32 characters after trimming, at least one of them visible, none a control or bidirectional override character.";
    text(description, NAME, 32)
        .min_length(Some(1))
        .examples(["Ann"])
        .into()
}

/// An optional nickname.
pub(crate) fn optional_nickname() -> Schema {
    let description = "What others see: 1 to 32 characters after trimming, at least one of them visible, none a control or bidirectional override character.";
    optional(text(description, NAME, 32).min_length(Some(1)))
        .examples(["Ann"])
        .into()
}

/// The name that an account signs in as.
pub(crate) fn username() -> Schema {
    text(
        "4 to 32 of `a-z 0-9 _ . -`; unique whatever its case.",
        USERNAME,
        32,
    )
    .min_length(Some(4))
    .examples(["ann_1"])
    .into()
}

/// A new password.
pub(crate) fn new_password() -> Schema {
    let password = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(8))
        .max_length(Some(128));
    let password = password.description(Some(
        "8 to 128 characters of any kind, counted after composition (NFC).",
    ));
    password
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
        .examples(["correct horse"])
        .into()
}

/// The title of a session.
pub(crate) fn title() -> Schema {
    let description = "At most 100 characters after trimming: none, or at least one visible; none a control or bidirectional override character.";
    optional(text(description, TEXT, 100))
        .examples(["Plans for May"])
        .into()
}

/// The name or kind of a device.
pub(crate) fn device() -> Schema {
    let description = "At most 64 characters after trimming: none, or at least one visible; none a control or bidirectional override character.";
    optional(text(description, TEXT, 64))
        .examples(["phone"])
        .into()
}

/// A number code as people type it.
pub(crate) fn number_code() -> Schema {
    text("6 to 12 digits. It may be sent as it was pasted: white space, hyphens and dashes of any kind do not count, and full-width digits do.", CODE, 40).examples(["274-158"]).into()
}

/// The greatest number of members of a session.
pub(crate) fn max_members() -> Schema {
    let number = ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Integer, Type::Null]))
        .examples([20]);
    let description = "At most, and unless said otherwise, what the server allows: `limits.members_per_session`, 500 by default.";
    number
        .description(Some(description))
        .minimum(Some(1))
        .maximum(Some(500))
        .into()
}

/// The time after which a session ends by itself.
pub(crate) fn auto_end_after() -> Schema {
    let description = "The session ends this long after it was opened, 1 s to 24 hours; announced 5 minutes before.";
    duration(description, TO_A_DAY, 1, 86_400)
}

/// The time for which an invite is valid.
pub(crate) fn invite_expires_in() -> Schema {
    let description = "How long it works, 60 s to 7 days; what `auth.invite_ttl` says (24 hours) unless said otherwise.";
    duration(description, MINUTE_TO_A_WEEK, 60, 604_800)
}

/// A duration: seconds with their unit, or a number of seconds.
fn duration(description: &str, pattern: &str, least: u32, most: u32) -> Schema {
    let words = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(pattern));
    let number = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(least))
        .maximum(Some(most));
    let nothing = ObjectBuilder::new().schema_type(Type::Null);
    AnyOfBuilder::new()
        .description(Some(description))
        .examples(["3600s"])
        .item(words)
        .item(number)
        .item(nothing)
        .into()
}
