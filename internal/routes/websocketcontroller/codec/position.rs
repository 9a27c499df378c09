//! Reads and writes `actionSync` in protobuf without the generated messages.
//!
//! Positions are most of the traffic, and the generated code is slow for them: it builds each
//! message field by field, merges or measures it, and takes it apart again. This module reads and
//! writes the wire bytes directly.
//!
//! It reads only the form that encoders usually write: each field once, in the order of the
//! numbers, none at its default, no number longer than necessary. Every other form that protobuf
//! allows, and every error, is left to the generated code, which decides: a client whose encoder
//! writes another form is served too, only slower. It writes the same form.

use bytes::Bytes;
use faceshare_biz::domain::instruction::{
    Action, ActionKey, ActionValue, ClientFrame, Command, SentAction, ServerFrame, View,
};
use faceshare_biz::domain::{FileId, MemberId, Timestamp};

/// Wire types of fields, the low bits of a tag.
const NUMBER: u32 = 0;
const DOUBLE: u32 = 1;
const BYTES: u32 = 2;

/// Bytes for a position without its key and a custom value.
const ROOM: usize = 112;

/// The field number of `actionSync` in the frames of both sides.
const ACTION_SYNC: u32 = 60;

/// Field numbers, by message.
mod client_frame {
    pub(super) const ID: u32 = 1;
    pub(super) const NONCE: u32 = 2;
}

mod server_frame {
    pub(super) const SEQ: u32 = 1;
    pub(super) const AT: u32 = 2;
    pub(super) const FROM: u32 = 3;
}

mod action_sync {
    pub(super) const FILE_ID: u32 = 1;
    pub(super) const KEY: u32 = 2;
    pub(super) const TERM: u32 = 3;
    pub(super) const VIEW: u32 = 10;
    pub(super) const POINTER: u32 = 11;
    pub(super) const CUSTOM: u32 = 12;
}

mod view {
    pub(super) const PAGE: u32 = 1;
    pub(super) const X: u32 = 2;
    pub(super) const Y: u32 = 3;
    pub(super) const ZOOM: u32 = 4;
    pub(super) const ROTATION: u32 = 5;
}

mod pointer {
    pub(super) const X: u32 = 1;
    pub(super) const Y: u32 = 2;
}

mod timestamp {
    pub(super) const SECONDS: u32 = 1;
    pub(super) const NANOS: u32 = 2;
}

const fn tag(field: u32, kind: u32) -> u32 {
    field << 3 | kind
}

/// Reads a frame that is a position. `None`: it is another frame, or in another form.
pub(super) fn read(message: &[u8], key_bytes: usize) -> Option<ClientFrame> {
    const ID: u32 = tag(client_frame::ID, NUMBER);
    const NONCE: u32 = tag(client_frame::NONCE, NUMBER);
    const ACTION: u32 = tag(ACTION_SYNC, BYTES);
    let (mut id, mut nonce, mut sent) = (0, 0, None);
    let mut fields = Fields::of(message);
    while let Some(tag) = fields.tag()? {
        match tag {
            ID => id = fields.number()?.try_into().ok()?,
            NONCE => nonce = fields.number()?,
            ACTION => sent = Some(read_action(fields.bytes()?, key_bytes)?),
            _ => return None,
        }
    }
    Some(ClientFrame {
        id,
        nonce,
        command: Command::ActionSync(sent?),
    })
}

