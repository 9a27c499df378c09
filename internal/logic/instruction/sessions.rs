//! The session actors of this process: found, loaded from the log, and removed when they stop.

use super::codec::{encode_entry, encode_state};
use super::mgr::pointmemmgr::PointMemMgr;
use super::mgr::shrink;
use super::session::{
    self, Actor, ActorCell, ActorDeps, Connected, Opening, Request, Runner, SessionHandle,
    SessionView,
};
use super::settings::StreamSettings;
use super::window::ResumeWindow;
use faceshare_biz::domain::facesession::{FaceSession, SessionRecord};
use faceshare_biz::domain::instruction::{
    Append, FrameCodec, LogRecord, Notice, Profile, Retained, SessionLog, SnapshotRecord,
};
use faceshare_biz::domain::port::{Clock, Secrets};
use faceshare_biz::domain::{KnockId, MemberId, SessionId, Timestamp};
use faceshare_biz::{Error, ErrorCode, Result};
use faceshare_exec::{Entry, Genesis, Input, State, Step, apply, step};
use futures_util::FutureExt;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::{OnceCell, mpsc, oneshot};
use tokio::task::coop::consume_budget;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Called after a commit that changed how a session is listed (title, host, limits, end), and after
/// one that denied a knock. Implementations must return quickly.
pub trait SessionObserver: Send + Sync + 'static {
    /// The session is as `record` says.
    fn changed(&self, record: &SessionRecord);

    /// The host denied the knock of `who`.
    fn denied(&self, _session: SessionId, _who: &Profile) {}
}

/// The dependencies of [`Sessions`].
pub struct SessionDeps {
    /// Stores the entries of sessions.
    pub log: Arc<dyn SessionLog>,
    /// Encodes and decodes frames.
    pub codec: Arc<dyn FrameCodec>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Makes the names of epochs.
    pub secrets: Arc<dyn Secrets>,
    /// Called when the listing of a session changes.
    pub observer: Arc<dyn SessionObserver>,
    /// The connected points of this process.
    pub points: Arc<PointMemMgr>,
    /// Limits and time spans.
    pub settings: StreamSettings,
}

type Slot = Arc<OnceCell<SessionHandle>>;
type Slots = Mutex<SlotTable>;

/// The sessions that are loaded here, and what is known of live ones that are not.
#[derive(Default)]
struct SlotTable {
    /// One slot for each session that is loaded or being loaded.
    loaded: HashMap<SessionId, Slot>,
    /// The live sessions that were unloaded because they were idle. None of their points is
    /// connected, and nothing has changed them since.
    unloaded: HashMap<SessionId, Unloaded>,
}

/// A live session that was unloaded because it was idle.
#[derive(Clone, Copy)]
struct Unloaded {
    next_deadline: Option<Timestamp>,
}

impl SlotTable {
    fn is_loaded(&self, id: SessionId) -> bool {
        let slot = self.loaded.get(&id);
        slot.is_some_and(|slot| slot.get().is_none_or(|handle| !handle.is_gone()))
    }
}

/// All sessions. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    deps: Arc<ActorDeps>,
    /// Locked only to look a session up.
    slots: Arc<Slots>,
    tasks: TaskTracker,
}

impl Sessions {
    /// No session is loaded at first.
    #[must_use]
    pub fn new(deps: SessionDeps) -> Self {
        let SessionDeps {
            log,
            codec,
            clock,
            secrets,
            observer,
            points,
            settings,
        } = deps;
        let deps = Arc::new(ActorDeps {
            log,
            codec,
            clock,
            secrets,
            observer,
            points,
            waiters: Arc::default(),
            settings,
            admission_forced: AtomicBool::new(false),
        });
        Self {
            deps,
            slots: Arc::default(),
            tasks: TaskTracker::new(),
        }
    }

    /// Opens a session: it is in the log when this returns.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the log can not be written.
    pub async fn create(&self, genesis: Genesis) -> Result<FaceSession> {
        let now = self.deps.clock.now();
        let _opening = self.opening()?;
        let state = State::open(genesis, now + self.deps.settings.rules.seat, now);
        let record = first_record(&state, now);
        let retained = retained(&record);
        self.begin_log(&state, vec![record]).await?;
        let session = state.face_session();
        tracing::info!(session = %session.id, host = %session.host, "session opened");
        let window = ResumeWindow::new(vec![retained], self.deps.settings.resume);
        // Under the lock: a change of the forced admission reaches the session either through its
        // slot or when it starts.
        let mut slots = self.lock();
        let handle = self.spawn(state, window, false, false);
        if !self.tasks.is_closed() {
            let slot = Arc::new(OnceCell::new_with(Some(handle)));
            slots.loaded.insert(session.id, slot);
        }
        Ok(FaceSession {
            admission_forced: self.deps.admission_forced.load(Ordering::SeqCst),
            ..session
        })
    }

