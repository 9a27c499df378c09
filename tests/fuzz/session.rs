//! Runs a story on a session with clients and replicas, and checks what must always hold.

use crate::client::Client;
use crate::frames;
use crate::story::{self, BEGINNING, Operation, PEOPLE, Setup};
use crate::{invariants, wire};
use faceshare_biz::domain::instruction::{
    Action, ActionKey, ActionValue, Command, Epoch, Notice, ServerFrame,
};
use faceshare_biz::domain::{KnockId, MemberId, PointId, Timestamp};
use faceshare_exec::{
    ActionTable, ActionVerdict, Arrival, Entry, Input, KnockAnswer, Reject, Rules, State, Step,
    Via, apply, step,
};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::VecDeque;
use std::time::Duration;

/// Watchers at the same time; a new one replaces the oldest.
const WATCHERS: usize = 3;
/// Keys of positions that one sender may use.
const KEYS: usize = 4;

/// Runs a story. Panics if a check fails.
pub fn run(story: &[u8]) {
    let (setup, operations) = story::read(story);
    let mut session = Session::open(setup);
    for operation in operations {
        session.run(operation);
    }
}

/// A client that reads the frames, and a replica that reads the log.
struct Watcher {
    client: Client,
    replica: State,
}

struct Session {
    state: State,
    rules: Rules,
    now: Timestamp,
    positions: ActionTable,
    watchers: VecDeque<Watcher>,
    incarnation: u64,
    epochs: u32,
    knocks: u64,
}

impl Session {
    fn open(
        Setup {
            genesis,
            rules,
            crowd,
        }: Setup,
    ) -> Self {
        let state = State::open(genesis, BEGINNING + rules.seat, BEGINNING);
        let (positions, watchers) = (ActionTable::default(), VecDeque::new());
        let mut session = Self {
            state,
            rules,
            now: BEGINNING,
            positions,
            watchers,
            incarnation: 0,
            epochs: 0,
            knocks: 0,
        };
        session.watch();
        for who in 0..crowd.min(PEOPLE) {
            session.run(Operation::Comes(
                story::profile(who, false),
                story::point(who, 0),
            ));
        }
        session
    }

    fn run(&mut self, operation: Operation) {
        match operation {
            Operation::Says(member, point, nonce, command) => self.put(Input::Command {
                member,
                point,
                nonce,
                command,
            }),
            Operation::Position(from, age, position) => self.position(from, age, position),
            Operation::Seat(profile, point, device, via) => self.put(Input::Seat {
                profile,
                point,
                device,
                via,
            }),
            Operation::Comes(profile, point) => {
                let (member, device) = (profile.id, Some(story::device(0, 1)));
                self.put(Input::Seat {
                    profile,
                    point,
                    device,
                    via: Via::Code,
                });
                self.connect(member, point);
            }
            Operation::Connects(member, point) => self.connect(member, point),
            Operation::Loses(point) => self.put(Input::PointLost {
                point,
                incarnation: self.holder(point),
            }),
            Operation::StaleLoss(point) => self.lose_a_replaced_connection(point),
            Operation::Restart(rules) => self.restart(rules),
            Operation::Patch(by, patch) => self.put(Input::Patch { by, patch }),
            Operation::HttpQuit(member) => self.put(Input::HttpQuit { member }),
            Operation::Removes(by, member) => self.put(Input::Remove { by, member }),
            Operation::End(by) => self.put(Input::End { by }),
            Operation::NewEpoch => {
                self.epochs += 1;
                self.put(Input::NewEpoch {
                    epoch: Epoch::new(&format!("e{}", self.epochs)).expect("an epoch"),
                });
            }
            Operation::Waits(span) => self.wait(span),
            Operation::Sleeps(span) => {
                self.now = self.now + span;
                self.run_due();
            }
            Operation::ClockGoesBack(span) => self.now = self.now - span,
            Operation::Watch => self.watch(),
            Operation::Knocks(profile, point, approval, via, origin) => {
                self.knocks += 1;
                let knock = KnockId::new(self.knocks).expect("an id");
                self.put(Input::Arrive(Box::new(Arrival {
                    profile,
                    point,
                    device: None,
                    via,
                    approval,
                    knock,
                    origin,
                })));
            }
            Operation::Answers {
                by,
                back,
                answer,
                nonce,
            } => self.answer(by, self.knocks.saturating_sub(back), answer, nonce),
        }
    }

    /// Steps the kernel with an input: a refused one changes nothing, an accepted one is committed
    /// and checked.
    fn put(&mut self, input: Input) {
        let before = self.state.clone();
        let outcome = step(&self.state, &self.rules, self.now, input.clone());
        assert_eq!(
            outcome,
            step(&before, &self.rules, self.now, input.clone()),
            "the same input had another outcome"
        );
        assert_eq!(self.state, before, "step changed the state");
        match outcome {
            Ok(Step::Entry(entry)) => {
                self.commit(&before, &entry);
                self.repeat(&before, &entry, input);
            }
            Ok(Step::Repeated(_) | Step::Unchanged) => {}
            Err(Reject { detail, .. }) => frames::check_detail(&detail),
        }
    }

    fn commit(&mut self, before: &State, entry: &Entry) {
        apply(&mut self.state, entry);
        invariants::check(before, entry, &self.state, &self.rules);
        let new_order = self.state.epoch() != before.epoch();
        let sent: Vec<_> = wire::frames(entry, before.seq().plus(1)).collect();
        let logged: Entry = through_the_log(entry);
        let newcomer = Client::newcomer(&self.state);
        for watcher in &mut self.watchers {
            apply(&mut watcher.replica, &logged);
            assert_eq!(watcher.replica, self.state, "replay gives another state");
            if new_order {
                watcher.client = newcomer.clone();
                continue;
            }
            sent.iter().for_each(|frame| watcher.client.take(frame));
            watcher.client.agrees_with(&newcomer);
        }
    }

