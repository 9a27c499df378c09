//! A few wrong passwords for each name.

use async_trait::async_trait;
use faceshare_biz::Result;
use faceshare_biz::domain::account::{PasswordBudgets, PasswordGuess};
use faceshare_biz::domain::{Site, Timestamp};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Mutex;
use std::time::Duration;

/// Where everybody signs in.
pub(crate) const HERE: Site = Site { address: IpAddr::V4(Ipv4Addr::LOCALHOST), network: IpAddr::V4(Ipv4Addr::LOCALHOST) };
/// Wrong passwords that a name may be said.
pub(crate) const TRIES: usize = 3;

/// Forgets nothing.
#[derive(Default)]
pub(crate) struct FewTries(Mutex<HashMap<String, usize>>);

impl FewTries {
    fn is_spent(&self, guess: &PasswordGuess<'_>) -> Option<Duration> {
        let wrong = self.0.lock().expect("not poisoned").get(guess.username).copied().unwrap_or_default();
        (wrong >= TRIES).then_some(Duration::from_secs(60))
    }
}

#[async_trait]
impl PasswordBudgets for FewTries {
    async fn wait(&self, guess: &PasswordGuess<'_>, _now: Timestamp) -> Result<Option<Duration>> {
        Ok(self.is_spent(guess))
    }

    async fn judge(&self, guess: &PasswordGuess<'_>, right: bool, _now: Timestamp) -> Result<Option<Duration>> {
        let wait = self.is_spent(guess);
        if wait.is_none() && !right {
            *self.0.lock().expect("not poisoned").entry(guess.username.to_owned()).or_default() += 1;
        }
        Ok(wait)
    }
}
