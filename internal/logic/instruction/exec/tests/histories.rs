//! Random histories of a session: people, devices, lost connections, restarts, time. After every
//! step everything that always holds is checked, and every client and replica that has joined on
//! the way still agrees with the server.

use super::invariants::{self, Verdict};
use super::mirror::Mirror;
use super::world::{NAMES, World, all_frames, arrival, device, genesis, id, point, profile};
use crate::{
    Arrival, Change, Entry, Input, KnockAnswer, Patch, PlantedFault, Reject, State, Step, Via,
    apply, plant,
};
use faceshare_biz::ErrorCode;
use faceshare_biz::constants::NONCES_PER_MEMBER;
use faceshare_biz::domain::facesession::{Admission, HostLeft};
use faceshare_biz::domain::instruction::{
    Command, Epoch, Invite, Lock, Origin, Seq, Snapshot, Suspend,
};
use faceshare_biz::domain::{KnockId, MemberId, Nickname, Title};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::time::Duration;

type Who = &'static str;

/// One thing that happens.
#[derive(Debug, Clone)]
enum Happening {
    Says(Who, u64, u64, Command),
    Seat(Who, u64, Via, bool),
    Comes(Who, u64),
    Arrives(Who, u64, Via, bool),
    Answers(Who, Who, KnockAnswer),
    SaysToKnock(Who, u64, u64, Who, KnockAnswer),
    Connects(Who, u64),
    Loses(Who, u64),
    StaleLoss(Who, u64),
    Renames(Who, bool),
    Restart,
    Forces(bool),
    Patch(Who, Patch),
    HttpQuit(Who),
    Gone(Who),
    Removes(Who, Who),
    End(Option<Who>),
    NewEpoch,
    Waits(Duration),
    Sleeps(Duration),
    ClockGoesBack,
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![3 => Just("ann"), 3 => Just("bob"), 3 => Just("cat"), 8 => prop::sample::select(&NAMES[..])]
}

fn invite() -> impl Strategy<Value = Invite> {
    prop_oneof![2 => Just(Invite::Ask), 3 => Just(Invite::On), 1 => Just(Invite::Off)]
}

fn command() -> impl Strategy<Value = Command> {
    let lock = prop_oneof![3 => Just(Lock::None), 1 => Just(Lock::Hard)];
    prop_oneof![
        4 => (invite(), lock, prop::option::weighted(0.3, who())).prop_map(|(invite, lock, presenter)| {
            Command::FollowMe { invite, lock, presenter: presenter.map(id) }
        }),
        2 => Just(Command::CancelFollowMe),
        10 => prop::option::weighted(0.98, who()).prop_map(|target| Command::FollowOther { target: target.map(id) }),
        3 => Just(Command::CancelFollow { suspend: Some(Suspend::Page) }),
        2 => Just(Command::CancelFollow { suspend: None }),
        1 => Just(Command::CancelAutoEnd),
        2 => any::<bool>().prop_map(|background| Command::PointState { background }),
        1 => Just(Command::Quit),
    ]
}

fn patch() -> impl Strategy<Value = Patch> {
    let host_left = prop::option::of(prop_oneof![
        Just(HostLeft::Countdown),
        Just(HostLeft::Promote)
    ]);
    let title = prop::option::of(prop_oneof![Just("Talk"), Just("Other")]);
    let admission = prop::option::of(prop_oneof![
        Just(Admission::Open),
        Just(Admission::Approval)
    ]);
    (
        title,
        prop::option::of(1..9_u32),
        host_left,
        prop::option::weighted(0.2, any::<bool>()),
        admission,
    )
        .prop_map(|(title, max_members, host_left, locked, admission)| Patch {
            title: title.map(|t| Title::new(t, 100).expect("a title")),
            max_members,
            host_left,
            locked,
            admission,
        })
}

fn span() -> impl Strategy<Value = Duration> {
    prop_oneof![
        4 => (0..3_000_u64).prop_map(Duration::from_millis),
        3 => (0..40_u64).prop_map(Duration::from_secs),
        1 => (0..700_u64).prop_map(Duration::from_secs),
    ]
}

fn answer() -> impl Strategy<Value = KnockAnswer> {
    prop_oneof![2 => Just(KnockAnswer::Admit), 1 => Just(KnockAnswer::Deny)]
}

