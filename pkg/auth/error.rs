//! Why a credential was refused.

use pasetotoken::TokenError;

/// Why a credential gives no caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No credential was sent.
    #[error("a credential is required")]
    Missing,
    /// The credential cannot be parsed.
    #[error("the credential is malformed")]
    Malformed,
    /// The credential is authentic but has expired; the client may get a new one.
    #[error("the credential has expired")]
    Expired,
    /// This server did not issue the credential, or it is of another kind.
    #[error("the credential is not valid")]
    Invalid,
}

impl From<TokenError> for AuthError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Malformed => Self::Malformed,
            TokenError::Expired => Self::Expired,
            TokenError::UnknownKey | TokenError::WrongPurposeOrForged => Self::Invalid,
        }
    }
}
