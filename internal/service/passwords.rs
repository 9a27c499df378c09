//! Passwords over argon2id, beside the threads that serve requests.

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use async_trait::async_trait;
use faceshare_biz::domain::account::{Password, PasswordHash, PasswordHasher, Verdict};
use faceshare_biz::{Error, ErrorCode, Result};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// When one who found the queue full should try again. A queue is a few seconds long.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// What a hash costs, and how many there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordSettings {
    /// Memory of one hash in KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
    /// Hashes at a time; each takes one thread and the memory of one hash.
    pub concurrency: usize,
    /// Hashes that wait for their turn.
    pub queue: usize,
}

impl PasswordSettings {
    /// Hardly any work: to measure what is around the hash. Never for passwords of people.
    #[must_use]
    pub const fn weakened(self) -> Self {
        Self { memory_kib: 8, iterations: 1, parallelism: 1, ..self }
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
    /// Those who run and those who wait.
    places: Arc<Semaphore>,
    /// Those who run.
    turns: Arc<Semaphore>,
}

#[derive(Debug)]
struct Kernel {
    argon2: Argon2<'static>,
    /// What a password is compared with when there is no hash: of a random one, with today's parameters.
    decoy: PasswordHash,
}

impl Argon2Passwords {
    /// With these parameters.
    ///
    /// # Errors
    /// [`BadParameters`].
    pub fn new(settings: PasswordSettings) -> Result<Self, BadParameters> {
        let bad = |error: &dyn std::fmt::Display| BadParameters(error.to_string());
        let params = Params::new(settings.memory_kib, settings.iterations, settings.parallelism, None).map_err(|e| bad(&e))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        // Nobody can type this: it is no valid length of a password.
        let decoy = argon2.hash_password(b"").map_err(|e| bad(&e))?;
        let kernel = Kernel { argon2, decoy: PasswordHash::new(decoy.to_string()) };
        Ok(Self {
            kernel: Arc::new(kernel),
            places: Arc::new(Semaphore::new(settings.concurrency.max(1).saturating_add(settings.queue).min(Semaphore::MAX_PERMITS))),
            turns: Arc::new(Semaphore::new(settings.concurrency.max(1))),
        })
    }

    /// Does the work when its turn has come. It is done to its end even when nobody waits for it any more: until then it keeps its turn.
    async fn beside<T: Send + 'static>(&self, work: impl FnOnce(&Kernel) -> Result<T> + Send + 'static) -> Result<T> {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            metrics::counter!("password_hashes_refused_total").increment(1);
            return Err(Error::new(ErrorCode::Unavailable, "too many people are signing in right now; try again").retry_after(RETRY_AFTER));
        };
        let turn = self.turns.clone().acquire_owned().await.map_err(Error::internal)?;
        let kernel = self.kernel.clone();
        let work = move || {
            let began = Instant::now();
            let done = work(&kernel);
            metrics::histogram!("password_hash_seconds").record(began.elapsed());
            drop((turn, place));
            done
        };
        tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
    }
}

impl Kernel {
    fn hash(&self, password: &Password) -> Result<PasswordHash> {
        let hash = self.argon2.hash_password(password.expose().as_bytes()).map_err(|error| Error::internal(error.to_string()))?;
        Ok(PasswordHash::new(hash.to_string()))
    }

    fn verify(&self, password: &Password, hash: Option<&PasswordHash>) -> Result<Verdict> {
        let kept = phc::PasswordHash::new(hash.unwrap_or(&self.decoy).as_str()).map_err(|error| Error::internal(error.to_string()))?;
        match self.argon2.verify_password(password.expose().as_bytes(), &kept) {
            Ok(()) if hash.is_none() => Ok(Verdict::Wrong),
            Ok(()) if self.is_outdated(&kept) => self.hash(password).map(Verdict::Outdated),
            Ok(()) => Ok(Verdict::Right),
            Err(argon2::password_hash::Error::PasswordInvalid) => Ok(Verdict::Wrong),
            Err(error) => Err(Error::internal(error.to_string())),
        }
    }

    /// Whether a hash was made with less of anything than today's parameters ask for.
    fn is_outdated(&self, kept: &phc::PasswordHash) -> bool {
        let wanted = self.argon2.params();
        let same_kind = kept.algorithm.as_str() == Algorithm::Argon2id.as_str() && kept.version == Some(Version::V0x13.into());
        let Ok(params) = Params::try_from(kept) else { return true };
        !same_kind || params.m_cost() < wanted.m_cost() || params.t_cost() < wanted.t_cost() || params.p_cost() < wanted.p_cost()
    }
}

