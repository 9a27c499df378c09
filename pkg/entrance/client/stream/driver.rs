//! The task of a connection: connects, exchanges frames, and decides what follows when a connection
//! ends.

use super::backoff::Backoff;
use super::link::{Link, Received};
use super::order::{self, Position, ProtocolViolation};
use super::outbox::{AnswerSender, Outbox, unnumbered};
use super::policy::{self, Ended, Next};
use super::{Closed, Event, Settings};
use crate::Id;
use faceshare_api::v1::client_frame::Instruction as ClientInstruction;
use faceshare_api::v1::server_frame::Instruction;
use faceshare_api::v1::{
    AckHeart, ActionSync, MoveAway, ServerFrame, SysHeart, TokenRenewed, Welcome,
};
use faceshare_api::wellknown;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

const WELCOME_TIMEOUT: Duration = Duration::from_secs(10);
/// The contract: after three failures before `welcome` a client asks the token call for the reason.
const FAILURES_BEFORE_ASKING: u32 = 3;
/// A shorter connection does not reset the backoff: otherwise a server that welcomes and drops
/// clients would get a flood of reconnects.
const STABLE_AFTER: Duration = Duration::from_secs(10);

pub(super) enum Command {
    Send(ClientInstruction, AnswerSender),
    Act(ActionSync),
}

/// The network's state as the application reports it; each change increments `generation`.
pub(super) struct Network {
    pub(super) online: bool,
    pub(super) generation: u64,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            online: true,
            generation: 0,
        }
    }
}

pub(super) struct Driver {
    settings: Settings,
    backoff: Backoff,
    events: mpsc::Sender<Event>,
    commands: mpsc::Receiver<Command>,
    network: watch::Receiver<Network>,
    outbox: Outbox,
    position: Option<Position>,
    point: Option<Id>,
    /// Consecutive tries that ended before `welcome`.
    failures: u32,
    /// Tries since the last `welcome`, reported to the application.
    attempt: u32,
    /// Whether a new token was obtained that has not led to a `welcome` yet.
    renewed: bool,
    welcomed: Option<Instant>,
    /// The connection that a draining node asked to leave. It is kept until the next `welcome`, so
    /// that other members do not see this point disconnect.
    leaving: Option<Link>,
}

/// The state of one connection after its welcome.
struct Conversation {
    silence: Duration,
    last_received: Instant,
    ping: Option<(u64, Instant)>,
    pings: u64,
    leave_at: Option<Instant>,
}

impl Driver {
    pub(super) fn new(
        settings: Settings,
        events: mpsc::Sender<Event>,
        commands: mpsc::Receiver<Command>,
        network: watch::Receiver<Network>,
    ) -> Self {
        Self {
            backoff: Backoff::new(settings.jitter.clone()),
            settings,
            events,
            commands,
            network,
            outbox: Outbox::default(),
            position: None,
            point: None,
            failures: 0,
            attempt: 0,
            renewed: false,
            welcomed: None,
            leaving: None,
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            let ended = self.connection().await;
            tracing::debug!(?ended, "connection ended");
            if let Some(closed) = self.recover(ended).await {
                // Fails if the receiver is dropped, and then the event is not needed.
                let _ = self.emit(Event::Closed(closed)).await;
                return;
            }
        }
    }

    /// Runs one connection, from the handshake to its end.
    async fn connection(&mut self) -> Ended {
        if self
            .network
            .wait_for(|network| network.online)
            .await
            .is_err()
        {
            return Ended::Abandoned;
        }
        let (mut link, interval) = match self.enter().await {
            Ok(entered) => entered,
            Err(ended) => {
                self.failures += 1;
                return ended;
            }
        };
        match self.converse(&mut link, interval).await {
            Err(Ended::Moved) => {
                self.leaving = Some(link);
                Ended::Moved
            }
            Err(ended) => ended,
        }
    }

    /// Connects and reads `welcome`; returns the heartbeat interval.
    async fn enter(&mut self) -> Result<(Link, Duration), Ended> {
        let Settings {
            url, token, format, ..
        } = &self.settings;
        let mut link = tokio::select! {
            dialed = Link::dial(url, token, *format, self.position.as_ref()) => dialed?,
            _ = self.network.changed() => return Err(Ended::Network),
        };
        let first = timeout(WELCOME_TIMEOUT, first_frame(&mut link)).await;
        let frame =
            first.unwrap_or_else(|_| Err(Ended::Broken("the server sent no welcome".into())))?;
        let Some(Instruction::Welcome(welcome)) = frame.instruction else {
            return Err(Ended::ProtocolViolation(ProtocolViolation::Welcome));
        };
        let asked = self.position.take();
        // The position is taken, so after an invalid resume the next try asks for a snapshot.
        self.position =
            Some(order::enter(asked.as_ref(), &welcome).map_err(Ended::ProtocolViolation)?);
        self.point = welcome.self_.map(|me| Id(me.point_id));
        (self.failures, self.attempt, self.renewed) = (0, 0, false);
        (self.welcomed, self.leaving) = (Some(Instant::now()), None);
        let interval = interval_of(&welcome);
        self.emit(Event::Welcome {
            at: frame.at,
            welcome: Box::new(welcome),
        })
        .await?;
        Ok((link, interval))
    }

