//! One worker id per process.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::worker::WorkerId;

/// Why no worker id could be claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Running processes hold all 1024 worker ids.
    #[error("every worker id is taken in {}", .0.display())]
    NoneFree(PathBuf),
    /// The directory or a lock file in it cannot be used.
    #[error("cannot lock {}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
}

/// A worker id that no other process with the same directory holds. It is released when the lease
/// is dropped, and by the operating system when the process dies.
///
/// The directory must be on a local file system, where file locks work. Processes with different
/// directories do not know of each other: configure their worker ids by hand.
#[derive(Debug)]
pub struct WorkerLease {
    id: WorkerId,
    /// Holds the lock; closing the file releases the id.
    _lock: File,
}

impl WorkerLease {
    /// Claims the smallest free worker id: an exclusive lock on `dir/worker-<n>.lock`. Creates the
    /// directory if it is missing. Lock files are never deleted: that would let two processes hold
    /// locks on the same name.
    ///
    /// # Errors
    /// [`ClaimError`] when all ids are held or the directory cannot be used.
    pub fn claim(dir: &Path) -> Result<Self, ClaimError> {
        fs::create_dir_all(dir).map_err(|source| ClaimError::Io {
            path: dir.to_owned(),
            source,
        })?;
        for id in WorkerId::all() {
            let path = dir.join(format!("worker-{id}.lock"));
            match try_lock(&path) {
                Ok(Some(lock)) => return Ok(Self { id, _lock: lock }),
                Ok(None) => {}
                Err(source) => return Err(ClaimError::Io { path, source }),
            }
        }
        Err(ClaimError::NoneFree(dir.to_owned()))
    }

    /// The claimed id, valid while the lease lives.
    #[must_use]
    pub const fn id(&self) -> WorkerId {
        self.id
    }
}

/// The locked file; `None` if another process holds it.
fn try_lock(path: &Path) -> io::Result<Option<File>> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::thread;

    use super::*;

    #[test]
    fn leases_claim_the_smallest_free_id_and_release_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let claim = || WorkerLease::claim(&dir.path().join("workers")).expect("a lease");
        let [zero, one, two] = [claim(), claim(), claim()];
        assert_eq!([&zero, &one, &two].map(|lease| lease.id().get()), [0, 1, 2]);
        drop(one);
        assert_eq!(claim().id().get(), 1);
    }

    #[test]
    fn concurrent_claims_get_distinct_ids() {
        let dir = tempfile::tempdir().expect("a directory");
        let leases: Vec<_> = thread::scope(|scope| {
            let claims: Vec<_> = (0..16)
                .map(|_| scope.spawn(|| WorkerLease::claim(dir.path())))
                .collect();
            claims
                .into_iter()
                .map(|claim| claim.join().expect("a thread").expect("a lease"))
                .collect()
        });
        let ids: HashSet<_> = leases.iter().map(WorkerLease::id).collect();
        assert_eq!(ids.len(), 16);
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let error = WorkerLease::claim(&file.path().join("workers")).expect_err("not a directory");
        assert!(matches!(&error, ClaimError::Io { path, .. } if path.ends_with("workers")));
        assert!(error.to_string().contains("workers"));
    }
}
