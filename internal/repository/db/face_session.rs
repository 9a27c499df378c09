//! The directory of sessions.

use super::connection::Database;
use super::entity::account;
use super::entity::face_session::{ActiveModel, Column, Entity, Model};
use super::entity::session_host;
use super::event::EventTransaction;
use super::retry::retrying;
use crate::error::{Failure, from_db, or_taken, unreadable, violates_unique};
use async_trait::async_trait;
use faceshare_biz::domain::event::{Fact, NewEvent};
use faceshare_biz::domain::facesession::{
    Admission, EndReason, Ended, FaceSession, FaceSessionRepository, HostLeft, SessionRecord,
};
use faceshare_biz::domain::{MemberId, Page, PageRequest, SessionId, Timestamp, Title};
use faceshare_biz::{Error, ErrorCode, Result};
use sea_orm::ActiveValue::NotSet;
use sea_orm::sea_query::{OnConflict, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, Set,
};

/// Keeps the directory of sessions in the main database.
#[derive(Debug, Clone)]
pub struct FaceSessions {
    db: Database,
}

impl FaceSessions {
    /// In this database.
    #[must_use]
    pub const fn new(db: Database) -> Self {
        Self { db }
    }

    /// Locks the host's account, so that each of several sessions of one host at once is counted.
    async fn try_insert(&self, session: &FaceSession, limit: u32) -> Result<(), Failure> {
        let host = session.host.get().cast_signed();
        let transaction = self.db.begin().await?;
        account::Entity::find_by_id(host)
            .select_only()
            .column(account::Column::Id)
            .lock_exclusive()
            .into_tuple::<i64>()
            .one(&transaction)
            .await?;
        let live = Entity::find()
            .filter(Column::HostId.eq(host))
            .filter(Column::EndedAt.is_null())
            .count(&transaction)
            .await?;
        if live >= u64::from(limit) {
            transaction.rollback().await?;
            return Err(Error::new(
                ErrorCode::LimitExceeded,
                format!("this host has {limit} live sessions, which is the limit; end one first"),
            )
            .into());
        }
        let inserted = Entity::insert(row(session, 0))
            .exec_without_returning(&transaction)
            .await;
        inserted.map_err(|error| or_taken(error, "there is such a session already"))?;
        note_host(session, &transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Leaves a row that was written after a later entry as it is.
    async fn try_save(&self, record: &SessionRecord) -> Result<(), Failure> {
        let session = &record.session;
        let log_index = i64::try_from(record.log_index).map_err(Error::internal)?;
        let mut transaction = self.db.begin_with_events().await?;
        let before = lock(session.id, &transaction).await?;
        match before {
            Some((written_after, _)) if written_after > log_index => {}
            Some(_) => update(session, log_index, &*transaction).await?,
            None => {
                let inserted = Entity::insert(row(session, log_index))
                    .exec_without_returning(&*transaction)
                    .await;
                inserted.map_err(listed_meanwhile)?;
            }
        }
        note_host(session, &*transaction).await?;
        for event in events(before, record) {
            transaction.append(&event).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    async fn try_remove(&self, id: SessionId) -> Result<(), Failure> {
        let id = id.get().cast_signed();
        let transaction = self.db.begin().await?;
        Entity::delete_by_id(id).exec(&transaction).await?;
        session_host::Entity::delete_many()
            .filter(session_host::Column::SessionId.eq(id))
            .exec(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }
}

#[async_trait]
impl FaceSessionRepository for FaceSessions {
    async fn insert(&self, session: &FaceSession, limit: u32) -> Result<()> {
        retrying(|| self.try_insert(session, limit)).await
    }

    async fn save(&self, record: &SessionRecord) -> Result<()> {
        retrying(|| self.try_save(record)).await
    }

    async fn remove(&self, id: SessionId) -> Result<()> {
        retrying(|| self.try_remove(id)).await
    }

    async fn find(&self, id: SessionId) -> Result<Option<FaceSession>> {
        let row = Entity::find_by_id(id.get().cast_signed())
            .one(self.db.reader())
            .await
            .map_err(from_db)?;
        row.map(FaceSession::try_from).transpose()
    }

    async fn log_index(&self, id: SessionId) -> Result<Option<u64>> {
        let index: Option<i64> = Entity::find_by_id(id.get().cast_signed())
            .select_only()
            .column(Column::LogIndex)
            .into_tuple()
            .one(self.db.reader())
            .await
            .map_err(from_db)?;
        Ok(index.map(i64::unsigned_abs))
    }

    async fn list_by_host(
        &self,
        host: MemberId,
        page: PageRequest<SessionId>,
    ) -> Result<Page<FaceSession, SessionId>> {
        let hosted = Query::select()
            .column(session_host::Column::SessionId)
            .from(session_host::Entity)
            .and_where(session_host::Column::HostId.eq(host.get().cast_signed()))
            .to_owned();
        let mut query = Entity::find()
            .filter(Column::Id.in_subquery(hosted))
            .order_by_desc(Column::Id);
        if let Some(after) = page.after {
            query = query.filter(Column::Id.lt(after.get().cast_signed()));
        }
        // One row more than asked for says whether there is another page.
        let rows = query
            .limit(u64::from(page.size) + 1)
            .all(self.db.reader())
            .await
            .map_err(from_db)?;
        let size = usize::try_from(page.size).unwrap_or(usize::MAX);
        let more = rows.len() > size;
        let items = rows
            .into_iter()
            .take(size)
            .map(FaceSession::try_from)
            .collect::<Result<Vec<_>>>()?;
        let next = if more {
            items.last().map(|last| last.id)
        } else {
            None
        };
        Ok(Page { items, next })
    }

    async fn count_live(&self) -> Result<u64> {
        Entity::find()
            .filter(Column::EndedAt.is_null())
            .count(self.db.reader())
            .await
            .map_err(from_db)
    }

    async fn live(&self) -> Result<Vec<SessionId>> {
        let ids: Vec<i64> = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::EndedAt.is_null())
            .order_by_asc(Column::Id)
            .into_tuple()
            .all(self.db.reader())
            .await
            .map_err(from_db)?;
        ids.into_iter().map(session_id).collect()
    }

    async fn ended_before(&self, before: Timestamp, limit: u32) -> Result<Vec<SessionId>> {
        let ids: Vec<i64> = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::EndedAt.lt(before.as_millis()))
            .order_by_asc(Column::Id)
            .limit(u64::from(limit))
            .into_tuple()
            .all(self.db.reader())
            .await
            .map_err(from_db)?;
        ids.into_iter().map(session_id).collect()
    }
}

/// What a session's row says before a change: the log entry that it was written after, and the end.
type WrittenRow = (i64, Option<i64>);

/// Locks a session's row. `None`: it is not listed.
async fn lock(id: SessionId, transaction: &EventTransaction) -> Result<Option<WrittenRow>, DbErr> {
    let row = Entity::find_by_id(id.get().cast_signed())
        .select_only()
        .columns([Column::LogIndex, Column::EndedAt])
        .lock_exclusive()
        .into_tuple();
    row.one(&**transaction).await
}

async fn update(
    session: &FaceSession,
    log_index: i64,
    connection: &impl ConnectionTrait,
) -> Result<(), DbErr> {
    let all_but_id = ActiveModel {
        id: NotSet,
        ..row(session, log_index)
    };
    let update = Entity::update_many().set(all_but_id);
    let update = update.filter(Column::Id.eq(session.id.get().cast_signed()));
    update.exec(connection).await.map(drop)
}

/// The events of this change of a session's row: the first state of an entry, and the end. The row
/// says what was told before, so a state that is written twice is told once.
fn events(before: Option<WrittenRow>, record: &SessionRecord) -> Vec<NewEvent> {
    /// The index of the first entry of a log.
    const FIRST_ENTRY: u64 = 1;
    let session = &record.session;
    let (told, told_end) = before.unwrap_or((0, None));
    if told.unsigned_abs() > record.log_index {
        return Vec::new();
    }
    let event = |version, at, fact| NewEvent {
        key: session.id.get(),
        version,
        at,
        fact,
    };
    let mut events = Vec::new();
    if told == 0 && record.log_index > 0 {
        let host = session.host;
        let made = Fact::SessionMade { host };
        events.push(event(FIRST_ENTRY, session.created_at, made));
    }
    if let (Some(end), None) = (session.ended, told_end) {
        let ended = Fact::SessionEnded {
            reason: end.reason,
            members: record.attendees.clone(),
        };
        events.push(event(record.log_index, end.at, ended));
    }
    events
}

/// Another process listed the same session between the read and the insertion: a repetition finds
/// its row.
fn listed_meanwhile(error: DbErr) -> Failure {
    if violates_unique(&error).is_some() {
        Failure::Conflict(Error::unavailable(error))
    } else {
        Failure::Driver(error)
    }
}

/// Records that the session's host hosts it: the session stays in that host's list when another
/// member becomes host.
async fn note_host(session: &FaceSession, connection: &impl ConnectionTrait) -> Result<(), DbErr> {
    let key = [
        session_host::Column::HostId,
        session_host::Column::SessionId,
    ];
    let row = session_host::ActiveModel {
        host_id: Set(session.host.get().cast_signed()),
        session_id: Set(session.id.get().cast_signed()),
    };
    session_host::Entity::insert(row)
        // Writing the same value again is "do nothing" in the dialect of every database.
        .on_conflict(
            OnConflict::columns(key)
                .update_column(session_host::Column::HostId)
                .to_owned(),
        )
        .exec_without_returning(connection)
        .await
        .map(drop)
}

fn row(session: &FaceSession, log_index: i64) -> ActiveModel {
    ActiveModel {
        id: Set(session.id.get().cast_signed()),
        title: Set(session.title.to_string()),
        host_id: Set(session.host.get().cast_signed()),
        admission: Set(admission_name(session.admission).to_owned()),
        admission_forced: Set(session.admission_forced),
        locked: Set(session.locked),
        host_left: Set(host_left_name(session.host_left).to_owned()),
        max_members: Set(i64::from(session.max_members)),
        member_count: Set(i64::from(session.member_count)),
        created_at: Set(session.created_at.as_millis()),
        ended_at: Set(session.ended.map(|ended| ended.at.as_millis())),
        end_reason: Set(session.ended.map(|ended| ended.reason.as_str().to_owned())),
        log_index: Set(log_index),
    }
}

impl TryFrom<Model> for FaceSession {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let ended = match (row.ended_at, row.end_reason.as_deref()) {
            (None, _) => None,
            (Some(at), Some(reason)) => Some(Ended {
                at: Timestamp::from_millis(at),
                reason: EndReason::named(reason)
                    .ok_or_else(|| unreadable("face_sessions.end_reason"))?,
            }),
            (Some(_), None) => return Err(unreadable("face_sessions.end_reason")),
        };
        Ok(Self {
            id: session_id(row.id)?,
            title: Title::from_stored(&row.title),
            host: MemberId::new(row.host_id.cast_unsigned())
                .ok_or_else(|| unreadable("face_sessions.host_id"))?,
            admission: admission(&row.admission)?,
            admission_forced: row.admission_forced,
            locked: row.locked,
            host_left: host_left(&row.host_left)?,
            max_members: u32::try_from(row.max_members)
                .map_err(|_| unreadable("face_sessions.max_members"))?,
            member_count: u32::try_from(row.member_count)
                .map_err(|_| unreadable("face_sessions.member_count"))?,
            created_at: Timestamp::from_millis(row.created_at),
            ended,
        })
    }
}

fn session_id(column: i64) -> Result<SessionId> {
    SessionId::new(column.cast_unsigned()).ok_or_else(|| unreadable("face_sessions.id"))
}

const fn admission_name(admission: Admission) -> &'static str {
    match admission {
        Admission::Open => "OPEN",
        Admission::Approval => "APPROVAL",
    }
}

fn admission(name: &str) -> Result<Admission> {
    let all = [Admission::Open, Admission::Approval];
    all.into_iter()
        .find(|a| admission_name(*a) == name)
        .ok_or_else(|| unreadable("face_sessions.admission"))
}

const fn host_left_name(host_left: HostLeft) -> &'static str {
    match host_left {
        HostLeft::Countdown => "COUNTDOWN",
        HostLeft::Promote => "PROMOTE",
    }
}

fn host_left(name: &str) -> Result<HostLeft> {
    let all = [HostLeft::Countdown, HostLeft::Promote];
    all.into_iter()
        .find(|h| host_left_name(*h) == name)
        .ok_or_else(|| unreadable("face_sessions.host_left"))
}