fn happening() -> impl Strategy<Value = Happening> {
    let n = || 1..4_u64;
    let host = || prop_oneof![4 => Just("ann"), 1 => who()];
    let via = prop_oneof![Just(Via::Code), Just(Via::Invite), Just(Via::Token)];
    prop_oneof![
        40 => (who(), n(), prop_oneof![3 => Just(0), 1 => 1..9_u64], command()).prop_map(|(w, n, nonce, c)| Happening::Says(w, n, nonce, c)),
        14 => (who(), n()).prop_map(|(w, n)| Happening::Comes(w, n)),
        3 => (who(), n(), via.clone(), any::<bool>()).prop_map(|(w, n, via, named)| Happening::Seat(w, n, via, named)),
        8 => (who(), n(), via, any::<bool>()).prop_map(|(w, n, via, approval)| Happening::Arrives(w, n, via, approval)),
        3 => (host(), who(), answer()).prop_map(|(by, w, answer)| Happening::Answers(by, w, answer)),
        3 => (host(), n(), prop_oneof![1 => Just(0), 2 => 1..9_u64], who(), answer())
            .prop_map(|(by, n, nonce, w, answer)| Happening::SaysToKnock(by, n, nonce, w, answer)),
        5 => (who(), 1..8_u64).prop_map(|(w, n)| Happening::Connects(w, n)),
        8 => (who(), n()).prop_map(|(w, n)| Happening::Loses(w, n)),
        1 => (who(), n()).prop_map(|(w, n)| Happening::StaleLoss(w, n)),
        1 => (who(), any::<bool>()).prop_map(|(w, guest)| Happening::Renames(w, guest)),
        1 => Just(Happening::Restart),
        1 => any::<bool>().prop_map(Happening::Forces),
        2 => (host(), patch()).prop_map(|(w, patch)| Happening::Patch(w, patch)),
        1 => who().prop_map(Happening::HttpQuit),
        1 => who().prop_map(Happening::Gone),
        1 => (prop_oneof![2 => Just("ann"), 1 => who()], who()).prop_map(|(by, w)| Happening::Removes(by, w)),
        1 => prop::option::weighted(0.99, who().prop_filter("a host ends it all too soon", |w| *w != "ann")).prop_map(Happening::End),
        1 => Just(Happening::NewEpoch),
        10 => span().prop_map(Happening::Waits),
        2 => span().prop_map(Happening::Sleeps),
        1 => Just(Happening::ClockGoesBack),
    ]
}

/// Many come, and some are answered.
fn at_the_door() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (who(), 1..4_u64).prop_map(|(w, n)| Happening::Arrives(w, n, Via::Code, true)),
        1 => (who(), answer()).prop_map(|(w, answer)| Happening::Answers("ann", w, answer)),
        1 => (who(), answer()).prop_map(|(w, answer)| Happening::SaysToKnock("ann", 1, 0, w, answer)),
    ]
}

/// An observer from some entry on: a client, and a replica that reads the log.
struct Watcher {
    client: Mirror,
    replica: State,
}

impl Watcher {
    fn new(state: &State) -> Self {
        Self {
            client: Mirror::new(state.snapshot()),
            replica: through_the_log(state),
        }
    }
}

fn through_the_log<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    let bytes = rmp_serde::to_vec_named(value).expect("it can be written");
    rmp_serde::from_slice(&bytes).expect("it can be read")
}

/// A session, those who watch it, and what happened, in words.
struct History {
    world: World,
    watchers: Vec<Watcher>,
    nonces: Nonces,
    story: String,
    steps: usize,
}

/// What must be known of nonces: by member the newest that took effect, each with the seq that it
/// was answered with.
#[derive(Default)]
struct Nonces(BTreeMap<MemberId, VecDeque<(u64, Seq)>>);

impl Nonces {
    fn commit(&mut self, entry: &Entry) {
        for change in &entry.changes {
            match change {
                Change::Nonce { member, nonce, seq } => {
                    let kept = self.0.entry(*member).or_default();
                    kept.push_back((*nonce, *seq));
                    kept.drain(..kept.len().saturating_sub(NONCES_PER_MEMBER));
                }
                Change::Forgotten { member } => drop(self.0.remove(member)),
                _ => {}
            }
        }
    }

