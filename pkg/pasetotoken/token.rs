//! Issues and verifies bearer tokens.

use std::fmt;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::envelope::{Envelope, OpenFault};
use crate::purpose::{Audience, Purpose};
use crate::ring::KeyRing;

/// The longest token in bytes, issued or accepted. It keeps a token within a header line and bounds
/// what an unauthenticated caller can make the verifier decode.
pub const MAX_TOKEN_LEN: usize = 2048;

/// Why a token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token of this form, too long, or its claims have another shape than the caller
    /// expects.
    #[error("the token is malformed")]
    Malformed,
    /// Made with a key that this ring does not (or no longer) hold.
    #[error("the token was made with an unknown key")]
    UnknownKey,
    /// Not made by a holder of the key for this purpose and audience.
    #[error("the token is forged or has another purpose or audience")]
    WrongPurposeOrForged,
    /// Authentic but expired.
    #[error("the token has expired")]
    Expired,
}

/// Why a token could not be issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The claims do not serialize to JSON.
    #[error("the claims cannot be serialized")]
    TestClaims(#[source] serde_json::Error),
    /// The token would be longer than [`MAX_TOKEN_LEN`].
    #[error("the token would exceed {MAX_TOKEN_LEN} bytes")]
    TooLong,
    /// The expiry does not fit 64 bits of milliseconds.
    #[error("the lifetime is out of range")]
    Lifetime,
    /// The operating system returned no random bytes for the nonce.
    #[error("the operating system's random source failed")]
    Entropy,
}

/// Issues and verifies tokens of every purpose for one audience. Share it in an `Arc`.
pub struct TokenService {
    /// By [`Purpose::index`].
    slots: [PurposeKeys; Purpose::ALL.len()],
}

struct PurposeKeys {
    envelope: Envelope,
    assertion: String,
}

#[derive(Serialize)]
struct IssuedPayload<'a, C> {
    iat: i64,
    exp: i64,
    c: &'a C,
}

#[derive(Deserialize)]
struct VerifiedPayload<C> {
    exp: i64,
    c: C,
}

#[derive(Deserialize)]
struct Lifetime {
    exp: i64,
}

impl TokenService {
    /// Derives the keys of every purpose from every key of the ring.
    #[must_use]
    pub fn new(ring: &KeyRing, audience: Audience) -> Self {
        let slots = Purpose::ALL.map(|purpose| {
            let assertion = purpose.usage(audience);
            PurposeKeys {
                envelope: Envelope::new(ring, &assertion),
                assertion,
            }
        });
        Self { slots }
    }

    /// Issues a token with the active key, valid from `issued_at_ms` (milliseconds since the Unix
    /// epoch) for `ttl`, counted in whole milliseconds.
    ///
    /// # Errors
    /// [`IssueError`] when the claims are too big or cannot be serialized.
    pub fn issue<C: Serialize>(
        &self,
        purpose: Purpose,
        claims: &C,
        issued_at_ms: i64,
        ttl: Duration,
    ) -> Result<String, IssueError> {
        let exp = i64::try_from(ttl.as_millis())
            .ok()
            .and_then(|ttl| issued_at_ms.checked_add(ttl))
            .ok_or(IssueError::Lifetime)?;
        let payload = IssuedPayload {
            iat: issued_at_ms,
            exp,
            c: claims,
        };
        let message = Zeroizing::new(serde_json::to_vec(&payload).map_err(IssueError::TestClaims)?);
        if message.len() > MAX_TOKEN_LEN {
            return Err(IssueError::TooLong);
        }
        let slot = &self.slots[purpose.index()];
        let token = slot
            .envelope
            .close(&message, slot.assertion.as_bytes())
            .map_err(|_| IssueError::Entropy)?;
        if token.len() > MAX_TOKEN_LEN {
            return Err(IssueError::TooLong);
        }
        Ok(token)
    }

