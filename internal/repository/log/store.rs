//! Opens the file: its schema, its lock, and the number of the machine's boot.

use super::checkpoint::Checkpointer;
use super::{journal, rows};
use crate::error::from_rusqlite;
use crate::sqlite::{self, Synchronous};
use faceshare_biz::{Error, Result};
use rusqlite::{Connection, OptionalExtension as _};
use sea_orm::sqlx::SqlitePool;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use std::fs::{File, TryLockError};
use std::path::Path;

/// The layout of the tables below. A file with a later format is refused. A file of format 1 has no
/// journal, which is the same as an empty one.
const FORMAT: i64 = 2;
/// Pages of write-ahead log (4 KiB each) between two checkpoints: 4 MiB. A longer checkpoint would
/// take the processor from the sessions for longer.
const CHECKPOINT_PAGES: i32 = 1_000;
/// Bytes to which the file of the write-ahead log is truncated after a burst.
const WAL_BYTES: u32 = 64 << 20;
/// KiB of pages that the writer caches: the ends of a thousand logs, which is where it writes. The
/// operating system caches the rest.
const CACHE_KIB: i32 = 6 << 10;
/// Reading connections. More connections than cores would only use memory.
const READERS: u32 = 4;

/// `entries` and `heads` hold what has been merged; `journal` holds what came after.
///
/// `heads.boot` is the boot in which the epoch's entries were written without full synchronisation;
/// 0 if none was. `heads.epoch_start` is the epoch's first index, `heads.base_seq` the last seq of
/// its newest trimmed entry.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entries (
    session INTEGER NOT NULL, idx INTEGER NOT NULL, epoch TEXT NOT NULL, last_seq INTEGER NOT NULL, at INTEGER NOT NULL,
    payload BLOB NOT NULL, PRIMARY KEY (session, idx)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS heads (
    session INTEGER PRIMARY KEY, epoch TEXT NOT NULL, epoch_start INTEGER NOT NULL, idx INTEGER NOT NULL, boot INTEGER NOT NULL,
    base_seq INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS snapshots (session INTEGER PRIMARY KEY, epoch TEXT NOT NULL, idx INTEGER NOT NULL, payload BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS journal (id INTEGER PRIMARY KEY, logs BLOB NOT NULL);
";

/// Boots of the machine, counted in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Boot {
    /// The number of the present boot, from 1.
    number: i64,
    synchronous: Synchronous,
}

impl Boot {
    /// The value for `heads.boot` of a log that is written now.
    pub(super) const fn mark(self) -> i64 {
        match self.synchronous {
            Synchronous::Normal => self.number,
            Synchronous::Full => 0,
        }
    }

    /// What an acknowledged entry survives.
    pub(super) const fn synchronous(self) -> Synchronous {
        self.synchronous
    }

    /// Whether a log with this mark may have lost its end: its epoch was written without full
    /// synchronisation, and the machine has rebooted since.
    pub(super) const fn suspects(self, mark: i64) -> bool {
        mark != 0 && mark != self.number
    }

    #[cfg(test)]
    pub(super) const fn for_test(number: i64, synchronous: Synchronous) -> Self {
        Self {
            number,
            synchronous,
        }
    }
}

/// The opened files.
pub(super) struct OpenLog {
    pub(super) connection: Connection,
    pub(super) checkpointer: Checkpointer,
    pub(super) readers: SqlitePool,
    pub(super) lock: FolderLock,
    pub(super) boot: Boot,
    /// There was no file, or an empty one.
    pub(super) new: bool,
}

/// Held while this process may write. The kernel releases it when the process dies, for whatever
/// reason.
#[derive(Debug)]
pub(super) struct FolderLock {
    _file: File,
}

/// The kernel's id of the present boot; `None` if the kernel does not say.
pub(super) fn boot_id() -> Option<String> {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .ok()
        .map(|id| id.trim().to_owned())
        .filter(|id| !id.is_empty())
}

/// Locks the folder, prepares the tables and counts the boot, in this order.
pub(super) async fn open(
    data_dir: &Path,
    synchronous: Synchronous,
    boot_id: Option<String>,
) -> Result<OpenLog> {
    tokio::fs::create_dir_all(data_dir)
        .await
        .map_err(Error::unavailable)?;
    let lock = lock_folder(data_dir)?;
    let path = data_dir.join("sessions.db");
    let file = SqliteConnectOptions::new().filename(&path);
    let opening =
        tokio::task::spawn_blocking(move || open_for_writing(&path, synchronous, boot_id));
    let (connection, checkpointer, Prepared { boot, new }) =
        opening.await.map_err(Error::internal)??;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_with(sqlite::reading(sqlite::connection(file, synchronous)))
        .await
        .map_err(Error::unavailable)?;
    Ok(OpenLog {
        connection,
        checkpointer,
        readers,
        lock,
        boot,
        new,
    })
}

fn lock_folder(data_dir: &Path) -> Result<FolderLock> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(data_dir.join("sessions.lock"));
    let file = file.map_err(|error| Error::unavailable(format!("sessions.lock: {error}")))?;
    match file.try_lock() {
        Ok(()) => Ok(FolderLock { _file: file }),
        Err(TryLockError::WouldBlock) => {
            Err(Error::unavailable("another process has the directory open"))
        }
        Err(TryLockError::Error(error)) => Err(Error::unavailable(error)),
    }
}

/// What is known of the file once it can be used.
struct Prepared {
    boot: Boot,
    new: bool,
}

