//! Randomness, and small secrets at rest.

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use faceshare_biz::domain::facesession::NumberCode;
use faceshare_biz::domain::instruction::Epoch;
use faceshare_biz::domain::port::{SecretUse, Secrets};
use faceshare_biz::{Error, Result};
use pasetotoken::{Fingerprinter, KeyRing, Sealer};
use rand::rngs::{StdRng, SysRng};
use rand::{Rng as _, SeedableRng as _};
use std::sync::{Arc, Mutex, PoisonError};
use validatecode::CodeLength;

/// The operating system gave no random bytes for the seed.
#[derive(Debug, thiserror::Error)]
#[error("the operating system's random source failed")]
pub struct NoEntropy;

/// Seals and fingerprints under a ring of keys; draws from a cryptographic generator.
///
/// The operating system seeds the generator once, at the start, where a failure can still be
/// reported: the later calls cannot fail.
pub struct SealedSecrets {
    keys: ArcSwap<SecretKeys>,
    rng: Mutex<StdRng>,
}

/// The sealer and the fingerprinter of one ring of keys.
struct SecretKeys {
    sealer: Sealer,
    fingerprinter: Fingerprinter,
}

impl SecretKeys {
    fn new(ring: &KeyRing) -> Self {
        Self {
            sealer: Sealer::new(ring),
            fingerprinter: Fingerprinter::new(ring),
        }
    }
}

impl SealedSecrets {
    /// The first key of the ring seals and fingerprints, every key opens and finds.
    ///
    /// # Errors
    /// [`NoEntropy`].
    pub fn new(ring: &KeyRing) -> Result<Self, NoEntropy> {
        let rng = StdRng::try_from_rng(&mut SysRng).map_err(|_| NoEntropy)?;
        Ok(Self {
            keys: ArcSwap::from_pointee(SecretKeys::new(ring)),
            rng: Mutex::new(rng),
        })
    }

    /// Replaces the ring of keys. What was sealed with a key that the new ring does not hold cannot
    /// be opened any more.
    pub fn rekey(&self, ring: &KeyRing) {
        self.keys.store(Arc::new(SecretKeys::new(ring)));
    }

    fn draw<T>(&self, from: impl FnOnce(&mut StdRng) -> T) -> T {
        from(&mut self.rng.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// 128 random bits in 22 characters of the URL-safe alphabet.
    fn random_text(&self) -> String {
        let mut bits = [0; 16];
        self.draw(|rng| rng.fill_bytes(&mut bits));
        URL_SAFE_NO_PAD.encode(bits)
    }
}

/// The label that separates the uses of a key. A changed label makes what is stored under the old
/// one unreadable.
const fn label(purpose: SecretUse) -> &'static str {
    match purpose {
        SecretUse::NumberCode => "number-code",
        SecretUse::Invite => "invite",
        SecretUse::TokenPair => "token-pair",
        SecretUse::PageToken => "page-token",
        SecretUse::Answer => "answer",
        SecretUse::Address => "address",
    }
}

impl Secrets for SealedSecrets {
    fn seal(&self, purpose: SecretUse, plain: &[u8]) -> Result<String> {
        self.keys
            .load()
            .sealer
            .seal(label(purpose), plain)
            .map_err(Error::internal)
    }

    fn open(&self, purpose: SecretUse, sealed: &str) -> Option<Vec<u8>> {
        self.keys.load().sealer.open(label(purpose), sealed).ok()
    }

    fn fingerprint(&self, purpose: SecretUse, secret: &str) -> [u8; 32] {
        self.keys
            .load()
            .fingerprinter
            .fingerprint(label(purpose), secret.as_bytes())
    }

    fn fingerprints(&self, purpose: SecretUse, secret: &str) -> Vec<[u8; 32]> {
        self.keys
            .load()
            .fingerprinter
            .fingerprints(label(purpose), secret.as_bytes())
    }

    fn number_code(&self, live_sessions: u64, longer: bool) -> NumberCode {
        let length = CodeLength::for_live(live_sessions);
        let length = if longer { length.longer() } else { length };
        let code = self.draw(|rng| validatecode::generate(length, rng));
        NumberCode::new(code.as_str()).expect("invariant: a generated code is 6 to 12 digits")
    }

