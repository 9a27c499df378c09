//! What every event log, with its leases, positions of consumers and dead letters, must do.

use async_trait::async_trait;
use faceshare_biz::Result;
use faceshare_biz::constants::SEQUENCED_MAX;
use faceshare_biz::domain::event::{
    Advance, ConsumerFigures, ConsumerPositions, ConsumerState, DeadLetter, DeadLetters, Delivery,
    EventLog, Fact, FailedAttempt, Lease, Leases, LogFigures, NewEvent, Progress, RecordedEvent,
    Sequencing,
};
use faceshare_biz::domain::{MemberId, PageRequest, Timestamp};
use std::time::Duration;

/// The stores of one installation, and what only repositories can do.
#[async_trait]
pub trait EventStore: Send + Sync + 'static {
    /// The event log.
    fn log(&self) -> &dyn EventLog;
    /// The leases.
    fn leases(&self) -> &dyn Leases;
    /// How far consumers have come.
    fn positions(&self) -> &dyn ConsumerPositions;
    /// The dead letters.
    fn letters(&self) -> &dyn DeadLetters;
    /// Writes events in one transaction, as a repository does.
    async fn append(&self, events: &[NewEvent]);
    /// Stores an effect of the event together with the progress, as a repository does.
    async fn apply(&self, event: &RecordedEvent, progress: &Progress) -> Result<Advance>;
    /// The ids of the events of which an effect was stored, once for each time.
    async fn effects(&self) -> Vec<u64>;
}

/// Runs the suite. `$fresh` is a future of a store and of a value that is kept until the test ends.
#[macro_export]
macro_rules! event_contract {
    ($fresh:expr) => {
        $crate::run_contract!(
            event,
            $fresh,
            [
                an_event_is_read_as_it_was_written_once_it_has_a_position,
                a_change_is_told_once,
                within_a_key_positions_follow_versions,
                a_batch_is_bounded,
                a_sequencer_that_lost_its_lease_numbers_nothing,
                a_lease_belongs_to_one_until_its_term_is_over_or_it_is_released,
                a_consumer_moves_on_under_its_lease_alone,
                failed_attempts_are_counted_until_the_consumer_moves_on,
                an_event_that_is_given_up_becomes_a_dead_letter,
                a_dead_letter_is_retried_once_each_time_it_is_asked_for,
                dead_letters_are_listed_in_pages_discarded_and_purged,
                an_effect_and_its_progress_are_stored_together_or_not_at_all,
                an_effect_of_a_retried_dead_letter_is_stored_once,
                what_is_behind_is_counted,
                events_are_deleted_some_time_after_the_last_consumer_has_passed_them,
                without_consumers_events_are_deleted_some_time_after_they_were_numbered,
            ]
        );
    };
}

const TERM: Duration = Duration::from_secs(3_600);

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// An event of an account.
pub fn renamed(key: u64, version: u64) -> NewEvent {
    NewEvent {
        key,
        version,
        at: at(1_000 + version.cast_signed()),
        fact: Fact::AccountRenamed,
    }
}

/// Takes a lease that must be free.
pub async fn taken(store: &impl EventStore, name: &str) -> Lease {
    let lease = store.leases().take(name, TERM).await.expect("asked");
    lease.expect("the lease is free")
}

/// Numbers every event that is committed.
pub async fn sequence_all(store: &impl EventStore, lease: &Lease) -> u32 {
    let mut all = 0;
    loop {
        let numbered = store.log().sequence(lease, SEQUENCED_MAX).await;
        match numbered.expect("sequenced") {
            Sequencing::Numbered(0) => return all,
            Sequencing::Numbered(more) => all += more,
            Sequencing::Fenced => panic!("the lease was lost"),
        }
    }
}

/// Writes events and numbers them.
async fn sequenced(store: &impl EventStore, events: &[NewEvent]) -> Vec<RecordedEvent> {
    store.append(events).await;
    let lease = taken(store, "sequencer").await;
    sequence_all(store, &lease).await;
    store.leases().release(&lease).await.expect("released");
    store.log().read(0, 1_000).await.expect("read")
}

/// A lease that another process has taken since.
async fn stale(store: &impl EventStore, name: &str) -> Lease {
    let leases = store.leases();
    let old = leases.take(name, Duration::ZERO).await.expect("asked");
    taken(store, name).await;
    old.expect("the lease is free")
}

fn progress(lease: &Lease, delivery: Delivery) -> Progress {
    Progress {
        consumer: "test".to_owned(),
        lease: lease.clone(),
        delivery,
    }
}

