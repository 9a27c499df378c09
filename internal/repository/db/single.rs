//! Single statements that write, committed together.
//!
//! Each is atomic by itself and none knows of the others; a commit costs hardly more for fifty than for one. While a commit is on its way
//! the next group gathers, as at the session log. Several statements that belong together go through the driver instead: whoever
//! has the pen writes.

use super::connection::ACQUIRE_TIMEOUT;
use crate::sqlite::{self, Synchronous, together};
use faceshare_biz::{Error, Result};
use rusqlite::Connection;
use sea_orm::Statement;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// Statements that wait; whoever comes then waits for a place. As many make a group: over it a commit takes longer without getting
/// cheaper for each.
const GROUP: usize = 256;
/// Kinds of statements that stay prepared: all that there are, with room.
const PREPARED: usize = 64;

/// The rows that a statement has changed, or why it has not: one failure may be that of many.
pub(super) type Outcome = Result<u64, Arc<rusqlite::Error>>;

/// What the task is asked for.
enum Request {
    Write(Statement, oneshot::Sender<Outcome>),
    /// Write what waits, take no more, and end.
    Close(oneshot::Sender<()>),
}

/// Where to bring statements. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Singles {
    queue: mpsc::Sender<Request>,
}

/// A connection to write them with.
pub(super) fn open(file: &Path, synchronous: Synchronous) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    sqlite::prepare_for_writing(&connection, synchronous)?;
    connection.set_prepared_statement_cache_capacity(PREPARED);
    Ok(connection)
}

impl Singles {
    /// Through this connection. Nobody else of this process writes to its file without the pen. Must be called within a tokio runtime.
    pub(super) fn over(connection: Connection, pen: Arc<Mutex<()>>) -> Self {
        let (queue, requests) = mpsc::channel(GROUP);
        tokio::spawn(run(connection, requests, pen));
        Self { queue }
    }

    /// Carries out a statement, and answers when it is as durable as this database keeps things. A failure of the whole group leaves
    /// nothing of it, or that is unknown.
    ///
    /// # Errors
    /// `UNAVAILABLE`: closed.
    pub(super) async fn write(&self, statement: Statement) -> Result<Outcome> {
        let (answer, outcome) = oneshot::channel();
        self.queue.send(Request::Write(statement, answer)).await.map_err(Error::unavailable)?;
        outcome.await.map_err(Error::unavailable)
    }

    /// Whether nothing is written any more: closed, or ended by a panic.
    pub(super) fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Waits for what was brought before. Later statements are `UNAVAILABLE`. Whoever closes it a second time does not wait.
    pub(super) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.queue.send(Request::Close(done)).await.is_ok() {
            // Fails only when the task has ended, which is what is waited for.
            let _ = closed.await;
        }
    }
}

/// Until it is closed, or nobody is left who could ask. A panic at the file ends it too: what was written then, nobody can say.
async fn run(mut connection: Connection, mut requests: mpsc::Receiver<Request>, pen: Arc<Mutex<()>>) {
    let (mut taken, mut closing) = (Vec::new(), Vec::new());
    while requests.recv_many(&mut taken, GROUP).await > 0 {
        let Ok(turn) = timeout(ACQUIRE_TIMEOUT, pen.lock()).await else {
            // Nothing of it was begun. Who asked is told so by the silence; who closes has its turn with the next.
            for request in taken.drain(..) {
                if let Request::Close(done) = request {
                    requests.close();
                    closing.push(done);
                }
            }
            continue;
        };
        let (mut statements, mut answers) = (Vec::with_capacity(taken.len()), Vec::with_capacity(taken.len()));
        for request in taken.drain(..) {
            match request {
                // Whoever has gone before its turn wants nothing written.
                Request::Write(_, answer) if answer.is_closed() => {}
                Request::Write(statement, answer) => {
                    statements.push(statement);
                    answers.push(answer);
                }
                Request::Close(done) => {
                    // What is in the queue is still carried out; then it is at its end.
                    requests.close();
                    closing.push(done);
                }
            }
        }
        let committed = spawn_blocking(move || {
            let outcomes = commit(&connection, &statements);
            (connection, outcomes)
        });
        let outcomes = match committed.await {
            Ok((back, outcomes)) => {
                connection = back;
                outcomes
            }
            Err(error) => {
                tracing::error!(%error, "the task that writes to the main database has ended");
                return;
            }
        };
        drop(turn);
        answer(answers, outcomes);
    }
    if let Ok(Err(error)) = spawn_blocking(move || connection.close().map_err(|(_, error)| error)).await {
        tracing::warn!(%error, "the main database did not close cleanly; it will recover when it is opened");
    }
    for done in closing {
        let _ = done.send(());
    }
}

