//! Reads a client's bytes.

use crate::close::CloseFrame;
use crate::frame::{Header, MessageKind, Opcode};
use crate::mask;
use bytes::Bytes;

/// An event of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A message, assembled from its fragments.
    Message(MessageKind, Bytes),
    /// A ping, to be answered by a [`pong`](crate::pong) with the same payload.
    Ping(Bytes),
    /// An answer to a ping.
    Pong,
    /// An empty fragment of a message, reported because a client may send any number of them.
    EmptyFragment,
    /// A close frame. Nothing is read after it.
    Close(CloseFrame),
}

/// A protocol violation of a client. Nothing can be read after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// The client broke a rule of the protocol.
    Protocol(&'static str),
    /// The payload of a text message is not UTF-8.
    NotUtf8,
    /// A message exceeds the limit.
    TooLarge,
}

impl Violation {
    /// The close code of the standard for this violation.
    #[must_use]
    pub const fn close_code(self) -> u16 {
        match self {
            Self::Protocol(_) => 1002,
            Self::NotUtf8 => 1007,
            Self::TooLarge => 1009,
        }
    }
}

/// Reads one client. Between messages it holds no buffer.
#[derive(Debug)]
pub struct Receiver {
    /// The longest message in bytes.
    limit: usize,
    /// The received part of an incomplete frame.
    incomplete: Vec<u8>,
    message: Option<Box<Fragments>>,
    ended: bool,
}

/// The received fragments of a message.
#[derive(Debug)]
struct Fragments {
    kind: MessageKind,
    payload: Vec<u8>,
    /// So many bytes of a text are known to be UTF-8.
    checked: usize,
}

impl Receiver {
    /// Accepts messages of up to `limit` bytes.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self {
            limit,
            incomplete: Vec::new(),
            message: None,
            ended: false,
        }
    }

    /// Whether it holds no buffer: no frame and no message has begun.
    #[must_use]
    pub const fn is_at_rest(&self) -> bool {
        self.incomplete.capacity() == 0 && self.message.is_none()
    }

    /// Reads more bytes: reports complete messages to `report` and keeps the rest. Overwrites `bytes`
    /// (unmasks in place).
    ///
    /// # Errors
    /// [`Violation`], after all earlier events were reported; later bytes are ignored.
    pub fn receive(
        &mut self,
        bytes: &mut [u8],
        mut report: impl FnMut(Event),
    ) -> Result<(), Violation> {
        if self.incomplete.is_empty() {
            let used = self.read(bytes, &mut report)?;
            if used < bytes.len() && !self.ended {
                self.incomplete.extend_from_slice(&bytes[used..]);
            }
            return Ok(());
        }
        let mut incomplete = std::mem::take(&mut self.incomplete);
        incomplete.extend_from_slice(bytes);
        let used = self.read(&mut incomplete, &mut report)?;
        if used < incomplete.len() && !self.ended {
            incomplete.drain(..used);
            self.incomplete = incomplete;
        }
        Ok(())
    }

    /// Reads the complete frames in `bytes`; returns how many bytes they are.
    fn read(
        &mut self,
        bytes: &mut [u8],
        report: &mut impl FnMut(Event),
    ) -> Result<usize, Violation> {
        let mut used = 0;
        while !self.ended {
            let read = self
                .read_one(&mut bytes[used..], report)
                .inspect_err(|_| self.ended = true)?;
            if read == 0 {
                break;
            }
            used += read;
        }
        Ok(used)
    }

    /// Reads one frame; returns its length, or 0 if it is not complete.
    fn read_one(
        &mut self,
        bytes: &mut [u8],
        report: &mut impl FnMut(Event),
    ) -> Result<usize, Violation> {
        let Some(header) = Header::read(bytes)? else {
            return Ok(0);
        };
        let length = self.check(&header)?;
        let Some(payload) = bytes.get_mut(header.size..header.size + length) else {
            return Ok(0);
        };
        mask::apply(payload, header.key);
        if let Some(event) = self.take(&header, payload)? {
            self.ended = matches!(event, Event::Close(_));
            report(event);
        }
        Ok(header.size + length)
    }

    /// Checks that this frame may come now; returns the length of its payload.
    fn check(&self, header: &Header) -> Result<usize, Violation> {
        let received = match (header.opcode, &self.message) {
            (Opcode::Continuation, Some(message)) => message.payload.len(),
            (Opcode::Continuation, None) => {
                return Err(Violation::Protocol(
                    "a continuation frame without a message",
                ));
            }
            (Opcode::Data(_), Some(_)) => {
                return Err(Violation::Protocol(
                    "a data frame within a fragmented message",
                ));
            }
            _ => 0,
        };
        let length = usize::try_from(header.length).map_err(|_| Violation::TooLarge)?;
        // A control frame is short, and does not count towards a message.
        if !header.opcode.is_control() && length > self.limit.saturating_sub(received) {
            return Err(Violation::TooLarge);
        }
        Ok(length)
    }

    fn take(&mut self, header: &Header, payload: &[u8]) -> Result<Option<Event>, Violation> {
        match header.opcode {
            Opcode::Ping => Ok(Some(Event::Ping(Bytes::copy_from_slice(payload)))),
            Opcode::Pong => Ok(Some(Event::Pong)),
            Opcode::Close => CloseFrame::read(payload).map(|frame| Some(Event::Close(frame))),
            Opcode::Data(kind) if header.last => {
                if kind == MessageKind::Text {
                    std::str::from_utf8(payload).map_err(|_| Violation::NotUtf8)?;
                }
                Ok(Some(Event::Message(kind, Bytes::copy_from_slice(payload))))
            }
            Opcode::Data(kind) => {
                let message = self.message.insert(Box::new(Fragments {
                    kind,
                    payload: Vec::new(),
                    checked: 0,
                }));
                message.add(payload)?;
                Ok(None)
            }
            Opcode::Continuation => self.continue_message(header.last, payload),
        }
    }

    fn continue_message(&mut self, last: bool, payload: &[u8]) -> Result<Option<Event>, Violation> {
        let Some(message) = &mut self.message else {
            return Ok(None);
        };
        message.add(payload)?;
        if !last {
            return Ok(payload.is_empty().then_some(Event::EmptyFragment));
        }
        let complete =
            message.kind == MessageKind::Binary || message.checked == message.payload.len();
        match self.message.take() {
            Some(message) if complete => {
                Ok(Some(Event::Message(message.kind, message.payload.into())))
            }
            _ => Err(Violation::NotUtf8),
        }
    }
}

impl Fragments {
    /// Adds a fragment. A text that can no longer become valid UTF-8 fails here already.
    fn add(&mut self, fragment: &[u8]) -> Result<(), Violation> {
        self.payload.extend_from_slice(fragment);
        if self.kind == MessageKind::Text {
            match std::str::from_utf8(&self.payload[self.checked..]) {
                Ok(_) => self.checked = self.payload.len(),
                Err(error) if error.error_len().is_some() => return Err(Violation::NotUtf8),
                // The fragment ends within a character.
                Err(error) => self.checked += error.valid_up_to(),
            }
        }
        Ok(())
    }
}