fn to(lease: &Lease, position: u64) -> Progress {
    progress(lease, Delivery::Position(position))
}

fn failed(error: &str, failed_at: i64) -> FailedAttempt {
    FailedAttempt {
        error: error.to_owned(),
        at: at(failed_at),
        retry_at: at(failed_at + 1_000),
    }
}

async fn position(store: &impl EventStore) -> u64 {
    let state = store.positions().load("test").await.expect("loaded");
    state.position
}

async fn letters(store: &impl EventStore) -> Vec<DeadLetter> {
    let page = PageRequest {
        size: 200,
        after: None,
    };
    let page = store.letters().list(None, page).await.expect("listed");
    assert_eq!(page.next, None);
    page.items
}

pub async fn an_event_is_read_as_it_was_written_once_it_has_a_position(store: &impl EventStore) {
    let member = |id| MemberId::new(id).expect("an id");
    let reason = faceshare_biz::domain::facesession::EndReason::AutoEnd;
    let members: Vec<_> = (1..=5_000).map(|n| member(u64::MAX / 4 + n)).collect();
    let facts = [
        Fact::AccountMade { guest: true },
        Fact::SessionMade { host: member(7) },
        Fact::SessionEnded { reason, members },
    ];
    let written = facts.map(|fact| NewEvent {
        key: u64::MAX >> 1,
        version: 3,
        at: at(1_234),
        fact,
    });
    store.append(&written).await;
    assert_eq!(store.log().read(0, 10).await.expect("read"), []);
    let lease = taken(store, "sequencer").await;
    assert_eq!(sequence_all(store, &lease).await, 3);
    let read = store.log().read(0, 10).await.expect("read");
    let as_written: Vec<_> = read
        .iter()
        .map(|event| NewEvent {
            key: event.key,
            version: event.version,
            at: event.at,
            fact: event.fact.clone(),
        })
        .collect();
    assert_eq!(as_written, written);
    let positions: Vec<_> = read.iter().map(|event| event.position).collect();
    assert_eq!(positions, [1, 2, 3]);
    assert_eq!(store.log().read(1, 1).await.expect("read"), read[1..2]);
    assert_eq!(store.log().read(3, 1).await.expect("read"), []);
}

pub async fn a_change_is_told_once(store: &impl EventStore) {
    let upgraded = NewEvent {
        fact: Fact::AccountUpgraded,
        ..renamed(1, 1)
    };
    let first = sequenced(store, &[renamed(1, 1), upgraded, renamed(2, 1)]).await;
    assert_eq!(first.len(), 3);
    let later = NewEvent {
        at: at(9_999),
        ..renamed(1, 1)
    };
    assert_eq!(sequenced(store, &[later]).await, first);
}

pub async fn within_a_key_positions_follow_versions(store: &impl EventStore) {
    let events = [(1, 3), (2, 1), (1, 1), (2, 2), (1, 2)];
    let events = events.map(|(key, version)| renamed(key, version));
    let read = sequenced(store, &events).await;
    let order: Vec<_> = read
        .iter()
        .map(|event| (event.key, event.version))
        .collect();
    assert_eq!(order, [(1, 1), (2, 1), (1, 2), (2, 2), (1, 3)]);
}

pub async fn a_batch_is_bounded(store: &impl EventStore) {
    let many = u64::from(SEQUENCED_MAX) + 3;
    let events: Vec<_> = (1..=many).map(|key| renamed(key, 1)).collect();
    store.append(&events).await;
    let lease = taken(store, "sequencer").await;
    for (limit, numbered) in [(2, 2), (u32::MAX, SEQUENCED_MAX), (7, 1), (7, 0)] {
        let outcome = store.log().sequence(&lease, limit).await;
        assert_eq!(outcome.expect("sequenced"), Sequencing::Numbered(numbered));
    }
    let read = store.log().read(0, 1_000).await.expect("read");
    assert!(read.iter().map(|event| event.position).eq(1..=many));
}

pub async fn a_sequencer_that_lost_its_lease_numbers_nothing(store: &impl EventStore) {
    store.append(&[renamed(1, 1)]).await;
    let old = stale(store, "sequencer").await;
    let outcome = store.log().sequence(&old, 10).await;
    assert_eq!(outcome.expect("asked"), Sequencing::Fenced);
    assert_eq!(store.log().read(0, 10).await.expect("read"), []);
}

