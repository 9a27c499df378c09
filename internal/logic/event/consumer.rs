//! Feeds events to a handler, in order, with retries and dead letters.

use super::lease::{HeldLease, LeaseHolder};
use super::{POLL, RETRY_MAX, backoff};
use async_trait::async_trait;
use faceshare_biz::domain::event::{
    Advance, ConsumerPositions, DeadLetter, Delivery, EventLog, FailedAttempt, Lease, Leases,
    Progress, RecordedEvent,
};
use faceshare_biz::domain::port::Clock;
use faceshare_biz::{Error, ErrorCode, Result};
use futures_util::FutureExt as _;
use metrics::{counter, describe_counter};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// An event is given up after this many failed attempts, some two minutes after the first.
const ATTEMPTS: u32 = 8;
/// The most events that are read at a time.
const BATCH: u32 = 100;

/// How an event was handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// The effect was to be stored in one transaction with the progress; this is the result.
    Stored(Advance),
    /// The effect is elsewhere, keyed by the event's id. The driver stores the progress.
    Done,
    /// The event is none of this consumer's. The driver stores the progress after several of them.
    Ignored,
}

/// What a consumer does with events.
#[async_trait]
pub trait EventHandler: Send + Sync + 'static {
    /// The consumer's name, unique in the installation and never changed; at most 64 characters.
    fn name(&self) -> &'static str;
    /// Handles one event. It may have been handled before, also by another process.
    ///
    /// `UNAVAILABLE`: a store or a service is away; the event is tried again until it is back. Any
    /// other error, and a panic, is a failed attempt at this event: after 8 of them it becomes a
    /// dead letter.
    async fn handle(&self, event: &RecordedEvent, progress: &Progress) -> Result<Handled>;
}

/// The ports that a [`Consumer`] uses.
#[derive(Clone)]
pub struct ConsumerDeps {
    /// The events.
    pub log: Arc<dyn EventLog>,
    /// How far consumers have come.
    pub positions: Arc<dyn ConsumerPositions>,
    /// One process at a time runs a consumer.
    pub leases: Arc<dyn Leases>,
    /// The source of time.
    pub clock: Arc<dyn Clock>,
}

/// Runs one consumer. Cheap to clone; clones share their state.
#[derive(Clone)]
pub struct Consumer(Arc<ConsumerShared>);

struct ConsumerShared {
    deps: ConsumerDeps,
    handler: Arc<dyn EventHandler>,
    lease: LeaseHolder,
}

/// What is next after a look at the log.
enum NextStep {
    /// There may be more events.
    Read,
    /// No event is due.
    Wait,
    /// The lease is another process's.
    Stop,
}

impl Consumer {
    /// Over these ports.
    #[must_use]
    pub fn new(deps: ConsumerDeps, handler: Arc<dyn EventHandler>) -> Self {
        describe_counter!(
            "events_handled_total",
            "Events that a consumer handled, ignored, failed to handle or gave up, by topic."
        );
        let lease = LeaseHolder::new(deps.leases.clone(), format!("consumer:{}", handler.name()));
        Self(Arc::new(ConsumerShared {
            deps,
            handler,
            lease,
        }))
    }

    /// Handles events whenever this process holds the consumer's lease, until the future is dropped.
    pub async fn follow(&self) {
        self.0.lease.run(|held| self.consume(held)).await;
    }

    /// Whether this process holds the lease, as far as it knows.
    #[cfg(test)]
    pub(super) fn holds_lease(&self) -> bool {
        self.0.lease.is_held()
    }

    /// Frees the lease, for the stop of the process.
    pub async fn release(&self) {
        self.0.lease.release().await;
    }

    /// Handles events until the lease is another process's.
    async fn consume(&self, held: HeldLease) {
        let (mut failures, consumer) = (0, self.name());
        while !held.is_lost() {
            let next = match self.retry_letters(&held.lease).await {
                Ok(NextStep::Read) => self.read(&held.lease).await,
                other => other,
            };
            match next {
                Ok(NextStep::Read) => failures = 0,
                Ok(NextStep::Wait) => {
                    failures = 0;
                    let _ = tokio::time::timeout(POLL, self.0.deps.log.sequenced()).await;
                }
                Ok(NextStep::Stop) => return,
                Err(error) => {
                    failures += 1;
                    let backoff = backoff(failures);
                    tracing::warn!(consumer, %error, cause = ?error.cause(), ?backoff, "a consumer of events cannot go on; trying again after the backoff");
                    tokio::time::sleep(backoff).await;
                }
            }
        }
    }

    /// Handles the dead letters that an operator told to retry.
    async fn retry_letters(&self, lease: &Lease) -> Result<NextStep> {
        let positions = &self.0.deps.positions;
        for letter in positions.to_retry(self.name(), BATCH).await? {
            let DeadLetter { id, event, .. } = letter;
            let progress = self.progress(lease, Delivery::DeadLetter(id));
            let stored = match self.handle(&event, &progress).await? {
                Ok(Handled::Stored(stored)) => stored,
                Ok(Handled::Done | Handled::Ignored) => positions.advance(&progress).await?,
                Err(error) => {
                    let failed = self.failed(&event, error, 1);
                    positions.fail(&progress, &failed).await?
                }
            };
            if stored == Advance::Fenced {
                return Ok(NextStep::Stop);
            }
        }
        Ok(NextStep::Read)
    }

