//! Idempotent calls: a repeated call takes effect once.
//!
//! A call with an idempotency key makes a reservation before it runs. Its answer is stored there,
//! sealed, and returned when the same call is repeated. A repeat while the call runs, and another
//! request under the same key, are refused. A process that dies during a call leaves a reservation
//! without an answer: the next process lets the same request run again at once under the same
//! [`EffectId`], by which the call finds what the first attempt has created.

use faceshare_biz::domain::AccountId;
use faceshare_biz::domain::idempotency::{AnswerRepository, Reservation, Reserved};
use faceshare_biz::domain::port::{Clock, IdGenerator, SecretUse, Secrets};
use faceshare_biz::{Error, ErrorCode, Result};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// How long an answer without tokens is kept.
pub const ANSWER_KEPT: Duration = Duration::from_secs(24 * 3_600);
/// How long an answer that holds tokens is kept.
pub const TOKENS_KEPT: Duration = Duration::from_secs(600);
/// The most answers kept for one account; one more removes the oldest.
pub const ANSWERS_PER_ACCOUNT: u32 = 10_000;
/// The largest answer that is kept, in bytes.
pub const ANSWER_BYTES: usize = 32 << 10;
/// How often [`Idempotency::purge`] is due.
pub const PURGE_INTERVAL: Duration = Duration::from_secs(300);

/// The identity of a call.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The caller's account.
    pub account: AccountId,
    /// The HTTP method.
    pub method: &'a str,
    /// The request's path.
    pub path: &'a str,
    /// The client's idempotency key.
    pub key: &'a str,
}

impl Call<'_> {
    /// The parts cannot be confused: a method and a path hold no line breaks.
    fn digest(&self) -> [u8; 32] {
        let Self {
            account,
            method,
            path,
            key,
        } = self;
        Sha256::digest(format!("{account}\n{method}\n{path}\n{key}")).into()
    }
}

/// The result of [`Idempotency::begin`].
#[derive(Debug)]
pub enum CallStart {
    /// The call must run; then the caller keeps its answer or releases the reservation.
    Runs(ReservedCall),
    /// The call ran before; this is its stored answer.
    Ran(Vec<u8>),
}

/// The reservation of a running call.
#[derive(Debug)]
pub struct ReservedCall {
    call: [u8; 32],
    attempt: u64,
    effect: u64,
}

impl ReservedCall {
    /// The id for what the call creates. All attempts at one request get the same id until an
    /// answer is kept: an object that already has this id was created by an attempt that died
    /// before it answered.
    #[must_use]
    pub const fn effect(&self) -> EffectId {
        EffectId(self.effect)
    }
}

/// The id for what a call creates: see [`ReservedCall::effect`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EffectId(pub u64);

/// Stores and repeats answers. Cheap to clone.
#[derive(Clone)]
pub struct Idempotency {
    /// Stores the sealed answers.
    pub answers: Arc<dyn AnswerRepository>,
    /// Seals the answers.
    pub secrets: Arc<dyn Secrets>,
    /// Generates the numbers of attempts.
    pub ids: Arc<dyn IdGenerator>,
    /// The source of time.
    pub clock: Arc<dyn Clock>,
    /// The longest time of a call; afterwards a reservation without an answer counts as dead.
    pub max_call_time: Duration,
    /// The incarnation of this process: greater than that of any earlier one.
    pub process: u64,
}

impl Idempotency {
    /// Makes a reservation for a call, or returns its stored answer. `request` is the whole request
    /// body and whatever else determines the effect.
    ///
    /// # Errors
    /// `CONFLICT` when the key was used for another request, and, with a time to wait, while the
    /// first call still runs.
    pub async fn begin(&self, call: Call<'_>, request: &[u8]) -> Result<CallStart> {
        self.begin_digested(call, Sha256::digest(request).into())
            .await
    }

    /// [`begin`](Self::begin) with the SHA-256 digest of the request, for a request that is digested while it arrives.
    ///
    /// # Errors
    /// As `begin`.
    pub async fn begin_digested(&self, call: Call<'_>, digest: [u8; 32]) -> Result<CallStart> {
        let now = self.clock.now();
        // A request may hold a password, so only a keyed hash is stored, never the plain digest.
        let request = hex(&digest);
        let reservation = Reservation {
            call: call.digest(),
            account: call.account,
            request: self.secrets.fingerprint(SecretUse::Answer, &request),
            attempt: self.ids.next_id(),
            process: self.process,
            expires_at: now + self.max_call_time,
        };
        let (taken_for, sealed) = match self
            .answers
            .reserve(&reservation, now, ANSWERS_PER_ACCOUNT)
            .await?
        {
            Reserved::Fresh { effect } => {
                return Ok(CallStart::Runs(ReservedCall {
                    call: reservation.call,
                    attempt: reservation.attempt,
                    effect,
                }));
            }
            Reserved::Taken { request, sealed } => (request, sealed),
        };
        if !self
            .secrets
            .fingerprints(SecretUse::Answer, &request)
            .contains(&taken_for)
        {
            return Err(Error::new(
                ErrorCode::Conflict,
                "this Idempotency-Key was used for another request",
            ));
        }
        let Some(sealed) = sealed else {
            let error = Error::new(
                ErrorCode::Conflict,
                "the first request with this Idempotency-Key is still running",
            );
            return Err(error.retry_after(Duration::from_secs(1)));
        };
        let opened = self.secrets.open(SecretUse::Answer, &sealed);
        // The answer is sealed together with its call, so it cannot be copied to another call's
        // reservation.
        let answer = opened.and_then(|plain| {
            plain
                .strip_prefix(reservation.call.as_slice())
                .map(<[u8]>::to_vec)
        });
        answer.map(CallStart::Ran).ok_or_else(|| {
            Error::new(
                ErrorCode::Conflict,
                "this Idempotency-Key was used, and its answer is gone",
            )
        })
    }

