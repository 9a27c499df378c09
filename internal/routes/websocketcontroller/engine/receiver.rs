//! What a client's bytes say.

use crate::close::Goodbye;
use crate::frame::{Header, Kind, Opcode};
use crate::mask;
use bytes::Bytes;

/// Something a client said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A message, put together from its fragments.
    Message(Kind, Bytes),
    /// To be answered by a [`pong`](crate::pong) with the same payload.
    Ping(Bytes),
    /// The answer to a ping.
    Pong,
    /// A fragment of a message that adds nothing to it, and of which there may be any number.
    Nothing,
    /// It goes. Nothing is read after it.
    Close(Goodbye),
}

/// What a client must not do. Nothing can be read after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// Breaks a rule of the protocol.
    Protocol(&'static str),
    /// A text that is none.
    NotUtf8,
    /// A message over the limit.
    TooLarge,
}

impl Violation {
    /// The close code that the standard has for it.
    #[must_use]
    pub const fn close_code(self) -> u16 {
        match self {
            Self::Protocol(_) => 1002,
            Self::NotUtf8 => 1007,
            Self::TooLarge => 1009,
        }
    }
}

/// Reads one client. Between messages it holds nothing.
#[derive(Debug)]
pub struct Receiver {
    /// Bytes of a message.
    limit: usize,
    /// The beginning of a frame.
    begun: Vec<u8>,
    message: Option<Box<Fragments>>,
    over: bool,
}

/// The beginning of a message.
#[derive(Debug)]
struct Fragments {
    kind: Kind,
    payload: Vec<u8>,
    /// So much of a text is known to be UTF-8.
    checked: usize,
}

impl Receiver {
    /// Reads messages of up to `limit` bytes.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { limit, begun: Vec::new(), message: None, over: false }
    }

    /// Whether it holds nothing: no frame and no message has begun.
    #[must_use]
    pub const fn is_at_rest(&self) -> bool {
        self.begun.capacity() == 0 && self.message.is_none()
    }

    /// Reads on: hands out what is complete, and keeps what is not. `bytes` is scratched in.
    ///
    /// # Errors
    /// [`Violation`], after everything before it was handed out; what comes later is ignored.
    pub fn receive(&mut self, bytes: &mut [u8], mut say: impl FnMut(Event)) -> Result<(), Violation> {
        if self.begun.is_empty() {
            let used = self.read(bytes, &mut say)?;
            if used < bytes.len() && !self.over {
                self.begun.extend_from_slice(&bytes[used..]);
            }
            return Ok(());
        }
        let mut begun = std::mem::take(&mut self.begun);
        begun.extend_from_slice(bytes);
        let used = self.read(&mut begun, &mut say)?;
        if used < begun.len() && !self.over {
            begun.drain(..used);
            self.begun = begun;
        }
        Ok(())
    }

    /// Reads the whole frames in `bytes`; how many bytes they are.
    fn read(&mut self, bytes: &mut [u8], say: &mut impl FnMut(Event)) -> Result<usize, Violation> {
        let mut used = 0;
        while !self.over {
            let read = self.read_one(&mut bytes[used..], say).inspect_err(|_| self.over = true)?;
            if read == 0 {
                break;
            }
            used += read;
        }
        Ok(used)
    }

    /// Reads one frame; 0: it is not complete.
    fn read_one(&mut self, bytes: &mut [u8], say: &mut impl FnMut(Event)) -> Result<usize, Violation> {
        let Some(header) = Header::read(bytes)? else { return Ok(0) };
        let length = self.admit(&header)?;
        let Some(payload) = bytes.get_mut(header.size..header.size + length) else { return Ok(0) };
        mask::apply(payload, header.key);
        if let Some(event) = self.take(&header, payload)? {
            self.over = matches!(event, Event::Close(_));
            say(event);
        }
        Ok(header.size + length)
    }

    /// Whether such a frame may come now; the length of its payload.
    fn admit(&self, header: &Header) -> Result<usize, Violation> {
        let gathered = match (header.opcode, &self.message) {
            (Opcode::Continuation, Some(message)) => message.payload.len(),
            (Opcode::Continuation, None) => return Err(Violation::Protocol("a continuation of nothing")),
            (Opcode::Data(_), Some(_)) => return Err(Violation::Protocol("a message within another")),
            _ => 0,
        };
        let length = usize::try_from(header.length).map_err(|_| Violation::TooLarge)?;
        // A control frame is short, and counts towards no message.
        if !header.opcode.is_control() && length > self.limit.saturating_sub(gathered) {
            return Err(Violation::TooLarge);
        }
        Ok(length)
    }

    fn take(&mut self, header: &Header, payload: &[u8]) -> Result<Option<Event>, Violation> {
        match header.opcode {
            Opcode::Ping => Ok(Some(Event::Ping(Bytes::copy_from_slice(payload)))),
            Opcode::Pong => Ok(Some(Event::Pong)),
            Opcode::Close => Goodbye::read(payload).map(|goodbye| Some(Event::Close(goodbye))),
            Opcode::Data(kind) if header.last => {
                if kind == Kind::Text {
                    std::str::from_utf8(payload).map_err(|_| Violation::NotUtf8)?;
                }
                Ok(Some(Event::Message(kind, Bytes::copy_from_slice(payload))))
            }
            Opcode::Data(kind) => {
                let message = self.message.insert(Box::new(Fragments { kind, payload: Vec::new(), checked: 0 }));
                message.add(payload)?;
                Ok(None)
            }
            Opcode::Continuation => self.go_on(header.last, payload),
        }
    }

    fn go_on(&mut self, last: bool, payload: &[u8]) -> Result<Option<Event>, Violation> {
        let Some(message) = &mut self.message else { return Ok(None) };
        message.add(payload)?;
        if !last {
            return Ok(payload.is_empty().then_some(Event::Nothing));
        }
        let complete = message.kind == Kind::Binary || message.checked == message.payload.len();
        match self.message.take() {
            Some(message) if complete => Ok(Some(Event::Message(message.kind, message.payload.into()))),
            _ => Err(Violation::NotUtf8),
        }
    }
}

impl Fragments {
    /// A text that cannot become one any more fails here, and not only at its end.
    fn add(&mut self, fragment: &[u8]) -> Result<(), Violation> {
        self.payload.extend_from_slice(fragment);
        if self.kind == Kind::Text {
            match std::str::from_utf8(&self.payload[self.checked..]) {
                Ok(_) => self.checked = self.payload.len(),
                Err(error) if error.error_len().is_some() => return Err(Violation::NotUtf8),
                // It ends within a character.
                Err(error) => self.checked += error.valid_up_to(),
            }
        }
        Ok(())
    }
}
