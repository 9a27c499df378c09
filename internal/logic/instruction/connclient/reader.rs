//! The reading side: what a client may send, how much of it, and what becomes of what it may not.

use super::meter::{Bucket, Tally};
use super::pulse::Pulse;
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
    pulse: &'a Pulse<'a>,
    settings: &'a StreamSettings,
    /// Frames in a row that were none.
    malformed: u32,
    ordered: Bucket,
    actions: Tally,
    signs: Tally,
    /// Answers wait to be written, together with what is answered next.
    unwritten: bool,
}

/// What came of something that was read.
enum Taken {
    /// It is dealt with; or it is nothing that a peer may say, and the connection is to be closed for this reason.
    In(Option<CloseReason>),
    /// The session has no room for it at the moment, or is gone.
    MustWait(Box<ClientFrame>),
    /// The peer is gone; the answer to its goodbye, if it said one.
    Over(Option<Bytes>),
}

impl<'a> Reader<'a> {
    pub(super) fn new(connection: &'a Connection<'a>, pulse: &'a Pulse<'a>) -> Self {
        let settings = connection.clients.sessions.settings();
        Self {
            connection,
            pulse,
            settings,
            malformed: 0,
            ordered: Bucket::full(settings.ordered_burst),
            actions: Tally::new(),
            signs: Tally::new(),
            unwritten: false,
        }
    }

    /// Returns when the peer is gone, with the answer to its goodbye if it said one. Anything else that ends a connection goes through the
    /// outbound queue, and the reader waits for it, whatever the peer does meanwhile.
    pub(super) async fn run(&mut self, source: &mut impl FrameSource) -> Option<Bytes> {
        loop {
            if !source.has_more() {
                self.write_answers();
            }
            let incoming = source.next().await;
            // Whoever is to go is not listened to any more, whether it has heard so or not. The writer sees it off.
            if self.outbound().closing().is_some() {
                return pending().await;
            }
            let taken = self.take(incoming, source.has_more());
            let violation = match taken {
                Taken::Over(goodbye) => return goodbye,
                Taken::In(violation) => violation,
                Taken::MustWait(frame) => Box::pin(self.hand_over(frame)).await,
            };
            if let Some(reason) = violation {
                self.outbound().close(reason);
                // At once: what breaks the rules may come without an end, and would be read at every turn.
                return pending().await;
            }
        }
    }

    /// `more`: something else has been read with it.
    fn take(&mut self, incoming: Incoming, more: bool) -> Taken {
        self.pulse.heard();
        Taken::In(match incoming {
            Incoming::Gone => return Taken::Over(None),
            Incoming::CloseFrame(answer) => return Taken::Over(Some(answer)),
            Incoming::Alive => self.sign(),
            Incoming::Probe(answer) => {
                self.queue(answer);
                self.sign()
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

    fn carry_out(&mut self, frame: ClientFrame, more: bool) -> Taken {
        self.malformed = 0;
        match frame.command {
            Command::AckHeart { last_seq, .. } => {
                self.pulse.seen(Seq::new(last_seq));
                self.answer(
                    frame.id,
                    Notice::Ack {
                        id: frame.id,
                        seq: Seq::NONE,
                    },
                );
                return Taken::In(self.sign());
            }
            Command::ActionSync(_)
                if !self
                    .actions
                    .count(self.settings.actions_flood_per_second, SECOND) =>
            {
                return Taken::In(Some(CloseReason::TooMany));
            }
            Command::ActionSync(_) => {}
            _ if !self.ordered.take(
                self.settings.ordered_per_second,
                self.settings.ordered_burst,
            ) =>
            {
                return Taken::In(self.refuse(
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
            // Mostly carried out right there, and then that is all. What comes together is told together, which is the session's work.
            Command::ActionSync(_) if !more => session.bring(claims.point, *incarnation, frame),
            _ => Some(frame),
        };
        match frame.map(|frame| (session.try_room(), frame)) {
            None => Taken::In(None),
            Some((Some(room), frame)) => {
                room.frame(claims.point, *incarnation, Box::new(frame));
                Taken::In(None)
            }
            Some((None, frame)) => Taken::MustWait(Box::new(frame)),
        }
    }

    /// Waits until the session takes the frame. Meanwhile this side reads nothing: silence says nothing about the peer.
    async fn hand_over(&self, frame: Box<ClientFrame>) -> Option<CloseReason> {
        let Connection {
            session,
            claims,
            incarnation,
            ..
        } = self.connection;
        match self.pulse.deaf_while(session.room()).await {
            Some(room) => {
                room.frame(claims.point, *incarnation, frame);
                None
            }
            None => Some(CloseReason::Internal),
        }
    }

    /// Counts something that only shows that the peer is there.
    fn sign(&mut self) -> Option<CloseReason> {
        (!self
            .signs
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
            .survives_refusal(self.settings.refusals, self.settings.refusal_window))
        .then_some(CloseReason::TooMany)
    }

    fn answer(&mut self, id: u32, notice: Notice) {
        if id != 0 {
            let frame = ServerFrame::notice(self.now(), notice);
            self.queue(
                self.connection
                    .clients
                    .codec
                    .encode(self.connection.format, &frame),
            );
        }
    }

    /// What comes together is answered together: a peer cannot make the server write once for each of its frames.
    fn queue(&mut self, answer: Bytes) {
        self.unwritten |= self.outbound().queue(answer);
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
