//! Budgets of wrong passwords.

use crate::Result;
use crate::domain::{Site, Timestamp};
use async_trait::async_trait;
use std::time::Duration;

/// A guess at a password.
#[derive(Debug, Clone, Copy)]
pub struct PasswordGuess<'a> {
    /// The username, in any case; the account need not exist.
    pub username: &'a str,
    /// The site of the caller.
    pub site: Site,
}

/// The limits of wrong passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordGuessLimits {
    /// For one name from one network, in [`window`](Self::window).
    pub per_name_and_network: u32,
    /// From one network for all names together, in [`window`](Self::window).
    pub per_network: u32,
    /// For one name from all networks together, in [`wide_window`](Self::wide_window).
    pub per_name: u32,
    /// The window of the limits by network.
    pub window: Duration,
    /// The window of the limit by name alone.
    pub wide_window: Duration,
}

impl Default for PasswordGuessLimits {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        Self {
            per_name_and_network: 10,
            per_network: 200,
            per_name: 100,
            window: 15 * MINUTE,
            wide_window: 60 * MINUTE,
        }
    }
}

/// Keeps the budgets of wrong passwords.
///
/// A name is counted whether or not such an account exists. From a network where its right password
/// was given not long ago, only the first budget counts for a name: wrong guesses from elsewhere
/// cannot block its owner.
///
/// A password is judged after the comparison and before it has any effect, one at a time: of a
/// thousand concurrent guesses no more are answered than of a thousand sequential ones. A guess
/// that is told to wait is not counted. Memory is bounded; the least recently seen names and
/// networks are forgotten first.
#[async_trait]
pub trait PasswordBudgets: Send + Sync + 'static {
    /// How long this name and site must wait before any password; `None`: they need not wait.
    /// Counts nothing.
    async fn wait(&self, guess: &PasswordGuess<'_>, now: Timestamp) -> Result<Option<Duration>>;

    /// Records that the right password of this name was given from this network before, as the
    /// caller knows from the database after a restart.
    async fn remember(&self, guess: &PasswordGuess<'_>) -> Result<()>;

    /// Counts a wrong password, or records the network of a right one. `Some`: a budget is used up;
    /// nothing was counted, and the caller must wait for this long, right or wrong. Atomic.
    async fn judge(
        &self,
        guess: &PasswordGuess<'_>,
        right: bool,
        now: Timestamp,
    ) -> Result<Option<Duration>>;
}
