//! Guesses: `search` and `prejoin` resolve every number code and invite through this module.
//!
//! If a code or invite does not work (unknown, expired, rotated, full, ended, locked, banned), the
//! answer is the same for every reason and comes after the same time. Wrong codes are charged to
//! budgets ([`GuessBudgets`]). A caller whose budget is used up is told to wait, after the same
//! time and whether its code is right or wrong.
//!
//! [`GuessBudgets`]: faceshare_biz::domain::facesession::GuessBudgets

use super::admission::AdmissionDecision;
use super::{FaceSessions, Key};
use crate::text::FieldChecks;
use faceshare_biz::domain::account::Caller;
use faceshare_biz::domain::facesession::{
    CodeRecord, ExpectedHits, GuessDecision, GuessTarget, Guesser, InviteRecord, NumberCode,
};
use faceshare_biz::domain::port::SecretUse;
use faceshare_biz::domain::{MemberId, SessionId, Site};
use faceshare_biz::{Error, ErrorCode, Result};
use faceshare_exec::{Access, State};
use std::future::Future;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::time::Instant;

/// A caller that tries to join, and where it calls from.
#[derive(Debug, Clone, Copy)]
pub(super) struct JoinAttempt {
    pub(super) caller: Caller,
    pub(super) site: Site,
}

impl JoinAttempt {
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
    NumberCode(NumberCode),
    Invite(String),
}

/// The code or invite that a key names.
#[derive(Debug)]
pub(super) enum ResolvedKey {
    /// A live number code.
    Code(CodeRecord),
    /// An invite that has not expired; its uses may be spent.
    Invite(InviteRecord),
}

impl ResolvedKey {
    /// The session of the code or invite.
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

/// Replaces an error that tells something about a session by the one answer. Failures of the server
/// stay what they are.
fn hide_reason(error: Error) -> Error {
    match error.code {
        ErrorCode::NumberCodeNotJoinable
        | ErrorCode::NotFound
        | ErrorCode::SessionEnded
        | ErrorCode::Forbidden => not_joinable(),
        _ => error,
    }
}

/// Whether the caller may join this session by code, apart from the number of members. The kernel
/// applies the same rule when a seat is requested.
pub(super) fn may_enter(state: &State, who: MemberId) -> bool {
    let session = state.face_session();
    let welcome = match state.access(who) {
        Access::Removed => false,
        Access::Stranger => !session.locked && !state.is_denied(who),
        Access::Host | Access::Present | Access::Admitted | Access::Left => true,
    };
    welcome && session.ended.is_none()
}

/// The answer when a budget is used up, for right and wrong guesses alike.
pub(super) fn too_many(wait: Duration) -> Error {
    Error::new(
        ErrorCode::RateLimited,
        "too many wrong codes were tried from here, or by you; wait before the next",
    )
    .retry_after(wait)
}

impl FaceSessions {
    /// Checks the form of a key. A malformed number code is a typing error and is not counted as a
    /// guess; an invite may be any text.
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

    /// Makes one guess: resolves the key, runs `action` on what it names, and delays a refusal.
    pub(super) async fn guess<T, A>(
        &self,
        attempt: JoinAttempt,
        key: &ParsedKey,
        action: impl FnOnce(ResolvedKey, AdmissionDecision) -> A + Send,
    ) -> Result<T>
    where
        A: Future<Output = Result<T>> + Send,
    {
        let arrival = Instant::now();
        let outcome = match key {
            ParsedKey::NumberCode(code) => self.guess_code(attempt, code, action).await,
            ParsedKey::Invite(secret) => self.use_invite(attempt, secret, action).await,
        };
        let label = match outcome.as_ref().map_err(|e| e.code) {
            Err(ErrorCode::NumberCodeNotJoinable) => "miss",
            Err(ErrorCode::RateLimited) => "wait",
            _ => "other",
        };
        if label != "other" {
            tracing::debug!(account = %attempt.caller.account, guest = attempt.caller.guest, label, "a guess was refused");
            tokio::time::sleep_until(arrival + self.policy.codes.refused_after(arrival.elapsed()))
                .await;
        }
        metrics::counter!("guesses_total", "outcome" => label).increment(1);
        outcome
    }