pub async fn a_lease_belongs_to_one_until_its_term_is_over_or_it_is_released(
    store: &impl EventStore,
) {
    let leases = store.leases();
    let first = taken(store, "a").await;
    assert_eq!(leases.take("a", TERM).await.expect("asked"), None);
    let other = taken(store, "b").await;
    assert_ne!(first, other, "another name is another lease");
    assert!(leases.renew(&first, TERM).await.expect("asked"));
    leases.release(&first).await.expect("released");
    let second = taken(store, "a").await;
    assert!(second.fence > first.fence);
    assert!(!leases.renew(&first, TERM).await.expect("asked"), "lost");
    leases.release(&first).await.expect("asked");
    assert_eq!(leases.take("a", TERM).await.expect("asked"), None);
    // A term of zero is over at once.
    assert!(leases.renew(&second, Duration::ZERO).await.expect("asked"));
    assert!(taken(store, "a").await.fence > second.fence);
}

pub async fn a_consumer_moves_on_under_its_lease_alone(store: &impl EventStore) {
    assert_eq!(
        store.positions().load("test").await.expect("loaded"),
        ConsumerState::default()
    );
    let old = stale(store, "consumer").await;
    let advance = async |progress: Progress| {
        let advance = store.positions().advance(&progress).await;
        advance.expect("asked")
    };
    assert_eq!(advance(to(&old, 1)).await, Advance::Fenced);
    assert_eq!(position(store).await, 0);
    let lease = Lease {
        fence: old.fence + 1,
        ..old
    };
    assert_eq!(advance(to(&lease, 2)).await, Advance::Stored);
    assert_eq!(advance(to(&lease, 2)).await, Advance::Repeated);
    assert_eq!(advance(to(&lease, 1)).await, Advance::Repeated);
    assert_eq!(position(store).await, 2);
    let other = Progress {
        consumer: "other".to_owned(),
        ..to(&lease, 7)
    };
    store.positions().load("other").await.expect("registered");
    assert_eq!(advance(other).await, Advance::Stored);
    assert_eq!(position(store).await, 2);
}

pub async fn failed_attempts_are_counted_until_the_consumer_moves_on(store: &impl EventStore) {
    let positions = store.positions();
    let old = stale(store, "consumer").await;
    positions.load("test").await.expect("registered");
    let fenced = positions.fail(&to(&old, 1), &failed("broken", 5)).await;
    assert_eq!(fenced.expect("asked"), Advance::Fenced);
    let lease = Lease {
        fence: old.fence + 1,
        ..old
    };
    for attempts in 1..=2 {
        let counted = positions.fail(&to(&lease, 1), &failed("broken", 5)).await;
        assert_eq!(counted.expect("asked"), Advance::Stored);
        let state = ConsumerState {
            position: 0,
            attempts,
            retry_at: Some(at(1_005)),
        };
        assert_eq!(positions.load("test").await.expect("loaded"), state);
    }
    let moved = positions.advance(&to(&lease, 1)).await;
    assert_eq!(moved.expect("asked"), Advance::Stored);
    let state = ConsumerState {
        position: 1,
        ..ConsumerState::default()
    };
    assert_eq!(positions.load("test").await.expect("loaded"), state);
    let late = positions.fail(&to(&lease, 1), &failed("late", 9)).await;
    assert_eq!(late.expect("asked"), Advance::Repeated);
    assert_eq!(positions.load("test").await.expect("loaded"), state);
}

/// Gives up the first of these events after two attempts.
async fn one_letter(store: &impl EventStore, lease: &Lease) -> (DeadLetter, Vec<RecordedEvent>) {
    let events = sequenced(store, &[renamed(1, 1), renamed(1, 2)]).await;
    let positions = store.positions();
    positions.load("test").await.expect("registered");
    let progress = to(lease, 1);
    let first = positions.fail(&progress, &failed("broken", 5)).await;
    assert_eq!(first.expect("asked"), Advance::Stored);
    let error = format!("{}ü", "ü".repeat(FailedAttempt::ERROR_MAX));
    let gave_up = positions
        .give_up(&progress, &events[0], &failed(&error, 6))
        .await;
    assert_eq!(gave_up.expect("asked"), Advance::Stored);
    let mut letters = letters(store).await;
    let letter = letters.pop().expect("a letter");
    assert_eq!(letters, []);
    (letter, events)
}

