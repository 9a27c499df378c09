//! Unanswered instructions of this point, and the latest value of each of its actions.

use super::Rejected;
use faceshare_api::v1::client_frame::Instruction;
use faceshare_api::v1::{Ack, ActionSync, ClientFrame, Nack};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// As many nonces as the server remembers for a member: more unanswered instructions could take
/// effect twice.
const UNANSWERED_MAX: usize = 64;
/// As many keys as one sender may use.
const KEYS_MAX: usize = 16;
/// How often an instruction with a temporary refusal is tried.
const TRIES_MAX: u32 = 4;
const RETRY_STEP: Duration = Duration::from_secs(1);

pub(super) type AnswerSender = oneshot::Sender<Result<Ack, Rejected>>;

struct Unanswered {
    frame: ClientFrame,
    answer: AnswerSender,
    tries: u32,
    /// When a temporarily refused instruction is sent again.
    due: Option<Instant>,
}

/// Unanswered instructions by id, which is the order of sending; latest actions by key.
#[derive(Default)]
pub(super) struct Outbox {
    last_id: u32,
    unanswered: BTreeMap<u32, Unanswered>,
    actions: BTreeMap<String, ActionSync>,
}

impl Outbox {
    pub(super) fn has_capacity(&self) -> bool {
        self.unanswered.len() < UNANSWERED_MAX
    }

    pub(super) fn send(&mut self, instruction: Instruction, answer: AnswerSender) -> ClientFrame {
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        let nonce = rand::random::<u64>().max(1);
        let frame = ClientFrame {
            id: self.last_id,
            nonce,
            instruction: Some(instruction),
        };
        self.unanswered.insert(
            frame.id,
            Unanswered {
                frame: frame.clone(),
                answer,
                tries: 1,
                due: None,
            },
        );
        frame
    }

    /// Stores an action. Returns no frame if the server does not accept that many keys.
    pub(super) fn set_action(&mut self, action: ActionSync) -> Option<ClientFrame> {
        if !self.actions.contains_key(&action.key) && self.actions.len() >= KEYS_MAX {
            tracing::warn!(
                key = action.key,
                "more than {KEYS_MAX} action keys; not sent"
            );
            return None;
        }
        self.actions.insert(action.key.clone(), action.clone());
        Some(unnumbered(Instruction::ActionSync(action)))
    }

    pub(super) fn ack(&mut self, ack: Ack) {
        if let Some(entry) = self.unanswered.remove(&ack.id) {
            // Fails if the caller no longer waits.
            let _ = entry.answer.send(Ok(ack));
        }
    }

    /// Keeps a temporarily refused instruction, to send it again with the same nonce after the
    /// returned time; any other refusal is the answer.
    pub(super) fn nack(&mut self, nack: Nack, now: Instant) -> Option<Duration> {
        let temporary = matches!(nack.code.as_str(), "RATE_LIMITED" | "UNAVAILABLE");
        match self.unanswered.get_mut(&nack.id) {
            Some(entry) if temporary && entry.tries < TRIES_MAX => {
                let delay = RETRY_STEP * entry.tries;
                entry.due = Some(now + delay);
                entry.tries += 1;
                return Some(delay);
            }
            Some(_) => {
                if let Some(entry) = self.unanswered.remove(&nack.id) {
                    let _ = entry.answer.send(Err(Rejected::Nack {
                        code: nack.code,
                        detail: nack.detail,
                    }));
                }
            }
            None => {}
        }
        None
    }

    /// When the next temporarily refused instruction is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.unanswered.values().filter_map(|entry| entry.due).min()
    }

    pub(super) fn take_due(&mut self, now: Instant) -> Vec<ClientFrame> {
        let due = self
            .unanswered
            .values_mut()
            .filter(|entry| entry.due.is_some_and(|due| due <= now));
        due.map(|entry| {
            entry.due = None;
            entry.frame.clone()
        })
        .collect()
    }

    /// Frames to send after every `welcome`: all unanswered instructions in order, then the latest
    /// actions.
    pub(super) fn resend(&mut self) -> Vec<ClientFrame> {
        let entry = self.unanswered.values_mut().map(|entry| {
            entry.due = None;
            entry.frame.clone()
        });
        let mut frames: Vec<ClientFrame> = entry.collect();
        frames.extend(
            self.actions
                .values()
                .cloned()
                .map(|action| unnumbered(Instruction::ActionSync(action))),
        );
        frames
    }
}

