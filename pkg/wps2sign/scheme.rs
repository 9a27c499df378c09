//! The three schemes and where each puts its signature.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// How a request is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HMAC-SHA256 over method, URI, content type, date and body.
    Kso1,
    /// SHA-1 over body, URI, content type and date.
    Wps3,
    /// SHA-1 over body or URI, content type and date.
    Wps2,
}

/// A name that is none of `KSO-1`, `WPS-3` and `WPS-2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a signature scheme; KSO-1, WPS-3 and WPS-2 are")]
pub struct UnknownScheme;

impl Scheme {
    /// Every scheme, the strongest first.
    pub const ALL: [Self; 3] = [Self::Kso1, Self::Wps3, Self::Wps2];

    /// The name in headers and in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kso1 => "KSO-1",
            Self::Wps3 => "WPS-3",
            Self::Wps2 => "WPS-2",
        }
    }

    /// The header with access key and signature, in lower case.
    #[must_use]
    pub const fn authorization_header(self) -> &'static str {
        match self {
            Self::Kso1 => "x-kso-authorization",
            Self::Wps3 => "x-auth",
            Self::Wps2 => "authorization",
        }
    }

    /// The header with the date that the signature covers, in lower case.
    #[must_use]
    pub const fn date_header(self) -> &'static str {
        match self {
            Self::Kso1 => "x-kso-date",
            Self::Wps3 | Self::Wps2 => "date",
        }
    }

    /// What stands before the access key in the authorization header.
    pub(crate) const fn prefix(self) -> &'static str {
        match self {
            Self::Kso1 => "KSO-1 ",
            Self::Wps3 => "WPS-3:",
            Self::Wps2 => "WPS-2:",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scheme {
    type Err = UnknownScheme;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|scheme| scheme.name() == name)
            .ok_or(UnknownScheme)
    }
}
