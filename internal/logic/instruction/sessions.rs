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
use faceshare_exec::{Entry, Genesis, Input, State};
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
type Slots = Mutex<HashMap<SessionId, Slot>>;

/// All sessions. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    deps: Arc<ActorDeps>,
    /// One slot for each session that is loaded or being loaded; locked only to look a slot up.
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
        let _opening = {
            let _slots = self.lock();
            if self.tasks.is_closed() {
                return Err(Error::unavailable("this node is going down"));
            }
            self.tasks.token()
        };
        let state = State::open(genesis, now + self.deps.settings.rules.seat, now);
        let record = first_record(&state, now);
        let retained = retained(&record);
        let snapshot = SnapshotRecord {
            index: state.index(),
            epoch: state.epoch().clone(),
            payload: encode_state(&state),
        };
        let append = Append {
            session: state.id(),
            expected_index: 0,
            records: vec![record],
            snapshot: Some(snapshot),
            trim_to: None,
        };
        self.deps
            .log
            .append(append)
            .await
            .map_err(Error::unavailable)?;
        let session = state.face_session();
        tracing::info!(session = %session.id, host = %session.host, "session opened");
        let window = ResumeWindow::new(vec![retained], self.deps.settings.resume);
        // Under the lock: a change of the forced admission reaches the session either through its
        // slot or when it starts.
        let mut slots = self.lock();
        let handle = self.spawn(state, window, false);
        if !self.tasks.is_closed() {
            slots.insert(session.id, Arc::new(OnceCell::new_with(Some(handle))));
        }
        Ok(FaceSession {
            admission_forced: self.deps.admission_forced.load(Ordering::SeqCst),
            ..session
        })
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
            slots.keys().copied().collect()
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
        self.lock()
            .get(&id)
            .is_some_and(|slot| slot.get().is_none_or(|handle| !handle.is_gone()))
    }

    /// The number of sessions that are loaded or being loaded here.
    #[must_use]
    pub fn loaded(&self) -> usize {
        self.lock().len()
    }

    fn handle_if_loaded(&self, id: SessionId) -> Option<SessionHandle> {
        self.lock().get(&id).and_then(|slot| slot.get().cloned())
    }

    /// Stops all actors after they have answered their pending requests, and waits for them. Later
    /// requests get `UNAVAILABLE`: a session that is loaded again would never be stopped.
    pub async fn close(&self) {
        {
            let mut slots = self.lock();
            self.tasks.close();
            slots.clear();
        }
        self.tasks.wait().await;
    }

    /// Unloads all sessions; the next request loads a session again.
    #[cfg(test)]
    pub(crate) async fn unload_all(&self) {
        self.close().await;
        self.tasks.reopen();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Slot>> {
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
        let slot = slots.entry(id).or_default();
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
        if slots.get(&id).is_some_and(|s| {
            Arc::ptr_eq(s, slot) && s.get().is_none() && Arc::strong_count(s) <= OWN_REFERENCES
        }) {
            slots.remove(&id);
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
        Ok(self.spawn(state, window, suspect))
    }

    fn spawn(&self, state: State, window: ResumeWindow, suspect: bool) -> SessionHandle {
        let id = state.id();
        let (sender, mailbox) = mpsc::channel(session::MAILBOX);
        let mut actor = Actor::new(self.deps.clone(), state, window);
        actor.restart();
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
        remove_stopped(&slots, id);
    }
    metrics::gauge!("sessions_loaded").decrement(1);
}

/// Removes the slot of a session whose actor has stopped, unless a new actor has replaced it.
fn remove_stopped(slots: &Slots, id: SessionId) {
    let mut slots = slots.lock().unwrap_or_else(PoisonError::into_inner);
    if slots
        .get(&id)
        .and_then(|slot| slot.get())
        .is_some_and(SessionHandle::is_gone)
    {
        slots.remove(&id);
        shrink(&mut slots);
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
    LogRecord {
        index: state.index(),
        epoch: state.epoch().clone(),
        last_seq: state.seq(),
        at: now,
        payload: encode_entry(&entry),
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
