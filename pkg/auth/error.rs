//! Why a caller was not recognised.

use pasetotoken::TokenError;

/// Why no caller came of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No credential was sent.
    #[error("a credential is required")]
    Missing,
    /// A credential was sent in a form that cannot be read.
    #[error("the credential is malformed")]
    Malformed,
    /// The credential is authentic, but its time is over: a new one may be got.
    #[error("the credential has expired")]
    Expired,
    /// The credential is not one of ours, or is of another kind.
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
