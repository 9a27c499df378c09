//! The repository suites over the main database on SQLite. (The suite of the session log runs in
//! `log/tests.rs`.)

use super::migrations::migration_suite;
use super::races::race_suite;
use super::{SETTINGS, main_database_contracts};
use crate::db::Database;
use tempfile::TempDir;

/// A database in a folder of its own, without a schema.
async fn empty() -> (Database, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("faceshare.db");
    (
        Database::open(&path.display().to_string(), SETTINGS)
            .await
            .expect("opened"),
        folder,
    )
}

/// An adapter over a database in a folder of its own.
async fn fresh<R>(adapter: impl FnOnce(Database) -> R) -> (R, TempDir) {
    let (db, folder) = empty().await;
    db.migrate().await.expect("migrated");
    (adapter(db), folder)
}

/// One process owns a SQLite file, so this is one opening four times.
async fn openings() -> ([Database; 4], TempDir) {
    let (db, folder) = empty().await;
    (std::array::from_fn(|_| db.clone()), folder)
}

main_database_contracts!();
race_suite!(openings());
migration_suite!(empty());

// The caches behave alike over every database, so one is enough.
main_database_contracts! {
    cached_account: account_contract over |db| cache::CachedAccounts::new(db::Accounts::new(db));
    cached_number_code: number_code_contract over |db| cache::CachedNumberCodes::new(db::NumberCodes::new(db));
}