    /// The seq that a repeat of this input must be answered with; `None`: it is no repeat.
    fn answer(&self, input: &Input) -> Option<Seq> {
        let Input::Command { member, nonce, .. } = input else {
            return None;
        };
        self.0
            .get(member)?
            .iter()
            .find(|(kept, _)| kept == nonce)
            .map(|(_, seq)| *seq)
    }
}

impl History {
    fn new(world: World) -> Self {
        let watchers = vec![Watcher::new(&world.state)];
        Self {
            world,
            watchers,
            nonces: Nonces::default(),
            story: String::new(),
            steps: 0,
        }
    }

    fn happen(&mut self, happening: &Happening) -> Verdict {
        self.steps += 1;
        let _ = writeln!(
            self.story,
            "{:>4}  {}",
            self.steps,
            with_names(format!("{happening:?}"))
        );
        if self.steps.is_multiple_of(7) {
            self.watchers.push(Watcher::new(&self.world.state));
        }
        match happening.clone() {
            Happening::Waits(span) => self.wait(span),
            Happening::Sleeps(span) => {
                self.world.now = self.world.now + span;
                self.run_due()
            }
            Happening::ClockGoesBack => {
                self.world.now = self.world.now - Duration::from_millis(1_500);
                Ok(())
            }
            Happening::Comes(who, n) => {
                self.put(seat(who, n, Via::Code, true))?;
                let connect = self.world.connecting(who, n);
                self.put(connect)
            }
            other => {
                let input = self.input(other);
                self.put(input)
            }
        }
    }

    fn input(&mut self, happening: Happening) -> Input {
        match happening {
            Happening::Says(who, n, nonce, command) => Input::Command {
                member: id(who),
                point: point(who, n),
                nonce,
                command,
            },
            Happening::Seat(who, n, via, named) => seat(who, n, via, named),
            Happening::Arrives(who, n, via, approval) => {
                let knock = KnockId::new(self.steps as u64).expect("steps count from one");
                Input::Arrive(Box::new(Arrival {
                    via,
                    approval,
                    knock,
                    ..arrival(who, n, n)
                }))
            }
            Happening::Answers(by, who, answer) => Input::AnswerKnock {
                by: id(by),
                knock: self.knock_of(who),
                answer,
            },
            Happening::SaysToKnock(by, n, nonce, who, answer) => {
                let knock = Some(self.knock_of(who));
                let command = match answer {
                    KnockAnswer::Admit => Command::Admit { knock },
                    KnockAnswer::Deny => Command::Deny { knock },
                };
                Input::Command {
                    member: id(by),
                    point: point(by, n),
                    nonce,
                    command,
                }
            }
            Happening::Connects(who, n) => self.world.connecting(who, n),
            Happening::Loses(who, n) => self.world.losing(who, n),
            Happening::StaleLoss(who, n) => Input::PointLost {
                point: point(who, n),
                incarnation: 1,
            },
            Happening::Renames(who, guest) => {
                let mut profile = profile(who);
                profile.nickname =
                    Nickname::new(if guest { "guest" } else { "member" }, 32).expect("a nickname");
                profile.guest = guest;
                Input::Seat {
                    profile,
                    point: point(who, 1),
                    device: None,
                    via: Via::Token,
                }
            }
            Happening::Patch(by, patch) => Input::Patch { by: id(by), patch },
            Happening::HttpQuit(who) => Input::HttpQuit { member: id(who) },
            Happening::Gone(who) => Input::Gone { member: id(who) },
            Happening::Removes(by, who) => Input::Remove {
                by: id(by),
                member: id(who),
            },
            Happening::End(by) => Input::End { by: by.map(id) },
            Happening::NewEpoch => Input::NewEpoch {
                epoch: Epoch::new(&format!("e{}", self.steps)).expect("an epoch"),
            },
            Happening::Restart => Input::Restart,
            Happening::Forces(forced) => Input::ForceAdmission { forced },
            Happening::Comes(..)
            | Happening::Waits(_)
            | Happening::Sleeps(_)
            | Happening::ClockGoesBack => Input::Due,
        }
    }

