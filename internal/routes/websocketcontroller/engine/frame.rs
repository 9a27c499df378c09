//! Frame headers, and complete frames of the server: unmasked, in one piece.

use crate::close::CloseFrame;
use crate::receiver::Violation;
use bytes::{Buf as _, Bytes};

/// The longest header of a frame that a server sends.
pub const HEADER_MAX: usize = 10;
/// The longest payload of a control frame.
pub(crate) const CONTROL_MAX: usize = 125;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;

/// The type of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// UTF-8 text.
    Text,
    /// Any bytes.
    Binary,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation,
    Data(MessageKind),
    Close,
    Ping,
    Pong,
}

impl Opcode {
    const fn read(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Continuation,
            1 => Self::Data(MessageKind::Text),
            2 => Self::Data(MessageKind::Binary),
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Data(MessageKind::Text) => 1,
            Self::Data(MessageKind::Binary) => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    pub(crate) const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// The header of a client's frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) opcode: Opcode,
    pub(crate) last: bool,
    pub(crate) key: [u8; 4],
    /// Offset of the payload.
    pub(crate) size: usize,
    /// Length of the payload in bytes.
    pub(crate) length: u64,
}

impl Header {
    /// Reads a header; `None` if it is not complete yet.
    pub(crate) fn read(bytes: &[u8]) -> Result<Option<Self>, Violation> {
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        if first & RESERVED != 0 {
            return Err(Violation::Protocol("reserved bits without an extension"));
        }
        let opcode = Opcode::read(first & 0x0f).ok_or(Violation::Protocol("an unknown opcode"))?;
        let last = first & FIN != 0;
        if second & MASKED == 0 {
            return Err(Violation::Protocol("a client's frame without a mask"));
        }
        let short = second & !MASKED;
        if opcode.is_control() && (!last || usize::from(short) > CONTROL_MAX) {
            return Err(Violation::Protocol(
                "a control frame in pieces, or too long",
            ));
        }
        let Some((length, more)) = length(short, rest)? else {
            return Ok(None);
        };
        let Some(key) = rest.get(more..more + 4).and_then(|key| key.try_into().ok()) else {
            return Ok(None);
        };
        Ok(Some(Self {
            opcode,
            last,
            key,
            size: 2 + more + 4,
            length,
        }))
    }
}

/// Reads the length of the payload and the number of extended length bytes; the shortest form must
/// be used.
fn length(short: u8, rest: &[u8]) -> Result<Option<(u64, usize)>, Violation> {
    let (length, more, least) = match short {
        126 => match rest.first_chunk() {
            Some(bytes) => (u64::from(u16::from_be_bytes(*bytes)), 2, 126),
            None => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(bytes) => (u64::from_be_bytes(*bytes), 8, 1 << 16),
            None => return Ok(None),
        },
        short => (u64::from(short), 0, 0),
    };
    if length < least || length >> 63 != 0 {
        return Err(Violation::Protocol(
            "a length in a form that it must not have",
        ));
    }
    Ok(Some((length, more)))
}

/// Writes the header of a server's frame to the end of the array; returns its offset.
fn header(opcode: Opcode, length: usize) -> ([u8; HEADER_MAX], usize) {
    let mut header = [0; HEADER_MAX];
    let first = FIN | opcode.bits();
    let start = match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 126 => {
            header[8..].copy_from_slice(&[first, short]);
            8
        }
        (_, Ok(medium)) => {
            header[6..8].copy_from_slice(&[first, 126]);
            header[8..].copy_from_slice(&medium.to_be_bytes());
            6
        }
        _ => {
            header[..2].copy_from_slice(&[first, 127]);
            header[2..].copy_from_slice(&(length as u64).to_be_bytes());
            0
        }
    };
    (header, start)
}

/// Encodes a message as one frame.
#[must_use]
pub fn frame(kind: MessageKind, payload: &[u8]) -> Bytes {
    complete(Opcode::Data(kind), payload)
}

/// The same without copying: `buffer` is [`HEADER_MAX`] bytes with any content, then the payload.
///
/// # Panics
/// When the buffer is shorter than [`HEADER_MAX`].
#[must_use]
pub fn prefixed(kind: MessageKind, mut buffer: Vec<u8>) -> Bytes {
    let length = buffer
        .len()
        .checked_sub(HEADER_MAX)
        .expect("invariant: room for the header was left");
    let (header, start) = header(Opcode::Data(kind), length);
    buffer[start..HEADER_MAX].copy_from_slice(&header[start..]);
    let mut frame = Bytes::from(buffer);
    // Unlike `slice`, this does not add a reference.
    frame.advance(start);
    frame
}

/// Encodes a pong.
#[must_use]
pub fn pong(payload: &[u8]) -> Bytes {
    complete(Opcode::Pong, payload)
}

/// Encodes a close frame; a reason longer than 123 bytes is left out.
#[must_use]
pub fn close(code: u16, reason: &str) -> Bytes {
    let mut payload = code.to_be_bytes().to_vec();
    if payload.len() + reason.len() <= CONTROL_MAX {
        payload.extend_from_slice(reason.as_bytes());
    }
    complete(Opcode::Close, &payload)
}

impl CloseFrame {
    /// Encodes the answer to this close frame, with the same code.
    #[must_use]
    pub fn answer(self) -> Bytes {
        self.code
            .map_or_else(|| complete(Opcode::Close, &[]), |code| close(code, ""))
    }
}

fn complete(opcode: Opcode, payload: &[u8]) -> Bytes {
    let (header, start) = header(opcode, payload.len());
    [&header[start..], payload].concat().into()
}