    /// Creates a session that the platform has ended already, in one append: its log never holds the
    /// first entry without the end. Returns the session.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the log can not be written.
    pub async fn create_ended(&self, genesis: Genesis) -> Result<FaceSession> {
        let now = self.deps.clock.now();
        let _opening = self.opening()?;
        let mut state = State::open(genesis, now, now);
        let first = first_record(&state, now);
        let input = Input::End { by: None };
        let Step::Entry(end) = step(&state, &self.deps.settings.rules, now, input)? else {
            return Err(Error::internal("the end of a new session made no entry"));
        };
        apply(&mut state, &end);
        let last = record_of(&state, &end);
        self.begin_log(&state, vec![first, last]).await?;
        Ok(state.face_session())
    }

    /// Makes [`close`](Self::close) wait for a session that is being created.
    fn opening(&self) -> Result<TaskTrackerToken> {
        let _slots = self.lock();
        if self.tasks.is_closed() {
            return Err(Error::unavailable("this node is going down"));
        }
        Ok(self.tasks.token())
    }

    /// Appends the first entries of a session, and a snapshot of `state`, the state after them.
    async fn begin_log(&self, state: &State, records: Vec<LogRecord>) -> Result<()> {
        let snapshot = SnapshotRecord {
            index: state.index(),
            epoch: state.epoch().clone(),
            payload: encode_state(state),
        };
        let append = Append {
            session: state.id(),
            expected_index: 0,
            records,
            snapshot: Some(snapshot),
            trim_to: None,
        };
        self.deps
            .log
            .append(append)
            .await
            .map_err(Error::unavailable)
    }

    /// Processes an input and returns the session after it.
    ///
    /// # Errors
    /// The kernel's refusal; `NOT_FOUND` when there is no such session; `UNAVAILABLE` when the input may not be in the log.
    pub async fn propose(&self, id: SessionId, input: Input) -> Result<FaceSession> {
        self.propose_and(id, input, State::face_session).await
    }

