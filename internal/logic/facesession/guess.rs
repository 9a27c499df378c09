//! Guesses: every attempt to find a session by a number code or an invite goes through here, for search and prejoin alike.
//!
//! Whatever the reason that a code or invite does not work (unknown, expired, rotated, full, ended, locked, banned), the answer is the
//! same, and it comes at the same time after the question. Wrong codes spend budgets ([`GuessBudgets`]); who has spent one is told to wait,
//! whether the code is right or wrong, at that same time.
//!
//! [`GuessBudgets`]: faceshare_biz::domain::facesession::GuessBudgets

use super::door::Admittance;
use super::{FaceSessions, Key};
use crate::text::FieldChecks;
use faceshare_biz::domain::account::Caller;
use faceshare_biz::domain::facesession::{
    CodeRecord, ExpectedHits, Found, Guesser, Invite, Judgement, NumberCode,
};
use faceshare_biz::domain::port::SecretUse;
use faceshare_biz::domain::{MemberId, SessionId, Site};
use faceshare_biz::{Error, ErrorCode, Result};
use faceshare_exec::{Access, State};
use std::future::Future;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::time::Instant;

/// Somebody at the door.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visitor {
    /// Who.
    pub(super) caller: Caller,
    /// From where.
    pub(super) site: Site,
}

impl Visitor {
    fn guesser(&self) -> Guesser {
        Guesser {
            account: (!self.caller.guest).then_some(self.caller.account),
            site: self.site,
        }
    }
}

/// A well-formed [`Key`].
#[derive(Debug)]
pub(super) enum ParsedKey {
    /// Digits.
    NumberCode(NumberCode),
    /// Any text.
    Invite(String),
}

/// What a key was found to be.
#[derive(Debug)]
pub(super) enum Lead {
    /// A live number code.
    Code(CodeRecord),
    /// An invite whose time is not over; its uses may be.
    Invite(Invite),
}

impl Lead {
    /// Where it leads.
    pub(super) const fn session(&self) -> SessionId {
        match self {
            Self::Code(code) => code.session,
            Self::Invite(invite) => invite.session,
        }
    }
}

/// The one answer to a code or invite that does not work.
pub(super) fn not_joinable() -> Error {
    Error::new(
        ErrorCode::NumberCodeNotJoinable,
        "this number code or invite does not work: it is wrong, it has expired, or there is no room",
    )
}

/// What tells something about a session becomes the one answer; failures of our own stay what they are.
fn hide_the_reason(error: Error) -> Error {
    match error.code {
        ErrorCode::NumberCodeNotJoinable
        | ErrorCode::NotFound
        | ErrorCode::SessionEnded
        | ErrorCode::Forbidden => not_joinable(),
        _ => error,
    }
}

/// Whether the caller may come to this session by code at all, room or not. The kernel judges the same way when a seat is asked for.
pub(super) fn welcomes(state: &State, who: MemberId) -> bool {
    let session = state.face_session();
    let welcome = match state.access(who) {
        Access::Removed => false,
        Access::Stranger => !session.locked && !state.is_denied(who),
        Access::Host | Access::Present | Access::Admitted | Access::Left => true,
    };
    welcome && session.ended.is_none()
}

/// A budget is spent. Said of right and wrong guesses alike.
pub(super) fn too_many(wait: Duration) -> Error {
    Error::new(
        ErrorCode::RateLimited,
        "too many wrong codes were tried from here, or by you; wait before the next",
    )
    .retry_after(wait)
}

impl FaceSessions {
    /// A malformed number code is a slip of the hand and no guess; an invite has no form to be wrong in.
    pub(super) fn parse_key(&self, checks: &mut FieldChecks, key: Key) -> Option<ParsedKey> {
        match key {
            Key::Invite(secret) => Some(ParsedKey::Invite(secret)),
            Key::NumberCode(typed) => {
                let code = self.deps.secrets.read_number_code(&typed);
                if code.is_none() {
                    checks.refuse(
                        "numberCode",
                        "is not a number code: 6 to 12 digits, with spaces and dashes anywhere",
                    );
                }
                code.map(ParsedKey::NumberCode)
            }
        }
    }

    /// Makes one guess and answers for it: `attempt` is made where the key leads.
    pub(super) async fn guess<T, A>(
        &self,
        who: Visitor,
        key: &ParsedKey,
        attempt: impl FnOnce(Lead, Admittance) -> A + Send,
    ) -> Result<T>
    where
        A: Future<Output = Result<T>> + Send,
    {
        let arrival = Instant::now();
        let outcome = match key {
            ParsedKey::NumberCode(code) => self.guess_code(who, code, attempt).await,
            ParsedKey::Invite(secret) => self.use_invite(who, secret, attempt).await,
        };
        let label = match outcome.as_ref().map_err(|e| e.code) {
            Err(ErrorCode::NumberCodeNotJoinable) => "miss",
            Err(ErrorCode::RateLimited) => "wait",
            _ => "other",
        };
        if label != "other" {
            tracing::debug!(account = %who.caller.account, guest = who.caller.guest, label, "a guess was refused");
            tokio::time::sleep_until(arrival + self.policy.codes.refused_after(arrival.elapsed()))
                .await;
        }
        metrics::counter!("guesses_total", "outcome" => label).increment(1);
        outcome
    }

