//! Uploads: large bodies, read piece by piece once the upload has a slot.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use faceshare_biz::{Error, ErrorCode};
use http::{HeaderMap, header::CONTENT_LENGTH};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use std::time::Duration;

/// Bounds of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadLimits {
    /// Bytes of the file at most.
    pub bytes: usize,
    /// An upload that sends nothing for this long is given up. The request's deadline bounds its
    /// whole time.
    pub idle: Duration,
}

impl UploadLimits {
    /// # Errors
    /// `PAYLOAD_TOO_LARGE` when the request announces more than allowed.
    pub(crate) fn check_announced(&self, headers: &HeaderMap) -> Result<(), Error> {
        let announced = headers
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|bytes| bytes > self.bytes as u64) {
            Err(too_large())
        } else {
            Ok(())
        }
    }

    /// Waits for the next piece of an upload.
    ///
    /// # Errors
    /// `REQUEST_TIMEOUT` when nothing arrives.
    pub(crate) async fn in_time<T>(&self, piece: impl Future<Output = T>) -> Result<T, Error> {
        let late = |_| {
            Error::new(
                ErrorCode::RequestTimeout,
                "the upload stopped before it was complete",
            )
        };
        tokio::time::timeout(self.idle, piece).await.map_err(late)
    }

    /// Reads the whole body; calls `each` with every piece as it arrives.
    ///
    /// # Errors
    /// `PAYLOAD_TOO_LARGE`, `REQUEST_TIMEOUT`, or `INVALID_ARGUMENT` when the body ends early.
    pub(crate) async fn read(
        &self,
        body: Body,
        mut each: impl FnMut(&[u8]),
    ) -> Result<Bytes, Error> {
        let mut body = Limited::new(body, self.bytes);
        let mut pieces = Pieces::default();
        while let Some(frame) = self.in_time(body.frame()).await? {
            let frame = frame.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    too_large()
                } else {
                    cut_off()
                }
            })?;
            if let Ok(piece) = frame.into_data() {
                each(&piece);
                pieces.push(piece);
            }
        }
        Ok(pieces.whole())
    }
}

/// A file as it arrives. The pieces are kept until all are there: the server counts the bytes of a
/// request's body until its chunks are dropped.
#[derive(Default)]
pub(crate) struct Pieces {
    pieces: Vec<Bytes>,
    len: usize,
}

impl Pieces {
    /// Bytes of all pieces.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn push(&mut self, piece: Bytes) {
        self.len += piece.len();
        self.pieces.push(piece);
    }

    /// The file, in memory of its own.
    pub(crate) fn whole(self) -> Bytes {
        let mut file = BytesMut::with_capacity(self.len);
        for piece in self.pieces {
            file.extend_from_slice(&piece);
        }
        file.freeze()
    }
}

fn too_large() -> Error {
    Error::new(
        ErrorCode::PayloadTooLarge,
        "the file is larger than allowed",
    )
}

fn cut_off() -> Error {
    Error::invalid("", "the body could not be read to its end")
}

#[cfg(test)]
mod tests {
    use super::UploadLimits;
    use axum::body::Body;
    use bytes::Bytes;
    use faceshare_biz::ErrorCode;
    use futures_util::{StreamExt as _, stream};
    use std::convert::Infallible;
    use std::time::Duration;

    const LIMITS: UploadLimits = UploadLimits {
        bytes: 8,
        idle: Duration::from_secs(5),
    };

    fn pieces(
        pieces: &'static [&'static str],
    ) -> impl futures_util::Stream<Item = Result<Bytes, Infallible>> + Send {
        stream::iter(pieces).map(|piece| Ok(Bytes::from_static(piece.as_bytes())))
    }

    async fn read(body: Body) -> Result<(Bytes, Vec<u8>), ErrorCode> {
        let mut seen = Vec::new();
        let whole = LIMITS
            .read(body, |piece| seen.extend_from_slice(piece))
            .await
            .map_err(|error| error.code)?;
        Ok((whole, seen))
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit_and_every_piece_is_passed_on() {
        let (whole, seen) = read(Body::from_stream(pieces(&["1234", "56", "78"])))
            .await
            .expect("it fits");
        assert_eq!(
            (&whole[..], &seen[..]),
            (&b"12345678"[..], &b"12345678"[..])
        );
        assert_eq!(
            read(Body::from_stream(pieces(&["1234", "56789"]))).await,
            Err(ErrorCode::PayloadTooLarge)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_that_stops_is_given_up_and_a_slow_one_is_not() {
        let stops = pieces(&["1234"]).chain(stream::pending());
        assert_eq!(
            read(Body::from_stream(stops)).await,
            Err(ErrorCode::RequestTimeout)
        );
        let slow = pieces(&["1", "2", "3", "4"]).then(async |piece| {
            tokio::time::sleep(Duration::from_secs(4)).await;
            piece
        });
        assert_eq!(
            read(Body::from_stream(slow)).await.expect("it goes on").0,
            "1234"
        );
    }
}
