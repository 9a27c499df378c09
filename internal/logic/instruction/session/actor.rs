//! How the actor processes each request.

use super::commit::{Batch, changes_listing, closings, denied, departed};
use super::counters::Counters;
use super::door::Door;
use super::outcome::{Outcome, Requester};
use super::pacing::Pacing;
use super::{MakeReply, Request, SessionView, ViewCache};
use crate::instruction::connclient::TokenBucket;
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

/// An ended session without connections is unloaded after this time, or twice this. Until then it
/// answers the clients that just saw its end without being loaded again.
const IDLE: Duration = Duration::from_secs(10);
/// A live session without connections is unloaded after this time without a request, or twice this.
const IDLE_LIVE: Duration = Duration::from_secs(60);
/// A live session with an earlier deadline than this stays loaded: it would be loaded again soon.
const NEAR: Duration = Duration::from_secs(60);

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
    /// Whether guests who join by code need the host's approval, in every session.
    pub(crate) admission_forced: AtomicBool,
}

/// When a session's task wakes.
pub(crate) struct Wakes {
    /// The next time at which there is something to do.
    pub(crate) next: Instant,
    /// When the idle actor stops; `None`: it is in use.
    pub(crate) stop: Option<Instant>,
}

/// The state of a session's task.
pub(crate) struct Actor {
    pub(crate) deps: Arc<ActorDeps>,
    /// May be ahead of the log by `gathering` and `in_flight`.
    pub(crate) state: State,
    pub(crate) actions: ActionTable,
    pub(crate) fanout: Fanout,
    pub(crate) views: ViewCache,
    /// The committed state, not `state`.
    pub(crate) door: Door,
    pub(crate) window: ResumeWindow,
    pub(crate) recent: RecentEntries,
    pub(crate) gathering: Batch,
    pub(crate) in_flight: Option<Batch>,
    pub(crate) entries_since_snapshot: usize,
    pub(crate) bytes_since_snapshot: usize,
    /// Failed appends in a row.
    pub(crate) failed_appends: u32,
    /// The log may not have this state: it must not be changed, and no client may be told of it.
    pub(crate) in_doubt: bool,
    presenting_buckets: HashMap<MemberId, TokenBucket>,
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
            views: ViewCache::default(),
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

    pub(crate) fn run_due(&mut self) {
        self.deliver_due_positions();
        self.fire_deadlines();
    }

    pub(crate) fn ahead(&self) -> usize {
        self.gathering.len() + self.in_flight.as_ref().map_or(0, Batch::len)
    }

    /// How long the actor goes on without a request before it stops; `None`: it does not stop. The
    /// accounts behind waiting knocks are known to loaded sessions alone.
    fn idle_time(&self) -> Option<Duration> {
        let idle = if self.state.is_ended() {
            IDLE
        } else {
            IDLE_LIVE
        };
        (self.is_unused() && !self.door.has_waiting() && !self.has_deadline_by(self.now() + NEAR))
            .then_some(idle)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.idle_time().is_some()
    }

    /// Whether no point is connected, also as the state says, and the log has the whole state.
    pub(crate) fn is_unused(&self) -> bool {
        self.fanout.is_empty()
            && self.in_flight.is_none()
            && self.gathering.is_empty()
            && !self.in_doubt
            && (self.state.is_ended() || !self.lists_connected_point())
    }

    fn lists_connected_point(&self) -> bool {
        self.state
            .present()
            .flat_map(|(_, presence)| presence.points.values())
            .any(|point| point.announce_at.is_none())
    }

    fn has_deadline_by(&self, time: Timestamp) -> bool {
        self.next_deadline().is_some_and(|at| at <= time)
    }

