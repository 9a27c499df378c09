//! Number codes.
//!
//! A row is one code. It is live while it is neither retired nor expired, and in quarantine until
//! `retired_until` or, if it expired unretired, for one quarantine after that. A session has at
//! most one row that is not retired: in it alone `live_session` is the session, and that is unique.

use super::connection::Database;
use super::entity::face_session;
use super::entity::number_code::{ActiveModel, Column, Entity, Model};
use super::retry::retrying;
use crate::error::{Failure, from_db, unreadable, violates_unique};
use async_trait::async_trait;
use faceshare_biz::domain::facesession::{CodeRecord, NumberCodeRepository};
use faceshare_biz::domain::{SessionId, Timestamp};
use faceshare_biz::{Error, ErrorCode, Result};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, Condition, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    Set, UpdateMany,
};

/// The detail of `ALREADY_EXISTS` for a code; the caller draws another one.
const TAKEN: &str = "the number code is taken";

/// Keeps number codes in the main database.
#[derive(Debug, Clone)]
pub struct NumberCodes {
    db: Database,
}

impl NumberCodes {
    /// In this database.
    #[must_use]
    pub const fn new(db: Database) -> Self {
        Self { db }
    }

    /// Locks the session's row against another code of it at the same time. If there is no such
    /// row, the unique `live_session` decides, and the loser is repeated.
    async fn try_assign(
        &self,
        code: &CodeRecord,
        now: Timestamp,
        quarantine_until: Timestamp,
    ) -> Result<(), Failure> {
        let session = code.session.get().cast_signed();
        let transaction = self.db.begin().await?;
        face_session::Entity::find_by_id(session)
            .select_only()
            .column(face_session::Column::Id)
            .lock_exclusive()
            .into_tuple::<i64>()
            .one(&transaction)
            .await?;
        let held = Entity::find_by_id(code.fingerprint.to_vec())
            .lock_exclusive()
            .one(&transaction)
            .await?;
        if let Some(row) = held {
            if is_taken(&row, now, quarantine_until) {
                transaction.rollback().await?;
                return Err(Error::new(ErrorCode::AlreadyExists, TAKEN).into());
            }
            Entity::delete_by_id(row.fingerprint)
                .exec(&transaction)
                .await?;
        }
        retire_all_of(code.session, quarantine_until)
            .exec(&transaction)
            .await?;
        let row = ActiveModel {
            fingerprint: Set(code.fingerprint.to_vec()),
            sealed: Set(code.sealed.clone()),
            session_id: Set(session),
            created_at: Set(code.created_at.as_millis()),
            expires_at: Set(code.expires_at.as_millis()),
            retired_until: Set(None),
            live_session: Set(Some(session)),
            effect: Set(code.effect.map(u64::cast_signed)),
        };
        Entity::insert(row)
            .exec_without_returning(&transaction)
            .await
            .map_err(not_assigned)?;
        transaction.commit().await?;
        Ok(())
    }
}

/// Another code of the same session was assigned at the same time, or the same code to another
/// session.
fn not_assigned(error: DbErr) -> Failure {
    match violates_unique(&error) {
        Some(message) if message.contains("live_session") => {
            Failure::Conflict(Error::unavailable(error))
        }
        Some(_) => Failure::Refused(Error::new(ErrorCode::AlreadyExists, TAKEN)),
        None => Failure::Driver(error),
    }
}

#[async_trait]
impl NumberCodeRepository for NumberCodes {
    async fn assign(
        &self,
        code: &CodeRecord,
        now: Timestamp,
        quarantine_until: Timestamp,
    ) -> Result<()> {
        retrying(|| self.try_assign(code, now, quarantine_until)).await
    }

    async fn find(&self, fingerprints: &[[u8; 32]], now: Timestamp) -> Result<Option<CodeRecord>> {
        let wanted = fingerprints.iter().map(|f| f.to_vec());
        let live = Entity::find()
            .filter(Column::Fingerprint.is_in(wanted))
            .filter(is_live(now));
        let rows = live.all(self.db.reader()).await.map_err(from_db)?;
        // Of several, the one whose fingerprint comes first in `fingerprints`.
        let best = rows.into_iter().min_by_key(|row| {
            fingerprints
                .iter()
                .position(|f| f.as_slice() == row.fingerprint)
        });
        best.map(CodeRecord::try_from).transpose()
    }

    async fn current(&self, session: SessionId, now: Timestamp) -> Result<Option<CodeRecord>> {
        let newest = Entity::find()
            .filter(Column::SessionId.eq(session.get().cast_signed()))
            .filter(is_live(now))
            .order_by_desc(Column::CreatedAt)
            .one(self.db.reader());
        newest
            .await
            .map_err(from_db)?
            .map(CodeRecord::try_from)
            .transpose()
    }

