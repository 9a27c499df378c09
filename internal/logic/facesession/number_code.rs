//! `number_code` and `rotate_number_code`: the code of a session, shown and replaced; and how a session gets one.

use super::{FaceSessions, ShownCode};
use faceshare_biz::domain::account::Caller;
use faceshare_biz::domain::facesession::{CodeRecord, NumberCode, Status};
use faceshare_biz::domain::instruction::Notice;
use faceshare_biz::domain::port::SecretUse;
use faceshare_biz::domain::{SessionId, Timestamp};
use faceshare_biz::{Error, ErrorCode, Result};

/// Draws before giving up. At the densest allowed, one code in ten thousand lives and thirty times that rest: a draw fails with a
/// probability of well under 1 %, eight in a row never.
const DRAWS: usize = 8;

impl FaceSessions {
    /// The session's live code.
    ///
    /// # Errors
    /// `NOT_FOUND` to all but its people, and when there is none.
    pub async fn number_code(&self, caller: Caller, id: SessionId) -> Result<ShownCode> {
        let session = self.seen(caller, id).await?.session;
        let record = match session.status() {
            Status::Active => self.deps.codes.current(id, self.now()).await?,
            Status::Ended => None,
        };
        record
            .and_then(|r| self.show_code(&r))
            .ok_or_else(Error::not_found)
    }

    /// A new code instead of the old, which dies at once. The host's points are told, without the code.
    ///
    /// # Errors
    /// `NOT_FOUND`, `SESSION_ENDED`, `FORBIDDEN`.
    pub async fn rotate_number_code(&self, caller: Caller, id: SessionId) -> Result<ShownCode> {
        self.hosted(caller, id).await?;
        let shown = self.assign_code(id).await?;
        let notice = Notice::NumberCodeChange {
            expires_at: Some(shown.expires_at),
        };
        if let Err(error) = self.deps.sessions.tell_host(id, notice).await {
            tracing::warn!(session = %id, %error, cause = ?error.cause(), "the host's points do not know of the new number code");
        }
        Ok(shown)
    }

    /// Gives the session a fresh code; a longer one while too much is being guessed.
    pub(super) async fn assign_code(&self, session: SessionId) -> Result<ShownCode> {
        let live = self.deps.directory.count_live().await?;
        let now = self.now();
        let longer = self.deps.budgets.pressure(now).await?.spent.is_some();
        for _ in 0..DRAWS {
            let code = self.deps.secrets.number_code(live, longer);
            if let Some(shown) = self.try_assign(session, code, now).await? {
                return Ok(shown);
            }
        }
        Err(Error::unavailable(
            "every number code that was drawn was taken",
        ))
    }

    /// `None`: the code is taken.
    async fn try_assign(
        &self,
        session: SessionId,
        code: NumberCode,
        now: Timestamp,
    ) -> Result<Option<ShownCode>> {
        let prints = self
            .deps
            .secrets
            .fingerprints(SecretUse::NumberCode, code.digits());
        // The store keeps fingerprints apart, of which these digits have one for each key: while keys rotate it must be asked for the others.
        if prints.len() > 1 && self.deps.codes.find(&prints, now).await?.is_some() {
            return Ok(None);
        }
        let record = CodeRecord {
            fingerprint: self
                .deps
                .secrets
                .fingerprint(SecretUse::NumberCode, code.digits()),
            sealed: self
                .deps
                .secrets
                .seal(SecretUse::NumberCode, code.digits().as_bytes())?,
            session,
            created_at: now,
            expires_at: self.policy.codes.first_end(now),
        };
        match self
            .deps
            .codes
            .assign(&record, now, self.policy.codes.quarantine_until(now))
            .await
        {
            Ok(()) => Ok(Some(ShownCode {
                code,
                expires_at: record.expires_at,
            })),
            Err(error) if error.code == ErrorCode::AlreadyExists => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// `None` when the key it was sealed with is gone: it can be rotated, not shown.
    pub(super) fn show_code(&self, record: &CodeRecord) -> Option<ShownCode> {
        let digits = self
            .deps
            .secrets
            .open(SecretUse::NumberCode, &record.sealed)?;
        let code = NumberCode::new(std::str::from_utf8(&digits).ok()?)?;
        Some(ShownCode {
            code,
            expires_at: record.expires_at,
        })
    }
}
