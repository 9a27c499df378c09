//! Wrapping by a keyring in a file.

use super::destroyed::DestroyedList;
use super::keyring::{EncsKeyring, KeyringError};
use arc_swap::ArcSwap;
use async_trait::async_trait;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::encs::{DataKey, EncsAgent, WrappedKey};
use faceshare_biz::{Error, Result};
use pasetotoken::{KeyRing, Sealer};
use secrecy::ExposeSecret as _;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// Wraps data keys under the keys of an [`EncsKeyring`]. When the file of the keyring changes, the
/// next call reads it again, so a running server follows a rotation.
///
/// Destroyed sessions are listed in `encs.destroyed` beside the keyring.
#[derive(Debug)]
pub struct EmbeddedEncs {
    keyring: EncsKeyring,
    keys: ArcSwap<WrappingKeys>,
    destroyed: Arc<Mutex<DestroyedList>>,
}

/// Why the embedded encs cannot start.
#[derive(Debug, thiserror::Error)]
pub enum EncsFileError {
    /// The keyring cannot be used.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The list of destroyed sessions cannot be used.
    #[error("{}: {source}", path.display())]
    Destroyed {
        /// The directory of the list.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The keys of one state of the file.
#[derive(Debug)]
struct WrappingKeys {
    /// Never empty; the newest first.
    keys: Vec<(String, Sealer)>,
    version: FileVersion,
}

/// Changes with each rename of a new file into place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileVersion {
    inode: u64,
    modified: (i64, i64),
}

impl FileVersion {
    fn of(keyring: &EncsKeyring) -> io::Result<Self> {
        let metadata = std::fs::metadata(keyring.path())?;
        Ok(Self {
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

impl WrappingKeys {
    fn load(keyring: &EncsKeyring) -> std::result::Result<Self, KeyringError> {
        keyring.load_or_generate()?;
        // The version is read before the keys: when the file is replaced between the two, the next
        // call reads it again.
        let version = FileVersion::of(keyring).map_err(|source| KeyringError::Io {
            path: keyring.path(),
            source,
        })?;
        let entries = keyring.load_or_generate()?;
        let keys = entries.iter().map(|entry| {
            let ring = KeyRing::parse([entry.expose_secret()])
                .expect("invariant: the keyring holds valid entries");
            (ring.active_kid().to_owned(), Sealer::new(&ring))
        });
        Ok(Self {
            keys: keys.collect(),
            version,
        })
    }

    fn newest(&self) -> &(String, Sealer) {
        self.keys
            .first()
            .expect("invariant: a keyring is never empty")
    }
}

impl EmbeddedEncs {
    /// Reads the keyring and the list of destroyed sessions in this directory, which exists. A
    /// missing keyring is made.
    ///
    /// # Errors
    /// [`EncsFileError`].
    pub fn open(dir: impl Into<PathBuf>) -> std::result::Result<Self, EncsFileError> {
        let dir = dir.into();
        let destroyed = DestroyedList::open(&dir).map_err(|source| EncsFileError::Destroyed {
            path: dir.clone(),
            source,
        })?;
        let keyring = EncsKeyring::in_dir(dir);
        Ok(Self {
            keys: ArcSwap::from_pointee(WrappingKeys::load(&keyring)?),
            keyring,
            destroyed: Arc::new(Mutex::new(destroyed)),
        })
    }

    /// The same data key wrapped under the newest key. `None`: it is already.
    ///
    /// # Errors
    /// Those of [`EncsAgent::unwrap`].
    pub async fn rewrap(
        &self,
        session: SessionId,
        wrapped: &WrappedKey,
    ) -> Result<Option<WrappedKey>> {
        if wrapped.key_id == self.keys()?.newest().0 {
            return Ok(None);
        }
        let key = self.unwrap(session, wrapped).await?;
        self.wrap(session, &key).await.map(Some)
    }

    /// The keys of the file as it is now.
    fn keys(&self) -> Result<Arc<WrappingKeys>> {
        let version = FileVersion::of(&self.keyring).map_err(Error::unavailable)?;
        let keys = self.keys.load_full();
        if keys.version == version {
            return Ok(keys);
        }
        let keys = Arc::new(WrappingKeys::load(&self.keyring).map_err(Error::unavailable)?);
        self.keys.store(Arc::clone(&keys));
        Ok(keys)
    }
}

/// What a data key is bound to.
fn label(session: SessionId) -> String {
    format!("data-key/{session}")
}

#[async_trait]
impl EncsAgent for EmbeddedEncs {
    async fn wrap(&self, session: SessionId, key: &DataKey) -> Result<WrappedKey> {
        let keys = self.keys()?;
        let (kid, sealer) = keys.newest();
        let sealed = sealer
            .seal(&label(session), key.expose())
            .map_err(Error::internal)?;
        Ok(WrappedKey {
            key_id: kid.clone(),
            wrapped: sealed.into_bytes(),
        })
    }

    async fn unwrap(&self, session: SessionId, wrapped: &WrappedKey) -> Result<DataKey> {
        let is_destroyed = {
            let destroyed = self.destroyed.lock();
            destroyed
                .unwrap_or_else(PoisonError::into_inner)
                .contains(session)
        };
        if is_destroyed {
            return Err(Error::not_found());
        }
        let keys = self.keys()?;
        let sealer = keys.keys.iter().find(|(kid, _)| *kid == wrapped.key_id);
        let (_, sealer) = sealer.ok_or_else(|| {
            Error::internal(format!("{}: no such key wraps data keys", wrapped.key_id))
        })?;
        let sealed = std::str::from_utf8(&wrapped.wrapped).map_err(Error::internal)?;
        let plain = sealer
            .open(&label(session), sealed)
            .map_err(Error::internal)?;
        let plain = Zeroizing::new(plain);
        let bytes: &[u8; DataKey::LEN] = plain.as_slice().try_into().map_err(Error::internal)?;
        Ok(DataKey::filled(|key| key.copy_from_slice(bytes)))
    }

    async fn destroy(&self, session: SessionId) -> Result<()> {
        let destroyed = Arc::clone(&self.destroyed);
        let added = tokio::task::spawn_blocking(move || {
            let mut destroyed = destroyed.lock().unwrap_or_else(PoisonError::into_inner);
            destroyed.add(session)
        });
        added
            .await
            .map_err(Error::internal)?
            .map_err(Error::unavailable)
    }
}
