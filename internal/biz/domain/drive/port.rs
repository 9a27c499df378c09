//! The store of objects, and the drive of the accounts.

use super::{DriveFile, DriveFileId, NewObject, ObjectKey};
use crate::Result;
use crate::domain::AccountId;
use crate::domain::encs::DataKey;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use std::ops::Range;

/// Bytes as they arrive. Ends with `None` only when all of them have come: what breaks off ends
/// with an error.
pub type ByteStream = BoxStream<'static, Result<Bytes>>;

/// Stores the bytes of shared files, as they are at rest, each under a key of its own.
///
/// # Obligations
/// - Bytes are streamed: an object is never held in memory as a whole.
/// - Objects do not change. An object is there whole or not at all, and when
///   [`put`](DriveAgent::put) has returned it survives a kill of the process.
/// - Failures are `UNAVAILABLE` with a time to wait, and leave nothing half done.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait DriveAgent: Send + Sync + 'static {
    /// Stores an object. The same bytes again change nothing; other bytes under a known key are
    /// `UNAVAILABLE`, and the first ones stay. An error of the stream is returned as it is. Then,
    /// and when the call is dropped before the stream has ended, nothing is stored.
    async fn put(&self, key: &ObjectKey, bytes: ByteStream) -> Result<()>;
    /// The object's bytes, all or this range of them, which is not empty. `None`: there is no such
    /// object. A range that does not lie in the object is an error, here or in the stream.
    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<ByteStream>>;
    /// The object's length. `None`: there is no such object.
    async fn head(&self, key: &ObjectKey) -> Result<Option<u64>>;
    /// Deletes the object. A repeat changes nothing.
    async fn delete(&self, key: &ObjectKey) -> Result<()>;
}

/// Stores the content of files, encrypted under the data key of their session, or as it is where no
/// key is given.
///
/// # Obligations
/// - Those of [`DriveAgent`] for bytes, failures and kills.
/// - Content that was changed, cut or moved at rest is never read: the stream ends with `INTERNAL`
///   before the first byte that is not right.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait ContentStore: Send + Sync + 'static {
    /// The key of an object to be stored.
    fn new_object(&self) -> NewObject;
    /// Stores content. An error of the stream is returned as it is. Then, and when the call is
    /// dropped before the stream has ended, nothing is stored.
    async fn put<'a>(
        &self,
        object: NewObject,
        key: Option<&'a DataKey>,
        content: ByteStream,
    ) -> Result<()>;
    /// A range of content that is `size` bytes long; the range lies in it, and is empty only if
    /// `size` is 0. `None`: there is no such object.
    async fn get<'a>(
        &self,
        object: &ObjectKey,
        key: Option<&'a DataKey>,
        size: u64,
        range: Range<u64>,
    ) -> Result<Option<ByteStream>>;
    /// Deletes the object. A repeat changes nothing.
    async fn delete(&self, object: &ObjectKey) -> Result<()>;
}

/// The files that accounts keep in their drive and can share into a session.
///
/// # Obligations
/// - A file that does not exist and one that the account may not share are told apart by nothing.
/// - Failures are `UNAVAILABLE` with a time to wait.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait DriveFiles: Send + Sync + 'static {
    /// The file of this id. `None`: there is none that the account may share.
    async fn stat(&self, account: AccountId, id: &DriveFileId) -> Result<Option<DriveFile>>;
    /// The bytes of a file that [`stat`](DriveFiles::stat) has returned. `None`: it is not there
    /// any more. The stream ends with an error unless the bytes have the size, and the SHA-256 if
    /// there is one, of `file`.
    async fn read(&self, account: AccountId, file: &DriveFile) -> Result<Option<ByteStream>>;
}
