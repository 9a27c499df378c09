//! From what is stored to plaintext.

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream};
use thiserror::Error;

use crate::id::FileId;
use crate::key::{DATA_KEY_LEN, FileKey};
use crate::layout::{CHUNK_LEN, TAG_LEN, Window};

const SEALED: usize = (CHUNK_LEN + TAG_LEN) as usize;

/// Why stored bytes cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecryptError<E> {
    /// The source failed.
    #[error("the stored bytes cannot be read: {0}")]
    Source(E),
    /// The bytes are not those that were stored, or not of this file, or the key is another one.
    #[error("the stored bytes are not those that were sealed")]
    Changed,
    /// The source ended too early.
    #[error("the stored bytes end too early")]
    Truncated,
}

impl Window {
    /// Decrypts the range from the stored bytes [`Window::stored`] of the file `id`. Plaintext
    /// comes out once its whole chunk is verified. After an error the stream ends; the plaintext
    /// before it is right, and not the whole range.
    pub fn decrypt<S, E>(
        self,
        data_key: &[u8; DATA_KEY_LEN],
        id: &FileId,
        source: S,
    ) -> impl Stream<Item = Result<Bytes, DecryptError<E>>> + use<S, E>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
    {
        let opening = Opening {
            key: FileKey::derive(data_key, id),
            source,
            unread: Bytes::new(),
            next: self.first,
            left: self.stored().end - self.stored().start,
            window: self,
        };
        stream::try_unfold(opening, |mut opening| async {
            let plain = opening.chunk().await?;
            Ok(plain.map(|plain| (plain, opening)))
        })
    }
}

struct Opening<S> {
    key: FileKey,
    source: S,
    /// Read from the source and not opened yet.
    unread: Bytes,
    /// The number of the next chunk.
    next: u32,
    /// Stored bytes of the window that are not opened yet.
    left: u64,
    /// `skip` and `len` are what is left of them.
    window: Window,
}

impl<S, E> Opening<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    /// The plaintext of the next chunk, as far as it lies in the range; `None` after the last one.
    async fn chunk(&mut self) -> Result<Option<Bytes>, DecryptError<E>> {
        if self.left == 0 {
            return Ok(None);
        }
        let sealed_len = usize::try_from(self.left).map_or(SEALED, |left| left.min(SEALED));
        let mut chunk = BytesMut::with_capacity(sealed_len);
        while chunk.len() < sealed_len {
            if self.unread.is_empty() {
                let bytes = self.source.next().await.ok_or(DecryptError::Truncated)?;
                self.unread = bytes.map_err(DecryptError::Source)?;
            }
            let taken = self.unread.len().min(sealed_len - chunk.len());
            chunk.extend_from_slice(&self.unread[..taken]);
            self.unread.advance(taken);
        }
        let last = self.next == self.window.last_of_file;
        self.key
            .open(self.next, last, &mut chunk)
            .map_err(|_| DecryptError::Changed)?;
        self.left -= sealed_len as u64;
        self.next = self.next.wrapping_add(1);
        Ok(Some(self.within_range(chunk.freeze())))
    }

    fn within_range(&mut self, mut plain: Bytes) -> Bytes {
        plain.advance(self.window.skip.min(plain.len()));
        self.window.skip = 0;
        plain.truncate(usize::try_from(self.window.len).unwrap_or(usize::MAX));
        self.window.len -= plain.len() as u64;
        plain
    }
}
