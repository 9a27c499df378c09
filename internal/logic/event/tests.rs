//! The sequencer and a consumer over the real repositories, on a SQLite file.

use super::{Consumer, ConsumerDeps, EventHandler, EventUpkeep, Handled, Sequencer};
use crate::fakes::FakeClock;
use async_trait::async_trait;
use faceshare_biz::domain::account::{Account, AccountRepository as _};
use faceshare_biz::domain::event::{
    ConsumerPositions as _, ConsumerState, DeadLetter, DeadLetters as _, EventLog as _, Fact,
    Lease, Leases as _, Progress, RecordedEvent,
};
use faceshare_biz::domain::port::Clock as _;
use faceshare_biz::domain::{AccountId, Nickname, PageRequest, Timestamp};
use faceshare_biz::{Error, Result};
use faceshare_repository::{Database, DatabaseSettings, Synchronous, db};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// No test waits for this long unless it fails.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longer than any pause between attempts.
const LONG: Duration = Duration::from_secs(90);
const CONSUMER: &str = "test";

/// How the handler treats the events of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Treatment {
    Ignore,
    Fail,
    Panic,
    Outage,
}

/// Sends what it was asked to handle to the test.
struct Handler {
    treatments: Mutex<HashMap<u64, Treatment>>,
    calls: mpsc::UnboundedSender<RecordedEvent>,
}

impl Handler {
    fn treat(&self, key: u64, treatment: Option<Treatment>) {
        let mut treatments = self.treatments.lock().expect("not poisoned");
        match treatment {
            Some(treatment) => treatments.insert(key, treatment),
            None => treatments.remove(&key),
        };
    }
}

#[async_trait]
impl EventHandler for Handler {
    fn name(&self) -> &'static str {
        CONSUMER
    }

    async fn handle(&self, event: &RecordedEvent, _: &Progress) -> Result<Handled> {
        let _ = self.calls.send(event.clone());
        let treatment = {
            let treatments = self.treatments.lock().expect("not poisoned");
            treatments.get(&event.key).copied()
        };
        match treatment {
            None => Ok(Handled::Done),
            Some(Treatment::Ignore) => Ok(Handled::Ignored),
            Some(Treatment::Fail) => Err(Error::internal("broken")),
            Some(Treatment::Panic) => panic!("broken"),
            Some(Treatment::Outage) => Err(Error::unavailable("away")),
        }
    }
}

struct Fixture {
    accounts: db::Accounts,
    leases: Arc<db::DatabaseLeases>,
    positions: Arc<db::EventConsumers>,
    letters: Arc<db::EventDeadLetters>,
    log: Arc<db::Events>,
    clock: Arc<FakeClock>,
    sequencer: Sequencer,
    consumer: Consumer,
    handler: Arc<Handler>,
    calls: mpsc::UnboundedReceiver<RecordedEvent>,
    _folder: TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("faceshare.db").display().to_string();
        let settings = DatabaseSettings {
            synchronous: Synchronous::Normal,
            max_connections: 4,
        };
        let database = Database::open(&file, settings).await.expect("opened");
        database.migrate().await.expect("migrated");
        let (sender, calls) = mpsc::unbounded_channel();
        let handler = Arc::new(Handler {
            treatments: Mutex::default(),
            calls: sender,
        });
        let log = Arc::new(db::Events::new(database.clone()));
        let leases = Arc::new(db::DatabaseLeases::new(database.clone()));
        let positions = Arc::new(db::EventConsumers::new(database.clone()));
        let clock = Arc::<FakeClock>::default();
        clock.set(Timestamp::from_millis(1_000_000));
        let deps = ConsumerDeps {
            log: log.clone(),
            positions: positions.clone(),
            leases: leases.clone(),
            clock: clock.clone(),
        };
        Self {
            sequencer: Sequencer::new(log.clone(), leases.clone()),
            consumer: Consumer::new(deps, handler.clone()),
            letters: Arc::new(db::EventDeadLetters::new(database.clone())),
            accounts: db::Accounts::new(database),
            leases,
            positions,
            log,
            clock,
            handler,
            calls,
            _folder: folder,
        }
    }

    fn run(&self) -> [tokio::task::JoinHandle<()>; 2] {
        let (sequencer, consumer) = (self.sequencer.clone(), self.consumer.clone());
        [
            tokio::spawn(async move { sequencer.follow().await }),
            tokio::spawn(async move { consumer.follow().await }),
        ]
    }

    async fn make(&self, id: u64) {
        let account = Account {
            id: account_id(id),
            username: None,
            nickname: Nickname::new("Ann", 32).expect("a nickname"),
            avatar_url: String::new(),
            created_at: self.clock.now(),
        };
        self.accounts.insert(&account).await.expect("kept");
    }

    async fn next(&mut self) -> RecordedEvent {
        let next = timeout(PATIENCE, self.calls.recv()).await;
        next.expect("in time").expect("the handler lives")
    }

    async fn state(&self) -> ConsumerState {
        self.positions.load(CONSUMER).await.expect("loaded")
    }

    /// Waits until the state of the consumer is one of these.
    async fn reached(&self, wanted: impl Fn(ConsumerState) -> bool) -> ConsumerState {
        let reached = async {
            loop {
                let state = self.state().await;
                if wanted(state) {
                    return state;
                }
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, reached).await.expect("in time")
    }

    async fn dead_letters(&self) -> Vec<DeadLetter> {
        let page = PageRequest {
            size: 10,
            after: None,
        };
        self.letters.list(None, page).await.expect("listed").items
    }
}