    /// The newest knock of an account, waiting or over; for an account without a knock, any knock.
    fn knock_of(&self, who: Who) -> KnockId {
        let theirs = self
            .world
            .state
            .knocks
            .values()
            .filter(|knock| knock.profile.id == id(who))
            .map(|knock| knock.id)
            .max();
        theirs.or(KnockId::new(1)).expect("an id")
    }

    /// Meets every deadline as it comes, then looks once more.
    fn wait(&mut self, span: Duration) -> Verdict {
        let until = self.world.now + span;
        while let Some(deadline) = self
            .world
            .state
            .next_deadline(&self.world.rules)
            .filter(|d| *d <= until)
        {
            self.world.now = self.world.now.max(deadline);
            let index = self.world.state.index();
            self.run_due()?;
            if self.world.state.index() == index {
                return Err("a deadline that came led to nothing".to_owned());
            }
        }
        self.world.now = until;
        let index = self.world.state.index();
        self.run_due()?;
        if self.world.state.index() == index {
            Ok(())
        } else {
            Err("something was due that no deadline spoke of".to_owned())
        }
    }

    /// Carries out what is due until nothing is.
    fn run_due(&mut self) -> Verdict {
        for _ in 0..=self.world.state.most_firings() {
            let index = self.world.state.index();
            self.put(Input::Due)?;
            if self.world.state.index() == index {
                let next = self.world.state.next_deadline(&self.world.rules);
                let past =
                    next.is_some_and(|at| at <= self.world.now.max(self.world.state.last_at()));
                return if past {
                    Err("a deadline stays in the past".to_owned())
                } else {
                    Ok(())
                };
            }
        }
        Err("deadlines without end".to_owned())
    }

    fn put(&mut self, input: Input) -> Verdict {
        let before = self.world.state.clone();
        let outcome = crate::step(&before, &self.world.rules, self.world.now, input.clone());
        let again = crate::step(&before, &self.world.rules, self.world.now, input.clone());
        if outcome != again {
            return Err("the same input led to something else".to_owned());
        }
        invariant_a_nonce_takes_effect_once(self.nonces.answer(&input), &outcome)?;
        match &outcome {
            Ok(Step::Entry(entry)) => {
                let _ = writeln!(self.story, "      {}", in_words(&before, entry));
                invariant_a_stale_loss_changes_nothing(&before, &input)?;
                self.commit(&before, entry)
            }
            other => {
                let _ = writeln!(self.story, "      {other:?}");
                if self.world.state == before {
                    Ok(())
                } else {
                    Err("a refused input left a trace".to_owned())
                }
            }
        }
    }

    fn commit(&mut self, before: &State, entry: &Entry) -> Verdict {
        if entry.changes.is_empty() {
            return Err(format!(
                "{:?} without a change",
                all_frames(std::slice::from_ref(entry))
            ));
        }
        apply(&mut self.world.state, entry);
        self.nonces.commit(entry);
        invariants::check(before, entry, &self.world.state)?;
        let shown = self.world.state.snapshot();
        let logged = through_the_log(entry);
        for watcher in &mut self.watchers {
            watcher.client.take(entry);
            invariant_client_shows_what_the_server_has(&watcher.client, &shown)?;
            apply(&mut watcher.replica, &logged);
            invariant_replay_equals_the_live_state(&watcher.replica, &self.world.state)?;
        }
        Ok(())
    }

    /// Lets all this happen, and tells the story if something does not hold.
    fn run(mut self, happenings: &[Happening]) -> Result<(), TestCaseError> {
        for happening in happenings {
            if let Err(wrong) = self.happen(happening) {
                return Err(TestCaseError::fail(format!(
                    "{wrong}\nWhat happened:\n{}",
                    self.story
                )));
            }
        }
        Ok(())
    }
}

fn seat(who: Who, n: u64, via: Via, named: bool) -> Input {
    let device = named.then(|| device(&format!("{who} {n}")));
    Input::Seat {
        profile: profile(who),
        point: point(who, n),
        device,
        via,
    }
}

/// An entry as text, for the report of a failed test.
fn in_words(before: &State, entry: &Entry) -> String {
    let after = entry.at.since(before.created_at).as_secs_f64();
    let told = all_frames(std::slice::from_ref(entry)).join(", ");
    let changes: Vec<_> = entry.changes.iter().map(brief).collect();
    with_names(format!("{after:.3} s: {} [{told}]", changes.join("; ")))
}

