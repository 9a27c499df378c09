//! Ports that every area needs: the clock, fresh ids, secrets.

use super::Timestamp;
use crate::Result;
use crate::domain::account::{AccessClaims, IssuedToken, RefreshClaims};
use crate::domain::facesession::{NumberCode, SessionClaims, WaitClaims};
use crate::domain::instruction::Epoch;

/// The only source of time.
pub trait Clock: Send + Sync + 'static {
    /// The time now. May stand still or go back a little; users of it must bear that.
    fn now(&self) -> Timestamp;
}

/// The only source of ids.
pub trait IdGenerator: Send + Sync + 'static {
    /// A fresh id: greater than 0, never given before by any process of this installation, greater than all this generator gave before.
    fn next_id(&self) -> u64;
}

/// Why a token was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenRefusal {
    /// It was good once and its time is over.
    Expired,
    /// Malformed, forged, of another purpose, or of a key that is gone. Never told apart to a client.
    Invalid,
}

/// Issues and verifies the tokens that clients carry. Each kind is accepted for its own purpose alone.
pub trait Tokens: Send + Sync + 'static {
    /// For calls over HTTP.
    fn issue_access(&self, claims: &AccessClaims, now: Timestamp) -> Result<IssuedToken>;
    /// For the cookie of the classic API.
    fn issue_cookie(&self, claims: &AccessClaims, now: Timestamp) -> Result<IssuedToken>;
    /// For a new pair of tokens.
    fn issue_refresh(&self, claims: &RefreshClaims, now: Timestamp) -> Result<IssuedToken>;
    /// For the instruction stream of one session, as one point.
    fn issue_session(&self, claims: &SessionClaims, now: Timestamp) -> Result<IssuedToken>;
    /// For asking how one's knock ended, until `expires_at`.
    fn issue_wait(
        &self,
        claims: &WaitClaims,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<IssuedToken>;
    /// The claims of a good access token.
    fn verify_access(&self, token: &str, now: Timestamp) -> Result<AccessClaims, TokenRefusal>;
    /// The claims of a good cookie.
    fn verify_cookie(&self, token: &str, now: Timestamp) -> Result<AccessClaims, TokenRefusal>;
    /// The claims of a good refresh token.
    fn verify_refresh(&self, token: &str, now: Timestamp) -> Result<RefreshClaims, TokenRefusal>;
    /// The claims of a good session token, and when it ends.
    fn verify_session(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<(SessionClaims, Timestamp), TokenRefusal>;
    /// The claims of a good wait token.
    fn verify_wait(&self, token: &str, now: Timestamp) -> Result<WaitClaims, TokenRefusal>;
}

/// What a secret is sealed or looked up as; a value sealed for one use does not open for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretUse {
    /// A number code.
    NumberCode,
    /// The secret of an invite link.
    Invite,
    /// The last pair of tokens of a family.
    TokenPair,
    /// The place in a list that a page token names.
    PageToken,
    /// The answer to a call, and what the call asked for.
    Answer,
    /// The address that somebody knocks from.
    Address,
}

/// Randomness, and small secrets at rest.
pub trait Secrets: Send + Sync + 'static {
    /// Encrypts and authenticates; the result is text without blanks.
    fn seal(&self, purpose: SecretUse, plain: &[u8]) -> Result<String>;
    /// Opens what [`Secrets::seal`] made for the same use. `None`: it is not such a thing.
    fn open(&self, purpose: SecretUse, sealed: &str) -> Option<Vec<u8>>;
    /// Keyed hash to store and find a secret by; the same for the same secret as long as the active key is the same.
    fn fingerprint(&self, purpose: SecretUse, secret: &str) -> [u8; 32];
    /// The fingerprints under every key that is still accepted, the active key's first: for looking up.
    fn fingerprints(&self, purpose: SecretUse, secret: &str) -> Vec<[u8; 32]>;
    /// A random number code of allowed shape, as long as this many live sessions in the installation ask for: the fewest digits,
    /// 6..=12, with which a guess hits one of them with a probability of at most 1e-4; and one digit more when `longer` is wanted.
    fn number_code(&self, live_sessions: u64, longer: bool) -> NumberCode;
    /// The code in what a person typed or pasted: with white space, hyphens and dashes anywhere, and digits in any form that NFKC turns into ASCII
    /// ones. `None`: it holds anything else, or not 6 to 12 digits.
    fn read_number_code(&self, typed: &str) -> Option<NumberCode>;
    /// 128 random bits as URL-safe text.
    fn invite_secret(&self) -> String;
    /// 128 random bits as URL-safe text: where a picture is found.
    fn picture_key(&self) -> String;
    /// A name for a new epoch, never used before.
    fn epoch(&self) -> Epoch;
}
