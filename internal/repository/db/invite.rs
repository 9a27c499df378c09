//! Invites.

use super::connection::Database;
use super::entity::invite::{ActiveModel, Column, Entity, Model};
use crate::error::{from_db, unreadable};
use async_trait::async_trait;
use faceshare_biz::domain::facesession::{InviteRecord, InviteRepository, InviteUse};
use faceshare_biz::domain::{SessionId, Timestamp};
use faceshare_biz::{Error, Result};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryTrait, Set};

/// Keeps invites in the main database.
#[derive(Debug, Clone)]
pub struct Invites {
    db: Database,
}

impl Invites {
    /// In this database.
    #[must_use]
    pub const fn new(db: Database) -> Self {
        Self { db }
    }
}

#[async_trait]
impl InviteRepository for Invites {
    async fn put(&self, invite: &InviteRecord) -> Result<()> {
        let session = invite.session.get().cast_signed();
        let row = ActiveModel {
            session_id: Set(session),
            fingerprint: Set(invite.fingerprint.to_vec()),
            sealed: Set(invite.sealed.clone()),
            expires_at: Set(invite.expires_at.as_millis()),
            max_uses: Set(invite.max_uses.map(i64::from)),
            uses: Set(i64::from(invite.uses)),
            approval: Set(invite.approval),
            effect: Set(invite.effect.map(u64::cast_signed)),
        };
        let all_but_session = [
            Column::Fingerprint,
            Column::Sealed,
            Column::ExpiresAt,
            Column::MaxUses,
            Column::Uses,
            Column::Approval,
            Column::Effect,
        ];
        let instead = OnConflict::column(Column::SessionId)
            .update_columns(all_but_session)
            .to_owned();
        self.db
            .write(&Entity::insert(row).on_conflict(instead).into_query())
            .await
            .map(drop)
    }

    async fn find(&self, fingerprints: &[[u8; 32]]) -> Result<Option<InviteRecord>> {
        let wanted = fingerprints.iter().map(|f| f.to_vec());
        let rows = Entity::find()
            .filter(Column::Fingerprint.is_in(wanted))
            .all(self.db.reader())
            .await
            .map_err(from_db)?;
        // Of several, the one whose fingerprint comes first in `fingerprints`.
        let best = rows.into_iter().min_by_key(|row| {
            fingerprints
                .iter()
                .position(|f| f.as_slice() == row.fingerprint)
        });
        best.map(InviteRecord::try_from).transpose()
    }

    async fn current(&self, session: SessionId) -> Result<Option<InviteRecord>> {
        let row = Entity::find_by_id(session.get().cast_signed())
            .one(self.db.reader())
            .await
            .map_err(from_db)?;
        row.map(InviteRecord::try_from).transpose()
    }

    /// One statement whose condition is that a use is left: of two at the last use, one changes no
    /// row.
    async fn spend(&self, fingerprint: [u8; 32], now: Timestamp) -> Result<InviteUse> {
        let uses_left = Condition::any()
            .add(Column::MaxUses.is_null())
            .add(Expr::col(Column::Uses).lt(Expr::col(Column::MaxUses)));
        let spending = Entity::update_many()
            .col_expr(Column::Uses, Expr::col(Column::Uses).add(1))
            .filter(Column::Fingerprint.eq(fingerprint.to_vec()))
            .filter(Column::ExpiresAt.gt(now.as_millis()))
            .filter(uses_left);
        let spent = self.db.write(spending.as_query()).await?;
        Ok(if spent == 1 {
            InviteUse::Spent
        } else {
            InviteUse::Refused
        })
    }

    async fn refund(&self, fingerprint: [u8; 32]) -> Result<()> {
        let refund = Entity::update_many()
            .col_expr(Column::Uses, Expr::col(Column::Uses).sub(1))
            .filter(Column::Fingerprint.eq(fingerprint.to_vec()))
            .filter(Column::Uses.gt(0));
        self.db.write(refund.as_query()).await.map(drop)
    }

    async fn revoke(&self, session: SessionId) -> Result<bool> {
        let revoked = self
            .db
            .write(Entity::delete_by_id(session.get().cast_signed()).as_query())
            .await?;
        Ok(revoked == 1)
    }
}

impl TryFrom<Model> for InviteRecord {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        Ok(Self {
            fingerprint: row
                .fingerprint
                .try_into()
                .map_err(|_| unreadable("invites.fingerprint"))?,
            sealed: row.sealed,
            session: SessionId::new(row.session_id.cast_unsigned())
                .ok_or_else(|| unreadable("invites.session_id"))?,
            expires_at: Timestamp::from_millis(row.expires_at),
            max_uses: row
                .max_uses
                .map(u32::try_from)
                .transpose()
                .map_err(|_| unreadable("invites.max_uses"))?,
            uses: u32::try_from(row.uses).map_err(|_| unreadable("invites.uses"))?,
            approval: row.approval,
            effect: row.effect.map(i64::cast_unsigned),
        })
    }
}
