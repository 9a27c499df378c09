//! Ports that every area needs: clock, ids, tokens and secrets.

use super::Timestamp;
use crate::Result;
use crate::domain::account::{AccessClaims, IssuedToken, RefreshClaims};
use crate::domain::facesession::{NumberCode, SessionClaims, WaitClaims};
use crate::domain::instruction::Epoch;

/// The only source of time.
pub trait Clock: Send + Sync + 'static {
    /// The time now. May stand still or go back a little; callers must tolerate that.
    fn now(&self) -> Timestamp;
}

/// The only source of ids.
pub trait IdGenerator: Send + Sync + 'static {
    /// A new id, 1 to 2^63 - 1: never given before by any process of this installation, and greater
    /// than all ids that this generator gave before.
    fn next_id(&self) -> u64;
}

/// Why a token was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenRefusal {
    /// The token was valid and has expired.
    Expired,
    /// The token is malformed, forged, of another purpose, or of a key that is no longer
    /// configured. Clients never learn which.
    Invalid,
}

/// Issues and verifies the tokens that clients hold. Each kind is accepted only for its own
/// purpose. A failure to issue is `INTERNAL`.
pub trait Tokens: Send + Sync + 'static {
    /// A token for calls over HTTP.
    fn issue_access(&self, claims: &AccessClaims, now: Timestamp) -> Result<IssuedToken>;
    /// A token for the cookie of the classic API.
    fn issue_cookie(&self, claims: &AccessClaims, now: Timestamp) -> Result<IssuedToken>;
    /// A token that is exchanged for a new pair of tokens.
    fn issue_refresh(&self, claims: &RefreshClaims, now: Timestamp) -> Result<IssuedToken>;
    /// A token for the instruction stream of one session, as one point.
    fn issue_session(&self, claims: &SessionClaims, now: Timestamp) -> Result<IssuedToken>;
    /// A token with which a caller asks for the outcome of its knock, until `expires_at`.
    fn issue_wait(
        &self,
        claims: &WaitClaims,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<IssuedToken>;
    /// The claims of a valid access token.
    fn verify_access(&self, token: &str, now: Timestamp) -> Result<AccessClaims, TokenRefusal>;
    /// The claims of a valid cookie.
    fn verify_cookie(&self, token: &str, now: Timestamp) -> Result<AccessClaims, TokenRefusal>;
    /// The claims of a valid refresh token.
    fn verify_refresh(&self, token: &str, now: Timestamp) -> Result<RefreshClaims, TokenRefusal>;
    /// The claims of a valid session token, and when it expires.
    fn verify_session(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<(SessionClaims, Timestamp), TokenRefusal>;
    /// The claims of a valid wait token.
    fn verify_wait(&self, token: &str, now: Timestamp) -> Result<WaitClaims, TokenRefusal>;
}

/// The use of a secret; a value sealed for one use cannot be opened for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretUse {
    /// A number code.
    NumberCode,
    /// The secret of an invite link.
    Invite,
    /// The last pair of tokens of a family.
    TokenPair,
    /// The position in a list that a page token holds.
    PageToken,
    /// The stored answer of an idempotent call, and the digest of its request.
    Answer,
    /// The address of a caller who knocks or signs in.
    Address,
}

/// Generates random values, and seals and fingerprints small secrets for storage.
pub trait Secrets: Send + Sync + 'static {
    /// Encrypts and authenticates; the result is text without blanks.
    fn seal(&self, purpose: SecretUse, plain: &[u8]) -> Result<String>;
    /// Opens what [`Secrets::seal`] returned for the same use. `None`: it is something else, or its
    /// key is no longer configured.
    fn open(&self, purpose: SecretUse, sealed: &str) -> Option<Vec<u8>>;
    /// A keyed hash under which a secret is stored and found. Equal for equal secrets as long as
    /// the active key stays.
    fn fingerprint(&self, purpose: SecretUse, secret: &str) -> [u8; 32];
    /// The fingerprints under all configured keys, the active key's first, for look-ups.
    fn fingerprints(&self, purpose: SecretUse, secret: &str) -> Vec<[u8; 32]>;
    /// A random number code of an allowed shape for this many live sessions in the installation:
    /// the fewest digits, 6..=12, with which a guess hits a session with a probability of at most
    /// 1e-4; one digit more if `longer`.
    fn number_code(&self, live_sessions: u64, longer: bool) -> NumberCode;
    /// Reads a code that a user typed or pasted: white space, hyphens and dashes are ignored, and
    /// digits may have any form that NFKC maps to ASCII digits. `None`: the text holds anything
    /// else, or not 6 to 12 digits.
    fn read_number_code(&self, typed: &str) -> Option<NumberCode>;
    /// 128 random bits as URL-safe text.
    fn invite_secret(&self) -> String;
    /// 128 random bits as URL-safe text: the key of a picture.
    fn picture_key(&self) -> String;
    /// A new random name of an epoch.
    fn epoch(&self) -> Epoch;
}
