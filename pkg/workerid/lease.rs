//! One worker id per process.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::worker::WorkerId;

/// Why no worker id could be claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// All 1024 worker ids are taken by running processes.
    #[error("every worker id is taken in {}", .0.display())]
    NoneFree(PathBuf),
    /// The directory or a lock file in it cannot be used.
    #[error("cannot lock {}: {source}", path.display())]
    Io {
        /// The file or directory concerned.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// A worker id that no other process claiming in the same directory has. It is given back when the
/// lease is dropped, and by the operating system when the process dies, however it dies.
///
/// The directory must be on a local file system, where file locks hold. Processes with different
/// directories know nothing of each other: there, give each its number.
#[derive(Debug)]
pub struct WorkerLease {
    id: WorkerId,
    /// Holds the lock; closing it gives the id back.
    _lock: File,
}

impl WorkerLease {
    /// Takes the smallest free worker id: an exclusive lock on `dir/worker-<n>.lock`. The directory
    /// is created if need be. Lock files stay behind: deleting one would let two processes hold
    /// locks on the same name.
    ///
    /// # Errors
    /// [`ClaimError`], when all are taken or the directory cannot be used.
    pub fn claim(dir: &Path) -> Result<Self, ClaimError> {
        fs::create_dir_all(dir).map_err(|source| ClaimError::Io { path: dir.to_owned(), source })?;
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

    /// The claimed id, good while the lease lives.
    #[must_use]
    pub const fn id(&self) -> WorkerId {
        self.id
    }
}

/// The locked file, or nothing if another process holds it.
fn try_lock(path: &Path) -> io::Result<Option<File>> {
    let file = File::options().create(true).truncate(false).write(true).open(path)?;
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
    fn leases_take_the_smallest_free_id_and_give_it_back() {
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
            let claims: Vec<_> = (0..16).map(|_| scope.spawn(|| WorkerLease::claim(dir.path()))).collect();
            claims.into_iter().map(|claim| claim.join().expect("a thread").expect("a lease")).collect()
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
