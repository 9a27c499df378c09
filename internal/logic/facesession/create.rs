//! `create`: a new session with its number code, and the caller as its host.

use super::{Created, FaceSessions, NewFaceSession, run_to_completion};
use crate::idempotency::EffectId;
use crate::text::{FieldChecks, checked};
use faceshare_biz::domain::account::Caller;
use faceshare_biz::domain::facesession::{Admission, EndReason, FaceSession, HostLeft};
use faceshare_biz::domain::instruction::{Device, Profile};
use faceshare_biz::domain::{PointId, SessionId, Title};
use faceshare_biz::{Error, ErrorCode, Result};
use faceshare_exec::{Genesis, Input, Membership, State, Via};
use std::ops::RangeInclusive;
use std::time::Duration;

/// The allowed values of `autoEndAfter`. An end within the five minutes of notice is announced as
/// soon as a member connects.
const AUTO_END_AFTER: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(24 * 3_600);

/// The checked settings of a new session.
#[derive(Debug)]
struct Settings {
    title: Title,
    admission: Admission,
    host_left: HostLeft,
    max_members: u32,
    auto_end_after: Option<Duration>,
    device: Device,
    effect: Option<EffectId>,
}

/// What an earlier attempt at the same call has left.
enum Earlier {
    /// Nothing, or a row in the directory alone, which is removed.
    Nothing,
    /// A session that ended unused: see [`is_abandoned`].
    Abandoned,
    /// A session, with a new point for the host.
    Made(Box<Created>),
}

impl FaceSessions {
    /// Creates a session that the caller hosts.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with the fields' paths; `LIMIT_EXCEEDED` when the caller hosts the most
    /// live sessions already; `SESSION_ENDED` when an earlier attempt at the same call created the
    /// session, and it was used or its host ended it.
    pub async fn create(&self, caller: Caller, new: NewFaceSession) -> Result<Created> {
        let settings = self.check_new(&new)?;
        let host = self.profile(caller).await?;
        run_to_completion(self.clone().open(caller, host, settings)).await
    }

    fn check_new(&self, new: &NewFaceSession) -> Result<Settings> {
        let mut checks = FieldChecks::default();
        let title = checks.title(
            "title",
            new.title.as_deref().unwrap_or_default(),
            self.policy.title_max,
        );
        let max_members = new.max_members.unwrap_or(self.policy.members_max);
        checks.number("maxMembers", max_members, &(1..=self.policy.members_max));
        if let Some(after) = new.auto_end_after {
            checks.duration("autoEndAfter", after, &AUTO_END_AFTER);
        }
        let device = new.device.clone().unwrap_or_default();
        let device = checks.device("device", device.name.as_deref(), device.kind.as_deref());
        checks.finish()?;
        Ok(Settings {
            title: checked(title)?,
            admission: new.admission.unwrap_or(Admission::Open),
            host_left: new.host_left.unwrap_or(HostLeft::Countdown),
            max_members,
            auto_end_after: new.auto_end_after,
            device,
            effect: new.effect,
        })
    }

    /// First inserts the session into the directory, which enforces the host's limit; then creates
    /// its log, which makes it a session; then assigns a code. A failed step undoes the earlier
    /// ones.
    async fn open(self, caller: Caller, host: Profile, settings: Settings) -> Result<Created> {
        let id = match settings.effect {
            None => self.new_session_id()?,
            Some(EffectId(id)) => {
                let id = session_id(id)?;
                match self.existing_session(caller, &host, id).await? {
                    Earlier::Nothing => id,
                    Earlier::Abandoned => self.new_session_id()?,
                    Earlier::Made(created) => return Ok(*created),
                }
            }
        };
        let point = self.new_point()?;
        let listed = FaceSession {
            id,
            title: settings.title.clone(),
            host: host.id,
            admission: settings.admission,
            admission_forced: false,
            locked: false,
            host_left: settings.host_left,
            max_members: settings.max_members,
            member_count: 0,
            created_at: self.now(),
            ended: None,
        };
        self.deps
            .directory
            .insert(&listed, self.policy.live_per_host)
            .await?;
        let genesis = Genesis {
            id,
            title: settings.title,
            host,
            admission: settings.admission,
            host_left: settings.host_left,
            max_members: settings.max_members,
            auto_end_after: settings.auto_end_after,
            epoch: self.deps.secrets.epoch(),
            point,
            device: settings.device,
        };
        let session = match self.deps.sessions.create(genesis).await {
            Ok(session) => session,
            Err(error) => {
                self.unlist(id).await;
                return Err(error);
            }
        };
        match self.finish_creation(caller, session, point).await {
            Ok(created) => Ok(created),
            Err(error) => {
                self.abandon(id).await;
                Err(error)
            }
        }
    }

