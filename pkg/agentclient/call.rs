//! One call of a service.

use std::ops::Range;

use bytes::Bytes;
use http::{Method, StatusCode};

use crate::body::FileBody;

/// A call: what to send, and which statuses are an answer to it.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// The label `operation` of the metrics.
    pub operation: &'static str,
    /// The method.
    pub method: Method,
    /// The path below the base URL, from `/` on. Each part of it that comes from outside matches
    /// `[A-Za-z0-9_-]{1,64}`.
    pub path: &'a str,
    /// The query.
    pub query: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: CallBody<'a>,
    /// The bytes to ask for, as header `Range`; not empty.
    pub range: Option<Range<u64>>,
    /// The statuses that are an answer. Every other status is a failure.
    pub answers: &'a [StatusCode],
    /// True when the call may be repeated though its outcome is unknown. Read for POST and PATCH
    /// alone: GET, HEAD, PUT and DELETE may be repeated always.
    pub safe: bool,
    /// `X-Request-Id`; `None`: a random one.
    pub request_id: Option<&'a str>,
}

/// The body of a call.
#[derive(Debug, Clone, Copy)]
pub enum CallBody<'a> {
    /// No body; the call says `application/json` all the same.
    Empty,
    /// A JSON text.
    Json(&'a Bytes),
    /// A file, streamed as `application/octet-stream`.
    File(&'a FileBody),
}

impl<'a> Call<'a> {
    /// A call without query, body and range.
    #[must_use]
    pub const fn new(
        operation: &'static str,
        method: Method,
        path: &'a str,
        answers: &'a [StatusCode],
    ) -> Self {
        Self {
            operation,
            method,
            path,
            query: &[],
            body: CallBody::Empty,
            range: None,
            answers,
            safe: false,
            request_id: None,
        }
    }

    pub(crate) fn may_be_repeated(&self) -> bool {
        self.safe || [Method::GET, Method::HEAD, Method::PUT, Method::DELETE].contains(&self.method)
    }
}
