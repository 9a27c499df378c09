//! What this point said and has not been answered, and what it last showed.

use super::Rejected;
use faceshare_api::v1::client_frame::Instruction;
use faceshare_api::v1::{Ack, ActionSync, ClientFrame, Nack};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// The server remembers as many nonces of a member: more unanswered ones could take effect twice.
const MOST_UNANSWERED: usize = 64;
/// As many keys one sender may use.
const MOST_KEYS: usize = 16;
/// How often an instruction is tried that was refused for now.
const MOST_TRIES: u32 = 4;
const RETRY_STEP: Duration = Duration::from_secs(1);

pub(super) type Answer = oneshot::Sender<Result<Ack, Rejected>>;

struct Unanswered {
    frame: ClientFrame,
    answer: Answer,
    tries: u32,
    /// Refused for now: to be sent again then.
    due: Option<Instant>,
}

/// Unanswered instructions by id, which is the order they were said in; latest actions by key.
#[derive(Default)]
pub(super) struct Outbox {
    last_id: u32,
    unanswered: BTreeMap<u32, Unanswered>,
    actions: BTreeMap<String, ActionSync>,
}

impl Outbox {
    pub(super) fn has_room(&self) -> bool {
        self.unanswered.len() < MOST_UNANSWERED
    }

    pub(super) fn say(&mut self, instruction: Instruction, answer: Answer) -> ClientFrame {
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        let nonce = rand::random::<u64>().max(1);
        let frame = ClientFrame { id: self.last_id, nonce, instruction: Some(instruction) };
        self.unanswered.insert(frame.id, Unanswered { frame: frame.clone(), answer, tries: 1, due: None });
        frame
    }

    /// Nothing is sent for an action beyond the number of keys that the server takes.
    pub(super) fn act(&mut self, action: ActionSync) -> Option<ClientFrame> {
        if !self.actions.contains_key(&action.key) && self.actions.len() >= MOST_KEYS {
            tracing::warn!(key = action.key, "more than {MOST_KEYS} action keys; not sent");
            return None;
        }
        self.actions.insert(action.key.clone(), action.clone());
        Some(unnumbered(Instruction::ActionSync(action)))
    }

    pub(super) fn ack(&mut self, ack: Ack) {
        if let Some(said) = self.unanswered.remove(&ack.id) {
            // The caller may have stopped waiting.
            let _ = said.answer.send(Ok(ack));
        }
    }

    /// A refusal for now is kept and tried again with the same nonce, after the time returned; any other is the answer.
    pub(super) fn nack(&mut self, nack: Nack, now: Instant) -> Option<Duration> {
        let for_now = matches!(nack.code.as_str(), "RATE_LIMITED" | "UNAVAILABLE");
        match self.unanswered.get_mut(&nack.id) {
            Some(said) if for_now && said.tries < MOST_TRIES => {
                let delay = RETRY_STEP * said.tries;
                said.due = Some(now + delay);
                said.tries += 1;
                return Some(delay);
            }
            Some(_) => {
                if let Some(said) = self.unanswered.remove(&nack.id) {
                    let _ = said.answer.send(Err(Rejected::Nack { code: nack.code, detail: nack.detail }));
                }
            }
            None => {}
        }
        None
    }

    /// When the next refused-for-now instruction is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.unanswered.values().filter_map(|said| said.due).min()
    }

    pub(super) fn take_due(&mut self, now: Instant) -> Vec<ClientFrame> {
        let due = self.unanswered.values_mut().filter(|said| said.due.is_some_and(|due| due <= now));
        due.map(|said| {
            said.due = None;
            said.frame.clone()
        })
        .collect()
    }

    /// After every `welcome`: all that is unanswered, in the order it was said, then what this point shows.
    pub(super) fn again(&mut self) -> Vec<ClientFrame> {
        let said = self.unanswered.values_mut().map(|said| {
            said.due = None;
            said.frame.clone()
        });
        let mut frames: Vec<ClientFrame> = said.collect();
        frames.extend(self.actions.values().cloned().map(|action| unnumbered(Instruction::ActionSync(action))));
        frames
    }
}

