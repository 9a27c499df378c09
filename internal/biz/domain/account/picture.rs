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

/// The queue of uploads that become pictures.
pub trait Portraitist: Send + Sync + 'static {
    /// A place in the queue. It is asked for before the upload is read, so that no more uploads are in memory than there are places.
    ///
    /// `UNAVAILABLE` when the queue is full, `RATE_LIMITED` when this account, address or network has its share of it; both say when to
    /// try again.
    fn admit(&self, account: AccountId, site: Site) -> Result<Box<dyn PortraitPermit>>;
}

/// A place in the queue of a [`Portraitist`], until it is dropped or used.
#[async_trait]
pub trait PortraitPermit: Send + 'static {
    /// Decodes a PNG, JPEG or WebP file within limits, cuts the middle out and writes it anew, 256 by 256. `UNSUPPORTED_MEDIA_TYPE` for
    /// another kind of file, `INVALID_ARGUMENT` for one that cannot be decoded or has too many pixels.
    async fn portrait(self: Box<Self>, upload: Bytes) -> Result<Picture>;
}

/// Finds pictures. [`AccountRepository::set_picture`](super::AccountRepository::set_picture) keeps them.
#[async_trait]
pub trait PictureRepository: Send + Sync + 'static {
    /// The picture of this key, if there is one.
    async fn find(&self, key: &str) -> Result<Option<Picture>>;
}
