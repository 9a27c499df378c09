//! A connection becomes a point.
//!
//! Connecting commits first and answers after, so that the snapshot holds the newcomer. From the commit on, frames go to the connection's
//! outbound queue; what it missed before comes from the log, streamed by the connection itself, and joins the queue without gap or overlap
//! because both are cut at the same seq: the head when it was let in.

use super::actor::Actor;
use super::outcome::Outcome;
use crate::instruction::connclient::Outbound;
use crate::instruction::fanout::Attached;
use bytes::Bytes;
use faceshare_biz::constants::ENDED_REPLAY;
use faceshare_biz::domain::facesession::SessionClaims;
use faceshare_biz::domain::instruction::{
    CloseReason, Device, Epoch, Event, Notice, PointInfo, Position, Role, Seq, ServerFrame, Snapshot, Statement, Welcome, WireFormat,
};
use faceshare_biz::{Error, ErrorCode, Result};
use faceshare_exec::{Access, Input, Step, step};
use std::sync::Arc;
use tokio::sync::oneshot;

/// A connection that wants to be a point.
#[derive(Debug)]
pub struct Opening {
    /// What its token says.
    pub claims: SessionClaims,
    /// Tells it from earlier connections of the same point.
    pub incarnation: u64,
    /// How its frames are written.
    pub format: WireFormat,
    /// Where it takes its frames from.
    pub outbound: Arc<Outbound>,
    /// What its client has seen.
    pub position: Option<Position>,
}

/// A connection that is a point now.
#[derive(Debug)]
pub struct Connected {
    /// The first frame.
    pub welcome: Bytes,
    /// What to send from the log right after it.
    pub missed: Option<Missed>,
}

/// Frames that a client has missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// In which order.
    pub epoch: Epoch,
    /// After this seq.
    pub after: Seq,
    /// Up to and with this one.
    pub upto: Seq,
}

/// A connection on its way in: its entry is stepped and not yet in the log.
pub(crate) struct Connecting {
    opening: Opening,
    welcome: Welcome,
    missed: Option<Missed>,
    reply: oneshot::Sender<Result<Connected>>,
}

impl Connecting {
    pub(crate) fn refuse(self, error: Error) {
        // The connection may have gone away meanwhile.
        let _ = self.reply.send(Err(error));
    }
}

impl Actor {
    pub(crate) fn connect(&mut self, opening: Opening, reply: oneshot::Sender<Result<Connected>>) {
        if self.state.is_ended() {
            return self.connect_after_the_end(opening, reply);
        }
        let SessionClaims { member, point, .. } = opening.claims;
        let input = Input::Connect { member, point, incarnation: opening.incarnation };
        match step(&self.state, &self.deps.settings.rules, self.now(), input) {
            Ok(Step::Entry(entry)) => {
                self.accept(entry, None);
                let (welcome, missed) = self.welcome(&opening);
                self.after_commit(Outcome::Connected(Box::new(Connecting { opening, welcome, missed, reply })));
            }
            // Connecting always changes something: at the least which connection holds the point.
            Ok(Step::Repeated(_) | Step::Unchanged) => drop(reply.send(Err(Error::internal("a connect that changes nothing")))),
            Err(reject) => drop(reply.send(Err(reject.into()))),
        }
    }

    fn welcome(&self, opening: &Opening) -> (Welcome, Option<Missed>) {
        let state = &self.state;
        let head = state.seq();
        let missed = opening.position.as_ref().filter(|p| p.epoch == *state.epoch() && self.window.covers(p.seq, head)).map(|p| Missed {
            epoch: p.epoch.clone(),
            after: p.seq,
            upto: head,
        });
        let snapshot = missed.is_none().then(|| self.snapshot(opening));
        (self.greeting(opening, head, snapshot), missed)
    }

