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
use faceshare_biz::domain::facesession::{ExpectedHits, Found, GuessBudgets, GuessLimits, Guesser, Judgement, Pressure};
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
    accounts: RecentMap<AccountId, Strikes>,
    addresses: RecentMap<IpAddr, Window<SHORT>>,
    networks: RecentMap<IpAddr, Window<SHORT>>,
    bars: RecentMap<(SessionId, IpAddr), Timestamp>,
    short: Window<SHORT>,
    long: Box<Window<LONG>>,
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
        Self { limits, tables: Mutex::new(tables) }
    }

    fn lock(&self) -> MutexGuard<'_, GuessTables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GuessTables {
    /// How long the guesser must wait, whatever it guesses.
    fn wait(&mut self, limits: &GuessLimits, guesser: &Guesser, now: Timestamp) -> Option<Duration> {
        let account = guesser.account.and_then(|id| self.accounts.get(&id)?.wait(limits, now));
        let address = self.addresses.get(&guesser.site.address).and_then(|w| w.wait(limits.per_address_near.into(), now));
        let network = self.networks.get(&guesser.site.network).and_then(|w| w.wait(limits.per_network.into(), now));
        account.max(address).max(network)
    }

    /// How long the guesser can find only near sessions.
    fn near_only(&mut self, limits: &GuessLimits, guesser: &Guesser, now: Timestamp) -> Option<Duration> {
        self.addresses.get(&guesser.site.address)?.wait(limits.per_address.into(), now)
    }

    /// Counts a guess of a caller that can find only near sessions. Such a caller learns nothing by
    /// guessing, so its guess costs no other caller anything. Otherwise one address could spend the
    /// budget of its whole network, and a right code from there would count against the person who
    /// typed it.
    fn count_near(&mut self, limits: &GuessLimits, guesser: &Guesser, now: Timestamp) {
        self.addresses.entry(guesser.site.address, || Window::new(limits.window)).add(1, now);
    }

    fn count(&mut self, limits: &GuessLimits, guesser: &Guesser, now: Timestamp) {
        if let Some(account) = guesser.account {
            self.accounts.entry(account, Strikes::default).add(limits, now);
        }
        let window = || Window::new(limits.window);
        self.addresses.entry(guesser.site.address, window).add(1, now);
        self.networks.entry(guesser.site.network, window).add(1, now);
    }

    fn pressure(&self, limits: &GuessLimits, now: Timestamp) -> Pressure {
        let short = self.short.wait(limits.hits_in_window.trillionths(), now);
        let long = self.long.wait(limits.hits_in_long_window.trillionths(), now);
        let hits = ExpectedHits::from_trillionths;
        Pressure { short: hits(self.short.sum(now)), long: hits(self.long.sum(now)), spent: short.max(long) }
    }
}

#[async_trait]
impl GuessBudgets for EmbeddedGuessBudgets {
    async fn wait(&self, guesser: &Guesser, now: Timestamp) -> Result<Option<Duration>> {
        Ok(self.lock().wait(&self.limits, guesser, now))
    }

    async fn judge(&self, guesser: &Guesser, found: Found, worth: ExpectedHits, now: Timestamp) -> Result<Judgement> {
        let (limits, mut tables) = (&self.limits, self.lock());
        if let Some(wait) = tables.wait(limits, guesser, now) {
            return Ok(Judgement::Wait(wait));
        }
        if found != (Found::Session { near: true })
            && let Some(wait) = tables.near_only(limits, guesser, now)
        {
            tables.count_near(limits, guesser, now);
            return Ok(Judgement::Wait(wait));
        }
        if found == Found::Nothing {
            tables.count(limits, guesser, now);
            tables.short.add(worth.trillionths(), now);
            tables.long.add(worth.trillionths(), now);
        }
        Ok(Judgement::Stands { under_attack: tables.pressure(limits, now).spent.is_some() })
    }

    async fn pressure(&self, now: Timestamp) -> Result<Pressure> {
        Ok(self.lock().pressure(&self.limits, now))
    }

    async fn bar(&self, session: SessionId, address: IpAddr, until: Timestamp) -> Result<()> {
        let mut tables = self.lock();
        let kept = tables.bars.entry((session, address), || until);
        *kept = until.max(*kept);
        Ok(())
    }

    async fn is_barred(&self, session: SessionId, address: IpAddr, now: Timestamp) -> Result<bool> {
        Ok(self.lock().bars.get(&(session, address)).is_some_and(|until| now < *until))
    }
}

#[cfg(test)]
mod tests {
    use super::EmbeddedGuessBudgets;
    use crate::contract::guess_budgets::guess_budgets_contract;
    use faceshare_biz::domain::facesession::{ExpectedHits, Found, GuessBudgets as _, GuessLimits, Guesser};
    use faceshare_biz::domain::{Site, Timestamp};
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
            let guesser = Guesser { account: None, site: Site { address, network: address } };
            budgets.judge(&guesser, Found::Nothing, worth, now).await.expect("judged");
        }
        let tables = budgets.lock();
        assert!(tables.addresses.len() <= REMEMBERED && tables.networks.len() <= REMEMBERED);
        assert_eq!(tables.long.sum(now), 100_000);
    }
}