fn read_action(message: &[u8], key_bytes: usize) -> Option<Action> {
    const FILE_ID: u32 = tag(action_sync::FILE_ID, NUMBER);
    const KEY: u32 = tag(action_sync::KEY, BYTES);
    const TERM: u32 = tag(action_sync::TERM, NUMBER);
    const VIEW: u32 = tag(action_sync::VIEW, BYTES);
    const POINTER: u32 = tag(action_sync::POINTER, BYTES);
    const CUSTOM: u32 = tag(action_sync::CUSTOM, BYTES);
    let (mut file, mut key, mut term) = (0, "", 0);
    let (mut value, mut size) = (None, message.len());
    let mut fields = Fields::of(message);
    while let Some(tag) = fields.tag()? {
        match tag {
            FILE_ID => file = fields.number()?,
            KEY => {
                key = std::str::from_utf8(fields.bytes()?)
                    .ok()
                    .filter(|key| !key.is_empty())?
            }
            TERM => term = fields.number()?.try_into().ok()?,
            // Of several values the last one counts; merging them is left to the generated code.
            VIEW | POINTER | CUSTOM if value.is_some() => return None,
            VIEW => value = Some(ActionValue::View(read_view(fields.bytes()?)?)),
            POINTER => value = Some(read_pointer(fields.bytes()?)?),
            CUSTOM => {
                let bytes = Bytes::copy_from_slice(fields.bytes()?);
                size = bytes.len();
                value = Some(ActionValue::Custom(bytes));
            }
            _ => return None,
        }
    }
    Some(Action {
        file: FileId::new(file),
        key: ActionKey::new(key, key_bytes)?,
        term,
        value: value?,
        size,
    })
}

fn read_view(message: &[u8]) -> Option<View> {
    const PAGE: u32 = tag(view::PAGE, NUMBER);
    const X: u32 = tag(view::X, DOUBLE);
    const Y: u32 = tag(view::Y, DOUBLE);
    const ZOOM: u32 = tag(view::ZOOM, DOUBLE);
    const ROTATION: u32 = tag(view::ROTATION, NUMBER);
    let mut view = View {
        page: 0,
        x: 0.0,
        y: 0.0,
        zoom: 0.0,
        rotation: 0,
    };
    let mut fields = Fields::of(message);
    while let Some(tag) = fields.tag()? {
        match tag {
            PAGE => view.page = fields.number()?.try_into().ok()?,
            X => view.x = fields.double()?,
            Y => view.y = fields.double()?,
            ZOOM => view.zoom = fields.double()?,
            ROTATION => view.rotation = fields.number()?.try_into().ok()?,
            _ => return None,
        }
    }
    Some(view)
}

fn read_pointer(message: &[u8]) -> Option<ActionValue> {
    const X: u32 = tag(pointer::X, DOUBLE);
    const Y: u32 = tag(pointer::Y, DOUBLE);
    let (mut x, mut y) = (0.0, 0.0);
    let mut fields = Fields::of(message);
    while let Some(tag) = fields.tag()? {
        match tag {
            X => x = fields.double()?,
            Y => y = fields.double()?,
            _ => return None,
        }
    }
    Some(ActionValue::Pointer { x, y })
}

/// Iterates over the fields of a message, each at most once and in order. Methods return `None`
/// when the message is in another form.
struct Fields<'a> {
    rest: &'a [u8],
    last: u32,
}

impl<'a> Fields<'a> {
    const fn of(message: &'a [u8]) -> Self {
        Self {
            rest: message,
            last: 0,
        }
    }

    /// The tag of the next field; `Some(None)` at the end.
    fn tag(&mut self) -> Option<Option<u32>> {
        if self.rest.is_empty() {
            return Some(None);
        }
        let tag = self
            .varint()?
            .try_into()
            .ok()
            .filter(|tag| *tag > self.last)?;
        self.last = tag;
        Some(Some(tag))
    }

    /// A number other than 0, which encoders do not write.
    fn number(&mut self) -> Option<u64> {
        self.varint().filter(|number| *number != 0)
    }

    fn double(&mut self) -> Option<f64> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(f64::from_le_bytes(*bytes)).filter(|number| *number != 0.0)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.varint()?.try_into().ok()?;
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(bytes)
    }

    /// A varint: seven bits in each byte, the low ones first. The last byte has no high bit, and is
    /// not 0 unless it is the only one.
    #[inline(never)]
    fn varint(&mut self) -> Option<u64> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return (bits != 0 || shift == 0).then_some(number);
            }
            shift += 7;
            if shift > 63 {
                return None;
            }
        }
    }
}