/// What became of each. One that fails by itself leaves the others alone.
fn commit(connection: &Connection, statements: &[Statement]) -> rusqlite::Result<Vec<rusqlite::Result<u64>>> {
    together(connection, |db| {
        let carry_out = |statement| match sqlite::prepared(db, statement).and_then(|mut prepared| prepared.raw_execute()) {
            // When the disk is full SQLite rolls the whole transaction back.
            Err(error) if db.is_autocommit() => Err(error),
            outcome => Ok(outcome.map(|rows| rows as u64)),
        };
        statements.iter().map(carry_out).collect()
    })
}

/// Whoever does not wait any more looks again.
fn answer(answers: Vec<oneshot::Sender<Outcome>>, outcomes: rusqlite::Result<Vec<rusqlite::Result<u64>>>) {
    match outcomes {
        Ok(outcomes) => answers.into_iter().zip(outcomes).for_each(|(answer, outcome)| {
            let _ = answer.send(outcome.map_err(Arc::new));
        }),
        Err(error) => {
            let error = Arc::new(error);
            answers.into_iter().for_each(|answer| {
                let _ = answer.send(Err(Arc::clone(&error)));
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Singles, commit, open};
    use crate::sqlite::Synchronous::Normal;
    use faceshare_biz::ErrorCode;
    use futures_util::FutureExt as _;
    use futures_util::future::join_all;
    use rusqlite::Connection;
    use sea_orm::{DbBackend, Statement, Value};
    use std::path::Path;
    use std::sync::Arc;
    use tokio::sync::Mutex;

    fn made(file: &Path) -> Connection {
        let connection = Connection::open(file).expect("a file");
        connection.execute_batch("CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB)").expect("a table");
        connection
    }

    fn insert(key: i64) -> Statement {
        Statement::from_sql_and_values(DbBackend::Sqlite, "INSERT INTO t (a) VALUES (?)", [Value::from(key)])
    }

    fn count(connection: &Connection) -> i64 {
        connection.query_one("SELECT count(*) FROM t", [], |row| row.get(0)).expect("a count")
    }

    /// They wait for the pen, and so make one group.
    #[tokio::test]
    async fn of_a_group_one_fails_alone_and_who_has_the_pen_holds_all_up() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, pen) = (folder.path().join("x.db"), Arc::new(Mutex::new(())));
        let connection = made(&file);
        let singles = Singles::over(open(&file, Normal).expect("opened"), Arc::clone(&pen));
        let held = pen.lock().await;
        let mut writes = Box::pin(join_all([1, 2, 1, 3].map(|key| singles.write(insert(key)))));
        assert!((&mut writes).now_or_never().is_none());
        assert_eq!(count(&connection), 0);
        drop(held);
        let written: Vec<_> = writes.await.into_iter().map(|outcome| outcome.expect("answered").ok()).collect();
        assert_eq!(written, [Some(1), Some(1), None, Some(1)]);
        assert_eq!(count(&connection), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn who_gets_no_turn_is_told_so_and_who_has_gone_writes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, pen) = (folder.path().join("x.db"), Arc::new(Mutex::new(())));
        let connection = made(&file);
        let singles = Singles::over(open(&file, Normal).expect("opened"), Arc::clone(&pen));
        let held = pen.lock().await;
        assert_eq!(singles.write(insert(1)).await.expect_err("no turn").code, ErrorCode::Unavailable);
        let mut gone = Box::pin(singles.write(insert(2)));
        assert!((&mut gone).now_or_never().is_none());
        drop(gone);
        drop(held);
        assert_eq!(singles.write(insert(3)).await.expect("answered").expect("written"), 1);
        assert_eq!(count(&connection), 1);
        assert!(!singles.is_closed());
    }

    #[tokio::test]
    async fn what_was_brought_before_the_end_is_written_and_nothing_after_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("x.db");
        let connection = made(&file);
        let singles = Singles::over(open(&file, Normal).expect("opened"), Arc::default());
        let before = async {
            let (written, ()) = tokio::join!(singles.write(insert(1)), singles.close());
            written.expect("answered").expect("written")
        };
        assert_eq!(before.await, 1);
        assert_eq!(singles.write(insert(2)).await.expect_err("closed").code, ErrorCode::Unavailable);
        singles.close().await;
        assert_eq!(count(&connection), 1);
    }

    #[test]
    fn a_full_disk_leaves_nothing_of_the_group_and_the_next_one_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let connection = made(&folder.path().join("x.db"));
        connection.pragma_update(None, "max_page_count", 10).expect("bounded");
        let large = Statement::from_string(DbBackend::Sqlite, "INSERT INTO t VALUES (2, zeroblob(100000))");
        let group = [insert(1), large];
        commit(&connection, &group).expect_err("the disk is full");
        assert_eq!(count(&connection), 0);
        connection.pragma_update(None, "max_page_count", 1000).expect("room");
        let written: Vec<u64> = commit(&connection, &group).expect("committed").into_iter().map(|one| one.expect("written")).collect();
        assert_eq!(written, [1, 1]);
    }
}
