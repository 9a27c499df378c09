//! A few wrong passwords for each name.

use async_trait::async_trait;
use faceshare_biz::Result;
use faceshare_biz::domain::account::{PasswordBudgets, PasswordGuess};
use faceshare_biz::domain::{Site, Timestamp};
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Mutex;
use std::time::Duration;

/// Where everybody signs in.
pub(crate) const HERE: Site = Site {
    address: IpAddr::V4(Ipv4Addr::LOCALHOST),
    network: IpAddr::V4(Ipv4Addr::LOCALHOST),
};
/// Where nobody does.
pub(crate) const THERE: Site = Site {
    address: IpAddr::V4(Ipv4Addr::BROADCAST),
    network: IpAddr::V4(Ipv4Addr::BROADCAST),
};
/// Wrong passwords that a name may be said.
pub(crate) const TRIES: usize = 3;

/// A username, and a network that its password is said from.
type Place = (String, IpAddr);

/// Forgets no wrong password, and knows of usual places what it is told alone. There a name meets the tries of the place alone.
#[derive(Default)]
pub(crate) struct FewTries {
    wrong: Mutex<HashMap<Place, usize>>,
    usual: Mutex<HashSet<Place>>,
}

fn place(guess: &PasswordGuess<'_>) -> Place {
    (guess.username.to_owned(), guess.site.network)
}

impl FewTries {
    fn is_spent(&self, guess: &PasswordGuess<'_>) -> Option<Duration> {
        let (here, wrong) = (place(guess), self.wrong.lock().expect("not poisoned"));
        let usual = self.usual.lock().expect("not poisoned").contains(&here);
        let counted = wrong
            .iter()
            .filter(|(place, _)| place.0 == here.0 && (!usual || **place == here));
        (counted.map(|(_, wrong)| wrong).sum::<usize>() >= TRIES).then_some(Duration::from_secs(60))
    }
}

#[async_trait]
impl PasswordBudgets for FewTries {
    async fn wait(&self, guess: &PasswordGuess<'_>, _now: Timestamp) -> Result<Option<Duration>> {
        Ok(self.is_spent(guess))
    }

    async fn remember(&self, guess: &PasswordGuess<'_>) -> Result<()> {
        self.usual
            .lock()
            .expect("not poisoned")
            .insert(place(guess));
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
                .entry(place(guess))
                .or_default() += 1;
        }
        Ok(wait)
    }
}
