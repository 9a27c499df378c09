//! WebSocket framing for a client, kept minimal: a load generator must spend less per message than
//! the server it measures.
//!
//! Received frames are read in place; nothing is copied or allocated.

use anyhow::{Result, bail};

pub(super) const BINARY: u8 = 2;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;

/// A client must mask. The mask is constant: a random one protects old proxies, which do not matter
/// here.
const MASK: [u8; 4] = [0x5a, 0xc3, 0x96, 0x3c];

/// The first frame of received bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) opcode: u8,
    pub(super) payload: &'a [u8],
    /// Length in bytes, including the header.
    pub(super) size: usize,
}

/// The first frame of `bytes`; `None` if it is incomplete.
///
/// # Errors
/// When the frame is one that the measured servers never send: a fragment, a masked frame, an
/// extension.
pub(super) fn first(bytes: &[u8]) -> Result<Option<Frame<'_>>> {
    let [head, length, rest @ ..] = bytes else {
        return Ok(None);
    };
    if head & 0xf0 != 0x80 || length & 0x80 != 0 {
        bail!("a frame that a server should not send (starts with {head:#04x} {length:#04x})");
    }
    let (length, header) = match (length & 0x7f, rest) {
        (126, [a, b, ..]) => (usize::from(u16::from_be_bytes([*a, *b])), 4),
        (127, [a, b, c, d, e, f, g, h, ..]) => (
            usize::try_from(u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]))?,
            10,
        ),
        (126 | 127, _) => return Ok(None),
        (short, _) => (usize::from(short), 2),
    };
    let Some(payload) = bytes.get(header..).and_then(|after| after.get(..length)) else {
        return Ok(None);
    };
    Ok(Some(Frame {
        opcode: head & 0x0f,
        payload,
        size: header + length,
    }))
}

/// Appends a masked frame.
pub(super) fn write(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(0x80 | opcode);
    match payload.len() {
        short @ 0..=125 => out.push(0x80 | u8::try_from(short).expect("invariant: at most 125")),
        long => match u16::try_from(long) {
            Ok(long) => {
                out.push(0x80 | 126);
                out.extend_from_slice(&long.to_be_bytes());
            }
            Err(_) => {
                out.push(0x80 | 127);
                out.extend_from_slice(&(long as u64).to_be_bytes());
            }
        },
    }
    out.extend_from_slice(&MASK);
    out.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
}

#[cfg(test)]
mod tests {
    use super::{BINARY, Frame, MASK, first, write};

    #[test]
    fn a_frame_is_read_when_it_is_complete() {
        for length in [0_usize, 1, 125, 126, 65_535, 65_536] {
            let mut bytes = vec![0x82];
            match length {
                0..=125 => bytes.push(length as u8),
                126..=65_535 => bytes.extend([&[126][..], &(length as u16).to_be_bytes()].concat()),
                _ => bytes.extend([&[127][..], &(length as u64).to_be_bytes()].concat()),
            }
            bytes.resize(bytes.len() + length, 7);
            let size = bytes.len();
            bytes.push(0x82);
            assert_eq!(
                first(&bytes).expect("reads"),
                Some(Frame {
                    opcode: BINARY,
                    payload: &vec![7; length],
                    size
                })
            );
            for cut in [0, 1, 2, 3, 9, size - 1]
                .into_iter()
                .filter(|cut| *cut < size)
            {
                assert_eq!(
                    first(&bytes[..cut]).expect("reads"),
                    None,
                    "{length} bytes, cut at {cut}"
                );
            }
        }
    }

    #[test]
    fn a_frame_that_a_server_must_not_send_is_an_error() {
        assert!(first(&[0x02, 0]).is_err(), "a fragment");
        assert!(first(&[0xc2, 0]).is_err(), "a compressed frame");
        assert!(first(&[0x82, 0x80, 0, 0, 0, 0]).is_err(), "a masked frame");
    }

    #[test]
    fn a_written_frame_is_masked_and_has_its_length() {
        for (length, header) in [(0_usize, 6), (125, 6), (126, 8), (65_535, 8), (65_536, 14)] {
            let mut out = Vec::new();
            write(&mut out, BINARY, &vec![0; length]);
            assert_eq!(out.len(), header + length);
            assert_eq!(out[1] & 0x80, 0x80);
            assert!(
                out[header..]
                    .iter()
                    .zip(MASK.iter().cycle())
                    .all(|(byte, mask)| byte == mask)
            );
        }
    }
}
