//! A minimal protobuf reader that reads frames in place, and the frames that the generator sends.
//!
//! A position carries what is checked when it arrives: its room (as the page), when it should have
//! been sent (as x) and its number (as y). Both are whole numbers below 2^50 as fractions of 2^50,
//! which a double holds exactly and the server passes on unchanged.

use faceshare_api::v1::{
    AckHeart, ActionSync, ClientFrame, ServerFrame, View, action_sync::Value as ActionValue,
    client_frame::Instruction as ClientInstruction, server_frame::Instruction as ServerInstruction,
};
use faceshare_api::wellknown::Timestamp;
use prost::Message as _;

/// Numbers of the fields of `ServerFrame` that are read.
pub(super) mod kind {
    pub(crate) const WELCOME: u32 = 10;
    pub(crate) const ACK: u32 = 11;
    pub(crate) const NACK: u32 = 12;
    pub(crate) const SYS_HEART: u32 = 13;
    pub(crate) const ACTION_SYNC: u32 = 60;
}

const SCALE: f64 = (1_u64 << 50) as f64;

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum FieldValue<'a> {
    Number(u64),
    Double(f64),
    Bytes(&'a [u8]),
}

impl<'a> FieldValue<'a> {
    pub(super) const fn number(self) -> u64 {
        if let FieldValue::Number(number) = self {
            number
        } else {
            0
        }
    }

    pub(super) const fn bytes(self) -> &'a [u8] {
        if let FieldValue::Bytes(bytes) = self {
            bytes
        } else {
            &[]
        }
    }

    pub(super) fn text(self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }
}

/// The fields of a message, in their order in the bytes; ends early at bytes that are not protobuf.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for (index, byte) in self.0.iter().enumerate().take(10) {
            number |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                self.0 = &self.0[index + 1..];
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u32, FieldValue<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => FieldValue::Number(self.varint()?),
            1 => FieldValue::Double(f64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                FieldValue::Bytes(self.take(length)?)
            }
            5 => FieldValue::Number(u64::from(u32::from_le_bytes(
                self.take(4)?.try_into().ok()?,
            ))),
            _ => return None,
        };
        Some((u32::try_from(tag >> 3).ok()?, value))
    }
}

/// The head of a server frame: its seq, the field number of its instruction, and the instruction's
/// bytes.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct FrameHead<'a> {
    pub(super) seq: u32,
    pub(super) kind: u32,
    pub(super) body: &'a [u8],
}

pub(super) fn frame_head(payload: &[u8]) -> FrameHead<'_> {
    let mut head = FrameHead::default();
    for (field, value) in Fields(payload) {
        match field {
            1 => head.seq = u32::try_from(value.number()).unwrap_or(u32::MAX),
            2 | 3 => {}
            kind => (head.kind, head.body) = (kind, value.bytes()),
        }
    }
    head
}

/// A position as the generator sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) room: u32,
    /// Index of the sender's key.
    pub(super) key: u8,
    /// When it should have been sent, in nanoseconds since the generator started.
    pub(super) due: u64,
    /// Number among the positions of this key, from 1.
    pub(super) number: u64,
}

#[expect(clippy::cast_precision_loss, reason = "below 2^50: exact")]
fn fraction(whole: u64) -> f64 {
    whole as f64 / SCALE
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what `fraction` made, or nonsense that the checks find"
)]
fn whole(fraction: f64) -> u64 {
    (fraction * SCALE) as u64
}

impl Position {
    fn instruction(self, term: u32) -> ActionSync {
        let view = View {
            page: self.room + 1,
            x: fraction(self.due),
            y: fraction(self.number),
            zoom: 1.5,
            rotation: 0,
        };
        ActionSync {
            file_id: 0,
            key: format!("view{:02}", self.key),
            term,
            value: Some(ActionValue::View(view)),
        }
    }

    /// Encodes it as a client's frame.
    pub(super) fn encode_client_frame(self, term: u32, out: &mut Vec<u8>) {
        let frame = ClientFrame {
            instruction: Some(ClientInstruction::ActionSync(self.instruction(term))),
            ..ClientFrame::default()
        };
        frame.encode(out).expect("invariant: a Vec grows as needed");
    }

