//! The one error of agent clients.

use std::io;
use std::time::Duration;

use thiserror::Error;

/// A service did not do what it was called for.
#[derive(Debug, Error)]
#[error("{agent}: {failure}")]
pub struct AgentError {
    agent: &'static str,
    #[source]
    failure: Failure,
    retry_after: Duration,
}

/// Why a call failed.
#[derive(Debug, Error)]
pub enum Failure {
    /// Too many calls failed before this one; the service was not called.
    #[error("not called after too many failed calls")]
    BreakerOpen,
    /// The service did not answer in time, or a body stopped moving.
    #[error("no answer in time")]
    Timeout,
    /// The connection could not be made, or broke.
    #[error("the connection failed: {}", chain(.0))]
    Connection(#[source] reqwest::Error),
    /// The service answered with a status that its description does not have for this call.
    #[error("answered with status {0}")]
    Status(u16),
    /// The answer is larger than [`MAX_ANSWER_BYTES`](crate::MAX_ANSWER_BYTES).
    #[error("the answer is too large")]
    TooLarge,
    /// The answer is not what the description of the service says.
    #[error("the answer is malformed: {0}")]
    Malformed(String),
    /// The file to be sent cannot be read.
    #[error("the file to be sent cannot be read: {0}")]
    File(#[source] io::Error),
}

impl AgentError {
    pub(crate) const fn new(agent: &'static str, failure: Failure, retry_after: Duration) -> Self {
        Self {
            agent,
            failure,
            retry_after,
        }
    }

    /// Why the call failed.
    #[must_use]
    pub const fn failure(&self) -> &Failure {
        &self.failure
    }

    /// How long to wait before another call is worth while: whole seconds, at least one.
    #[must_use]
    pub const fn retry_after(&self) -> Duration {
        self.retry_after
    }
}

impl Failure {
    /// True when the same call may succeed a moment later.
    pub(crate) const fn is_transient(&self) -> bool {
        match self {
            Self::Timeout | Self::Connection(_) => true,
            Self::Status(status) => *status >= 500 || matches!(*status, 408 | 425 | 429),
            Self::BreakerOpen | Self::TooLarge | Self::Malformed(_) | Self::File(_) => false,
        }
    }

    /// True when the failure says that the service is unwell, not that this server is.
    pub(crate) const fn is_of_the_service(&self) -> bool {
        !matches!(self, Self::BreakerOpen | Self::File(_))
    }
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        Self::Connection(error.without_url())
    }
}

/// The error and its sources in one line; reqwest's own text leaves the sources out.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}