pub async fn an_event_that_is_given_up_becomes_a_dead_letter(store: &impl EventStore) {
    let lease = taken(store, "consumer").await;
    let (letter, events) = one_letter(store, &lease).await;
    let expected = DeadLetter {
        id: letter.id,
        consumer: "test".to_owned(),
        event: events[0].clone(),
        attempts: 2,
        error: "ü".repeat(FailedAttempt::ERROR_MAX),
        failed_at: at(6),
        retry: false,
    };
    assert_eq!(letter, expected);
    assert_eq!(
        store.letters().get(letter.id).await.expect("looked up"),
        Some(letter)
    );
    let state = ConsumerState {
        position: 1,
        ..ConsumerState::default()
    };
    let positions = store.positions();
    assert_eq!(positions.load("test").await.expect("loaded"), state);
    let again = positions
        .give_up(&to(&lease, 1), &events[0], &failed("again", 7))
        .await;
    assert_eq!(again.expect("asked"), Advance::Repeated);
    store.leases().release(&lease).await.expect("released");
    taken(store, "consumer").await;
    let late = positions
        .give_up(&to(&lease, 2), &events[1], &failed("late", 8))
        .await;
    assert_eq!(late.expect("asked"), Advance::Fenced);
    assert_eq!(letters(store).await.len(), 1);
}

pub async fn a_dead_letter_is_retried_once_each_time_it_is_asked_for(store: &impl EventStore) {
    let lease = taken(store, "consumer").await;
    let (letter, _) = one_letter(store, &lease).await;
    let positions = store.positions();
    let to_retry = async || positions.to_retry("test", 10).await.expect("asked");
    assert_eq!(to_retry().await, []);
    assert!(store.letters().retry(letter.id).await.expect("asked"));
    assert!(store.letters().retry(letter.id).await.expect("asked again"));
    let asked = DeadLetter {
        retry: true,
        ..letter.clone()
    };
    assert_eq!(to_retry().await, [asked]);
    assert_eq!(positions.to_retry("other", 10).await.expect("asked"), []);
    let retrying = progress(&lease, Delivery::DeadLetter(letter.id));
    let failing = positions.fail(&retrying, &failed("still broken", 9)).await;
    assert_eq!(failing.expect("asked"), Advance::Stored);
    assert_eq!(to_retry().await, [], "until it is asked for again");
    let after = DeadLetter {
        attempts: 3,
        error: "still broken".to_owned(),
        failed_at: at(9),
        ..letter.clone()
    };
    assert_eq!(letters(store).await, [after]);
    assert!(store.letters().retry(letter.id).await.expect("asked"));
    let handled = positions.advance(&retrying).await;
    assert_eq!(handled.expect("asked"), Advance::Stored);
    assert_eq!(letters(store).await, []);
    let again = positions.advance(&retrying).await;
    assert_eq!(again.expect("asked"), Advance::Repeated);
    assert_eq!(position(store).await, 1, "the position is another matter");
    assert!(!store.letters().retry(letter.id).await.expect("asked"));
}

pub async fn dead_letters_are_listed_in_pages_discarded_and_purged(store: &impl EventStore) {
    let lease = taken(store, "consumer").await;
    let events: Vec<_> = (1..=5).map(|version| renamed(1, version)).collect();
    let events = sequenced(store, &events).await;
    for consumer in ["test", "other"] {
        store.positions().load(consumer).await.expect("registered");
        for event in &events {
            let progress = Progress {
                consumer: consumer.to_owned(),
                ..to(&lease, event.position)
            };
            let failed = failed("broken", event.position.cast_signed());
            let gave_up = store.positions().give_up(&progress, event, &failed).await;
            assert_eq!(gave_up.expect("asked"), Advance::Stored);
        }
    }
    assert_eq!(letters(store).await.len(), 10);
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = PageRequest { size: 2, after };
        let page = store.letters().list(Some("test"), page).await;
        let page = page.expect("listed");
        listed.extend(page.items);
        match page.next {
            None => break,
            next => after = next,
        }
    }
    let positions: Vec<_> = listed.iter().map(|letter| letter.event.position).collect();
    assert_eq!(positions, [1, 2, 3, 4, 5]);
    let id = listed[4].id;
    assert!(store.letters().discard(id).await.expect("asked"));
    assert!(!store.letters().discard(id).await.expect("asked"));
    assert_eq!(store.letters().get(id).await.expect("looked up"), None);
    let purged = store.letters().purge(at(3)).await;
    assert_eq!(purged.expect("purged"), 4, "two of each consumer");
    assert_eq!(letters(store).await.len(), 5);
}

