//! The repository suites over the main database on SQLite. (The session log's runs beside the log.)

use super::main_database_contracts;
use crate::db::Database;
use crate::sqlite::Synchronous;
use tempfile::TempDir;

/// An adapter over a database in a folder of its own.
async fn fresh<R>(adapter: impl FnOnce(Database) -> R) -> (R, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("faceshare.db");
    let db = Database::open(&path.display().to_string(), Synchronous::Normal).await.expect("opened");
    db.migrate().await.expect("migrated");
    (adapter(db), folder)
}

main_database_contracts!();

// What is in memory above it answers alike over every database.
main_database_contracts! {
    cached_account: account_contract over |db| cache::Accounts::new(db::Accounts::new(db));
    cached_number_code: number_code_contract over |db| cache::NumberCodes::new(db::NumberCodes::new(db));
}