    /// What the code leads to is looked up first and judged then, before it has any effect. What the session itself refuses was a miss, too.
    async fn guess_code<T, A>(
        &self,
        who: Visitor,
        code: &NumberCode,
        attempt: impl FnOnce(Lead, Admittance) -> A + Send,
    ) -> Result<T>
    where
        A: Future<Output = Result<T>> + Send,
    {
        let guesser = who.guesser();
        if let Some(wait) = self.deps.budgets.wait(&guesser, self.now()).await? {
            return Err(too_many(wait));
        }
        let prints = self
            .deps
            .secrets
            .fingerprints(SecretUse::NumberCode, code.digits());
        let Some(record) = self.deps.codes.find(&prints, self.now()).await? else {
            return Err(self.missed(&guesser, Found::Nothing, code).await?);
        };
        let found = Found::Session {
            near: self.is_near(record.session, who.site),
        };
        let (under_attack, let_through) = match self
            .deps
            .budgets
            .judge(&guesser, found, ExpectedHits::NONE, self.now())
            .await?
        {
            Judgement::Stands { under_attack } => (under_attack, false),
            Judgement::LetThrough { under_attack } => (under_attack, true),
            Judgement::Refused => return Err(not_joinable()),
            Judgement::Wait(wait) => return Err(too_many(wait)),
        };
        let session = record.session;
        let lead = Lead::Code(record);
        let enter = async {
            let admittance = self
                .admittance(who.caller, who.site, &lead, under_attack)
                .await?;
            attempt(lead, admittance).await
        };
        match enter.await.map_err(hide_the_reason) {
            Err(error) if error.code == ErrorCode::NumberCodeNotJoinable => {
                if let_through {
                    self.deps.budgets.give_back(&guesser).await?;
                }
                let found = if self.lacks_only_room(who.caller, session).await? {
                    Found::Full
                } else {
                    Found::Nothing
                };
                Err(self.missed(&guesser, found, code).await?)
            }
            outcome => outcome,
        }
    }

    /// Whether the caller could enter the session if it had room.
    async fn lacks_only_room(&self, caller: Caller, id: SessionId) -> Result<bool> {
        let (who, now) = (caller.account, self.now());
        let found = self
            .deps
            .sessions
            .read(id, move |state| {
                welcomes(state, who) && !state.has_room_for(who, now)
            })
            .await;
        match found.map_err(hide_the_reason) {
            Err(error) if error.code == ErrorCode::NumberCodeNotJoinable => Ok(false),
            found => found,
        }
    }

    /// Counts a guess that led nowhere; what it is answered with.
    async fn missed(&self, guesser: &Guesser, found: Found, code: &NumberCode) -> Result<Error> {
        let worth = ExpectedHits::of_guess(self.live_sessions().await?, code.digits().len());
        Ok(
            match self
                .deps
                .budgets
                .judge(guesser, found, worth, self.now())
                .await?
            {
                Judgement::Stands { .. } | Judgement::LetThrough { .. } | Judgement::Refused => {
                    not_joinable()
                }
                Judgement::Wait(wait) => too_many(wait),
            },
        )
    }

    /// An invite is too long to be guessed, so it costs no budget.
    async fn use_invite<T, A>(
        &self,
        who: Visitor,
        secret: &str,
        attempt: impl FnOnce(Lead, Admittance) -> A + Send,
    ) -> Result<T>
    where
        A: Future<Output = Result<T>> + Send,
    {
        let enter = async {
            let prints = self.deps.secrets.fingerprints(SecretUse::Invite, secret);
            let invite = self
                .deps
                .invites
                .find(&prints)
                .await?
                .filter(|invite| self.now() < invite.expires_at);
            let lead = Lead::Invite(invite.ok_or_else(not_joinable)?);
            let admittance = self.admittance(who.caller, who.site, &lead, false).await?;
            attempt(lead, admittance).await
        };
        enter.await.map_err(hide_the_reason)
    }

    /// How many sessions go on, as of a second ago at most: wrong guesses may come fast.
    async fn live_sessions(&self) -> Result<u64> {
        const FRESH: Duration = Duration::from_secs(1);
        let now = self.now();
        let known = || self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, count)) = *known()
            && now.since(at) < FRESH
            && now >= at
        {
            return Ok(count);
        }
        let count = self.deps.directory.count_live().await?;
        *known() = Some((now, count));
        Ok(count)
    }
}
