//! The budgets of wrong guesses, at number codes and at passwords, in the memory of this process.
//!
//! Nothing is stored on disk: a restart begins with empty budgets, which gives an attacker the
//! guesses of one more window, and addresses of people never reach a disk. Each table is bounded
//! ([`RecentMap`]); all of them full take about 100 MB.

mod passwords;
mod recent;
#[cfg(test)]
mod simulation;
mod strikes;
mod window;

pub use passwords::EmbeddedPasswordBudgets;

use async_trait::async_trait;
use faceshare_biz::Result;
use faceshare_biz::domain::facesession::{
    ExpectedHits, GuessBudgets, GuessDecision, GuessLimits, GuessPressure, GuessTarget, Guesser,
};
use faceshare_biz::domain::{AccountId, SessionId, Timestamp};
use recent::RecentMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use strikes::Strikes;
use window::{SHORT, Window};

/// Parts of the long window of the whole installation: with a day's window a part is a quarter of
/// an hour.
const LONG: usize = 97;
/// Bound of each table: accounts, addresses, networks and bars.
const REMEMBERED: usize = 100_000;

/// The budgets of one process.
#[derive(Debug)]
pub struct EmbeddedGuessBudgets {
    limits: GuessLimits,
    tables: Mutex<GuessTables>,
}

#[derive(Debug)]
struct GuessTables {
    accounts: RecentMap<AccountId, Tally<Strikes>>,
    addresses: RecentMap<IpAddr, Tally<Window<SHORT>>>,
    networks: RecentMap<IpAddr, Tally<Window<SHORT>>>,
    bars: RecentMap<(SessionId, IpAddr), Timestamp>,
    short: Window<SHORT>,
    long: Box<Window<LONG>>,
}

/// The two budgets of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Budget {
    /// Of all guesses that led nowhere: it says how such a guess is answered.
    Shown,
    /// Without those at full sessions: it says whether a right guess is let through, a few times in
    /// a window where the shown budget is spent.
    True,
}

/// A budget kept twice. Until the first guess at a full session both are the same, and one is
/// stored.
#[derive(Debug, Default)]
struct Tally<T> {
    shown: T,
    actual: Option<Box<T>>,
    let_through: RightGuesses,
}

/// Right guesses that were let through although the shown budget was spent.
#[derive(Debug, Clone, Copy, Default)]
struct RightGuesses {
    count: u8,
    last: Timestamp,
}

impl RightGuesses {
    /// Those that still count: all, until none has come for this long.
    fn remembered(self, window: Duration, now: Timestamp) -> u8 {
        if now.since(self.last) < window {
            self.count
        } else {
            0
        }
    }

    fn add(&mut self, window: Duration, now: Timestamp) {
        *self = Self {
            count: self.remembered(window, now).saturating_add(1),
            last: now,
        };
    }

    fn give_back(&mut self) {
        self.count = self.count.saturating_sub(1);
    }
}

impl<T: Clone> Tally<T> {
    const fn new(shown: T) -> Self {
        Self {
            shown,
            actual: None,
            let_through: RightGuesses {
                count: 0,
                last: Timestamp::from_millis(0),
            },
        }
    }

    fn of(&self, budget: Budget) -> &T {
        match budget {
            Budget::Shown => &self.shown,
            Budget::True => self.actual.as_deref().unwrap_or(&self.shown),
        }
    }

    /// Counts in these budgets.
    fn count(&mut self, counted: Counted, mut add: impl FnMut(&mut T)) {
        if counted != Counted::BOTH && self.actual.is_none() {
            self.actual = Some(Box::new(self.shown.clone()));
        }
        if counted.shown {
            add(&mut self.shown);
        }
        if let Some(actual) = self.actual.as_deref_mut()
            && counted.actual
        {
            add(actual);
        }
    }
}

/// The budgets that a guess counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counted {
    shown: bool,
    actual: bool,
}

impl Counted {
    const BOTH: Self = Self {
        shown: true,
        actual: true,
    };
    const NEITHER: Self = Self {
        shown: false,
        actual: false,
    };
}

/// What becomes of a guess by one of the two budgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spent {
    /// Nothing is spent.
    No,
    /// The address finds near sessions alone, for so long.
    ButNear(Duration),
    /// Nothing is found for so long.
    All(Duration),
}

impl EmbeddedGuessBudgets {
    /// Starts with no guesses counted.
    #[must_use]
    pub fn new(limits: GuessLimits) -> Self {
        Self::remembering(limits, REMEMBERED)
    }

    /// With another bound of the tables.
    fn remembering(limits: GuessLimits, remembered: usize) -> Self {
        let tables = GuessTables {
            accounts: RecentMap::new(remembered),
            addresses: RecentMap::new(remembered),
            networks: RecentMap::new(remembered),
            bars: RecentMap::new(remembered),
            short: Window::new(limits.window),
            long: Box::new(Window::new(limits.long_window)),
        };
        Self {
            limits,
            tables: Mutex::new(tables),
        }
    }

