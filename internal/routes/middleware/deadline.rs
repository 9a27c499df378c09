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

/// The one call that is held open on purpose.
pub(crate) const WAIT_PATH: &str = "/v1/face-sessions/wait";

/// How long a request to `path` may take: whoever waits to be let in is kept waiting beside the limit.
pub fn of(limit: Duration, path: &str) -> Duration {
    if path == WAIT_PATH {
        limit + WAIT_POLL
    } else {
        limit
    }
}

pin_project! {
    /// An answer, or `REQUEST_TIMEOUT` when it is not done in time. An upgraded connection lives on: its request was done with the handshake.
    pub struct Bounded<F> {
        #[pin]
        answer: F,
        limit: Duration,
        // Most answers are there at once, and a timer is among the dearer things: it is set for those that are not.
        #[pin]
        over: Option<Sleep>,
    }
}

impl<F> Bounded<F> {
    /// `limit` counts from the first look.
    pub const fn new(limit: Duration, answer: F) -> Self {
        Self {
            answer,
            limit,
            over: None,
        }
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Bounded<F> {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Poll::Ready(answer) = this.answer.poll(context) {
            return Poll::Ready(answer);
        }
        if this.over.is_none() {
            this.over.set(Some(sleep(*this.limit)));
        }
        // Time runs, too, for whoever uses up the task's turn each time.
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
