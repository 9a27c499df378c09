//! Password hashes by argon2id, on threads of their own beside those that serve requests.

use crate::workers::{NotDone, WorkerSettings, Workers};
use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use async_trait::async_trait;
use faceshare_biz::domain::Site;
use faceshare_biz::domain::account::{HashQueue, Password, PasswordHash, PasswordHasher, Verdict};
use faceshare_biz::{Error, Result};
use std::sync::Arc;
use std::time::Instant;

/// The cost of a hash, and the bounds of the queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordSettings {
    /// Memory of one hash in KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
    /// Hashes that run at the same time; each takes one thread and the memory of one hash.
    pub concurrency: usize,
    /// Hashes that wait, for signing in; as many more may wait for signing up.
    pub queue: usize,
    /// Hashes for one address in each of the two queues, running and waiting; 0 sets no limit.
    pub per_address: usize,
    /// Hashes for one network in each of the two queues, running and waiting; 0 sets no limit.
    pub per_network: usize,
}

impl PasswordSettings {
    /// The cheapest parameters, to measure the code around the hash. Never for real passwords.
    #[must_use]
    pub const fn weakened(self) -> Self {
        Self {
            memory_kib: 8,
            iterations: 1,
            parallelism: 1,
            ..self
        }
    }
}

/// The parameters are out of argon2's range.
#[derive(Debug, thiserror::Error)]
#[error("argon2 does not take these parameters: {0}")]
pub struct BadParameters(String);

/// Hashes and compares passwords.
#[derive(Debug, Clone)]
pub struct Argon2Passwords {
    kernel: Arc<Kernel>,
    /// One queue for signing in and one for signing up.
    workers: Workers,
}

#[derive(Debug)]
struct Kernel {
    argon2: Argon2<'static>,
    /// A password is compared with this hash when the account has none, so that the answer takes as
    /// long. Made with today's parameters.
    decoy: PasswordHash,
}

impl Argon2Passwords {
    /// Checks the parameters and makes the pool.
    ///
    /// # Errors
    /// [`BadParameters`].
    pub fn new(settings: PasswordSettings) -> Result<Self, BadParameters> {
        let bad = |error: &dyn std::fmt::Display| BadParameters(error.to_string());
        let params = Params::new(
            settings.memory_kib,
            settings.iterations,
            settings.parallelism,
            None,
        )
        .map_err(|e| bad(&e))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        // No caller can send this password: an empty one is refused before it gets here.
        let decoy = argon2.hash_password(b"").map_err(|e| bad(&e))?;
        let kernel = Kernel {
            argon2,
            decoy: PasswordHash::new(decoy.to_string()),
        };
        let workers = Workers::new(WorkerSettings {
            workers: settings.concurrency.max(1),
            queue: settings.queue,
            per_address: settings.per_address,
            per_network: settings.per_network,
        });
        Ok(Self {
            kernel: Arc::new(kernel),
            workers,
        })
    }

    /// Queues the work and waits for its result. Work that has begun is finished, also when the
    /// caller stops waiting.
    async fn in_pool<T: Send + 'static>(
        &self,
        line: HashQueue,
        site: Site,
        work: impl FnOnce(&Kernel) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let queue = match line {
            HashQueue::SignIn => 0,
            HashQueue::SignUp => 1,
        };
        let kernel = self.kernel.clone();
        let work = move || {
            let began = Instant::now();
            let done = work(&kernel);
            metrics::histogram!("password_hash_seconds").record(began.elapsed());
            done
        };
        self.workers
            .run(queue, site, work)
            .await
            .map_err(|reason| match reason {
                NotDone::Panicked => Error::internal("the hash of a password panicked"),
                NotDone::Full(full) => {
                    metrics::counter!("password_hashes_refused_total", "full" => full.name())
                        .increment(1);
                    full.error(
                        "too many people are signing in right now; try again",
                        "too many from your address are signing in right now; try again",
                    )
                }
            })?
    }
}

impl Kernel {
    fn hash(&self, password: &Password) -> Result<PasswordHash> {
        let hash = self
            .argon2
            .hash_password(password.expose().as_bytes())
            .map_err(|error| Error::internal(error.to_string()))?;
        Ok(PasswordHash::new(hash.to_string()))
    }

    fn verify(&self, password: &Password, hash: Option<&PasswordHash>) -> Result<Verdict> {
        let kept = phc::PasswordHash::new(hash.unwrap_or(&self.decoy).as_str())
            .map_err(|error| Error::internal(error.to_string()))?;
        match self
            .argon2
            .verify_password(password.expose().as_bytes(), &kept)
        {
            Ok(()) if hash.is_none() => Ok(Verdict::Wrong),
            Ok(()) if self.is_outdated(&kept) => self.hash(password).map(Verdict::Outdated),
            Ok(()) => Ok(Verdict::Right),
            Err(argon2::password_hash::Error::PasswordInvalid) => Ok(Verdict::Wrong),
            Err(error) => Err(Error::internal(error.to_string())),
        }
    }

    /// Whether any parameter of the hash is lower than today's.
    fn is_outdated(&self, kept: &phc::PasswordHash) -> bool {
        let wanted = self.argon2.params();
        let same_kind = kept.algorithm.as_str() == Algorithm::Argon2id.as_str()
            && kept.version == Some(Version::V0x13.into());
        let Ok(params) = Params::try_from(kept) else {
            return true;
        };
        !same_kind
            || params.m_cost() < wanted.m_cost()
            || params.t_cost() < wanted.t_cost()
            || params.p_cost() < wanted.p_cost()
    }
}

#[async_trait]
impl PasswordHasher for Argon2Passwords {
    async fn hash(&self, password: Password, line: HashQueue, site: Site) -> Result<PasswordHash> {
        self.in_pool(line, site, move |kernel| kernel.hash(&password))
            .await
    }

    async fn verify(
        &self,
        password: Password,
        hash: Option<PasswordHash>,
        site: Site,
    ) -> Result<Verdict> {
        self.in_pool(HashQueue::SignIn, site, move |kernel| {
            kernel.verify(&password, hash.as_ref())
        })
        .await
    }
}

#[cfg(test)]
mod tests;
