//! Numbering, reading and deleting events.

use super::EventRow;
use super::lease::is_held;
use crate::db::Database;
use crate::db::entity::event::{Column, Entity, Model};
use crate::db::entity::{dead_letter, event_consumer, event_mark, event_tip};
use crate::db::retry::retrying;
use crate::error::{Failure, from_db};
use async_trait::async_trait;
use faceshare_biz::Result;
use faceshare_biz::constants::SEQUENCED_MAX;
use faceshare_biz::domain::Timestamp;
use faceshare_biz::domain::event::{
    ConsumerFigures, EventLog, Lease, LogFigures, RecordedEvent, Sequencing, Topic,
};
use metrics::{counter, describe_counter};
use sea_orm::sea_query::{CaseStatement, OnConflict};
use sea_orm::{
    ColumnTrait, DatabaseTransaction, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, Set,
};
use std::collections::HashMap;
use std::time::Duration;

/// The id of the only row of `event_tip`.
const TIP: i64 = 1;
/// The most positions that one statement deletes, so that no statement runs for long.
const DELETED_AT_ONCE: i64 = 5_000;

/// The event log in the main database.
#[derive(Debug, Clone)]
pub struct Events {
    db: Database,
}

/// A committed event that has no position: its id, topic, key and version.
type Unsequenced = (i64, String, i64, i64);

impl Events {
    /// In this database.
    #[must_use]
    pub fn new(db: Database) -> Self {
        describe_counter!(
            "events_sequenced_total",
            "Events that got their position in this process, by topic."
        );
        for topic in Topic::ALL {
            counter!("events_sequenced_total", "topic" => topic.as_str()).increment(0);
        }
        Self { db }
    }

