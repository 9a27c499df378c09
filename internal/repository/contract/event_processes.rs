//! Processes that write, number and handle events, and die at any point of it.

use super::events::Store;
use crate::db::Database;
use async_trait::async_trait;
use faceshare_biz::Result;
use faceshare_biz::domain::Timestamp;
use faceshare_biz::domain::event::{
    Advance, ConsumerPositions, ConsumerState, DeadLetter, EventLog, FailedAttempt, Lease, Leases,
    LogFigures, Progress, RecordedEvent, Sequencing,
};
use faceshare_biz::domain::port::Clock;
use faceshare_contract::event::{EventStore as _, renamed};
use faceshare_logic::event::{Consumer, ConsumerDeps, EventHandler, Handled, Sequencer};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;

/// Processes that die, one after the other.
const PROCESSES: usize = 15;
/// The most calls of ports that a process makes before it dies.
const STEPS: i64 = 40;
/// The most events that are written during the life of a process.
const WRITTEN: usize = 12;
/// What events are about.
const KEYS: u64 = 4;
/// The last process has finished after this, unless the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// One process. Each call of a port may be its last: it dies before the call or after it.
struct Process {
    store: Store,
    steps_left: AtomicI64,
    dead: Notify,
    /// The events of odd keys that a process handled, whose effect is not in SQL.
    handled: Arc<Mutex<Vec<(u64, u64)>>>,
}

impl Process {
    async fn step(&self) {
        if self.steps_left.fetch_sub(1, Ordering::SeqCst) <= 0 {
            self.dead.notify_one();
            std::future::pending::<()>().await;
        }
    }

    async fn call<T>(&self, call: impl Future<Output = T>) -> T {
        self.step().await;
        let outcome = call.await;
        self.step().await;
        outcome
    }
}

#[async_trait]
impl EventLog for Process {
    async fn sequence(&self, lease: &Lease, limit: u32) -> Result<Sequencing> {
        self.call(self.store.log.sequence(lease, limit.min(3)))
            .await
    }

    async fn read(&self, after: u64, limit: u32) -> Result<Vec<RecordedEvent>> {
        self.call(self.store.log.read(after, limit)).await
    }

    async fn appended(&self) {
        self.store.log.appended().await;
    }

    async fn sequenced(&self) {
        self.store.log.sequenced().await;
    }

    async fn figures(&self) -> Result<LogFigures> {
        self.store.log.figures().await
    }

    async fn purge(&self, now: Timestamp, kept: Duration) -> Result<u64> {
        self.store.log.purge(now, kept).await
    }
}

/// The terms are over at once, so the next process need not wait for their end.
#[async_trait]
impl Leases for Process {
    async fn take(&self, name: &str, _: Duration) -> Result<Option<Lease>> {
        self.call(self.store.leases.take(name, Duration::ZERO))
            .await
    }

    async fn renew(&self, lease: &Lease, _: Duration) -> Result<bool> {
        self.call(self.store.leases.renew(lease, Duration::ZERO))
            .await
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        self.call(self.store.leases.release(lease)).await
    }
}

#[async_trait]
impl ConsumerPositions for Process {
    async fn load(&self, consumer: &str) -> Result<ConsumerState> {
        self.call(self.store.positions.load(consumer)).await
    }

    async fn advance(&self, progress: &Progress) -> Result<Advance> {
        self.call(self.store.positions.advance(progress)).await
    }

    async fn fail(&self, progress: &Progress, failed: &FailedAttempt) -> Result<Advance> {
        self.call(self.store.positions.fail(progress, failed)).await
    }

    async fn give_up(
        &self,
        progress: &Progress,
        event: &RecordedEvent,
        failed: &FailedAttempt,
    ) -> Result<Advance> {
        self.call(self.store.positions.give_up(progress, event, failed))
            .await
    }

    async fn to_retry(&self, consumer: &str, limit: u32) -> Result<Vec<DeadLetter>> {
        self.store.positions.to_retry(consumer, limit).await
    }
}

