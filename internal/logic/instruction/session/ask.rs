//! Requests with reply channels.

use super::{ActorUnavailable, Connected, MakeReply, Opening, Request, SessionView};
use faceshare_biz::Result;
use faceshare_biz::domain::MemberId;
use faceshare_exec::{Input, State};
use tokio::sync::oneshot;

/// A request and the receiver of its reply.
pub(crate) struct RequestWithReply<T> {
    request: Request,
    answer: oneshot::Receiver<Result<T>>,
}

impl<T> RequestWithReply<T> {
    /// The request, to be sent, and the receiver of its reply.
    pub(crate) fn split(self) -> (Request, oneshot::Receiver<Result<T>>) {
        (self.request, self.answer)
    }
}

/// Waits for a reply. If the actor stops before it replies, the request may or may not have been
/// processed.
pub(crate) async fn answered<T>(answer: oneshot::Receiver<Result<T>>) -> Result<T> {
    answer
        .await
        .unwrap_or_else(|_| Err(ActorUnavailable::TaskStopped.into()))
}

pub(crate) fn propose<T: Send + 'static>(
    input: Input,
    read: impl FnOnce(&State) -> T + Send + 'static,
) -> RequestWithReply<T> {
    let (reply, answer) = oneshot::channel();
    let make_reply: MakeReply = Box::new(move |processed| {
        let value = processed.map(read);
        // The send fails if the caller is gone.
        Box::new(move |committed| drop(reply.send(committed.and(value))))
    });
    RequestWithReply {
        request: Request::Propose {
            input: Box::new(input),
            make_reply,
        },
        answer,
    }
}

pub(crate) fn connect(opening: Opening) -> RequestWithReply<Connected> {
    let (reply, answer) = oneshot::channel();
    RequestWithReply {
        request: Request::Connect {
            opening: Box::new(opening),
            reply,
        },
        answer,
    }
}

pub(crate) fn view(who: MemberId) -> RequestWithReply<SessionView> {
    let (reply, answer) = oneshot::channel();
    RequestWithReply {
        request: Request::View { who, reply },
        answer,
    }
}

pub(crate) fn read<T: Send + 'static>(
    read: impl FnOnce(&State) -> T + Send + 'static,
) -> RequestWithReply<T> {
    let (reply, answer) = oneshot::channel();
    let request = Request::Read(Box::new(move |state| {
        let value = read(state);
        // The send fails if the caller is gone.
        Box::new(move |committed| drop(reply.send(committed.map(|()| value))))
    }));
    RequestWithReply { request, answer }
}
