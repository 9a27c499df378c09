//! Checks the reading of client frames: it never panics, its answer is bounded, and both wire
//! formats mean the same.

use faceshare_api::json::with_plain_integers;
use faceshare_api::v1::{self, client_frame::Instruction};
use faceshare_api::wellknown::Timestamp;
use faceshare_biz::domain::instruction::{
    Action, ActionValue, ClientFrame, Command, Decoded, FrameCodec, View, WireFormat,
};
use faceshare_codec::WireCodec;
use prost::Message;

/// The codec with the documented default of `limits.action_key_bytes`.
pub(crate) const CODEC: WireCodec = WireCodec {
    action_key_bytes: 32,
};

/// The longest detail of a refusal, in characters.
pub(crate) const DETAIL_MAX: usize = 160;

/// Reads `message`, encodes what was read in each format that can carry it, and reads that again.
pub fn check(format: WireFormat, message: &[u8]) {
    let decoded = CODEC.decode(format, message);
    if let Decoded::Refused { detail, .. } = &decoded {
        check_detail(detail);
    }
    check_answer(format, message, &decoded);
    let Some(frame) = parse(format, message) else {
        assert!(
            !matches!(decoded, Decoded::Frame(_)),
            "understood, and yet no message of the contract: {decoded:?}"
        );
        return;
    };
    assert_ne!(
        decoded,
        Decoded::Malformed,
        "a message of the contract counts as none: {frame:?}"
    );
    for other in WireFormat::ALL {
        if let Some(again) = write(other, &frame) {
            let read = CODEC.decode(other, &again);
            assert!(
                same(&decoded, &read),
                "{frame:?}\nas {format:?} is {decoded:?}\nas {other:?} is {read:?}"
            );
        }
    }
}

/// A frame whose id can be read is answered with that id, whatever else is wrong.
fn check_answer(format: WireFormat, message: &[u8], decoded: &Decoded) {
    let Some(id) = plain_id(format, message) else {
        return;
    };
    let answered = match decoded {
        Decoded::Frame(frame) => Some(frame.id),
        Decoded::Refused { id, .. } => Some(*id),
        Decoded::Malformed => None,
    };
    assert_eq!(
        answered,
        Some(id),
        "a frame with a readable id is {decoded:?}"
    );
}

/// The part of a protobuf frame that carries its id.
#[derive(Clone, PartialEq, prost::Message)]
struct FrameId {
    #[prost(uint32, tag = "1")]
    id: u32,
}

/// The id as a reader without special cases finds it.
fn plain_id(format: WireFormat, message: &[u8]) -> Option<u32> {
    match format {
        WireFormat::Proto => FrameId::decode(message).ok().map(|frame| frame.id),
        WireFormat::Json => serde_json::from_slice::<serde_json::Value>(message)
            .ok()?
            .as_object()?
            .get("id")?
            .as_u64()?
            .try_into()
            .ok(),
    }
}

/// Checks a detail: bounded, and without characters that would break a line of a log or a terminal.
pub(crate) fn check_detail(detail: &str) {
    assert!(
        detail.chars().count() <= DETAIL_MAX,
        "an explanation of {} characters",
        detail.chars().count()
    );
    assert!(
        !detail.chars().any(char::is_control),
        "an explanation with control characters: {detail:?}"
    );
}

fn parse(format: WireFormat, message: &[u8]) -> Option<v1::ClientFrame> {
    match format {
        WireFormat::Proto => v1::ClientFrame::decode(message).ok(),
        WireFormat::Json => {
            let as_written = serde_json::from_slice(message).ok();
            as_written.or_else(|| serde_json::from_slice(&with_plain_integers(message)?).ok())
        }
    }
}

fn write(format: WireFormat, frame: &v1::ClientFrame) -> Option<Vec<u8>> {
    match format {
        WireFormat::Proto => Some(frame.encode_to_vec()),
        WireFormat::Json => json_can_carry(frame)
            .then(|| serde_json::to_vec(frame).expect("what JSON can carry is written")),
    }
}

/// JSON cannot carry unknown values of an enum, NaN, infinities, or times outside of the years 0 to
/// 9999.
fn json_can_carry(frame: &v1::ClientFrame) -> bool {
    use v1::action_sync::Value;
    let finite = |numbers: &[f64]| numbers.iter().all(|n| n.is_finite());
    match &frame.instruction {
        Some(Instruction::AckHeart(v1::AckHeart {
            sent_at: Some(time),
            ..
        })) => has_a_date(time),
        Some(Instruction::Quit(v1::Quit { reason, .. })) => {
            v1::quit::Reason::try_from(*reason).is_ok()
        }
        Some(Instruction::FollowMe(v1::FollowMe { invite, lock, .. })) => {
            v1::follow_me::Invite::try_from(*invite).is_ok()
                && v1::follow_me::Lock::try_from(*lock).is_ok()
        }
        Some(Instruction::CancelFollow(v1::CancelFollow { suspend })) => {
            v1::cancel_follow::Suspend::try_from(*suspend).is_ok()
        }
        Some(Instruction::ActionSync(v1::ActionSync {
            value: Some(value), ..
        })) => match value {
            Value::View(v1::View { x, y, zoom, .. }) => finite(&[*x, *y, *zoom]),
            Value::Pointer(v1::Pointer { x, y }) => finite(&[*x, *y]),
            Value::Custom(_) => true,
        },
        _ => true,
    }
}

fn has_a_date(time: &Timestamp) -> bool {
    // The first second of the year 0, and the last of the year 9999.
    (-62_167_219_200..=253_402_300_799).contains(&time.seconds)
        && (0..1_000_000_000).contains(&time.nanos)
}

/// Whether two readings mean the same. Numbers of a position may differ in their last bits: JSON is
/// read no more exactly.
fn same(one: &Decoded, other: &Decoded) -> bool {
    match (position(one), position(other)) {
        (Some((frame, action)), Some((other_frame, other_action))) => {
            let bare = |frame: &ClientFrame, a: &Action| {
                (frame.id, frame.nonce, a.file, a.key.clone(), a.term, a.size)
            };
            bare(frame, action) == bare(other_frame, other_action)
                && same_value(&action.value, &other_action.value)
        }
        _ => one == other,
    }
}

fn position(decoded: &Decoded) -> Option<(&ClientFrame, &Action)> {
    match decoded {
        Decoded::Frame(frame) => match &frame.command {
            Command::ActionSync(action) => Some((frame, action)),
            _ => None,
        },
        _ => None,
    }
}

fn same_value(one: &ActionValue, other: &ActionValue) -> bool {
    match (one, other) {
        (ActionValue::View(a), ActionValue::View(b)) => {
            let View {
                page,
                x,
                y,
                zoom,
                rotation,
            } = *a;
            (page, rotation) == (b.page, b.rotation)
                && close(x, b.x)
                && close(y, b.y)
                && close(zoom, b.zoom)
        }
        (
            ActionValue::Pointer { x, y },
            ActionValue::Pointer {
                x: other_x,
                y: other_y,
            },
        ) => close(*x, *other_x) && close(*y, *other_y),
        _ => one == other,
    }
}

/// Whether both are the same number, or both NaN.
fn close(one: f64, other: f64) -> bool {
    one == other || (one.is_nan() && other.is_nan())
}