    async fn converse(&mut self, link: &mut Link, interval: Duration) -> Result<Infallible, Ended> {
        let now = Instant::now();
        let mut conversation = Conversation {
            silence: interval + self.settings.patience,
            last_received: now,
            ping: None,
            pings: 0,
            leave_at: None,
        };
        for frame in self.outbox.resend() {
            link.send(&frame).await?;
        }
        conversation.ping(link).await?;
        loop {
            let due = self.outbox.next_due();
            tokio::select! {
                received = link.receive() => {
                    let received = received?;
                    conversation.last_received = Instant::now();
                    self.receive(link, &mut conversation, received).await?;
                }
                command = self.commands.recv(), if self.outbox.has_capacity() => {
                    let Some(command) = command else { return Err(Ended::Abandoned) };
                    if let Some(frame) = self.enqueue(command) {
                        link.send(&frame).await?;
                    }
                }
                () = sleep_until(conversation.last_received + conversation.silence) => return Err(Ended::Broken("nothing received from the server".into())),
                () = until(due) => {
                    for frame in self.outbox.take_due(Instant::now()) {
                        link.send(&frame).await?;
                    }
                }
                () = until(conversation.leave_at) => return Err(Ended::Moved),
                changed = self.network.changed() => return Err(if changed.is_ok() { Ended::Network } else { Ended::Abandoned }),
            }
        }
    }

    fn enqueue(&mut self, command: Command) -> Option<faceshare_api::v1::ClientFrame> {
        match command {
            Command::Send(instruction, answer) => Some(self.outbox.send(instruction, answer)),
            Command::Act(action) => self.outbox.set_action(action),
        }
    }

    async fn receive(
        &mut self,
        link: &mut Link,
        conversation: &mut Conversation,
        received: Received,
    ) -> Result<(), Ended> {
        match received {
            Received::Frame(frame) => self.frame(link, conversation, *frame).await,
            Received::Pong(payload) => match conversation.pong(&payload) {
                Some(round_trip) => self.emit(Event::RoundTrip(round_trip)).await,
                None => Ok(()),
            },
            Received::Other => Ok(()),
        }
    }

    async fn frame(
        &mut self,
        link: &mut Link,
        conversation: &mut Conversation,
        mut frame: ServerFrame,
    ) -> Result<(), Ended> {
        let position = self
            .position
            .as_mut()
            .ok_or(Ended::ProtocolViolation(ProtocolViolation::Welcome))?;
        position
            .advance(frame.seq)
            .map_err(Ended::ProtocolViolation)?;
        let last_seq = position.seq;
        let mut retrying = None;
        match &mut frame.instruction {
            Some(Instruction::Welcome(_)) => {
                return Err(Ended::ProtocolViolation(ProtocolViolation::Welcome));
            }
            Some(Instruction::Ack(ack)) => self.outbox.ack(*ack),
            Some(Instruction::Nack(nack)) => {
                let delay = self.outbox.nack(nack.clone(), Instant::now());
                retrying = delay.map(|delay| Event::Retrying {
                    code: nack.code.clone(),
                    detail: nack.detail.clone(),
                    delay,
                });
            }
            Some(Instruction::SysHeart(SysHeart { sent_at })) => {
                link.send(&unnumbered(ClientInstruction::AckHeart(AckHeart {
                    sent_at: *sent_at,
                    last_seq,
                })))
                .await?;
                conversation.ping(link).await?;
            }
            Some(Instruction::TokenRenewed(TokenRenewed { session_token, .. })) => {
                self.settings.token = std::mem::take(session_token);
            }
            Some(Instruction::MoveAway(MoveAway { after, jitter })) => {
                let jitter = (self.settings.jitter)(span(jitter.as_ref()));
                conversation.leave_at = Some(Instant::now() + span(after.as_ref()) + jitter);
            }
            _ => {}
        }
        self.emit(Event::Frame(Box::new(frame))).await?;
        match retrying {
            Some(event) => self.emit(event).await,
            None => Ok(()),
        }
    }

