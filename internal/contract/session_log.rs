//! What every [`SessionLog`] must do.

use bytes::Bytes;
use faceshare_biz::domain::instruction::{
    Append, AppendError, Epoch, LogRecord, Seq, SessionLog, SnapshotRecord,
};
use faceshare_biz::domain::{SessionId, Timestamp};
use std::sync::Arc;
use tokio::task::JoinSet;

/// A store that holds a log, and the failures that a test can simulate.
#[allow(
    async_fn_in_trait,
    reason = "each test runs its own store on its own task"
)]
pub trait LogFixture: Sized {
    /// Opens the log. At most one is open at a time.
    async fn open(&self) -> Arc<dyn SessionLog>;
    /// The store as the next process finds it if this one dies now.
    async fn killed(&self) -> Self;
    /// The store as it is after a restart of the machine, with everything that was written on the
    /// disk.
    async fn rebooted(&self) -> Self;
}

/// Runs the suite. `$fresh` is a future of a store and of a value that is kept until the test ends.
#[macro_export]
macro_rules! session_log_contract {
    ($fresh:expr) => {
        $crate::run_contract!(
            session_log,
            $fresh,
            [
                an_append_holds_only_while_the_log_ends_where_it_expects,
                an_append_is_all_or_nothing,
                of_many_appends_at_one_index_exactly_one_is_accepted,
                a_conflict_of_one_session_does_not_touch_another,
                fifty_sessions_appending_at_once_each_keep_their_order,
                reading_returns_the_entries_after_a_seq_in_order,
                entries_without_frames_are_read_with_their_neighbours,
                a_large_append_is_kept_whole,
                trimming_stops_at_the_snapshot,
                reading_from_before_what_was_trimmed_is_refused,
                a_newer_snapshot_takes_the_place_of_the_older,
                a_snapshot_can_come_without_entries,
                a_new_epoch_starts_its_own_seqs_and_its_own_window,
                what_was_acknowledged_is_there_after_the_process_died,
                a_deleted_log_is_gone_and_can_begin_again,
                unknown_logs_are_none_and_empty,
                a_log_is_suspect_after_a_reboot_until_a_new_epoch_begins,
            ]
        );
    };
}
pub fn session(id: u64) -> SessionId {
    SessionId::new(id).expect("an id")
}

pub fn epoch(name: &str) -> Epoch {
    Epoch::new(name).expect("an epoch")
}

/// An entry whose payload names its session and index.
pub fn entry(of: u64, name: &str, index: u64, last_seq: u32) -> LogRecord {
    LogRecord {
        index,
        epoch: epoch(name),
        last_seq: Seq::new(last_seq),
        at: Timestamp::from_millis(1_000 + index.cast_signed()),
        payload: Bytes::from(format!("{of}/{name}/{index}")),
    }
}

/// `count` entries after `expected`, one frame each, in an epoch that began with the log.
pub fn append(of: u64, name: &str, expected: u64, count: u64) -> Append {
    let records = (expected + 1..=expected + count)
        .map(|index| entry(of, name, index, u32::try_from(index).expect("a seq")))
        .collect();
    batch(of, expected, records)
}

fn batch(of: u64, expected_index: u64, records: Vec<LogRecord>) -> Append {
    Append {
        session: session(of),
        expected_index,
        records,
        snapshot: None,
        trim_to: None,
    }
}

fn snapshot(name: &str, index: u64) -> SnapshotRecord {
    SnapshotRecord {
        index,
        epoch: epoch(name),
        payload: Bytes::from(format!("state after {index}")),
    }
}

async fn indices(
    log: &Arc<dyn SessionLog>,
    of: u64,
    name: &str,
    after: u32,
    limit: u32,
) -> Vec<u64> {
    let read = log
        .read(session(of), &epoch(name), Seq::new(after), limit)
        .await
        .expect("read");
    read.into_iter().map(|record| record.index).collect()
}