    /// The next deadline of the session.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        self.state.next_deadline(&self.deps.settings.rules)
    }

    /// When the task has to wake for a deadline, and when it stops if no request comes until then.
    pub(crate) fn wakes(&self) -> Wakes {
        let now = Instant::now();
        let deadline = self
            .next_deadline()
            .map(|at| now + at.since(self.now()))
            .into_iter();
        let stop = self.idle_time().map(|idle| now + idle);
        let next = deadline.chain(self.pacing.next()).chain(stop).min();
        Wakes {
            next: next.unwrap_or(now + IDLE),
            stop,
        }
    }

    /// # Panics
    /// Panics when a deadline stays after it has fired. That is a bug of the kernel which would make entries, or wake this task, without end. The
    /// panic ends the actor before any of those entries is in the log; the next request loads the session from there.
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
            Request::Propose { input, make_reply } => self.propose(*input, make_reply),
            Request::Read(read) => {
                let release = read(&self.state);
                self.after_commit(Outcome::Release(release));
            }
            Request::View { who, reply } => self.view(who, reply),
            Request::Connect { opening, reply } => self.connect(*opening, reply),
            Request::Frame {
                point,
                incarnation,
                frame,
            } => self.frame(point, incarnation, *frame),
            Request::Lost { point, incarnation } => self.point_lost(point, incarnation),
            // The task checks deadlines after every request.
            Request::CheckDeadlines => {}
            Request::ApplyForcedAdmission => self.apply_forced_admission(),
            // If the end of the knock is not committed yet, the listener waits for the commit.
            Request::AwaitKnock { knock, listener } => self.door.listen(knock, listener),
            Request::TellHost(notice) => {
                let frame = ServerFrame::notice(self.now(), *notice);
                self.fanout.send_to_member(self.state.host(), &frame);
            }
        }
    }

    fn view(&mut self, who: MemberId, reply: oneshot::Sender<Result<SessionView>>) {
        let view = SessionView::of(&self.state, who);
        if self.gathering.is_empty() && self.in_flight.is_none() {
            self.views.insert(who, &view);
        }
        // The send fails if the caller is gone.
        self.after_commit(Outcome::Release(Box::new(move |outcome| {
            drop(reply.send(outcome.map(|()| view)))
        })));
    }

    fn propose(&mut self, input: Input, make_reply: MakeReply) {
        let release = match self.step(input) {
            Ok(Step::Entry(entry)) => {
                self.accept(entry, None);
                make_reply(Ok(&self.state))
            }
            Ok(Step::Repeated(_) | Step::Unchanged) => make_reply(Ok(&self.state)),
            Err(reject) => make_reply(Err(reject.into())),
        };
        self.after_commit(Outcome::Release(release));
    }

    pub(crate) fn point_lost(&mut self, point: PointId, incarnation: u64) {
        self.fanout.detach(point, incarnation);
        self.deps.points.remove(point, incarnation);
        if let Ok(Step::Entry(entry)) = self.step(Input::PointLost { point, incarnation }) {
            self.accept(entry, None);
        }
    }

    /// When the next position that the rate limit holds back may be sent.
    pub(crate) fn next_waiting_position(&self) -> Option<Instant> {
        self.pacing.next()
    }

    /// Processes a frame of a connection. A frame of a connection that no longer holds its point is
    /// ignored.
    pub(crate) fn frame(&mut self, point: PointId, incarnation: u64, frame: ClientFrame) {
        let Some(attached) = self.fanout.get(point, incarnation) else {
            return;
        };
        let member = attached.member;
        let ClientFrame { id, nonce, command } = frame;
        let requester = Requester {
            point,
            incarnation,
            id,
        };
        let name = command.name();
        let answer = match command {
            Command::ActionSync(action) => self.action(member, action).map(|()| Answer::Position),
            Command::AckHeart { .. } => Ok(Answer::Ephemeral),
            command => self.instruct(member, point, nonce, command, requester),
        };
        self.counters
            .instruction(name, answer.is_ok(), matches!(answer, Ok(Answer::Position)));
        match answer {
            Ok(Answer::Entry) => {}
            // A position without an id gets no answer; that is the common case.
            Ok(Answer::Position) if id == 0 => {}
            Ok(Answer::Ephemeral | Answer::Position) => self.after_commit(Outcome::Ack {
                requester,
                seq: Seq::NONE,
            }),
            Ok(Answer::Seq(seq)) => self.after_commit(Outcome::Ack { requester, seq }),
            Err(Reject { code, detail, path }) => {
                let detail =
                    path.map_or_else(|| detail.clone(), |path| format!("{path}: {detail}").into());
                self.after_commit(Outcome::Nack {
                    requester,
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
        requester: Requester,
    ) -> Result<Answer, Reject> {
        let ephemeral = matches!(command, Command::PointState { .. });
        if matches!(command, Command::FollowMe { .. } | Command::CancelFollowMe) {
            self.limit_presenting(member)?;
        }
        match self.step(Input::Command {
            member,
            point,
            nonce,
            command,
        })? {
            Step::Entry(entry) => {
                self.accept(entry, (!ephemeral).then_some(requester));
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

    /// Limits `followMe` and `cancelFollowMe` of one member: each changes the screens of all
    /// followers.
    fn limit_presenting(&mut self, member: MemberId) -> Result<(), Reject> {
        let settings = &self.deps.settings;
        let (per_second, burst) = (settings.follow_me_per_second, settings.follow_me_burst);
        if self
            .presenting_buckets
            .entry(member)
            .or_insert_with(|| TokenBucket::full(burst))
            .take(per_second, burst)
        {
            return Ok(());
        }
        Err(Reject::new(
            ErrorCode::RateLimited,
            "presenting started and stopped too often; wait a second",
        ))
    }

    /// Stores a position as the latest of its key and sends it to the members whose root is the
    /// sender.
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
            // A sender without followers costs no more than this; a new follower gets the latest
            // value.
            ActionVerdict::Deliver if !self.fanout.has_audience(from) => {}
            ActionVerdict::Deliver => {
                if self.pacing.admit(from, &action.key, Instant::now()) {
                    self.deliver(SentAction { from, action });
                }
            }
            ActionVerdict::Dropped => {
                metrics::counter!("stream_positions_dropped_total").increment(1)
            }
        }
        Ok(())
    }

    fn deliver(&mut self, sent: SentAction) {
        let receivers = self.fanout.deliver(self.now(), sent);
        self.counters.deliveries.increment(receivers as u64);
    }

    /// Sends the newest position of each (sender, key) that the rate limit held back and whose time
    /// has come.
    fn deliver_due_positions(&mut self) {
        for (from, key) in self.pacing.due(Instant::now()) {
            if let Some(sent) = self.actions.latest_of(&self.state, from, &key) {
                self.deliver(sent);
            }
        }
    }

    /// Applies an entry to the state and adds it to the next batch. After the commit its events are
    /// sent, then `requester` is answered.
    pub(crate) fn accept(&mut self, entry: Entry, requester: Option<Requester>) {
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
        self.after_commit(Outcome::SendEvents {
            entry: Box::new(entry),
            before,
        });
        denied
            .into_iter()
            .for_each(|who| self.after_commit(Outcome::Denied(Box::new(who))));
        if let Some(requester) = requester {
            self.after_commit(Outcome::Ack {
                requester,
                seq: if silent { before } else { before.plus(1) },
            });
        }
        closings
            .into_iter()
            .for_each(|closing| self.after_commit(closing));
        if listed {
            self.after_commit(Outcome::Observe(Box::new(self.state.record())));
        }
        if self.state.seq().get() >= self.deps.settings.seq_max {
            self.start_epoch();
        }
    }

    /// Tells the kernel that the session was just loaded from its log and no point is connected.
    pub(crate) fn restart(&mut self) {
        if !self.state.is_ended()
            && let Ok(Step::Entry(entry)) = self.step(Input::Restart)
        {
            self.accept(entry, None);
        }
    }

    /// Brings the session in line with the installation's setting for forced approval.
    pub(crate) fn apply_forced_admission(&mut self) {
        let forced = self.deps.admission_forced.load(Ordering::SeqCst);
        if let Ok(Step::Entry(entry)) = self.step(Input::ForceAdmission { forced }) {
            self.accept(entry, None);
        }
    }

    /// Starts a new epoch: all clients reconnect and start from the snapshot.
    pub(crate) fn start_epoch(&mut self) {
        if self.state.is_ended() {
            // Its last frame is sent, and clients may still resume to it.
            return;
        }
        let epoch = self.deps.secrets.epoch();
        if let Ok(Step::Entry(entry)) = self.step(Input::NewEpoch { epoch }) {
            self.gather(&entry);
            self.after_commit(Outcome::CloseAll(CloseReason::Restarting));
        }
    }

    /// Carries out `outcome` when the log has all entries so far; at once, if it has them. The
    /// outcome waits with the last batch that has entries, because a batch without entries is never
    /// appended.
    pub(crate) fn after_commit(&mut self, outcome: Outcome) {
        let index = self.state.index();
        match &mut self.in_flight {
            _ if !self.gathering.is_empty() => self.gathering.wait(index, outcome),
            Some(batch) => batch.wait(index, outcome),
            None => self.carry_out(outcome),
        }
    }

    /// Stops the actor: fails the requests that wait for a commit and closes all connections, which
    /// may come back later.
    pub(crate) fn abandon(&mut self) {
        self.in_doubt = true;
        self.views.clear();
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
        // Handles keep this actor in memory, so its listeners and its large fields are dropped now.
        self.door.close();
        self.actions = ActionTable::default();
        self.recent = RecentEntries::new(self.state.epoch().clone(), self.state.seq(), 0);
    }

    pub(crate) fn fail_unwritten(&mut self, outcome: Outcome) {
        if let Some(Outcome::Nack {
            requester,
            code,
            detail,
        }) = outcome.fail()
        {
            self.answer(
                requester,
                Notice::Nack {
                    id: requester.id,
                    code,
                    detail,
                },
            );
        }
    }

    /// Refuses a frame, and closes the connection after too many refusals. `UNAVAILABLE`, which is
    /// the server's fault, does not count.
    pub(crate) fn refuse(
        &mut self,
        requester: Requester,
        code: ErrorCode,
        detail: Cow<'static, str>,
    ) {
        self.answer(
            requester,
            Notice::Nack {
                id: requester.id,
                code,
                detail,
            },
        );
        let settings = &self.deps.settings;
        if code != ErrorCode::Unavailable
            && let Some(attached) = self.fanout.get(requester.point, requester.incarnation)
            && !attached
                .outbound
                .count_refusal(settings.refusals, settings.refusal_window)
        {
            attached.outbound.close(CloseReason::TooMany);
        }
    }

    pub(crate) fn answer(&mut self, requester: Requester, notice: Notice) {
        if requester.id != 0 {
            let frame = ServerFrame::notice(self.now(), notice);
            self.fanout
                .send_to_point(requester.point, requester.incarnation, &frame);
        }
    }
}

/// What a frame is answered with.
enum Answer {
    /// The seq of its entry, after the commit.
    Entry,
    /// No seq: it made no entry.
    Ephemeral,
    /// No seq: it was a position.
    Position,
    /// The seq of an earlier frame.
    Seq(Seq),
}
