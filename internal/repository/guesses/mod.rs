//! The budgets of wrong guesses, at number codes and at passwords, in the memory of this process.
//!
//! Nothing is written down: a restart begins with empty budgets, which gives whoever guesses one more window's worth, and addresses of
//! people never reach a disk. Each table is bounded ([`Recent`]); all of them full take about 100 MB.

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
use recent::Recent;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use strikes::Strikes;
use window::{SHORT, Window};

/// The long window of the whole installation is told in quarters of an hour, when it is a day.
const LONG: usize = 97;
/// Accounts, addresses, networks and bars remembered, each.
const REMEMBERED: usize = 100_000;

/// Budgets of one process.
#[derive(Debug)]
pub struct EmbeddedGuessBudgets {
    limits: GuessLimits,
    tables: Mutex<Tables>,
}

#[derive(Debug)]
struct Tables {
    accounts: Recent<AccountId, Strikes>,
    addresses: Recent<IpAddr, Window<SHORT>>,
    networks: Recent<IpAddr, Window<SHORT>>,
    bars: Recent<(SessionId, IpAddr), Timestamp>,
    short: Window<SHORT>,
    long: Box<Window<LONG>>,
}

impl EmbeddedGuessBudgets {
    /// Nothing has been guessed.
    #[must_use]
    pub fn new(limits: GuessLimits) -> Self {
        Self::remembering(limits, REMEMBERED)
    }

    /// With tables of another size.
    fn remembering(limits: GuessLimits, remembered: usize) -> Self {
        let tables = Tables {
            accounts: Recent::new(remembered),
            addresses: Recent::new(remembered),
            networks: Recent::new(remembered),
            bars: Recent::new(remembered),
            short: Window::new(limits.window),
            long: Box::new(Window::new(limits.long_window)),
        };
        Self { limits, tables: Mutex::new(tables) }
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    /// How long the guesser waits whatever it guesses.
    fn wait(&mut self, limits: &GuessLimits, who: &Guesser, now: Timestamp) -> Option<Duration> {
        let account = who.account.and_then(|id| self.accounts.get(&id)?.wait(limits, now));
        let address = self.addresses.get(&who.site.address).and_then(|w| w.wait(limits.per_address_near.into(), now));
        let network = self.networks.get(&who.site.network).and_then(|w| w.wait(limits.per_network.into(), now));
        account.max(address).max(network)
    }

    /// How long the guesser finds nothing but near sessions.
    fn near_only(&mut self, limits: &GuessLimits, who: &Guesser, now: Timestamp) -> Option<Duration> {
        self.addresses.get(&who.site.address)?.wait(limits.per_address.into(), now)
    }

    /// Who finds nothing but near sessions learns nothing by guessing. Were it to cost others anything, one address could spend the budget
    /// of its whole network, and a right code from there would count against who typed it.
    fn count_near(&mut self, limits: &GuessLimits, who: &Guesser, now: Timestamp) {
        self.addresses.entry(who.site.address, || Window::new(limits.window)).add(1, now);
    }

    fn count(&mut self, limits: &GuessLimits, who: &Guesser, now: Timestamp) {
        if let Some(account) = who.account {
            self.accounts.entry(account, Strikes::default).add(limits, now);
        }
        let window = || Window::new(limits.window);
        self.addresses.entry(who.site.address, window).add(1, now);
        self.networks.entry(who.site.network, window).add(1, now);
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
    async fn wait(&self, who: &Guesser, now: Timestamp) -> Result<Option<Duration>> {
        Ok(self.lock().wait(&self.limits, who, now))
    }

    async fn judge(&self, who: &Guesser, found: Found, worth: ExpectedHits, now: Timestamp) -> Result<Judgement> {
        let (limits, mut tables) = (&self.limits, self.lock());
        if let Some(wait) = tables.wait(limits, who, now) {
            return Ok(Judgement::Wait(wait));
        }
        if found != (Found::Session { near: true })
            && let Some(wait) = tables.near_only(limits, who, now)
        {
            tables.count_near(limits, who, now);
            return Ok(Judgement::Wait(wait));
        }
        if found == Found::Nothing {
            tables.count(limits, who, now);
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
    use faceshare_biz::domain::facesession::{ExpectedHits, Found, GuessBudgets as _, GuessLimits, Guesser};
    use faceshare_biz::domain::{Site, Timestamp};
    use faceshare_contract::guess_budgets_contract;
    use std::net::{IpAddr, Ipv4Addr};

    async fn fresh() -> (EmbeddedGuessBudgets, ()) {
        (EmbeddedGuessBudgets::new(GuessLimits::default()), ())
    }

    guess_budgets_contract!(fresh());

    #[tokio::test]
    async fn a_flood_of_addresses_is_not_all_remembered_and_what_it_cost_in_all_is() {
        const REMEMBERED: usize = 1_000;
        let budgets = EmbeddedGuessBudgets::remembering(GuessLimits::default(), REMEMBERED);
        let (worth, now) = (ExpectedHits::from_trillionths(1), Timestamp::from_millis(0));
        for number in 0..100_000_u32 {
            let address = IpAddr::from(Ipv4Addr::from(number << 8));
            let who = Guesser { account: None, site: Site { address, network: address } };
            budgets.judge(&who, Found::Nothing, worth, now).await.expect("judged");
        }
        let tables = budgets.lock();
        assert!(tables.addresses.len() <= REMEMBERED && tables.networks.len() <= REMEMBERED);
        assert_eq!(tables.long.sum(now), 100_000);
    }
}