    /// Processes an input and applies `read` to the state after it, with one request to the actor
    /// and one wait for the log.
    ///
    /// # Errors
    /// As [`Self::propose`].
    pub async fn propose_and<T: Send + 'static>(
        &self,
        id: SessionId,
        input: Input,
        read: impl FnOnce(&State) -> T + Send + 'static,
    ) -> Result<T> {
        let (request, answer) = session::ask::propose(input, read).split();
        self.send(id, request).await?;
        session::ask::answered(answer).await
    }

    /// Applies `read` to a session's committed state. Works for ended sessions too.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is no such session; `UNAVAILABLE` when the state may not be in the log.
    pub async fn read<T: Send + 'static>(
        &self,
        id: SessionId,
        read: impl FnOnce(&State) -> T + Send + 'static,
    ) -> Result<T> {
        // A caller that reads many sessions in a row has to yield to other tasks.
        consume_budget().await;
        let read = match self.handle_if_loaded(id) {
            Some(handle) => match handle.try_read(read) {
                Ok(value) => return Ok(value?),
                Err(read) => read,
            },
            None => read,
        };
        let (request, answer) = session::ask::read(read).split();
        self.send(id, request).await?;
        session::ask::answered(answer).await
    }

    /// The committed session as `who` sees it, most often from a cache. Works for ended sessions
    /// too.
    ///
    /// # Errors
    /// As [`Sessions::read`].
    pub async fn view(&self, id: SessionId, who: MemberId) -> Result<SessionView> {
        if let Some(view) = self
            .handle_if_loaded(id)
            .and_then(|handle| handle.cached_view(who))
        {
            return Ok(view);
        }
        let (request, answer) = session::ask::view(who).split();
        self.send(id, request).await?;
        session::ask::answered(answer).await
    }

    /// Connects a point.
    ///
    /// # Errors
    /// The kernel's refusal; `UNAUTHENTICATED` when there is no such session.
    pub async fn connect(&self, opening: Opening) -> Result<(SessionHandle, Connected)> {
        let id = opening.claims.session;
        let (request, answer) = session::ask::connect(opening).split();
        let handle = self.send(id, request).await.map_err(|e| match e.code {
            ErrorCode::NotFound => {
                Error::new(ErrorCode::Unauthenticated, "there is no such session")
            }
            _ => e,
        })?;
        Ok((handle, session::ask::answered(answer).await?))
    }

    /// Sends a notice to the host's points.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is no such session.
    pub async fn tell_host(&self, id: SessionId, notice: Notice) -> Result<()> {
        self.send(id, Request::TellHost(Box::new(notice)))
            .await
            .map(drop)
    }

    /// Sets whether guests who join by code need the host's approval in every session, and tells
    /// the members of loaded sessions.
    pub async fn force_admission(&self, forced: bool) {
        let loaded: Vec<_> = {
            let slots = self.lock();
            self.deps.admission_forced.store(forced, Ordering::SeqCst);
            slots.loaded.keys().copied().collect()
        };
        for id in loaded {
            // A session that cannot be loaded now applies the setting when it is loaded.
            let _ = self.send(id, Request::ApplyForcedAdmission).await;
        }
    }

    /// Completes when a knock no longer waits. It also completes when another caller waits for the
    /// same knock or the session's task stopped, so the caller has to read the knock's state again.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is no such session.
    pub async fn await_knock(&self, id: SessionId, knock: KnockId) -> Result<()> {
        let (listener, over) = oneshot::channel();
        self.send(id, Request::AwaitKnock { knock, listener })
            .await?;
        // Nothing is sent on the channel: it closes.
        let _ = over.await;
        Ok(())
    }

    /// The connected points of this process.
    #[must_use]
    pub fn points(&self) -> &Arc<PointMemMgr> {
        &self.deps.points
    }

    /// Limits and time spans.
    #[must_use]
    pub fn settings(&self) -> &StreamSettings {
        &self.deps.settings
    }

    pub(crate) fn deps(&self) -> &Arc<ActorDeps> {
        &self.deps
    }

    /// Whether this session is loaded or being loaded here. Does not load it.
    #[must_use]
    pub fn is_loaded(&self, id: SessionId) -> bool {
        self.lock().is_loaded(id)
    }

    /// Whether a session must be loaded for its deadlines up to `time` to fire. `false`: it is
    /// loaded, or it was unloaded while it was idle and its next deadline is later.
    #[must_use]
    pub fn needs_loading(&self, id: SessionId, time: Timestamp) -> bool {
        let slots = self.lock();
        let unloaded = slots.unloaded.get(&id);
        let is_due = |known: &Unloaded| known.next_deadline.is_some_and(|at| at <= time);
        !slots.is_loaded(id) && unloaded.is_none_or(is_due)
    }

    /// The number of sessions that are loaded or being loaded here.
    #[must_use]
    pub fn loaded(&self) -> usize {
        self.lock().loaded.len()
    }

    fn handle_if_loaded(&self, id: SessionId) -> Option<SessionHandle> {
        let slots = self.lock();
        slots.loaded.get(&id).and_then(|slot| slot.get().cloned())
    }

    /// Stops all actors after they have answered their pending requests, and waits for them. Later
    /// requests get `UNAVAILABLE`: a session that is loaded again would never be stopped.
    pub async fn close(&self) {
        {
            let mut slots = self.lock();
            self.tasks.close();
            *slots = SlotTable::default();
        }
        self.tasks.wait().await;
    }

    /// Unloads all sessions; the next request loads a session again.
    #[cfg(test)]
    pub(crate) async fn unload_all(&self) {
        self.close().await;
        self.tasks.reopen();
    }

    fn lock(&self) -> MutexGuard<'_, SlotTable> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request to the session's actor. Loads the session first if it is not loaded or its
    /// actor has just stopped.
    async fn send(&self, id: SessionId, mut request: Request) -> Result<SessionHandle> {
        loop {
            let handle = self.handle(id).await?;
            match handle.send(request).await {
                Ok(()) => return Ok(handle),
                Err(gone) => request = gone.0,
            }
        }
    }

    async fn handle(&self, id: SessionId) -> Result<SessionHandle> {
        // The tracker token makes `close` wait for a session that is being loaded.
        let (slot, _loading) = self
            .slot(id)
            .ok_or_else(|| Error::unavailable("this node is going down"))?;
        let handle = slot.get_or_try_init(|| self.load(id)).await;
        if handle.is_err() {
            self.release(id, &slot);
        }
        handle.cloned()
    }

    /// The slot of a session; a slot whose actor has stopped is replaced. `None`: sessions are
    /// closed.
    fn slot(&self, id: SessionId) -> Option<(Slot, TaskTrackerToken)> {
        let mut slots = self.lock();
        if self.tasks.is_closed() {
            return None;
        }
        let slot = slots.loaded.entry(id).or_default();
        if slot.get().is_some_and(SessionHandle::is_gone) {
            *slot = Slot::default();
        }
        Some((slot.clone(), self.tasks.token()))
    }

    /// Removes a slot whose session could not be loaded, unless another caller is loading it now:
    /// that actor would not be in the map, and a second one would be started on the same log. Slots
    /// are cloned only under the lock, so the reference count is exact.
    fn release(&self, id: SessionId, slot: &Slot) {
        /// References of the map and the caller.
        const OWN_REFERENCES: usize = 2;
        let mut slots = self.lock();
        if slots.loaded.get(&id).is_some_and(|s| {
            Arc::ptr_eq(s, slot) && s.get().is_none() && Arc::strong_count(s) <= OWN_REFERENCES
        }) {
            slots.loaded.remove(&id);
        }
    }

    async fn load(&self, id: SessionId) -> Result<SessionHandle> {
        let session::Recovered {
            state,
            window,
            suspect,
        } = session::load(&self.deps, id)
            .await?
            .ok_or_else(Error::not_found)?;
        // A session that was unloaded while it was idle goes on as it was: no point was connected.
        let was_idle = self.lock().unloaded.remove(&id).is_some();
        Ok(self.spawn(state, window, !was_idle, suspect))
    }

    fn spawn(
        &self,
        state: State,
        window: ResumeWindow,
        restarts: bool,
        suspect: bool,
    ) -> SessionHandle {
        let id = state.id();
        let (sender, mailbox) = mpsc::channel(session::MAILBOX);
        let mut actor = Actor::new(self.deps.clone(), state, window);
        if restarts {
            actor.restart();
        }
        actor.apply_forced_admission();
        if suspect {
            actor.start_epoch();
        }
        let views = actor.views.clone();
        let cell = Arc::new(ActorCell::new(actor));
        self.tasks
            .spawn(run(id, cell.clone(), mailbox, Arc::downgrade(&self.slots)));
        SessionHandle::new(id, sender, views, cell)
    }
}