/// Stores the effects of even keys in SQL, some of them again.
#[async_trait]
impl EventHandler for Process {
    fn name(&self) -> &'static str {
        "test"
    }

    async fn handle(&self, event: &RecordedEvent, progress: &Progress) -> Result<Handled> {
        if event.key % 2 == 1 {
            let handled = (event.key, event.position);
            self.handled.lock().expect("not poisoned").push(handled);
            return Ok(Handled::Done);
        }
        let mut advance = self.call(self.store.apply(event, progress)).await?;
        if event.id.is_multiple_of(3) && advance == Advance::Stored {
            advance = self.store.apply(event, progress).await?;
            assert_ne!(advance, Advance::Stored, "fed again");
        }
        Ok(Handled::Stored(advance))
    }
}

/// No event of this test fails, so no time passes.
struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }
}

/// What the processes write.
#[derive(Default)]
struct Written {
    versions: BTreeMap<u64, u64>,
    /// Key and version of each event whose transaction was seen to commit.
    committed: Vec<(u64, u64)>,
}

impl Written {
    async fn write(&mut self, store: &Store, random: &mut StdRng) {
        for _ in 0..WRITTEN {
            let key = random.random_range(1..=KEYS);
            let version = self.versions.entry(key).or_default();
            *version += 1;
            store.append(&[renamed(key, *version)]).await;
            self.committed.push((key, *version));
        }
        std::future::pending().await
    }
}

pub(super) async fn each_event_takes_effect_once_and_in_order_wherever_processes_die(
    openings: &[Database; 4],
) {
    openings[0].migrate().await.expect("migrated");
    let seed = RandomState::new().hash_one(());
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let (mut written, handled) = (Written::default(), Arc::<Mutex<Vec<_>>>::default());
    let store = Store::new(openings[0].clone());
    assert_eq!(store.effects().await.len(), 0, "makes the table");
    for number in 0..=PROCESSES {
        let last = number == PROCESSES;
        let steps = if last {
            i64::MAX
        } else {
            random.random_range(0..STEPS)
        };
        let process = Arc::new(Process {
            store: Store::new(openings[number % 4].of_another_process()),
            steps_left: AtomicI64::new(steps),
            dead: Notify::new(),
            handled: handled.clone(),
        });
        let sequencer = Sequencer::new(process.clone(), process.clone());
        let deps = ConsumerDeps {
            log: process.clone(),
            positions: process.clone(),
            leases: process.clone(),
            clock: Arc::new(StoppedClock),
        };
        let consumer = Consumer::new(deps, process.clone());
        let ended = async {
            if last {
                timeout(PATIENCE, finished(&store)).await.expect("in time");
            } else {
                written.write(&process.store, &mut random).await;
            }
        };
        tokio::select! {
            biased;
            () = process.dead.notified() => {}
            () = ended => {}
            () = sequencer.follow() => {}
            () = consumer.follow() => {}
        }
        process.store.db.kill().await;
    }
    let handled = handled.lock().expect("not poisoned").clone();
    check(&store, &written, &handled).await;
}

/// Waits until every event has a position and was handled.
async fn finished(store: &Store) {
    loop {
        let figures = store.log.figures().await.expect("counted");
        let behind: u64 = figures.consumers.iter().map(|of| of.behind).sum();
        if figures.unsequenced + behind == 0 && !figures.consumers.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn check(store: &Store, written: &Written, handled: &[(u64, u64)]) {
    let events = store.log.read(0, u32::MAX).await.expect("read");
    let positions = events.iter().map(|event| event.position);
    assert!(positions.eq(1..=events.len() as u64), "{events:?}");
    let told: HashSet<_> = events
        .iter()
        .map(|event| (event.key, event.version))
        .collect();
    for committed in &written.committed {
        assert!(told.contains(committed), "{committed:?} is lost");
    }
    for key in 1..=KEYS {
        let of_key = || events.iter().filter(|event| event.key == key);
        assert!(
            of_key().is_sorted_by_key(|event| event.version),
            "key {key}"
        );
        if key % 2 == 1 {
            let mut positions: Vec<_> = handled
                .iter()
                .filter(|(handled, _)| *handled == key)
                .map(|(_, position)| *position)
                .collect();
            assert!(positions.is_sorted(), "only the last one comes again");
            positions.dedup();
            assert!(of_key().map(|event| event.position).eq(positions));
        }
    }
    let in_sql = events.iter().filter(|event| event.key % 2 == 0);
    let in_sql: Vec<_> = in_sql.map(|event| event.id).collect();
    assert_eq!(store.effects().await, in_sql);
}
