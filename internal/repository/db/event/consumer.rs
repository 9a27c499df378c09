//! How far consumers have come.

use super::dead_letter;
use super::lease::is_held;
use crate::db::Database;
use crate::db::entity::dead_letter as letter;
use crate::db::entity::event_consumer::{ActiveModel, Column, Entity};
use crate::db::retry::retrying;
use crate::error::{Failure, from_db};
use async_trait::async_trait;
use faceshare_biz::domain::Timestamp;
use faceshare_biz::domain::event::{
    Advance, ConsumerPositions, ConsumerState, DeadLetter, Delivery, FailedAttempt, Progress,
    RecordedEvent,
};
use faceshare_biz::{Error, Result};
use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict};
use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set,
};

/// Keeps how far consumers have come, in the main database.
#[derive(Debug, Clone)]
pub struct EventConsumers {
    db: Database,
}

impl EventConsumers {
    /// In this database.
    #[must_use]
    pub const fn new(db: Database) -> Self {
        Self { db }
    }

    async fn try_advance(&self, progress: &Progress) -> Result<Advance, Failure> {
        let transaction = self.db.begin().await?;
        let advance = advance(progress, &transaction).await?;
        end(transaction, advance).await
    }

    async fn try_fail(
        &self,
        progress: &Progress,
        failed: &FailedAttempt,
    ) -> Result<Advance, Failure> {
        let transaction = self.db.begin().await?;
        if !is_held(&progress.lease, &transaction).await? {
            return end(transaction, Advance::Fenced).await;
        }
        let counted = match progress.delivery {
            Delivery::Position(position) => {
                let count = Entity::update_many()
                    .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1))
                    .col_expr(Column::RetryAt, Expr::value(failed.retry_at.as_millis()))
                    .filter(Column::Name.eq(progress.consumer.as_str()))
                    .filter(Column::Position.lt(position.cast_signed()));
                count.exec(&transaction).await?.rows_affected == 1
            }
            Delivery::DeadLetter(id) => {
                dead_letter::count_failure(id, progress, failed, &transaction).await?
            }
        };
        end(transaction, stored(counted)).await
    }

    async fn try_give_up(
        &self,
        progress: &Progress,
        event: &RecordedEvent,
        failed: &FailedAttempt,
    ) -> Result<Advance, Failure> {
        let transaction = self.db.begin().await?;
        let attempts: Option<i32> = Entity::find_by_id(progress.consumer.clone())
            .select_only()
            .column(Column::Attempts)
            .into_tuple()
            .one(&transaction)
            .await?;
        let advance = advance(progress, &transaction).await?;
        if advance == Advance::Stored {
            let attempts = attempts.unwrap_or_default() + 1;
            dead_letter::insert(&progress.consumer, event, attempts, failed, &transaction).await?;
        }
        end(transaction, advance).await
    }
}

#[async_trait]
impl ConsumerPositions for EventConsumers {
    async fn load(&self, consumer: &str) -> Result<ConsumerState> {
        let found = Entity::find_by_id(consumer.to_owned())
            .one(self.db.reader())
            .await
            .map_err(from_db)?;
        if let Some(row) = found {
            return Ok(ConsumerState {
                position: row.position.cast_unsigned(),
                attempts: row.attempts.cast_unsigned(),
                retry_at: row.retry_at.map(Timestamp::from_millis),
            });
        }
        retrying(|| register(&self.db, consumer)).await?;
        Ok(ConsumerState::default())
    }

    async fn advance(&self, progress: &Progress) -> Result<Advance> {
        retrying(|| self.try_advance(progress)).await
    }

    async fn fail(&self, progress: &Progress, failed: &FailedAttempt) -> Result<Advance> {
        retrying(|| self.try_fail(progress, failed)).await
    }

    async fn give_up(
        &self,
        progress: &Progress,
        event: &RecordedEvent,
        failed: &FailedAttempt,
    ) -> Result<Advance> {
        retrying(|| self.try_give_up(progress, event, failed)).await
    }

    async fn to_retry(&self, consumer: &str, limit: u32) -> Result<Vec<DeadLetter>> {
        let rows = letter::Entity::find()
            .filter(letter::Column::Consumer.eq(consumer))
            .filter(letter::Column::Retry.eq(true))
            .order_by_asc(letter::Column::Id)
            .limit(u64::from(limit))
            .all(self.db.reader())
            .await
            .map_err(from_db)?;
        rows.into_iter().map(DeadLetter::try_from).collect()
    }
}

/// Stores a consumer's progress in the transaction of an effect. The caller rolls back unless the
/// result is [`Advance::Stored`].
pub(crate) async fn advance(
    progress: &Progress,
    transaction: &DatabaseTransaction,
) -> Result<Advance, Failure> {
    if !is_held(&progress.lease, transaction).await? {
        return Ok(Advance::Fenced);
    }
    let moved = match progress.delivery {
        Delivery::Position(position) => {
            let position = i64::try_from(position).map_err(Error::internal)?;
            let to = Entity::update_many()
                .col_expr(Column::Position, Expr::value(position))
                .col_expr(Column::Attempts, Expr::value(0))
                .col_expr(Column::RetryAt, Expr::value(None::<i64>))
                .filter(Column::Name.eq(progress.consumer.as_str()))
                .filter(Column::Position.lt(position));
            to.exec(transaction).await?.rows_affected == 1
        }
        Delivery::DeadLetter(id) => dead_letter::take(id, &progress.consumer, transaction).await?,
    };
    Ok(stored(moved))
}

const fn stored(changed: bool) -> Advance {
    if changed {
        Advance::Stored
    } else {
        Advance::Repeated
    }
}

async fn end(transaction: DatabaseTransaction, advance: Advance) -> Result<Advance, Failure> {
    match advance {
        Advance::Stored => transaction.commit().await?,
        Advance::Repeated | Advance::Fenced => transaction.rollback().await?,
    }
    Ok(advance)
}

async fn register(db: &Database, consumer: &str) -> Result<(), Failure> {
    let row = ActiveModel {
        name: Set(consumer.to_owned()),
        position: Set(0),
        attempts: Set(0),
        retry_at: Set(None),
    };
    // Writing the same value again is "do nothing" in the dialect of every database.
    let unless_there = OnConflict::column(Column::Name)
        .update_column(Column::Name)
        .to_owned();
    let insert = Entity::insert(row).on_conflict(unless_there);
    insert.exec_without_returning(db.writer()).await?;
    Ok(())
}
