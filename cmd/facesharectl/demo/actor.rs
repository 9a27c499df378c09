//! A client of the demo. It records what it receives, so that the script can wait for it and the
//! report can compare it.

use super::console::{Console, Lane};
use crate::app::VIEW;
use crate::describe::describe;
use crate::enter::Entered;
use crate::text;
use anyhow::{Result, anyhow, bail};
use entrance_client::{Api, Closed, Event, Events, Handle, Id, SessionView, stream};
use faceshare_api::v1::client_frame::Instruction as Say;
use faceshare_api::v1::server_frame::Instruction;
use faceshare_api::v1::{ActionSync, Pointer, ServerFrame, View, action_sync};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// Deadline of each expected event. The loss of a member takes seconds, all others a fraction of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a client of the demo received.
#[derive(Debug, Default)]
pub(super) struct Observed {
    pub(super) view: SessionView,
    /// The ordered frames.
    pub(super) frames: Vec<ServerFrame>,
    /// The sender and the page of each received view. Repeats in a row count once.
    pub(super) pages: Vec<(u64, u32)>,
    pub(super) last: Option<View>,
    pub(super) connected: bool,
    pub(super) resumes: u32,
    pub(super) faults: Vec<String>,
    pub(super) closed: Option<Closed>,
}

pub(super) struct Actor {
    pub(super) name: &'static str,
    pub(super) api: Api,
    pub(super) session: Id,
    pub(super) handle: Handle,
    pub(super) seen: watch::Receiver<Observed>,
}

impl Actor {
    /// Connects and waits for `welcome`.
    pub(super) async fn connect(
        name: &'static str,
        lane: Lane,
        entered: Entered,
        console: Console,
    ) -> Result<Self> {
        let Entered {
            api,
            session,
            settings,
            ..
        } = entered;
        let (handle, events) = stream::open(settings);
        let (sender, seen) = watch::channel(Observed::default());
        tokio::spawn(listen(events, sender, lane, console));
        let mut actor = Self {
            name,
            api,
            session,
            handle,
            seen,
        };
        actor.until("its welcome", |seen| seen.connected).await?;
        Ok(actor)
    }

    pub(super) fn id(&self) -> u64 {
        self.seen.borrow().view.me
    }

    /// Waits until `seen` is true for what the client received.
    pub(super) async fn until(
        &mut self,
        what: &str,
        holds: impl Fn(&Observed) -> bool,
    ) -> Result<()> {
        let closed = |seen: &Observed| seen.closed.is_some();
        let waited = timeout(
            PATIENCE,
            self.seen.wait_for(|seen| holds(seen) || closed(seen)),
        )
        .await;
        let name = self.name;
        let seen = waited
            .map_err(|_| anyhow!("{name} waited in vain for {what}"))?
            .map_err(|_| anyhow!("{name} stopped before {what}"))?;
        match &seen.closed {
            Some(closed) if !holds(&seen) => {
                bail!("{name} waited for {what}, but: {}", text::closed(closed))
            }
            _ => Ok(()),
        }
    }

    /// Waits until the last received view is this page of member `of`.
    pub(super) async fn until_page(&mut self, of: u64, page: u32) -> Result<()> {
        self.until(&format!("page {page}"), |seen| {
            seen.pages.last() == Some(&(of, page))
        })
        .await
    }

    pub(super) async fn say(&self, instruction: Say) -> Result<()> {
        let name = self.name;
        self.handle
            .send(instruction)
            .await
            .map(drop)
            .map_err(|rejected| anyhow!("{name} was refused: {rejected}"))
    }

    /// Sends a page and a pointer on it.
    pub(super) async fn turn_to(&self, page: u32) -> Result<()> {
        let place = View {
            page,
            x: 0.0,
            y: 0.0,
            zoom: 1.0,
            rotation: 0,
        };
        self.act(VIEW, action_sync::Value::View(place)).await?;
        self.act(
            crate::app::POINTER,
            action_sync::Value::Pointer(Pointer {
                x: 0.5,
                y: f64::from(page % 8) / 8.0,
            }),
        )
        .await
    }

    async fn act(&self, key: &str, value: action_sync::Value) -> Result<()> {
        let term = {
            let view = &self.seen.borrow().view;
            view.presenting
                .filter(|presenting| presenting.member_id == view.me)
                .map_or(0, |presenting| presenting.term)
        };
        Ok(self
            .handle
            .send_action(ActionSync {
                file_id: 0,
                key: key.into(),
                term,
                value: Some(value),
            })
            .await?)
    }
}

async fn listen(mut events: Events, seen: watch::Sender<Observed>, lane: Lane, console: Console) {
    while let Some(event) = events.next().await {
        let mut line = None;
        seen.send_modify(|seen| line = seen.take(&event));
        if let Some(line) = line
            && console.say(lane, &line).is_err()
        {
            return;
        }
    }
}

impl Observed {
    /// Records an event. Returns the line to show for it.
    fn take(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::Welcome { welcome, .. } => {
                self.connected = true;
                self.resumes += u32::from(welcome.resumed);
                self.view.welcome(welcome);
                self.shown_from_snapshot();
                Some(if welcome.resumed {
                    "connected again, resumed where it was".into()
                } else {
                    "connected".into()
                })
            }
            Event::Frame(frame) => self.frame(frame),
            Event::ProtocolViolation(fault) => {
                self.faults.push(fault.to_string());
                Some(format!("the server broke its order: {fault}"))
            }
            Event::Reconnecting { why, .. } => {
                self.connected = false;
                Some(format!("connection lost ({why})"))
            }
            Event::Closed(closed) => {
                self.closed = Some(closed.clone());
                Some(text::closed(closed))
            }
            Event::Retrying { code, detail, .. } => {
                Some(format!("{detail} ({code}); asking again"))
            }
            Event::RoundTrip(_) => None,
        }
    }

    fn frame(&mut self, frame: &ServerFrame) -> Option<String> {
        let line = describe(frame, &self.view).map(|line| line.text);
        if frame.seq > 0 {
            self.frames.push(frame.clone());
        }
        self.view.apply(frame);
        match &frame.instruction {
            Some(Instruction::ActionSync(ActionSync {
                value: Some(action_sync::Value::View(view)),
                ..
            })) => {
                self.shown(frame.from, *view);
                line
            }
            Some(Instruction::ActionSync(_)) => None,
            _ => line,
        }
    }

    fn shown(&mut self, from: u64, view: View) {
        if self.pages.last() != Some(&(from, view.page)) {
            self.pages.push((from, view.page));
        }
        self.last = Some(view);
    }

    fn shown_from_snapshot(&mut self) {
        let root = self.view.root(self.view.me).unwrap_or_default();
        if let Some(faceshare_api::v1::action::Value::View(view)) = self
            .view
            .action(root, VIEW)
            .and_then(|action| action.value.clone())
        {
            self.shown(root, view);
        }
    }
}