    fn lock(&self) -> MutexGuard<'_, GuessTables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GuessTables {
    /// How much of a budget the guesser has spent.
    fn spent(
        &mut self,
        budget: Budget,
        limits: &GuessLimits,
        guesser: &Guesser,
        now: Timestamp,
    ) -> Spent {
        let account = guesser
            .account
            .and_then(|id| self.accounts.get(&id)?.of(budget).wait(limits, now));
        let address = self
            .addresses
            .get(&guesser.site.address)
            .map(|tally| tally.of(budget));
        let near = address.and_then(|window| window.wait(limits.per_address.into(), now));
        let address = address.and_then(|window| window.wait(limits.per_address_near.into(), now));
        let network = self
            .networks
            .get(&guesser.site.network)
            .and_then(|tally| tally.of(budget).wait(limits.per_network.into(), now));
        match (account.max(address).max(network), near) {
            (Some(wait), _) => Spent::All(wait),
            (None, Some(wait)) => Spent::ButNear(wait),
            (None, None) => Spent::No,
        }
    }

    /// Counts a guess of a caller that can find only near sessions. Such a caller learns nothing by
    /// guessing, so its guess costs no other caller anything. Otherwise one address could spend the
    /// budget of its whole network, and a right code from there would count against the person who
    /// typed it.
    fn count_near(
        &mut self,
        counted: Counted,
        limits: &GuessLimits,
        guesser: &Guesser,
        now: Timestamp,
    ) {
        let window = || Tally::new(Window::new(limits.window));
        self.addresses
            .entry(guesser.site.address, window)
            .count(counted, |window| window.add(1, now));
    }

    fn count(&mut self, counted: Counted, limits: &GuessLimits, guesser: &Guesser, now: Timestamp) {
        if let Some(account) = guesser.account {
            self.accounts
                .entry(account, Tally::default)
                .count(counted, |strikes| strikes.add(limits, now));
        }
        let window = || Tally::new(Window::new(limits.window));
        self.addresses
            .entry(guesser.site.address, window)
            .count(counted, |window| window.add(1, now));
        self.networks
            .entry(guesser.site.network, window)
            .count(counted, |window| window.add(1, now));
    }

    /// Counts a guess that is answered as one that led nowhere, in each budget as far as that is
    /// not spent.
    fn count_refused(
        &mut self,
        found: GuessTarget,
        (shown, actual): (Spent, Spent),
        limits: &GuessLimits,
        guesser: &Guesser,
        now: Timestamp,
    ) {
        let wrong = found == GuessTarget::Nothing;
        let near = Counted {
            shown: matches!(shown, Spent::ButNear(_)),
            actual: matches!(actual, Spent::ButNear(_)) && found != GuessTarget::Full,
        };
        let all = Counted {
            shown: shown == Spent::No,
            actual: actual == Spent::No && wrong,
        };
        if near != Counted::NEITHER {
            self.count_near(near, limits, guesser, now);
        }
        if all != Counted::NEITHER {
            self.count(all, limits, guesser, now);
        }
    }

    /// Counts a right guess that the shown budgets would not let through. `false`: the guesser has
    /// had enough of those.
    fn let_through(&mut self, limits: &GuessLimits, guesser: &Guesser, now: Timestamp) -> bool {
        // One wrong guess of an account is forgotten after `wait_max`.
        let (window, account_window) = (limits.window, limits.wait_max);
        let address = self.addresses.get(&guesser.site.address);
        let address = address.map_or(0, |tally| tally.let_through.remembered(window, now));
        let account = guesser.account.and_then(|id| {
            let tally = self.accounts.get(&id)?;
            Some(tally.let_through.remembered(account_window, now))
        });
        if address.max(account.unwrap_or(0)) >= GuessLimits::LET_THROUGH {
            return false;
        }
        self.addresses
            .entry(guesser.site.address, || Tally::new(Window::new(window)))
            .let_through
            .add(window, now);
        if let Some(account) = guesser.account {
            self.accounts
                .entry(account, Tally::default)
                .let_through
                .add(account_window, now);
        }
        true
    }

    fn pressure(&self, limits: &GuessLimits, now: Timestamp) -> GuessPressure {
        let short = self.short.wait(limits.hits_in_window.trillionths(), now);
        let long = self
            .long
            .wait(limits.hits_in_long_window.trillionths(), now);
        let hits = ExpectedHits::from_trillionths;
        GuessPressure {
            short: hits(self.short.sum(now)),
            long: hits(self.long.sum(now)),
            spent: short.max(long),
        }
    }
}