fn account_id(id: u64) -> AccountId {
    AccountId::new(id).expect("an id")
}

#[tokio::test]
async fn events_come_in_order_and_ignored_ones_are_passed() {
    let mut app = Fixture::new().await;
    app.handler.treat(2, Some(Treatment::Ignore));
    let running = app.run();
    for id in 1..=4 {
        app.make(id).await;
    }
    for id in 1..=4 {
        let event = app.next().await;
        assert_eq!((event.key, event.position), (id, id));
        assert_eq!(event.fact, Fact::AccountMade { guest: true });
    }
    app.reached(|state| state.position == 4).await;
    // The last one ignored is passed as well.
    app.handler.treat(5, Some(Treatment::Ignore));
    app.make(5).await;
    app.reached(|state| state.position == 5).await;
    running.iter().for_each(tokio::task::JoinHandle::abort);
}

/// Fails the event of account 2 until it is a dead letter, and retries it.
async fn a_poisoned_event(treatment: Treatment) {
    let mut app = Fixture::new().await;
    app.handler.treat(2, Some(treatment));
    for id in 1..=3 {
        app.make(id).await;
    }
    let running = app.run();
    assert_eq!(app.next().await.key, 1);
    for (attempt, pause) in (1..).zip([1, 2, 4, 8, 16, 32, 60]) {
        assert_eq!(app.next().await.key, 2, "the next one waits");
        let state = app.reached(|state| state.attempts == attempt).await;
        let retry_in = state.retry_at.expect("a time").since(app.clock.now());
        let pause = Duration::from_secs(pause);
        assert!(
            (pause.mul_f64(0.799)..=pause.mul_f64(1.2)).contains(&retry_in),
            "attempt {attempt}: {retry_in:?}"
        );
        app.clock.pass(retry_in);
    }
    assert_eq!(app.next().await.key, 2, "the eighth attempt");
    assert_eq!(app.next().await.key, 3, "the next one is taken");
    app.reached(|state| state.position == 3).await;
    let letters = app.dead_letters().await;
    let of_letters: Vec<_> = letters.iter().map(|l| (l.event.key, l.attempts)).collect();
    assert_eq!(of_letters, [(2, 8)]);

    // A retry that fails leaves the letter, one that succeeds takes it away.
    assert!(app.letters.retry(letters[0].id).await.expect("asked"));
    assert_eq!(app.next().await, letters[0].event);
    let failed_again = async {
        while app.dead_letters().await[0].attempts != 9 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, failed_again).await.expect("in time");
    app.handler.treat(2, None);
    assert!(app.letters.retry(letters[0].id).await.expect("asked"));
    assert_eq!(app.next().await, letters[0].event);
    let gone = async {
        while !app.dead_letters().await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, gone).await.expect("in time");
    running.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn an_event_that_fails_eight_times_is_a_dead_letter_and_can_be_retried() {
    a_poisoned_event(Treatment::Fail).await;
}

#[tokio::test]
async fn an_event_whose_handler_panics_is_a_failed_attempt() {
    a_poisoned_event(Treatment::Panic).await;
}

#[tokio::test]
async fn an_outage_is_waited_for_and_counts_no_attempt() {
    let mut app = Fixture::new().await;
    app.handler.treat(1, Some(Treatment::Outage));
    app.make(1).await;
    let running = app.run();
    for _ in 0..2 {
        assert_eq!(app.next().await.key, 1);
        assert_eq!(app.state().await, ConsumerState::default());
        app.clock.pass(LONG);
    }
    app.handler.treat(1, None);
    app.reached(|state| state.position == 1).await;
    assert!(app.dead_letters().await.is_empty());
    running.iter().for_each(tokio::task::JoinHandle::abort);
}

/// Takes a lease from the process that holds it, as another one does after its term.
async fn take_over(app: &Fixture, name: &str) -> Lease {
    let held = Lease {
        name: name.to_owned(),
        fence: 1,
    };
    let ended = app.leases.renew(&held, Duration::ZERO).await;
    assert!(ended.expect("asked"), "it is held");
    let taken = app.leases.take(name, PATIENCE * 2).await.expect("asked");
    taken.expect("its term is over")
}

#[tokio::test]
async fn an_owner_whose_lease_was_taken_writes_nothing_more() {
    let mut app = Fixture::new().await;
    let running = app.run();
    app.make(1).await;
    assert_eq!(app.next().await.key, 1);
    app.reached(|state| state.position == 1).await;

    let consumer = take_over(&app, "consumer:test").await;
    app.make(2).await;
    assert_eq!(app.next().await.key, 2, "it handles one more event");
    let sequencer = take_over(&app, "sequencer").await;
    app.make(3).await;
    // The old owners notice it and wait for the leases.
    let lost = async {
        while app.consumer.holds_lease() || app.sequencer.holds_lease() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, lost).await.expect("in time");
    assert_eq!(app.state().await.position, 1);
    assert_eq!(app.log.read(0, 10).await.expect("read").len(), 2);
    for lease in [consumer, sequencer] {
        app.leases.release(&lease).await.expect("released");
    }
    app.reached(|state| state.position == 3).await;
    running.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_released_lease_is_free_at_once() {
    let mut app = Fixture::new().await;
    let running = app.run();
    app.make(1).await;
    app.next().await;
    app.reached(|state| state.position == 1).await;
    for task in running {
        task.abort();
        assert!(task.await.expect_err("aborted").is_cancelled());
    }
    app.sequencer.release().await;
    app.consumer.release().await;
    for name in ["sequencer", "consumer:test"] {
        let taken = app.leases.take(name, PATIENCE).await.expect("asked");
        assert_eq!(taken.map(|lease| lease.fence), Some(2), "{name}");
    }
}

#[tokio::test]
async fn upkeep_deletes_events_seven_days_after_they_were_passed() {
    let mut app = Fixture::new().await;
    let upkeep = EventUpkeep::new(app.log.clone(), app.letters.clone(), app.clock.clone());
    let running = app.run();
    app.make(1).await;
    app.next().await;
    app.reached(|state| state.position == 1).await;
    upkeep.measure().await;
    upkeep.purge().await;
    app.clock.pass(Duration::from_secs(7 * 86_400 - 1));
    upkeep.purge().await;
    assert_eq!(app.log.read(0, 10).await.expect("read").len(), 1);
    app.clock.pass(Duration::from_secs(1));
    upkeep.purge().await;
    assert!(app.log.read(0, 10).await.expect("read").is_empty());
    running.iter().for_each(tokio::task::JoinHandle::abort);
}
