//! Effects: calls to the server, and the task that performs them.

use crate::text;
use entrance_client::api::{FaceSessionPatch, NumberCode};
use entrance_client::{Api, Handle, Id, Rejected};
use faceshare_api::v1::ActionSync;
use faceshare_api::v1::client_frame::Instruction;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Capacity of the queues: more than a user can type before the first answer.
const QUEUE: usize = 64;
const AT_ONCE: usize = 16;
/// How long to wait for the answer to a `quit` on the stream before the client leaves over HTTP.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);

/// A call to the server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    Say(Instruction),
    Act(ActionSync),
    FetchCode,
    Rotate,
    LockDoor(bool),
    Remove(u64),
    End,
    Leave,
}

/// The result of an effect.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It was refused, with the reason for the user.
    Refused(String),
    Code(Option<NumberCode>),
    Left,
}

/// Performs effects: actions in order, all others concurrently.
#[derive(Clone)]
struct Performer {
    handle: Handle,
    api: Api,
    session: Id,
    outcomes: mpsc::Sender<Outcome>,
}

/// The queue of effects and the queue of their outcomes.
pub(crate) struct Effects {
    queue: mpsc::Sender<Effect>,
    pub(crate) outcomes: mpsc::Receiver<Outcome>,
}

impl Effects {
    /// Starts the task. It ends when this is dropped.
    pub(crate) fn start(handle: Handle, api: Api, session: Id) -> Self {
        let (queue, effects) = mpsc::channel(QUEUE);
        let (sender, outcomes) = mpsc::channel(QUEUE);
        tokio::spawn(
            Performer {
                handle,
                api,
                session,
                outcomes: sender,
            }
            .run(effects),
        );
        Self { queue, outcomes }
    }

    /// Enqueues the effects without waiting.
    ///
    /// # Errors
    /// A text for the user when the queue is full, because the server answers slower than the user
    /// types.
    pub(crate) fn perform(&self, effects: Vec<Effect>) -> Result<(), String> {
        effects.into_iter().try_for_each(|effect| {
            self.queue
                .try_send(effect)
                .map_err(|_| "the server is slow to answer; the command was dropped".to_owned())
        })
    }
}

impl Performer {
    async fn run(self, mut effects: mpsc::Receiver<Effect>) {
        let mut running = JoinSet::new();
        while let Some(effect) = effects.recv().await {
            if let Effect::Act(action) = effect {
                // The connection is closed; the last event says so.
                let _ = self.handle.send_action(action).await;
                continue;
            }
            while running.len() >= AT_ONCE {
                let _ = running.join_next().await;
            }
            let performer = self.clone();
            running.spawn(async move {
                if let Some(outcome) = performer.perform(effect).await {
                    let _ = performer.outcomes.send(outcome).await;
                }
            });
        }
    }

    async fn perform(&self, effect: Effect) -> Option<Outcome> {
        let done = match effect {
            Effect::Say(instruction) => match self.handle.send(instruction).await {
                Ok(_) | Err(Rejected::Closed) => return None,
                Err(Rejected::Nack { code, detail }) => {
                    return Some(Outcome::Refused(format!("{detail} ({code})")));
                }
            },
            Effect::Act(_) => return None,
            Effect::FetchCode => match self.api.number_code(self.session).await {
                Ok(code) => return Some(Outcome::Code(Some(code))),
                Err(error) if error.code() == Some("NOT_FOUND") => {
                    return Some(Outcome::Code(None));
                }
                Err(error) => Err(error),
            },
            Effect::Rotate => match self.api.rotate_number_code(self.session).await {
                Ok(code) => return Some(Outcome::Code(Some(code))),
                Err(error) => Err(error),
            },
            Effect::LockDoor(locked) => {
                let patch = FaceSessionPatch {
                    locked: Some(locked),
                    ..FaceSessionPatch::default()
                };
                self.api
                    .update_face_session(self.session, &patch)
                    .await
                    .map(drop)
            }
            Effect::Remove(member) => self.api.remove_member(self.session, Id(member)).await,
            Effect::End => self.api.end(self.session).await,
            Effect::Leave => return Some(self.leave().await),
        };
        done.err()
            .map(|error| Outcome::Refused(text::call_failure(&error)))
    }

    async fn leave(&self) -> Outcome {
        if !matches!(
            timeout(LEAVE_TIMEOUT, self.handle.leave()).await,
            Ok(Ok(()))
        ) {
            let _ = timeout(LEAVE_TIMEOUT, self.api.quit(self.session)).await;
        }
        Outcome::Left
    }
}
