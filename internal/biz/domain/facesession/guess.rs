//! Budgets of wrong guesses at number codes.

use super::ExpectedHits;
use crate::Result;
use crate::domain::{AccountId, SessionId, Site, Timestamp};
use async_trait::async_trait;
use std::net::IpAddr;
use std::time::Duration;

/// Who guesses, as budgets count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guesser {
    /// `None`: a guest. Guests are free to make, so they have no budget but that of their address.
    pub account: Option<AccountId>,
    /// From where.
    pub site: Site,
}

/// What a guess was found to lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing that the guesser may enter, for any reason but the next.
    Nothing,
    /// A session that the guesser could enter if it had room.
    Full,
    /// A session.
    Session {
        /// A member of it is connected from the guesser's own address.
        near: bool,
    },
}

/// What becomes of a guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// It counts for what it was found to be.
    Stands {
        /// The budget of the whole installation is spent: see [`Pressure::spent`].
        under_attack: bool,
    },
    /// It counts for what it was found to be, though the shown budget is spent: see [`GuessLimits::LET_THROUGH`].
    LetThrough {
        /// As in `Stands`.
        under_attack: bool,
    },
    /// A session was found, and is not entered: the guess is answered as a wrong one, for which the budget is not spent.
    Refused,
    /// A budget is spent: no guess is answered for so long, right or wrong.
    Wait(Duration),
}

/// How much is being guessed in the whole installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pressure {
    /// Expected hits in the short window.
    pub short: ExpectedHits,
    /// Expected hits in the long window.
    pub long: ExpectedHits,
    /// `Some`: either window's budget is spent, for so long unless more is guessed.
    pub spent: Option<Duration>,
}

/// How much may be guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuessLimits {
    /// Wrong guesses of an account before it must wait.
    pub per_account: u32,
    /// The first wait of an account; each further wrong guess doubles it.
    pub wait: Duration,
    /// The longest wait of an account. One wrong guess is forgotten after as long without another.
    pub wait_max: Duration,
    /// Wrong guesses from an address in a window.
    pub per_address: u32,
    /// Wrong guesses from an address in a window, when only sessions near it are found any more.
    pub per_address_near: u32,
    /// Wrong guesses from a network in a window.
    pub per_network: u32,
    /// The window of addresses and networks, and the short one of the whole installation.
    pub window: Duration,
    /// Expected hits in that window, in the whole installation.
    pub hits_in_window: ExpectedHits,
    /// The long window of the whole installation.
    pub long_window: Duration,
    /// Expected hits in that one.
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

/// Keeps the budgets.
///
/// Wrong guesses count against the account, the address, the network and the whole installation at once. A right guess takes nothing
/// back; wrong ones are forgotten with time, never earlier than their window says.
///
/// A guess is judged once it is known what it leads to and before that has any effect, and what is judged first counts first: of a thousand
/// guesses made at once no more are answered than of a thousand made one by one. What is kept is bounded whatever is guessed; when it is
/// full, the addresses, networks and accounts longest unheard of are forgotten, and never what the whole installation has spent.
///
/// Budgets are kept twice. The *shown* ones count every guess that led nowhere, full sessions included; they alone decide how a guess that leads
/// nowhere is answered, so that a full session and a wrong code look alike whatever is guessed next. The *true* ones do not count full sessions;
/// they decide whether a right guess is let through, up to [`GuessLimits::LET_THROUGH`] times in a window where the shown ones are spent. So who
/// has tried a full session ten times still gets into another.
#[async_trait]
pub trait GuessBudgets: Send + Sync + 'static {
    /// How long this guesser must wait, whatever it would guess; `None`: it need not, or that depends on what it guesses. Counts nothing.
    async fn wait(&self, who: &Guesser, now: Timestamp) -> Result<Option<Duration>>;

    /// Judges a guess and counts it when it is wrong. `worth` is what it adds to the expected hits when it is. Atomic.
    ///
    /// An address with [`GuessLimits::per_address`] wrong guesses finds nothing but near sessions: any other guess is told to wait whether it
    /// is right or wrong, counts as wrong up to [`GuessLimits::per_address_near`], and adds nothing to the expected hits, since it can hit
    /// nobody.
    async fn judge(
        &self,
        who: &Guesser,
        found: Found,
        worth: ExpectedHits,
        now: Timestamp,
    ) -> Result<Judgement>;

    /// Gives back what a judgement [`LetThrough`](Judgement::LetThrough) has used: the guesser did not get in.
    async fn give_back(&self, who: &Guesser) -> Result<()>;

    /// How much is being guessed.
    async fn pressure(&self, now: Timestamp) -> Result<Pressure>;

    /// Until then guests and young accounts from this address come into this session with the host's approval alone. Never shortens an earlier bar.
    async fn bar(&self, session: SessionId, address: IpAddr, until: Timestamp) -> Result<()>;

    /// Whether such a bar holds.
    async fn is_barred(&self, session: SessionId, address: IpAddr, now: Timestamp) -> Result<bool>;
}
