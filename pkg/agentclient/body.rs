//! Bodies that are streamed.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio::time::Instant;
use tokio_util::io::ReaderStream;
use wps2sign::BodyDigest;

use crate::client::Shared;
use crate::error::{AgentError, Failure};

/// What is read from a file at once.
const READ_BYTES: usize = 64 * 1024;

/// A file to be sent. It is opened again for each attempt and must not change meanwhile.
#[derive(Debug, Clone)]
pub struct FileBody {
    /// Where the file is.
    pub path: PathBuf,
    /// Its length in bytes.
    pub len: u64,
    /// Its hashes, which the signature covers.
    pub digest: BodyDigest,
}

impl FileBody {
    /// The file's bytes as a body that notes its progress.
    pub(crate) async fn open(&self, progress: Arc<Progress>) -> Result<reqwest::Body, Failure> {
        let file = File::open(&self.path).await.map_err(Failure::File)?;
        let bytes = ReaderStream::with_capacity(file.take(self.len), READ_BYTES);
        Ok(reqwest::Body::wrap_stream(Moving {
            bytes,
            left: self.len,
            progress,
        }))
    }
}

/// When a request's body last moved.
#[derive(Debug)]
pub(crate) struct Progress(Mutex<Moved>);

#[derive(Debug, Clone, Copy)]
struct Moved {
    at: Instant,
    sent: bool,
}

impl Progress {
    /// `sent`: there is no body to wait for.
    pub(crate) fn start(sent: bool) -> Arc<Self> {
        let at = Instant::now();
        Arc::new(Self(Mutex::new(Moved { at, sent })))
    }

    fn note(&self, sent: bool) {
        let at = Instant::now();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Moved { at, sent };
    }

    /// When the call has failed if nothing moves until then.
    pub(crate) fn deadline(&self, idle: Duration, timeout: Duration) -> Instant {
        let moved = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        moved.at + if moved.sent { timeout } else { idle }
    }
}

/// A body that notes its progress. Its end is not read once as many bytes as announced are sent, so
/// the bytes are counted.
struct Moving<S> {
    bytes: S,
    left: u64,
    progress: Arc<Progress>,
}

impl<S: Stream<Item = io::Result<Bytes>> + Unpin> Stream for Moving<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.bytes.poll_next_unpin(cx);
        if let Poll::Ready(Some(Ok(bytes))) = &polled {
            self.left = self.left.saturating_sub(bytes.len() as u64);
            self.progress.note(self.left == 0);
        }
        polled
    }
}

/// The body of an answer, as it arrives.
///
/// It ends with `None` only when the service has sent as much as it said. A connection that breaks
/// off, or moves no byte for the idle time, is an error, and counts as a failure of the service.
#[derive(Debug)]
pub struct ReplyBody {
    pub(crate) response: reqwest::Response,
    pub(crate) client: Arc<Shared>,
}

impl ReplyBody {
    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// [`AgentError`], after which the body must not be read on.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, AgentError> {
        let next = tokio::time::timeout(self.client.settings.idle, self.response.chunk()).await;
        let failure = match next {
            Ok(Ok(bytes)) => return Ok(bytes),
            Ok(Err(error)) => Failure::from(error),
            Err(_) => Failure::Timeout,
        };
        self.client.breaker.count_failure();
        Err(self.client.error(failure))
    }

    /// The body as a stream, which ends after its first error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, AgentError>> + Send + 'static {
        futures_util::stream::try_unfold(self, |mut body| async move {
            Ok(body.chunk().await?.map(|bytes| (bytes, body)))
        })
    }
}