pub async fn an_append_holds_only_while_the_log_ends_where_it_expects(fixture: &impl LogFixture) {
    let log = fixture.open().await;
    log.append(append(1, "a", 0, 2)).await.expect("the first");
    for elsewhere in [0, 1, 3] {
        let refused = log
            .append(append(1, "a", elsewhere, 1))
            .await
            .expect_err("refused");
        assert!(matches!(refused, AppendError::Conflict), "{elsewhere}");
    }
    log.append(append(1, "a", 2, 1)).await.expect("at the end");
    assert_eq!(indices(&log, 1, "a", 0, 10).await, [1, 2, 3]);
}

pub async fn an_append_is_all_or_nothing(fixture: &impl LogFixture) {
    let log = fixture.open().await;
    let mut gap = append(1, "a", 0, 3);
    gap.records.remove(1);
    let nonsense = Append {
        snapshot: Some(snapshot("a", 9)),
        ..append(1, "a", 0, 1)
    };
    for bad in [gap, nonsense] {
        log.append(bad).await.expect_err("refused");
    }
    assert!(log.load(session(1)).await.expect("loaded").is_none());
    log.append(append(1, "a", 0, 3)).await.expect("a good one");
    let loaded = log.load(session(1)).await.expect("loaded").expect("a log");
    assert_eq!(loaded.records, append(1, "a", 0, 3).records);
}

pub async fn of_many_appends_at_one_index_exactly_one_is_accepted(fixture: &impl LogFixture) {
    let log = fixture.open().await;
    for expected in 0..20 {
        let mut rivals = JoinSet::new();
        for rival in 0..8 {
            let (log, mut mine) = (Arc::clone(&log), append(1, "a", expected, 1));
            mine.records[0].payload = Bytes::from(format!("rival {rival}"));
            rivals.spawn(async move { log.append(mine).await });
        }
        let outcomes = rivals.join_all().await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        assert_eq!(
            outcomes
                .iter()
                .filter(|outcome| matches!(outcome, Err(AppendError::Conflict)))
                .count(),
            7
        );
    }
    assert_eq!(
        indices(&log, 1, "a", 0, 100).await,
        (1..=20).collect::<Vec<_>>()
    );
}

pub async fn a_conflict_of_one_session_does_not_touch_another(fixture: &impl LogFixture) {
    let log = fixture.open().await;
    let mut all = JoinSet::new();
    for of in 1..=40 {
        let log = Arc::clone(&log);
        // Every second append expects an index that the log does not end at.
        all.spawn(async move { (of, log.append(append(of, "a", of % 2, 1)).await) });
    }
    for (of, outcome) in all.join_all().await {
        assert_eq!(outcome.is_ok(), of % 2 == 0, "{of}");
    }
    assert_eq!(
        log.sessions().await.expect("listed"),
        (1..=20).map(|n| session(2 * n)).collect::<Vec<_>>()
    );
}

pub async fn fifty_sessions_appending_at_once_each_keep_their_order(fixture: &impl LogFixture) {
    const APPENDS: u64 = 60;
    let log = fixture.open().await;
    let mut all = JoinSet::new();
    for of in 1..=50 {
        let log = Arc::clone(&log);
        all.spawn(async move {
            for expected in 0..APPENDS {
                log.append(append(of, "a", expected, 1))
                    .await
                    .expect("appended");
            }
        });
    }
    all.join_all().await;
    for of in 1..=50 {
        let loaded = log.load(session(of)).await.expect("loaded").expect("a log");
        assert_eq!(loaded.records, append(of, "a", 0, APPENDS).records);
    }
}

