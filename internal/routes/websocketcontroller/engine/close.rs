//! Close frames.

use crate::receiver::Violation;

/// A close frame of the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloseFrame {
    /// Its close code; `None` if it has none.
    pub code: Option<u16>,
}

impl CloseFrame {
    pub(crate) fn read(payload: &[u8]) -> Result<Self, Violation> {
        match payload {
            [] => Ok(Self { code: None }),
            [_] => Err(Violation::Protocol("a close code of one byte")),
            [high, low, reason @ ..] => {
                let code = u16::from_be_bytes([*high, *low]);
                if !may_be_sent(code) {
                    return Err(Violation::Protocol("a close code that must not be sent"));
                }
                std::str::from_utf8(reason).map_err(|_| Violation::NotUtf8)?;
                Ok(Self { code: Some(code) })
            }
        }
    }
}

/// Codes of the standard and its registry, of libraries and of applications; without the codes that
/// are reserved for local use.
const fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
