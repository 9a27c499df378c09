//! Pictures of accounts.

use crate::Result;
use crate::domain::{AccountId, Site};
use async_trait::async_trait;
use bytes::Bytes;

/// A picture as it is served: 256 by 256 pixels, encoded by the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// `image/png` or `image/jpeg`.
    pub media_type: String,
    /// The encoded file.
    pub bytes: Bytes,
}

/// The bounded queue of picture uploads.
pub trait PictureProcessor: Send + Sync + 'static {
    /// Takes a permit for one upload. Called before the upload is read, so that no more uploads are
    /// in memory than there are permits.
    ///
    /// `UNAVAILABLE` when the queue is full, `RATE_LIMITED` when this account, address or network
    /// has used up its quota; both say when to try again.
    fn admit(&self, account: AccountId, site: Site) -> Result<Box<dyn PicturePermit>>;
}

/// A permit of a [`PictureProcessor`]; released when it is used or dropped.
#[async_trait]
pub trait PicturePermit: Send + 'static {
    /// Decodes a PNG, JPEG or WebP file within limits, crops it to its middle and encodes it again,
    /// 256 by 256 pixels. `UNSUPPORTED_MEDIA_TYPE` for another kind of file, `INVALID_ARGUMENT` for
    /// one that cannot be decoded or has too many pixels.
    async fn portrait(self: Box<Self>, upload: Bytes) -> Result<Picture>;
}

/// Reads pictures. [`AccountRepository::set_picture`](super::AccountRepository::set_picture) stores
/// them.
#[async_trait]
pub trait PictureRepository: Send + Sync + 'static {
    /// The picture of this key, if there is one.
    async fn find(&self, key: &str) -> Result<Option<Picture>>;
}
