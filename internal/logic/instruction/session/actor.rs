//! What the actor does with each request.

use super::commit::{Batch, changes_listing, closings, denied, departed};
use super::counters::Counters;
use super::door::Door;
use super::outcome::{Asker, Outcome};
use super::pacing::Pacing;
use super::{Glance, Glances, Look, Request};
use crate::instruction::connclient::Bucket;
use crate::instruction::fanout::Fanout;
use crate::instruction::mgr::pointmemmgr::PointMemMgr;
use crate::instruction::mgr::waiters::Waiters;
use crate::instruction::recent::RecentEntries;
use crate::instruction::sessions::SessionObserver;
use crate::instruction::settings::StreamSettings;
use crate::instruction::window::ResumeWindow;
use faceshare_biz::domain::instruction::{
    Action, ClientFrame, CloseReason, Command, FrameCodec, Notice, SentAction, Seq, ServerFrame,
    SessionLog,
};
use faceshare_biz::domain::port::{Clock, Secrets};
use faceshare_biz::domain::{MemberId, PointId, Timestamp};
use faceshare_biz::{ErrorCode, Result};
use faceshare_exec::{ActionTable, ActionVerdict, Entry, Input, Reject, State, Step, step};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// An ended session that nobody is connected to is let go after this, or twice this: so long it answers those who just saw it end without being loaded
/// again.
const IDLE: Duration = Duration::from_secs(10);

/// What all session actors share.
pub(crate) struct ActorDeps {
    pub(crate) log: Arc<dyn SessionLog>,
    pub(crate) codec: Arc<dyn FrameCodec>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) secrets: Arc<dyn Secrets>,
    pub(crate) observer: Arc<dyn SessionObserver>,
    pub(crate) points: Arc<PointMemMgr>,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) settings: StreamSettings,
    /// Whether unproven people who come by code must be let in, in every session.
    pub(crate) admission_forced: AtomicBool,
}

/// What a session's task works with.
pub(crate) struct Actor {
    pub(crate) deps: Arc<ActorDeps>,
    /// May be ahead of the log by `gathering` and `in_flight`.
    pub(crate) state: State,
    pub(crate) actions: ActionTable,
    pub(crate) fanout: Fanout,
    pub(crate) glances: Glances,
    /// As committed.
    pub(crate) door: Door,
    pub(crate) window: ResumeWindow,
    pub(crate) recent: RecentEntries,
    pub(crate) gathering: Batch,
    pub(crate) in_flight: Option<Batch>,
    pub(crate) entries_since_snapshot: usize,
    pub(crate) bytes_since_snapshot: usize,
    /// In a row.
    pub(crate) failed_appends: u32,
    /// The state may be one that the log does not have: nothing is built on it, or told of it.
    pub(crate) in_doubt: bool,
    presenting_buckets: HashMap<MemberId, Bucket>,
    pacing: Pacing,
    counters: Counters,
}

