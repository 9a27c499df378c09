//! Encrypted tokens (PASETO v4.local) with a purpose, an expiry and rotating keys.
//!
//! One [`KeyRing`] of master keys, read from the configuration, feeds three services:
//!
//! - [`TokenService`] issues and verifies bearer tokens; each [`Purpose`] has its own key for each
//!   [`Audience`], so a token of one kind is never accepted in place of another, nor by a listener
//!   that it was not issued for;
//! - [`Sealer`] keeps small secrets encrypted at rest, each bound to a label;
//! - [`Fingerprinter`] makes keyed hashes, to look a secret up without storing it.
//!
//! No clock is read (the caller passes the time). Input is bounded before it is parsed. No secret
//! appears in an error or in `Debug`. Key material is zeroized on drop.
//!
//! # Rotation
//! The first key of the ring issues, seals and fingerprints; every key of the ring verifies and
//! opens. To rotate, put a new key first, and remove the old one when everything made with it has
//! expired or was sealed again.

mod derive;
mod envelope;
mod fingerprint;
mod key;
mod purpose;
mod ring;
mod seal;
mod token;

pub use fingerprint::Fingerprinter;
pub use key::KeyFault;
pub use purpose::{Audience, Purpose};
pub use ring::{KeyRing, KeyRingError, MAX_KEYS};
pub use seal::{MAX_PLAINTEXT_LEN, SealError, Sealer};
pub use token::{IssueError, MAX_TOKEN_LEN, TokenError, TokenService};
