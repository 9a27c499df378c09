//! In-memory ports that the tests of several modules share. Tokens and seals are readable here; the
//! tests of the adapters prove that the real ones are not.

mod sessions;

pub(crate) use sessions::{MemoryLog, sessions};

use async_trait::async_trait;
use faceshare_biz::domain::account::{
    AccessClaims, IssuedToken, RefreshClaims, RevocationRegistry,
};
use faceshare_biz::domain::facesession::{NumberCode, SessionClaims, WaitClaims};
use faceshare_biz::domain::instruction::Epoch;
use faceshare_biz::domain::port::{Clock, IdGenerator, SecretUse, Secrets, TokenRefusal, Tokens};
use faceshare_biz::domain::{AccountId, FamilyId, KnockId, PointId, SessionId, Timestamp};
use faceshare_biz::{Error, Result};
use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// A clock that only a test moves.
#[derive(Debug, Default)]
pub(crate) struct FakeClock(AtomicI64);

impl FakeClock {
    pub(crate) fn set(&self, now: Timestamp) {
        self.0.store(now.as_millis(), Ordering::SeqCst);
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.set(self.now() + time);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// 1001, 1002, ...
#[derive(Debug, Default)]
pub(crate) struct CountingIds(AtomicU64);

impl IdGenerator for CountingIds {
    fn next_id(&self) -> u64 {
        1_001 + self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// Tokens whose text holds their purpose, end and claims.
#[derive(Debug)]
pub(crate) struct PlainTokens;

impl PlainTokens {
    const ACCESS_TTL: Duration = Duration::from_secs(900);
    pub(crate) const COOKIE_TTL: Duration = Duration::from_secs(1_800);
    const REFRESH_TTL: Duration = Duration::from_secs(30 * 86_400);
    const SESSION_TTL: Duration = Duration::from_secs(3_600);

    fn issue(purpose: &str, now: Timestamp, ttl: Duration, claims: [u64; 4]) -> IssuedToken {
        let expires_at = now + ttl;
        let [a, b, c, d] = claims;
        IssuedToken {
            token: format!("{purpose}.{}.{a}.{b}.{c}.{d}", expires_at.as_millis()),
            expires_at,
        }
    }

    fn verify(purpose: &str, token: &str, now: Timestamp) -> Result<[u64; 4], TokenRefusal> {
        let mut parts = token.split('.');
        let right_purpose = parts.next() == Some(purpose);
        let numbers: Vec<u64> = parts.filter_map(|p| p.parse().ok()).collect();
        match numbers[..] {
            [end, a, b, c, d] if right_purpose => {
                let good = i64::try_from(end).is_ok_and(|end| now.as_millis() < end);
                if good {
                    Ok([a, b, c, d])
                } else {
                    Err(TokenRefusal::Expired)
                }
            }
            _ => Err(TokenRefusal::Invalid),
        }
    }
}

fn account(id: u64) -> AccountId {
    AccountId::new(id).expect("an id")
}

fn family(id: u64) -> FamilyId {
    FamilyId::new(id).expect("an id")
}

impl Tokens for PlainTokens {
    fn issue_access(&self, claims: &AccessClaims, now: Timestamp) -> Result<IssuedToken> {
        let claims = [
            claims.account.get(),
            claims.family.get(),
            u64::from(claims.guest),
            0,
        ];
        Ok(Self::issue("access", now, Self::ACCESS_TTL, claims))
    }

    fn issue_cookie(&self, claims: &AccessClaims, now: Timestamp) -> Result<IssuedToken> {
        let claims = [
            claims.account.get(),
            claims.family.get(),
            u64::from(claims.guest),
            0,
        ];
        Ok(Self::issue("cookie", now, Self::COOKIE_TTL, claims))
    }

    fn issue_refresh(&self, claims: &RefreshClaims, now: Timestamp) -> Result<IssuedToken> {
        let claims = [
            claims.account.get(),
            claims.family.get(),
            u64::from(claims.generation),
            0,
        ];
        Ok(Self::issue("refresh", now, Self::REFRESH_TTL, claims))
    }

    fn issue_session(&self, claims: &SessionClaims, now: Timestamp) -> Result<IssuedToken> {
        let claims = [
            claims.session.get(),
            claims.member.get(),
            claims.point.get(),
            claims.family.get(),
        ];
        Ok(Self::issue("session", now, Self::SESSION_TTL, claims))
    }

    fn issue_wait(
        &self,
        claims: &WaitClaims,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<IssuedToken> {
        Ok(Self::issue(
            "wait",
            now,
            expires_at.since(now),
            [
                claims.session.get(),
                claims.account.get(),
                claims.knock.get(),
                0,
            ],
        ))
    }

    fn verify_access(&self, token: &str, now: Timestamp) -> Result<AccessClaims, TokenRefusal> {
        Self::verify("access", token, now).map(|[a, f, guest, _]| AccessClaims {
            account: account(a),
            family: family(f),
            guest: guest == 1,
        })
    }

    fn verify_cookie(&self, token: &str, now: Timestamp) -> Result<AccessClaims, TokenRefusal> {
        Self::verify("cookie", token, now).map(|[a, f, _, _]| AccessClaims {
            account: account(a),
            family: family(f),
            guest: false,
        })
    }

    fn verify_refresh(&self, token: &str, now: Timestamp) -> Result<RefreshClaims, TokenRefusal> {
        Self::verify("refresh", token, now).map(|[a, f, generation, _]| RefreshClaims {
            account: account(a),
            family: family(f),
            generation: u32::try_from(generation).expect("a generation"),
        })
    }

    fn verify_session(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<(SessionClaims, Timestamp), TokenRefusal> {
        let claims = Self::verify("session", token, now).map(|[s, m, p, f]| SessionClaims {
            session: SessionId::new(s).expect("an id"),
            member: account(m),
            point: PointId::new(p).expect("an id"),
            family: family(f),
        })?;
        Ok((claims, now + Self::SESSION_TTL))
    }

    fn verify_wait(&self, token: &str, now: Timestamp) -> Result<WaitClaims, TokenRefusal> {
        let [session, who, knock, _] = Self::verify("wait", token, now)?;
        let (session, knock) = (
            SessionId::new(session).expect("an id"),
            KnockId::new(knock).expect("an id"),
        );
        Ok(WaitClaims {
            session,
            account: account(who),
            knock,
        })
    }
}

/// Readable secrets; number codes count up from 100000.
#[derive(Debug, Default)]
pub(crate) struct PlainSecrets {
    codes: AtomicU64,
    others: AtomicU64,
}

impl Secrets for PlainSecrets {
    fn seal(&self, purpose: SecretUse, plain: &[u8]) -> Result<String> {
        let bytes: Vec<String> = plain.iter().map(|b| format!("{b:02x}")).collect();
        Ok(format!("{purpose:?}:{}", bytes.concat()))
    }

    fn open(&self, purpose: SecretUse, sealed: &str) -> Option<Vec<u8>> {
        let hex = sealed.strip_prefix(&format!("{purpose:?}:"))?;
        (0..hex.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(hex.get(i..i + 2)?, 16).ok())
            .collect()
    }

    fn fingerprint(&self, purpose: SecretUse, secret: &str) -> [u8; 32] {
        let mut print = [0; 32];
        for (i, byte) in format!("{purpose:?}:{secret}").bytes().enumerate() {
            print[i % 32] ^= byte.rotate_left(u32::try_from(i / 32).expect("short"));
        }
        print
    }

    fn fingerprints(&self, purpose: SecretUse, secret: &str) -> Vec<[u8; 32]> {
        vec![self.fingerprint(purpose, secret)]
    }

    fn number_code(&self, _live_sessions: u64, _longer: bool) -> NumberCode {
        let next = 100_000 + self.codes.fetch_add(1, Ordering::SeqCst);
        NumberCode::new(&next.to_string()).expect("six digits")
    }

    fn read_number_code(&self, typed: &str) -> Option<NumberCode> {
        validatecode::normalize(typed)
            .ok()
            .and_then(|code| NumberCode::new(code.as_str()))
    }

    fn invite_secret(&self) -> String {
        format!("invite-{}", self.others.fetch_add(1, Ordering::SeqCst))
    }

    fn picture_key(&self) -> String {
        format!("picture-{}", self.others.fetch_add(1, Ordering::SeqCst))
    }

    fn epoch(&self) -> Epoch {
        Epoch::new(&format!(
            "epoch-{}",
            self.others.fetch_add(1, Ordering::SeqCst)
        ))
        .expect("an epoch")
    }
}

/// The error of a fake that a test has made unavailable.
pub(crate) fn away() -> Error {
    Error::unavailable("made unavailable by the test")
}

/// The revoked families in a set.
#[derive(Debug, Default)]
pub(crate) struct MemoryRevocations {
    revoked: Mutex<HashSet<FamilyId>>,
    news: Notify,
}

impl MemoryRevocations {
    pub(crate) fn len(&self) -> usize {
        self.revoked.lock().expect("not poisoned").len()
    }
}

#[async_trait]
impl RevocationRegistry for MemoryRevocations {
    fn is_revoked(&self, family: FamilyId) -> bool {
        self.revoked.lock().expect("not poisoned").contains(&family)
    }

    async fn announce(&self, families: &[FamilyId], _: Timestamp) {
        self.revoked.lock().expect("not poisoned").extend(families);
        self.news.notify_one();
    }

    fn is_empty(&self) -> bool {
        self.revoked.lock().expect("not poisoned").is_empty()
    }

    async fn changed(&self) {
        self.news.notified().await;
    }
}
