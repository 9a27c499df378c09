//! `sessionAutoEnd`: the countdown to the end of a session that its host or everybody has left, or
//! that has lasted as long as it may.

use crate::draft::Draft;
use crate::entry::Change;
use crate::rules::Rules;
use crate::state::State;
use faceshare_biz::constants::SCHEDULED_NOTICE;
use faceshare_biz::domain::Timestamp;
use faceshare_biz::domain::instruction::{AutoEnd, AutoEndReason, Event};

/// Why a countdown would run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cause {
    /// Since when the host is gone.
    pub(crate) host_gone: Option<Timestamp>,
    /// Since when no member is present.
    pub(crate) empty: Option<Timestamp>,
    /// When the session ends at the latest.
    pub(crate) scheduled: Option<Timestamp>,
}

impl Cause {
    pub(crate) const fn of(state: &State) -> Self {
        Self {
            host_gone: state.host_gone,
            empty: state.empty,
            scheduled: state.scheduled_end,
        }
    }

    /// The countdown that runs out first. A scheduled end counts from its notice on.
    fn governing(self, rules: &Rules, now: Timestamp) -> Option<AutoEnd> {
        let host_left = self.host_gone.map(|t| AutoEnd {
            ends_at: t + rules.host_left,
            reason: AutoEndReason::HostLeft,
        });
        let empty = self.empty.map(|t| AutoEnd {
            ends_at: t + rules.empty,
            reason: AutoEndReason::Empty,
        });
        let noticed = self.scheduled.filter(|t| *t - SCHEDULED_NOTICE <= now);
        let scheduled = noticed.map(|ends_at| AutoEnd {
            ends_at,
            reason: AutoEndReason::Scheduled,
        });
        [host_left, empty, scheduled]
            .into_iter()
            .flatten()
            .min_by_key(|a| a.ends_at)
    }

    /// When this next asks for something to be done: the notice of a scheduled end, or an end
    /// itself, announced or not.
    pub(crate) fn next_deadline(self, state: &State, rules: &Rules) -> Option<Timestamp> {
        let end = self.governing(rules, state.last_at).map(|a| a.ends_at);
        self.notice(state)
            .into_iter()
            .chain(end)
            .chain(self.scheduled)
            .min()
    }

    /// When the scheduled end is to be announced: not to an empty session, and not while an earlier
    /// end is announced.
    fn notice(self, state: &State) -> Option<Timestamp> {
        let scheduled = self.scheduled.filter(|_| self.empty.is_none())?;
        let known = state.auto_end.is_some_and(|a| a.ends_at <= scheduled);
        (!known).then(|| scheduled - SCHEDULED_NOTICE)
    }

    /// Whether a notice is to be given by now.
    pub(crate) fn wants_notice(self, state: &State, now: Timestamp) -> bool {
        self.notice(state).is_some_and(|at| at <= now)
    }

    /// Whether the session is to end by now.
    pub(crate) fn is_over(self, rules: &Rules, now: Timestamp) -> bool {
        self.governing(rules, now).is_some_and(|a| a.ends_at <= now)
    }
}

/// Puts changed causes into the entry, and says so when the countdown that everybody knows of is
/// another one.
///
/// A new session is empty until the first point connects. That countdown is not announced; one is
/// announced only after a member has left.
pub(crate) fn settle(draft: &mut Draft<'_>, cause: Cause) {
    let before = Cause::of(draft.state);
    for (changed, change) in [
        (
            cause.host_gone != before.host_gone,
            Change::HostGone(cause.host_gone),
        ),
        (cause.empty != before.empty, Change::Empty(cause.empty)),
        (
            cause.scheduled != before.scheduled,
            Change::ScheduledEnd(cause.scheduled),
        ),
    ] {
        if changed {
            draft.change(change);
        }
    }
    let auto_end = cause.governing(draft.rules, draft.now);
    if auto_end == draft.state.auto_end {
        return;
    }
    draft.change(Change::AutoEnd(auto_end));
    draft.say(auto_end.map_or(Event::CancelAutoEnd, Event::SessionAutoEnd));
}