    /// Encodes it as the frame that faceshare delivers: a baseline broadcasts this, so that both
    /// move the same bytes.
    pub(super) fn encode_server_frame(self, term: u32, now_millis: i64, out: &mut Vec<u8>) {
        let instruction = Some(ServerInstruction::ActionSync(self.instruction(term)));
        let frame = ServerFrame {
            seq: 0,
            at: Some(Timestamp::from_millis(now_millis)),
            from: SENDER_ID,
            instruction,
        };
        frame.encode(out).expect("invariant: a Vec grows as needed");
    }

    /// Parses the body of an `actionSync`.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let (mut key, mut view) = (None, None);
        for (field, value) in Fields(body) {
            match field {
                2 => key = Some(value.bytes()),
                10 => view = Some(value.bytes()),
                _ => {}
            }
        }
        let [.., tens @ b'0'..=b'9', ones @ b'0'..=b'9'] = key? else {
            return None;
        };
        let (mut room, mut due, mut number) = (0, 0, 0);
        for field in Fields(view?) {
            match field {
                (1, FieldValue::Number(page)) => room = u32::try_from(page).ok()?.checked_sub(1)?,
                (2, FieldValue::Double(x)) => due = whole(x),
                (3, FieldValue::Double(y)) => number = whole(y),
                _ => {}
            }
        }
        Some(Self {
            room,
            key: (tens - b'0') * 10 + (ones - b'0'),
            due,
            number,
        })
    }
}

/// An id with as many digits as present snowflakes.
const SENDER_ID: u64 = 7_301_000_000_000_000_000;

/// The answer to a heartbeat.
pub(super) fn heartbeat_answer(sys_heart: &[u8], last_seq: u32) -> Vec<u8> {
    let sent_at = Fields(sys_heart)
        .find(|(field, _)| *field == 1)
        .and_then(|(_, value)| Timestamp::decode(value.bytes()).ok());
    client_frame(
        0,
        0,
        ClientInstruction::AckHeart(AckHeart { sent_at, last_seq }),
    )
}

/// A frame with any other instruction.
pub(super) fn client_frame(id: u32, nonce: u64, instruction: ClientInstruction) -> Vec<u8> {
    ClientFrame {
        id,
        nonce,
        instruction: Some(instruction),
    }
    .encode_to_vec()
}

#[cfg(test)]
mod tests {
    use super::{FieldValue, Fields, Position, frame_head, heartbeat_answer, kind};
    use faceshare_api::v1::{ClientFrame, ServerFrame, SysHeart, client_frame, server_frame};
    use faceshare_api::wellknown::Timestamp;
    use prost::Message as _;

    #[test]
    fn a_position_arrives_as_it_was_sent() {
        let position = Position {
            room: 199,
            key: 15,
            due: 86_400_000_000_001,
            number: 1_080_003,
        };
        let mut bytes = Vec::new();
        position.encode_server_frame(1, 1_760_000_000_123, &mut bytes);
        let head = frame_head(&bytes);
        assert_eq!((head.seq, head.kind), (0, kind::ACTION_SYNC));
        assert_eq!(Position::read(head.body), Some(position));
        assert_eq!(Position::read(b"nonsense"), None);
    }

    #[test]
    fn the_parser_agrees_with_prost() {
        let at = Timestamp::from_millis(5);
        let heart = SysHeart { sent_at: Some(at) };
        let frame = ServerFrame {
            seq: 300,
            at: Some(at),
            from: 9,
            instruction: Some(server_frame::Instruction::SysHeart(heart)),
        };
        let bytes = frame.encode_to_vec();
        let head = frame_head(&bytes);
        assert_eq!((head.seq, head.kind), (300, kind::SYS_HEART));
        let answer =
            ClientFrame::decode(heartbeat_answer(head.body, 7).as_slice()).expect("a frame");
        let Some(client_frame::Instruction::AckHeart(answer)) = answer.instruction else {
            panic!("an answer")
        };
        assert_eq!((answer.sent_at, answer.last_seq), (Some(at), 7));
    }

    #[test]
    fn truncated_bytes_end_the_fields() {
        let bytes = [0x08, 0x96, 0x01, 0x12, 0x05, 0x61];
        let fields: Vec<_> = Fields(&bytes).collect();
        assert_eq!(fields, [(1, FieldValue::Number(150))]);
        assert_eq!(Fields(&[0xff; 12]).next(), None);
    }
}
