//! `actionSync`: the position of a member. It is not in the log: only the newest value of each
//! (sender, key) counts.

use crate::entry::Reject;
use crate::state::State;
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::MemberId;
use faceshare_biz::domain::instruction::{Action, ActionKey, ActionValue, SentAction, View};
use std::collections::BTreeMap;

/// The latest values of everybody in a session.
#[derive(Debug, Default)]
pub struct ActionTable {
    senders: BTreeMap<MemberId, Vec<Action>>,
}

/// What becomes of a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionVerdict {
    /// It goes to those whose root is the sender.
    Deliver,
    /// It speaks in a term that is over: it goes nowhere.
    Dropped,
}

impl ActionTable {
    /// Checks a position and keeps it as the latest of its key.
    ///
    /// # Errors
    /// [`Reject`] when a value is out of its range or the sender uses more than `keys_max` keys.
    pub fn accept(
        &mut self,
        state: &State,
        from: MemberId,
        action: &Action,
        keys_max: usize,
    ) -> Result<ActionVerdict, Reject> {
        check(&action.value)?;
        if !speaks_now(state, from, action.term) {
            return Ok(ActionVerdict::Dropped);
        }
        let values = self.senders.entry(from).or_default();
        if let Some(value) = values.iter_mut().find(|a| a.key == action.key) {
            value.clone_from(action);
            return Ok(ActionVerdict::Deliver);
        }
        if values.len() >= keys_max {
            values.retain(|a| speaks_now(state, from, a.term));
        }
        if values.len() >= keys_max {
            return Err(Reject::new(
                ErrorCode::LimitExceeded,
                "too many keys in use",
            ));
        }
        values.push(action.clone());
        Ok(ActionVerdict::Deliver)
    }

    /// The latest values of a sender that still count.
    #[must_use]
    pub fn latest(&self, state: &State, from: MemberId) -> Vec<SentAction> {
        let values = self.senders.get(&from).into_iter().flatten();
        values
            .filter(|a| speaks_now(state, from, a.term))
            .map(|a| SentAction {
                from,
                action: a.clone(),
            })
            .collect()
    }

    /// The latest value of one key of a sender, if it still counts.
    #[must_use]
    pub fn latest_of(&self, state: &State, from: MemberId, key: &ActionKey) -> Option<SentAction> {
        let action = self.senders.get(&from)?.iter().find(|a| a.key == *key)?;
        speaks_now(state, from, action.term).then(|| SentAction {
            from,
            action: action.clone(),
        })
    }

    /// Forgets what does not count in this state.
    pub fn forget_others_than(&mut self, state: &State) {
        self.senders
            .iter_mut()
            .for_each(|(from, values)| values.retain(|a| speaks_now(state, *from, a.term)));
    }

    /// Forgets those who are gone.
    pub fn forget(&mut self, member: MemberId) {
        self.senders.remove(&member);
    }
}

/// Whether a value of this term counts: 0 always does, another only while its sender presents in
/// that term.
fn speaks_now(state: &State, from: MemberId, term: u32) -> bool {
    term == 0
        || state
            .presenting()
            .is_some_and(|p| p.member == from && p.term == term)
}

fn check(value: &ActionValue) -> Result<(), Reject> {
    match value {
        ActionValue::View(View {
            x,
            y,
            zoom,
            rotation,
            ..
        }) => {
            place("actionSync.view.x", *x)?;
            place("actionSync.view.y", *y)?;
            if !zoom.is_finite() || *zoom < 0.0 {
                return Err(Reject::invalid(
                    "actionSync.view.zoom",
                    "must be a positive finite number; 0 means 1",
                ));
            }
            if matches!(rotation, 0 | 90 | 180 | 270) {
                return Ok(());
            }
            Err(Reject::invalid(
                "actionSync.view.rotation",
                "must be 0, 90, 180 or 270",
            ))
        }
        ActionValue::Pointer { x, y } => {
            place("actionSync.pointer.x", *x).and_then(|()| place("actionSync.pointer.y", *y))
        }
        ActionValue::Custom(_) => Ok(()),
    }
}

fn place(path: &'static str, value: f64) -> Result<(), Reject> {
    if (0.0..=1.0).contains(&value) {
        Ok(())
    } else {
        Err(Reject::invalid(path, "must be a number in 0..1"))
    }
}
