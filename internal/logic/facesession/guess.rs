//! Guesses: every attempt to find a session by a number code or an invite goes through here, for search and prejoin alike.
//!
//! Whatever the reason that a code or invite does not work (unknown, expired, rotated, full, ended, locked, banned), the answer is the
//! same, and it comes at the same time after the question. What a guess costs belongs into [`FaceSessions::guess`].

use super::{FaceSessions, Key};
use crate::text::FieldChecks;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::account::Caller;
use faceshare_biz::domain::facesession::{CodeRecord, Invite, NumberCode};
use faceshare_biz::domain::port::SecretUse;
use faceshare_biz::{Error, ErrorCode, Result};
use std::future::Future;
use tokio::time::Instant;

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

/// A malformed number code is a slip of the hand and no guess; an invite has no form to be wrong in.
pub(super) fn parse_key(checks: &mut FieldChecks, key: Key) -> Option<ParsedKey> {
    match key {
        Key::Invite(secret) => Some(ParsedKey::Invite(secret)),
        Key::NumberCode(typed) => {
            let code = NumberCode::parse(&typed);
            if code.is_none() {
                checks.refuse("numberCode", "is not a number code: 6 to 12 digits, with blanks and hyphens where you like");
            }
            code.map(ParsedKey::NumberCode)
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
        ErrorCode::NumberCodeNotJoinable | ErrorCode::NotFound | ErrorCode::SessionEnded | ErrorCode::Forbidden => not_joinable(),
        _ => error,
    }
}

impl FaceSessions {
    /// Makes one guess and answers for it.
    pub(super) async fn guess<T>(&self, caller: Caller, attempt: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let arrival = Instant::now();
        let outcome = attempt.await.map_err(hide_the_reason);
        let missed = outcome.as_ref().is_err_and(|e| e.code == ErrorCode::NumberCodeNotJoinable);
        if missed {
            tracing::debug!(account = %caller.account, guest = caller.guest, "a guess missed");
            tokio::time::sleep_until(arrival + self.policy.codes.refused_after(arrival.elapsed())).await;
        }
        metrics::counter!("guesses_total", "outcome" => if missed { "miss" } else { "other" }).increment(1);
        outcome
    }

    /// Where a key leads. Only to be called within [`Self::guess`].
    ///
    /// # Errors
    /// `NUMBER_CODE_NOT_JOINABLE` when it leads nowhere.
    pub(super) async fn resolve(&self, key: &ParsedKey) -> Result<Lead> {
        let now = self.now();
        let lead = match key {
            ParsedKey::NumberCode(code) => {
                let prints = self.deps.secrets.fingerprints(SecretUse::NumberCode, code.digits());
                self.deps.codes.find(&prints, now).await?.map(Lead::Code)
            }
            ParsedKey::Invite(secret) => {
                let prints = self.deps.secrets.fingerprints(SecretUse::Invite, secret);
                self.deps.invites.find(&prints).await?.filter(|invite| now < invite.expires_at).map(Lead::Invite)
            }
        };
        lead.ok_or_else(not_joinable)
    }
}
