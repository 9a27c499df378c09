//! Finds, loads and keeps the session actors of this process.

use super::codec::{encode_entry, encode_state};
use super::mgr::pointmemmgr::PointMemMgr;
use super::mgr::shrink;
use super::session::{
    self, Actor, ActorDeps, Connected, Glance, Opening, Request, Runner, SessionHandle, Turns,
};
use super::settings::StreamSettings;
use super::window::ResumeWindow;
use faceshare_biz::domain::facesession::FaceSession;
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

/// Told after a commit that changed what is listed of a session (title, host, limits, end), and after one by which somebody was denied.
/// Must return quickly.
pub trait SessionObserver: Send + Sync + 'static {
    /// The session as it is after the entry `log_index` of its log.
    fn changed(&self, session: &FaceSession, log_index: u64);

    /// The host did not let this one in.
    fn denied(&self, _session: SessionId, _who: &Profile) {}
}

/// What sessions need from outside.
pub struct SessionDeps {
    /// Where their entries go.
    pub log: Arc<dyn SessionLog>,
    /// How frames are written and read.
    pub codec: Arc<dyn FrameCodec>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Names for epochs.
    pub secrets: Arc<dyn Secrets>,
    /// Told of what is listed.
    pub observer: Arc<dyn SessionObserver>,
    /// The points of this process.
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
    /// One slot for each session that is loaded or being loaded; held only to look a slot up.
    slots: Arc<Slots>,
    tasks: TaskTracker,
}

impl Sessions {
    /// No session is loaded yet.
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
        // Under the lock: of a change of the house it hears either by its slot or as it begins.
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

    /// Carries out an input; the session as it is after.
    ///
    /// # Errors
    /// What the kernel refuses with; `NOT_FOUND` when there is no such session; `UNAVAILABLE` when it is not known to be in the log.
    pub async fn propose(&self, id: SessionId, input: Input) -> Result<FaceSession> {
        self.propose_and(id, input, State::face_session).await
    }

