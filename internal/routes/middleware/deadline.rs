//! A bound on how long a request may take, its body included.

use crate::e::HttpError;
use axum::response::{IntoResponse, Response};
use faceshare_biz::{Error, ErrorCode};
use faceshare_logic::facesession::WAIT_POLL;
use pin_project_lite::pin_project;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::task::coop::unconstrained;
use tokio::time::{Sleep, sleep};

/// Path of the one call that is held open on purpose.
pub(crate) const WAIT_PATH: &str = "/v1/face-sessions/wait";

/// The deadline of a request to `path`. A call that waits for admission may be held open in
/// addition to the limit.
pub fn of(limit: Duration, path: &str) -> Duration {
    if path == WAIT_PATH {
        limit + WAIT_POLL
    } else {
        limit
    }
}

pin_project! {
    /// A response, or `REQUEST_TIMEOUT` when it is not ready in time. An upgraded connection is not
    /// affected: its request ended with the handshake.
    pub struct DeadlineFuture<F> {
        #[pin]
        answer: F,
        limit: Duration,
        // Most responses are ready at once, and a timer is expensive: it is set for the others
        // only.
        #[pin]
        over: Option<Sleep>,
    }
}

impl<F> DeadlineFuture<F> {
    /// `limit` counts from the first poll.
    pub const fn new(limit: Duration, answer: F) -> Self {
        Self {
            answer,
            limit,
            over: None,
        }
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for DeadlineFuture<F> {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Poll::Ready(answer) = this.answer.poll(context) {
            return Poll::Ready(answer);
        }
        if this.over.is_none() {
            this.over.set(Some(sleep(*this.limit)));
        }
        // Unconstrained: the timer must fire although the inner future uses up the task's
        // cooperative budget on every poll.
        let over = this.over.as_pin_mut().map(unconstrained);
        over.map_or(Poll::Pending, |mut over| Pin::new(&mut over).poll(context))
            .map(|()| {
                Ok(HttpError(Error::new(
                    ErrorCode::RequestTimeout,
                    "the request was not complete in time",
                ))
                .into_response())
            })
    }
}
