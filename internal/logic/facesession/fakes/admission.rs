//! Fakes of the ports that decide on admission.

use async_trait::async_trait;
use faceshare_biz::Result;
use faceshare_biz::domain::facesession::{
    ExpectedHits, GuessBudgets, GuessDecision, GuessPressure, GuessTarget, Guesser, HostContacts,
};
use faceshare_biz::domain::{AccountId, MemberId, SessionId, Site, Timestamp};
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const fn site(last: u8) -> Site {
    Site {
        address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)),
        network: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 0)),
    }
}

/// The site of callers, unless a test sets another.
pub(crate) const HERE: Site = site(1);
/// A site at another address in the same network.
pub(crate) const THERE: Site = site(2);

/// Budgets that a test sets as used up, and that record each judged guess.
#[derive(Debug, Default)]
pub(crate) struct Budgets {
    /// The guesser's own budget is used up.
    pub(crate) spent: AtomicBool,
    /// Only sessions near the guesser are found.
    pub(crate) near_only: AtomicBool,
    /// The budget of the whole installation is used up.
    pub(crate) under_attack: AtomicBool,
    judged: Mutex<Vec<(Guesser, GuessTarget, ExpectedHits)>>,
    bars: Mutex<HashMap<(SessionId, IpAddr), Timestamp>>,
}

impl Budgets {
    pub(crate) const WAIT: Duration = Duration::from_secs(77);

    /// The guesses judged since the last call.
    pub(crate) fn judged(&self) -> Vec<(Guesser, GuessTarget, ExpectedHits)> {
        std::mem::take(&mut *self.judged.lock().expect("not poisoned"))
    }

    /// What each guess since the last call was found to lead to.
    pub(crate) fn found(&self) -> Vec<GuessTarget> {
        self.judged()
            .into_iter()
            .map(|(_, found, _)| found)
            .collect()
    }
}

#[async_trait]
impl GuessBudgets for Budgets {
    async fn wait(&self, _who: &Guesser, _now: Timestamp) -> Result<Option<Duration>> {
        Ok(self.spent.load(Ordering::SeqCst).then_some(Self::WAIT))
    }

    async fn judge(
        &self,
        who: &Guesser,
        found: GuessTarget,
        worth: ExpectedHits,
        _now: Timestamp,
    ) -> Result<GuessDecision> {
        self.judged
            .lock()
            .expect("not poisoned")
            .push((*who, found, worth));
        if self.near_only.load(Ordering::SeqCst) && found != (GuessTarget::Session { near: true }) {
            return Ok(GuessDecision::Wait(Self::WAIT));
        }
        Ok(GuessDecision::Stands {
            under_attack: self.under_attack.load(Ordering::SeqCst),
        })
    }

    async fn give_back(&self, _who: &Guesser) -> Result<()> {
        Ok(())
    }

    async fn pressure(&self, _now: Timestamp) -> Result<GuessPressure> {
        let spent = self
            .under_attack
            .load(Ordering::SeqCst)
            .then_some(Self::WAIT);
        Ok(GuessPressure {
            spent,
            ..GuessPressure::default()
        })
    }

    async fn bar(&self, session: SessionId, address: IpAddr, until: Timestamp) -> Result<()> {
        self.bars
            .lock()
            .expect("not poisoned")
            .insert((session, address), until);
        Ok(())
    }

    async fn is_barred(&self, session: SessionId, address: IpAddr, now: Timestamp) -> Result<bool> {
        Ok(self
            .bars
            .lock()
            .expect("not poisoned")
            .get(&(session, address))
            .is_some_and(|until| now < *until))
    }
}

/// Pairs of a host and its contact.
#[derive(Debug, Default)]
pub(crate) struct Contacts(Mutex<HashSet<(MemberId, AccountId)>>);

impl Contacts {
    pub(crate) fn add(&self, host: MemberId, person: AccountId) {
        self.0.lock().expect("not poisoned").insert((host, person));
    }
}

#[async_trait]
impl HostContacts for Contacts {
    async fn includes(&self, host: MemberId, person: AccountId) -> Result<bool> {
        Ok(self
            .0
            .lock()
            .expect("not poisoned")
            .contains(&(host, person)))
    }
}
