//! What tokens say about their bearer. The serialized names are short, since tokens travel often.

use serde::{Deserialize, Serialize};

/// What an access token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// The account.
    #[serde(rename = "sub")]
    pub account: u64,
    /// The sign-in that the token descends from; revoked as a whole.
    #[serde(rename = "fam")]
    pub family: u64,
    /// Whether the account is a guest's.
    #[serde(rename = "gst")]
    pub guest: bool,
}

/// What a refresh token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshClaims {
    /// The account.
    #[serde(rename = "sub")]
    pub account: u64,
    /// The sign-in that the token descends from.
    #[serde(rename = "fam")]
    pub family: u64,
    /// How many refreshes came before; an older generation shows that a token was used twice.
    #[serde(rename = "gen")]
    pub generation: u32,
}

/// What a wait token says: whose knock at which session it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitClaims {
    /// The session.
    #[serde(rename = "ses")]
    pub session: u64,
    /// The account that knocked.
    #[serde(rename = "sub")]
    pub account: u64,
    /// The knock.
    #[serde(rename = "knk")]
    pub knock: u64,
}

/// What a session token says: it names one point (device) of one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionClaims {
    /// The session.
    #[serde(rename = "ses")]
    pub session: u64,
    /// The account, which is the member.
    #[serde(rename = "sub")]
    pub account: u64,
    /// The point.
    #[serde(rename = "pnt")]
    pub point: u64,
    /// The sign-in that the token descends from.
    #[serde(rename = "fam")]
    pub family: u64,
}

/// Who calls, as proven by an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Caller {
    /// The account.
    pub account: u64,
    /// The sign-in through which it calls.
    pub family: u64,
    /// Whether the account is a guest's.
    pub guest: bool,
}

impl From<AccessClaims> for Caller {
    fn from(claims: AccessClaims) -> Self {
        Self { account: claims.account, family: claims.family, guest: claims.guest }
    }
}