    /// Carries out an input and looks at the state after it: one way to the session and back, and one wait for the log.
    ///
    /// # Errors
    /// As [`Self::propose`].
    pub async fn propose_and<T: Send + 'static>(
        &self,
        id: SessionId,
        input: Input,
        look: impl FnOnce(&State) -> T + Send + 'static,
    ) -> Result<T> {
        let (request, answer) = session::ask::propose(input, look).split();
        self.send(id, request).await?;
        session::ask::answered(answer).await
    }

    /// Looks at a session's state, as committed. Works for sessions that have ended.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is no such session; `UNAVAILABLE` when the state is not known to be in the log.
    pub async fn read<T: Send + 'static>(
        &self,
        id: SessionId,
        look: impl FnOnce(&State) -> T + Send + 'static,
    ) -> Result<T> {
        // Whoever reads many sessions one after the other lets others have a turn.
        consume_budget().await;
        let look = match self.handle_if_loaded(id) {
            Some(handle) => match handle.look(look) {
                Ok(seen) => return Ok(seen?),
                Err(look) => look,
            },
            None => look,
        };
        let (request, answer) = session::ask::read(look).split();
        self.send(id, request).await?;
        session::ask::answered(answer).await
    }

    /// The session as it is committed, and what somebody is in it; most often without the actor's turn. Works for sessions that have ended.
    ///
    /// # Errors
    /// As [`Sessions::read`].
    pub async fn glance(&self, id: SessionId, who: MemberId) -> Result<Glance> {
        if let Some(glance) = self
            .handle_if_loaded(id)
            .and_then(|handle| handle.glance(who))
        {
            return Ok(glance);
        }
        let (request, answer) = session::ask::glance(who).split();
        self.send(id, request).await?;
        session::ask::answered(answer).await
    }

    /// Lets a connection in as a point.
    ///
    /// # Errors
    /// What the kernel refuses with; `UNAUTHENTICATED` when there is no such session.
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

    /// Tells the host's points.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is no such session.
    pub async fn tell_host(&self, id: SessionId, notice: Notice) -> Result<()> {
        self.send(id, Request::TellHost(Box::new(notice)))
            .await
            .map(drop)
    }

    /// From now on unproven people who come by code must be let in, in every session, or need not. The people of sessions are told.
    pub async fn force_admission(&self, forced: bool) {
        let loaded: Vec<_> = {
            let slots = self.lock();
            self.deps.admission_forced.store(forced, Ordering::SeqCst);
            slots.keys().copied().collect()
        };
        for id in loaded {
            // One that cannot be loaded looks for itself when it is back.
            let _ = self.send(id, Request::SeeTheHouse).await;
        }
    }

    /// Returns when a knock does not wait any more, or when it is time to look anew because somebody else waits for it or the session's
    /// task stopped.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is no such session.
    pub async fn await_knock(&self, id: SessionId, knock: KnockId) -> Result<()> {
        let (listener, over) = oneshot::channel();
        self.send(id, Request::AwaitKnock { knock, listener })
            .await?;
        // Nothing is ever sent: the channel closes.
        let _ = over.await;
        Ok(())
    }

    /// The points of this process.
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

    /// Whether this session has an actor here, or is getting one. Looks a slot up and no more.
    #[must_use]
    pub fn is_loaded(&self, id: SessionId) -> bool {
        self.lock()
            .get(&id)
            .is_some_and(|slot| slot.get().is_none_or(|handle| !handle.is_gone()))
    }

    /// How many sessions have an actor here, or are getting one.
    #[must_use]
    pub fn loaded(&self) -> usize {
        self.lock().len()
    }

    fn handle_if_loaded(&self, id: SessionId) -> Option<SessionHandle> {
        self.lock().get(&id).and_then(|slot| slot.get().cloned())
    }

    /// Stops all actors once they have answered what they were asked, and waits for that. Whoever asks later is told `UNAVAILABLE`: a session
    /// that is loaded again would never be let go.
    pub async fn close(&self) {
        {
            let mut slots = self.lock();
            self.tasks.close();
            slots.clear();
        }
        self.tasks.wait().await;
    }

    /// Lets all sessions go, as if nobody had needed them for long: whoever asks next loads them again.
    #[cfg(test)]
    pub(crate) async fn let_go(&self) {
        self.close().await;
        self.tasks.reopen();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a request to the session's actor, loading it first if need be. One that has just stopped is loaded again.
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
        // What is being loaded counts as an actor already: a close waits for it.
        let (slot, _loading) = self
            .slot(id)
            .ok_or_else(|| Error::unavailable("this node is going down"))?;
        let handle = slot.get_or_try_init(|| self.load(id)).await;
        if handle.is_err() {
            self.release(id, &slot);
        }
        handle.cloned()
    }

    /// The slot of a session; a slot whose actor has stopped makes way for a fresh one. `None`: there are no more slots.
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

    /// Gives up a slot that could not be filled, unless somebody else is filling it right now: their actor would be one that nobody finds,
    /// beside another on the same log. Slots are handed out under the lock alone, so that the count is right.
    fn release(&self, id: SessionId, slot: &Slot) {
        /// The map's and the caller's own.
        const MINE: usize = 2;
        let mut slots = self.lock();
        if slots.get(&id).is_some_and(|s| {
            Arc::ptr_eq(s, slot) && s.get().is_none() && Arc::strong_count(s) <= MINE
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
        actor.see_the_house();
        if suspect {
            actor.start_epoch();
        }
        let glances = actor.glances.clone();
        let turns = Arc::new(Turns::new(actor));
        self.tasks
            .spawn(run(id, turns.clone(), mailbox, Arc::downgrade(&self.slots)));
        SessionHandle::new(id, sender, glances, turns)
    }
}

/// Runs an actor. When it panics or loses its log, its connections are closed and come back to an actor that is read anew from the log.
async fn run(
    id: SessionId,
    turns: Arc<Turns>,
    mut mailbox: mpsc::Receiver<Request>,
    slots: Weak<Slots>,
) {
    metrics::gauge!("sessions_loaded").increment(1);
    let mut runner = Runner::new(&turns);
    let end = AssertUnwindSafe(runner.run(&mut mailbox))
        .catch_unwind()
        .await;
    match end {
        Ok(Ok(())) => tracing::debug!(session = %id, "session let go"),
        Ok(Err(error)) if !session::is_spoilt(&error) => {
            metrics::counter!("sessions_reloaded_total", "reason" => "log").increment(1);
            tracing::error!(session = %id, error = %error, cause = ?error.cause(), "session lost its log");
        }
        Ok(Err(_)) | Err(_) => {
            metrics::counter!("sessions_reloaded_total", "reason" => "panic").increment(1);
            tracing::error!(session = %id, "session panicked; it will be read back from its log");
        }
    }
    turns.take_last().abandon();
    runner.see_append_off().await;
    mailbox.close();
    if let Some(slots) = slots.upgrade() {
        sweep(&slots, id);
    }
    metrics::gauge!("sessions_loaded").decrement(1);
}

/// Removes the slot of a session whose actor has stopped, unless another has taken its place.
fn sweep(slots: &Slots, id: SessionId) {
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

/// A session's first entry changes nothing; the snapshot beside it says how the session begins.
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
