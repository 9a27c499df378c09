//! The id under which a file is sealed.

use std::fmt;
use std::str::FromStr;

use rand::TryRng as _;
use rand::rngs::SysRng;
use thiserror::Error;

/// 128 random bits, written as 32 lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId([u8; 16]);

/// A text that is not 32 lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not an id of a sealed file: 32 lower-case hex digits")]
pub struct NotAFileId;

impl FileId {
    pub(crate) const fn bits(&self) -> &[u8; 16] {
        &self.0
    }
}

/// An id under which nothing has been sealed. It is used up by [`encrypt`](crate::encrypt): two
/// files that are sealed under one id and one data key would lay each other open.
#[derive(Debug, PartialEq, Eq)]
pub struct NewFileId(FileId);

impl NewFileId {
    /// A new id, from the operating system's random source.
    ///
    /// # Panics
    /// When the operating system has no random bytes: no secret can be made then.
    #[must_use]
    pub fn draw() -> Self {
        let mut bits = [0; 16];
        SysRng
            .try_fill_bytes(&mut bits)
            .expect("the operating system's random source works");
        Self(FileId(bits))
    }

    /// An id that was drawn here and written down before its use. The caller ensures that nothing
    /// has been sealed under it.
    #[must_use]
    pub const fn from_unused(id: FileId) -> Self {
        Self(id)
    }

    /// The id.
    #[must_use]
    pub const fn id(&self) -> FileId {
        self.0
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for FileId {
    type Err = NotAFileId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bits = [0; 16];
        hex::decode_to_slice(text, &mut bits).map_err(|_| NotAFileId)?;
        let id = Self(bits);
        (id.to_string() == text).then_some(id).ok_or(NotAFileId)
    }
}