    /// Stores the answer of a call that ran.
    ///
    /// # Errors
    /// `UNAVAILABLE` when it cannot be stored; the reservation expires later.
    pub async fn keep(
        &self,
        reserved: ReservedCall,
        answer: &[u8],
        holds_tokens: bool,
    ) -> Result<()> {
        let kept_for = if holds_tokens {
            TOKENS_KEPT
        } else {
            ANSWER_KEPT
        };
        let sealed = self.secrets.seal(
            SecretUse::Answer,
            &[reserved.call.as_slice(), answer].concat(),
        )?;
        self.answers
            .keep(
                reserved.call,
                reserved.attempt,
                &sealed,
                self.clock.now() + kept_for,
            )
            .await
            .map(drop)
    }

    /// Releases the reservation: the call may run again.
    ///
    /// # Errors
    /// `UNAVAILABLE` when it cannot be released; the reservation expires later.
    pub async fn release(&self, reserved: ReservedCall) -> Result<()> {
        self.answers
            .release(reserved.call, reserved.attempt, self.clock.now())
            .await
    }

    /// Deletes expired answers and dead reservations.
    pub async fn purge(&self) {
        let now = self.clock.now();
        match self.answers.purge(now, now - ANSWER_KEPT).await {
            Ok(0) => {}
            Ok(forgotten) => tracing::debug!(forgotten, "deleted expired answers"),
            Err(error) => {
                tracing::warn!(%error, cause = ?error.cause(), "expired answers could not be deleted; the next purge tries again")
            }
        }
    }
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{ANSWER_KEPT, Call, CallStart, Idempotency, TOKENS_KEPT};
    use crate::fakes::{CountingIds, FakeClock, PlainSecrets};
    use async_trait::async_trait;
    use faceshare_biz::domain::idempotency::{AnswerRepository, Reservation, Reserved};
    use faceshare_biz::domain::{AccountId, Timestamp};
    use faceshare_biz::{ErrorCode, Result};
    use std::collections::HashMap;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    #[derive(Default)]
    struct MemoryAnswers(Mutex<HashMap<[u8; 32], StoredCall>>);

    type StoredCall = (Reservation, Option<String>, u64);

    #[async_trait]
    impl AnswerRepository for MemoryAnswers {
        async fn reserve(
            &self,
            reservation: &Reservation,
            now: Timestamp,
            limit: u32,
        ) -> Result<Reserved> {
            let mut stored = self.0.lock().expect("not poisoned");
            let mut effect = reservation.attempt;
            if let Some((taken, sealed, of_first)) = stored.get(&reservation.call) {
                let same = sealed.is_none() && taken.request == reservation.request;
                if taken.expires_at > now && !(same && taken.process < reservation.process) {
                    return Ok(Reserved::Taken {
                        request: taken.request,
                        sealed: sealed.clone(),
                    });
                }
                effect = if same { *of_first } else { effect };
            }
            stored.insert(reservation.call, (reservation.clone(), None, effect));
            let mut of_account: Vec<_> = stored
                .values()
                .map(|(taken, ..)| taken)
                .filter(|taken| taken.account == reservation.account)
                .map(|taken| (taken.attempt, taken.call))
                .collect();
            of_account.sort_unstable();
            let over = of_account.len().saturating_sub(limit as usize);
            of_account
                .into_iter()
                .take(over)
                .for_each(|(_, call)| drop(stored.remove(&call)));
            Ok(Reserved::Fresh { effect })
        }

        async fn keep(
            &self,
            call: [u8; 32],
            attempt: u64,
            sealed: &str,
            expires_at: Timestamp,
        ) -> Result<bool> {
            let mut stored = self.0.lock().expect("not poisoned");
            let Some((taken, kept, _)) = stored
                .get_mut(&call)
                .filter(|(taken, ..)| taken.attempt == attempt)
            else {
                return Ok(false);
            };
            (taken.expires_at, *kept) = (expires_at, Some(sealed.to_owned()));
            Ok(true)
        }