    async fn has_unsequenced(&self) -> Result<bool> {
        let one = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::Position.is_null())
            .into_tuple::<i64>()
            .one(self.db.reader())
            .await
            .map_err(from_db)?;
        Ok(one.is_some())
    }

    /// The row of the lease is locked first: only one transaction at a time gives positions.
    async fn try_sequence(
        &self,
        lease: &Lease,
        limit: u32,
    ) -> Result<Option<Vec<Unsequenced>>, Failure> {
        let transaction = self.db.begin().await?;
        if !is_held(lease, &transaction).await? {
            transaction.rollback().await?;
            return Ok(None);
        }
        let mut events: Vec<Unsequenced> = Entity::find()
            .select_only()
            .columns([Column::Id, Column::Topic, Column::EventKey, Column::Version])
            .filter(Column::Position.is_null())
            .order_by_asc(Column::Id)
            .limit(u64::from(limit.min(SEQUENCED_MAX)))
            .into_tuple()
            .all(&transaction)
            .await?;
        if events.is_empty() {
            transaction.rollback().await?;
            return Ok(Some(events));
        }
        sort_within_keys(&mut events);
        let first = tip(&transaction).await? + 1;
        let (ids, numbered) = (
            events.iter().map(|event| event.0),
            events.iter().zip(first..),
        );
        let position = numbered.fold(CaseStatement::new(), |case, ((id, ..), position)| {
            case.case(Column::Id.eq(*id), position)
        });
        Entity::update_many()
            .col_expr(Column::Position, position.into())
            .filter(Column::Id.is_in(ids))
            .exec(&transaction)
            .await?;
        let given = i64::try_from(events.len()).unwrap_or(i64::MAX);
        set_tip(first + given - 1, &transaction).await?;
        transaction.commit().await?;
        Ok(Some(events))
    }

    /// The position that every consumer has passed; without consumers the newest one.
    async fn passed_by_all(&self) -> Result<i64> {
        let least: Option<Option<i64>> = event_consumer::Entity::find()
            .select_only()
            .column_as(event_consumer::Column::Position.min(), "least")
            .into_tuple()
            .one(self.db.reader())
            .await
            .map_err(from_db)?;
        match least.flatten() {
            Some(least) => Ok(least),
            None => tip(self.db.reader()).await.map_err(from_db),
        }
    }

    /// The position that all consumers had passed `before`, as a mark says. Deletes older marks.
    async fn passed_before(&self, before: Timestamp) -> Result<Option<i64>> {
        let mark = event_mark::Entity::find()
            .filter(event_mark::Column::At.lte(before.as_millis()))
            .order_by_desc(event_mark::Column::At)
            .one(self.db.reader())
            .await
            .map_err(from_db)?;
        let Some(mark) = mark else { return Ok(None) };
        let older = event_mark::Entity::delete_many().filter(event_mark::Column::At.lt(mark.at));
        self.db.write(older.as_query()).await?;
        Ok(Some(mark.position))
    }

    async fn mark(&self, now: Timestamp, position: i64) -> Result<()> {
        let row = event_mark::ActiveModel {
            at: Set(now.as_millis()),
            position: Set(position),
        };
        let unless_there = OnConflict::column(event_mark::Column::At)
            .update_column(event_mark::Column::Position)
            .to_owned();
        let insert = event_mark::Entity::insert(row).on_conflict(unless_there);
        self.db.write(insert.as_query()).await.map(drop)
    }

    async fn oldest(&self) -> Result<Option<i64>> {
        let oldest: Option<Option<i64>> = Entity::find()
            .select_only()
            .column_as(Column::Position.min(), "oldest")
            .into_tuple()
            .one(self.db.reader())
            .await
            .map_err(from_db)?;
        Ok(oldest.flatten())
    }

    async fn figures_of(
        &self,
        consumer: event_consumer::Model,
        tip: i64,
        oldest: Option<i64>,
        dead_letters: u64,
    ) -> Result<ConsumerFigures> {
        let next: Option<i64> = Entity::find()
            .select_only()
            .column(Column::At)
            .filter(Column::Position.gt(consumer.position))
            .order_by_asc(Column::Position)
            .into_tuple()
            .one(self.db.reader())
            .await
            .map_err(from_db)?;
        let kept_from = oldest.unwrap_or(tip + 1);
        let behind = tip - consumer.position.max(kept_from - 1);
        Ok(ConsumerFigures {
            consumer: consumer.name,
            behind: u64::try_from(behind).unwrap_or(0),
            behind_since: next.map(Timestamp::from_millis),
            dead_letters,
        })
    }
}

#[async_trait]
impl EventLog for Events {
    async fn sequence(&self, lease: &Lease, limit: u32) -> Result<Sequencing> {
        // An idle sequencer takes no write lock.
        if !self.has_unsequenced().await? {
            return Ok(Sequencing::Numbered(0));
        }
        let Some(events) = retrying(|| self.try_sequence(lease, limit)).await? else {
            return Ok(Sequencing::Fenced);
        };
        for topic in Topic::ALL {
            let of_topic = events.iter().filter(|(_, name, ..)| name == topic.as_str());
            counter!("events_sequenced_total", "topic" => topic.as_str())
                .increment(of_topic.count() as u64);
        }
        self.db.event_signals().sequenced.notify_waiters();
        Ok(Sequencing::Numbered(
            u32::try_from(events.len()).unwrap_or(u32::MAX),
        ))
    }

    async fn read(&self, after: u64, limit: u32) -> Result<Vec<RecordedEvent>> {
        let rows = Entity::find()
            .filter(Column::Position.gt(after.cast_signed()))
            .order_by_asc(Column::Position)
            .limit(u64::from(limit))
            .all(self.db.reader())
            .await
            .map_err(from_db)?;
        rows.into_iter().map(RecordedEvent::try_from).collect()
    }

    async fn appended(&self) {
        self.db.event_signals().appended.notified().await;
    }

    async fn sequenced(&self) {
        self.db.event_signals().sequenced.notified().await;
    }