    /// Authenticates a token and returns its claims. It is valid while `now_ms` (milliseconds since
    /// the Unix epoch) is before its expiry. A token is authenticated before it is called expired,
    /// so [`TokenError::Expired`] may be shown to the bearer.
    ///
    /// # Errors
    /// [`TokenError`] says why it was refused.
    pub fn verify<C: DeserializeOwned>(
        &self,
        purpose: Purpose,
        token: &str,
        now_ms: i64,
    ) -> Result<C, TokenError> {
        self.verify_with_expiry(purpose, token, now_ms)
            .map(|(claims, _)| claims)
    }

    /// The same, with the expiry in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// As [`TokenService::verify`].
    pub fn verify_with_expiry<C: DeserializeOwned>(
        &self,
        purpose: Purpose,
        token: &str,
        now_ms: i64,
    ) -> Result<(C, i64), TokenError> {
        if token.len() > MAX_TOKEN_LEN {
            return Err(TokenError::Malformed);
        }
        let slot = &self.slots[purpose.index()];
        let message = slot.envelope.open(token, slot.assertion.as_bytes())?;
        match serde_json::from_str::<VerifiedPayload<C>>(&message) {
            Ok(payload) if now_ms < payload.exp => Ok((payload.c, payload.exp)),
            Ok(_) => Err(TokenError::Expired),
            // The claims may be of an older release. If such a token has expired, say so rather
            // than that it is malformed.
            Err(_) => match serde_json::from_str::<Lifetime>(&message) {
                Ok(lifetime) if now_ms >= lifetime.exp => Err(TokenError::Expired),
                _ => Err(TokenError::Malformed),
            },
        }
    }
}

impl From<OpenFault> for TokenError {
    fn from(fault: OpenFault) -> Self {
        match fault {
            OpenFault::Malformed => Self::Malformed,
            OpenFault::UnknownKey => Self::UnknownKey,
            OpenFault::Forged => Self::WrongPurposeOrForged,
        }
    }
}

