//! `number_code` and `rotate_number_code`: show and replace the code of a session; and the
//! assignment of a code.

use super::{FaceSessions, ShownCode};
use crate::idempotency::EffectId;
use faceshare_biz::domain::account::Caller;
use faceshare_biz::domain::facesession::{CodeRecord, NumberCode, Status};
use faceshare_biz::domain::instruction::Notice;
use faceshare_biz::domain::port::SecretUse;
use faceshare_biz::domain::{SessionId, Timestamp};
use faceshare_biz::{Error, ErrorCode, Result};

/// The most random codes that are tried. At the highest allowed density one code in 10,000 is live
/// and 30 times as many are in quarantine: one try fails with a probability of well under 1 %,
/// eight in a row practically never.
const DRAWS: usize = 8;

impl FaceSessions {
    /// The session's live code.
    ///
    /// # Errors
    /// `NOT_FOUND` to callers who are not members, and when there is no live code.
    pub async fn number_code(&self, caller: Caller, id: SessionId) -> Result<ShownCode> {
        let session = self.visible_session(caller, id).await?.session;
        let record = match session.status() {
            Status::Active => self.deps.codes.current(id, self.now()).await?,
            Status::Ended => None,
        };
        record
            .and_then(|r| self.show_code(&r))
            .ok_or_else(Error::not_found)
    }

    /// Assigns a new code. The old one stops working at once. The host's points get a notice
    /// without the code. A repeat of the call that assigned the session's live code, known by its
    /// effect id, returns this code.
    ///
    /// # Errors
    /// `NOT_FOUND`, `SESSION_ENDED`, `FORBIDDEN`.
    pub async fn rotate_number_code(
        &self,
        caller: Caller,
        id: SessionId,
        effect: Option<EffectId>,
    ) -> Result<ShownCode> {
        self.hosted_session(caller, id).await?;
        let shown = match self.code_assigned_by(id, effect).await? {
            Some(assigned) => assigned,
            None => self.assign_code(id, effect).await?,
        };
        let notice = Notice::NumberCodeChange {
            expires_at: Some(shown.expires_at),
        };
        if let Err(error) = self.deps.sessions.tell_host(id, notice).await {
            tracing::warn!(session = %id, %error, cause = ?error.cause(), "the host's points could not be informed of the new number code");
        }
        Ok(shown)
    }

    /// The session's live code, if an earlier attempt at the call with this effect id assigned it.
    async fn code_assigned_by(
        &self,
        session: SessionId,
        effect: Option<EffectId>,
    ) -> Result<Option<ShownCode>> {
        let Some(EffectId(effect)) = effect else {
            return Ok(None);
        };
        let current = self.deps.codes.current(session, self.now()).await?;
        Ok(current
            .filter(|record| record.effect == Some(effect))
            .and_then(|record| self.show_code(&record)))
    }

    /// Assigns a new code to the session; one digit longer while the budget of the whole
    /// installation is used up.
    pub(super) async fn assign_code(
        &self,
        session: SessionId,
        effect: Option<EffectId>,
    ) -> Result<ShownCode> {
        let live = self.deps.directory.count_live().await?;
        let now = self.now();
        let longer = self.deps.budgets.pressure(now).await?.spent.is_some();
        for _ in 0..DRAWS {
            let code = self.deps.secrets.number_code(live, longer);
            if let Some(shown) = self.try_assign(session, code, effect, now).await? {
                return Ok(shown);
            }
        }
        Err(Error::unavailable(
            "every number code that was drawn was taken",
        ))
    }

    /// `None`: another session has the code, or it is in quarantine.
    async fn try_assign(
        &self,
        session: SessionId,
        code: NumberCode,
        effect: Option<EffectId>,
        now: Timestamp,
    ) -> Result<Option<ShownCode>> {
        let prints = self
            .deps
            .secrets
            .fingerprints(SecretUse::NumberCode, code.digits());
        // The repository only checks that the fingerprint under the active key is unique. While
        // keys rotate, the same digits have one fingerprint for each key, so the others are looked
        // up here.
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
            effect: effect.map(|EffectId(id)| id),
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

    /// `None` when the key that sealed it is no longer configured: such a code can be rotated, not
    /// shown.
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
