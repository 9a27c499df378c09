//! The key of one file.

use aead_stream::{NewStream as _, StreamBE32, StreamPrimitive as _};
use aes_gcm::{Aes256Gcm, KeyInit as _};
use bytes::BytesMut;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::id::FileId;

/// The bytes of a data key.
pub const DATA_KEY_LEN: usize = 32;

/// Separates file keys from every other use of a data key, and this format from later ones.
const LABEL: &[u8] = b"faceshare file 1";

/// Seals and opens the chunks of one file. Its key is overwritten when it is dropped.
pub(crate) struct FileKey(StreamBE32<Aes256Gcm>);

/// The chunk is not what was sealed as this chunk of this file.
pub(crate) struct Changed;

impl FileKey {
    pub(crate) fn derive(data_key: &[u8; DATA_KEY_LEN], id: &FileId) -> Self {
        let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(data_key)
            .expect("invariant: HMAC takes a key of any length");
        mac.update(LABEL);
        mac.update(id.bits());
        let key = Zeroizing::new(<[u8; 32]>::from(mac.finalize().into_bytes()));
        let cipher = Aes256Gcm::new((&*key).into());
        // Each file has its own key, so the part of the nonce that STREAM leaves free is constant.
        Self(StreamBE32::from_aead(cipher, &Default::default()))
    }

    /// Seals a chunk in place, and adds its tag.
    pub(crate) fn seal(&self, number: u32, last: bool, chunk: &mut BytesMut) {
        self.0
            .encrypt_in_place(number, last, b"", chunk)
            .expect("invariant: a chunk is far shorter than AES-GCM allows, and the buffer grows");
    }

    /// Opens a chunk in place, and takes its tag off.
    pub(crate) fn open(
        &self,
        number: u32,
        last: bool,
        chunk: &mut BytesMut,
    ) -> Result<(), Changed> {
        self.0
            .decrypt_in_place(number, last, b"", chunk)
            .map_err(|_| Changed)
    }
}