impl Actor {
    pub(crate) fn new(deps: Arc<ActorDeps>, state: State, window: ResumeWindow) -> Self {
        let roots = state
            .present()
            .filter_map(|(id, presence)| Some((id, presence.follow.root?)));
        let fanout = Fanout::new(deps.codec.clone(), roots);
        let recent = RecentEntries::new(
            state.epoch().clone(),
            state.seq(),
            deps.settings.recent_bytes,
        );
        let door = Door::of(&state, deps.waiters.clone());
        let (actions, gathering) = (ActionTable::default(), Batch::default());
        let (presenting_buckets, pacing) = (
            HashMap::new(),
            Pacing::new(deps.settings.actions_per_second),
        );
        let (entries_since_snapshot, bytes_since_snapshot) = (0, 0);
        Self {
            deps,
            state,
            actions,
            fanout,
            glances: Glances::default(),
            door,
            window,
            recent,
            gathering,
            in_flight: None,
            entries_since_snapshot,
            bytes_since_snapshot,
            failed_appends: 0,
            in_doubt: false,
            presenting_buckets,
            pacing,
            counters: Counters::new(),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.deps.clock.now()
    }

    pub(crate) fn do_what_is_due(&mut self) {
        self.show_what_waits();
        self.fire_deadlines();
    }

    pub(crate) fn ahead(&self) -> usize {
        self.gathering.len() + self.in_flight.as_ref().map_or(0, Batch::len)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.state.is_ended()
            && self.fanout.is_empty()
            && self.in_flight.is_none()
            && self.gathering.is_empty()
    }

    /// When the time has something to say: the next deadline, or the end of an idle actor.
    pub(crate) fn wake_at(&self) -> Instant {
        let wait = self
            .state
            .next_deadline(&self.deps.settings.rules)
            .map_or(IDLE, |at| at.since(self.now()));
        let deadline = Instant::now() + wait;
        self.pacing
            .next()
            .map_or(deadline, |position| position.min(deadline))
    }

    /// # Panics
    /// When a deadline stays though it has fired. That is a fault of the kernel, which would make entries, or wake this task, without end. The panic ends
    /// the actor before any of those entries is in the log; whoever asks next has it read back from there.
    fn fire_deadlines(&mut self) {
        let now = self.now();
        for _ in 0..=self.state.most_firings() {
            let Ok(Step::Entry(entry)) = self.step_at(now, Input::Due) else {
                let next = self.state.next_deadline(&self.deps.settings.rules);
                let lasting = next.filter(|at| *at <= now.max(self.state.last_at()));
                assert!(
                    lasting.is_none(),
                    "invariant: a deadline that has come leads to something; that of {lasting:?} does not"
                );
                return;
            };
            self.accept(entry, None);
        }
        panic!("invariant: what is due at one time comes to an end");
    }

    pub(crate) fn step(&self, input: Input) -> Result<Step, Reject> {
        self.step_at(self.now(), input)
    }

    fn step_at(&self, now: Timestamp, input: Input) -> Result<Step, Reject> {
        step(&self.state, &self.deps.settings.rules, now, input)
    }

    pub(crate) fn handle(&mut self, request: Request) {
        match request {
            Request::Propose { input, look } => self.propose(*input, look),
            Request::Read(look) => {
                let release = look(&self.state);
                self.after_commit(Outcome::Release(release));
            }
            Request::Glance { who, reply } => self.glance(who, reply),
            Request::Connect { opening, reply } => self.connect(*opening, reply),
            Request::Frame {
                point,
                incarnation,
                frame,
            } => self.frame(point, incarnation, *frame),
            Request::Lost { point, incarnation } => self.lost(point, incarnation),
            // What is due is done after every request.
            Request::LookAtTheTime => {}
            Request::SeeTheHouse => self.see_the_house(),
            // What is over and not committed yet is over for the listener once it is.
            Request::AwaitKnock { knock, listener } => self.door.listen(knock, listener),
            Request::TellHost(notice) => {
                let frame = ServerFrame::notice(self.now(), *notice);
                self.fanout.tell_member(self.state.host(), &frame);
            }
        }
    }

    fn glance(&mut self, who: MemberId, reply: oneshot::Sender<Result<Glance>>) {
        let glance = Glance::of(&self.state, who);
        if self.gathering.is_empty() && self.in_flight.is_none() {
            self.glances.keep(who, &glance);
        }
        // Whoever asked may have gone away meanwhile.
        self.after_commit(Outcome::Release(Box::new(move |outcome| {
            drop(reply.send(outcome.map(|()| glance)))
        })));
    }

    fn propose(&mut self, input: Input, look: Look) {
        let release = match self.step(input) {
            Ok(Step::Entry(entry)) => {
                self.accept(entry, None);
                look(Ok(&self.state))
            }
            Ok(Step::Repeated(_) | Step::Unchanged) => look(Ok(&self.state)),
            Err(reject) => look(Err(reject.into())),
        };
        self.after_commit(Outcome::Release(release));
    }

    pub(crate) fn lost(&mut self, point: PointId, incarnation: u64) {
        self.fanout.detach(point, incarnation);
        self.deps.points.remove(point, incarnation);
        if let Ok(Step::Entry(entry)) = self.step(Input::PointLost { point, incarnation }) {
            self.accept(entry, None);
        }
    }

    /// When the next of the positions that wait for their time may go out.
    pub(crate) fn next_waiting_position(&self) -> Option<Instant> {
        self.pacing.next()
    }

    /// A frame of a connection that has been replaced, or let go, is nobody's.
    pub(crate) fn frame(&mut self, point: PointId, incarnation: u64, frame: ClientFrame) {
        let Some(attached) = self.fanout.get(point, incarnation) else {
            return;
        };
        let member = attached.member;
        let ClientFrame { id, nonce, command } = frame;
        let asker = Asker {
            point,
            incarnation,
            id,
        };
        let name = command.name();
        let answer = match command {
            Command::ActionSync(action) => self.action(member, action).map(|()| Answer::Position),
            Command::AckHeart { .. } => Ok(Answer::Ephemeral),
            command => self.instruct(member, point, nonce, command, asker),
        };
        self.counters
            .instruction(name, answer.is_ok(), matches!(answer, Ok(Answer::Position)));
        match answer {
            Ok(Answer::Entry) => {}
            // Most positions want no answer, and they are many.
            Ok(Answer::Position) if id == 0 => {}
            Ok(Answer::Ephemeral | Answer::Position) => self.after_commit(Outcome::Ack {
                asker,
                seq: Seq::NONE,
            }),
            Ok(Answer::Seq(seq)) => self.after_commit(Outcome::Ack { asker, seq }),
            Err(Reject { code, detail, path }) => {
                let detail =
                    path.map_or_else(|| detail.clone(), |path| format!("{path}: {detail}").into());
                self.after_commit(Outcome::Nack {
                    asker,
                    code,
                    detail,
                });
            }
        }
    }

    fn instruct(
        &mut self,
        member: MemberId,
        point: PointId,
        nonce: u64,
        command: Command,
        asker: Asker,
    ) -> Result<Answer, Reject> {
        let ephemeral = matches!(command, Command::PointState { .. });
        if matches!(command, Command::FollowMe { .. } | Command::CancelFollowMe) {
            self.meter_presenting(member)?;
        }
        match self.step(Input::Command {
            member,
            point,
            nonce,
            command,
        })? {
            Step::Entry(entry) => {
                self.accept(entry, (!ephemeral).then_some(asker));
                Ok(if ephemeral {
                    Answer::Ephemeral
                } else {
                    Answer::Entry
                })
            }
            Step::Repeated(seq) => Ok(Answer::Seq(seq)),
            Step::Unchanged if ephemeral => Ok(Answer::Ephemeral),
            Step::Unchanged => Ok(Answer::Seq(self.state.seq())),
        }
    }

    /// `followMe` and `cancelFollowMe` turn everybody's screen: each member may do so now and then.
    fn meter_presenting(&mut self, member: MemberId) -> Result<(), Reject> {
        let settings = &self.deps.settings;
        let (per_second, burst) = (settings.follow_me_per_second, settings.follow_me_burst);
        if self
            .presenting_buckets
            .entry(member)
            .or_insert_with(|| Bucket::full(burst))
            .take(per_second, burst)
        {
            return Ok(());
        }
        Err(Reject::new(
            ErrorCode::RateLimited,
            "presenting started and stopped too often; wait a second",
        ))
    }

    /// A position: kept as the latest of its key, and shown to those whose root is the sender.
    fn action(&mut self, from: MemberId, action: Action) -> Result<(), Reject> {
        if self.state.presence(from).is_none() {
            return Err(Reject::new(
                ErrorCode::MemberNotFound,
                "you are not in this session",
            ));
        }
        if action.size > self.deps.settings.action_bytes {
            return Err(Reject::new(
                ErrorCode::PayloadTooLarge,
                format!(
                    "a position has at most {} bytes",
                    self.deps.settings.action_bytes
                ),
            ));
        }
        match self
            .actions
            .accept(&self.state, from, &action, self.deps.settings.action_keys)?
        {
            // Somebody whom nobody follows costs no more than this; a new follower is shown the latest value.
            ActionVerdict::Deliver if !self.fanout.has_audience(from) => {}
            ActionVerdict::Deliver => {
                if self.pacing.admit(from, &action.key, Instant::now()) {
                    self.show(SentAction { from, action });
                }
            }
            ActionVerdict::Dropped => {
                metrics::counter!("stream_positions_dropped_total").increment(1)
            }
        }
        Ok(())
    }

    fn show(&mut self, sent: SentAction) {
        let shown = self.fanout.show(self.now(), sent);
        self.counters.shown.increment(shown as u64);
    }

    /// Positions that came too fast: the newest of each, now that its time has come.
    fn show_what_waits(&mut self) {
        for (from, key) in self.pacing.due(Instant::now()) {
            if let Some(sent) = self.actions.latest_of(&self.state, from, &key) {
                self.show(sent);
            }
        }
    }

    /// Takes an entry into the state and gathers it for the log; what it says is told after the commit, then `asker` is answered.
    pub(crate) fn accept(&mut self, entry: Entry, asker: Option<Asker>) {
        let before = self.state.seq();
        let closings = closings(&entry);
        let (listed, silent) = (changes_listing(&entry), entry.events.is_empty());
        self.gather(&entry);
        for member in departed(&entry) {
            self.actions.forget(member);
            self.presenting_buckets.remove(&member);
            self.pacing.forget(member);
        }
        let denied = denied(&self.state, &entry);
        self.after_commit(Outcome::Tell {
            entry: Box::new(entry),
            before,
        });
        denied
            .into_iter()
            .for_each(|who| self.after_commit(Outcome::Denied(Box::new(who))));
        if let Some(asker) = asker {
            self.after_commit(Outcome::Ack {
                asker,
                seq: if silent { before } else { before.plus(1) },
            });
        }
        closings
            .into_iter()
            .for_each(|closing| self.after_commit(closing));
        if listed {
            self.after_commit(Outcome::Observe(
                Box::new(self.state.face_session()),
                self.state.index(),
            ));
        }
        if self.state.seq().get() >= self.deps.settings.seq_max {
            self.start_epoch();
        }
    }

    /// The session has just been read from its log: nobody is connected to it here.
    pub(crate) fn restart(&mut self) {
        if !self.state.is_ended()
            && let Ok(Step::Entry(entry)) = self.step(Input::Restart)
        {
            self.accept(entry, None);
        }
    }

    /// Whether the installation forces approval: what is said of it in the session follows.
    pub(crate) fn see_the_house(&mut self) {
        let forced = self.deps.admission_forced.load(Ordering::SeqCst);
        if let Ok(Step::Entry(entry)) = self.step(Input::ForceAdmission { forced }) {
            self.accept(entry, None);
        }
    }

    /// The order starts anew: everybody reconnects and starts from the snapshot.
    pub(crate) fn start_epoch(&mut self) {
        if self.state.is_ended() {
            // Its last frame has been said; the end of its order is what people still ask for.
            return;
        }
        let epoch = self.deps.secrets.epoch();
        if let Ok(Step::Entry(entry)) = self.step(Input::NewEpoch { epoch }) {
            self.gather(&entry);
            self.after_commit(Outcome::CloseAll(CloseReason::Restarting));
        }
    }

    /// Does something once the log has everything up to here; at once, when it has. It waits with the last batch that has entries: one
    /// without would never go to the log.
    pub(crate) fn after_commit(&mut self, outcome: Outcome) {
        let index = self.state.index();
        match &mut self.in_flight {
            _ if !self.gathering.is_empty() => self.gathering.wait(index, outcome),
            Some(batch) => batch.wait(index, outcome),
            None => self.carry_out(outcome),
        }
    }

    /// The actor ends without its log: those who wait learn that, and the connections come back later.
    pub(crate) fn abandon(&mut self) {
        self.in_doubt = true;
        self.glances.forget();
        for batch in [
            self.in_flight.take(),
            Some(std::mem::take(&mut self.gathering)),
        ]
        .into_iter()
        .flatten()
        {
            for (_, outcome) in batch.outcomes {
                outcome.fail();
            }
        }
        self.fanout.close_all(CloseReason::Internal);
        for attached in self.fanout.points() {
            self.deps
                .points
                .remove(attached.point, attached.incarnation);
        }
        // Whoever has a way to this actor keeps it in memory: what others wait for, and what is large, is let go of now.
        self.door.close();
        self.actions = ActionTable::default();
        self.recent = RecentEntries::new(self.state.epoch().clone(), self.state.seq(), 0);
    }

    pub(crate) fn answer_unwritten(&mut self, outcome: Outcome) {
        if let Some(Outcome::Nack {
            asker,
            code,
            detail,
        }) = outcome.fail()
        {
            self.answer(
                asker,
                Notice::Nack {
                    id: asker.id,
                    code,
                    detail,
                },
            );
        }
    }

    /// Refused too often, a connection ends. What the server itself could not do does not count.
    pub(crate) fn refuse(&mut self, asker: Asker, code: ErrorCode, detail: Cow<'static, str>) {
        self.answer(
            asker,
            Notice::Nack {
                id: asker.id,
                code,
                detail,
            },
        );
        let settings = &self.deps.settings;
        if code != ErrorCode::Unavailable
            && let Some(attached) = self.fanout.get(asker.point, asker.incarnation)
            && !attached
                .outbound
                .survives_refusal(settings.refusals, settings.refusal_window)
        {
            attached.outbound.close(CloseReason::TooMany);
        }
    }

    pub(crate) fn answer(&mut self, asker: Asker, notice: Notice) {
        if asker.id != 0 {
            let frame = ServerFrame::notice(self.now(), notice);
            self.fanout.tell(asker.point, asker.incarnation, &frame);
        }
    }
}

/// How a frame is answered.
enum Answer {
    /// By its entry, once that is committed.
    Entry,
    /// It is in no log.
    Ephemeral,
    /// Nor is this.
    Position,
    /// With this seq.
    Seq(Seq),
}
