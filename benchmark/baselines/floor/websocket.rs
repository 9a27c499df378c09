//! The necessary part of RFC 6455: complete frames from clients, and frames to them.

/// The longest payload of a client in bytes; a longer one ends the connection. Far above what a
/// measurement sends.
const LARGEST_PAYLOAD: usize = 1 << 20;

/// First byte of an unfragmented binary message.
const BINARY: u8 = 0x82;
/// First byte of a pong.
const PONG: u8 = 0x8a;

/// The kind of a client's frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Message,
    Ping,
    Close,
    /// Pongs and text.
    Ignored,
}

/// The header of a client's frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    mask: [u8; 4],
    /// Offset and length of the payload.
    start: usize,
    length: usize,
}

/// The client broke the protocol, or used what this server does not support: fragments and huge
/// frames.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl Header {
    /// Parses the header of a complete frame; `None` if more bytes are needed.
    pub(crate) fn read(bytes: &[u8]) -> Result<Option<Self>, Malformed> {
        let [first, second, ..] = *bytes else {
            return Ok(None);
        };
        let kind = match first {
            BINARY => Kind::Message,
            0x88 => Kind::Close,
            0x89 => Kind::Ping,
            0x81 | 0x8a => Kind::Ignored,
            _ => return Err(Malformed),
        };
        if second & 0x80 == 0 {
            return Err(Malformed);
        }
        let (length, mask_at) = match second & 0x7f {
            126 => match bytes.get(2..4) {
                Some(&[a, b]) => (usize::from(u16::from_be_bytes([a, b])), 4),
                _ => return Ok(None),
            },
            127 => match bytes.get(2..10) {
                Some(&[a, b, c, d, e, f, g, h]) => {
                    let length = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
                    (usize::try_from(length).map_err(|_| Malformed)?, 10)
                }
                _ => return Ok(None),
            },
            short => (usize::from(short), 2),
        };
        if length > LARGEST_PAYLOAD {
            return Err(Malformed);
        }
        let start = mask_at + 4;
        let Some(&[a, b, c, d]) = bytes.get(mask_at..start) else {
            return Ok(None);
        };
        Ok((bytes.len() >= start + length).then_some(Self {
            kind,
            mask: [a, b, c, d],
            start,
            length,
        }))
    }

    /// Length of the complete frame in bytes.
    pub(crate) fn size(&self) -> usize {
        self.start + self.length
    }

    /// Appends the message of `frame`, which has this header, to `out` as a frame for the
    /// receivers.
    pub(crate) fn relay(&self, frame: &[u8], out: &mut Vec<u8>) {
        self.answer(BINARY, frame, out);
    }

    /// Appends the pong to this ping.
    pub(crate) fn pong(&self, frame: &[u8], out: &mut Vec<u8>) {
        self.answer(PONG, frame, out);
    }

    fn answer(&self, first: u8, frame: &[u8], out: &mut Vec<u8>) {
        out.push(first);
        match self.length {
            length @ 0..=125 => out.push(length as u8),
            length @ 126..=0xffff => {
                out.push(126);
                out.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                out.push(127);
                out.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        let payload = &frame[self.start..self.size()];
        out.extend(
            payload
                .iter()
                .zip(self.mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client's frame.
    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            short @ 0..=125 => frame.push(0x80 | short as u8),
            long => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&(long as u16).to_be_bytes());
            }
        }
        frame.extend_from_slice(&[1, 2, 3, 4]);
        frame.extend(
            payload
                .iter()
                .zip([1, 2, 3, 4].iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        frame
    }

    #[test]
    fn a_message_goes_on_unmasked_with_the_shortest_length() {
        for size in [0, 5, 125, 126, 4000] {
            let payload: Vec<u8> = (0..size).map(|at| at as u8).collect();
            let frame = masked(BINARY, &payload);
            let header = Header::read(&frame).unwrap().unwrap();
            let mut out = Vec::new();
            header.relay(&frame, &mut out);
            assert_eq!((header.kind, header.size()), (Kind::Message, frame.len()));
            assert_eq!(
                (out[0], &out[if size < 126 { 2 } else { 4 }..]),
                (BINARY, &payload[..])
            );
        }
    }

    #[test]
    fn part_of_a_frame_waits_and_an_unmasked_or_huge_one_is_malformed() {
        let frame = masked(BINARY, &[7; 300]);
        for end in 0..frame.len() {
            assert_eq!(Header::read(&frame[..end]), Ok(None));
        }
        assert_eq!(Header::read(&[BINARY, 1, 0]), Err(Malformed));
        assert_eq!(
            Header::read(&[BINARY, 0xff, 0, 0, 0, 1, 0, 0, 0, 0]),
            Err(Malformed)
        );
    }
}
