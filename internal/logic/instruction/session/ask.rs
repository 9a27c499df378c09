//! Requests together with the way their answers come.

use super::{Away, Connected, Glance, Look, Opening, Request};
use faceshare_biz::Result;
use faceshare_biz::domain::MemberId;
use faceshare_exec::{Input, State};
use tokio::sync::oneshot;

/// A request and the way its answer comes.
pub(crate) struct Asked<T> {
    request: Request,
    answer: oneshot::Receiver<Result<T>>,
}

impl<T> Asked<T> {
    /// The request, to be sent, and where its answer comes.
    pub(crate) fn split(self) -> (Request, oneshot::Receiver<Result<T>>) {
        (self.request, self.answer)
    }
}

/// Waits for an answer; an actor that stops before it answers may or may not have carried the request out.
pub(crate) async fn answered<T>(answer: oneshot::Receiver<Result<T>>) -> Result<T> {
    answer
        .await
        .unwrap_or_else(|_| Err(Away::TaskStopped.into()))
}

pub(crate) fn propose<T: Send + 'static>(
    input: Input,
    look: impl FnOnce(&State) -> T + Send + 'static,
) -> Asked<T> {
    let (reply, answer) = oneshot::channel();
    let look: Look = Box::new(move |carried_out| {
        let seen = carried_out.map(look);
        // Whoever asked may have gone away meanwhile.
        Box::new(move |committed| drop(reply.send(committed.and(seen))))
    });
    Asked {
        request: Request::Propose {
            input: Box::new(input),
            look,
        },
        answer,
    }
}

pub(crate) fn connect(opening: Opening) -> Asked<Connected> {
    let (reply, answer) = oneshot::channel();
    Asked {
        request: Request::Connect {
            opening: Box::new(opening),
            reply,
        },
        answer,
    }
}

pub(crate) fn glance(who: MemberId) -> Asked<Glance> {
    let (reply, answer) = oneshot::channel();
    Asked {
        request: Request::Glance { who, reply },
        answer,
    }
}

pub(crate) fn read<T: Send + 'static>(look: impl FnOnce(&State) -> T + Send + 'static) -> Asked<T> {
    let (reply, answer) = oneshot::channel();
    let request = Request::Read(Box::new(move |state| {
        let seen = look(state);
        // Whoever asked may have gone away meanwhile.
        Box::new(move |outcome| drop(reply.send(outcome.map(|()| seen))))
    }));
    Asked { request, answer }
}
