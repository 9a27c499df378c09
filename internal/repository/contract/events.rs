//! The event log as its contract suite uses it, and with an effect of the tests' own.

use crate::db::{Database, DatabaseLeases, EventConsumers, EventDeadLetters, Events, advance};
use crate::error::{Failure, from_db};
use async_trait::async_trait;
use faceshare_biz::Result;
use faceshare_biz::domain::event::{
    Advance, ConsumerPositions, DeadLetters, EventLog, Leases, NewEvent, Progress, RecordedEvent,
};
use faceshare_contract::event::EventStore;
use sea_orm::{ConnectionTrait as _, Statement};

/// The stores over one database.
pub(crate) struct Store {
    pub(super) db: Database,
    pub(super) log: Events,
    pub(super) leases: DatabaseLeases,
    pub(super) positions: EventConsumers,
    letters: EventDeadLetters,
}

impl Store {
    pub(crate) fn new(db: Database) -> Self {
        Self {
            log: Events::new(db.clone()),
            leases: DatabaseLeases::new(db.clone()),
            positions: EventConsumers::new(db.clone()),
            letters: EventDeadLetters::new(db.clone()),
            db,
        }
    }

    /// Makes the table of effects, outside of any transaction: MySQL would commit it.
    async fn make_effects(&self) {
        self.db
            .writer()
            .execute_unprepared(
                "CREATE TABLE IF NOT EXISTS test_effects (event_id BIGINT, number BIGINT)",
            )
            .await
            .expect("created");
    }

    async fn try_apply(
        &self,
        event: &RecordedEvent,
        progress: &Progress,
    ) -> Result<Advance, Failure> {
        let transaction = self.db.begin().await?;
        let advance = advance(progress, &transaction).await?;
        if advance == Advance::Stored {
            let effect = format!(
                "INSERT INTO test_effects (event_id, number) SELECT {}, COUNT(*) FROM test_effects",
                event.id
            );
            transaction.execute_unprepared(&effect).await?;
            transaction.commit().await?;
        } else {
            transaction.rollback().await?;
        }
        Ok(advance)
    }
}

#[async_trait]
impl EventStore for Store {
    fn log(&self) -> &dyn EventLog {
        &self.log
    }

    fn leases(&self) -> &dyn Leases {
        &self.leases
    }

    fn positions(&self) -> &dyn ConsumerPositions {
        &self.positions
    }

    fn letters(&self) -> &dyn DeadLetters {
        &self.letters
    }

    async fn append(&self, events: &[NewEvent]) {
        let mut transaction = self.db.begin_with_events().await.expect("begun");
        for event in events {
            transaction.append(event).await.expect("appended");
        }
        transaction.commit().await.expect("committed");
    }

    async fn apply(&self, event: &RecordedEvent, progress: &Progress) -> Result<Advance> {
        self.make_effects().await;
        crate::db::retrying(|| self.try_apply(event, progress)).await
    }

    async fn effects(&self) -> Vec<u64> {
        self.make_effects().await;
        let backend = self.db.reader().get_database_backend();
        let all = "SELECT event_id FROM test_effects ORDER BY number";
        let rows = self
            .db
            .reader()
            .query_all_raw(Statement::from_string(backend, all))
            .await
            .map_err(from_db)
            .expect("read");
        rows.iter()
            .map(|row| row.try_get::<i64>("", "event_id").expect("a number"))
            .map(i64::cast_unsigned)
            .collect()
    }
}
