//! Deadlines: what happens because time has passed.

use crate::draft::Draft;
use crate::rules::Rules;
use crate::session_auto_end::{self, Cause};
use crate::state::{State, Timer};
use crate::{knock, member_change, quit, sess_end};
use faceshare_biz::domain::Timestamp;
use faceshare_biz::domain::facesession::EndReason;

/// Carries out the earliest deadline that has come; with none, nothing. Ask again until nothing
/// happens.
pub(crate) fn step(draft: &mut Draft<'_>) {
    let cause = Cause::of(draft.state);
    if cause.is_over(draft.rules, draft.now) {
        return sess_end::end(draft, EndReason::AutoEnd);
    }
    match draft.state.timers.first() {
        Some((at, Timer::Announce(member, point))) if *at <= draft.now => {
            member_change::announce_loss(draft, *member, *point, *at)
        }
        Some((at, Timer::Grace(member))) if *at <= draft.now => quit::time_out(draft, *member),
        Some((at, Timer::Knock(id))) if *at <= draft.now => knock::expire(draft, *id),
        _ if cause.wants_notice(draft.state, draft.now) => session_auto_end::settle(draft, cause),
        _ => {}
    }
}

impl State {
    /// The most entries that [`Input::Due`](crate::Input::Due) can lead to before time passes: a
    /// timer fires once, the announcement of a lost point may set a grace, and then there are the
    /// notice of the scheduled end and the end.
    #[must_use]
    pub fn most_firings(&self) -> usize {
        2 * self.timers.len() + 2
    }

    /// When something is next to be done because of the time.
    #[must_use]
    pub fn next_deadline(&self, rules: &Rules) -> Option<Timestamp> {
        if self.is_ended() {
            return None;
        }
        let member = self.timers.first().map(|(at, _)| *at);
        member
            .into_iter()
            .chain(Cause::of(self).next_deadline(self, rules))
            .min()
    }
}