pub async fn reading_returns_the_entries_after_a_seq_in_order(fixture: &impl LogFixture) {
    let log = fixture.open().await;
    // Entries of three frames each: seqs 3, 6, 9, …
    let triples = (1..=30)
        .map(|index| entry(1, "a", index, 3 * u32::try_from(index).expect("a seq")))
        .collect();
    log.append(batch(1, 0, triples)).await.expect("appended");
    log.append(append(2, "a", 0, 5))
        .await
        .expect("another session");
    assert_eq!(indices(&log, 1, "a", 0, 3).await, [1, 2, 3]);
    assert_eq!(
        indices(&log, 1, "a", 9, 2).await,
        [4, 5],
        "the third entry's frames are all seen"
    );
    assert_eq!(
        indices(&log, 1, "a", 10, 2).await,
        [4, 5],
        "the fourth entry's last frames are not"
    );
    assert_eq!(indices(&log, 1, "a", 87, 10).await, [30]);
    assert_eq!(indices(&log, 1, "a", 90, 10).await, [0; 0]);
    assert_eq!(indices(&log, 1, "a", u32::MAX, 10).await, [0; 0]);
    assert_eq!(indices(&log, 1, "b", 0, 10).await, [0; 0], "no such epoch");
    let records = log
        .read(session(2), &epoch("a"), Seq::new(3), 10)
        .await
        .expect("read");
    assert_eq!(records, append(2, "a", 3, 2).records);
}

pub async fn entries_without_frames_are_read_with_their_neighbours(fixture: &impl LogFixture) {
    let log = fixture.open().await;
    let seqs = [0, 1, 1, 1, 2, 2];
    let records = (1..)
        .zip(seqs)
        .map(|(index, seq)| entry(1, "a", index, seq))
        .collect();
    log.append(batch(1, 0, records)).await.expect("appended");
    assert_eq!(indices(&log, 1, "a", 0, 10).await, [2, 3, 4, 5, 6]);
    assert_eq!(indices(&log, 1, "a", 1, 10).await, [5, 6]);
    assert_eq!(indices(&log, 1, "a", 2, 10).await, [0; 0]);
}

pub async fn a_large_append_is_kept_whole(fixture: &impl LogFixture) {
    let log = fixture.open().await;
    let mut large = append(1, "a", 0, 1_500);
    for record in &mut large.records {
        record.payload = Bytes::from(vec![
            u8::try_from(record.index % 251).expect("a byte");
            5_000
        ]);
    }
    log.append(large.clone()).await.expect("appended");
    let loaded = log.load(session(1)).await.expect("loaded").expect("a log");
    assert_eq!(loaded.records, large.records);
    assert_eq!(loaded.retained.len(), 1_500);
    assert!(
        loaded
            .retained
            .iter()
            .all(|retained| retained.size == 5_000)
    );
}

pub async fn trimming_stops_at_the_snapshot(fixture: &impl LogFixture) {
    let log = fixture.open().await;
    log.append(Append {
        trim_to: Some(4),
        ..append(1, "a", 0, 6)
    })
    .await
    .expect("appended");
    assert_eq!(
        indices(&log, 1, "a", 0, 10).await,
        [1, 2, 3, 4, 5, 6],
        "without a snapshot nothing goes"
    );
    let trimmed = Append {
        snapshot: Some(snapshot("a", 4)),
        trim_to: Some(99),
        ..append(1, "a", 6, 1)
    };
    log.append(trimmed).await.expect("appended");
    let loaded = log.load(session(1)).await.expect("loaded").expect("a log");
    assert_eq!(loaded.snapshot, Some(snapshot("a", 4)));
    assert_eq!(loaded.records, append(1, "a", 4, 3).records);
    assert_eq!(
        loaded.retained.iter().map(|r| r.index).collect::<Vec<_>>(),
        [5, 6, 7]
    );
    assert_eq!(indices(&log, 1, "a", 4, 10).await, [5, 6, 7]);
}

