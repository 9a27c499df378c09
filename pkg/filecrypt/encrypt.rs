//! From plaintext to what is stored.

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream};

use crate::id::NewFileId;
use crate::key::{DATA_KEY_LEN, FileKey};
use crate::layout::{CHUNK_LEN, TAG_LEN};

const CHUNK: usize = CHUNK_LEN as usize;
const SEALED: usize = (CHUNK_LEN + TAG_LEN) as usize;

/// Encrypts a stream of plaintext under a new id. The file can be read only with this id.
///
/// An error of the source ends the stream, and what came out before it is no whole file.
pub fn encrypt<S, E>(
    data_key: &[u8; DATA_KEY_LEN],
    id: NewFileId,
    source: S,
) -> impl Stream<Item = Result<Bytes, E>> + use<S, E>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    let sealing = Sealing {
        key: FileKey::derive(data_key, &id.id()),
        source,
        unsealed: Bytes::new(),
        next: 0,
    };
    stream::unfold(Some(sealing), |state| async {
        let mut sealing = state?;
        match sealing.chunk().await {
            Ok((chunk, false)) => Some((Ok(chunk), Some(sealing))),
            Ok((chunk, true)) => Some((Ok(chunk), None)),
            Err(error) => Some((Err(error), None)),
        }
    })
}

struct Sealing<S> {
    key: FileKey,
    source: S,
    /// Read from the source and not sealed yet.
    unsealed: Bytes,
    /// The number of the next chunk.
    next: u32,
}

impl<S, E> Sealing<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    /// The next sealed chunk, and whether it is the last one. A full chunk is the last one only if
    /// nothing comes after it, so one byte more is waited for.
    async fn chunk(&mut self) -> Result<(Bytes, bool), E> {
        let mut chunk = BytesMut::with_capacity(SEALED);
        let last = loop {
            let taken = self.unsealed.len().min(CHUNK - chunk.len());
            chunk.extend_from_slice(&self.unsealed[..taken]);
            self.unsealed.advance(taken);
            if !self.unsealed.is_empty() {
                break false;
            }
            match self.source.next().await {
                Some(bytes) => self.unsealed = bytes?,
                None => break true,
            }
        };
        self.key.seal(self.next, last, &mut chunk);
        self.next = self
            .next
            .checked_add(1)
            .expect("invariant: a file has less than 256 TiB");
        Ok((chunk.freeze(), last))
    }
}
