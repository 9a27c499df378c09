//! Passwords that are kept as they are.

use super::People;
use async_trait::async_trait;
use faceshare_biz::Result;
use faceshare_biz::domain::Site;
use faceshare_biz::domain::account::{HashLine, Password, PasswordHash, PasswordHasher, Verdict};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Barrier;

/// A hash is how strong it is and the password.
#[derive(Default)]
pub(crate) struct PlainPasswords {
    strength: AtomicUsize,
    compared: AtomicUsize,
    rehashed: AtomicUsize,
    work: Mutex<Vec<Work>>,
    interloper: Mutex<Option<(Arc<People>, String)>>,
    meeting: Mutex<Option<Arc<Barrier>>>,
}

/// What a hasher was asked to do, each time as long a computation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Work {
    /// Of a new password.
    Hash(String),
    /// Of a password with the hash that somebody has, or with none.
    Verify(String),
}

impl PlainPasswords {
    /// The work since the last time.
    pub(crate) fn work(&self) -> Vec<Work> {
        std::mem::take(&mut *self.work.lock().expect("not poisoned"))
    }

    fn works(&self, work: Work) {
        self.work.lock().expect("not poisoned").push(work);
    }

    /// From now on older hashes are outdated.
    pub(crate) fn raise_parameters(&self) {
        self.strength.fetch_add(1, Ordering::SeqCst);
    }

    /// While the next password is compared, the one of this person is changed.
    pub(crate) fn when_compared(&self, people: Arc<People>, username: &str) {
        *self.interloper.lock().expect("not poisoned") = Some((people, username.to_owned()));
    }

    /// From now on so many comparisons end together.
    pub(crate) fn meet(&self, comparisons: usize) {
        *self.meeting.lock().expect("not poisoned") = Some(Arc::new(Barrier::new(comparisons)));
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
    async fn hash(&self, password: Password, _line: HashLine, _site: Site) -> Result<PasswordHash> {
        self.works(Work::Hash(password.expose().to_owned()));
        Ok(self.hashed(&password))
    }

    async fn verify(
        &self,
        password: Password,
        hash: Option<PasswordHash>,
        _site: Site,
    ) -> Result<Verdict> {
        self.compared.fetch_add(1, Ordering::SeqCst);
        self.works(Work::Verify(password.expose().to_owned()));
        if let Some((people, username)) = self.interloper.lock().expect("not poisoned").take() {
            people.set_password(&username, PasswordHash::new("0:changed meanwhile"));
        }
        let meeting = self.meeting.lock().expect("not poisoned").clone();
        if let Some(meeting) = meeting {
            meeting.wait().await;
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
