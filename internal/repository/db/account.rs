//! Accounts and guests.

use super::avatar;
use super::connection::Database;
use super::entity::account::{ActiveModel, Column, Entity, Model};
use super::entity::token_family;
use super::event::EventTransaction;
use super::retry::retrying;
use super::token_family::{forget_networks, revoke_all};
use crate::error::{Failure, from_db, or_taken, unreadable};
use async_trait::async_trait;
use faceshare_biz::domain::account::{
    Account, AccountRepository, PasswordHash, Picture, Promotion,
};
use faceshare_biz::domain::event::{Fact, NewEvent};
use faceshare_biz::domain::{AccountId, FamilyId, Nickname, Timestamp};
use faceshare_biz::{Error, Result};
use sea_orm::sea_query::{Condition, Expr, ExprTrait as _, Query};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set, UpdateMany};

/// Keeps accounts and guests in the main database.
#[derive(Debug, Clone)]
pub struct Accounts {
    db: Database,
}

impl Accounts {
    /// In this database.
    #[must_use]
    pub const fn new(db: Database) -> Self {
        Self { db }
    }

    /// Locks the account first, against `open_family`. The rows of its
    /// families stay, with ids and times alone, so that the families are still revoked after a
    /// restart.
    async fn try_delete(
        &self,
        id: AccountId,
        at: Timestamp,
    ) -> Result<Option<Vec<FamilyId>>, Failure> {
        let mut transaction = self.db.begin_with_events().await?;
        let Some(version) = lock(id, &transaction).await? else {
            transaction.rollback().await?;
            return Ok(None);
        };
        Entity::delete_by_id(id.get().cast_signed())
            .exec(&*transaction)
            .await?;
        avatar::forget(&transaction, id.get().cast_signed()).await?;
        let revoked = revoke_all(&transaction, id, None, at).await?;
        forget_networks(&transaction, id).await?;
        let deleted = event(id, version + 1, at, Fact::AccountDeleted);
        transaction.append(&deleted).await?;
        transaction.commit().await?;
        Ok(Some(revoked))
    }

