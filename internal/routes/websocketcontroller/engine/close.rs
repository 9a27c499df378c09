//! The last words of a connection.

use crate::receiver::Violation;

/// What a peer says as it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Goodbye {
    /// Its close code; `None`: it gave none.
    pub code: Option<u16>,
}

impl Goodbye {
    pub(crate) fn read(payload: &[u8]) -> Result<Self, Violation> {
        match payload {
            [] => Ok(Self { code: None }),
            [_] => Err(Violation::Protocol("half a close code")),
            [high, low, reason @ ..] => {
                let code = u16::from_be_bytes([*high, *low]);
                if !may_be_sent(code) {
                    return Err(Violation::Protocol("a close code that nobody may send"));
                }
                std::str::from_utf8(reason).map_err(|_| Violation::NotUtf8)?;
                Ok(Self { code: Some(code) })
            }
        }
    }
}

/// Codes of the standard and its registry, of libraries and of applications; not those that only ever stand for the lack of one.
const fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
