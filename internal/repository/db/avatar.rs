//! Pictures of people.

use super::connection::Database;
use super::entity::account::{Column as AccountColumn, Entity as AccountEntity};
use super::entity::avatar::{ActiveModel, Column, Entity};
use super::retry::retrying;
use crate::error::{Failure, from_db};
use async_trait::async_trait;
use faceshare_biz::Result;
use faceshare_biz::domain::AccountId;
use faceshare_biz::domain::account::{Picture, PictureRepository};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, Set};

/// Finds pictures in the main database.
#[derive(Debug, Clone)]
pub struct Avatars {
    db: Database,
}

impl Avatars {
    /// In this database.
    #[must_use]
    pub const fn new(db: Database) -> Self {
        Self { db }
    }
}

#[async_trait]
impl PictureRepository for Avatars {
    async fn find(&self, key: &str) -> Result<Option<Picture>> {
        let row = Entity::find_by_id(key.to_owned())
            .one(self.db.reader())
            .await
            .map_err(from_db)?;
        Ok(row.map(|row| Picture {
            media_type: row.media_type,
            bytes: row.bytes.into(),
        }))
    }
}

/// See
/// [`AccountRepository::set_picture`](faceshare_biz::domain::account::AccountRepository::set_picture).
pub(super) async fn set(
    db: &Database,
    account: AccountId,
    key: &str,
    url: &str,
    picture: &Picture,
) -> Result<bool> {
    retrying(|| try_set(db, account, key, url, picture)).await
}

/// Updates the account first, which locks its row against another picture at the same time.
async fn try_set(
    db: &Database,
    account: AccountId,
    key: &str,
    url: &str,
    picture: &Picture,
) -> Result<bool, Failure> {
    let id = account.get().cast_signed();
    let transaction = db.begin().await?;
    let account = AccountEntity::update_many()
        .col_expr(AccountColumn::AvatarUrl, Expr::value(url))
        .filter(AccountColumn::Id.eq(id));
    if account.exec(&transaction).await?.rows_affected == 0 {
        transaction.rollback().await?;
        return Ok(false);
    }
    forget(&transaction, id).await?;
    let row = ActiveModel {
        key: Set(key.to_owned()),
        account_id: Set(id),
        media_type: Set(picture.media_type.clone()),
        bytes: Set(picture.bytes.to_vec()),
    };
    Entity::insert(row)
        .exec_without_returning(&transaction)
        .await?;
    transaction.commit().await?;
    Ok(true)
}

/// Deletes the pictures of an account.
pub(super) async fn forget(transaction: &DatabaseTransaction, account: i64) -> Result<(), DbErr> {
    let theirs = Entity::delete_many().filter(Column::AccountId.eq(account));
    theirs.exec(transaction).await.map(drop)
}
