//! Budgets of wrong guesses at number codes.

use super::ExpectedHits;
use crate::Result;
use crate::domain::{AccountId, SessionId, Site, Timestamp};
use async_trait::async_trait;
use std::net::IpAddr;
use std::time::Duration;

/// The sender of a guess, as budgets count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guesser {
    /// The account; `None`: a guest. Guests cost nothing to create, so only their address has a
    /// budget.
    pub account: Option<AccountId>,
    /// The site of the caller.
    pub site: Site,
}

/// What a guess leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuessTarget {
    /// No session that the guesser may join, for any reason except [`GuessTarget::Full`].
    Nothing,
    /// A session that the guesser could join if it were not full.
    Full,
    /// A session that the guesser may join.
    Session {
        /// Whether a member of it is connected from the guesser's address.
        near: bool,
    },
}

/// The decision of the budgets on a guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuessDecision {
    /// The guess is answered for what it leads to.
    Stands {
        /// The budget of the whole installation is used up: see [`GuessPressure::spent`].
        under_attack: bool,
    },
    /// The guess is answered for what it leads to, though the visible budget is used up: see
    /// [`GuessLimits::LET_THROUGH`].
    LetThrough {
        /// As in `Stands`.
        under_attack: bool,
    },
    /// A session was found, but the guess is answered as a wrong one without charging the budget.
    Refused,
    /// A budget is used up: no guess is answered for this long, right or wrong.
    Wait(Duration),
}

/// The guessing in the whole installation, against its budgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GuessPressure {
    /// Expected hits in the short window ([`GuessLimits::window`]).
    pub short: ExpectedHits,
    /// Expected hits in the long window ([`GuessLimits::long_window`]).
    pub long: ExpectedHits,
    /// `Some`: the budget of a window is used up, for this long if no more is guessed.
    pub spent: Option<Duration>,
}

/// The limits of wrong guesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuessLimits {
    /// The wrong guesses of an account before it must wait.
    pub per_account: u32,
    /// The first wait of an account; each further wrong guess doubles it.
    pub wait: Duration,
    /// The longest wait of an account. One wrong guess is forgotten after this time without
    /// another.
    pub wait_max: Duration,
    /// The wrong guesses from an address in a window.
    pub per_address: u32,
    /// The wrong guesses from an address in a window once it finds only sessions near it.
    pub per_address_near: u32,
    /// The wrong guesses from a network in a window.
    pub per_network: u32,
    /// The window of addresses and networks, and the short one of the whole installation.
    pub window: Duration,
    /// The expected hits of the whole installation in the short window.
    pub hits_in_window: ExpectedHits,
    /// The long window of the whole installation.
    pub long_window: Duration,
    /// The expected hits of the whole installation in the long window.
    pub hits_in_long_window: ExpectedHits,
}

impl GuessLimits {
    /// Right guesses of an address, and of an account, that the true budgets let through in a window although the shown ones are spent. Each
    /// one tells the guesser something about its earlier guesses. Two people need so many to preview a session and enter it.
    pub const LET_THROUGH: u8 = 4;
}

impl Default for GuessLimits {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        Self {
            per_account: 5,
            wait: MINUTE,
            wait_max: 60 * MINUTE,
            per_address: 10,
            per_address_near: 100,
            per_network: 100,
            window: 10 * MINUTE,
            hits_in_window: ExpectedHits::from_thousandths(50),
            long_window: 24 * 60 * MINUTE,
            hits_in_long_window: ExpectedHits::from_thousandths(200),
        }
    }
}

/// Keeps the budgets of wrong guesses.
///
/// Wrong guesses count against the account, the address, the network and the whole installation at
/// once. A right guess does not reset a budget; wrong guesses are forgotten with time, never before
/// the end of their window.
///
/// A guess is judged once its target is known and before it has any effect, one guess at a time: of
/// a thousand concurrent guesses no more are answered than of a thousand sequential ones. Memory is
/// bounded: at the bound the least recently seen addresses, networks and accounts are forgotten,
/// but never the counts of the whole installation.
///
/// Each budget has two counts. The *shown* count includes guesses at full sessions and decides
/// alone how a wrong guess is answered, so that a full session and a wrong code look the same
/// whatever is guessed next. The *true* count does not include full sessions and decides whether a
/// right guess is answered, up to [`GuessLimits::LET_THROUGH`] times in a window in which the shown
/// budget is used up. So a caller who has tried a full session ten times can still join another.
#[async_trait]
pub trait GuessBudgets: Send + Sync + 'static {
    /// How long this guesser must wait before any guess; `None`: it need not wait, or that depends
    /// on the guess. Counts nothing.
    async fn wait(&self, who: &Guesser, now: Timestamp) -> Result<Option<Duration>>;

    /// Judges a guess and counts it if it is wrong; a wrong guess adds `worth` to the expected
    /// hits. Atomic.
    ///
    /// An address with [`GuessLimits::per_address`] wrong guesses finds only near sessions. Any
    /// other guess from there is told to wait, right or wrong; it counts as wrong up to
    /// [`GuessLimits::per_address_near`] and adds nothing to the expected hits, since it cannot
    /// hit.
    async fn judge(
        &self,
        who: &Guesser,
        found: GuessTarget,
        worth: ExpectedHits,
        now: Timestamp,
    ) -> Result<GuessDecision>;

    /// Gives back what a judgement [`LetThrough`](GuessDecision::LetThrough) has used: the guesser did
    /// not join.
    async fn give_back(&self, who: &Guesser) -> Result<()>;

    /// The present guessing in the whole installation.
    async fn pressure(&self, now: Timestamp) -> Result<GuessPressure>;

    /// Until `until`, guests and young accounts from this address need the host's approval for this
    /// session. Never shortens an earlier bar.
    async fn bar(&self, session: SessionId, address: IpAddr, until: Timestamp) -> Result<()>;

    /// Whether such a bar is in force.
    async fn is_barred(&self, session: SessionId, address: IpAddr, now: Timestamp) -> Result<bool>;
}
