//! Where a connection is in the session's order, and what breaks that order.

use faceshare_api::v1::Welcome;

/// A promise that the server did not keep.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Frames are missing.
    #[error("frames {expected} to {} are missing", .got - 1)]
    Gap {
        /// The seq that had to come.
        expected: u32,
        /// The one that came.
        got: u32,
    },
    /// A frame came again.
    #[error("frame {got} came again, {expected} had to come")]
    Repeat {
        /// The seq that had to come.
        expected: u32,
        /// The one that came.
        got: u32,
    },
    /// A resume into another order than the one asked for.
    #[error("resumed into another epoch or ahead of its head")]
    Resume,
    /// The first frame was not `welcome`, or one came later.
    #[error("no welcome where it had to be, or one where it had not")]
    Welcome,
    /// A frame that cannot be read at all.
    #[error("unreadable frame")]
    Unreadable,
}

/// The last ordered frame that was delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) epoch: String,
    pub(super) seq: u32,
}

/// After `welcome`: the position from which frames count.
pub(super) fn enter(asked: Option<&Position>, welcome: &Welcome) -> Result<Position, Fault> {
    if !welcome.resumed {
        return Ok(Position { epoch: welcome.epoch.clone(), seq: welcome.seq });
    }
    match asked {
        Some(position) if position.epoch == welcome.epoch && position.seq <= welcome.seq => Ok(position.clone()),
        _ => Err(Fault::Resume),
    }
}

impl Position {
    /// Counts a frame; seq 0 is not ordered and counts nothing.
    pub(super) fn advance(&mut self, seq: u32) -> Result<(), Fault> {
        let expected = self.seq + 1;
        match seq {
            0 => Ok(()),
            _ if seq == expected => {
                self.seq = seq;
                Ok(())
            }
            _ if seq > expected => Err(Fault::Gap { expected, got: seq }),
            _ => Err(Fault::Repeat { expected, got: seq }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Position, enter};
    use faceshare_api::v1::Welcome;

    fn at(epoch: &str, seq: u32) -> Position {
        Position { epoch: epoch.into(), seq }
    }

    #[test]
    fn frames_count_one_by_one_and_ephemeral_ones_not_at_all() {
        let mut position = at("e", 4);
        assert_eq!(position.advance(0), Ok(()));
        assert_eq!(position.advance(5), Ok(()));
        assert_eq!(position.advance(7), Err(Fault::Gap { expected: 6, got: 7 }));
        assert_eq!(position.advance(5), Err(Fault::Repeat { expected: 6, got: 5 }));
        assert_eq!(position, at("e", 5));
    }

    #[test]
    fn a_snapshot_starts_at_the_head_and_a_resume_where_it_was_asked() {
        let welcome = |epoch: &str, seq, resumed| Welcome { epoch: epoch.into(), seq, resumed, ..Welcome::default() };
        for (asked, welcome, entered) in [
            (None, welcome("e", 9, false), Ok(at("e", 9))),
            (Some(at("e", 5)), welcome("e", 9, true), Ok(at("e", 5))),
            (Some(at("e", 9)), welcome("e", 9, true), Ok(at("e", 9))),
            (Some(at("e", 5)), welcome("f", 2, false), Ok(at("f", 2))),
            (Some(at("e", 5)), welcome("f", 9, true), Err(Fault::Resume)),
            (Some(at("e", 10)), welcome("e", 9, true), Err(Fault::Resume)),
            (None, welcome("e", 9, true), Err(Fault::Resume)),
        ] {
            assert_eq!(enter(asked.as_ref(), &welcome), entered);
        }
    }
}
