//! The reading side: checks and limits what a client sends, and passes frames to the session.

use super::heartbeat::Heartbeat;
use super::meter::{TokenBucket, WindowCounter};
use super::socket::{FrameSource, Incoming};
use super::{Connection, Outbound};
use crate::instruction::settings::StreamSettings;
use bytes::Bytes;
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::Timestamp;
use faceshare_biz::domain::instruction::{
    ClientFrame, CloseReason, Command, Decoded, Notice, Seq, ServerFrame,
};
use std::borrow::Cow;
use std::future::pending;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

pub(super) struct Reader<'a> {
    connection: &'a Connection<'a>,
    heartbeat: &'a Heartbeat<'a>,
    settings: &'a StreamSettings,
    /// Malformed frames in a row.
    malformed: u32,
    ordered: TokenBucket,
    actions: WindowCounter,
    keepalives: WindowCounter,
    /// Answers are queued and not flushed yet, so that they are written together with the next
    /// ones.
    unwritten: bool,
}

/// The result of one input.
enum ReadOutcome {
    /// The input is processed; with the close reason if it breaks a rule.
    Handled(Option<CloseReason>),
    /// The session's mailbox is full, or the session is gone.
    SessionFull(Box<ClientFrame>),
    /// The peer is gone; with the answer to its close frame, if it sent one.
    Ended(Option<Bytes>),
}

impl<'a> Reader<'a> {
    pub(super) fn new(connection: &'a Connection<'a>, heartbeat: &'a Heartbeat<'a>) -> Self {
        let settings = connection.clients.sessions.settings();
        Self {
            connection,
            heartbeat,
            settings,
            malformed: 0,
            ordered: TokenBucket::full(settings.ordered_burst),
            actions: WindowCounter::new(),
            keepalives: WindowCounter::new(),
            unwritten: false,
        }
    }

    /// Completes when the peer is gone, with the answer to its close frame if it sent one. For any
    /// other end of the connection the reader closes the outbound queue and stays pending, whatever
    /// the peer does meanwhile.
    pub(super) async fn run(&mut self, source: &mut impl FrameSource) -> Option<Bytes> {
        loop {
            if !source.has_more() {
                self.write_answers();
            }
            let incoming = source.next().await;
            // Input of a connection that is being closed is ignored, even if the peer does not know
            // of it yet. The writer closes it.
            if self.outbound().closing().is_some() {
                return pending().await;
            }
            let outcome = self.process(incoming, source.has_more());
            let violation = match outcome {
                ReadOutcome::Ended(close_answer) => return close_answer,
                ReadOutcome::Handled(violation) => violation,
                ReadOutcome::SessionFull(frame) => Box::pin(self.wait_for_session(frame)).await,
            };
            if let Some(reason) = violation {
                self.outbound().close(reason);
                // Stop reading at once: the input that breaks the rules may be endless.
                return pending().await;
            }
        }
    }

    /// `more`: further input has already arrived.
    fn process(&mut self, incoming: Incoming, more: bool) -> ReadOutcome {
        self.heartbeat.heard();
        ReadOutcome::Handled(match incoming {
            Incoming::Gone => return ReadOutcome::Ended(None),
            Incoming::CloseFrame(answer) => return ReadOutcome::Ended(Some(answer)),
            Incoming::Alive => self.count_keepalive(),
            Incoming::Probe(answer) => {
                self.enqueue_answer(answer);
                self.count_keepalive()
            }
            Incoming::Broken => Some(CloseReason::BadFrames),
            Incoming::TooLarge => Some(CloseReason::FrameTooLarge),
            Incoming::WrongKind => self.malformed(),
            Incoming::Frame(message) => match self
                .connection
                .clients
                .codec
                .decode(self.connection.format, &message)
            {
                Decoded::Malformed => self.malformed(),
                Decoded::Refused { id, code, detail } => self.refuse(id, code, detail),
                Decoded::Frame(frame) => return self.carry_out(frame, more),
            },
        })
    }

    fn outbound(&self) -> &Outbound {
        &self.connection.outbound
    }

