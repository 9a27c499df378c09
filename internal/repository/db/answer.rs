//! Answers to calls under an idempotency key.

use super::connection::Database;
use super::entity::answer::{ActiveModel, Column, Entity};
use crate::error::{from_db, unreadable};
use async_trait::async_trait;
use faceshare_biz::Result;
use faceshare_biz::domain::Timestamp;
use faceshare_biz::domain::idempotency::{AnswerRepository, Reservation, Reserved};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Set};

/// Keeps answers in the main database.
#[derive(Debug, Clone)]
pub struct Answers {
    db: Database,
}

impl Answers {
    /// In this database.
    #[must_use]
    pub const fn new(db: Database) -> Self {
        Self { db }
    }
}

#[async_trait]
impl AnswerRepository for Answers {
    /// The transaction takes the writer's place at its start, so that nobody comes between the look and the insertion.
    async fn reserve(&self, reservation: &Reservation, now: Timestamp, limit: u32) -> Result<Reserved> {
        let (call, account) = (reservation.call.to_vec(), reservation.account.get().cast_signed());
        let transaction = self.db.begin().await?;
        if let Some(taken) = Entity::find_by_id(call.clone()).one(&*transaction).await.map_err(from_db)? {
            if taken.expires_at > now.as_millis() {
                transaction.rollback().await?;
                let request = taken.request.try_into().map_err(|_| unreadable("answers.request"))?;
                return Ok(Reserved::Taken { request, sealed: taken.sealed });
            }
            Entity::delete_by_id(call.clone()).exec(&*transaction).await.map_err(from_db)?;
        }
        let of_account = || Entity::find().filter(Column::AccountId.eq(account));
        let held = of_account().count(&*transaction).await.map_err(from_db)?;
        if let Some(over) = (held + 1).checked_sub(u64::from(limit)).filter(|over| *over > 0) {
            let oldest = of_account().select_only().column(Column::Call).order_by_asc(Column::Attempt).limit(over);
            let oldest: Vec<Vec<u8>> = oldest.into_tuple().all(&*transaction).await.map_err(from_db)?;
            Entity::delete_many().filter(Column::Call.is_in(oldest)).exec(&*transaction).await.map_err(from_db)?;
        }
        let row = ActiveModel {
            call: Set(call),
            account_id: Set(account),
            request: Set(reservation.request.to_vec()),
            attempt: Set(reservation.attempt.cast_signed()),
            sealed: Set(None),
            expires_at: Set(reservation.expires_at.as_millis()),
        };
        Entity::insert(row).exec_without_returning(&*transaction).await.map_err(from_db)?;
        transaction.commit().await?;
        Ok(Reserved::Fresh)
    }

    async fn keep(&self, call: [u8; 32], attempt: u64, sealed: &str, expires_at: Timestamp) -> Result<bool> {
        let keeping = Entity::update_many()
            .col_expr(Column::Sealed, Expr::value(sealed))
            .col_expr(Column::ExpiresAt, Expr::value(expires_at.as_millis()))
            .filter(Column::Call.eq(call.to_vec()))
            .filter(Column::Attempt.eq(attempt.cast_signed()));
        self.db.write(keeping.as_query()).await.map(|kept| kept == 1)
    }

    async fn release(&self, call: [u8; 32], attempt: u64) -> Result<()> {
        let release = Entity::delete_many().filter(Column::Call.eq(call.to_vec())).filter(Column::Attempt.eq(attempt.cast_signed()));
        self.db.write(release.as_query()).await.map(drop)
    }

    async fn purge(&self, now: Timestamp) -> Result<u64> {
        self.db.write(Entity::delete_many().filter(Column::ExpiresAt.lte(now.as_millis())).as_query()).await
    }
}
