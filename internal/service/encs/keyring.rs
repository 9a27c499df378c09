//! The file of the keys that wrap data keys.
//!
//! One `kid:secret` a line, the newest first; empty lines and lines that begin with `#` are
//! skipped. The keyring and the database together open every shared file, so only the owner of the
//! keyring may read it. It is written completely or not at all.

use pasetotoken::{KeyRing, KeyRingError};
use secrecy::{ExposeSecret as _, SecretString};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The keys of an [`EmbeddedEncs`](super::EmbeddedEncs), as a file in the data directory.
#[derive(Debug, Clone)]
pub struct EncsKeyring {
    dir: PathBuf,
}

/// Why the keyring cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file has no valid keys. It is not replaced: without its keys no file can be read.
    #[error("{}: {source}", path.display())]
    Keys {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeyRingError,
    },
}

const COMMENT: &str = "# Keys that wrap the data keys of files, one kid:secret a line; the first \
                       wraps, all unwrap. Keep this file secret.";

impl EncsKeyring {
    const FILE_NAME: &str = "encs.keys";

    /// The keyring in this data directory, which exists.
    pub fn in_dir(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.dir.join(Self::FILE_NAME)
    }

    /// Puts a new key before the others and keeps those.
    ///
    /// # Errors
    /// [`KeyringError`]; the ring is full when it has 16 keys.
    pub fn add_key(&self) -> Result<(), KeyringError> {
        let mut entries = self.load_or_generate()?;
        entries.insert(0, self.generate()?);
        self.write(&entries)
    }

    /// Drops all keys but the newest. Data keys that another key wrapped cannot be unwrapped any
    /// more: re-wrap them first.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn drop_old_keys(&self) -> Result<(), KeyringError> {
        let mut entries = self.load_or_generate()?;
        entries.truncate(1);
        self.write(&entries)
    }

    /// The entries of the file, the newest first, each valid and at least one. A missing file is
    /// made, with one key.
    pub(super) fn load_or_generate(&self) -> Result<Vec<SecretString>, KeyringError> {
        match self.load() {
            Err(KeyringError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                self.write(&[self.generate()?])?;
                tracing::info!(path = %self.path().display(), "generated a key for data keys");
                self.load()
            }
            loaded => loaded,
        }
    }

    fn load(&self) -> Result<Vec<SecretString>, KeyringError> {
        let path = self.path();
        let file = std::fs::File::open(&path).map_err(at(&path))?;
        let mode = file.metadata().map_err(at(&path))?.permissions().mode();
        if mode & 0o077 != 0 {
            tracing::warn!(
                path = %path.display(),
                "others may read the key file; run chmod 600 on it"
            );
        }
        let text = SecretString::from(io::read_to_string(file).map_err(at(&path))?);
        self.parse(text.expose_secret())
    }

    fn parse(&self, text: &str) -> Result<Vec<SecretString>, KeyringError> {
        let lines = text.lines().map(str::trim);
        let entries = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let ring = KeyRing::parse(entries).map_err(|source| self.faulty(source))?;
        Ok(ring.to_config_strings())
    }

    fn generate(&self) -> Result<SecretString, KeyringError> {
        let ring = KeyRing::generate().map_err(|source| self.faulty(source))?;
        let entry = ring.to_config_strings().pop();
        Ok(entry.expect("invariant: a ring is never empty"))
    }

    fn faulty(&self, source: KeyRingError) -> KeyringError {
        KeyringError::Keys {
            path: self.path(),
            source,
        }
    }

    /// Writes another file, which its owner alone may read, and renames it.
    fn write(&self, entries: &[SecretString]) -> Result<(), KeyringError> {
        KeyRing::parse(entries.iter().map(|entry| entry.expose_secret()))
            .map_err(|source| self.faulty(source))?;
        let path = self.path();
        let written = || {
            let mut file = tempfile::Builder::new()
                .prefix(".encs.keys.")
                .tempfile_in(&self.dir)?;
            writeln!(file, "{COMMENT}")?;
            for entry in entries {
                writeln!(file, "{}", entry.expose_secret())?;
            }
            file.as_file().sync_all()?;
            file.persist(&path)?;
            // The rename itself is durable only with the directory.
            std::fs::File::open(&self.dir)?.sync_all()
        };
        written().map_err(at(&path))
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> KeyringError {
    let path = path.to_owned();
    move |source| KeyringError::Io { path, source }
}