    fn greeting(&self, opening: &Opening, seq: Seq, snapshot: Option<Snapshot>) -> Welcome {
        let SessionClaims { member, point, .. } = opening.claims;
        let person = self.state.person(member);
        Welcome {
            member,
            point: PointInfo { id: point, device: person.and_then(|p| p.devices.get(&point)).cloned().unwrap_or_default() },
            role: person.map_or(Role::Guest, |p| self.state.role(&p.profile)),
            epoch: self.state.epoch().clone(),
            seq,
            heartbeat_interval: self.deps.settings.heartbeat_interval,
            snapshot,
        }
    }

    fn snapshot(&self, opening: &Opening) -> Snapshot {
        let root = self.state.presence(opening.claims.member).and_then(|p| p.follow.root);
        let actions = root.map(|root| self.actions.latest(&self.state, root)).unwrap_or_default();
        Snapshot { actions, ..self.state.snapshot() }
    }

    /// The log has the connection's entry: it is a point from now on.
    pub(crate) fn let_in(&mut self, connecting: Connecting) {
        let Connecting { opening, welcome, missed, reply } = connecting;
        let SessionClaims { member, point, .. } = opening.claims;
        let Opening { incarnation, format, outbound, .. } = opening;
        let resumed = missed.is_some();
        let connected = Connected { welcome: self.encode_welcome(format, welcome), missed };
        self.fanout.attach(Attached { member, point, incarnation, format, outbound: outbound.clone() });
        self.deps.points.add(point, incarnation, outbound);
        if reply.send(Ok(connected)).is_err() {
            return self.lost(point, incarnation);
        }
        if resumed && let Some(root) = self.fanout.root(member) {
            let latest = self.actions.latest(&self.state, root);
            self.fanout.show_member(member, self.now(), latest);
        }
    }

    /// For a while after its end, people are let in to be told so: what they missed, or the last frame alone.
    fn connect_after_the_end(&self, opening: Opening, reply: oneshot::Sender<Result<Connected>>) {
        let ended = self.state.ended().filter(|e| self.now().since(e.at) <= ENDED_REPLAY);
        let answer = match (ended, self.state.access(opening.claims.member)) {
            (_, Access::Removed) => Err(Error::new(ErrorCode::Forbidden, "the host removed you from this session")),
            (_, Access::Stranger) => Err(Error::new(ErrorCode::Unauthenticated, "you are not in this session")),
            (None, _) => Err(Error::new(ErrorCode::SessionEnded, "the session is over")),
            (Some(_), _) => {
                let (mut welcome, missed) = self.welcome(&opening);
                let head = welcome.seq;
                if missed.is_none() {
                    welcome.seq = Seq::new(head.get().saturating_sub(1));
                    self.push_last_frame(&opening, head);
                }
                opening.outbound.close(CloseReason::SessionEnded);
                Ok(Connected { welcome: self.encode_welcome(opening.format, welcome), missed })
            }
        };
        // The connection may have gone away meanwhile.
        let _ = reply.send(answer);
    }

    /// A snapshot of a very full session goes without the names of devices rather than over the limit of a frame.
    fn encode_welcome(&self, format: WireFormat, mut welcome: Welcome) -> Bytes {
        let encode = |welcome| self.deps.codec.encode(format, &ServerFrame::notice(self.now(), Notice::Welcome(Box::new(welcome))));
        let bytes = encode(welcome.clone());
        if bytes.len() <= self.deps.settings.frame_out {
            return bytes;
        }
        let members = welcome.snapshot.iter_mut().flat_map(|s| s.members.iter_mut());
        for point in members.flat_map(|m| m.points.iter_mut()) {
            point.device = Device::default();
        }
        encode(welcome)
    }

    fn push_last_frame(&self, opening: &Opening, seq: Seq) {
        if let Some(ended) = self.state.ended() {
            let statement = Statement::Event(Event::SessEnd { reason: ended.reason });
            let frame = ServerFrame { seq, at: ended.at, from: None, statement };
            opening.outbound.push(self.deps.codec.encode(opening.format, &frame));
        }
    }
}
