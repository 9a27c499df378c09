//! Events that a consumer could not handle.

use super::EventRow;
use crate::db::Database;
use crate::db::entity::dead_letter::{ActiveModel, Column, Entity, Model};
use crate::error::{Failure, from_db};
use async_trait::async_trait;
use faceshare_biz::domain::event::{
    DeadLetter, DeadLetters, FailedAttempt, Progress, RecordedEvent,
};
use faceshare_biz::domain::{Page, PageRequest, Timestamp};
use faceshare_biz::{Error, Result};
use sea_orm::ActiveValue::NotSet;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Set,
};

/// Keeps dead letters in the main database.
#[derive(Debug, Clone)]
pub struct EventDeadLetters {
    db: Database,
}

impl EventDeadLetters {
    /// In this database.
    #[must_use]
    pub const fn new(db: Database) -> Self {
        Self { db }
    }
}

#[async_trait]
impl DeadLetters for EventDeadLetters {
    async fn list(
        &self,
        consumer: Option<&str>,
        page: PageRequest<u64>,
    ) -> Result<Page<DeadLetter, u64>> {
        let mut query = Entity::find().order_by_asc(Column::Id);
        if let Some(consumer) = consumer {
            query = query.filter(Column::Consumer.eq(consumer));
        }
        if let Some(after) = page.after {
            query = query.filter(Column::Id.gt(after.cast_signed()));
        }
        // One row more than asked for says whether there is another page.
        let mut rows = query
            .limit(u64::from(page.size) + 1)
            .all(self.db.reader())
            .await
            .map_err(from_db)?;
        let size = usize::try_from(page.size).unwrap_or(usize::MAX);
        let more = rows.len() > size;
        rows.truncate(size);
        let items = rows
            .into_iter()
            .map(DeadLetter::try_from)
            .collect::<Result<Vec<_>>>()?;
        let next = items.last().filter(|_| more).map(|last| last.id);
        Ok(Page { items, next })
    }

    async fn get(&self, id: u64) -> Result<Option<DeadLetter>> {
        let found = Entity::find_by_id(id.cast_signed())
            .one(self.db.reader())
            .await
            .map_err(from_db)?;
        found.map(DeadLetter::try_from).transpose()
    }

    async fn retry(&self, id: u64) -> Result<bool> {
        let update = Entity::update_many()
            .col_expr(Column::Retry, Expr::value(true))
            .filter(Column::Id.eq(id.cast_signed()));
        self.db
            .write(update.as_query())
            .await
            .map(|updated| updated == 1)
    }

    async fn discard(&self, id: u64) -> Result<bool> {
        let delete = Entity::delete_by_id(id.cast_signed());
        self.db
            .write(delete.as_query())
            .await
            .map(|deleted| deleted == 1)
    }

    async fn purge(&self, before: Timestamp) -> Result<u64> {
        let old = Entity::delete_many().filter(Column::FailedAt.lt(before.as_millis()));
        self.db.write(old.as_query()).await
    }
}

pub(super) async fn insert(
    consumer: &str,
    event: &RecordedEvent,
    attempts: i32,
    failed: &FailedAttempt,
    transaction: &DatabaseTransaction,
) -> Result<(), Failure> {
    let kind = event.fact.kind();
    let row = ActiveModel {
        id: NotSet,
        consumer: Set(consumer.to_owned()),
        event_id: Set(event.id.cast_signed()),
        position: Set(event.position.cast_signed()),
        topic: Set(kind.topic().as_str().to_owned()),
        event_key: Set(event.key.cast_signed()),
        kind: Set(kind.as_str().to_owned()),
        version: Set(event.version.cast_signed()),
        at: Set(event.at.as_millis()),
        body: Set(event.fact.body()),
        attempts: Set(attempts),
        error: Set(shortened(&failed.error)),
        failed_at: Set(failed.at.as_millis()),
        retry: Set(false),
    };
    let insert = Entity::insert(row);
    insert.exec_without_returning(transaction).await?;
    Ok(())
}

/// Counts a failed retry; the letter waits for an operator again. `false`: it is gone, or no retry
/// was asked for since.
pub(super) async fn count_failure(
    id: u64,
    progress: &Progress,
    failed: &FailedAttempt,
    transaction: &DatabaseTransaction,
) -> Result<bool, Failure> {
    let count = Entity::update_many()
        .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1))
        .col_expr(Column::Error, Expr::value(shortened(&failed.error)))
        .col_expr(Column::FailedAt, Expr::value(failed.at.as_millis()))
        .col_expr(Column::Retry, Expr::value(false))
        .filter(Column::Id.eq(id.cast_signed()))
        .filter(Column::Consumer.eq(progress.consumer.as_str()))
        .filter(Column::Retry.eq(true));
    Ok(count.exec(transaction).await?.rows_affected == 1)
}

/// Deletes a letter whose event was handled. `false`: it is gone.
pub(super) async fn take(
    id: u64,
    consumer: &str,
    transaction: &DatabaseTransaction,
) -> Result<bool, Failure> {
    let handled = Entity::delete_by_id(id.cast_signed()).filter(Column::Consumer.eq(consumer));
    Ok(handled.exec(transaction).await?.rows_affected == 1)
}

fn shortened(error: &str) -> String {
    error.chars().take(FailedAttempt::ERROR_MAX).collect()
}

impl TryFrom<Model> for DeadLetter {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let event = EventRow {
            id: row.event_id,
            position: row.position,
            topic: row.topic,
            key: row.event_key,
            kind: row.kind,
            version: row.version,
            at: row.at,
            body: row.body,
        };
        Ok(Self {
            id: row.id.cast_unsigned(),
            consumer: row.consumer,
            event: event.try_into()?,
            attempts: row.attempts.cast_unsigned(),
            error: row.error,
            failed_at: Timestamp::from_millis(row.failed_at),
            retry: row.retry,
        })
    }
}