    /// A command with a nonce takes effect once.
    fn repeat(&self, before: &State, entry: &Entry, input: Input) {
        let wants_once =
            matches!(input, Input::Command { nonce: 1.., .. }) && !entry.events.is_empty();
        if wants_once && !self.state.is_ended() {
            let again = step(&self.state, &self.rules, self.now, input);
            assert_eq!(again, Ok(Step::Repeated(before.seq().plus(1))), "a repeat");
        }
    }

    fn answer(
        &mut self,
        by: Option<MemberId>,
        number: u64,
        answer: KnockAnswer,
        nonce: Option<u64>,
    ) {
        let by = by.unwrap_or_else(|| self.state.host());
        let point = self
            .state
            .present()
            .find(|(id, _)| *id == by)
            .and_then(|(_, p)| p.points.keys().next().copied());
        match (nonce, point, KnockId::new(number), answer) {
            (Some(nonce), Some(point), knock, KnockAnswer::Admit) => {
                self.put(Input::Command {
                    member: by,
                    point,
                    nonce,
                    command: Command::Admit { knock },
                });
            }
            (Some(nonce), Some(point), knock, KnockAnswer::Deny) => {
                self.put(Input::Command {
                    member: by,
                    point,
                    nonce,
                    command: Command::Deny { knock },
                });
            }
            (_, _, Some(knock), answer) => self.put(Input::AnswerKnock { by, knock, answer }),
            (_, _, None, _) => {}
        }
    }

    fn connect(&mut self, member: MemberId, point: PointId) {
        self.incarnation += 1;
        self.put(Input::Connect {
            member,
            point,
            incarnation: self.incarnation,
        });
    }

    /// The incarnation of the connection of a point; 0 if there is none.
    fn holder(&self, point: PointId) -> u64 {
        self.state
            .present()
            .find_map(|(_, p)| p.points.get(&point))
            .map_or(0, |p| p.incarnation)
    }

    fn lose_a_replaced_connection(&mut self, point: PointId) {
        let index = self.state.index();
        self.put(Input::PointLost {
            point,
            incarnation: self.holder(point).wrapping_sub(1),
        });
        assert_eq!(self.state.index(), index, "a stale loss had an effect");
    }

    /// Restarts the process on the state in the log, with these rules.
    fn restart(&mut self, rules: Rules) {
        self.state = through_the_log(&self.state);
        self.positions = ActionTable::default();
        self.rules = rules;
        self.put(Input::Restart);
    }

    fn watch(&mut self) {
        if self.watchers.len() == WATCHERS {
            self.watchers.pop_front();
        }
        self.watchers.push_back(Watcher {
            client: Client::welcome(&self.state),
            replica: through_the_log(&self.state),
        });
    }

    /// Lets time pass and meets each deadline when it comes.
    fn wait(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(deadline) = self
            .state
            .next_deadline(&self.rules)
            .filter(|d| *d <= until)
        {
            self.now = self.now.max(deadline);
            assert!(self.run_due(), "a deadline was reached and nothing was due");
        }
        self.now = until;
        assert!(!self.run_due(), "something was due before any deadline");
    }

    /// Runs what is due until nothing is. Returns whether anything was.
    fn run_due(&mut self) -> bool {
        let (start, most) = (self.state.index(), self.state.most_firings() as u64);
        loop {
            let index = self.state.index();
            self.put(Input::Due);
            assert!(index - start <= most, "deadlines without end");
            if self.state.index() == index {
                let next = self.state.next_deadline(&self.rules);
                assert!(
                    next.is_none_or(|at| at > self.now.max(self.state.last_at())),
                    "a deadline stays in the past"
                );
                return index > start;
            }
        }
    }

    /// A position is kept and delivered unless its term is over.
    fn position(&mut self, from: MemberId, age: u32, position: u8) {
        let term = self
            .state
            .presenting()
            .map_or(0, |p| p.term)
            .saturating_sub(age);
        let key = ActionKey::new(
            ["", "view", "pointer", "ink", "one", "two"][usize::from(position % 6)],
            32,
        )
        .expect("a key");
        // Parts of 256 are written and read exactly; one position is beyond the page.
        let value = ActionValue::Pointer {
            x: f64::from(position) / 256.0,
            y: if position == 255 { 1.5 } else { 0.5 },
        };
        let action = Action {
            file: None,
            key,
            term,
            value,
            size: 20,
        };
        let speaks_now = term == 0
            || self
                .state
                .presenting()
                .is_some_and(|p| p.member == from && p.term == term);
        match self.positions.accept(&self.state, from, &action, KEYS) {
            Ok(ActionVerdict::Deliver) => {
                let kept = self
                    .positions
                    .latest_of(&self.state, from, &action.key)
                    .expect("what goes out is kept");
                assert!(
                    speaks_now && kept.action == action && kept.from == from,
                    "{kept:?} was kept of {action:?}"
                );
                wire::through_both_formats(&ServerFrame::notice(
                    self.now,
                    Notice::ActionSync(kept),
                ));
            }
            Ok(ActionVerdict::Dropped) => assert!(!speaks_now, "{action:?} was dropped"),
            Err(Reject { detail, .. }) => frames::check_detail(&detail),
        }
        assert!(
            self.positions.latest(&self.state, from).len() <= KEYS,
            "too many keys of {from}"
        );
    }
}

/// Writes and reads a value as the log does.
fn through_the_log<T: Serialize + DeserializeOwned>(value: &T) -> T {
    rmp_serde::from_slice(&rmp_serde::to_vec_named(value).expect("it can be written"))
        .expect("it can be read")
}
