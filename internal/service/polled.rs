//! For tests: futures that are polled once now and awaited later.

use std::pin::Pin;
use std::task::Poll;

pub(crate) struct Polled<F>(Pin<Box<F>>);

pub(crate) fn polled<F: Future>(future: F) -> Polled<F> {
    Polled(Box::pin(future))
}

impl<F: Future> Polled<F> {
    /// Polls the future once; its output if it is ready.
    pub(crate) async fn poll_once(&mut self) -> Option<F::Output> {
        std::future::poll_fn(|cx| match self.0.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    /// Awaits the output.
    pub(crate) async fn finish(self) -> F::Output {
        self.0.await
    }
}
