//! The claims inside tokens. The serialized names are short, since clients send tokens often.

use serde::{Deserialize, Serialize};

/// The claims of an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// Account id.
    #[serde(rename = "sub")]
    pub account: u64,
    /// Id of the token family (one sign-in); a family is revoked as a whole.
    #[serde(rename = "fam")]
    pub family: u64,
    /// Whether this is a guest account.
    #[serde(rename = "gst")]
    pub guest: bool,
}

/// The claims of a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshClaims {
    /// Account id.
    #[serde(rename = "sub")]
    pub account: u64,
    /// Id of the token family (one sign-in).
    #[serde(rename = "fam")]
    pub family: u64,
    /// Number of refreshes before this one; an older generation shows that a token was used twice.
    #[serde(rename = "gen")]
    pub generation: u32,
}

/// The claims of a wait token: it may ask for the result of one join request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitClaims {
    /// Session id.
    #[serde(rename = "ses")]
    pub session: u64,
    /// Id of the account that asked to join.
    #[serde(rename = "sub")]
    pub account: u64,
    /// Id of the join request.
    #[serde(rename = "knk")]
    pub knock: u64,
}

/// The claims of a session token: it names one point (device) of one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionClaims {
    /// Session id.
    #[serde(rename = "ses")]
    pub session: u64,
    /// Account id, which is also the member's id.
    #[serde(rename = "sub")]
    pub account: u64,
    /// Point id.
    #[serde(rename = "pnt")]
    pub point: u64,
    /// Id of the token family (one sign-in).
    #[serde(rename = "fam")]
    pub family: u64,
}

/// The caller that an access token proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Caller {
    /// Account id.
    pub account: u64,
    /// Id of the token family (one sign-in) that the call uses.
    pub family: u64,
    /// Whether this is a guest account.
    pub guest: bool,
}

impl From<AccessClaims> for Caller {
    fn from(claims: AccessClaims) -> Self {
        Self {
            account: claims.account,
            family: claims.family,
            guest: claims.guest,
        }
    }
}
