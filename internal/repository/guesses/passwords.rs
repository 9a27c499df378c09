//! The budgets of wrong passwords, in memory.

use super::REMEMBERED;
use super::recent::RecentMap;
use super::window::{SHORT, Window};
use async_trait::async_trait;
use faceshare_biz::Result;
use faceshare_biz::domain::Timestamp;
use faceshare_biz::domain::account::{PasswordBudgets, PasswordGuess, PasswordGuessLimits};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A keyed hash of a username. What a person types as a name may be a password, so the text is not
/// kept.
type NameKey = u64;

/// [`PasswordBudgets`] of one process.
#[derive(Debug)]
pub struct EmbeddedPasswordBudgets {
    limits: PasswordGuessLimits,
    names: RandomState,
    tables: Mutex<PasswordTables>,
}

#[derive(Debug)]
struct PasswordTables {
    pairs: RecentMap<(NameKey, IpAddr), Window<SHORT>>,
    networks: RecentMap<IpAddr, Window<SHORT>>,
    names: RecentMap<NameKey, Window<SHORT>>,
    /// Where the right password was given: there only the pair's own budget counts.
    trusted: RecentMap<(NameKey, IpAddr), ()>,
}

impl EmbeddedPasswordBudgets {
    /// Starts with no wrong passwords counted.
    #[must_use]
    pub fn new(limits: PasswordGuessLimits) -> Self {
        Self::remembering(limits, REMEMBERED)
    }

    fn remembering(limits: PasswordGuessLimits, remembered: usize) -> Self {
        let tables = PasswordTables {
            pairs: RecentMap::new(remembered),
            networks: RecentMap::new(remembered),
            names: RecentMap::new(remembered),
            trusted: RecentMap::new(remembered),
        };
        Self {
            limits,
            names: RandomState::new(),
            tables: Mutex::new(tables),
        }
    }

    fn lock(&self) -> MutexGuard<'_, PasswordTables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, guess: &PasswordGuess<'_>) -> (NameKey, IpAddr) {
        (
            self.names.hash_one(guess.username.to_lowercase()),
            guess.site.network,
        )
    }
}

impl PasswordTables {
    fn wait(
        &mut self,
        limits: &PasswordGuessLimits,
        key: (NameKey, IpAddr),
        now: Timestamp,
    ) -> Option<Duration> {
        let pair = self
            .pairs
            .get(&key)
            .and_then(|window| window.wait(limits.per_name_and_network.into(), now));
        if self.trusted.get(&key).is_some() {
            return pair;
        }
        let name = self
            .names
            .get(&key.0)
            .and_then(|window| window.wait(limits.per_name.into(), now));
        let network = self
            .networks
            .get(&key.1)
            .and_then(|window| window.wait(limits.per_network.into(), now));
        pair.max(name).max(network)
    }

    fn count(&mut self, limits: &PasswordGuessLimits, key: (NameKey, IpAddr), now: Timestamp) {
        self.pairs
            .entry(key, || Window::new(limits.window))
            .add(1, now);
        self.networks
            .entry(key.1, || Window::new(limits.window))
            .add(1, now);
        self.names
            .entry(key.0, || Window::new(limits.wide_window))
            .add(1, now);
    }
}

#[async_trait]
impl PasswordBudgets for EmbeddedPasswordBudgets {
    async fn wait(&self, guess: &PasswordGuess<'_>, now: Timestamp) -> Result<Option<Duration>> {
        Ok(self.lock().wait(&self.limits, self.key(guess), now))
    }

    async fn remember(&self, guess: &PasswordGuess<'_>) -> Result<()> {
        *self.lock().trusted.entry(self.key(guess), || ()) = ();
        Ok(())
    }

    async fn judge(
        &self,
        guess: &PasswordGuess<'_>,
        right: bool,
        now: Timestamp,
    ) -> Result<Option<Duration>> {
        let (key, mut tables) = (self.key(guess), self.lock());
        let wait = tables.wait(&self.limits, key, now);
        match (wait, right) {
            (Some(_), _) => {}
            (None, true) => *tables.trusted.entry(key, || ()) = (),
            (None, false) => tables.count(&self.limits, key, now),
        }
        Ok(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::EmbeddedPasswordBudgets;
    use faceshare_biz::domain::account::{
        PasswordBudgets as _, PasswordGuess, PasswordGuessLimits,
    };
    use faceshare_biz::domain::{Site, Timestamp};
    use faceshare_contract::password_budgets_contract;
    use std::net::{IpAddr, Ipv4Addr};

    async fn fresh() -> (EmbeddedPasswordBudgets, ()) {
        (
            EmbeddedPasswordBudgets::new(PasswordGuessLimits::default()),
            (),
        )
    }

    password_budgets_contract!(fresh());

    #[tokio::test]
    async fn a_flood_of_names_is_not_all_remembered() {
        const REMEMBERED: usize = 100;
        let limits = PasswordGuessLimits {
            per_network: u32::MAX,
            ..PasswordGuessLimits::default()
        };
        let budgets = EmbeddedPasswordBudgets::remembering(limits, REMEMBERED);
        let address = IpAddr::from(Ipv4Addr::LOCALHOST);
        for number in 0..10_000 {
            let (username, site) = (
                number.to_string(),
                Site {
                    address,
                    network: address,
                },
            );
            let guess = PasswordGuess {
                username: &username,
                site,
            };
            budgets
                .judge(&guess, number % 2 == 0, Timestamp::from_millis(0))
                .await
                .expect("judged");
        }
        let tables = budgets.lock();
        assert!(
            [tables.pairs.len(), tables.names.len(), tables.trusted.len()]
                .into_iter()
                .all(|held| held <= REMEMBERED)
        );
    }
}