    fn read_number_code(&self, typed: &str) -> Option<NumberCode> {
        validatecode::normalize(typed)
            .ok()
            .and_then(|code| NumberCode::new(code.as_str()))
    }

    fn invite_secret(&self) -> String {
        self.random_text()
    }

    fn picture_key(&self) -> String {
        self.random_text()
    }

    fn epoch(&self) -> Epoch {
        Epoch::new(&self.random_text())
            .expect("invariant: 22 characters of the URL-safe alphabet name an epoch")
    }
}

impl std::fmt::Debug for SealedSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedSecrets")
            .field("sealer", &self.keys.load().sealer)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::SealedSecrets;
    use faceshare_biz::domain::port::{SecretUse, Secrets};
    use pasetotoken::KeyRing;
    use std::collections::HashSet;

    const USES: [SecretUse; 5] = [
        SecretUse::NumberCode,
        SecretUse::Invite,
        SecretUse::TokenPair,
        SecretUse::PageToken,
        SecretUse::Answer,
    ];

    fn secrets() -> SealedSecrets {
        SealedSecrets::new(&KeyRing::generate().expect("a ring")).expect("secrets")
    }

    #[test]
    fn a_seal_opens_for_its_own_use_alone_and_holds_no_blank() {
        let secrets = secrets();
        for sealed_for in USES {
            let sealed = secrets.seal(sealed_for, b"two words").expect("a seal");
            assert!(!sealed.contains(char::is_whitespace));
            for opened_for in USES {
                let opened = secrets.open(opened_for, &sealed);
                assert_eq!(
                    opened,
                    (opened_for == sealed_for).then(|| b"two words".to_vec()),
                    "{sealed_for:?} as {opened_for:?}"
                );
            }
        }
    }

    #[test]
    fn fingerprints_differ_by_use_and_the_active_one_comes_first() {
        let secrets = secrets();
        let prints: HashSet<_> = USES
            .into_iter()
            .map(|u| secrets.fingerprint(u, "274158"))
            .collect();
        assert_eq!(prints.len(), USES.len());
        assert_eq!(
            secrets.fingerprints(SecretUse::Invite, "x"),
            [secrets.fingerprint(SecretUse::Invite, "x")]
        );
    }

    #[test]
    fn number_codes_grow_with_the_number_of_live_sessions() {
        let secrets = secrets();
        for (live, digits) in [
            (0, 6),
            (100, 6),
            (101, 7),
            (1_000, 7),
            (1_001, 8),
            (u64::MAX, 12),
        ] {
            assert_eq!(
                secrets.number_code(live, false).digits().len(),
                digits,
                "{live}"
            );
            assert_eq!(
                secrets.number_code(live, true).digits().len(),
                12.min(digits + 1),
                "{live}"
            );
        }
    }

    /// What the worth of a guess rests on: see `ExpectedHits::of_guess`.
    #[test]
    fn of_the_numbers_of_each_length_at_least_eight_in_ten_can_be_codes() {
        const DRAWN: usize = 20_000;
        let secrets = secrets();
        for length in 6..=12_u32 {
            let numbers = (0..DRAWN)
                .map(|_| secrets.draw(|rng| rand::Rng::next_u64(rng) % 10_u64.pow(length)));
            let width = usize::try_from(length).expect("small");
            let shapely = numbers
                .filter(|n| {
                    validatecode::normalize(&format!("{n:0width$}"))
                        .is_ok_and(|c| c.is_allocatable())
                })
                .count();
            assert!(shapely > DRAWN * 80 / 100, "{length}: {shapely}");
        }
    }

    #[test]
    fn what_is_drawn_is_not_drawn_again() {
        let secrets = secrets();
        let invites: HashSet<_> = (0..1_000).map(|_| secrets.invite_secret()).collect();
        let epochs: HashSet<_> = (0..1_000).map(|_| secrets.epoch()).collect();
        assert_eq!((invites.len(), epochs.len()), (1_000, 1_000));
        assert!(invites.iter().all(|i| i.len() == 22));
    }
}