/// Encodes a position after `room` bytes that stay free.
pub(super) fn write_behind(
    room: usize,
    frame: &ServerFrame,
    SentAction { action, .. }: &SentAction,
) -> Vec<u8> {
    let ServerFrame { seq, at, from, .. } = frame;
    let own = match &action.value {
        ActionValue::Custom(bytes) => bytes.len(),
        _ => 0,
    };
    let mut out = MessageWriter(Vec::with_capacity(
        room + ROOM + action.key.as_str().len() + own,
    ));
    out.0.resize(room, 0);
    out.number(server_frame::SEQ, seq.get().into());
    out.time(server_frame::AT, *at);
    out.number(server_frame::FROM, from.map_or(0, MemberId::get));
    let sync = out.begin(ACTION_SYNC);
    out.number(action_sync::FILE_ID, action.file.map_or(0, FileId::get));
    if !action.key.as_str().is_empty() {
        out.bytes(action_sync::KEY, action.key.as_str().as_bytes());
    }
    out.number(action_sync::TERM, action.term.into());
    match &action.value {
        ActionValue::View(View {
            page,
            x,
            y,
            zoom,
            rotation,
        }) => {
            let begun = out.begin(action_sync::VIEW);
            out.number(view::PAGE, (*page).into());
            out.double(view::X, *x);
            out.double(view::Y, *y);
            out.double(view::ZOOM, *zoom);
            out.number(view::ROTATION, (*rotation).into());
            out.end(begun);
        }
        ActionValue::Pointer { x, y } => {
            let begun = out.begin(action_sync::POINTER);
            out.double(pointer::X, *x);
            out.double(pointer::Y, *y);
            out.end(begun);
        }
        ActionValue::Custom(bytes) => out.bytes(action_sync::CUSTOM, bytes),
    }
    out.end(sync);
    out.0
}

/// A message that is being written. Fields at their default are left out.
///
/// Its methods are not inlined: each is used a dozen times for a frame, and less code means fewer
/// instructions to fetch.
struct MessageWriter(Vec<u8>);

/// The index of the first length byte of a nested message.
struct LengthAt(usize);

impl MessageWriter {
    #[inline(never)]
    fn varint(&mut self, mut number: u64) {
        while number > 0x7f {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn tag(&mut self, field: u32, kind: u32) {
        self.varint(tag(field, kind).into());
    }

    #[inline(never)]
    fn number(&mut self, field: u32, number: u64) {
        if number != 0 {
            self.tag(field, NUMBER);
            self.varint(number);
        }
    }

    #[inline(never)]
    fn double(&mut self, field: u32, number: f64) {
        if number != 0.0 {
            self.tag(field, DOUBLE);
            self.0.extend_from_slice(&number.to_le_bytes());
        }
    }

    #[inline(never)]
    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.tag(field, BYTES);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn time(&mut self, field: u32, time: Timestamp) {
        const NANOS_PER_MILLI: u64 = 1_000_000;
        let millis = time.as_millis();
        let begun = self.begin(field);
        // A negative number is written as the unsigned number with the same bits.
        self.number(timestamp::SECONDS, millis.div_euclid(1000) as u64);
        self.number(
            timestamp::NANOS,
            millis.rem_euclid(1000) as u64 * NANOS_PER_MILLI,
        );
        self.end(begun);
    }

    fn begin(&mut self, field: u32) -> LengthAt {
        self.tag(field, BYTES);
        self.0.push(0);
        LengthAt(self.0.len() - 1)
    }

    /// Writes the length of the nested message: mostly it fits the one byte that was left for it.
    #[inline(never)]
    fn end(&mut self, LengthAt(at): LengthAt) {
        let mut length = self.0.len() - at - 1;
        let mut place = at;
        while length > 0x7f {
            self.0.insert(place, length as u8 | 0x80);
            length >>= 7;
            place += 1;
        }
        self.0[place] = length as u8;
    }
}

#[cfg(test)]
#[path = "position_tests.rs"]
mod tests;