/// A frame that is not answered.
pub(super) const fn unnumbered(instruction: Instruction) -> ClientFrame {
    ClientFrame { id: 0, nonce: 0, instruction: Some(instruction) }
}

#[cfg(test)]
mod tests {
    use super::{MOST_TRIES, MOST_UNANSWERED, Outbox, RETRY_STEP};
    use crate::stream::Rejected;
    use faceshare_api::v1::client_frame::Instruction;
    use faceshare_api::v1::{Ack, ActionSync, CancelFollowMe, Nack};
    use tokio::sync::oneshot;
    use tokio::time::Instant;

    fn cancel() -> Instruction {
        Instruction::CancelFollowMe(CancelFollowMe {})
    }

    fn nack(id: u32, code: &str) -> Nack {
        Nack { id, code: code.into(), detail: String::new() }
    }

    #[test]
    fn answers_find_whom_they_answer_and_the_rest_is_said_again_unchanged() {
        let mut outbox = Outbox::default();
        let (first, mut first_answer) = oneshot::channel();
        let (second, mut second_answer) = oneshot::channel();
        let (first, second) = (outbox.say(cancel(), first), outbox.say(cancel(), second));
        assert!(first.nonce != 0 && second.nonce != 0 && first.nonce != second.nonce && first.id != second.id);
        outbox.ack(Ack { id: second.id, seq: 5 });
        assert_eq!(second_answer.try_recv().expect("answered"), Ok(Ack { id: second.id, seq: 5 }));
        assert_eq!(outbox.again(), std::slice::from_ref(&first));
        outbox.nack(nack(first.id, "NOT_PRESENTING"), Instant::now());
        let rejected = Rejected::Nack { code: "NOT_PRESENTING".into(), detail: String::new() };
        assert_eq!(first_answer.try_recv().expect("answered"), Err(rejected));
        assert!(outbox.again().is_empty());
    }

    #[test]
    fn a_refusal_for_now_is_tried_again_with_the_same_nonce_and_then_given_up() {
        let mut outbox = Outbox::default();
        let (answer, mut answered) = oneshot::channel();
        let said = outbox.say(cancel(), answer);
        let now = Instant::now();
        for tries in 1..MOST_TRIES {
            assert_eq!(outbox.nack(nack(said.id, "RATE_LIMITED"), now), Some(RETRY_STEP * tries));
            assert!(outbox.take_due(now).is_empty());
            let due = outbox.next_due().expect("due later");
            assert_eq!(due, now + RETRY_STEP * tries);
            assert_eq!(outbox.take_due(due), std::slice::from_ref(&said));
        }
        assert_eq!(outbox.nack(nack(said.id, "RATE_LIMITED"), now), None);
        assert!(matches!(answered.try_recv(), Ok(Err(Rejected::Nack { code, .. })) if code == "RATE_LIMITED"));
    }

    #[test]
    fn the_latest_value_of_each_key_is_shown_again() {
        let mut outbox = Outbox::default();
        for (key, term) in [("view", 1), ("pointer", 1), ("view", 2)] {
            assert!(outbox.act(ActionSync { key: key.into(), term, ..ActionSync::default() }).is_some());
        }
        let again = outbox.again();
        let shown: Vec<u32> = again
            .iter()
            .filter_map(|frame| match &frame.instruction {
                Some(Instruction::ActionSync(action)) => Some(action.term),
                _ => None,
            })
            .collect();
        assert_eq!(shown, [1, 2]);
        assert!(again.iter().all(|frame| frame.id == 0 && frame.nonce == 0));
    }

    #[test]
    fn both_kinds_of_memory_are_bounded() {
        let mut outbox = Outbox::default();
        let mut waiting = Vec::new();
        while outbox.has_room() {
            let (answer, answered) = oneshot::channel();
            outbox.say(cancel(), answer);
            waiting.push(answered);
        }
        assert_eq!(waiting.len(), MOST_UNANSWERED);
        let keys = |n: usize| ActionSync { key: n.to_string(), ..ActionSync::default() };
        assert_eq!((0..20).filter_map(|n| outbox.act(keys(n))).count(), 16);
    }
}