#[async_trait]
impl PasswordHasher for Argon2Passwords {
    async fn hash(&self, password: Password) -> Result<PasswordHash> {
        self.beside(move |kernel| kernel.hash(&password)).await
    }

    async fn verify(&self, password: Password, hash: Option<PasswordHash>) -> Result<Verdict> {
        self.beside(move |kernel| kernel.verify(&password, hash.as_ref())).await
    }
}

#[cfg(test)]
mod tests {
    use super::{Argon2Passwords, PasswordSettings};
    use faceshare_biz::ErrorCode;
    use faceshare_biz::domain::account::{Password, PasswordHasher, Verdict};
    use std::sync::mpsc;

    const WEAK: PasswordSettings = PasswordSettings { memory_kib: 8, iterations: 1, parallelism: 1, concurrency: 1, queue: 1 };

    fn hasher(settings: PasswordSettings) -> Argon2Passwords {
        Argon2Passwords::new(settings).expect("parameters")
    }

    #[tokio::test]
    async fn a_password_is_known_by_its_hash_and_every_hash_is_another() {
        let passwords = hasher(WEAK);
        let (one, two) = (passwords.hash(Password::new("pässword")).await, passwords.hash(Password::new("pässword")).await);
        let (one, two) = (one.expect("a hash"), two.expect("a hash"));
        assert_ne!(one, two);
        assert!(one.as_str().starts_with("$argon2id$v=19$m=8,t=1,p=1$"));
        assert_eq!(passwords.verify(Password::new("pässword"), Some(one.clone())).await.expect("compared"), Verdict::Right);
        assert_eq!(passwords.verify(Password::new("password"), Some(one)).await.expect("compared"), Verdict::Wrong);
    }

    #[tokio::test]
    async fn without_a_hash_every_password_is_wrong() {
        for text in ["", "x", "password"] {
            assert_eq!(hasher(WEAK).verify(Password::new(text), None).await.expect("compared"), Verdict::Wrong);
        }
    }

    #[tokio::test]
    async fn a_hash_of_weaker_parameters_is_made_anew_and_one_of_stronger_ones_stays() {
        let strong = PasswordSettings { memory_kib: 16, iterations: 2, ..WEAK };
        let old = hasher(WEAK).hash(Password::new("secret")).await.expect("a hash");
        let verdict = hasher(strong).verify(Password::new("secret"), Some(old.clone())).await.expect("compared");
        let Verdict::Outdated(new) = verdict else { panic!("{verdict:?}") };
        assert!(new.as_str().contains("m=16,t=2"));
        assert_eq!(hasher(strong).verify(Password::new("secret"), Some(new.clone())).await.expect("compared"), Verdict::Right);
        assert_eq!(hasher(WEAK).verify(Password::new("secret"), Some(new)).await.expect("compared"), Verdict::Right);
        assert_eq!(hasher(strong).verify(Password::new("guess"), Some(old)).await.expect("compared"), Verdict::Wrong);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn beyond_the_queue_it_is_refused_at_once_and_told_when_to_come_back() {
        let passwords = hasher(WEAK);
        let (release, held) = mpsc::channel::<()>();
        let (began, begun) = tokio::sync::oneshot::channel();
        let runner = passwords.clone();
        let running = tokio::spawn(async move {
            runner
                .beside(move |_| {
                    let _ = began.send(());
                    held.recv().map_err(faceshare_biz::Error::internal)
                })
                .await
        });
        begun.await.expect("the first runs");
        let mut waiting = polled(passwords.hash(Password::new("second")));
        assert!(waiting.poll_once().await.is_none(), "the second waits");
        let refused = passwords.hash(Password::new("third")).await.expect_err("no place");
        assert_eq!(refused.code, ErrorCode::Unavailable);
        assert!(refused.retry_after.is_some());
        release.send(()).expect("the first is released");
        running.await.expect("ends").expect("the first");
        waiting.finish().await.expect("the second");
    }

    /// A future that is looked at now and waited for later.
    struct Polled<F>(std::pin::Pin<Box<F>>);

    fn polled<F: Future>(future: F) -> Polled<F> {
        Polled(Box::pin(future))
    }

    impl<F: Future> Polled<F> {
        async fn poll_once(&mut self) -> Option<F::Output> {
            std::future::poll_fn(|cx| match self.0.as_mut().poll(cx) {
                std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
                std::task::Poll::Pending => std::task::Poll::Ready(None),
            })
            .await
        }

        async fn finish(self) -> F::Output {
            self.0.await
        }
    }
}
