//! What of a body goes into a signature.

use md5::Md5;
use sha2::{Digest, Sha256};

/// The hashes of a body. A body is hashed once, whichever scheme signs it, so that a large one can
/// be hashed while it streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyDigest {
    empty: bool,
    md5: [u8; 16],
    sha256: [u8; 32],
}

impl BodyDigest {
    /// The digest of a body that is in memory.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        let mut hasher = BodyHasher::default();
        hasher.update(body);
        hasher.finish()
    }

    /// The digest of a request without a body.
    #[must_use]
    pub fn empty() -> Self {
        BodyHasher::default().finish()
    }

    /// True when the body has no byte.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.empty
    }

    /// SHA-256 of the body.
    #[must_use]
    pub const fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// MD5 of the body.
    #[must_use]
    pub const fn md5(&self) -> &[u8; 16] {
        &self.md5
    }
}

/// Hashes a body piece by piece.
#[derive(Clone, Default)]
pub struct BodyHasher {
    touched: bool,
    md5: Md5,
    sha256: Sha256,
}

impl BodyHasher {
    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.touched |= !bytes.is_empty();
        self.md5.update(bytes);
        self.sha256.update(bytes);
    }

    /// The digest of all bytes added.
    #[must_use]
    pub fn finish(self) -> BodyDigest {
        BodyDigest {
            empty: !self.touched,
            md5: self.md5.finalize().into(),
            sha256: self.sha256.finalize().into(),
        }
    }
}