/// Runs an actor. When it panics or loses its log, its connections are closed; they reconnect to an
/// actor that is loaded again from the log.
async fn run(
    id: SessionId,
    cell: Arc<ActorCell>,
    mut mailbox: mpsc::Receiver<Request>,
    slots: Weak<Slots>,
) {
    metrics::gauge!("sessions_loaded").increment(1);
    let mut runner = Runner::new(&cell);
    let end = AssertUnwindSafe(runner.run(&mut mailbox))
        .catch_unwind()
        .await;
    let unloaded = match (&end, cell.lock()) {
        (Ok(Ok(())), Ok(actor)) if actor.is_unused() && !actor.state.is_ended() => Some(Unloaded {
            next_deadline: actor.next_deadline(),
        }),
        _ => None,
    };
    match end {
        Ok(Ok(())) => tracing::debug!(session = %id, "session unloaded"),
        Ok(Err(error)) if !session::is_poisoned(&error) => {
            metrics::counter!("sessions_reloaded_total", "reason" => "log").increment(1);
            tracing::error!(session = %id, error = %error, cause = ?error.cause(), "session lost its log");
        }
        Ok(Err(_)) | Err(_) => {
            metrics::counter!("sessions_reloaded_total", "reason" => "panic").increment(1);
            tracing::error!(session = %id, "session panicked; it will be read back from its log");
        }
    }
    cell.lock_even_poisoned().abandon();
    runner.finish_pending_append().await;
    mailbox.close();
    if let Some(slots) = slots.upgrade() {
        remove_stopped(&slots, id, unloaded);
    }
    metrics::gauge!("sessions_loaded").decrement(1);
}

/// Removes the slot of a session whose actor has stopped, unless a new actor has replaced it.
/// `unloaded`: what to keep of a live session that was idle.
fn remove_stopped(slots: &Slots, id: SessionId, unloaded: Option<Unloaded>) {
    let mut slots = slots.lock().unwrap_or_else(PoisonError::into_inner);
    if slots
        .loaded
        .get(&id)
        .and_then(|slot| slot.get())
        .is_some_and(SessionHandle::is_gone)
    {
        slots.loaded.remove(&id);
        shrink(&mut slots.loaded);
        if let Some(unloaded) = unloaded {
            slots.unloaded.insert(id, unloaded);
        }
    }
}

/// The first entry of a session. It changes nothing; the snapshot that is stored with it has the
/// first state.
fn first_record(state: &State, now: Timestamp) -> LogRecord {
    let entry = Entry {
        at: now,
        from: Some(state.host()),
        changes: Vec::new(),
        events: Vec::new(),
    };
    record_of(state, &entry)
}

/// An entry as the log keeps it; `state` is the state after the entry.
pub(crate) fn record_of(state: &State, entry: &Entry) -> LogRecord {
    LogRecord {
        index: state.index(),
        epoch: state.epoch().clone(),
        last_seq: state.seq(),
        at: entry.at,
        payload: encode_entry(entry),
    }
}

fn retained(record: &LogRecord) -> Retained {
    let size = u32::try_from(record.payload.len()).unwrap_or(u32::MAX);
    Retained {
        index: record.index,
        last_seq: record.last_seq,
        at: record.at,
        size,
    }
}