fn open_for_writing(
    path: &Path,
    synchronous: Synchronous,
    boot_id: Option<String>,
) -> Result<(Connection, Checkpointer, Prepared)> {
    let mut connection = connect(path, synchronous).map_err(Error::unavailable)?;
    connection.set_prepared_statement_cache_capacity(rows::STATEMENT_CACHE);
    for (name, value) in [
        ("journal_size_limit", i64::from(WAL_BYTES)),
        ("cache_size", -i64::from(CACHE_KIB)),
    ] {
        connection
            .pragma_update(None, name, value)
            .map_err(Error::unavailable)?;
    }
    let (number, new) = prepare(&mut connection, boot_id)?;
    let boot = Boot {
        number,
        synchronous,
    };
    if synchronous == Synchronous::Normal {
        mark_safe_epochs(&connection, boot).map_err(from_rusqlite)?;
    }
    let second = connect(path, synchronous).map_err(Error::unavailable)?;
    let checkpointer =
        Checkpointer::start(&connection, second, CHECKPOINT_PAGES).map_err(Error::unavailable)?;
    Ok((connection, checkpointer, Prepared { boot, new }))
}

pub(super) fn connect(path: &Path, synchronous: Synchronous) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    sqlite::prepare_for_writing(&connection, synchronous)?;
    Ok(connection)
}

/// Creates the tables, checks the format, counts the boot and merges what the previous process left
/// in the journal. Returns the number of the boot, and whether the file is new.
fn prepare(connection: &mut Connection, boot_id: Option<String>) -> Result<(i64, bool)> {
    connection.execute_batch(SCHEMA).map_err(from_rusqlite)?;
    let format = number(get(connection, "format")?);
    let new = format.is_none();
    let format = format.unwrap_or(FORMAT);
    if format > FORMAT {
        return Err(Error::internal(format!(
            "sessions.db has format {format}; this version reads up to {FORMAT}"
        )));
    }
    let known = get(connection, "boot_id")?;
    let last = number(get(connection, "boot")?).unwrap_or(0);
    // Without an id the machine may have rebooted.
    let same = last > 0 && boot_id.is_some() && known == boot_id;
    let boot = if same { last } else { last + 1 };
    sqlite::in_transaction(connection, |db| {
        for (key, value) in [("format", FORMAT.to_string()), ("boot", boot.to_string()), ("boot_id", boot_id.unwrap_or_default())] {
            let put = "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
            db.execute(put, (key, value))?;
        }
        Ok(())
    })
    .map_err(from_rusqlite)?;
    journal::merge(connection)?;
    Ok((boot, new))
}

/// Epochs that were written with full synchronisation may lose what is added to them from now on.
/// Their mark is flushed before anything is added: a power cut that takes the addition could
/// otherwise take the mark too.
fn mark_safe_epochs(connection: &Connection, boot: Boot) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "FULL")?;
    sqlite::in_transaction(connection, |db| {
        db.execute("UPDATE heads SET boot = ?1 WHERE boot = 0", [boot.mark()])
    })?;
    connection.pragma_update(None, "synchronous", "NORMAL")
}

fn get(connection: &Connection, key: &str) -> Result<Option<String>> {
    let value = connection.query_one("SELECT value FROM meta WHERE key = ?1", [key], |row| {
        row.get(0)
    });
    value.optional().map_err(from_rusqlite)
}

fn number(text: Option<String>) -> Option<i64> {
    text.and_then(|text| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::{Boot, open};
    use crate::sqlite::Synchronous::{Full, Normal};
    use faceshare_biz::ErrorCode;

    async fn boot_of(folder: &std::path::Path, id: Option<&str>) -> i64 {
        let store = open(folder, Normal, id.map(str::to_owned))
            .await
            .expect("opened");
        store.boot.number
    }

    #[tokio::test]
    async fn boots_are_counted_by_their_ids_and_an_unknown_one_is_new() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut counted = Vec::new();
        for id in [Some("a"), Some("a"), Some("b"), None, None, Some("b")] {
            counted.push(boot_of(folder.path(), id).await);
        }
        assert_eq!(counted, [1, 1, 2, 3, 4, 5]);
    }

    #[tokio::test]
    async fn a_file_that_was_missing_or_empty_is_new() {
        let folder = tempfile::tempdir().expect("a folder");
        let is_new = async || open(folder.path(), Normal, None).await.expect("opened").new;
        assert_eq!([is_new().await, is_new().await], [true, false]);
        for name in ["sessions.db", "sessions.db-wal", "sessions.db-shm"] {
            let _ = std::fs::remove_file(folder.path().join(name));
        }
        std::fs::write(folder.path().join("sessions.db"), "").expect("emptied");
        assert_eq!([is_new().await, is_new().await], [true, false]);
    }

    #[test]
    fn only_what_another_boot_wrote_without_full_synchronisation_is_suspect() {
        let normal = Boot {
            number: 3,
            synchronous: Normal,
        };
        let full = Boot {
            number: 3,
            synchronous: Full,
        };
        assert_eq!((normal.mark(), full.mark()), (3, 0));
        for boot in [normal, full] {
            assert!(!boot.suspects(0) && !boot.suspects(3) && boot.suspects(2));
        }
    }

    #[tokio::test]
    async fn a_second_process_is_kept_out_and_a_later_format_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(folder.path(), Normal, None).await.expect("opened");
        let second = open(folder.path(), Normal, None)
            .await
            .err()
            .expect("kept out");
        assert_eq!(second.code, ErrorCode::Unavailable);
        store
            .connection
            .execute_batch("UPDATE meta SET value = '99' WHERE key = 'format'")
            .expect("forged");
        drop((store.checkpointer, store.connection, store.lock));
        assert_eq!(
            open(folder.path(), Normal, None)
                .await
                .err()
                .expect("refused")
                .code,
            ErrorCode::Internal
        );
    }
}