    fn new_session_id(&self) -> Result<SessionId> {
        session_id(self.deps.ids.next_id())
    }

    /// What an earlier attempt at the same call has created.
    ///
    /// # Errors
    /// `SESSION_ENDED` when the session was used, or ended by its host.
    async fn existing_session(
        &self,
        caller: Caller,
        host: &Profile,
        id: SessionId,
    ) -> Result<Earlier> {
        let found = self
            .deps
            .sessions
            .read(id, |state| (state.face_session(), is_abandoned(state)));
        let (session, abandoned) = match found.await {
            Ok(found) => found,
            Err(error) if error.code == ErrorCode::NotFound => {
                self.deps.directory.remove(id).await?;
                return Ok(Earlier::Nothing);
            }
            Err(error) => return Err(error),
        };
        if abandoned {
            // It no longer counts among the live sessions of its host.
            self.deps.projector.flush(id).await;
            return Ok(Earlier::Abandoned);
        }
        if session.ended.is_some() {
            return Err(Error::new(
                ErrorCode::SessionEnded,
                "the session that this call created has ended",
            ));
        }
        let point = self.new_point()?;
        self.deps
            .sessions
            .propose(
                id,
                Input::Seat {
                    profile: host.clone(),
                    point,
                    device: None,
                    via: Via::Token,
                },
            )
            .await?;
        let token = self.session_token(caller, id, point)?;
        let code = match self
            .deps
            .codes
            .current(id, self.now())
            .await?
            .and_then(|record| self.show_code(&record))
        {
            Some(code) => code,
            None => self.assign_code(id, None).await?,
        };
        Ok(Earlier::Made(Box::new(Created {
            session,
            code,
            token,
        })))
    }

    /// Adds the code and the host's token.
    async fn finish_creation(
        &self,
        caller: Caller,
        session: FaceSession,
        point: PointId,
    ) -> Result<Created> {
        let token = self.session_token(caller, session.id, point)?;
        let code = self.assign_code(session.id, None).await?;
        Ok(Created {
            session,
            code,
            token,
        })
    }

    /// Removes a session from the directory whose log could not be created. If this fails too, the
    /// next start removes it.
    async fn unlist(&self, id: SessionId) {
        if let Err(error) = self.deps.directory.remove(id).await {
            tracing::warn!(session = %id, %error, cause = ?error.cause(), "a session whose log could not be created is still listed; the next start removes it");
        }
    }

    /// Ends a session that its host was never given. If this fails too, the session ends by itself
    /// because it is empty.
    async fn abandon(&self, id: SessionId) {
        if let Err(error) = self
            .deps
            .sessions
            .propose(id, Input::End { by: None })
            .await
        {
            tracing::warn!(session = %id, %error, cause = ?error.cause(), "a session that could not be created completely goes on until it ends as empty");
        }
        self.deps.projector.flush(id).await;
    }
}

fn session_id(id: u64) -> Result<SessionId> {
    SessionId::new(id)
        .ok_or_else(|| Error::internal("the id generator gave a number that is no id"))
}

/// Whether the session ended though its host neither connected nor ended it: the call that made it
/// failed, so the host never received its token.
fn is_abandoned(state: &State) -> bool {
    let ended_unasked = state
        .ended()
        .is_some_and(|ended| ended.reason != EndReason::HostEnded);
    let host_connected = state
        .person(state.host())
        .is_none_or(|host| host.standing != Membership::Admitted);
    ended_unasked && !host_connected
}
