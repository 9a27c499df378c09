//! Budgets of wrong passwords.

use crate::Result;
use crate::domain::{Site, Timestamp};
use async_trait::async_trait;
use std::time::Duration;

/// Somebody who says a password.
#[derive(Debug, Clone, Copy)]
pub struct PasswordGuess<'a> {
    /// Whose it is said to be, in any case; there need not be such an account.
    pub username: &'a str,
    /// From where.
    pub site: Site,
}

/// How many wrong passwords there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordGuessLimits {
    /// For one name from one network, in [`window`](Self::window).
    pub per_name_and_network: u32,
    /// From one network for whatever names, in [`window`](Self::window).
    pub per_network: u32,
    /// For one name from wherever, in [`wide_window`](Self::wide_window).
    pub per_name: u32,
    /// Of the first two.
    pub window: Duration,
    /// Of the last.
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

/// Keeps the budgets.
///
/// A name is counted whether or not anybody has it. Where the right password of a name was said not long ago, that name meets the first
/// budget alone: strangers elsewhere cannot keep its owner out.
///
/// A password is judged once it was compared and before that has any effect, one at a time: of a thousand that are said at once no more are
/// answered than of a thousand said one by one. What is told to wait is not counted. What is kept is bounded; what was longest unheard of is
/// forgotten first.
#[async_trait]
pub trait PasswordBudgets: Send + Sync + 'static {
    /// How long every password of this guess must wait; `None`: it need not. Counts nothing.
    async fn wait(&self, guess: &PasswordGuess<'_>, now: Timestamp) -> Result<Option<Duration>>;

    /// Remembers that the right password of this name was said here, as is known from elsewhere: after a restart, say.
    async fn remember(&self, guess: &PasswordGuess<'_>) -> Result<()>;

    /// Counts a wrong password, or remembers where a right one was said. `Some`: a budget is spent, nothing was counted, and the answer is
    /// to wait for so long, right or wrong. Atomic.
    async fn judge(
        &self,
        guess: &PasswordGuess<'_>,
        right: bool,
        now: Timestamp,
    ) -> Result<Option<Duration>>;
}
