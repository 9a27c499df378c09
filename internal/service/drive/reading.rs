//! Reading and deleting in a store of `object_store`.

use bytes::Bytes;
use faceshare_biz::domain::drive::ByteStream;
use faceshare_biz::{Error, Result};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, GetResultPayload, ObjectStore, ObjectStoreExt as _};
use std::io::SeekFrom;
use std::ops::Range;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

/// What is read from the disk at once.
const READ_BYTES: usize = 256 * 1024;

/// The object's bytes, all or a range. `None`: there is no such object.
pub(super) async fn get(
    store: &dyn ObjectStore,
    path: &Path,
    range: Option<Range<u64>>,
) -> Result<Option<ByteStream>> {
    let options = GetOptions {
        range: range.clone().map(GetRange::Bounded),
        ..GetOptions::default()
    };
    let found = match store.get_opts(path, options).await {
        Ok(found) => found,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(Error::unavailable(error)),
    };
    if range.is_some_and(|range| range != found.range) {
        return Err(Error::unavailable("the object is shorter than the range"));
    }
    let len = found.range.end - found.range.start;
    let bytes = match found.payload {
        GetResultPayload::File(file, _) => {
            let mut file = File::from_std(file);
            let start = SeekFrom::Start(found.range.start);
            file.seek(start).await.map_err(Error::unavailable)?;
            ReaderStream::with_capacity(file.take(len), READ_BYTES)
                .map_err(Error::unavailable)
                .boxed()
        }
        GetResultPayload::Stream(bytes) => bytes.map_err(Error::unavailable).boxed(),
    };
    Ok(Some(exactly(len, bytes).boxed()))
}

/// The bytes, with an error at the end if there are fewer than `len`.
fn exactly(len: u64, bytes: ByteStream) -> impl Stream<Item = Result<Bytes>> + Send {
    stream::try_unfold((bytes, len), |(mut bytes, left)| async move {
        match bytes.next().await {
            Some(next) => {
                let next = next?;
                let left = left.saturating_sub(next.len() as u64);
                Ok(Some((next, (bytes, left))))
            }
            None if left == 0 => Ok(None),
            None => Err(Error::unavailable("the object ended too early")),
        }
    })
}

/// The object's length. `None`: there is no such object.
pub(super) async fn head(store: &dyn ObjectStore, path: &Path) -> Result<Option<u64>> {
    match store.head(path).await {
        Ok(found) => Ok(Some(found.size)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(Error::unavailable(error)),
    }
}

/// Deletes the object, if there is one.
pub(super) async fn delete(store: &dyn ObjectStore, path: &Path) -> Result<()> {
    match store.delete(path).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(Error::unavailable(error)),
    }
}