    /// Handles the end of a connection: waits until the next try is due, or returns why there is
    /// none.
    async fn recover(&mut self, ended: Ended) -> Option<Closed> {
        if let Ended::ProtocolViolation(fault) = &ended {
            tracing::warn!(%fault, "the server violated the order or form of frames");
            if self
                .emit(Event::ProtocolViolation(fault.clone()))
                .await
                .is_err()
            {
                return Some(abandoned());
            }
        }
        if self
            .welcomed
            .take()
            .is_some_and(|at| at.elapsed() >= STABLE_AFTER)
        {
            self.backoff.reset();
        }
        match policy::after(ended) {
            Next::Stop(closed) => Some(closed),
            Next::ResumeNow { why } => {
                self.backoff.reset();
                self.announce(Duration::ZERO, why).await
            }
            Next::Resume { why, .. }
                if self.failures >= FAILURES_BEFORE_ASKING && self.settings.tokens.is_some() =>
            {
                self.failures = 0;
                self.renew(why).await
            }
            Next::Resume { why, at_least } => self.wait(why, at_least).await,
            Next::Renew { why } if self.settings.tokens.is_some() && !self.renewed => {
                self.renewed = true;
                self.renew(why).await
            }
            Next::Renew { why } => Some(Closed {
                code: policy::UNAUTHENTICATED,
                reason: why,
                refusal: None,
            }),
        }
    }

    async fn renew(&mut self, why: String) -> Option<Closed> {
        let tokens = self.settings.tokens.clone()?;
        match tokens.renew(self.point).await {
            Ok(grant) => {
                (self.settings.token, self.settings.url) =
                    (grant.session_token, grant.websocket_url);
                self.wait(why, None).await
            }
            Err(error) => match policy::after_token_refusal(error) {
                Next::Stop(closed) => Some(closed),
                Next::Resume { at_least, .. } => {
                    self.renewed = false;
                    self.wait(why, at_least).await
                }
                Next::ResumeNow { .. } | Next::Renew { .. } => self.wait(why, None).await,
            },
        }
    }

    /// Waits until the backoff is over or the network changes; commands of the application are kept
    /// for the next `welcome`.
    async fn wait(&mut self, why: String, at_least: Option<Duration>) -> Option<Closed> {
        let delay = self.backoff.next(at_least);
        if let Some(closed) = self.announce(delay, why).await {
            return Some(closed);
        }
        let delay_over = sleep(delay);
        tokio::pin!(delay_over);
        loop {
            tokio::select! {
                () = &mut delay_over => return None,
                changed = self.network.changed() => return changed.err().map(|_| abandoned()),
                command = self.commands.recv(), if self.outbox.has_capacity() => match command {
                    Some(command) => drop(self.enqueue(command)),
                    None => return Some(abandoned()),
                },
            }
        }
    }

    async fn announce(&mut self, delay: Duration, why: String) -> Option<Closed> {
        self.attempt += 1;
        self.emit(Event::Reconnecting {
            attempt: self.attempt,
            delay,
            why,
        })
        .await
        .err()
        .map(|_| abandoned())
    }

    async fn emit(&self, event: Event) -> Result<(), Ended> {
        self.events.send(event).await.map_err(|_| Ended::Abandoned)
    }
}

impl Conversation {
    async fn ping(&mut self, link: &mut Link) -> Result<(), Ended> {
        self.pings += 1;
        self.ping = Some((self.pings, Instant::now()));
        link.ping(self.pings.to_be_bytes().to_vec()).await
    }

    fn pong(&mut self, payload: &[u8]) -> Option<Duration> {
        let (ping, sent) = self
            .ping
            .take_if(|(ping, _)| payload == ping.to_be_bytes())?;
        tracing::trace!(ping, "pong");
        Some(sent.elapsed())
    }
}

/// The first frame; pings before it are skipped.
async fn first_frame(link: &mut Link) -> Result<ServerFrame, Ended> {
    loop {
        if let Received::Frame(frame) = link.receive().await? {
            return Ok(*frame);
        }
    }
}

/// Sleeps until `at`; forever if it is `None`.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn interval_of(welcome: &Welcome) -> Duration {
    const CONTRACT_DEFAULT: Duration = Duration::from_secs(20);
    welcome
        .heartbeat_interval
        .as_ref()
        .map_or(CONTRACT_DEFAULT, |interval| span(Some(interval)))
}

fn span(duration: Option<&wellknown::Duration>) -> Duration {
    Duration::from_millis(duration.map_or(0, |duration| {
        u64::try_from(duration.as_millis()).unwrap_or_default()
    }))
}

fn abandoned() -> Closed {
    Closed {
        code: 1000,
        reason: "stopped".into(),
        refusal: None,
    }
}
