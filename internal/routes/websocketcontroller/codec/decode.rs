//! Decodes client frames. A frame whose id can be read gets an answer, whatever is wrong inside it.

use crate::frame_id;
use faceshare_api::json::with_plain_integers;
use faceshare_api::v1::{self, client_frame::Instruction};
use faceshare_api::wellknown;
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::instruction::{
    Action, ActionKey, ActionValue, ClientFrame, Command, Decoded, Invite, Lock, Suspend, View,
};
use faceshare_biz::domain::{FileId, KnockId, MemberId, Timestamp};
use prost::Message;
use std::borrow::Cow;

/// An error inside a frame, for the `nack`.
struct Fault {
    code: ErrorCode,
    detail: Cow<'static, str>,
}

impl Fault {
    fn invalid(detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code: ErrorCode::InvalidArgument,
            detail: detail.into(),
        }
    }
}

pub(super) fn proto(message: &[u8], key_bytes: usize) -> Decoded {
    match v1::ClientFrame::decode(message) {
        Ok(frame) => client_frame(frame, key_bytes),
        Err(_) => unreadable(
            frame_id::proto(message),
            "the instruction is not well-formed",
        ),
    }
}

pub(super) fn json(message: &[u8], key_bytes: usize) -> Decoded {
    let read = read_json(message);
    // Few encoders write an integer as 3.0, so the second attempt is made only when the first
    // fails.
    let plain = if read.is_err() {
        with_plain_integers(message)
    } else {
        None
    };
    let (message, read) = match &plain {
        Some(plain) => (plain.as_slice(), read_json(plain)),
        None => (message, read),
    };
    match read {
        Ok(frame) => client_frame(frame, key_bytes),
        Err(why) => unreadable(frame_id::json(message), why),
    }
}

/// The frame, or a text that says what is wrong with it.
fn read_json(message: &[u8]) -> Result<v1::ClientFrame, String> {
    let mut reader = serde_json::Deserializer::from_slice(message);
    let frame =
        serde_path_to_error::deserialize(&mut reader).map_err(|error| describe(error.path()))?;
    reader
        .end()
        .map_err(|_| "something follows the frame".to_owned())?;
    Ok(frame)
}

fn unreadable(id: Option<u32>, why: impl Into<Cow<'static, str>>) -> Decoded {
    id.map_or(Decoded::Malformed, |id| refused(id, Fault::invalid(why)))
}

/// Names the field that is wrong, with the path that the client used, shortened.
fn describe(path: &serde_path_to_error::Path) -> String {
    const MAX: usize = 120;
    let path: String = path
        .to_string()
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX)
        .collect();
    if path == "." {
        "the frame has a field of the wrong type".to_owned()
    } else {
        format!("{path}: has the wrong type")
    }
}

fn refused(id: u32, Fault { code, detail }: Fault) -> Decoded {
    Decoded::Refused { id, code, detail }
}

fn client_frame(frame: v1::ClientFrame, key_bytes: usize) -> Decoded {
    let v1::ClientFrame {
        id,
        nonce,
        instruction,
    } = frame;
    let command = instruction
        .ok_or_else(|| Fault::invalid("no instruction that a client may send"))
        .and_then(|i| command(i, key_bytes));
    match command {
        Ok(command) => Decoded::Frame(ClientFrame { id, nonce, command }),
        Err(fault) => refused(id, fault),
    }
}

fn command(instruction: Instruction, key_bytes: usize) -> Result<Command, Fault> {
    Ok(match instruction {
        Instruction::AckHeart(v1::AckHeart { sent_at, last_seq }) => Command::AckHeart {
            sent_at: sent_at.map(time),
            last_seq,
        },
        Instruction::PointState(v1::PointState { background }) => {
            Command::PointState { background }
        }
        Instruction::Admit(v1::Admit { knock_id }) => Command::Admit {
            knock: KnockId::new(knock_id),
        },
        Instruction::Deny(v1::Deny { knock_id }) => Command::Deny {
            knock: KnockId::new(knock_id),
        },
        Instruction::Quit(_) => Command::Quit,
        Instruction::FollowMe(v1::FollowMe {
            invite: asked,
            lock: held,
            presenter,
        }) => Command::FollowMe {
            invite: invite(asked)?,
            lock: lock(held)?,
            presenter: member("followMe.presenter", presenter)?,
        },
        Instruction::CancelFollowMe(_) => Command::CancelFollowMe,
        Instruction::FollowOther(v1::FollowOther { target }) => Command::FollowOther {
            target: member("followOther.target", target)?,
        },
        Instruction::CancelFollow(v1::CancelFollow { suspend: why }) => Command::CancelFollow {
            suspend: suspend(why)?,
        },
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
    let v1::ActionSync {
        file_id,
        key,
        term,
        value,
    } = sent;
    let key = ActionKey::new(&key, key_bytes)
        .ok_or_else(|| Fault::invalid(format!("actionSync.key: at most {key_bytes} bytes")))?;
    let value = match value {
        Some(Value::View(v1::View {
            page,
            x,
            y,
            zoom,
            rotation,
        })) => ActionValue::View(View {
            page,
            x,
            y,
            zoom,
            rotation,
        }),
        Some(Value::Pointer(v1::Pointer { x, y })) => ActionValue::Pointer { x, y },
        Some(Value::Custom(bytes)) => ActionValue::Custom(bytes),
        None => {
            return Err(Fault::invalid(
                "actionSync: needs one of view, pointer, custom",
            ));
        }
    };
    Ok(Action {
        file: FileId::new(file_id),
        key,
        term,
        value,
        size,
    })
}

/// 0 means no member. A number that is no valid id is answered like an unknown member.
fn member(path: &'static str, id: u64) -> Result<Option<MemberId>, Fault> {
    let beyond = || Fault {
        code: ErrorCode::MemberNotFound,
        detail: format!("{path}: there is no such member here").into(),
    };
    if id == 0 {
        Ok(None)
    } else {
        MemberId::new(id).map(Some).ok_or_else(beyond)
    }
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
        Err(_) => Err(Fault::invalid(
            "cancelFollow.suspend: one of SCROLL, ZOOM, PAGE, FILE, OTHER",
        )),
    }
}

fn time(time: wellknown::Timestamp) -> Timestamp {
    Timestamp::from_millis(time.as_millis())
}
