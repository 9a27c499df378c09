//! Passwords, and the rules that depend on them.

use super::account::{insert, key_of};
use super::connection::Database;
use super::entity::account::{Column, Entity, Model};
use super::entity::token_family;
use super::retry::retrying;
use super::token_family::revoke_all;
use crate::error::{Failure, from_db};
use async_trait::async_trait;
use faceshare_biz::domain::account::{
    Account, CredentialRepository, Credentials, PasswordChange, PasswordHash, TokenFamily,
};
use faceshare_biz::domain::{AccountId, FamilyId, Timestamp};
use faceshare_biz::{Error, Result};
use sea_orm::sea_query::{Expr, Query, SelectStatement, SimpleExpr};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryTrait, Select, UpdateMany};

/// Keeps credentials in the main database.
#[derive(Debug, Clone)]
pub struct AccountCredentials {
    db: Database,
}

impl AccountCredentials {
    /// In this database.
    #[must_use]
    pub const fn new(db: Database) -> Self {
        Self { db }
    }

    async fn one(&self, query: Select<Entity>) -> Result<Option<Credentials>> {
        let found = query.one(self.db.reader()).await.map_err(from_db)?;
        found.map(credentials).transpose().map(Option::flatten)
    }

    /// Changes the account first, which locks its row against an `open_family` under the old
    /// password.
    async fn try_change(&self, change: &PasswordChange) -> Result<Option<Vec<FamilyId>>, Failure> {
        let transaction = self.db.begin().await?;
        let replaced = replace(change.account, &change.old, &change.new)
            .exec(&transaction)
            .await?;
        if replaced.rows_affected == 0 {
            transaction.rollback().await?;
            return Ok(None);
        }
        let revoked =
            revoke_all(&transaction, change.account, Some(change.keep), change.at).await?;
        transaction.commit().await?;
        Ok(Some(revoked))
    }
}

#[async_trait]
impl CredentialRepository for AccountCredentials {
    async fn insert(&self, account: &Account, password: &PasswordHash) -> Result<()> {
        insert(&self.db, account, Some(password)).await
    }

    async fn by_username(&self, username: &str) -> Result<Option<Credentials>> {
        self.one(Entity::find().filter(Column::UsernameKey.eq(key_of(username))))
            .await
    }

    async fn by_id(&self, id: AccountId) -> Result<Option<Credentials>> {
        self.one(Entity::find_by_id(id.get().cast_signed())).await
    }

    /// One statement, which inserts a row for each account with this id and hash: one, or none. It
    /// locks the account's row, so that a change of the password or a deletion at the same time
    /// either comes before, and nothing is inserted, or after, and revokes the family.
    async fn open_family(&self, family: &TokenFamily, password: &PasswordHash) -> Result<bool> {
        use token_family::Column as Family;
        let columns: [(Family, SimpleExpr); 8] = [
            (Family::Id, Expr::value(family.id.get().cast_signed())),
            (
                Family::AccountId,
                Expr::value(family.account.get().cast_signed()),
            ),
            (
                Family::Generation,
                Expr::value(i64::from(family.generation)),
            ),
            (
                Family::RotatedAt,
                Expr::value(family.rotated_at.as_millis()),
            ),
            (Family::SealedPair, Expr::value(family.sealed_pair.clone())),
            (
                Family::ExpiresAt,
                Expr::value(family.expires_at.as_millis()),
            ),
            (
                Family::RevokedAt,
                Expr::value(family.revoked_at.map(Timestamp::as_millis)),
            ),
            (
                Family::Network,
                Expr::value(family.network.map(|network| network.to_vec())),
            ),
        ];
        let (columns, values): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        let rows: SelectStatement = Query::select()
            .exprs(values)
            .from(Entity)
            .and_where(Column::Id.eq(family.account.get().cast_signed()))
            .and_where(Column::PasswordHash.eq(password.as_str()))
            .lock_exclusive()
            .to_owned();
        let mut insert = Query::insert();
        insert
            .into_table(token_family::Entity)
            .columns(columns)
            .select_from(rows)
            .map_err(Error::internal)?;
        self.db
            .insert(&insert, "there is such a family already")
            .await
            .map(|inserted| inserted == 1)
    }

    async fn rehash(&self, id: AccountId, old: &PasswordHash, new: &PasswordHash) -> Result<bool> {
        self.db
            .write(replace(id, old, new).as_query())
            .await
            .map(|replaced| replaced == 1)
    }

    async fn change(&self, change: &PasswordChange) -> Result<Option<Vec<FamilyId>>> {
        retrying(|| self.try_change(change)).await
    }
}

/// Replaces the hash if it is still `old`.
fn replace(id: AccountId, old: &PasswordHash, new: &PasswordHash) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::PasswordHash, Expr::value(new.as_str()))
        .filter(Column::Id.eq(id.get().cast_signed()))
        .filter(Column::PasswordHash.eq(old.as_str()))
}

/// `None` for a guest, who has no password.
fn credentials(row: Model) -> Result<Option<Credentials>> {
    let Some(password) = row.password_hash.as_deref().map(PasswordHash::new) else {
        return Ok(None);
    };
    Ok(Some(Credentials {
        account: Account::try_from(row)?,
        password,
    }))
}