    /// Deletes the unused families first: a refresh at the same time either finds no family, or the
    /// condition on the account sees it, and then nothing is deleted.
    async fn try_forget_guest(
        &self,
        id: AccountId,
        before: Timestamp,
        at: Timestamp,
    ) -> Result<bool, Failure> {
        use token_family::Column as Family;
        let row = id.get().cast_signed();
        let mut transaction = self.db.begin_with_events().await?;
        let families = token_family::Entity::delete_many()
            .filter(Family::AccountId.eq(row))
            .filter(Family::RotatedAt.lt(before.as_millis()));
        families.exec(&*transaction).await?;
        let version = lock(id, &transaction).await?;
        let forgotten = Entity::delete_many()
            .filter(Column::Id.eq(row))
            .filter(unused(before))
            .exec(&*transaction)
            .await?;
        let Some(version) = version.filter(|_| forgotten.rows_affected == 1) else {
            transaction.rollback().await?;
            return Ok(false);
        };
        avatar::forget(&transaction, row).await?;
        let deleted = event(id, version + 1, at, Fact::AccountDeleted);
        transaction.append(&deleted).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Changes an account, which locks its row, and writes the event of it. `false`: the account
    /// does not meet the conditions of the change.
    async fn try_change(
        &self,
        id: AccountId,
        change: UpdateMany<Entity>,
        at: Timestamp,
        fact: Fact,
    ) -> Result<bool, Failure> {
        let mut transaction = self.db.begin_with_events().await?;
        let changed = change
            .col_expr(Column::Version, Expr::col(Column::Version).add(1))
            .filter(Column::Id.eq(id.get().cast_signed()))
            .exec(&*transaction)
            .await
            .map_err(|error| or_taken(error, TAKEN))?;
        let version = match changed.rows_affected {
            0 => None,
            _ => lock(id, &transaction).await?,
        };
        let Some(version) = version else {
            transaction.rollback().await?;
            return Ok(false);
        };
        transaction.append(&event(id, version, at, fact)).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

#[async_trait]
impl AccountRepository for Accounts {
    async fn insert(&self, account: &Account) -> Result<()> {
        insert(&self.db, account, None).await
    }

    async fn find(&self, id: AccountId) -> Result<Option<Account>> {
        let found = Entity::find_by_id(id.get().cast_signed())
            .one(self.db.reader())
            .await
            .map_err(from_db)?;
        found.map(Account::try_from).transpose()
    }

    async fn promote(&self, promotion: &Promotion) -> Result<bool> {
        let Promotion {
            guest,
            username,
            nickname,
            password,
            at,
            effect,
        } = promotion;
        let promoting = Entity::update_many()
            .col_expr(Column::Username, Expr::value(username.as_str()))
            .col_expr(Column::UsernameKey, Expr::value(key_of(username)))
            .col_expr(Column::Nickname, Expr::value(nickname.as_str()))
            .col_expr(Column::PasswordHash, Expr::value(password.as_str()))
            .col_expr(Column::CreatedAt, Expr::value(at.as_millis()))
            .col_expr(Column::Effect, Expr::value(effect.map(u64::cast_signed)))
            .filter(Column::Username.is_null());
        let upgraded = Fact::AccountUpgraded;
        retrying(|| self.try_change(*guest, promoting.clone(), *at, upgraded.clone())).await
    }

    async fn promoted_by(&self, id: AccountId, effect: u64) -> Result<Option<Account>> {
        let found = Entity::find_by_id(id.get().cast_signed())
            .filter(Column::Effect.eq(effect.cast_signed()))
            .one(self.db.reader())
            .await
            .map_err(from_db)?;
        found.map(Account::try_from).transpose()
    }

    async fn rename(&self, id: AccountId, nickname: &Nickname, at: Timestamp) -> Result<bool> {
        let renaming =
            Entity::update_many().col_expr(Column::Nickname, Expr::value(nickname.as_str()));
        let renamed = Fact::AccountRenamed;
        retrying(|| self.try_change(id, renaming.clone(), at, renamed.clone())).await
    }

    async fn set_picture(
        &self,
        id: AccountId,
        key: &str,
        url: &str,
        picture: &Picture,
    ) -> Result<bool> {
        avatar::set(&self.db, id, key, url, picture).await
    }

    async fn delete(&self, id: AccountId, at: Timestamp) -> Result<Option<Vec<FamilyId>>> {
        retrying(|| self.try_delete(id, at)).await
    }

    async fn unused_guests(
        &self,
        before: Timestamp,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<AccountId>> {
        let mut query = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(unused(before))
            .order_by_asc(Column::Id);
        if let Some(after) = after {
            query = query.filter(Column::Id.gt(after.get().cast_signed()));
        }
        let ids: Vec<i64> = query
            .limit(u64::from(limit))
            .into_tuple()
            .all(self.db.reader())
            .await
            .map_err(from_db)?;
        ids.into_iter()
            .map(|id| AccountId::new(id.cast_unsigned()).ok_or_else(|| unreadable("accounts.id")))
            .collect()
    }

    async fn forget_guest(&self, id: AccountId, before: Timestamp, at: Timestamp) -> Result<bool> {
        retrying(|| self.try_forget_guest(id, before, at)).await
    }
}

/// The detail of `ALREADY_EXISTS` for a username.
const TAKEN: &str = "the username is taken";

/// The form of a username that must be unique.
pub(super) fn key_of(username: &str) -> String {
    username.to_lowercase()
}

pub(super) async fn insert(
    db: &Database,
    account: &Account,
    password: Option<&PasswordHash>,
) -> Result<()> {
    retrying(|| try_insert(db, account, password)).await
}

async fn try_insert(
    db: &Database,
    account: &Account,
    password: Option<&PasswordHash>,
) -> Result<(), Failure> {
    let row = ActiveModel {
        id: Set(account.id.get().cast_signed()),
        username: Set(account.username.clone()),
        username_key: Set(account.username.as_deref().map(key_of)),
        nickname: Set(account.nickname.to_string()),
        avatar_url: Set(account.avatar_url.clone()),
        created_at: Set(account.created_at.as_millis()),
        password_hash: Set(password.map(|hash| hash.as_str().to_owned())),
        effect: Set(None),
        version: Set(FIRST_VERSION),
    };
    let mut transaction = db.begin_with_events().await?;
    Entity::insert(row)
        .exec_without_returning(&*transaction)
        .await
        .map_err(|error| or_taken(error, TAKEN))?;
    let made = Fact::AccountMade {
        guest: account.is_guest(),
    };
    let made = event(account.id, FIRST_VERSION, account.created_at, made);
    transaction.append(&made).await?;
    transaction.commit().await?;
    Ok(())
}

/// The version of an account of which one event tells.
const FIRST_VERSION: i64 = 1;

/// Locks an account's row and returns its version. `None`: there is no such account.
async fn lock(id: AccountId, transaction: &EventTransaction) -> Result<Option<i64>, Failure> {
    let version = Entity::find_by_id(id.get().cast_signed())
        .select_only()
        .column(Column::Version)
        .lock_exclusive()
        .into_tuple();
    Ok(version.one(&**transaction).await?)
}

fn event(id: AccountId, version: i64, at: Timestamp, fact: Fact) -> NewEvent {
    NewEvent {
        key: id.get(),
        version: version.cast_unsigned(),
        at,
        fact,
    }
}

/// The condition on a guest that was neither created nor refreshed a token since then.
fn unused(before: Timestamp) -> Condition {
    let before = before.as_millis();
    let refreshed = Query::select()
        .column(token_family::Column::AccountId)
        .from(token_family::Entity)
        .and_where(token_family::Column::RotatedAt.gte(before))
        .to_owned();
    Condition::all()
        .add(Column::Username.is_null())
        .add(Column::CreatedAt.lt(before))
        .add(Column::Id.not_in_subquery(refreshed))
}

impl TryFrom<Model> for Account {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        Ok(Self {
            id: AccountId::new(row.id.cast_unsigned()).ok_or_else(|| unreadable("accounts.id"))?,
            username: row.username,
            nickname: Nickname::from_stored(&row.nickname),
            avatar_url: row.avatar_url,
            created_at: Timestamp::from_millis(row.created_at),
        })
    }
}