        async fn release(&self, call: [u8; 32], attempt: u64, now: Timestamp) -> Result<()> {
            let mut stored = self.0.lock().expect("not poisoned");
            if let Some((taken, ..)) = stored
                .get_mut(&call)
                .filter(|(taken, sealed, _)| taken.attempt == attempt && sealed.is_none())
            {
                taken.expires_at = now;
            }
            Ok(())
        }

        async fn purge(&self, now: Timestamp, unanswered_before: Timestamp) -> Result<u64> {
            let mut stored = self.0.lock().expect("not poisoned");
            let before = stored.len();
            stored.retain(|_, (taken, sealed, _)| {
                taken.expires_at
                    > if sealed.is_some() {
                        now
                    } else {
                        unanswered_before
                    }
            });
            Ok((before - stored.len()) as u64)
        }
    }

    mod contract {
        faceshare_contract::answer_contract!(async { (super::MemoryAnswers::default(), ()) });
    }

    const MAX_CALL_TIME: Duration = Duration::from_secs(20);

    fn idempotency() -> (Idempotency, Arc<FakeClock>) {
        let clock = Arc::new(FakeClock::default());
        let (answers, secrets, ids) = (
            Arc::new(MemoryAnswers::default()),
            Arc::new(PlainSecrets::default()),
            Arc::new(CountingIds::default()),
        );
        (
            Idempotency {
                answers,
                secrets,
                ids,
                clock: clock.clone(),
                max_call_time: MAX_CALL_TIME,
                process: 1,
            },
            clock,
        )
    }

    fn call(account: u64, path: &'static str) -> Call<'static> {
        Call {
            account: AccountId::new(account).expect("an id"),
            method: "POST",
            path,
            key: "k",
        }
    }

    async fn runs(
        idempotency: &Idempotency,
        call: Call<'_>,
        request: &[u8],
    ) -> super::ReservedCall {
        match idempotency.begin(call, request).await.expect("begun") {
            CallStart::Runs(reserved) => reserved,
            CallStart::Ran(answer) => panic!("ran before: {answer:?}"),
        }
    }

    #[tokio::test]
    async fn an_answer_is_given_again_to_the_same_call_alone() {
        let (idempotency, _) = idempotency();
        let reserved = runs(&idempotency, call(1, "/a"), b"x").await;
        idempotency
            .keep(reserved, b"answer", false)
            .await
            .expect("kept");
        assert!(
            matches!(idempotency.begin(call(1, "/a"), b"x").await, Ok(CallStart::Ran(answer)) if answer == b"answer")
        );
        runs(&idempotency, call(2, "/a"), b"x").await;
        runs(&idempotency, call(1, "/b"), b"x").await;
    }

    #[tokio::test]
    async fn another_request_and_one_that_runs_are_conflicts() {
        let (idempotency, clock) = idempotency();
        let reserved = runs(&idempotency, call(1, "/a"), b"x").await;
        let running = idempotency
            .begin(call(1, "/a"), b"x")
            .await
            .expect_err("it runs");
        assert_eq!(
            (running.code, running.retry_after),
            (ErrorCode::Conflict, Some(Duration::from_secs(1)))
        );
        let other = idempotency
            .begin(call(1, "/a"), b"y")
            .await
            .expect_err("another");
        assert_eq!((other.code, other.retry_after), (ErrorCode::Conflict, None));
        idempotency.release(reserved).await.expect("released");
        runs(&idempotency, call(1, "/a"), b"y").await;
        clock.pass(MAX_CALL_TIME);
        runs(&idempotency, call(1, "/a"), b"x").await;
    }

    #[tokio::test]
    async fn after_the_process_has_died_the_same_request_runs_at_once_under_the_same_id() {
        let (idempotency, _) = idempotency();
        let died = runs(&idempotency, call(1, "/a"), b"x").await;
        let next = Idempotency {
            process: 2,
            ..idempotency.clone()
        };
        assert_eq!(
            next.begin(call(1, "/a"), b"y")
                .await
                .expect_err("another")
                .code,
            ErrorCode::Conflict
        );
        let again = runs(&next, call(1, "/a"), b"x").await;
        assert_eq!(again.effect(), died.effect());
        next.keep(again, b"answer", false).await.expect("kept");
        assert!(
            matches!(next.begin(call(1, "/a"), b"x").await, Ok(CallStart::Ran(answer)) if answer == b"answer")
        );
    }

    #[tokio::test]
    async fn answers_are_kept_for_a_day_and_tokens_for_ten_minutes() {
        for (holds_tokens, kept) in [(false, ANSWER_KEPT), (true, TOKENS_KEPT)] {
            let (idempotency, clock) = idempotency();
            let reserved = runs(&idempotency, call(1, "/a"), b"x").await;
            idempotency
                .keep(reserved, b"answer", holds_tokens)
                .await
                .expect("kept");
            clock.pass(kept - Duration::from_millis(1));
            assert!(matches!(
                idempotency.begin(call(1, "/a"), b"x").await,
                Ok(CallStart::Ran(_))
            ));
            clock.pass(Duration::from_millis(1));
            runs(&idempotency, call(1, "/a"), b"x").await;
        }
    }
}
