//! From a credential on the wire to a [`Caller`].
//!
//! - [`bearer_from_headers`] and [`SubprotocolOffer`] find the token in a request;
//! - [`Authenticator`] verifies it and issues new ones.
//!
//! What is found is only a [`Token`], a secret without meaning; authority comes from the
//! authenticator alone. Whether a family has been revoked, or a member removed, is for those to say
//! who keep that state.

mod authenticator;
mod bearer;
mod claims;
mod error;
mod subprotocol;
mod token;

pub use authenticator::{AuthTtl, Authenticator, COOKIE_TTL, Issued};
pub use bearer::{bearer_from_headers, parse_bearer};
pub use claims::{AccessClaims, Caller, RefreshClaims, SessionClaims, WaitClaims};
pub use error::AuthError;
pub use pasetotoken::IssueError;
pub use subprotocol::{BEARER_PREFIX, MAX_OFFERED_PROTOCOLS, SubprotocolOffer};
pub use token::Token;
