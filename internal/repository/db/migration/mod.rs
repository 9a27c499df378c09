//! The schema as a list of steps. The result of a released step never changes: a change of the
//! schema is a new step.
//!
//! The same steps make the same tables on SQLite, PostgreSQL and MySQL. The functions here cover
//! where MySQL's types hold less than the others'.
//!
//! MySQL commits each change of the schema by itself, so a process that dies within a step leaves a
//! part of it. Each change is skipped if it is there, and the next start finishes the step.

mod m0001_accounts;
mod m0002_face_sessions;
mod m0003_passwords;
mod m0004_invite_approval;
mod m0005_avatars;
mod m0007_answers;
mod m0008_several_openers;
mod m0009_effects;
mod m0010_networks;
mod m0011_effects_of_rows;
mod m0012_events;

use crate::error::from_sqlx;
use faceshare_biz::{Error, Result as DomainResult};
use sea_orm::sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection};
use sea_orm::sqlx::{self, ConnectOptions as _};
use sea_orm_migration::prelude::{
    ColumnDef, DbErr, Index, IntoIden, SchemaManager, Table, TableCreateStatement,
};
use sea_orm_migration::sea_orm::DbBackend;
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use std::time::Duration;
use tokio::time::timeout;

/// How long a process waits for another one that migrates.
const PATIENCE: Duration = Duration::from_secs(120);

/// All steps, in order.
pub(super) struct Migrator;

/// The number of steps.
#[cfg(test)]
pub(crate) const STEPS: u32 = 11;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_accounts::Migration),
            Box::new(m0002_face_sessions::Migration),
            Box::new(m0003_passwords::Migration),
            Box::new(m0004_invite_approval::Migration),
            Box::new(m0005_avatars::Migration),
            Box::new(m0007_answers::Migration),
            Box::new(m0008_several_openers::Migration),
            Box::new(m0009_effects::Migration),
            Box::new(m0010_networks::Migration),
            Box::new(m0011_effects_of_rows::Migration),
            Box::new(m0012_events::Migration),
        ]
    }
}

/// Creates a table. On MySQL it holds any character and compares text by its bytes, whatever the
/// server's defaults are: hashes and keys differ by case.
async fn create_table(
    manager: &SchemaManager<'_>,
    mut table: TableCreateStatement,
) -> Result<(), DbErr> {
    if on_mysql(manager) {
        table.character_set("utf8mb4").collate("utf8mb4_bin");
    }
    table.if_not_exists();
    manager.create_table(table).await
}

/// Creates an index on these columns, unless it is there.
async fn create_index<C: IntoIden>(
    manager: &SchemaManager<'_>,
    name: &'static str,
    table: impl IntoIden,
    columns: impl IntoIterator<Item = C>,
    kind: IndexKind,
) -> Result<(), DbErr> {
    let table = table.into_iden();
    if manager.has_index(table.to_string(), name).await? {
        return Ok(());
    }
    let mut index = Index::create();
    index.name(name).table(table);
    for column in columns {
        index.col(column.into_iden());
    }
    if kind == IndexKind::Unique {
        index.unique();
    }
    manager.create_index(index).await
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum IndexKind {
    Plain,
    Unique,
}

/// Adds a column to a table, unless it is there.
async fn add_column(
    manager: &SchemaManager<'_>,
    table: impl IntoIden,
    column: ColumnDef,
) -> Result<(), DbErr> {
    let table = table.into_iden();
    let name = column.get_column_name();
    if manager.has_column(table.to_string(), name).await? {
        return Ok(());
    }
    let mut alteration = Table::alter();
    manager
        .alter_table(alteration.table(table).add_column(column).to_owned())
        .await
}

/// A column for bytes; MySQL's BLOB would end at 64 KiB.
fn large_blob(manager: &SchemaManager<'_>, name: impl IntoIden) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    if on_mysql(manager) {
        column.custom("mediumblob")
    } else {
        column.blob()
    };
    column
}

/// A column for text; MySQL's TEXT would end at 64 KiB.
fn large_text(manager: &SchemaManager<'_>, name: impl IntoIden) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    if on_mysql(manager) {
        column.custom("mediumtext")
    } else {
        column.text()
    };
    column
}

fn on_mysql(manager: &SchemaManager<'_>) -> bool {
    manager.get_database_backend() == DbBackend::MySql
}

/// Waits until no other process migrates this schema. The lock is held until the connection is
/// closed.
pub(super) async fn lock_postgres(options: &PgConnectOptions) -> DomainResult<PgConnection> {
    let mut connection = options.connect().await.map_err(from_sqlx)?;
    let locking = sqlx::query(
        "SELECT pg_advisory_lock(hashtextextended('faceshare:' || coalesce(current_schema(), ''), 0))",
    );
    let locking = locking.execute(&mut connection);
    timeout(PATIENCE, locking)
        .await
        .map_err(|_| busy())?
        .map_err(from_sqlx)?;
    Ok(connection)
}

/// The same on MySQL and MariaDB, where names of locks belong to the whole server.
pub(super) async fn lock_mysql(options: &MySqlConnectOptions) -> DomainResult<MySqlConnection> {
    let mut connection = options.connect().await.map_err(from_sqlx)?;
    let locking = sqlx::query_scalar("SELECT GET_LOCK(CONCAT('faceshare:', SHA1(DATABASE())), ?)")
        .bind(PATIENCE.as_secs());
    let locked: Option<i64> = locking
        .fetch_one(&mut connection)
        .await
        .map_err(from_sqlx)?;
    if locked == Some(1) {
        Ok(connection)
    } else {
        Err(busy())
    }
}

fn busy() -> Error {
    Error::unavailable(format!(
        "another process has been migrating the database for {PATIENCE:?}"
    ))
}
