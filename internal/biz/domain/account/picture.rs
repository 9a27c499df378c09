//! Pictures of people.

use crate::Result;
use crate::domain::{AccountId, Site};
use async_trait::async_trait;
use bytes::Bytes;

/// A picture as it is served: small, square, and made by us, whatever was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// `image/png` or `image/jpeg`.
    pub media_type: String,
    /// The file.
    pub bytes: Bytes,
}

/// Makes pictures of what people send.
#[async_trait]
pub trait Portraitist: Send + Sync + 'static {
    /// Decodes a PNG, JPEG or WebP file within limits, cuts the middle out and writes it anew, 256 by 256. `UNSUPPORTED_MEDIA_TYPE` for another
    /// kind of file, `INVALID_ARGUMENT` for one that cannot be decoded or has too many pixels, `UNAVAILABLE` when too much is waiting, `RATE_LIMITED`
    /// when too much of it is of this account or from this site.
    async fn portrait(&self, upload: Bytes, account: AccountId, site: Site) -> Result<Picture>;
}

/// Finds pictures. [`AccountRepository::set_picture`](super::AccountRepository::set_picture) keeps them.
#[async_trait]
pub trait PictureRepository: Send + Sync + 'static {
    /// The picture of this key, if there is one.
    async fn find(&self, key: &str) -> Result<Option<Picture>>;
}
