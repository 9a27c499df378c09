//! A fake of the password budgets: a few wrong passwords for each name.

use async_trait::async_trait;
use faceshare_biz::Result;
use faceshare_biz::domain::account::{PasswordBudgets, PasswordGuess};
use faceshare_biz::domain::{Site, Timestamp};
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Mutex;
use std::time::Duration;

/// The site of callers.
pub(crate) const HERE: Site = Site {
    address: IpAddr::V4(Ipv4Addr::LOCALHOST),
    network: IpAddr::V4(Ipv4Addr::LOCALHOST),
};
/// A site in another network.
pub(crate) const THERE: Site = Site {
    address: IpAddr::V4(Ipv4Addr::BROADCAST),
    network: IpAddr::V4(Ipv4Addr::BROADCAST),
};
/// The wrong passwords allowed for each name.
pub(crate) const TRIES: usize = 3;

/// A username, and the network of a guess at its password.
type NameAndNetwork = (String, IpAddr);

/// Never forgets a wrong password, and knows only the usual networks that it is told. From a usual
/// network only the wrong passwords from that network count.
#[derive(Default)]
pub(crate) struct FixedPasswordBudgets {
    wrong: Mutex<HashMap<NameAndNetwork, usize>>,
    usual_networks: Mutex<HashSet<NameAndNetwork>>,
}

fn name_and_network(guess: &PasswordGuess<'_>) -> NameAndNetwork {
    (guess.username.to_owned(), guess.site.network)
}

impl FixedPasswordBudgets {
    fn is_spent(&self, guess: &PasswordGuess<'_>) -> Option<Duration> {
        let (here, wrong) = (
            name_and_network(guess),
            self.wrong.lock().expect("not poisoned"),
        );
        let is_usual = self
            .usual_networks
            .lock()
            .expect("not poisoned")
            .contains(&here);
        let counted = wrong
            .iter()
            .filter(|(counted, _)| counted.0 == here.0 && (!is_usual || **counted == here));
        (counted.map(|(_, wrong)| wrong).sum::<usize>() >= TRIES).then_some(Duration::from_secs(60))
    }
}

#[async_trait]
impl PasswordBudgets for FixedPasswordBudgets {
    async fn wait(&self, guess: &PasswordGuess<'_>, _now: Timestamp) -> Result<Option<Duration>> {
        Ok(self.is_spent(guess))
    }

    async fn remember(&self, guess: &PasswordGuess<'_>) -> Result<()> {
        self.usual_networks
            .lock()
            .expect("not poisoned")
            .insert(name_and_network(guess));
        Ok(())
    }

    async fn judge(
        &self,
        guess: &PasswordGuess<'_>,
        right: bool,
        _now: Timestamp,
    ) -> Result<Option<Duration>> {
        let wait = self.is_spent(guess);
        if wait.is_none() && !right {
            *self
                .wrong
                .lock()
                .expect("not poisoned")
                .entry(name_and_network(guess))
                .or_default() += 1;
        }
        Ok(wait)
    }
}