pub async fn reading_from_before_what_was_trimmed_is_refused(fixture: &impl LogFixture) {
    let log = fixture.open().await;
    log.append(Append {
        snapshot: Some(snapshot("a", 5)),
        trim_to: Some(3),
        ..append(1, "a", 0, 6)
    })
    .await
    .expect("appended");
    for missed in 0..3 {
        log.read(session(1), &epoch("a"), Seq::new(missed), 10)
            .await
            .expect_err("a hole");
    }
    assert_eq!(indices(&log, 1, "a", 3, 10).await, [4, 5, 6]);
    // All entries may be trimmed: the log still knows where it ends.
    let all = Append {
        snapshot: Some(snapshot("a", 6)),
        trim_to: Some(6),
        ..batch(1, 6, Vec::new())
    };
    log.append(all).await.expect("appended");
    assert_eq!(indices(&log, 1, "a", 6, 10).await, [0; 0]);
    log.read(session(1), &epoch("a"), Seq::new(5), 10)
        .await
        .expect_err("a hole");
    log.append(append(1, "a", 6, 2)).await.expect("goes on");
    assert_eq!(indices(&log, 1, "a", 6, 10).await, [7, 8]);
    // A new epoch has trimmed nothing yet.
    log.append(batch(1, 8, vec![entry(1, "b", 9, 1)]))
        .await
        .expect("a new epoch");
    assert_eq!(indices(&log, 1, "b", 0, 10).await, [9]);
}

pub async fn a_newer_snapshot_takes_the_place_of_the_older(fixture: &impl LogFixture) {
    let log = fixture.open().await;
    log.append(Append {
        snapshot: Some(snapshot("a", 2)),
        ..append(1, "a", 0, 3)
    })
    .await
    .expect("appended");
    log.append(Append {
        snapshot: Some(snapshot("a", 4)),
        trim_to: Some(4),
        ..append(1, "a", 3, 2)
    })
    .await
    .expect("appended");
    log.append(Append {
        snapshot: Some(snapshot("a", 2)),
        ..append(1, "a", 5, 1)
    })
    .await
    .expect("an old one");
    let loaded = log.load(session(1)).await.expect("loaded").expect("a log");
    assert_eq!(
        loaded.snapshot,
        Some(snapshot("a", 4)),
        "never back to where the entries are gone"
    );
    assert_eq!(loaded.records, append(1, "a", 4, 2).records);
}

pub async fn a_snapshot_can_come_without_entries(fixture: &impl LogFixture) {
    let log = fixture.open().await;
    log.append(append(1, "a", 0, 3)).await.expect("appended");
    let alone = |expected| Append {
        snapshot: Some(snapshot("a", 3)),
        ..batch(1, expected, Vec::new())
    };
    assert!(matches!(
        log.append(alone(2)).await,
        Err(AppendError::Conflict)
    ));
    log.append(alone(3)).await.expect("appended");
    let loaded = log.load(session(1)).await.expect("loaded").expect("a log");
    assert_eq!(
        (loaded.snapshot, loaded.records.len(), loaded.retained.len()),
        (Some(snapshot("a", 3)), 0, 3)
    );
    log.append(append(1, "a", 3, 1))
        .await
        .expect("the end has not moved");
}

pub async fn a_new_epoch_starts_its_own_seqs_and_its_own_window(fixture: &impl LogFixture) {
    let log = fixture.open().await;
    log.append(append(1, "a", 0, 3)).await.expect("appended");
    // One append may hold the end of one epoch and the start of the next.
    let turn = vec![
        entry(1, "a", 4, 4),
        entry(1, "b", 5, 1),
        entry(1, "b", 6, 2),
    ];
    log.append(Append {
        snapshot: Some(snapshot("a", 2)),
        ..batch(1, 3, turn.clone())
    })
    .await
    .expect("appended");
    let loaded = log.load(session(1)).await.expect("loaded").expect("a log");
    assert_eq!(loaded.records[1..], turn);
    let window: Vec<_> = loaded
        .retained
        .iter()
        .map(|r| (r.index, r.last_seq.get(), r.at.as_millis()))
        .collect();
    assert_eq!(window, [(5, 1, 1_005), (6, 2, 1_006)]);
    assert_eq!(indices(&log, 1, "b", 0, 10).await, [5, 6]);
    assert_eq!(indices(&log, 1, "b", 1, 10).await, [6]);
    assert_eq!(
        indices(&log, 1, "a", 1, 2).await,
        [2, 3],
        "the old epoch can still be read"
    );
}

