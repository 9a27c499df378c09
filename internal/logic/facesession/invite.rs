//! `invite`, `make_invite` and `revoke_invite`: the link by which callers join without typing a
//! code.

use super::{FaceSessions, NewInvite, ShownInvite};
use crate::idempotency::EffectId;
use crate::text::FieldChecks;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::account::Caller;
use faceshare_biz::domain::facesession::{InviteRecord, Status};
use faceshare_biz::domain::port::SecretUse;
use faceshare_biz::{Error, Result};
use std::ops::RangeInclusive;
use std::time::Duration;

/// The allowed lifetime of an invite. A longer session makes a new invite after a week; a link of
/// less than a minute expires before it is opened.
const EXPIRES_IN: RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(7 * 86_400);
/// The allowed number of uses; a higher limit would be as good as none.
const MAX_USES: RangeInclusive<u32> = 1..=10_000;

impl FaceSessions {
    /// The session's invite, while it is usable.
    ///
    /// # Errors
    /// `NOT_FOUND` to callers who are not members, and when there is no usable invite.
    pub async fn invite(&self, caller: Caller, id: SessionId) -> Result<ShownInvite> {
        let session = self.visible_session(caller, id).await?.session;
        let invite = match session.status() {
            Status::Active => self
                .deps
                .invites
                .current(id)
                .await?
                .filter(|invite| invite.is_usable(self.now())),
            Status::Ended => None,
        };
        invite
            .and_then(|i| self.show_invite(&i))
            .ok_or_else(Error::not_found)
    }

    /// Creates a new invite. The old one stops working at once. A repeat of the call that made the
    /// session's invite returns this invite, as long as it can be shown.
    ///
    /// # Errors
    /// `NOT_FOUND`, `SESSION_ENDED`, `FORBIDDEN`, then `INVALID_ARGUMENT` with path `expiresIn` or
    /// `maxUses`.
    pub async fn make_invite(
        &self,
        caller: Caller,
        id: SessionId,
        new: NewInvite,
    ) -> Result<ShownInvite> {
        self.hosted_session(caller, id).await?;
        check_new(&new)?;
        if let Some(made) = self.invite_made_by(id, new.effect).await? {
            return Ok(made);
        }
        let secret = self.deps.secrets.invite_secret();
        let invite = InviteRecord {
            fingerprint: self.deps.secrets.fingerprint(SecretUse::Invite, &secret),
            sealed: self
                .deps
                .secrets
                .seal(SecretUse::Invite, secret.as_bytes())?,
            session: id,
            expires_at: self.now() + new.expires_in.unwrap_or(self.policy.invite_ttl),
            max_uses: new.max_uses,
            uses: 0,
            approval: new.approval.unwrap_or(false),
            effect: new.effect.map(|EffectId(id)| id),
        };
        self.deps.invites.put(&invite).await?;
        Ok(ShownInvite {
            secret,
            expires_at: invite.expires_at,
            max_uses: invite.max_uses,
            uses: invite.uses,
        })
    }

    /// The session's invite, if an earlier attempt at the call with this effect id made it.
    async fn invite_made_by(
        &self,
        id: SessionId,
        effect: Option<EffectId>,
    ) -> Result<Option<ShownInvite>> {
        let Some(EffectId(effect)) = effect else {
            return Ok(None);
        };
        let current = self.deps.invites.current(id).await?;
        Ok(current
            .filter(|invite| invite.effect == Some(effect))
            .and_then(|invite| self.show_invite(&invite)))
    }

    /// Revokes the invite. It stops working at once.
    ///
    /// # Errors
    /// `NOT_FOUND` (also when there is no invite), `SESSION_ENDED`, `FORBIDDEN`.
    pub async fn revoke_invite(&self, caller: Caller, id: SessionId) -> Result<()> {
        self.hosted_session(caller, id).await?;
        if self.deps.invites.revoke(id).await? {
            Ok(())
        } else {
            Err(Error::not_found())
        }
    }

    /// `None` when the key that sealed it is no longer configured.
    fn show_invite(&self, invite: &InviteRecord) -> Option<ShownInvite> {
        let secret = self.deps.secrets.open(SecretUse::Invite, &invite.sealed)?;
        let secret = String::from_utf8(secret).ok()?;
        Some(ShownInvite {
            secret,
            expires_at: invite.expires_at,
            max_uses: invite.max_uses,
            uses: invite.uses,
        })
    }
}

fn check_new(new: &NewInvite) -> Result<()> {
    let mut checks = FieldChecks::default();
    if let Some(expires_in) = new.expires_in {
        checks.duration("expiresIn", expires_in, &EXPIRES_IN);
    }
    if let Some(max_uses) = new.max_uses {
        checks.number("maxUses", max_uses, &MAX_USES);
    }
    checks.finish()
}

#[cfg(test)]
mod tests {
    use super::{NewInvite, check_new};
    use std::time::Duration;

    #[test]
    fn an_invite_out_of_range_is_refused_in_all_its_fields_at_once() {
        let new = NewInvite {
            expires_in: Some(Duration::from_secs(59)),
            max_uses: Some(0),
            approval: Some(true),
            effect: None,
        };
        let error = check_new(&new).expect_err("all wrong");
        let paths: Vec<_> = error.violations.iter().map(|v| v.path.as_str()).collect();
        assert_eq!(paths, ["expiresIn", "maxUses"]);
    }

    #[test]
    fn an_invite_at_the_ends_of_the_ranges_is_fine() {
        for (seconds, uses) in [(60, 1), (7 * 86_400, 10_000)] {
            let new = NewInvite {
                expires_in: Some(Duration::from_secs(seconds)),
                max_uses: Some(uses),
                approval: Some(false),
                effect: None,
            };
            assert!(check_new(&new).is_ok());
        }
        assert!(check_new(&NewInvite::default()).is_ok());
    }
}
