//! The task of a connection: connect, converse, and decide what to do when it ends.

use super::backoff::Backoff;
use super::link::{Link, Received};
use super::order::{self, Fault, Position};
use super::outbox::{Answer, Outbox, unnumbered};
use super::policy::{self, Ended, Next};
use super::{Closed, Event, Settings};
use crate::Id;
use faceshare_api::v1::client_frame::Instruction as Say;
use faceshare_api::v1::server_frame::Instruction;
use faceshare_api::v1::{AckHeart, ActionSync, MoveAway, ServerFrame, SysHeart, TokenRenewed, Welcome};
use faceshare_api::wellknown;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

const WELCOME_TIMEOUT: Duration = Duration::from_secs(10);
/// The contract: after three failures before `welcome` the token call is asked what is wrong.
const FAILURES_BEFORE_ASKING: u32 = 3;
/// A connection that lived less is no reason to start over with short delays: a server that welcomes and drops would be hammered.
const STABLE: Duration = Duration::from_secs(10);

pub(super) enum Command {
    Say(Say, Answer),
    Act(ActionSync),
}

/// What the application knows of the network; each change counts.
pub(super) struct Network {
    pub(super) online: bool,
    pub(super) generation: u64,
}

impl Default for Network {
    fn default() -> Self {
        Self { online: true, generation: 0 }
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
    /// Tries in a row that ended before `welcome`.
    failures: u32,
    /// Tries since the last `welcome`, for the application.
    attempt: u32,
    /// A new token was got and has not led to a `welcome` yet.
    renewed: bool,
    welcomed: Option<Instant>,
    /// The socket that a draining node asked to leave: kept until the next one is welcome, so that nobody sees this point blink.
    leaving: Option<Link>,
}

/// What one welcome brought and the conversation needs.
struct Talk {
    silence: Duration,
    heard: Instant,
    ping: Option<(u64, Instant)>,
    pings: u64,
    move_at: Option<Instant>,
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
                // Whoever stopped listening does not miss it.
                let _ = self.emit(Event::Closed(closed)).await;
                return;
            }
        }
    }

    /// One connection, from the handshake to its end.
    async fn connection(&mut self) -> Ended {
        if self.network.wait_for(|network| network.online).await.is_err() {
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

    /// Connects and reads `welcome`; gives the heartbeat interval.
    async fn enter(&mut self) -> Result<(Link, Duration), Ended> {
        let Settings { url, token, format, .. } = &self.settings;
        let mut link = tokio::select! {
            dialed = Link::dial(url, token, *format, self.position.as_ref()) => dialed?,
            _ = self.network.changed() => return Err(Ended::Network),
        };
        let first = timeout(WELCOME_TIMEOUT, first_frame(&mut link)).await;
        let frame = first.unwrap_or_else(|_| Err(Ended::Broken("no welcome".into())))?;
        let Some(Instruction::Welcome(welcome)) = frame.instruction else { return Err(Ended::Fault(Fault::Welcome)) };
        let asked = self.position.take();
        // A resume that cannot be right is asked for again as a snapshot: the position is gone.
        self.position = Some(order::enter(asked.as_ref(), &welcome).map_err(Ended::Fault)?);
        self.point = welcome.self_.map(|me| Id(me.point_id));
        (self.failures, self.attempt, self.renewed) = (0, 0, false);
        (self.welcomed, self.leaving) = (Some(Instant::now()), None);
        let interval = interval_of(&welcome);
        self.emit(Event::Welcome { at: frame.at, welcome: Box::new(welcome) }).await?;
        Ok((link, interval))
    }

    async fn converse(&mut self, link: &mut Link, interval: Duration) -> Result<Infallible, Ended> {
        let now = Instant::now();
        let mut talk = Talk { silence: interval + self.settings.patience, heard: now, ping: None, pings: 0, move_at: None };
        for frame in self.outbox.again() {
            link.send(&frame).await?;
        }
        talk.ping(link).await?;
        loop {
            let due = self.outbox.next_due();
            tokio::select! {
                received = link.receive() => {
                    let received = received?;
                    talk.heard = Instant::now();
                    self.hear(link, &mut talk, received).await?;
                }
                command = self.commands.recv(), if self.outbox.has_room() => {
                    let Some(command) = command else { return Err(Ended::Abandoned) };
                    if let Some(frame) = self.note(command) {
                        link.send(&frame).await?;
                    }
                }
                () = sleep_until(talk.heard + talk.silence) => return Err(Ended::Broken("nothing heard from the server".into())),
                () = until(due) => {
                    for frame in self.outbox.take_due(Instant::now()) {
                        link.send(&frame).await?;
                    }
                }
                () = until(talk.move_at) => return Err(Ended::Moved),
                changed = self.network.changed() => return Err(if changed.is_ok() { Ended::Network } else { Ended::Abandoned }),
            }
        }
    }

    fn note(&mut self, command: Command) -> Option<faceshare_api::v1::ClientFrame> {
        match command {
            Command::Say(instruction, answer) => Some(self.outbox.say(instruction, answer)),
            Command::Act(action) => self.outbox.act(action),
        }
    }

    async fn hear(&mut self, link: &mut Link, talk: &mut Talk, received: Received) -> Result<(), Ended> {
        match received {
            Received::Frame(frame) => self.frame(link, talk, *frame).await,
            Received::Pong(payload) => match talk.pong(&payload) {
                Some(round_trip) => self.emit(Event::RoundTrip(round_trip)).await,
                None => Ok(()),
            },
            Received::Noise => Ok(()),
        }
    }

    async fn frame(&mut self, link: &mut Link, talk: &mut Talk, mut frame: ServerFrame) -> Result<(), Ended> {
        let position = self.position.as_mut().ok_or(Ended::Fault(Fault::Welcome))?;
        position.advance(frame.seq).map_err(Ended::Fault)?;
        let last_seq = position.seq;
        let mut retrying = None;
        match &mut frame.instruction {
            Some(Instruction::Welcome(_)) => return Err(Ended::Fault(Fault::Welcome)),
            Some(Instruction::Ack(ack)) => self.outbox.ack(*ack),
            Some(Instruction::Nack(nack)) => {
                let delay = self.outbox.nack(nack.clone(), Instant::now());
                retrying = delay.map(|delay| Event::Retrying { code: nack.code.clone(), detail: nack.detail.clone(), delay });
            }
            Some(Instruction::SysHeart(SysHeart { sent_at })) => {
                link.send(&unnumbered(Say::AckHeart(AckHeart { sent_at: *sent_at, last_seq }))).await?;
                talk.ping(link).await?;
            }
            Some(Instruction::TokenRenewed(TokenRenewed { session_token, .. })) => {
                self.settings.token = std::mem::take(session_token);
            }
            Some(Instruction::MoveAway(MoveAway { after, jitter })) => {
                let jitter = (self.settings.jitter)(span(jitter.as_ref()));
                talk.move_at = Some(Instant::now() + span(after.as_ref()) + jitter);
            }
            _ => {}
        }
        self.emit(Event::Frame(Box::new(frame))).await?;
        match retrying {
            Some(event) => self.emit(event).await,
            None => Ok(()),
        }
    }

    /// What comes after an end: waits until the next try is due, or says that there is none.
    async fn recover(&mut self, ended: Ended) -> Option<Closed> {
        if let Ended::Fault(fault) = &ended {
            tracing::warn!(%fault, "the server broke its promise");
            if self.emit(Event::Fault(fault.clone())).await.is_err() {
                return Some(abandoned());
            }
        }
        if self.welcomed.take().is_some_and(|at| at.elapsed() >= STABLE) {
            self.backoff.reset();
        }
        match policy::after(ended) {
            Next::Stop(closed) => Some(closed),
            Next::ResumeNow { why } => {
                self.backoff.reset();
                self.announce(Duration::ZERO, why).await
            }
            Next::Resume { why, .. } if self.failures >= FAILURES_BEFORE_ASKING && self.settings.tokens.is_some() => {
                self.failures = 0;
                self.renew(why).await
            }
            Next::Resume { why, at_least } => self.wait(why, at_least).await,
            Next::Renew { why } if self.settings.tokens.is_some() && !self.renewed => {
                self.renewed = true;
                self.renew(why).await
            }
            Next::Renew { why } => Some(Closed { code: policy::UNAUTHENTICATED, reason: why, refusal: None }),
        }
    }

    async fn renew(&mut self, why: String) -> Option<Closed> {
        let tokens = self.settings.tokens.clone()?;
        match tokens.renew(self.point).await {
            Ok(grant) => {
                (self.settings.token, self.settings.url) = (grant.session_token, grant.websocket_url);
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

    /// Until the backoff is over or the network changes; what the application says meanwhile is kept for the next `welcome`.
    async fn wait(&mut self, why: String, at_least: Option<Duration>) -> Option<Closed> {
        let delay = self.backoff.next(at_least);
        if let Some(closed) = self.announce(delay, why).await {
            return Some(closed);
        }
        let over = sleep(delay);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return None,
                changed = self.network.changed() => return changed.err().map(|_| abandoned()),
                command = self.commands.recv(), if self.outbox.has_room() => match command {
                    Some(command) => drop(self.note(command)),
                    None => return Some(abandoned()),
                },
            }
        }
    }

    async fn announce(&mut self, delay: Duration, why: String) -> Option<Closed> {
        self.attempt += 1;
        self.emit(Event::Reconnecting { attempt: self.attempt, delay, why }).await.err().map(|_| abandoned())
    }

    async fn emit(&self, event: Event) -> Result<(), Ended> {
        self.events.send(event).await.map_err(|_| Ended::Abandoned)
    }
}

impl Talk {
    async fn ping(&mut self, link: &mut Link) -> Result<(), Ended> {
        self.pings += 1;
        self.ping = Some((self.pings, Instant::now()));
        link.ping(self.pings.to_be_bytes().to_vec()).await
    }

    fn pong(&mut self, payload: &[u8]) -> Option<Duration> {
        let (ping, sent) = self.ping.take_if(|(ping, _)| payload == ping.to_be_bytes())?;
        tracing::trace!(ping, "pong");
        Some(sent.elapsed())
    }
}

/// The first frame, whatever pings come before it.
async fn first_frame(link: &mut Link) -> Result<ServerFrame, Ended> {
    loop {
        if let Received::Frame(frame) = link.receive().await? {
            return Ok(*frame);
        }
    }
}

/// Never, when there is no such time.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn interval_of(welcome: &Welcome) -> Duration {
    const CONTRACT_DEFAULT: Duration = Duration::from_secs(20);
    welcome.heartbeat_interval.as_ref().map_or(CONTRACT_DEFAULT, |interval| span(Some(interval)))
}

fn span(duration: Option<&wellknown::Duration>) -> Duration {
    Duration::from_millis(duration.map_or(0, |duration| u64::try_from(duration.as_millis()).unwrap_or_default()))
}

fn abandoned() -> Closed {
    Closed { code: 1000, reason: "stopped".into(), refusal: None }
}
