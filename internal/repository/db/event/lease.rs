//! Named leases by the database's clock.

use crate::db::Database;
use crate::db::entity::lease::{Column, Entity};
use crate::db::retry::retrying;
use crate::error::{Failure, violates_unique};
use async_trait::async_trait;
use faceshare_biz::domain::event::{Lease, Leases};
use faceshare_biz::{Error, Result};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query, SimpleExpr};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, EntityTrait, QueryFilter,
    QuerySelect, QueryTrait,
};
use std::time::Duration;

/// Keeps leases in the main database.
#[derive(Debug, Clone)]
pub struct DatabaseLeases {
    db: Database,
}

impl DatabaseLeases {
    /// In this database.
    #[must_use]
    pub const fn new(db: Database) -> Self {
        Self { db }
    }

    /// A condition on the old row decides, and its row lock lets one caller through.
    async fn try_take(&self, name: &str, term: Duration) -> Result<Option<Lease>, Failure> {
        let transaction = self.db.begin().await?;
        let backend = transaction.get_database_backend();
        let taken = Entity::update_many()
            .col_expr(Column::Fence, Expr::col(Column::Fence).add(1))
            .col_expr(Column::ExpiresAt, after(term, backend))
            .filter(Column::Name.eq(name))
            .filter(Expr::col(Column::ExpiresAt).lte(now(backend)))
            .exec(&transaction)
            .await?;
        let fence = match (taken.rows_affected, fence_of(name, &transaction).await?) {
            (0, Some(_)) => {
                transaction.rollback().await?;
                return Ok(None);
            }
            (0, None) => {
                insert(name, term, &transaction).await?;
                1
            }
            (_, fence) => fence.ok_or_else(|| Error::internal("the lease is gone"))?,
        };
        transaction.commit().await?;
        Ok(Some(Lease {
            name: name.to_owned(),
            fence: fence.cast_unsigned(),
        }))
    }

    async fn set_end(&self, lease: &Lease, end: SimpleExpr) -> Result<bool> {
        let update = Entity::update_many()
            .col_expr(Column::ExpiresAt, end)
            .filter(Column::Name.eq(lease.name.as_str()))
            .filter(Column::Fence.eq(lease.fence.cast_signed()));
        self.db
            .write(update.as_query())
            .await
            .map(|updated| updated == 1)
    }
}

#[async_trait]
impl Leases for DatabaseLeases {
    async fn take(&self, name: &str, term: Duration) -> Result<Option<Lease>> {
        retrying(|| self.try_take(name, term)).await
    }

    async fn renew(&self, lease: &Lease, term: Duration) -> Result<bool> {
        let backend = self.db.writer().get_database_backend();
        self.set_end(lease, after(term, backend)).await
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        self.set_end(lease, Expr::value(0_i64)).await.map(drop)
    }
}

/// Whether a lease is still that of this fence. Locks its row, so that no other process takes it
/// before the transaction ends.
pub(super) async fn is_held(
    lease: &Lease,
    transaction: &DatabaseTransaction,
) -> Result<bool, DbErr> {
    let fence = Entity::find_by_id(lease.name.clone())
        .select_only()
        .column(Column::Fence)
        .lock_exclusive()
        .into_tuple::<i64>()
        .one(transaction)
        .await?;
    Ok(fence.is_some_and(|fence| fence.cast_unsigned() == lease.fence))
}

async fn fence_of(name: &str, transaction: &DatabaseTransaction) -> Result<Option<i64>, DbErr> {
    let fence = Entity::find_by_id(name.to_owned())
        .select_only()
        .column(Column::Fence);
    fence.into_tuple().one(transaction).await
}

/// Another process may have inserted the lease since: a repetition then finds it held.
async fn insert(
    name: &str,
    term: Duration,
    transaction: &DatabaseTransaction,
) -> Result<(), Failure> {
    let values: [SimpleExpr; 3] = [
        Expr::value(name),
        Expr::value(1_i64),
        after(term, transaction.get_database_backend()),
    ];
    let mut insert = Query::insert();
    insert
        .into_table(Entity)
        .columns([Column::Name, Column::Fence, Column::ExpiresAt])
        .values(values)
        .map_err(Error::internal)?;
    match transaction.execute(&insert).await {
        Ok(_) => Ok(()),
        Err(error) if violates_unique(&error).is_some() => {
            Err(Failure::Conflict(Error::unavailable(error)))
        }
        Err(error) => Err(error.into()),
    }
}

/// The database's clock at the start of the statement, in milliseconds. A statement that waits for
/// a lock then takes a lease too late or for too short a time, and never too early.
fn now(backend: DbBackend) -> SimpleExpr {
    Expr::cust(match backend {
        DbBackend::Postgres => "CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000 AS BIGINT)",
        DbBackend::MySql => "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)",
        _ => "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    })
}

fn after(term: Duration, backend: DbBackend) -> SimpleExpr {
    now(backend).add(i64::try_from(term.as_millis()).unwrap_or(i64::MAX / 2))
}