impl fmt::Debug for TokenService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kids = self.slots[0].envelope.kids();
        f.debug_struct("TokenService")
            .field("kids", &kids)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    const NOW: i64 = 1_750_000_000_000;
    const TTL: Duration = Duration::from_secs(60);

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct TestClaims {
        sub: u64,
        name: String,
    }

    fn claims() -> TestClaims {
        TestClaims {
            sub: u64::MAX,
            name: "Ann \"é\"".to_owned(),
        }
    }

    fn ring() -> KeyRing {
        KeyRing::generate().expect("a ring")
    }

    fn service() -> TokenService {
        TokenService::new(&ring(), Audience::Clients)
    }

    fn rings_of_rotation() -> [KeyRing; 3] {
        let old = ring().to_config_strings();
        let new = ring().to_config_strings();
        let parse = |entries: &[&secrecy::SecretString]| {
            KeyRing::parse(entries.iter().map(|entry| entry.expose_secret())).expect("a ring")
        };
        [
            parse(&[&old[0]]),
            parse(&[&new[0], &old[0]]),
            parse(&[&new[0]]),
        ]
    }

    #[test]
    fn a_token_gives_its_claims_back_until_the_moment_it_expires() {
        let service = service();
        let token = service
            .issue(Purpose::Access, &claims(), NOW, TTL)
            .expect("a token");
        let verify = |now| service.verify::<TestClaims>(Purpose::Access, &token, now);
        assert_eq!(verify(NOW), Ok(claims()));
        assert_eq!(verify(NOW + 59_999), Ok(claims()));
        assert_eq!(verify(NOW + 60_000), Err(TokenError::Expired));
    }

    #[test]
    fn a_token_of_one_purpose_is_refused_for_every_other() {
        let service = service();
        for issued in Purpose::ALL {
            let token = service.issue(issued, &claims(), NOW, TTL).expect("a token");
            for asked in Purpose::ALL {
                let verified = service.verify::<TestClaims>(asked, &token, NOW);
                if asked == issued {
                    assert_eq!(verified, Ok(claims()));
                } else {
                    assert_eq!(verified, Err(TokenError::WrongPurposeOrForged));
                }
            }
        }
    }

    #[test]
    fn a_token_for_one_audience_is_refused_by_every_other() {
        let ring = ring();
        for (issued, asked) in Audience::ALL
            .into_iter()
            .flat_map(|one| Audience::ALL.map(|two| (one, two)))
        {
            for purpose in Purpose::ALL {
                let token = TokenService::new(&ring, issued)
                    .issue(purpose, &claims(), NOW, TTL)
                    .expect("a token");
                let verified =
                    TokenService::new(&ring, asked).verify::<TestClaims>(purpose, &token, NOW);
                let expected = if asked == issued {
                    Ok(claims())
                } else {
                    Err(TokenError::WrongPurposeOrForged)
                };
                assert_eq!(verified, expected, "{issued:?} {asked:?} {purpose:?}");
            }
        }
    }

    #[test]
    fn the_same_key_under_another_assertion_is_refused() {
        let envelope = Envelope::new(&ring(), "token/access");
        let token = envelope.close(b"{}", b"token/access").expect("closed");
        assert_eq!(
            envelope
                .open(&token, b"token/refresh")
                .expect_err("refused"),
            OpenFault::Forged
        );
        assert!(envelope.open(&token, b"token/access").is_ok());
    }

    #[test]
    fn rotation_keeps_old_tokens_valid_until_the_old_key_is_dropped() {
        let [before, during, after] =
            rings_of_rotation().map(|ring| TokenService::new(&ring, Audience::Clients));
        let old = before
            .issue(Purpose::Session, &claims(), NOW, TTL)
            .expect("a token");
        assert_eq!(during.verify(Purpose::Session, &old, NOW), Ok(claims()));
        assert_eq!(
            after.verify::<TestClaims>(Purpose::Session, &old, NOW),
            Err(TokenError::UnknownKey)
        );
        let new = during
            .issue(Purpose::Session, &claims(), NOW, TTL)
            .expect("a token");
        assert_eq!(after.verify(Purpose::Session, &new, NOW), Ok(claims()));
        assert_eq!(
            before.verify::<TestClaims>(Purpose::Session, &new, NOW),
            Err(TokenError::UnknownKey)
        );
    }

    #[test]
    fn a_token_of_another_ring_with_the_same_kid_is_forged() {
        let shared_kid = |ring: KeyRing| {
            let entries = ring.to_config_strings();
            let secret = entries[0]
                .expose_secret()
                .split_once(':')
                .expect("an entry")
                .1
                .to_owned();
            TokenService::new(
                &KeyRing::parse([format!("k:{secret}")]).expect("a ring"),
                Audience::Clients,
            )
        };
        let (one, two) = (shared_kid(ring()), shared_kid(ring()));
        let token = one
            .issue(Purpose::Access, &claims(), NOW, TTL)
            .expect("a token");
        let refused = two.verify::<TestClaims>(Purpose::Access, &token, NOW);
        assert_eq!(refused, Err(TokenError::WrongPurposeOrForged));
    }

    #[test]
    fn a_tampered_expired_token_is_forged_and_not_expired() {
        let service = service();
        let token = service
            .issue(Purpose::Access, &claims(), NOW, TTL)
            .expect("a token");
        let (head, footer) = token.rsplit_once('.').expect("a footer");
        let (prefix, body) = head.rsplit_once('.').expect("a body");
        let mut raw = URL_SAFE_NO_PAD.decode(body).expect("base64");
        raw[40] ^= 1;
        let forged = format!("{prefix}.{}.{footer}", URL_SAFE_NO_PAD.encode(raw));
        let refused = service.verify::<TestClaims>(Purpose::Access, &forged, NOW + 3_600_000);
        assert_eq!(refused, Err(TokenError::WrongPurposeOrForged));
    }

    #[test]
    fn a_foreign_footer_is_malformed_and_a_swapped_kid_is_unknown() {
        let ring = ring();
        let service = TokenService::new(&ring, Audience::Clients);
        let token = service
            .issue(Purpose::Access, &claims(), NOW, TTL)
            .expect("a token");
        let head = token.rsplit_once('.').expect("a footer").0;
        let with_footer = |footer: &str| {
            let token = format!("{head}.{}", URL_SAFE_NO_PAD.encode(footer));
            service
                .verify::<TestClaims>(Purpose::Access, &token, NOW)
                .expect_err("refused")
        };
        assert_eq!(with_footer(r#"{"kid":"unknown"}"#), TokenError::UnknownKey);
        let kid = ring.active_kid();
        for footer in [
            String::new(),
            "{}".to_owned(),
            "null".to_owned(),
            format!(r#"{{"kid":"{kid}","wpk":1}}"#),
            format!(r#"{{"kid":"{kid}","kid":"{kid}"}}"#),
            r#"{"kid":"\u006b"}"#.to_owned(),
            format!(r#"{{"kid":"{}"}}"#, "k".repeat(120)),
            "[".repeat(90),
        ] {
            assert_eq!(with_footer(&footer), TokenError::Malformed, "{footer}");
        }
        let bare = service.verify::<TestClaims>(Purpose::Access, head, NOW);
        assert_eq!(bare, Err(TokenError::Malformed));
    }

    #[test]
    fn input_over_the_limit_is_malformed_and_claims_over_the_limit_are_not_issued() {
        let service = service();
        let long = format!("v4.local.{}", "A".repeat(MAX_TOKEN_LEN));
        assert_eq!(
            service.verify::<TestClaims>(Purpose::Access, &long, NOW),
            Err(TokenError::Malformed)
        );
        for length in [1500, 5000] {
            let claims = TestClaims {
                sub: 1,
                name: "x".repeat(length),
            };
            assert!(matches!(
                service.issue(Purpose::Access, &claims, NOW, TTL),
                Err(IssueError::TooLong)
            ));
        }
        let claims = TestClaims {
            sub: 1,
            name: "x".repeat(1300),
        };
        let token = service
            .issue(Purpose::Access, &claims, NOW, TTL)
            .expect("it fits");
        assert_eq!(service.verify(Purpose::Access, &token, NOW), Ok(claims));
    }

    #[test]
    fn a_lifetime_beyond_64_bits_is_refused() {
        let refused = service().issue(Purpose::Access, &claims(), NOW, Duration::MAX);
        assert!(matches!(refused, Err(IssueError::Lifetime)));
    }

    #[test]
    fn claims_of_another_shape_are_malformed_while_valid_and_expired_afterwards() {
        let service = service();
        let token = service.issue(Purpose::Wait, &7, NOW, TTL).expect("a token");
        assert_eq!(
            service.verify::<TestClaims>(Purpose::Wait, &token, NOW),
            Err(TokenError::Malformed)
        );
        assert_eq!(
            service.verify::<TestClaims>(Purpose::Wait, &token, NOW + 60_000),
            Err(TokenError::Expired)
        );
    }

    #[test]
    fn two_tokens_with_the_same_claims_differ() {
        let service = service();
        let issue = || {
            service
                .issue(Purpose::Access, &claims(), NOW, TTL)
                .expect("a token")
        };
        assert_ne!(issue(), issue());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_claims_are_verified_as_they_were_issued(sub: u64, name in ".{0,100}", now in 0..i64::MAX / 2) {
            let service = service();
            let claims = TestClaims { sub, name };
            let token = service.issue(Purpose::Invite, &claims, now, TTL).expect("a token");
            prop_assert_eq!(service.verify(Purpose::Invite, &token, now), Ok(claims));
        }

        #[test]
        fn a_token_with_one_character_changed_is_refused(position: prop::sample::Index, other in "[A-Za-z0-9_.-]") {
            let service = service();
            let token = service.issue(Purpose::Access, &claims(), NOW, TTL).expect("a token");
            let at = position.index(token.len());
            let mut changed = token.clone();
            changed.replace_range(at..=at, &other);
            prop_assume!(changed != token);
            prop_assert!(service.verify::<TestClaims>(Purpose::Access, &changed, NOW).is_err());
        }

        #[test]
        fn any_text_is_refused_without_a_panic(text in "(v4\\.local\\.)?[A-Za-z0-9_.=\u{e9}-]{0,200}") {
            prop_assert!(service().verify::<TestClaims>(Purpose::Access, &text, NOW).is_err());
        }
    }
}
