//! A connection becomes a point.
//!
//! Connecting commits first and answers after, so that the snapshot holds the newcomer. From the commit on, frames go to the connection's
//! outbound queue; what it missed before comes from memory or the log, streamed by the connection itself, and joins the queue without gap or overlap
//! because both are cut at the same seq: the head when it was let in.

use super::actor::Actor;
use super::outcome::Outcome;
use crate::instruction::connclient::Outbound;
use crate::instruction::fanout::Attached;
use crate::instruction::recent::RecentEntry;
use bytes::Bytes;
use faceshare_biz::constants::ENDED_REPLAY;
use faceshare_biz::domain::facesession::{EndReason, Ended, SessionClaims};
use faceshare_biz::domain::instruction::{
    CloseReason, Device, Epoch, Event, Notice, PointInfo, Position, Role, Seq, ServerFrame,
    Snapshot, Statement, Welcome, WireFormat,
};
use faceshare_biz::domain::{MemberId, PointId};
use faceshare_biz::{Error, ErrorCode, Result};
use faceshare_exec::{Access, Input, Step};
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
    /// The entries that hold them, if they are still in memory.
    pub(crate) recent: Option<Vec<RecentEntry>>,
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
        let input = Input::Connect {
            member,
            point,
            incarnation: opening.incarnation,
        };
        match self.step(input) {
            Ok(Step::Entry(entry)) => {
                self.accept(entry, None);
                let (welcome, missed) = self.welcome(&opening);
                self.after_commit(Outcome::Connected(Box::new(Connecting {
                    opening,
                    welcome,
                    missed,
                    reply,
                })));
            }
            // Connecting always changes something: at the least which connection holds the point.
            Ok(Step::Repeated(_) | Step::Unchanged) => {
                drop(reply.send(Err(Error::internal("a connect that changes nothing"))))
            }
            Err(reject) => self.refuse_connect(reject.into(), reply),
        }
    }

    /// The refusal may rest on what is not in the log yet, so it waits like everything else.
    fn refuse_connect(&mut self, error: Error, reply: oneshot::Sender<Result<Connected>>) {
        let refuse =
            move |committed: Result<()>| drop(reply.send(Err(committed.err().unwrap_or(error))));
        self.after_commit(Outcome::Release(Box::new(refuse)));
    }

    fn welcome(&mut self, opening: &Opening) -> (Welcome, Option<Missed>) {
        // What the next append lets the log forget is not promised any more.
        self.window.expire(self.deps.clock.now());
        let state = &self.state;
        let head = state.seq();
        let missed = opening
            .position
            .as_ref()
            .filter(|p| p.epoch == *state.epoch() && self.window.covers(p.seq, head))
            .map(|p| Missed {
                epoch: p.epoch.clone(),
                after: p.seq,
                upto: head,
                recent: None,
            });
        let snapshot = missed.is_none().then(|| self.state.snapshot());
        (self.greeting(opening, head, snapshot), missed)
    }

    fn greeting(&self, opening: &Opening, seq: Seq, snapshot: Option<Snapshot>) -> Welcome {
        let SessionClaims { member, point, .. } = opening.claims;
        let person = self.state.person(member);
        Welcome {
            member,
            point: PointInfo {
                id: point,
                device: person
                    .and_then(|p| p.devices.get(&point))
                    .cloned()
                    .unwrap_or_default(),
            },
            role: person.map_or(Role::Guest, |p| self.state.role(&p.profile)),
            epoch: self.state.epoch().clone(),
            seq,
            heartbeat_interval: self.deps.settings.heartbeat_interval,
            snapshot,
        }
    }

    /// The log has the connection's entry: it is a point from now on.
    pub(crate) fn let_in(&mut self, connecting: Connecting) {
        let Connecting {
            opening,
            mut welcome,
            mut missed,
            reply,
        } = connecting;
        let SessionClaims { member, point, .. } = opening.claims;
        let Opening {
            claims,
            incarnation,
            format,
            outbound,
            ..
        } = opening;
        // The newest as of now: what came since the entry was stepped was not shown to a connection that was not here yet.
        let latest = self
            .fanout
            .root(member)
            .map(|root| self.actions.latest(&self.state, root))
            .unwrap_or_default();
        let latest = match &mut welcome.snapshot {
            Some(snapshot) => {
                snapshot.actions = latest;
                Vec::new()
            }
            None => latest,
        };
        if let Some(missed) = &mut missed {
            // Only now is all of it committed, and here.
            missed.recent = self.recent.after(&missed.epoch, missed.after);
        }
        let connected = Connected {
            welcome: self.encode_welcome(format, welcome),
            missed,
        };
        self.fanout.attach(Attached {
            member,
            point,
            incarnation,
            format,
            outbound: outbound.clone(),
        });
        self.deps.points.add(claims, incarnation, outbound);
        if reply.send(Ok(connected)).is_err() {
            self.lost(point, incarnation);
        } else {
            self.fanout
                .show_point(point, incarnation, self.now(), &latest);
            if member == self.door.host() {
                self.show_who_waits(point, incarnation);
            }
        }
        if self.deps.points.is_gone(member) {
            self.see_off(member);
        }
    }

    /// The account was deleted while its connection was on the way in: whoever looked for its points did not find this one.
    fn see_off(&mut self, member: MemberId) {
        self.fanout
            .close_member(member, CloseReason::Unauthenticated);
        if let Ok(Step::Entry(entry)) = self.step(Input::Gone { member }) {
            self.accept(entry, None);
        }
    }

    /// The host sees who waits from each of its points, however often they connect.
    fn show_who_waits(&mut self, point: PointId, incarnation: u64) {
        for knock in self.door.waiting() {
            self.fanout.tell(
                point,
                incarnation,
                &ServerFrame::notice(self.deps.clock.now(), Notice::MemberKnock(knock)),
            );
        }
    }

    /// For a while after its end, people are let in to be told so: what they missed, or the last frame alone.
    fn connect_after_the_end(
        &mut self,
        opening: Opening,
        reply: oneshot::Sender<Result<Connected>>,
    ) {
        let ended = self
            .state
            .ended()
            .filter(|e| self.now().since(e.at) <= ENDED_REPLAY);
        let error = match (ended, self.state.access(opening.claims.member)) {
            (_, Access::Removed) => Error::new(
                ErrorCode::Forbidden,
                "the host removed you from this session",
            ),
            (_, Access::Stranger) => {
                Error::new(ErrorCode::Unauthenticated, "you are not in this session")
            }
            (None, _) => Error::new(ErrorCode::SessionEnded, "the session is over"),
            (Some(ended), _) => return self.see_out(ended, opening, reply),
        };
        self.refuse_connect(error, reply);
    }

    fn see_out(
        &mut self,
        ended: Ended,
        opening: Opening,
        reply: oneshot::Sender<Result<Connected>>,
    ) {
        let (mut welcome, missed) = self.welcome(&opening);
        let Opening {
            format, outbound, ..
        } = opening;
        let last = missed.is_none().then(|| {
            let statement = Statement::Event(Event::SessEnd {
                reason: ended.reason,
            });
            // As the log has it: it is the host's doing, or the server's.
            let from = (ended.reason == EndReason::HostEnded).then(|| self.state.host());
            let frame = ServerFrame {
                seq: welcome.seq,
                at: ended.at,
                from,
                statement,
            };
            welcome.seq = Seq::new(welcome.seq.get().saturating_sub(1));
            self.deps.codec.encode(format, &frame)
        });
        let connected = Connected {
            welcome: self.encode_welcome(format, welcome),
            missed,
        };
        let see_out = move |committed: Result<()>| {
            let answer = committed.map(|()| {
                last.into_iter().for_each(|frame| outbound.push(frame));
                outbound.close(CloseReason::SessionEnded);
                connected
            });
            // The connection may have gone away meanwhile.
            drop(reply.send(answer));
        };
        self.after_commit(Outcome::Release(Box::new(see_out)));
    }

    /// A snapshot of a very full session goes without the names of devices rather than over the limit of a frame.
    fn encode_welcome(&self, format: WireFormat, welcome: Welcome) -> Bytes {
        let mut frame = ServerFrame::notice(self.now(), Notice::Welcome(Box::new(welcome)));
        let bytes = self.deps.codec.encode(format, &frame);
        if bytes.len() <= self.deps.settings.frame_out {
            return bytes;
        }
        if let Statement::Notice(Notice::Welcome(welcome)) = &mut frame.statement {
            let members = welcome
                .snapshot
                .iter_mut()
                .flat_map(|s| s.members.iter_mut());
            for point in members.flat_map(|m| m.points.iter_mut()) {
                point.device = Device::default();
            }
        }
        self.deps.codec.encode(format, &frame)
    }
}