    /// Looks the code up and charges the guess before the code has any effect. A refusal by the
    /// session itself counts as a wrong guess too.
    async fn guess_code<T, A>(
        &self,
        attempt: JoinAttempt,
        code: &NumberCode,
        action: impl FnOnce(ResolvedKey, AdmissionDecision) -> A + Send,
    ) -> Result<T>
    where
        A: Future<Output = Result<T>> + Send,
    {
        let guesser = attempt.guesser();
        if let Some(wait) = self.deps.budgets.wait(&guesser, self.now()).await? {
            return Err(too_many(wait));
        }
        let prints = self
            .deps
            .secrets
            .fingerprints(SecretUse::NumberCode, code.digits());
        let Some(record) = self.deps.codes.find(&prints, self.now()).await? else {
            return Err(self
                .count_miss(&guesser, GuessTarget::Nothing, code)
                .await?);
        };
        let found = GuessTarget::Session {
            near: self.is_near(record.session, attempt.site),
        };
        let (under_attack, let_through) = match self
            .deps
            .budgets
            .judge(&guesser, found, ExpectedHits::NONE, self.now())
            .await?
        {
            GuessDecision::Stands { under_attack } => (under_attack, false),
            GuessDecision::LetThrough { under_attack } => (under_attack, true),
            GuessDecision::Refused => return Err(not_joinable()),
            GuessDecision::Wait(wait) => return Err(too_many(wait)),
        };
        let session = record.session;
        let resolved = ResolvedKey::Code(record);
        let enter = async {
            let decision = self
                .decide_admission(attempt.caller, attempt.site, &resolved, under_attack)
                .await?;
            action(resolved, decision).await
        };
        match enter.await.map_err(hide_reason) {
            Err(error) if error.code == ErrorCode::NumberCodeNotJoinable => {
                if let_through {
                    self.deps.budgets.give_back(&guesser).await?;
                }
                let found = if self.lacks_only_room(attempt.caller, session).await? {
                    GuessTarget::Full
                } else {
                    GuessTarget::Nothing
                };
                Err(self.count_miss(&guesser, found, code).await?)
            }
            outcome => outcome,
        }
    }

    /// Whether the caller could join the session if it were not full.
    async fn lacks_only_room(&self, caller: Caller, id: SessionId) -> Result<bool> {
        let (who, now) = (caller.account, self.now());
        let found = self
            .deps
            .sessions
            .read(id, move |state| {
                may_enter(state, who) && !state.has_room_for(who, now)
            })
            .await;
        match found.map_err(hide_reason) {
            Err(error) if error.code == ErrorCode::NumberCodeNotJoinable => Ok(false),
            found => found,
        }
    }

    /// Charges a wrong guess and returns the error to answer it with.
    async fn count_miss(
        &self,
        guesser: &Guesser,
        found: GuessTarget,
        code: &NumberCode,
    ) -> Result<Error> {
        let worth = ExpectedHits::of_guess(self.live_sessions().await?, code.digits().len());
        Ok(
            match self
                .deps
                .budgets
                .judge(guesser, found, worth, self.now())
                .await?
            {
                GuessDecision::Stands { .. }
                | GuessDecision::LetThrough { .. }
                | GuessDecision::Refused => not_joinable(),
                GuessDecision::Wait(wait) => too_many(wait),
            },
        )
    }

    /// An invite is too long to be guessed, so it is not charged to a budget.
    async fn use_invite<T, A>(
        &self,
        attempt: JoinAttempt,
        secret: &str,
        action: impl FnOnce(ResolvedKey, AdmissionDecision) -> A + Send,
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
            let resolved = ResolvedKey::Invite(invite.ok_or_else(not_joinable)?);
            let decision = self
                .decide_admission(attempt.caller, attempt.site, &resolved, false)
                .await?;
            action(resolved, decision).await
        };
        enter.await.map_err(hide_reason)
    }

    /// The number of live sessions, at most one second old: wrong guesses may come fast, and each
    /// count is a query.
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
