//! Turns a credential of a request into a [`Caller`].
//!
//! - [`bearer_from_headers`] and [`SubprotocolOffer`] find the token in a request;
//! - [`Authenticator`] verifies it and issues new ones.
//!
//! A [`Token`] is only a secret; the claims come from the authenticator alone. Whether a family has
//! been revoked or a member removed is checked by the code that keeps that state.

mod authenticator;
mod bearer;
mod claims;
mod error;
mod subprotocol;
mod token;

pub use authenticator::{AuthTtl, Authenticator, COOKIE_TTL, IssuedToken};
pub use bearer::{bearer_from_headers, parse_bearer};
pub use claims::{AccessClaims, Caller, RefreshClaims, SessionClaims, WaitClaims};
pub use error::AuthError;
pub use pasetotoken::IssueError;
pub use subprotocol::{BEARER_PREFIX, MAX_OFFERED_PROTOCOLS, SubprotocolOffer};
pub use token::Token;
