//! The position of a connection in the session's order, and violations of that order.

use faceshare_api::v1::Welcome;

/// A violation by the server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolViolation {
    /// Frames are missing.
    #[error("frames {expected} to {} are missing", .got - 1)]
    Gap {
        /// The seq that was expected.
        expected: u32,
        /// The seq that arrived.
        got: u32,
    },
    /// A frame came again.
    #[error("frame {got} arrived again, {expected} was expected")]
    Repeat {
        /// The seq that was expected.
        expected: u32,
        /// The seq that arrived.
        got: u32,
    },
    /// The resume continues another position than the requested one.
    #[error("resumed into another epoch or ahead of its head")]
    Resume,
    /// The first frame was not `welcome`, or a later one was.
    #[error("the first frame was not a welcome, or a later frame was")]
    Welcome,
    /// A frame that cannot be decoded.
    #[error("unreadable frame")]
    Unreadable,
}

/// The last ordered frame that was delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) epoch: String,
    pub(super) seq: u32,
}

/// The position after `welcome`.
pub(super) fn enter(
    asked: Option<&Position>,
    welcome: &Welcome,
) -> Result<Position, ProtocolViolation> {
    if !welcome.resumed {
        return Ok(Position {
            epoch: welcome.epoch.clone(),
            seq: welcome.seq,
        });
    }
    match asked {
        Some(position) if position.epoch == welcome.epoch && position.seq <= welcome.seq => {
            Ok(position.clone())
        }
        _ => Err(ProtocolViolation::Resume),
    }
}

impl Position {
    /// Checks and counts a frame; seq 0 is not ordered and is not counted.
    pub(super) fn advance(&mut self, seq: u32) -> Result<(), ProtocolViolation> {
        let expected = self.seq + 1;
        match seq {
            0 => Ok(()),
            _ if seq == expected => {
                self.seq = seq;
                Ok(())
            }
            _ if seq > expected => Err(ProtocolViolation::Gap { expected, got: seq }),
            _ => Err(ProtocolViolation::Repeat { expected, got: seq }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Position, ProtocolViolation, enter};
    use faceshare_api::v1::Welcome;

    fn at(epoch: &str, seq: u32) -> Position {
        Position {
            epoch: epoch.into(),
            seq,
        }
    }

    #[test]
    fn frames_count_one_by_one_and_ephemeral_ones_not_at_all() {
        let mut position = at("e", 4);
        assert_eq!(position.advance(0), Ok(()));
        assert_eq!(position.advance(5), Ok(()));
        assert_eq!(
            position.advance(7),
            Err(ProtocolViolation::Gap {
                expected: 6,
                got: 7
            })
        );
        assert_eq!(
            position.advance(5),
            Err(ProtocolViolation::Repeat {
                expected: 6,
                got: 5
            })
        );
        assert_eq!(position, at("e", 5));
    }

    #[test]
    fn a_snapshot_starts_at_the_head_and_a_resume_where_it_was_asked() {
        let welcome = |epoch: &str, seq, resumed| Welcome {
            epoch: epoch.into(),
            seq,
            resumed,
            ..Welcome::default()
        };
        for (asked, welcome, entered) in [
            (None, welcome("e", 9, false), Ok(at("e", 9))),
            (Some(at("e", 5)), welcome("e", 9, true), Ok(at("e", 5))),
            (Some(at("e", 9)), welcome("e", 9, true), Ok(at("e", 9))),
            (Some(at("e", 5)), welcome("f", 2, false), Ok(at("f", 2))),
            (
                Some(at("e", 5)),
                welcome("f", 9, true),
                Err(ProtocolViolation::Resume),
            ),
            (
                Some(at("e", 10)),
                welcome("e", 9, true),
                Err(ProtocolViolation::Resume),
            ),
            (None, welcome("e", 9, true), Err(ProtocolViolation::Resume)),
        ] {
            assert_eq!(enter(asked.as_ref(), &welcome), entered);
        }
    }
}