    async fn figures(&self) -> Result<LogFigures> {
        let reader = self.db.reader();
        let unsequenced = Entity::find()
            .filter(Column::Position.is_null())
            .count(reader)
            .await
            .map_err(from_db)?;
        let since: Option<Option<i64>> = Entity::find()
            .select_only()
            .column_as(Column::At.min(), "since")
            .filter(Column::Position.is_null())
            .into_tuple()
            .one(reader)
            .await
            .map_err(from_db)?;
        let letters: Vec<(String, i64)> = dead_letter::Entity::find()
            .select_only()
            .column(dead_letter::Column::Consumer)
            .column_as(dead_letter::Column::Id.count(), "letters")
            .group_by(dead_letter::Column::Consumer)
            .into_tuple()
            .all(reader)
            .await
            .map_err(from_db)?;
        let letters: HashMap<_, _> = letters.into_iter().collect();
        let consumers = event_consumer::Entity::find()
            .order_by_asc(event_consumer::Column::Name)
            .all(reader)
            .await
            .map_err(from_db)?;
        let (oldest, tip) = (self.oldest().await?, tip(reader).await.map_err(from_db)?);
        let mut figures = LogFigures {
            unsequenced,
            unsequenced_since: since.flatten().map(Timestamp::from_millis),
            consumers: Vec::new(),
        };
        for consumer in consumers {
            let letters = letters.get(&consumer.name).copied().unwrap_or_default();
            let of = self.figures_of(consumer, tip, oldest, letters.cast_unsigned());
            figures.consumers.push(of.await?);
        }
        Ok(figures)
    }

    async fn purge(&self, now: Timestamp, kept: Duration) -> Result<u64> {
        self.mark(now, self.passed_by_all().await?).await?;
        let Some(last) = self.passed_before(now - kept).await? else {
            return Ok(0);
        };
        let mut deleted = 0;
        while let Some(oldest) = self.oldest().await?.filter(|oldest| *oldest <= last) {
            let up_to = last.min(oldest.saturating_add(DELETED_AT_ONCE));
            let passed = Entity::delete_many().filter(Column::Position.lte(up_to));
            deleted += self.db.write(passed.as_query()).await?;
        }
        Ok(deleted)
    }
}

/// Puts the events of each topic and key in the order of their versions, in the places that these
/// events have.
fn sort_within_keys(events: &mut [Unsequenced]) {
    let mut places: HashMap<(String, i64), Vec<usize>> = HashMap::new();
    for (place, (_, topic, key, _)) in events.iter().enumerate() {
        places.entry((topic.clone(), *key)).or_default().push(place);
    }
    for places in places.into_values() {
        let mut of_key: Vec<_> = places.iter().map(|place| events[*place].clone()).collect();
        of_key.sort_by_key(|(id, _, _, version)| (*version, *id));
        for (place, event) in places.into_iter().zip(of_key) {
            events[place] = event;
        }
    }
}

/// The position given last; 0: none yet.
async fn tip(connection: &impl sea_orm::ConnectionTrait) -> Result<i64, DbErr> {
    let tip = event_tip::Entity::find_by_id(TIP).one(connection).await?;
    Ok(tip.map_or(0, |tip| tip.position))
}

async fn set_tip(position: i64, transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    let row = event_tip::ActiveModel {
        id: Set(TIP),
        position: Set(position),
    };
    let replaced = OnConflict::column(event_tip::Column::Id)
        .update_column(event_tip::Column::Position)
        .to_owned();
    let insert = event_tip::Entity::insert(row).on_conflict(replaced);
    insert.exec_without_returning(transaction).await.map(drop)
}

impl TryFrom<Model> for RecordedEvent {
    type Error = faceshare_biz::Error;

    fn try_from(row: Model) -> Result<Self> {
        EventRow {
            id: row.id,
            position: row.position.unwrap_or_default(),
            topic: row.topic,
            key: row.event_key,
            kind: row.kind,
            version: row.version,
            at: row.at,
            body: row.body,
        }
        .try_into()
    }
}
