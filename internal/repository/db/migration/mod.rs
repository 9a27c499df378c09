//! The schema, step by step. A step that was released is never edited: what changes comes as a new step.
//!
//! The same steps make the same tables on SQLite, PostgreSQL and MySQL. Where MySQL's words mean less than the others', the functions here
//! say more to it.

mod m0001_accounts;
mod m0002_face_sessions;
mod m0003_passwords;
mod m0004_invite_approval;
mod m0005_avatars;
mod m0007_answers;

use sea_orm_migration::prelude::{ColumnDef, DbErr, IntoIden, SchemaManager, TableCreateStatement};
use sea_orm_migration::sea_orm::DbBackend;
use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// All steps, in order.
pub(super) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_accounts::Migration),
            Box::new(m0002_face_sessions::Migration),
            Box::new(m0003_passwords::Migration),
            Box::new(m0004_invite_approval::Migration),
            Box::new(m0005_avatars::Migration),
            Box::new(m0007_answers::Migration),
        ]
    }
}

/// On MySQL a table takes any character and compares text by its bytes, whatever the server's defaults are: a hash or a key in another case
/// is another one.
async fn create_table(manager: &SchemaManager<'_>, mut table: TableCreateStatement) -> Result<(), DbErr> {
    if on_mysql(manager) {
        table.character_set("utf8mb4").collate("utf8mb4_bin");
    }
    manager.create_table(table).await
}

/// For bytes beyond the 64 KiB at which MySQL's BLOB ends.
fn large_blob(manager: &SchemaManager<'_>, name: impl IntoIden) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    if on_mysql(manager) {
        column.custom("mediumblob")
    } else {
        column.blob()
    };
    column
}

/// For text beyond the 64 KiB at which MySQL's TEXT ends.
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
