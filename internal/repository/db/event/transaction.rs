//! Transactions that write events.

use crate::db::Database;
use crate::db::entity::event::{ActiveModel, Column, Entity};
use crate::error::Failure;
use faceshare_biz::Error;
use faceshare_biz::domain::event::NewEvent;
use sea_orm::ActiveValue::NotSet;
use sea_orm::sea_query::OnConflict;
use sea_orm::{DatabaseTransaction, DbErr, EntityTrait, Set};
use std::ops::Deref;

/// A transaction that can write events beside its other statements. After a commit with events it
/// wakes the sequencer of this process. It is rolled back when it is dropped.
pub(crate) struct EventTransaction {
    transaction: DatabaseTransaction,
    db: Database,
    appended: bool,
}

impl Deref for EventTransaction {
    type Target = DatabaseTransaction;

    fn deref(&self) -> &DatabaseTransaction {
        &self.transaction
    }
}

impl EventTransaction {
    pub(in crate::db) const fn new(transaction: DatabaseTransaction, db: Database) -> Self {
        Self {
            transaction,
            db,
            appended: false,
        }
    }

    /// Writes an event, unless one of its topic, key, kind and version is there. The caller has
    /// locked what the event is about, so that versions of one key are committed in their order.
    pub(crate) async fn append(&mut self, event: &NewEvent) -> Result<(), Failure> {
        let kind = event.fact.kind();
        let row = ActiveModel {
            id: NotSet,
            position: Set(None),
            topic: Set(kind.topic().as_str().to_owned()),
            event_key: Set(i64::try_from(event.key).map_err(Error::internal)?),
            kind: Set(kind.as_str().to_owned()),
            version: Set(i64::try_from(event.version).map_err(Error::internal)?),
            at: Set(event.at.as_millis()),
            body: Set(event.fact.body()),
        };
        let change = [
            Column::Topic,
            Column::EventKey,
            Column::Version,
            Column::Kind,
        ];
        // Writing the same value again is "do nothing" in the dialect of every database.
        let unless_there = OnConflict::columns(change)
            .update_column(Column::Topic)
            .to_owned();
        let insert = Entity::insert(row).on_conflict(unless_there);
        insert.exec_without_returning(&self.transaction).await?;
        self.appended = true;
        Ok(())
    }

    pub(crate) async fn commit(self) -> Result<(), DbErr> {
        self.transaction.commit().await?;
        if self.appended {
            self.db.event_signals().appended.notify_one();
        }
        Ok(())
    }

    pub(crate) async fn rollback(self) -> Result<(), DbErr> {
        self.transaction.rollback().await
    }
}