fn brief(change: &Change) -> String {
    match change {
        Change::Seated {
            profile,
            point,
            until,
            ..
        } => format!("Seated {{ {:?}, {point:?}, until: {until:?} }}", profile.id),
        other => format!("{other:?}"),
    }
}

fn with_names(text: String) -> String {
    NAMES.iter().fold(text, |text, name| {
        text.replace(&format!("{:?}", id(name)), name)
    })
}

/// A connection that was replaced is lost without effect.
fn invariant_a_stale_loss_changes_nothing(before: &State, input: &Input) -> Verdict {
    let Input::PointLost { point, incarnation } = input else {
        return Ok(());
    };
    let current = before
        .present()
        .filter_map(|(_, p)| p.points.get(point))
        .any(|p| p.incarnation == *incarnation);
    if current {
        Ok(())
    } else {
        Err("a stale loss took a point away".to_owned())
    }
}

/// Whatever is said under a nonce that is remembered, it is answered like the first. (After the end
/// everything is refused.)
fn invariant_a_nonce_takes_effect_once(
    answer: Option<Seq>,
    outcome: &Result<Step, Reject>,
) -> Verdict {
    let Some(seq) = answer else { return Ok(()) };
    match outcome {
        Ok(Step::Repeated(told)) if *told == seq => Ok(()),
        Err(reject) if reject.code == ErrorCode::SessionEnded => Ok(()),
        other => Err(format!(
            "the repeat of a nonce that took effect at {seq} led to {other:?}"
        )),
    }
}

/// Of all together, and of those who came from one address.
fn invariant_no_more_wait_than_may(world: &World, most: usize, most_of_address: usize) -> Verdict {
    let mut of_address = BTreeMap::new();
    for knock in world.state.waiting() {
        *of_address
            .entry(knock.origin.map(|Origin(address)| address))
            .or_insert(0) += 1;
    }
    let (all, largest) = (
        of_address.values().sum::<usize>(),
        of_address.values().max().copied().unwrap_or(0),
    );
    let within = all <= most && largest <= most_of_address;
    if within {
        Ok(())
    } else {
        Err(format!("{all} wait, of one address {largest}"))
    }
}

/// Snapshot and frames tell a client everything that a later snapshot would.
fn invariant_client_shows_what_the_server_has(client: &Mirror, server: &Snapshot) -> Verdict {
    let shown = client.shown();
    if shown == server {
        return Ok(());
    }
    let differing = |mine: &Snapshot, other: &Snapshot| {
        let members: Vec<_> = mine
            .members
            .iter()
            .filter(|m| !other.members.contains(m))
            .collect();
        with_names(format!(
            "{members:?} {:?} {:?} {:?}",
            mine.presenting, mine.auto_end, mine.session
        ))
    };
    Err(format!(
        "a client shows\n  {}\nand the server has\n  {}",
        differing(shown, server),
        differing(server, shown)
    ))
}

