//! The folder of files, and the room on its disk.

use faceshare_biz::{Error, Result};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What clients are told to wait when the disk is full.
const RETRY_WHEN_FULL: Duration = Duration::from_secs(60);

/// Where files are, and how much of the disk is left free.
#[derive(Debug, Clone)]
pub struct FilesFolderSettings {
    /// The folder; it is made when it is missing.
    pub dir: PathBuf,
    /// Nothing is written that would leave fewer bytes free.
    pub min_free: u64,
}

/// The folder of files: `objects/` with what is stored here, `tmp/` with what is being received.
/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct FilesFolder(Arc<FilesFolderSettings>);

impl FilesFolder {
    /// Opens the folder, and makes what is missing of it.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(settings: FilesFolderSettings) -> io::Result<Self> {
        let folder = Self(Arc::new(settings));
        for dir in [folder.objects(), folder.tmp()] {
            std::fs::create_dir_all(&dir)?;
            std::fs::File::open(&dir)?.sync_all()?;
        }
        std::fs::File::open(&folder.0.dir)?.sync_all()?;
        Ok(folder)
    }

    pub(super) fn objects(&self) -> PathBuf {
        self.0.dir.join("objects")
    }

    pub(super) fn tmp(&self) -> PathBuf {
        self.0.dir.join("tmp")
    }

    /// Checks that `bytes` more leave [`FilesFolderSettings::min_free`] free. They are not
    /// reserved.
    ///
    /// # Errors
    /// `UNAVAILABLE` when they do not.
    pub async fn check_room(&self, bytes: u64) -> Result<()> {
        let folder = self.clone();
        let free = tokio::task::spawn_blocking(move || free_bytes(&folder.0.dir));
        let free = free
            .await
            .map_err(Error::internal)?
            .map_err(Error::unavailable)?;
        match free.checked_sub(bytes) {
            Some(left) if left >= self.0.min_free => Ok(()),
            _ => Err(disk_full("too few bytes are free on the disk of the files")),
        }
    }

    /// Deletes what was being received and was last written before `before`: left by a process that
    /// was killed. Returns the number of files.
    ///
    /// # Errors
    /// What the system says.
    pub async fn sweep_leftovers(&self, before: SystemTime) -> io::Result<u64> {
        let tmp = self.tmp();
        tokio::task::spawn_blocking(move || sweep(&tmp, before)).await?
    }
}

/// `UNAVAILABLE` because the disk has no room.
pub(super) fn disk_full(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::unavailable(cause).retry_after(RETRY_WHEN_FULL)
}

/// A failed write: a full disk takes longer to heal than other faults.
pub(super) fn write_failed(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => disk_full(error),
        _ => Error::unavailable(error),
    }
}

/// What an unprivileged process may still write.
fn free_bytes(dir: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(dir)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn sweep(tmp: &Path, before: SystemTime) -> io::Result<u64> {
    let mut swept = 0;
    for entry in std::fs::read_dir(tmp)? {
        let entry = entry?;
        let is_old = entry
            .metadata()
            .and_then(|metadata| metadata.modified())
            .is_ok_and(|modified| modified < before);
        if is_old && std::fs::remove_file(entry.path()).is_ok() {
            swept += 1;
        }
    }
    Ok(swept)
}
