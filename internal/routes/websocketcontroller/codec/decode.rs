//! From the wire to the domain. A frame whose id can be read is answered, whatever is wrong inside it.

use faceshare_api::v1::{self, client_frame::Instruction};
use faceshare_api::wellknown;
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::instruction::{Action, ActionKey, ActionValue, ClientFrame, Command, Decoded, Invite, Lock, Suspend, View};
use faceshare_biz::domain::{FileId, KnockId, MemberId, Timestamp};
use prost::Message;
use std::borrow::Cow;

/// What is wrong inside a frame.
struct Fault {
    code: ErrorCode,
    detail: Cow<'static, str>,
}

impl Fault {
    fn invalid(detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code: ErrorCode::InvalidArgument, detail: detail.into() }
    }
}

/// The part of a protobuf frame that is read when the whole cannot be.
#[derive(Clone, PartialEq, prost::Message)]
struct FrameId {
    #[prost(uint32, tag = "1")]
    id: u32,
}

pub(super) fn proto(message: &[u8], key_bytes: usize) -> Decoded {
    match v1::ClientFrame::decode(message) {
        Ok(frame) => client_frame(frame, key_bytes),
        Err(_) => match FrameId::decode(message) {
            Ok(FrameId { id }) => refused(id, Fault::invalid("the instruction is not well-formed")),
            Err(_) => Decoded::Malformed,
        },
    }
}

pub(super) fn json(message: &[u8], key_bytes: usize) -> Decoded {
    let mut reader = serde_json::Deserializer::from_slice(message);
    let frame = serde_path_to_error::deserialize::<_, v1::ClientFrame>(&mut reader).map(|frame| (frame, reader.end()));
    match frame {
        Ok((frame, Ok(()))) => client_frame(frame, key_bytes),
        Ok((_, Err(_))) => Decoded::Malformed,
        Err(error) => match serde_json::from_slice::<serde_json::Value>(message) {
            // A number, a list and the like are JSON, but no frame; an object without a readable id wants no answer.
            Ok(serde_json::Value::Object(frame)) => refused(json_id(&frame), Fault::invalid(place(error.path()))),
            _ => Decoded::Malformed,
        },
    }
}

/// The id of a frame whose instruction cannot be read, in any form that JSON has for a number.
fn json_id(frame: &serde_json::Map<String, serde_json::Value>) -> u32 {
    let id = frame.get("id").and_then(|id| match id {
        serde_json::Value::Number(number) => number.as_f64(),
        serde_json::Value::String(text) => text.parse().ok(),
        _ => None,
    });
    let whole = id.filter(|id| id.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(id));
    // Exact: it is whole and in range.
    whole.map_or(0, |id| id as u32)
}

/// Which field is wrong, as far as the client's own names for it can be shown.
fn place(path: &serde_path_to_error::Path) -> String {
    const MAX: usize = 120;
    let path: String = path.to_string().chars().filter(|c| !c.is_control()).take(MAX).collect();
    if path == "." { "the frame has a field of the wrong kind".to_owned() } else { format!("{path}: is not of the right kind") }
}

fn refused(id: u32, Fault { code, detail }: Fault) -> Decoded {
    Decoded::Refused { id, code, detail }
}

fn client_frame(frame: v1::ClientFrame, key_bytes: usize) -> Decoded {
    let v1::ClientFrame { id, nonce, instruction } = frame;
    let command = instruction.ok_or_else(|| Fault::invalid("no instruction that a client may send")).and_then(|i| command(i, key_bytes));
    match command {
        Ok(command) => Decoded::Frame(ClientFrame { id, nonce, command }),
        Err(fault) => refused(id, fault),
    }
}

