//! Signed requests between services: WPS-2, WPS-3 and KSO-1, signing and verifying.
//!
//! All three prove with a shared secret that a request comes from the holder of an access key.
//! What each signature covers, `‖` being concatenation without a separator:
//!
//! | scheme | headers | signature, in lower-case hex |
//! | --- | --- | --- |
//! | KSO-1 | `X-Kso-Date`, `X-Kso-Authorization: KSO-1 <access key>:<signature>` | HMAC-SHA256 under the secret of `"KSO-1" ‖ method ‖ uri ‖ content type ‖ date ‖ sha256(body)`; an empty body adds nothing |
//! | WPS-3 | `Date`, `Content-Md5`, `X-Auth: WPS-3:<access key>:<signature>` | SHA-1 of `secret ‖ md5(body) ‖ uri ‖ content type ‖ date` |
//! | WPS-2 | `Date`, `Content-Md5`, `Authorization: WPS-2:<access key>:<signature>` | SHA-1 of `secret ‖ md5 ‖ content type ‖ date`; the MD5 is the body's, or the URI's when there is no body |
//!
//! The URI is the path with its query, as it stands in the request line. Dates are HTTP dates
//! (`Wed, 23 Jan 2013 06:43:08 GMT`). KSO-1 is the one to choose: WPS-2 and WPS-3 rest on SHA-1 and
//! MD5, leave out the method, and WPS-2 leaves out the URI of a request that has a body. They are
//! here for services that know nothing else.
//!
//! - [`Signer`] signs a [`Message`];
//! - [`Presented::from_headers`] finds a signature in a request's headers, and
//!   [`Presented::verify`] checks it against the caller's secret, in constant time.
//!
//! # Replays
//! A signature is good for [`MAX_SKEW`] before and after its date. Within that time anyone who saw
//! the request could send it again, so a service that verifies must also remember each signature
//! that it accepted: [`Verified::replay_key`] until [`Verified::expires_at`], in a store that
//! outlives a restart and that all nodes share. The key is the same for each spelling of one
//! signature.
//!
//! No clock is read: the caller passes the time. No secret appears in an error or in `Debug`.

mod body;
mod date;
mod message;
mod scheme;
mod signer;
mod verify;

pub use body::{BodyDigest, BodyHasher};
pub use message::Message;
pub use scheme::{Scheme, UnknownScheme};
pub use signer::{Signer, SignerError};
pub use verify::{MAX_SKEW, Presented, PresentedError, Verified, VerifyError};

/// The most characters of an access key.
pub const MAX_ACCESS_KEY_LEN: usize = 64;

/// True for an access key that can stand in a header: 1 to [`MAX_ACCESS_KEY_LEN`] visible ASCII
/// characters without `:`.
#[must_use]
pub fn is_access_key(key: &str) -> bool {
    (1..=MAX_ACCESS_KEY_LEN).contains(&key.len())
        && key.bytes().all(|b| b.is_ascii_graphic() && b != b':')
}
