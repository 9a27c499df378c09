//! Guesses: `search` and `prejoin` resolve every number code and invite through this module.
//!
//! If a code or invite does not work (unknown, expired, rotated, full, ended, locked, banned), the
//! answer is the same for every reason and comes after the same time. Wrong codes are charged to
//! budgets ([`GuessBudgets`]). A caller whose budget is used up is told to wait, after the same
//! time and whether its code is right or wrong.
//!
//! [`GuessBudgets`]: faceshare_biz::domain::facesession::GuessBudgets

use super::{FaceSessions, Key, run_to_completion};
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

/// A key that was found, and what it will cost if the session refuses the caller after all.
/// [`FaceSessions::finish`] takes every guess, so that none stays free of charge.
#[derive(Debug)]
#[must_use = "a guess that is not finished is not charged"]
pub(super) struct Guess {
    /// What the key names.
    pub(super) resolved: ResolvedKey,
    /// Whether the budget of the whole installation is used up.
    pub(super) under_attack: bool,
    /// What the budgets know; an invite is too long to be guessed and is not charged.
    charge: Option<Charge>,
}

/// The part of a guess that its budgets need.
#[derive(Debug)]
struct Charge {
    guesser: Guesser,
    caller: Caller,
    digits: usize,
    /// The guess was let through beyond the budget of its address, and counts there until the
    /// session refuses it.
    let_through: bool,
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

    /// Answers a call that made a guess: `call` runs to its end even if the client goes away, so
    /// that each guess is charged, and a refusal is held back until its time.
    pub(super) async fn answer_guess<T: Send + 'static>(
        &self,
        caller: Caller,
        call: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let arrival = Instant::now();
        let outcome = run_to_completion(call).await;
        let label = match outcome.as_ref().map_err(|e| e.code) {
            Err(ErrorCode::NumberCodeNotJoinable) => "miss",
            Err(ErrorCode::RateLimited) => "wait",
            _ => "other",
        };
        if label != "other" {
            tracing::debug!(account = %caller.account, guest = caller.guest, label, "a guess was refused");
            tokio::time::sleep_until(arrival + self.policy.codes.refused_after(arrival.elapsed()))
                .await;
        }
        metrics::counter!("guesses_total", "outcome" => label).increment(1);
        outcome
    }

    /// Finds what the key names. A wrong number code is charged here; a right one has no effect
    /// before its budgets have allowed it.
    pub(super) async fn resolve(
        &self,
        caller: Caller,
        site: Site,
        key: &ParsedKey,
    ) -> Result<Guess> {
        match key {
            ParsedKey::NumberCode(code) => self.resolve_code(caller, site, code).await,
            ParsedKey::Invite(secret) => self.resolve_invite(secret).await,
        }
    }

    async fn resolve_code(&self, caller: Caller, site: Site, code: &NumberCode) -> Result<Guess> {
        let guesser = Guesser {
            account: (!caller.guest).then_some(caller.account),
            site,
        };
        if let Some(wait) = self.deps.budgets.wait(&guesser, self.now()).await? {
            return Err(too_many(wait));
        }
        let prints = self
            .deps
            .secrets
            .fingerprints(SecretUse::NumberCode, code.digits());
        let digits = code.digits().len();
        let Some(record) = self.deps.codes.find(&prints, self.now()).await? else {
            return Err(self
                .count_miss(&guesser, GuessTarget::Nothing, digits)
                .await?);
        };
        let target = GuessTarget::Session {
            near: self.is_near(record.session, site),
        };
        let decision = self
            .deps
            .budgets
            .judge(&guesser, target, ExpectedHits::NONE, self.now())
            .await?;
        let (under_attack, let_through) = match decision {
            GuessDecision::Stands { under_attack } => (under_attack, false),
            GuessDecision::LetThrough { under_attack } => (under_attack, true),
            GuessDecision::Refused => return Err(not_joinable()),
            GuessDecision::Wait(wait) => return Err(too_many(wait)),
        };
        Ok(Guess {
            resolved: ResolvedKey::Code(record),
            under_attack,
            charge: Some(Charge {
                guesser,
                caller,
                digits,
                let_through,
            }),
        })
    }

    async fn resolve_invite(&self, secret: &str) -> Result<Guess> {
        let prints = self.deps.secrets.fingerprints(SecretUse::Invite, secret);
        let invite = self.deps.invites.find(&prints).await?;
        let invite = invite.filter(|invite| self.now() < invite.expires_at);
        Ok(Guess {
            resolved: ResolvedKey::Invite(invite.ok_or_else(not_joinable)?),
            under_attack: false,
            charge: None,
        })
    }

    /// Ends a guess with the outcome of what the caller did with it. A refusal by the session is
    /// charged as a wrong guess, and its reason is hidden.
    pub(super) async fn finish<T>(&self, guess: Guess, outcome: Result<T>) -> Result<T> {
        let error = match outcome.map_err(hide_reason) {
            Err(error) if error.code == ErrorCode::NumberCodeNotJoinable => error,
            outcome => return outcome,
        };
        let Some(charge) = guess.charge else {
            return Err(error);
        };
        if charge.let_through {
            self.deps.budgets.give_back(&charge.guesser).await?;
        }
        let session = guess.resolved.session();
        let target = if self.lacks_only_room(charge.caller, session).await? {
            GuessTarget::Full
        } else {
            GuessTarget::Nothing
        };
        Err(self
            .count_miss(&charge.guesser, target, charge.digits)
            .await?)
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
        target: GuessTarget,
        digits: usize,
    ) -> Result<Error> {
        let worth = ExpectedHits::of_guess(self.live_sessions().await?, digits);
        let decision = self
            .deps
            .budgets
            .judge(guesser, target, worth, self.now())
            .await?;
        Ok(match decision {
            GuessDecision::Wait(wait) => too_many(wait),
            GuessDecision::Stands { .. }
            | GuessDecision::LetThrough { .. }
            | GuessDecision::Refused => not_joinable(),
        })
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