    async fn expired(&self, after: Timestamp, until: Timestamp) -> Result<Vec<SessionId>> {
        let sessions: Vec<i64> = Entity::find()
            .select_only()
            .column(Column::SessionId)
            .filter(Column::RetiredUntil.is_null())
            .filter(Column::ExpiresAt.gt(after.as_millis()))
            .filter(Column::ExpiresAt.lte(until.as_millis()))
            .into_tuple()
            .all(self.db.reader())
            .await
            .map_err(from_db)?;
        sessions.into_iter().map(session_id).collect()
    }

    async fn extend(
        &self,
        fingerprint: [u8; 32],
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<bool> {
        let extension = Entity::update_many()
            .col_expr(Column::ExpiresAt, Expr::value(expires_at.as_millis()))
            .filter(Column::Fingerprint.eq(fingerprint.to_vec()))
            .filter(is_live(now));
        self.db
            .write(extension.as_query())
            .await
            .map(|extended| extended == 1)
    }

    async fn retire(
        &self,
        session: SessionId,
        _now: Timestamp,
        quarantine_until: Timestamp,
    ) -> Result<()> {
        self.db
            .write(retire_all_of(session, quarantine_until).as_query())
            .await
            .map(drop)
    }

    async fn purge(&self, now: Timestamp, expired_before: Timestamp) -> Result<u64> {
        let retired = Column::RetiredUntil
            .is_not_null()
            .and(Column::RetiredUntil.lt(now.as_millis()));
        let expired = Column::RetiredUntil
            .is_null()
            .and(Column::ExpiresAt.lt(expired_before.as_millis()));
        self.db
            .write(
                Entity::delete_many()
                    .filter(Condition::any().add(retired).add(expired))
                    .as_query(),
            )
            .await
    }
}

/// Whether this code cannot be assigned: it is live or in quarantine. The quarantine of a code that
/// expired is as long as that of a code retired now.
fn is_taken(row: &Model, now: Timestamp, quarantine_until: Timestamp) -> bool {
    let until = match row.retired_until {
        Some(until) => Timestamp::from_millis(until),
        None => Timestamp::from_millis(row.expires_at) + quarantine_until.since(now),
    };
    now < until
}

/// The condition that a row is a live code.
fn is_live(now: Timestamp) -> Condition {
    Condition::all()
        .add(Column::RetiredUntil.is_null())
        .add(Column::ExpiresAt.gt(now.as_millis()))
}

/// Retires expired codes too: should the clock go back, a session still has but one live code.
fn retire_all_of(session: SessionId, until: Timestamp) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::RetiredUntil, Expr::value(until.as_millis()))
        .col_expr(Column::LiveSession, Expr::value(None::<i64>))
        .filter(Column::SessionId.eq(session.get().cast_signed()))
        .filter(Column::RetiredUntil.is_null())
}

fn session_id(column: i64) -> Result<SessionId> {
    SessionId::new(column.cast_unsigned()).ok_or_else(|| unreadable("number_codes.session_id"))
}

impl TryFrom<Model> for CodeRecord {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        Ok(Self {
            fingerprint: row
                .fingerprint
                .try_into()
                .map_err(|_| unreadable("number_codes.fingerprint"))?,
            sealed: row.sealed,
            session: session_id(row.session_id)?,
            created_at: Timestamp::from_millis(row.created_at),
            expires_at: Timestamp::from_millis(row.expires_at),
            effect: row.effect.map(i64::cast_unsigned),
        })
    }
}

/// Writes a code in the schema of the steps before `live_session`.
#[cfg(test)]
pub(crate) async fn write_code_of_0007(db: &Database, code: &CodeRecord) {
    let values = [
        (Column::Fingerprint, Expr::value(code.fingerprint.to_vec())),
        (Column::Sealed, Expr::value(code.sealed.clone())),
        (
            Column::SessionId,
            Expr::value(code.session.get().cast_signed()),
        ),
        (Column::CreatedAt, Expr::value(code.created_at.as_millis())),
        (Column::ExpiresAt, Expr::value(code.expires_at.as_millis())),
    ];
    let (columns, values): (Vec<_>, Vec<_>) = values.into_iter().unzip();
    let mut insert = sea_orm::sea_query::Query::insert();
    insert
        .into_table(Entity)
        .columns(columns)
        .values_panic(values);
    db.write(&insert).await.expect("inserted");
}
