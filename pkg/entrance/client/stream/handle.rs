//! What an application holds of a connection.

use super::driver::{Command, Driver, Network};
use super::{Event, Settings};
use faceshare_api::v1::client_frame::Instruction;
use faceshare_api::v1::{Ack, ActionSync, Quit};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Frames come in bursts after a resume; beyond this the socket waits for the application.
const EVENT_QUEUE: usize = 256;
const COMMAND_QUEUE: usize = 32;

/// Why an instruction did not take effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The server refused it.
    #[error("{code}: {detail}")]
    Nack {
        /// One of the contract's codes.
        code: String,
        /// For people.
        detail: String,
    },
    /// The connection is over; whether it took effect is unknown.
    #[error("the connection is over")]
    Closed,
}

/// Says things. Clones say them over the same connection; when the last one is dropped, the connection stops.
#[derive(Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    network: Arc<watch::Sender<Network>>,
    _stop: Arc<DropGuard>,
}

/// What happens, in order. Dropping it stops the connection.
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
    (Handle { commands, network: Arc::new(network), _stop: Arc::new(stop.drop_guard()) }, Events { events })
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
    /// Says an instruction and waits for its answer, however many reconnects that takes.
    ///
    /// # Errors
    /// When the server refuses it, or the connection is over for good before it was answered.
    pub async fn send(&self, instruction: Instruction) -> Result<Ack, Rejected> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(Command::Say(instruction, answer)).await.map_err(|_| Rejected::Closed)?;
        answered.await.unwrap_or(Err(Rejected::Closed))
    }

    /// Shows where this member is: the newest value of its key, sent now if connected and again after every `welcome`.
    ///
    /// # Errors
    /// When the connection is over.
    pub async fn act(&self, action: ActionSync) -> Result<(), Rejected> {
        self.commands.send(Command::Act(action)).await.map_err(|_| Rejected::Closed)
    }

    /// Leaves the session. The server then closes with 1000.
    ///
    /// # Errors
    /// As [`Handle::send`].
    pub async fn leave(&self) -> Result<(), Rejected> {
        self.send(Instruction::Quit(Quit::default())).await.map(drop)
    }

    /// The device has a network, or has lost it. Without one the connection is dropped and not tried again until there is one.
    pub fn set_online(&self, online: bool) {
        self.network.send_if_modified(|network| {
            let changed = network.online != online;
            network.online = online;
            network.generation += u64::from(changed);
            changed
        });
    }

    /// The device is on another network: connect anew, at once.
    pub fn network_changed(&self) {
        self.network.send_modify(|network| network.generation += 1);
    }
}