pub async fn an_effect_and_its_progress_are_stored_together_or_not_at_all(store: &impl EventStore) {
    let events = sequenced(store, &[renamed(1, 1), renamed(1, 2)]).await;
    store.positions().load("test").await.expect("registered");
    let old = stale(store, "consumer").await;
    let fenced = store.apply(&events[0], &to(&old, 1)).await;
    assert_eq!(fenced.expect("asked"), Advance::Fenced);
    assert_eq!((store.effects().await, position(store).await), (vec![], 0));
    let lease = Lease {
        fence: old.fence + 1,
        ..old
    };
    for event in &events {
        let progress = to(&lease, event.position);
        let applied = store.apply(event, &progress).await;
        assert_eq!(applied.expect("asked"), Advance::Stored);
        let again = store.apply(event, &progress).await;
        assert_eq!(again.expect("asked"), Advance::Repeated);
    }
    let ids: Vec<_> = events.iter().map(|event| event.id).collect();
    assert_eq!((store.effects().await, position(store).await), (ids, 2));
}

pub async fn an_effect_of_a_retried_dead_letter_is_stored_once(store: &impl EventStore) {
    let lease = taken(store, "consumer").await;
    let (letter, _) = one_letter(store, &lease).await;
    let retrying = progress(&lease, Delivery::DeadLetter(letter.id));
    for expected in [Advance::Stored, Advance::Repeated] {
        let applied = store.apply(&letter.event, &retrying).await;
        assert_eq!(applied.expect("asked"), expected);
    }
    assert_eq!(store.effects().await, [letter.event.id]);
    assert_eq!(letters(store).await, []);
}

pub async fn what_is_behind_is_counted(store: &impl EventStore) {
    let none = store.log().figures().await.expect("counted");
    assert_eq!(none, LogFigures::default());
    let lease = taken(store, "consumer").await;
    one_letter(store, &lease).await;
    store.positions().load("new").await.expect("registered");
    store.append(&[renamed(2, 9), renamed(2, 5)]).await;
    let expected = LogFigures {
        unsequenced: 2,
        unsequenced_since: Some(at(1_005)),
        consumers: vec![
            ConsumerFigures {
                consumer: "new".to_owned(),
                behind: 2,
                behind_since: Some(at(1_001)),
                dead_letters: 0,
            },
            ConsumerFigures {
                consumer: "test".to_owned(),
                behind: 1,
                behind_since: Some(at(1_002)),
                dead_letters: 1,
            },
        ],
    };
    assert_eq!(store.log().figures().await.expect("counted"), expected);
}

/// The positions that are left after a purge.
async fn after_purge(store: &impl EventStore, now: i64) -> Vec<u64> {
    let before = store.log().read(0, 100).await.expect("read").len();
    let deleted = store.log().purge(at(now), Duration::from_millis(100)).await;
    let left = store.log().read(0, 100).await.expect("read");
    assert_eq!(deleted.expect("purged"), (before - left.len()) as u64);
    left.iter().map(|event| event.position).collect()
}

pub async fn events_are_deleted_some_time_after_the_last_consumer_has_passed_them(
    store: &impl EventStore,
) {
    let lease = taken(store, "consumer").await;
    let events: Vec<_> = (1..=3).map(|version| renamed(1, version)).collect();
    sequenced(store, &events).await;
    let moved = async |consumer: &str, position: u64| {
        let positions = store.positions();
        positions.load(consumer).await.expect("registered");
        let progress = Progress {
            consumer: consumer.to_owned(),
            ..to(&lease, position)
        };
        let moved = positions.advance(&progress).await;
        assert_eq!(moved.expect("asked"), Advance::Stored);
    };
    store.positions().load("slow").await.expect("registered");
    moved("fast", 3).await;
    assert_eq!(after_purge(store, 1_000).await, [1, 2, 3]);
    moved("slow", 2).await;
    assert_eq!(
        after_purge(store, 1_500).await,
        [1, 2, 3],
        "passed just now"
    );
    assert_eq!(after_purge(store, 1_599).await, [1, 2, 3]);
    assert_eq!(after_purge(store, 1_600).await, [3]);
    assert_eq!(
        after_purge(store, 9_000).await,
        [3],
        "one has not passed it"
    );
    moved("slow", 3).await;
    assert_eq!(after_purge(store, 9_500).await, [3]);
    assert!(after_purge(store, 9_600).await.is_empty());
    // Positions go on.
    let next = sequenced(store, &[renamed(1, 4)]).await;
    assert_eq!(next.first().map(|event| event.position), Some(4));
}

pub async fn without_consumers_events_are_deleted_some_time_after_they_were_numbered(
    store: &impl EventStore,
) {
    sequenced(store, &[renamed(1, 1)]).await;
    store.append(&[renamed(1, 2)]).await;
    assert_eq!(after_purge(store, 1_000).await, [1]);
    assert!(after_purge(store, 1_100).await.is_empty());
    let next = sequenced(store, &[]).await;
    assert_eq!(next.len(), 1, "an event without a position stays");
}
