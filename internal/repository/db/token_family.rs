//! Token families.

use super::connection::Database;
use super::entity::token_family::{ActiveModel, Column, Entity, Model};
use crate::error::{Failure, from_db, unreadable};
use async_trait::async_trait;
use faceshare_biz::domain::account::{Rotation, TokenFamily, TokenFamilyRepository};
use faceshare_biz::domain::{AccountId, FamilyId, Timestamp};
use faceshare_biz::{Error, Result};
use sea_orm::sea_query::Condition;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Set,
};

/// Keeps token families in the main database.
#[derive(Debug, Clone)]
pub struct TokenFamilies {
    db: Database,
}

impl TokenFamilies {
    /// In this database.
    #[must_use]
    pub const fn new(db: Database) -> Self {
        Self { db }
    }
}

#[async_trait]
impl TokenFamilyRepository for TokenFamilies {
    async fn insert(&self, family: &TokenFamily) -> Result<()> {
        let row = ActiveModel {
            id: Set(family.id.get().cast_signed()),
            account_id: Set(family.account.get().cast_signed()),
            generation: Set(i64::from(family.generation)),
            rotated_at: Set(family.rotated_at.as_millis()),
            sealed_pair: Set(family.sealed_pair.clone()),
            expires_at: Set(family.expires_at.as_millis()),
            revoked_at: Set(family.revoked_at.map(Timestamp::as_millis)),
            network: Set(family.network.map(|network| network.to_vec())),
        };
        self.db
            .insert(
                Entity::insert(row).as_query(),
                "there is such a family already",
            )
            .await
            .map(drop)
    }

    async fn find(&self, id: FamilyId) -> Result<Option<TokenFamily>> {
        let found = Entity::find_by_id(id.get().cast_signed())
            .one(self.db.reader())
            .await
            .map_err(from_db)?;
        found.map(TokenFamily::try_from).transpose()
    }

    /// One statement whose condition is the old generation: of two at once, one changes no row.
    async fn rotate(&self, rotation: &Rotation) -> Result<bool> {
        let from = i64::from(rotation.from_generation);
        let rotate = Entity::update_many()
            .col_expr(Column::Generation, Expr::value(from + 1))
            .col_expr(Column::RotatedAt, Expr::value(rotation.at.as_millis()))
            .col_expr(
                Column::SealedPair,
                Expr::value(rotation.sealed_pair.clone()),
            )
            .col_expr(
                Column::ExpiresAt,
                Expr::value(rotation.expires_at.as_millis()),
            )
            .filter(Column::Id.eq(rotation.family.get().cast_signed()))
            .filter(Column::Generation.eq(from))
            .filter(Column::RevokedAt.is_null());
        self.db
            .write(rotate.as_query())
            .await
            .map(|rotated| rotated == 1)
    }

    /// Deletes the sealed pair, too.
    async fn revoke(&self, id: FamilyId, at: Timestamp) -> Result<()> {
        let revoke = Entity::update_many()
            .col_expr(Column::RevokedAt, Expr::value(at.as_millis()))
            .col_expr(Column::SealedPair, Expr::value(None::<String>))
            .filter(Column::Id.eq(id.get().cast_signed()))
            .filter(Column::RevokedAt.is_null());
        self.db.write(revoke.as_query()).await.map(drop)
    }

    async fn opened_from(&self, account: AccountId, networks: &[[u8; 32]]) -> Result<bool> {
        let wanted = networks.iter().map(|network| network.to_vec());
        let from = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::AccountId.eq(account.get().cast_signed()))
            .filter(Column::Network.is_in(wanted));
        let found: Option<i64> = from
            .into_tuple()
            .one(self.db.reader())
            .await
            .map_err(from_db)?;
        Ok(found.is_some())
    }

    async fn revoked_since(&self, since: Timestamp) -> Result<Vec<(FamilyId, Timestamp)>> {
        let query = Entity::find()
            .select_only()
            .columns([Column::Id, Column::RevokedAt]);
        let query = query.filter(Column::RevokedAt.gte(since.as_millis()));
        let rows: Vec<(i64, i64)> = query
            .into_tuple()
            .all(self.db.reader())
            .await
            .map_err(from_db)?;
        rows.into_iter()
            .map(|(id, at)| Ok((family_id(id)?, Timestamp::from_millis(at))))
            .collect()
    }

    async fn forget_ended(&self, before: Timestamp) -> Result<u64> {
        let before = before.as_millis();
        let unrevoked = Condition::any()
            .add(Column::RevokedAt.is_null())
            .add(Column::RevokedAt.lt(before));
        let ended = Entity::delete_many()
            .filter(Column::ExpiresAt.lt(before))
            .filter(Column::RotatedAt.lt(before))
            .filter(unrevoked);
        self.db.write(ended.as_query()).await
    }
}

/// Revokes all families of an account except `keep`, within a transaction. Returns those that were
/// not revoked before.
pub(super) async fn revoke_all(
    transaction: &DatabaseTransaction,
    account: AccountId,
    keep: Option<FamilyId>,
    at: Timestamp,
) -> Result<Vec<FamilyId>, Failure> {
    let mut theirs = Condition::all()
        .add(Column::AccountId.eq(account.get().cast_signed()))
        .add(Column::RevokedAt.is_null());
    if let Some(keep) = keep {
        theirs = theirs.add(Column::Id.ne(keep.get().cast_signed()));
    }
    let ids = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(theirs.clone());
    let ids: Vec<i64> = ids.into_tuple().all(transaction).await?;
    let revoked = Entity::update_many()
        .col_expr(Column::RevokedAt, Expr::value(at.as_millis()))
        .col_expr(Column::SealedPair, Expr::value(None::<String>))
        .filter(theirs);
    revoked.exec(transaction).await?;
    Ok(ids.into_iter().map(family_id).collect::<Result<_>>()?)
}

/// Deletes the networks from which the families of an account were opened, within a transaction.
pub(super) async fn forget_networks(
    transaction: &DatabaseTransaction,
    account: AccountId,
) -> Result<(), Failure> {
    let theirs = Entity::update_many()
        .col_expr(Column::Network, Expr::value(None::<Vec<u8>>))
        .filter(Column::AccountId.eq(account.get().cast_signed()));
    theirs.exec(transaction).await?;
    Ok(())
}

fn family_id(id: i64) -> Result<FamilyId> {
    FamilyId::new(id.cast_unsigned()).ok_or_else(|| unreadable("token_families.id"))
}

impl TryFrom<Model> for TokenFamily {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        Ok(Self {
            id: family_id(row.id)?,
            account: AccountId::new(row.account_id.cast_unsigned())
                .ok_or_else(|| unreadable("token_families.account_id"))?,
            generation: u32::try_from(row.generation)
                .map_err(|_| unreadable("token_families.generation"))?,
            rotated_at: Timestamp::from_millis(row.rotated_at),
            sealed_pair: row.sealed_pair,
            expires_at: Timestamp::from_millis(row.expires_at),
            revoked_at: row.revoked_at.map(Timestamp::from_millis),
            network: row
                .network
                .map(TryInto::try_into)
                .transpose()
                .map_err(|_| unreadable("token_families.network"))?,
        })
    }
}
