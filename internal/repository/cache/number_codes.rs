//! The number codes that were used lately. Only live codes are cached; a code that does not work is
//! read from the database every time.

use super::carry_through;
use super::recent::Recent;
use async_trait::async_trait;
use faceshare_biz::Result;
use faceshare_biz::domain::facesession::{CodeRecord, NumberCodeRepository};
use faceshare_biz::domain::{SessionId, Timestamp};
use lru::LruCache;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// Codes in the cache at most, some 4 MiB.
const CODES: NonZeroUsize = NonZeroUsize::new(8_192).expect("not zero");

/// A cache over another [`NumberCodeRepository`].
pub struct CachedNumberCodes<R> {
    inner: Arc<R>,
    recent: Arc<Recent<Codes>>,
}

impl<R: NumberCodeRepository> CachedNumberCodes<R> {
    /// All writes to `inner` must go through this cache.
    #[must_use]
    pub fn new(inner: R) -> Self {
        Self {
            inner: Arc::new(inner),
            recent: Arc::new(Recent::new(Codes::new())),
        }
    }
}

/// At most one code for each session, found by its fingerprint.
struct Codes {
    records: LruCache<SessionId, CodeRecord>,
    sessions: HashMap<[u8; 32], SessionId>,
}

impl Codes {
    fn new() -> Self {
        Self {
            records: LruCache::new(CODES),
            sessions: HashMap::new(),
        }
    }

    fn find(&mut self, fingerprint: &[u8; 32], now: Timestamp) -> Option<CodeRecord> {
        let session = self.sessions.get(fingerprint)?;
        self.records
            .get(session)
            .filter(|code| now < code.expires_at)
            .cloned()
    }

    fn put(&mut self, code: CodeRecord) {
        self.sessions.insert(code.fingerprint, code.session);
        if let Some((_, gone)) = self.records.push(code.session, code)
            && self.sessions.get(&gone.fingerprint).is_some_and(|of| {
                self.records
                    .peek(of)
                    .is_none_or(|c| c.fingerprint != gone.fingerprint)
            })
        {
            self.sessions.remove(&gone.fingerprint);
        }
    }

    fn forget(&mut self, session: SessionId) {
        if let Some(gone) = self.records.pop(&session) {
            self.sessions.remove(&gone.fingerprint);
        }
    }

    fn extend(&mut self, fingerprint: &[u8; 32], expires_at: Timestamp) {
        if let Some(code) = self
            .sessions
            .get(fingerprint)
            .and_then(|session| self.records.get_mut(session))
        {
            code.expires_at = expires_at;
        }
    }
}

#[async_trait]
impl<R: NumberCodeRepository> NumberCodeRepository for CachedNumberCodes<R> {
    async fn assign(
        &self,
        code: &CodeRecord,
        now: Timestamp,
        quarantine_until: Timestamp,
    ) -> Result<()> {
        let (inner, recent, code) = (self.inner.clone(), self.recent.clone(), code.clone());
        carry_through(async move {
            let assigned = inner.assign(&code, now, quarantine_until).await;
            recent.change(|recent| recent.forget(code.session));
            assigned
        })
        .await
    }

    /// Only the fingerprint under the present key is looked up in the cache: codes under an older
    /// key are few and expire soon.
    async fn find(&self, fingerprints: &[[u8; 32]], now: Timestamp) -> Result<Option<CodeRecord>> {
        let moment = match self.recent.look(|recent| {
            fingerprints
                .first()
                .and_then(|first| recent.find(first, now))
        }) {
            Ok(code) => return Ok(Some(code)),
            Err(moment) => moment,
        };
        let found = self.inner.find(fingerprints, now).await?;
        if let Some(code) = &found {
            self.recent.keep(moment, |recent| recent.put(code.clone()));
        }
        Ok(found)
    }

    async fn current(&self, session: SessionId, now: Timestamp) -> Result<Option<CodeRecord>> {
        self.inner.current(session, now).await
    }

    async fn expired(&self, after: Timestamp, until: Timestamp) -> Result<Vec<SessionId>> {
        self.inner.expired(after, until).await
    }

    /// A code that was retired meanwhile is not in the cache, and this does not put it there.
    async fn extend(
        &self,
        fingerprint: [u8; 32],
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<bool> {
        let extended = self.inner.extend(fingerprint, now, expires_at).await?;
        if extended {
            self.recent
                .change(|recent| recent.extend(&fingerprint, expires_at));
        }
        Ok(extended)
    }

    async fn retire(
        &self,
        session: SessionId,
        now: Timestamp,
        quarantine_until: Timestamp,
    ) -> Result<()> {
        let (inner, recent) = (self.inner.clone(), self.recent.clone());
        carry_through(async move {
            let retired = inner.retire(session, now, quarantine_until).await;
            recent.change(|recent| recent.forget(session));
            retired
        })
        .await
    }

    async fn purge(&self, now: Timestamp, expired_before: Timestamp) -> Result<u64> {
        self.inner.purge(now, expired_before).await
    }
}