/// The log gives back the state, with everything that is derived.
fn invariant_replay_equals_the_live_state(replica: &State, live: &State) -> Verdict {
    if replica == live {
        Ok(())
    } else {
        Err(with_names(format!(
            "replay gives\n  {replica:?}\nand the state is\n  {live:?}"
        )))
    }
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(800))]

    #[test]
    fn everything_holds_over_random_histories(
        happenings in prop::collection::vec(happening(), 1..80),
        promote in any::<bool>(),
        max_members in prop_oneof![Just(500_u32), 2..6_u32],
        minutes in prop::option::weighted(0.3, 1..20_u64),
        crowd in 0..=NAMES.len(),
    ) {
        let mut genesis = genesis();
        genesis.host_left = if promote { HostLeft::Promote } else { HostLeft::Countdown };
        genesis.max_members = max_members;
        genesis.auto_end_after = minutes.map(|m| Duration::from_secs(m * 60));
        let arrivals = NAMES.iter().take(crowd).map(|who| Happening::Comes(who, 1));
        let all: Vec<_> = arrivals.chain(happenings).collect();
        History::new(World::of(genesis)).run(&all)?;
    }

    #[test]
    fn everything_holds_among_people_who_follow_each_other(
        commands in prop::collection::vec((who(), command()), 1..60),
    ) {
        let world = World::with(&NAMES);
        let said: Vec<_> = commands.into_iter().map(|(who, command)| Happening::Says(who, 1, 0, command)).collect();
        History::new(world).run(&said)?;
    }

    #[test]
    fn everything_holds_at_a_door_that_few_may_wait_at(
        happenings in prop::collection::vec(prop_oneof![2 => happening(), 3 => at_the_door()], 1..80),
        most in 1..4_usize,
        most_of_address in 1..3_usize,
    ) {
        let mut world = World::new();
        (world.rules.knocks, world.rules.knocks_per_address) = (most, most_of_address);
        let mut history = History::new(world);
        for happening in &happenings {
            let verdict = history.happen(happening).and_then(|()| invariant_no_more_wait_than_may(&history.world, most, most_of_address));
            prop_assert!(verdict.is_ok(), "{verdict:?}\nWhat happened:\n{}", history.story);
        }
    }

    #[test]
    fn people_who_are_not_here_are_remembered_up_to_the_bound(happenings in prop::collection::vec(happening(), 1..60)) {
        let mut world = World::new();
        world.rules.people_remembered = 3;
        world.rules.empty = Duration::from_secs(3_600);
        let mut history = History::new(world);
        let mut most = 0;
        for happening in &happenings {
            let verdict = history.happen(happening);
            prop_assert!(verdict.is_ok(), "{verdict:?}\nWhat happened:\n{}", history.story);
            let state = &history.world.state;
            let held = state.people.values().filter(|p| p.seat_until > history.world.now).count();
            most = most.max(3 + held + state.present().count());
            prop_assert!(state.people.len() <= most, "{} people\nWhat happened:\n{}", state.people.len(), history.story);
        }
    }
}

/// A talk of two members: more nonces than are remembered, out of few enough that many come again.
fn talk() -> impl Strategy<Value = Vec<(Who, u64, Command)>> {
    let talker = prop::sample::select(vec!["bob", "cat"]);
    let said = prop_oneof![
        2 => prop::sample::select(vec!["ann", "dan"]).prop_map(|who| Command::FollowOther { target: Some(id(who)) }),
        2 => Just(Command::CancelFollow { suspend: None }),
        1 => Just(Command::CancelFollow { suspend: Some(Suspend::Page) }),
    ];
    prop::collection::vec((talker, 1..110_u64, said), 350..450)
}

fn let_them_talk(talk: &[(Who, u64, Command)]) -> Result<(), TestCaseError> {
    let mut history = History::new(World::with(&NAMES));
    for (who, nonce, command) in talk.iter().cloned() {
        let said = Input::Command {
            member: id(who),
            point: point(who, 1),
            nonce,
            command,
        };
        history.put(said).map_err(|wrong| {
            TestCaseError::fail(format!("{wrong}\nWhat happened:\n{}", history.story))
        })?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn of_many_nonces_each_takes_effect_once(talk in talk()) {
        let_them_talk(&talk)?;
    }
}

/// How many of so many histories break something while the kernel has this fault.
fn found<S: Strategy>(
    fault: PlantedFault,
    histories: usize,
    strategy: &S,
    run: impl Fn(S::Value) -> Result<(), TestCaseError>,
) -> usize {
    let mut runner =
        TestRunner::new_with_rng(config(1), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    plant(Some(fault));
    let broken =
        |_: &usize| run(strategy.new_tree(&mut runner).expect("a history").current()).is_err();
    let found = (0..histories).filter(broken).count();
    plant(None);
    found
}

#[test]
fn a_kernel_that_forgets_the_newest_nonces_is_found() {
    let found = found(PlantedFault::NewestNonceForgotten, 10, &talk(), |talk| {
        let_them_talk(&talk)
    });
    assert!(found >= 5, "{found} of 10");
}

#[test]
fn a_deadline_that_stays_when_it_has_fired_is_found() {
    let happenings = prop::collection::vec(happening(), 20..80);
    let found = found(
        PlantedFault::LastingDeadline,
        40,
        &happenings,
        |happenings| History::new(World::with(&NAMES)).run(&happenings),
    );
    assert!(found >= 20, "{found} of 40");
}