    fn malformed(&mut self) -> Option<CloseReason> {
        self.malformed += 1;
        (self.malformed >= self.settings.bad_frames).then_some(CloseReason::BadFrames)
    }

    fn carry_out(&mut self, frame: ClientFrame, more: bool) -> ReadOutcome {
        self.malformed = 0;
        match frame.command {
            Command::AckHeart { last_seq, .. } => {
                self.heartbeat.seen(Seq::new(last_seq));
                self.answer(
                    frame.id,
                    Notice::Ack {
                        id: frame.id,
                        seq: Seq::NONE,
                    },
                );
                return ReadOutcome::Handled(self.count_keepalive());
            }
            Command::ActionSync(_)
                if !self
                    .actions
                    .count(self.settings.actions_flood_per_second, SECOND) =>
            {
                return ReadOutcome::Handled(Some(CloseReason::TooMany));
            }
            Command::ActionSync(_) => {}
            _ if !self.ordered.take(
                self.settings.ordered_per_second,
                self.settings.ordered_burst,
            ) =>
            {
                return ReadOutcome::Handled(self.refuse(
                    frame.id,
                    ErrorCode::RateLimited,
                    "too many instructions; wait a moment".into(),
                ));
            }
            _ => {}
        }
        self.write_answers();
        let Connection {
            session,
            claims,
            incarnation,
            ..
        } = self.connection;
        let frame = match frame.command {
            // Most positions are processed inline. If more input has arrived, the session's task
            // processes it together and writes once.
            Command::ActionSync(_) if !more => {
                session.try_inline(claims.point, *incarnation, frame)
            }
            _ => Some(frame),
        };
        match frame.map(|frame| (session.try_reserve(), frame)) {
            None => ReadOutcome::Handled(None),
            Some((Some(permit), frame)) => {
                permit.frame(claims.point, *incarnation, Box::new(frame));
                ReadOutcome::Handled(None)
            }
            Some((None, frame)) => ReadOutcome::SessionFull(Box::new(frame)),
        }
    }

    /// Waits until the session's mailbox takes the frame. Meanwhile nothing is read, so silence
    /// does not count against the peer.
    async fn wait_for_session(&self, frame: Box<ClientFrame>) -> Option<CloseReason> {
        let Connection {
            session,
            claims,
            incarnation,
            ..
        } = self.connection;
        match self.heartbeat.while_not_reading(session.reserve()).await {
            Some(permit) => {
                permit.frame(claims.point, *incarnation, frame);
                None
            }
            None => Some(CloseReason::Internal),
        }
    }

    /// Counts an input that only shows that the peer is alive; returns the close reason if there
    /// are too many.
    fn count_keepalive(&mut self) -> Option<CloseReason> {
        (!self
            .keepalives
            .count(self.settings.keepalives_per_second, SECOND))
        .then_some(CloseReason::TooMany)
    }

    fn refuse(
        &mut self,
        id: u32,
        code: ErrorCode,
        detail: Cow<'static, str>,
    ) -> Option<CloseReason> {
        if code != ErrorCode::RateLimited {
            self.malformed = 0;
        }
        self.answer(id, Notice::Nack { id, code, detail });
        (!self
            .outbound()
            .count_refusal(self.settings.refusals, self.settings.refusal_window))
        .then_some(CloseReason::TooMany)
    }

    fn answer(&mut self, id: u32, notice: Notice) {
        if id != 0 {
            let frame = ServerFrame::notice(self.now(), notice);
            self.enqueue_answer(
                self.connection
                    .clients
                    .codec
                    .encode(self.connection.format, &frame),
            );
        }
    }

    /// Queues an answer. Answers to frames that arrive together are written together, so that a
    /// peer cannot cause one write for each of its frames.
    fn enqueue_answer(&mut self, answer: Bytes) {
        self.unwritten |= self.outbound().enqueue(answer);
    }

    fn write_answers(&mut self) {
        if std::mem::take(&mut self.unwritten) {
            self.outbound().flush();
        }
    }

    fn now(&self) -> Timestamp {
        self.connection.clients.sessions.deps().clock.now()
    }
}
