//! A fake password hasher with readable hashes.

use super::MemoryAccounts;
use async_trait::async_trait;
use faceshare_biz::Result;
use faceshare_biz::domain::Site;
use faceshare_biz::domain::account::{HashQueue, Password, PasswordHash, PasswordHasher, Verdict};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Barrier;

/// A hash is its strength and the plain password, separated by a colon.
#[derive(Default)]
pub(crate) struct PlainPasswords {
    strength: AtomicUsize,
    compared: AtomicUsize,
    rehashed: AtomicUsize,
    work: Mutex<Vec<Work>>,
    changed_during_compare: Mutex<Option<(Arc<MemoryAccounts>, String)>>,
    barrier: Mutex<Option<Arc<Barrier>>>,
}

/// One hashing job; all kinds take the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Work {
    /// Hashes this new password.
    Hash(String),
    /// Compares this password with an account's hash, or with none.
    Verify(String),
}

impl PlainPasswords {
    /// The jobs since the last call.
    pub(crate) fn work(&self) -> Vec<Work> {
        std::mem::take(&mut *self.work.lock().expect("not poisoned"))
    }

    fn record(&self, work: Work) {
        self.work.lock().expect("not poisoned").push(work);
    }

    /// From now on, earlier hashes are outdated.
    pub(crate) fn raise_parameters(&self) {
        self.strength.fetch_add(1, Ordering::SeqCst);
    }

    /// Changes the password of this account during the next comparison.
    pub(crate) fn change_password_during_compare(
        &self,
        people: Arc<MemoryAccounts>,
        username: &str,
    ) {
        *self.changed_during_compare.lock().expect("not poisoned") =
            Some((people, username.to_owned()));
    }

    /// From now on this many comparisons finish together.
    pub(crate) fn finish_together(&self, comparisons: usize) {
        *self.barrier.lock().expect("not poisoned") = Some(Arc::new(Barrier::new(comparisons)));
    }

    pub(crate) fn compared(&self) -> usize {
        self.compared.load(Ordering::SeqCst)
    }

    pub(crate) fn rehashed(&self) -> usize {
        self.rehashed.load(Ordering::SeqCst)
    }

    fn hashed(&self, password: &Password) -> PasswordHash {
        PasswordHash::new(format!(
            "{}:{}",
            self.strength.load(Ordering::SeqCst),
            password.expose()
        ))
    }
}

#[async_trait]
impl PasswordHasher for PlainPasswords {
    async fn hash(
        &self,
        password: Password,
        _line: HashQueue,
        _site: Site,
    ) -> Result<PasswordHash> {
        self.record(Work::Hash(password.expose().to_owned()));
        Ok(self.hashed(&password))
    }

    async fn verify(
        &self,
        password: Password,
        hash: Option<PasswordHash>,
        _site: Site,
    ) -> Result<Verdict> {
        self.compared.fetch_add(1, Ordering::SeqCst);
        self.record(Work::Verify(password.expose().to_owned()));
        if let Some((people, username)) = self
            .changed_during_compare
            .lock()
            .expect("not poisoned")
            .take()
        {
            people.set_password(&username, PasswordHash::new("0:changed meanwhile"));
        }
        let barrier = self.barrier.lock().expect("not poisoned").clone();
        if let Some(barrier) = barrier {
            barrier.wait().await;
        }
        let today = self.hashed(&password);
        Ok(match hash {
            Some(hash) if hash == today => Verdict::Right,
            Some(hash)
                if hash
                    .as_str()
                    .split_once(':')
                    .is_some_and(|(_, kept)| kept == password.expose()) =>
            {
                self.rehashed.fetch_add(1, Ordering::SeqCst);
                Verdict::Outdated(today)
            }
            _ => Verdict::Wrong,
        })
    }
}
