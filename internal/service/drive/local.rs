//! Objects in a local folder.

use super::folder::{FilesFolder, write_failed};
use super::reading;
use super::spool::{Spooled, has_bytes, other_bytes};
use async_trait::async_trait;
use faceshare_biz::domain::drive::{ByteStream, DriveAgent, ObjectKey};
use faceshare_biz::{Error, Result};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use std::fs::File;
use std::io;
use std::ops::Range;
use tempfile::{PathPersistError, TempPath};

/// Stores each object as a file of the folder's `objects/`. A file gets there by renaming, once all
/// its bytes are on the disk.
#[derive(Debug)]
pub struct LocalDrive {
    folder: FilesFolder,
    store: LocalFileSystem,
}

impl LocalDrive {
    /// Stores in this folder.
    ///
    /// # Errors
    /// What the system says of it.
    pub fn open(folder: FilesFolder) -> io::Result<Self> {
        let store = LocalFileSystem::new_with_prefix(folder.objects())?;
        Ok(Self { folder, store })
    }
}

fn path(key: &ObjectKey) -> Path {
    Path::from(key.as_str())
}

/// Puts a whole file on the disk and into its place. There is one already: gives the file back.
fn place(file: TempPath, objects: &std::path::Path, name: &str) -> io::Result<Option<TempPath>> {
    File::open(&file)?.sync_all()?;
    let refused = match file.persist_noclobber(objects.join(name)) {
        Ok(()) => None,
        Err(PathPersistError { error, path }) if error.kind() == io::ErrorKind::AlreadyExists => {
            Some(path)
        }
        Err(PathPersistError { error, .. }) => return Err(error),
    };
    // The rename itself, of this process or of one that was killed after it, is durable only with
    // the directory.
    File::open(objects)?.sync_all()?;
    Ok(refused)
}

#[async_trait]
impl DriveAgent for LocalDrive {
    async fn put(&self, key: &ObjectKey, bytes: ByteStream) -> Result<()> {
        let spooled = Spooled::write(&self.folder, bytes, |_| ()).await?;
        let (objects, name) = (self.folder.objects(), key.to_string());
        let file = spooled.into_path();
        let placed = tokio::task::spawn_blocking(move || place(file, &objects, &name));
        let placed = placed.await.map_err(Error::internal)?;
        let Some(refused) = placed.map_err(write_failed)? else {
            return Ok(());
        };
        let stored = self.get(key, None).await?;
        let stored = stored.ok_or_else(|| Error::unavailable("deleted while it was put"))?;
        match has_bytes(&refused, stored).await? {
            true => Ok(()),
            false => Err(other_bytes()),
        }
    }

    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<ByteStream>> {
        reading::get(&self.store, &path(key), range).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<u64>> {
        reading::head(&self.store, &path(key)).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<()> {
        reading::delete(&self.store, &path(key)).await
    }
}
