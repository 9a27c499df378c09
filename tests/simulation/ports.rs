//! Ports of the server that need no faults: time, ids, names of epochs. All processes of a history
//! share them, so that a name given before a crash is not given again after it.

use crate::bounds::LOOKS_AT_ONE_TIME;
use async_trait::async_trait;
use faceshare_biz::domain::account::{
    AccessClaims, IssuedToken, RefreshClaims, RevocationRegistry,
};
use faceshare_biz::domain::facesession::{NumberCode, SessionClaims, SessionRecord, WaitClaims};
use faceshare_biz::domain::instruction::Epoch;
use faceshare_biz::domain::port::{Clock, IdGenerator, SecretUse, Secrets, TokenRefusal, Tokens};
use faceshare_biz::domain::{FamilyId, SessionId, Timestamp};
use faceshare_biz::{Error, Result};
use faceshare_logic::instruction::SessionObserver;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// The start time of every history, in milliseconds since 1970.
const START: i64 = 1_700_000_000_000;

/// Tokio's paused time as the time of day, with an offset that a restart may change.
#[derive(Debug)]
pub(crate) struct SimClock {
    began: Instant,
    skew: AtomicI64,
    /// Milliseconds since `began` when it was last asked, and how often it was asked then.
    asked_at: AtomicU64,
    times: AtomicU64,
}

impl SimClock {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            skew: AtomicI64::new(0),
            asked_at: AtomicU64::new(0),
            times: AtomicU64::new(0),
        }
    }

    fn count_look(&self, elapsed: Duration) {
        let millis = u64::try_from(elapsed.as_millis()).expect("invariant: histories are short");
        if self.asked_at.swap(millis, Ordering::Relaxed) != millis {
            self.times.store(0, Ordering::Relaxed);
        }
        let times = self.times.fetch_add(1, Ordering::Relaxed);
        assert!(
            times < LOOKS_AT_ONE_TIME,
            "the server goes round in circles: it has asked for one time {times} times"
        );
    }

    /// Sets the offset of the time of day in milliseconds.
    pub(crate) fn set_skew(&self, millis: i64) {
        self.skew.store(millis, Ordering::SeqCst);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let elapsed = self.began.elapsed();
        self.count_look(elapsed);
        Timestamp::from_millis(START + self.skew.load(Ordering::SeqCst)) + elapsed
    }
}

/// Ids 1001, 1002, ...
#[derive(Debug)]
pub(crate) struct CountingIds(AtomicU64);

impl CountingIds {
    pub(crate) const fn new() -> Self {
        Self(AtomicU64::new(1_001))
    }
}

impl IdGenerator for CountingIds {
    fn next_id(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// Names epochs e1, e2, ...; the session engine needs no other secret.
#[derive(Debug, Default)]
pub(crate) struct CountingSecrets(AtomicU64);

impl Secrets for CountingSecrets {
    fn seal(&self, _: SecretUse, _: &[u8]) -> Result<String> {
        Err(Error::internal("the engine seals nothing"))
    }

    fn open(&self, _: SecretUse, _: &str) -> Option<Vec<u8>> {
        None
    }

    fn fingerprint(&self, _: SecretUse, _: &str) -> [u8; 32] {
        [0; 32]
    }

    fn fingerprints(&self, _: SecretUse, _: &str) -> Vec<[u8; 32]> {
        Vec::new()
    }

    fn number_code(&self, _: u64, _: bool) -> NumberCode {
        NumberCode::new("100739").expect("invariant: six digits")
    }

    fn read_number_code(&self, _: &str) -> Option<NumberCode> {
        None
    }

    fn invite_secret(&self) -> String {
        String::new()
    }

    fn picture_key(&self) -> String {
        unreachable!("no pictures here")
    }

    fn epoch(&self) -> Epoch {
        let number = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        Epoch::new(&format!("e{number}")).expect("invariant: short and visible")
    }
}

/// Session tokens without content; the simulation trusts its clients.
#[derive(Debug)]
pub(crate) struct StubTokens;

/// Lifetime of a session token.
pub(crate) const TOKEN_LIFE: Duration = Duration::from_secs(30);

fn issue(now: Timestamp) -> Result<IssuedToken> {
    Ok(IssuedToken {
        token: "token".to_owned(),
        expires_at: now + TOKEN_LIFE,
    })
}

impl Tokens for StubTokens {
    fn issue_access(&self, _: &AccessClaims, now: Timestamp) -> Result<IssuedToken> {
        issue(now)
    }

    fn issue_cookie(&self, _: &AccessClaims, now: Timestamp) -> Result<IssuedToken> {
        issue(now)
    }

    fn issue_refresh(&self, _: &RefreshClaims, now: Timestamp) -> Result<IssuedToken> {
        issue(now)
    }

    fn issue_session(&self, _: &SessionClaims, now: Timestamp) -> Result<IssuedToken> {
        issue(now)
    }

    fn issue_wait(&self, _: &WaitClaims, now: Timestamp, _: Timestamp) -> Result<IssuedToken> {
        issue(now)
    }

    fn verify_access(&self, _: &str, _: Timestamp) -> Result<AccessClaims, TokenRefusal> {
        Err(TokenRefusal::Invalid)
    }

    fn verify_cookie(&self, _: &str, _: Timestamp) -> Result<AccessClaims, TokenRefusal> {
        Err(TokenRefusal::Invalid)
    }

    fn verify_refresh(&self, _: &str, _: Timestamp) -> Result<RefreshClaims, TokenRefusal> {
        Err(TokenRefusal::Invalid)
    }

    fn verify_session(
        &self,
        _: &str,
        _: Timestamp,
    ) -> Result<(SessionClaims, Timestamp), TokenRefusal> {
        Err(TokenRefusal::Invalid)
    }

    fn verify_wait(&self, _: &str, _: Timestamp) -> Result<WaitClaims, TokenRefusal> {
        Err(TokenRefusal::Invalid)
    }
}

/// Ignores changes: the simulation lists no sessions.
#[derive(Debug)]
pub(crate) struct NoObserver;

impl SessionObserver for NoObserver {
    fn changed(&self, _: &SessionRecord) {}
}

/// The id of a history's only session.
pub(crate) fn session_id() -> SessionId {
    SessionId::new(900).expect("invariant: positive")
}

/// Revokes nothing: no account signs out.
#[derive(Debug)]
pub(crate) struct NothingRevoked;

#[async_trait]
impl RevocationRegistry for NothingRevoked {
    fn is_revoked(&self, _: FamilyId) -> bool {
        false
    }

    async fn announce(&self, _: &[FamilyId], _: Timestamp) {}

    fn is_empty(&self) -> bool {
        true
    }

    async fn changed(&self) {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::SimClock;
    use crate::bounds::LOOKS_AT_ONE_TIME;
    use faceshare_biz::domain::port::Clock;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "round in circles")]
    async fn a_clock_that_is_asked_without_end_ends_the_history() {
        let clock = SimClock::new();
        let look = |times| {
            for _ in 0..times {
                let _ = clock.now();
            }
        };
        for _ in 0..2 {
            look(LOOKS_AT_ONE_TIME);
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        look(LOOKS_AT_ONE_TIME + 1);
    }
}