pub async fn what_was_acknowledged_is_there_after_the_process_died(fixture: &impl LogFixture) {
    let log = fixture.open().await;
    log.append(Append {
        snapshot: Some(snapshot("a", 1)),
        ..append(1, "a", 0, 2)
    })
    .await
    .expect("appended");
    log.append(append(2, "a", 0, 1)).await.expect("appended");
    let found = fixture.killed().await;
    let after = found.open().await;
    assert_eq!(
        after.sessions().await.expect("listed"),
        [session(1), session(2)]
    );
    let loaded = after
        .load(session(1))
        .await
        .expect("loaded")
        .expect("a log");
    assert_eq!(
        (loaded.snapshot, loaded.records),
        (Some(snapshot("a", 1)), append(1, "a", 1, 1).records)
    );
    assert!(!loaded.suspect);
    assert!(matches!(
        after.append(append(1, "a", 1, 1)).await,
        Err(AppendError::Conflict)
    ));
    after.append(append(1, "a", 2, 1)).await.expect("goes on");
}

pub async fn a_deleted_log_is_gone_and_can_begin_again(fixture: &impl LogFixture) {
    let log = fixture.open().await;
    log.append(Append {
        snapshot: Some(snapshot("a", 5)),
        trim_to: Some(3),
        ..append(1, "a", 0, 5)
    })
    .await
    .expect("appended");
    log.append(append(2, "a", 0, 1)).await.expect("another");
    for _ in 0..2 {
        log.delete(session(1)).await.expect("deleted");
    }
    assert!(log.load(session(1)).await.expect("loaded").is_none());
    assert_eq!(log.sessions().await.expect("listed"), [session(2)]);
    assert!(matches!(
        log.append(append(1, "a", 5, 1)).await,
        Err(AppendError::Conflict)
    ));
    log.append(append(1, "a", 0, 1))
        .await
        .expect("begins again");
    assert_eq!(indices(&log, 1, "a", 0, 10).await, [1]);
}

pub async fn unknown_logs_are_none_and_empty(fixture: &impl LogFixture) {
    let log = fixture.open().await;
    assert!(log.load(session(9)).await.expect("loaded").is_none());
    assert_eq!(indices(&log, 9, "a", 0, 10).await, [0; 0]);
    assert!(log.sessions().await.expect("listed").is_empty());
}

pub async fn a_log_is_suspect_after_a_reboot_until_a_new_epoch_begins(fixture: &impl LogFixture) {
    let log = fixture.open().await;
    log.append(append(1, "a", 0, 2)).await.expect("appended");
    log.append(append(2, "a", 0, 2)).await.expect("appended");
    let rebooted = fixture.rebooted().await;
    let after = rebooted.open().await;
    let suspect = async |log: &Arc<dyn SessionLog>, of| {
        log.load(session(of))
            .await
            .expect("loaded")
            .expect("a log")
            .suspect
    };
    assert!(suspect(&after, 1).await && suspect(&after, 2).await);
    after.append(append(1, "a", 2, 1)).await.expect("appended");
    assert!(
        suspect(&after, 1).await,
        "the old epoch going on proves nothing"
    );
    after
        .append(batch(1, 3, vec![entry(1, "b", 4, 1)]))
        .await
        .expect("appended");
    assert!(!suspect(&after, 1).await);
    assert!(suspect(&after, 2).await, "each log for itself");
    after.append(append(3, "a", 0, 1)).await.expect("appended");
    assert!(!suspect(&after, 3).await, "a log of this boot");
    let killed = rebooted.killed().await;
    let again = killed.open().await;
    assert!(
        !suspect(&again, 1).await && suspect(&again, 2).await,
        "as it was, under the same boot"
    );
}
