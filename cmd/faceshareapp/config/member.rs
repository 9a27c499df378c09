//! `member.*`: how long a member outlives its connections.

use std::time::Duration;

use super::{DAY, SHORTEST, duration, section::Section};

/// How long a member outlives its connections.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// A lost point is announced after this. When it returns earlier, the others are not told.
    pub(crate) debounce: Duration,
    /// A member without points is removed after this, counted from the loss.
    pub(crate) grace: Duration,
    /// `grace` of a member whose app said that it is in the background.
    pub(crate) background_grace: Duration,
    /// An admitted member that has not connected keeps its seat for this.
    pub(crate) seat: Duration,
}

impl Member {
    pub(super) fn read(keys: &mut Section<'_, '_>) -> Self {
        let member = Self {
            debounce: keys.duration("debounce", Duration::from_secs(2), SHORTEST..=DAY),
            grace: keys.duration("grace", Duration::from_secs(30), SHORTEST..=DAY),
            background_grace: keys.duration(
                "background_grace",
                Duration::from_mins(10),
                SHORTEST..=DAY,
            ),
            seat: keys.duration("seat", Duration::from_secs(30), SHORTEST..=DAY),
        };
        let [debounce, grace, background] =
            [member.debounce, member.grace, member.background_grace].map(duration::format);
        if member.grace < member.debounce {
            keys.problem(
                "grace",
                format!("{grace} is shorter than member.debounce, which is {debounce}"),
            );
        }
        if member.background_grace < member.grace {
            keys.problem(
                "background_grace",
                format!("{background} is shorter than member.grace, which is {grace}"),
            );
        }
        member
    }
}