#[async_trait]
impl GuessBudgets for EmbeddedGuessBudgets {
    async fn wait(&self, guesser: &Guesser, now: Timestamp) -> Result<Option<Duration>> {
        let (limits, mut tables) = (&self.limits, self.lock());
        let shown = tables.spent(Budget::Shown, limits, guesser, now);
        let actual = tables.spent(Budget::True, limits, guesser, now);
        Ok(match (shown, actual) {
            (Spent::All(wait), Spent::All(_)) => Some(wait),
            _ => None,
        })
    }

    async fn judge(
        &self,
        guesser: &Guesser,
        found: GuessTarget,
        worth: ExpectedHits,
        now: Timestamp,
    ) -> Result<GuessDecision> {
        let (limits, mut tables) = (&self.limits, self.lock());
        let shown = tables.spent(Budget::Shown, limits, guesser, now);
        let actual = tables.spent(Budget::True, limits, guesser, now);
        let lets_through = |spent: Spent| {
            matches!(
                (found, spent),
                (GuessTarget::Session { .. }, Spent::No)
                    | (GuessTarget::Session { near: true }, Spent::ButNear(_))
            )
        };
        if lets_through(actual) && lets_through(shown) {
            return Ok(GuessDecision::Stands {
                under_attack: tables.pressure(limits, now).spent.is_some(),
            });
        }
        if lets_through(actual) && tables.let_through(limits, guesser, now) {
            return Ok(GuessDecision::LetThrough {
                under_attack: tables.pressure(limits, now).spent.is_some(),
            });
        }
        tables.count_refused(found, (shown, actual), limits, guesser, now);
        // A guess that could have been let through is worth something, also when it is told to
        // wait.
        if found == GuessTarget::Nothing && actual == Spent::No {
            tables.short.add(worth.trillionths(), now);
            tables.long.add(worth.trillionths(), now);
        }
        Ok(match (shown, found) {
            (Spent::All(wait) | Spent::ButNear(wait), _) => GuessDecision::Wait(wait),
            (Spent::No, GuessTarget::Session { .. }) => GuessDecision::Refused,
            (Spent::No, _) => GuessDecision::Stands {
                under_attack: tables.pressure(limits, now).spent.is_some(),
            },
        })
    }

    async fn give_back(&self, guesser: &Guesser) -> Result<()> {
        let mut tables = self.lock();
        let window = || Tally::new(Window::new(self.limits.window));
        tables
            .addresses
            .entry(guesser.site.address, window)
            .let_through
            .give_back();
        if let Some(account) = guesser.account {
            let account = tables.accounts.entry(account, Tally::default);
            account.let_through.give_back();
        }
        Ok(())
    }

    async fn pressure(&self, now: Timestamp) -> Result<GuessPressure> {
        Ok(self.lock().pressure(&self.limits, now))
    }

    async fn bar(&self, session: SessionId, address: IpAddr, until: Timestamp) -> Result<()> {
        let mut tables = self.lock();
        let kept = tables.bars.entry((session, address), || until);
        *kept = until.max(*kept);
        Ok(())
    }

    async fn is_barred(&self, session: SessionId, address: IpAddr, now: Timestamp) -> Result<bool> {
        Ok(self
            .lock()
            .bars
            .get(&(session, address))
            .is_some_and(|until| now < *until))
    }
}

#[cfg(test)]
mod tests {
    use super::EmbeddedGuessBudgets;
    use faceshare_biz::domain::facesession::{
        ExpectedHits, GuessBudgets as _, GuessLimits, GuessTarget, Guesser,
    };
    use faceshare_biz::domain::{Site, Timestamp};
    use faceshare_contract::guess_budgets_contract;
    use std::net::{IpAddr, Ipv4Addr};

    async fn fresh() -> (EmbeddedGuessBudgets, ()) {
        (EmbeddedGuessBudgets::new(GuessLimits::default()), ())
    }

    guess_budgets_contract!(fresh());

    #[tokio::test]
    async fn a_flood_of_addresses_is_not_all_remembered_but_its_total_is() {
        const REMEMBERED: usize = 1_000;
        let budgets = EmbeddedGuessBudgets::remembering(GuessLimits::default(), REMEMBERED);
        let (worth, now) = (ExpectedHits::from_trillionths(1), Timestamp::from_millis(0));
        for number in 0..100_000_u32 {
            let address = IpAddr::from(Ipv4Addr::from(number << 8));
            let guesser = Guesser {
                account: None,
                site: Site {
                    address,
                    network: address,
                },
            };
            budgets
                .judge(&guesser, GuessTarget::Nothing, worth, now)
                .await
                .expect("judged");
        }
        let tables = budgets.lock();
        assert!(tables.addresses.len() <= REMEMBERED && tables.networks.len() <= REMEMBERED);
        assert_eq!(tables.long.sum(now), 100_000);
    }
}