    /// Handles the next events.
    async fn read(&self, lease: &Lease) -> Result<NextStep> {
        let ConsumerDeps {
            log,
            positions,
            clock,
            ..
        } = &self.0.deps;
        let state = positions.load(self.name()).await?;
        let wait = state.retry_at.map(|at| at.since(clock.now()));
        // A wait that is longer than any that is set means that the clock went back.
        if wait.is_some_and(|wait| !wait.is_zero() && wait <= RETRY_MAX * 2) {
            return Ok(NextStep::Wait);
        }
        let events = log.read(state.position, BATCH).await?;
        let (mut attempts, mut ignored) = (state.attempts, None);
        for event in &events {
            let progress = self.progress(lease, Delivery::Position(event.position));
            let stored = match self.handle(event, &progress).await? {
                Ok(Handled::Ignored) => {
                    (attempts, ignored) = (0, Some(progress));
                    continue;
                }
                Ok(Handled::Stored(stored)) => stored,
                Ok(Handled::Done) => positions.advance(&progress).await?,
                Err(error) => {
                    if self.store(ignored.take()).await? == Advance::Fenced {
                        return Ok(NextStep::Stop);
                    }
                    let counted = self.count_failure(event, &progress, attempts + 1, error);
                    return Ok(match counted.await? {
                        Advance::Fenced => NextStep::Stop,
                        Advance::Stored | Advance::Repeated => NextStep::Read,
                    });
                }
            };
            if stored == Advance::Fenced {
                return Ok(NextStep::Stop);
            }
            (attempts, ignored) = (0, None);
        }
        if self.store(ignored).await? == Advance::Fenced {
            return Ok(NextStep::Stop);
        }
        Ok(if events.is_empty() {
            NextStep::Wait
        } else {
            NextStep::Read
        })
    }

    /// Stores that ignored events were passed, if there were any.
    async fn store(&self, ignored: Option<Progress>) -> Result<Advance> {
        match ignored {
            Some(progress) => self.0.deps.positions.advance(&progress).await,
            None => Ok(Advance::Stored),
        }
    }

    /// Counts a failed attempt; the last one makes a dead letter.
    async fn count_failure(
        &self,
        event: &RecordedEvent,
        progress: &Progress,
        attempts: u32,
        error: String,
    ) -> Result<Advance> {
        let positions = &self.0.deps.positions;
        let failed = self.failed(event, error, attempts);
        if attempts < ATTEMPTS {
            return positions.fail(progress, &failed).await;
        }
        tracing::error!(
            consumer = self.name(),
            event = event.id,
            attempts,
            error = failed.error,
            "an event was given up; it is a dead letter now"
        );
        self.count(event, "dead");
        positions.give_up(progress, event, &failed).await
    }

    fn failed(&self, event: &RecordedEvent, error: String, attempts: u32) -> FailedAttempt {
        let at = self.0.deps.clock.now();
        FailedAttempt {
            error,
            at,
            retry_at: at + backoff(attempts).mul_f64(jitter(event.id, attempts)),
        }
    }

    /// Calls the handler. The outer error is an outage, the inner one a failed attempt.
    async fn handle(
        &self,
        event: &RecordedEvent,
        progress: &Progress,
    ) -> Result<Result<Handled, String>> {
        let handling = AssertUnwindSafe(self.0.handler.handle(event, progress));
        let failure = match handling.catch_unwind().await {
            Ok(Ok(handled)) => {
                let outcome = match handled {
                    Handled::Ignored => "ignored",
                    Handled::Done | Handled::Stored(Advance::Stored) => "done",
                    Handled::Stored(Advance::Repeated) => "repeated",
                    Handled::Stored(Advance::Fenced) => "fenced",
                };
                self.count(event, outcome);
                return Ok(Ok(handled));
            }
            Ok(Err(error)) if error.code == ErrorCode::Unavailable => return Err(error),
            Ok(Err(error)) => described(&error),
            Err(_) => "the handler panicked".to_owned(),
        };
        let consumer = self.name();
        tracing::warn!(consumer, event = event.id, %failure, "an event could not be handled");
        self.count(event, "failed");
        Ok(Err(failure))
    }

    fn name(&self) -> &'static str {
        self.0.handler.name()
    }

    fn progress(&self, lease: &Lease, delivery: Delivery) -> Progress {
        Progress {
            consumer: self.name().to_owned(),
            lease: lease.clone(),
            delivery,
        }
    }

    fn count(&self, event: &RecordedEvent, outcome: &'static str) {
        let topic = event.topic().as_str();
        counter!("events_handled_total", "consumer" => self.name(), "topic" => topic, "outcome" => outcome)
            .increment(1);
    }
}

/// The cause of an error where it has one, which tells an operator more than the text for clients.
fn described(error: &Error) -> String {
    match error.cause() {
        Some(cause) => format!("{}: {cause}", error.code),
        None => error.to_string(),
    }
}

/// A factor of 0.8 to 1.2 for a wait, so that consumers that failed together do not try again
/// together. The same event and attempt give the same factor.
fn jitter(event: u64, attempts: u32) -> f64 {
    let mixed = (event ^ u64::from(attempts) << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    0.8 + 0.4 * f64::from((mixed >> 32) as u32) / f64::from(u32::MAX)
}
