//! The application's side of a connection.

use super::driver::{Command, Driver, Network};
use super::{Event, Settings};
use faceshare_api::v1::client_frame::Instruction;
use faceshare_api::v1::{Ack, ActionSync, Quit};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Frames come in bursts after a resume; when the queue is full, nothing is read from the socket.
const EVENT_QUEUE: usize = 256;
const COMMAND_QUEUE: usize = 32;

/// Why an instruction did not take effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The server refused it.
    #[error("{code}: {detail}")]
    Nack {
        /// One of the contract's error codes.
        code: String,
        /// A text for people.
        detail: String,
    },
    /// The connection ended for good; whether the instruction took effect is unknown.
    #[error("the connection has ended")]
    Closed,
}

/// Sends instructions. Clones use the same connection; when the last one is dropped, the connection
/// stops.
#[derive(Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    network: Arc<watch::Sender<Network>>,
    _stop: Arc<DropGuard>,
}

/// Receives the connection's events, in order. Dropping it stops the connection.
pub struct Events {
    events: mpsc::Receiver<Event>,
}

/// Starts a connection. The first event is `Welcome`, `Reconnecting` or `Closed`.
///
/// Must be called within a tokio runtime.
#[must_use]
pub fn open(settings: Settings) -> (Handle, Events) {
    let (event_sender, events) = mpsc::channel(EVENT_QUEUE);
    let (commands, command_receiver) = mpsc::channel(COMMAND_QUEUE);
    let (network, network_receiver) = watch::channel(Network::default());
    let stop = CancellationToken::new();
    let driver = Driver::new(settings, event_sender, command_receiver, network_receiver);
    tokio::spawn(stop.clone().run_until_cancelled_owned(driver.run()));
    (
        Handle {
            commands,
            network: Arc::new(network),
            _stop: Arc::new(stop.drop_guard()),
        },
        Events { events },
    )
}

impl Events {
    /// The next event; `None` after `Closed`.
    ///
    /// Cancel safe.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }
}

impl Handle {
    /// Sends an instruction and waits for its answer, across any number of reconnects.
    ///
    /// # Errors
    /// When the server refuses it, or the connection ends for good before the answer.
    pub async fn send(&self, instruction: Instruction) -> Result<Ack, Rejected> {
        let (answer, answered) = oneshot::channel();
        self.commands
            .send(Command::Send(instruction, answer))
            .await
            .map_err(|_| Rejected::Closed)?;
        answered.await.unwrap_or(Err(Rejected::Closed))
    }

    /// Sends this member's position: the newest value of its key, at once if connected and again
    /// after every `welcome`.
    ///
    /// # Errors
    /// When the connection has ended for good.
    pub async fn send_action(&self, action: ActionSync) -> Result<(), Rejected> {
        self.commands
            .send(Command::Act(action))
            .await
            .map_err(|_| Rejected::Closed)
    }

    /// Leaves the session. The server then closes with 1000.
    ///
    /// # Errors
    /// As [`Handle::send`].
    pub async fn leave(&self) -> Result<(), Rejected> {
        self.send(Instruction::Quit(Quit::default()))
            .await
            .map(drop)
    }

    /// Reports whether the device has a network. Without one the connection is dropped and not
    /// tried again.
    pub fn set_online(&self, online: bool) {
        self.network.send_if_modified(|network| {
            let changed = network.online != online;
            network.online = online;
            network.generation += u64::from(changed);
            changed
        });
    }

    /// Reports that the device changed its network: reconnects at once.
    pub fn network_changed(&self) {
        self.network.send_modify(|network| network.generation += 1);
    }
}
