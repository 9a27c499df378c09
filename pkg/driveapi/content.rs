//! Bytes of an answer, held to what was said of them.

use agentclient::{AgentClient, AgentError, ReplyBody};
use bytes::Bytes;
use futures_util::{Stream, stream};
use sha2::{Digest as _, Sha256};

/// Bytes as they arrive. They end with `None` only when all have come, and as said: fewer or more
/// bytes, or other bytes than the file's SHA-256 says, end with an error.
#[derive(Debug)]
pub struct Content {
    client: AgentClient,
    body: ReplyBody,
    /// Bytes that are still to come, when it is known how many.
    left: Option<u64>,
    check: Option<Check>,
}

#[derive(Debug)]
struct Check {
    hasher: Sha256,
    expected: [u8; 32],
}

impl Content {
    pub(crate) fn new(
        client: AgentClient,
        body: ReplyBody,
        len: Option<u64>,
        sha256: Option<[u8; 32]>,
    ) -> Self {
        Self {
            client,
            body,
            left: len,
            check: sha256.map(|expected| Check {
                hasher: Sha256::new(),
                expected,
            }),
        }
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// [`AgentError`], after which the content must not be read on.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, AgentError> {
        let Some(bytes) = self.body.chunk().await? else {
            return self.end().map(|()| None);
        };
        if let Some(left) = &mut self.left {
            *left = left
                .checked_sub(bytes.len() as u64)
                .ok_or_else(|| self.client.malformed("more bytes than it has"))?;
        }
        if let Some(check) = &mut self.check {
            check.hasher.update(&bytes);
        }
        Ok(Some(bytes))
    }

    fn end(&mut self) -> Result<(), AgentError> {
        if self.left.is_some_and(|left| left > 0) {
            return Err(self.client.malformed("fewer bytes than it has"));
        }
        let Some(check) = self.check.take() else {
            return Ok(());
        };
        if check.hasher.finalize()[..] != check.expected {
            return Err(self.client.malformed("other bytes than its sha256 says"));
        }
        Ok(())
    }

    /// The bytes as a stream, which ends after its first error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, AgentError>> + Send + 'static {
        stream::try_unfold(self, |mut content| async move {
            Ok(content.chunk().await?.map(|bytes| (bytes, content)))
        })
    }
}
