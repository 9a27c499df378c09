//! For tests: futures that are looked at now and waited for later.

use std::pin::Pin;
use std::task::Poll;

pub(crate) struct Polled<F>(Pin<Box<F>>);

pub(crate) fn polled<F: Future>(future: F) -> Polled<F> {
    Polled(Box::pin(future))
}

impl<F: Future> Polled<F> {
    /// What came of it, if it is done.
    pub(crate) async fn poll_once(&mut self) -> Option<F::Output> {
        std::future::poll_fn(|cx| match self.0.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    /// What comes of it.
    pub(crate) async fn finish(self) -> F::Output {
        self.0.await
    }
}
