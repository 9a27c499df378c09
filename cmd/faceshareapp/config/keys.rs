//! The keys that encrypt tokens: those of the configuration, or those of a file that the first
//! start generates.
//!
//! The file has one `kid:secret` a line; empty lines and lines that begin with `#` are skipped. It
//! is written completely or not at all. Only its owner can read it, because its reader can create
//! tokens for every account.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use pasetotoken::{KeyRing, KeyRingError};
use secrecy::{ExposeSecret, SecretString};

use super::Config;

const FILE_NAME: &str = "auth.keys";

/// Why the keys cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyFileError {
    /// The data directory or the key file cannot be used.
    #[error("{}: {source}", path.display())]
    Io {
        /// The directory or file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The key file has no valid keys. It is not replaced: new keys would sign out every account.
    #[error("{}: {source}", path.display())]
    Keys {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeyRingError,
    },
    /// `auth.keys` of the configuration has no valid keys, or no key could be generated.
    #[error("auth.keys: {0}")]
    Ring(#[from] KeyRingError),
}

/// The keys of `auth.keys`, else those of `<data_dir>/auth.keys`. A missing file is generated.
pub(crate) fn key_ring(config: &Config) -> Result<KeyRing, KeyFileError> {
    if config.auth.keys.is_empty() {
        load_or_generate(&config.data_dir)
    } else {
        Ok(parse(&config.auth.keys)?)
    }
}

/// Like [`key_ring`], but generates nothing: `None` when the key file is missing.
pub(crate) fn existing_key_ring(config: &Config) -> Result<Option<KeyRing>, KeyFileError> {
    if config.auth.keys.is_empty() {
        load(&key_file(config))
    } else {
        Ok(Some(parse(&config.auth.keys)?))
    }
}

/// The file of the keys when the configuration has none.
pub(crate) fn key_file(config: &Config) -> PathBuf {
    config.data_dir.join(FILE_NAME)
}

/// Reads the entries of `auth.keys`.
pub(super) fn parse(keys: &[SecretString]) -> Result<KeyRing, KeyRingError> {
    KeyRing::parse(keys.iter().map(ExposeSecret::expose_secret))
}

fn load_or_generate(data_dir: &Path) -> Result<KeyRing, KeyFileError> {
    let path = data_dir.join(FILE_NAME);
    if let Some(ring) = load(&path)? {
        return Ok(ring);
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)
        .map_err(at(data_dir))?;
    let ring = KeyRing::generate()?;
    write(data_dir, &path, &ring).map_err(at(&path))?;
    tracing::info!(path = %path.display(), kid = ring.active_kid(), "generated a key for tokens");
    Ok(ring)
}

/// `None` when the file is missing.
fn load(path: &Path) -> Result<Option<KeyRing>, KeyFileError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(at(path))?,
    };
    let mode = file.metadata().map_err(at(path))?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "others may read the key file; run chmod 600 on it");
    }
    let text = io::read_to_string(file)
        .map(SecretString::from)
        .map_err(at(path))?;
    let ring =
        KeyRing::parse(entries(text.expose_secret())).map_err(|source| KeyFileError::Keys {
            path: path.to_owned(),
            source,
        })?;
    Ok(Some(ring))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> KeyFileError {
    let path = path.to_owned();
    move |source| KeyFileError::Io { path, source }
}

fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Writes a draft beside the file and renames it: after a crash there is either no key file or a
/// complete one.
fn write(data_dir: &Path, path: &Path, ring: &KeyRing) -> io::Result<()> {
    let draft = data_dir.join(format!(".{FILE_NAME}.{}", std::process::id()));
    // Remove a draft (or a link) that a crashed process with the same id left, because `create_new`
    // below fails on it.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    writeln!(
        file,
        "# Keys that seal tokens, one kid:secret a line; the first seals, all open. Keep this file secret."
    )?;
    for key in ring.to_config_strings() {
        writeln!(file, "{}", key.expose_secret())?;
    }
    file.sync_all()?;
    fs::rename(&draft, path)?;
    // The rename itself is durable only with the directory.
    File::open(data_dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(data_dir: &Path) -> Config {
        Config {
            data_dir: data_dir.to_owned(),
            ..Config::default()
        }
    }

    #[test]
    fn the_first_start_generates_a_key_that_the_next_one_finds() {
        let dir = tempfile::tempdir().expect("a directory");
        let config = config(&dir.path().join("data"));
        let first = key_ring(&config).expect("a generated key");
        let second = key_ring(&config).expect("the same key");
        assert_eq!(first.active_kid(), second.active_kid());

        let mode =
            |path: &Path| fs::metadata(path).expect("it exists").permissions().mode() & 0o777;
        assert_eq!(mode(&config.data_dir), 0o700);
        assert_eq!(mode(&config.data_dir.join(FILE_NAME)), 0o600);
        assert_eq!(
            fs::read_dir(&config.data_dir)
                .expect("the directory")
                .count(),
            1,
            "no draft is left"
        );
    }

    #[test]
    fn configured_keys_win_and_no_file_is_made() {
        let dir = tempfile::tempdir().expect("a directory");
        let ring = KeyRing::generate().expect("a key");
        let mut config = config(dir.path());
        config.auth.keys = ring.to_config_strings();
        assert_eq!(
            key_ring(&config).expect("the configured key").active_kid(),
            ring.active_kid()
        );
        assert_eq!(fs::read_dir(dir.path()).expect("the directory").count(), 0);
    }

    #[test]
    fn a_broken_key_file_is_named_and_never_replaced() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(FILE_NAME);
        for broken in ["", "# nothing\n", "k1:short\n"] {
            fs::write(&path, broken).expect("a file");
            let error = key_ring(&config(dir.path()))
                .expect_err("not a key")
                .to_string();
            assert!(
                error.contains("auth.keys") && !error.contains("short"),
                "{error}"
            );
            assert_eq!(fs::read_to_string(&path).expect("the file"), broken);
        }
    }
}