/// A frame without an id, which the server does not answer.
pub(super) const fn unnumbered(instruction: Instruction) -> ClientFrame {
    ClientFrame {
        id: 0,
        nonce: 0,
        instruction: Some(instruction),
    }
}

#[cfg(test)]
mod tests {
    use super::{Outbox, RETRY_STEP, TRIES_MAX, UNANSWERED_MAX};
    use crate::stream::Rejected;
    use faceshare_api::v1::client_frame::Instruction;
    use faceshare_api::v1::{Ack, ActionSync, CancelFollowMe, Nack};
    use tokio::sync::oneshot;
    use tokio::time::Instant;

    fn cancel() -> Instruction {
        Instruction::CancelFollowMe(CancelFollowMe {})
    }

    fn nack(id: u32, code: &str) -> Nack {
        Nack {
            id,
            code: code.into(),
            detail: String::new(),
        }
    }

    #[test]
    fn answers_reach_their_caller_and_the_rest_is_sent_again_unchanged() {
        let mut outbox = Outbox::default();
        let (first, mut first_answer) = oneshot::channel();
        let (second, mut second_answer) = oneshot::channel();
        let (first, second) = (outbox.send(cancel(), first), outbox.send(cancel(), second));
        assert!(
            first.nonce != 0
                && second.nonce != 0
                && first.nonce != second.nonce
                && first.id != second.id
        );
        outbox.ack(Ack {
            id: second.id,
            seq: 5,
        });
        assert_eq!(
            second_answer.try_recv().expect("answered"),
            Ok(Ack {
                id: second.id,
                seq: 5
            })
        );
        assert_eq!(outbox.resend(), std::slice::from_ref(&first));
        outbox.nack(nack(first.id, "NOT_PRESENTING"), Instant::now());
        let rejected = Rejected::Nack {
            code: "NOT_PRESENTING".into(),
            detail: String::new(),
        };
        assert_eq!(first_answer.try_recv().expect("answered"), Err(rejected));
        assert!(outbox.resend().is_empty());
    }

    #[test]
    fn a_temporary_refusal_is_tried_again_with_the_same_nonce_and_then_given_up() {
        let mut outbox = Outbox::default();
        let (answer, mut answered) = oneshot::channel();
        let entry = outbox.send(cancel(), answer);
        let now = Instant::now();
        for tries in 1..TRIES_MAX {
            assert_eq!(
                outbox.nack(nack(entry.id, "RATE_LIMITED"), now),
                Some(RETRY_STEP * tries)
            );
            assert!(outbox.take_due(now).is_empty());
            let due = outbox.next_due().expect("due later");
            assert_eq!(due, now + RETRY_STEP * tries);
            assert_eq!(outbox.take_due(due), std::slice::from_ref(&entry));
        }
        assert_eq!(outbox.nack(nack(entry.id, "RATE_LIMITED"), now), None);
        assert!(
            matches!(answered.try_recv(), Ok(Err(Rejected::Nack { code, .. })) if code == "RATE_LIMITED")
        );
    }

    #[test]
    fn the_latest_value_of_each_key_is_sent_again() {
        let mut outbox = Outbox::default();
        for (key, term) in [("view", 1), ("pointer", 1), ("view", 2)] {
            assert!(
                outbox
                    .set_action(ActionSync {
                        key: key.into(),
                        term,
                        ..ActionSync::default()
                    })
                    .is_some()
            );
        }
        let again = outbox.resend();
        let resent: Vec<u32> = again
            .iter()
            .filter_map(|frame| match &frame.instruction {
                Some(Instruction::ActionSync(action)) => Some(action.term),
                _ => None,
            })
            .collect();
        assert_eq!(resent, [1, 2]);
        assert!(again.iter().all(|frame| frame.id == 0 && frame.nonce == 0));
    }

    #[test]
    fn unanswered_instructions_and_action_keys_are_bounded() {
        let mut outbox = Outbox::default();
        let mut waiting = Vec::new();
        while outbox.has_capacity() {
            let (answer, answered) = oneshot::channel();
            outbox.send(cancel(), answer);
            waiting.push(answered);
        }
        assert_eq!(waiting.len(), UNANSWERED_MAX);
        let keys = |n: usize| ActionSync {
            key: n.to_string(),
            ..ActionSync::default()
        };
        assert_eq!(
            (0..20).filter_map(|n| outbox.set_action(keys(n))).count(),
            16
        );
    }
}