fn command(instruction: Instruction, key_bytes: usize) -> Result<Command, Fault> {
    Ok(match instruction {
        Instruction::AckHeart(v1::AckHeart { sent_at, last_seq }) => Command::AckHeart { sent_at: sent_at.map(time), last_seq },
        Instruction::PointState(v1::PointState { background }) => Command::PointState { background },
        Instruction::Admit(v1::Admit { knock_id }) => Command::Admit { knock: KnockId::new(knock_id) },
        Instruction::Deny(v1::Deny { knock_id }) => Command::Deny { knock: KnockId::new(knock_id) },
        Instruction::Quit(_) => Command::Quit,
        Instruction::FollowMe(v1::FollowMe { invite: asked, lock: held, presenter }) => {
            Command::FollowMe { invite: invite(asked)?, lock: lock(held)?, presenter: member("followMe.presenter", presenter)? }
        }
        Instruction::CancelFollowMe(_) => Command::CancelFollowMe,
        Instruction::FollowOther(v1::FollowOther { target }) => Command::FollowOther { target: member("followOther.target", target)? },
        Instruction::CancelFollow(v1::CancelFollow { suspend: why }) => Command::CancelFollow { suspend: suspend(why)? },
        Instruction::CancelAutoEnd(_) => Command::CancelAutoEnd,
        Instruction::ActionSync(sent) => Command::ActionSync(action(sent, key_bytes)?),
    })
}

fn action(sent: v1::ActionSync, key_bytes: usize) -> Result<Action, Fault> {
    use v1::action_sync::Value;
    let size = match &sent.value {
        Some(Value::Custom(bytes)) => bytes.len(),
        _ => sent.encoded_len(),
    };
    let v1::ActionSync { file_id, key, term, value } = sent;
    let key = ActionKey::new(&key, key_bytes).ok_or_else(|| Fault::invalid(format!("actionSync.key: at most {key_bytes} bytes")))?;
    let value = match value {
        Some(Value::View(v1::View { page, x, y, zoom, rotation })) => ActionValue::View(View { page, x, y, zoom, rotation }),
        Some(Value::Pointer(v1::Pointer { x, y })) => ActionValue::Pointer { x, y },
        Some(Value::Custom(bytes)) => ActionValue::Custom(bytes),
        None => return Err(Fault::invalid("actionSync: needs one of view, pointer, custom")),
    };
    Ok(Action { file: FileId::new(file_id), key, term, value, size })
}

/// 0 names nobody. A number that cannot be an id names nobody who is there.
fn member(path: &'static str, id: u64) -> Result<Option<MemberId>, Fault> {
    let beyond = || Fault { code: ErrorCode::MemberNotFound, detail: format!("{path}: there is no such member here").into() };
    if id == 0 { Ok(None) } else { MemberId::new(id).map(Some).ok_or_else(beyond) }
}

fn invite(value: i32) -> Result<Invite, Fault> {
    use v1::follow_me::Invite as Wire;
    match Wire::try_from(value) {
        Ok(Wire::Unspecified | Wire::Ask) => Ok(Invite::Ask),
        Ok(Wire::On) => Ok(Invite::On),
        Ok(Wire::Off) => Ok(Invite::Off),
        Err(_) => Err(Fault::invalid("followMe.invite: one of ASK, ON, OFF")),
    }
}

fn lock(value: i32) -> Result<Lock, Fault> {
    use v1::follow_me::Lock as Wire;
    match Wire::try_from(value) {
        Ok(Wire::Unspecified | Wire::None) => Ok(Lock::None),
        Ok(Wire::Hard) => Ok(Lock::Hard),
        Err(_) => Err(Fault::invalid("followMe.lock: one of NONE, HARD")),
    }
}

fn suspend(value: i32) -> Result<Option<Suspend>, Fault> {
    use v1::cancel_follow::Suspend as Wire;
    match Wire::try_from(value) {
        Ok(Wire::Unspecified) => Ok(None),
        Ok(Wire::Scroll) => Ok(Some(Suspend::Scroll)),
        Ok(Wire::Zoom) => Ok(Some(Suspend::Zoom)),
        Ok(Wire::Page) => Ok(Some(Suspend::Page)),
        Ok(Wire::File) => Ok(Some(Suspend::File)),
        Ok(Wire::Other) => Ok(Some(Suspend::Other)),
        Err(_) => Err(Fault::invalid("cancelFollow.suspend: one of SCROLL, ZOOM, PAGE, FILE, OTHER")),
    }
}

fn time(time: wellknown::Timestamp) -> Timestamp {
    Timestamp::from_millis(time.as_millis())
}
