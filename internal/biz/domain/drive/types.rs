//! Keys of objects, and files of a drive.

use crate::{Error, Result};
use compact_str::CompactString;

/// The most characters of a key or an id.
const MAX_LEN: usize = 64;

/// True for what can stand in a URL or a path as it is: `[A-Za-z0-9_-]{1,64}`.
fn is_plain(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    (1..=MAX_LEN).contains(&text.len()) && text.bytes().all(plain)
}

macro_rules! plain_names {
    ($($(#[$doc:meta])* $name:ident,)*) => {$(
        $(#[$doc])*
        ///
        /// Matches `[A-Za-z0-9_-]{1,64}`, so it can stand in a URL or a path as it is.
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(CompactString);

        impl $name {
            /// From a text. `None` when it does not match.
            #[must_use]
            pub fn new(text: &str) -> Option<Self> {
                is_plain(text).then(|| Self(text.into()))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

plain_names! {
    /// The key under which bytes are stored.
    ObjectKey,
    /// A file in the drive of an account.
    DriveFileId,
}

impl DriveFileId {
    /// From the field `path` of a request.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the text does not match.
    pub fn parse(path: &str, text: &str) -> Result<Self> {
        Self::new(text)
            .ok_or_else(|| Error::invalid(path, "1 to 64 letters, digits, hyphens and underscores"))
    }
}

/// The key of an object that is not stored yet. [`ContentStore::put`](super::ContentStore::put)
/// uses it up, so that nothing is stored twice under one key; write the key down before, and the
/// object can be found and deleted after a kill.
#[derive(Debug, PartialEq, Eq)]
pub struct NewObject(ObjectKey);

impl NewObject {
    /// From a key that was drawn at random and is used for nothing else.
    #[must_use]
    pub const fn from_unused(key: ObjectKey) -> Self {
        Self(key)
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &ObjectKey {
        &self.0
    }
}

/// A file in the drive of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriveFile {
    /// Its id in the drive.
    pub id: DriveFileId,
    /// Its name as the drive has it, not cleaned.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
    /// SHA-256 of its bytes, when the drive knows it.
    pub sha256: Option<[u8; 32]>,
}

#[cfg(test)]
mod tests {
    use super::{DriveFileId, ObjectKey};
    use crate::ErrorCode;

    #[test]
    fn a_key_is_what_can_stand_in_a_path() {
        for good in ["a", "0", "A-Z_9", &"x".repeat(64)] {
            assert_eq!(ObjectKey::new(good).expect(good).as_str(), good);
        }
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "a\\b",
            "a.b",
            "a b",
            "ä",
            "a\0",
            "%2e",
            &"x".repeat(65),
        ] {
            assert_eq!(ObjectKey::new(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn an_id_that_does_not_match_names_its_field() {
        let error = DriveFileId::parse("driveFileId", "../secret").expect_err("a path");
        assert_eq!(error.code, ErrorCode::InvalidArgument);
        assert_eq!(error.violations[0].path, "driveFileId");
    }
}
