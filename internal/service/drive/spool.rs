//! Bytes on their way into a store: first into a file of the folder, whole.

use super::folder::{FilesFolder, write_failed};
use bytes::Bytes;
use faceshare_biz::domain::drive::ByteStream;
use faceshare_biz::{Error, Result};
use futures_util::StreamExt as _;
use std::path::Path;
use tempfile::{NamedTempFile, TempPath};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufWriter};

/// What is written to the disk at once.
const WRITE_BYTES: usize = 512 * 1024;
/// After so many bytes the room on the disk is looked at again.
const CHECK_BYTES: u64 = 4 * 1024 * 1024;

/// A file in `tmp/` with all bytes of a stream. It is deleted when this is dropped.
#[derive(Debug)]
pub(super) struct Spooled {
    path: TempPath,
    len: u64,
}

impl Spooled {
    /// Writes the stream to a new file; `seen` is called with all bytes, in order. An error of the
    /// stream is returned as it is.
    pub(super) async fn write(
        folder: &FilesFolder,
        mut bytes: ByteStream,
        mut seen: impl FnMut(&Bytes) + Send,
    ) -> Result<Self> {
        folder.check_room(0).await?;
        let tmp = folder.tmp();
        let file = tokio::task::spawn_blocking(move || NamedTempFile::new_in(tmp));
        let file = file.await.map_err(Error::internal)?.map_err(write_failed)?;
        let (file, path) = file.into_parts();
        let mut file = BufWriter::with_capacity(WRITE_BYTES, File::from_std(file));
        let mut len = 0;
        let mut checked = 0;
        while let Some(bytes) = bytes.next().await {
            let bytes = bytes?;
            len += bytes.len() as u64;
            if len >= checked + CHECK_BYTES {
                // What is still in the buffers is small.
                folder.check_room(bytes.len() as u64).await?;
                checked = len;
            }
            seen(&bytes);
            file.write_all(&bytes).await.map_err(write_failed)?;
        }
        file.flush().await.map_err(write_failed)?;
        Ok(Self { path, len })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// The file, to be moved into place.
    pub(super) fn into_path(self) -> TempPath {
        self.path
    }
}

/// True when the file at `path` has exactly these bytes.
pub(super) async fn has_bytes(path: &Path, mut bytes: ByteStream) -> Result<bool> {
    let mut file = File::open(path).await.map_err(Error::unavailable)?;
    let mut read = Vec::new();
    while let Some(bytes) = bytes.next().await {
        let bytes = bytes?;
        read.resize(bytes.len(), 0);
        match file.read_exact(&mut read).await {
            Ok(_) if read == bytes => {}
            Ok(_) => return Ok(false),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(Error::unavailable(error)),
        }
    }
    let end = file.read(&mut [0]).await.map_err(Error::unavailable)?;
    Ok(end == 0)
}

/// `UNAVAILABLE` because other bytes are stored under a key.
pub(super) fn other_bytes() -> Error {
    Error::unavailable("other bytes are stored under this key")
}
