//! Accounts and guests.

use super::connection::Database;
use super::entity::account::{ActiveModel, Entity, Model};
use crate::error::{from_db, from_insert, unreadable};
use async_trait::async_trait;
use faceshare_biz::domain::account::{Account, AccountRepository};
use faceshare_biz::domain::{AccountId, Nickname, Timestamp};
use faceshare_biz::{Error, Result};
use sea_orm::{EntityTrait, Set};

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
}

#[async_trait]
impl AccountRepository for Accounts {
    async fn insert(&self, account: &Account) -> Result<()> {
        let row = ActiveModel {
            id: Set(account.id.get().cast_signed()),
            username: Set(account.username.clone()),
            username_key: Set(account.username.as_ref().map(|name| name.to_lowercase())),
            nickname: Set(account.nickname.to_string()),
            avatar_url: Set(account.avatar_url.clone()),
            created_at: Set(account.created_at.as_millis()),
        };
        let inserted = Entity::insert(row).exec_without_returning(self.db.writer()).await;
        inserted.map(drop).map_err(|error| from_insert(error, "the username is taken"))
    }

    async fn find(&self, id: AccountId) -> Result<Option<Account>> {
        let row = Entity::find_by_id(id.get().cast_signed()).one(self.db.reader()).await.map_err(from_db)?;
        row.map(Account::try_from).transpose()
    }
}

impl TryFrom<Model> for Account {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        Ok(Self {
            id: AccountId::new(row.id.cast_unsigned()).ok_or_else(|| unreadable("accounts.id"))?,
            username: row.username,
            nickname: Nickname::new(&row.nickname, usize::MAX).map_err(|_| unreadable("accounts.nickname"))?,
            avatar_url: row.avatar_url,
            created_at: Timestamp::from_millis(row.created_at),
        })
    }
}
