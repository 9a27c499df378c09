//! How a connection becomes a point.
//!
//! The entry of the connection is committed before the welcome is sent, so that the snapshot
//! contains the new point. From the commit on, frames go to the connection's outbound queue. The
//! frames that it missed before come from memory or the log, read by the connection itself. Missed
//! and queued frames join without gap or overlap because both are cut at the same seq: the head
//! when the entry was stepped.

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

/// A connection's request to become a point.
#[derive(Debug)]
pub struct Opening {
    /// The claims of its session token.
    pub claims: SessionClaims,
    /// Unique number that distinguishes it from earlier connections of the same point.
    pub incarnation: u64,
    /// The wire format of its frames.
    pub format: WireFormat,
    /// The queue of its outgoing frames.
    pub outbound: Arc<Outbound>,
    /// The last frame that its client has seen; `None` when it does not resume.
    pub position: Option<Position>,
}

/// The answer to an [`Opening`]: the connection is a point.
#[derive(Debug)]
pub struct Connected {
    /// The encoded `welcome`, which is the first frame.
    pub welcome: Bytes,
    /// The missed frames to send after it; `None` when the welcome has a snapshot.
    pub missed: Option<Missed>,
}

/// The range of frames that a client has missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// The epoch of both seqs.
    pub epoch: Epoch,
    /// The last seq that the client has seen.
    pub after: Seq,
    /// The last seq to send.
    pub upto: Seq,
    /// The entries with these frames, if they are still in memory.
    pub(crate) recent: Option<Vec<RecentEntry>>,
}

/// A connection whose entry is stepped and not committed yet.
pub(crate) struct Connecting {
    opening: Opening,
    welcome: Welcome,
    missed: Option<Missed>,
    reply: oneshot::Sender<Result<Connected>>,
}

impl Connecting {
    pub(crate) fn refuse(self, error: Error) {
        // The send fails if the connection is gone.
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
            // A connect always changes the state: at least the incarnation of the point.
            Ok(Step::Repeated(_) | Step::Unchanged) => {
                drop(reply.send(Err(Error::internal("a connect that changes nothing"))))
            }
            Err(reject) => self.refuse_connect(reject.into(), reply),
        }
    }

    /// The refusal may depend on entries that are not committed yet, so it waits for the commit
    /// too.
    fn refuse_connect(&mut self, error: Error, reply: oneshot::Sender<Result<Connected>>) {
        let refuse =
            move |committed: Result<()>| drop(reply.send(Err(committed.err().unwrap_or(error))));
        self.after_commit(Outcome::Release(Box::new(refuse)));
    }

    fn welcome(&mut self, opening: &Opening) -> (Welcome, Option<Missed>) {
        // The next append trims expired entries, so they cannot be resumed from.
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

    /// Called after the commit of the connection's entry: attaches it as a point.
    pub(crate) fn attach(&mut self, connecting: Connecting) {
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
        // The latest positions as of now: those that came since the entry was stepped were not sent
        // to this connection.
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
            // Only now are all of them committed and in `recent`.
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
            self.point_lost(point, incarnation);
        } else {
            self.fanout
                .deliver_to_point(point, incarnation, self.now(), &latest);
            if member == self.door.host() {
                self.send_waiting_knocks(point, incarnation);
            }
        }
        if self.deps.points.is_gone(member) {
            self.close_and_remove(member);
        }
    }

    /// Closes the connections of a member whose account was deleted while it connected, and removes
    /// the member. The deletion did not find this connection.
    fn close_and_remove(&mut self, member: MemberId) {
        self.fanout
            .close_member(member, CloseReason::Unauthenticated);
        if let Ok(Step::Entry(entry)) = self.step(Input::Gone { member }) {
            self.accept(entry, None);
        }
    }

    /// Sends the waiting knocks to a point of the host, at each of its connects.
    fn send_waiting_knocks(&mut self, point: PointId, incarnation: u64) {
        for knock in self.door.waiting() {
            self.fanout.send_to_point(
                point,
                incarnation,
                &ServerFrame::notice(self.deps.clock.now(), Notice::MemberKnock(knock)),
            );
        }
    }

    /// For [`ENDED_REPLAY`] after the end, members may connect to get the frames that they missed,
    /// or only the last frame.
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
            (Some(ended), _) => return self.connect_to_ended(ended, opening, reply),
        };
        self.refuse_connect(error, reply);
    }

    fn connect_to_ended(
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
            // The same sender as in the log: the host, or none if the server ended it.
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
        let send_reply = move |committed: Result<()>| {
            let answer = committed.map(|()| {
                last.into_iter().for_each(|frame| outbound.push(frame));
                outbound.close(CloseReason::SessionEnded);
                connected
            });
            // The send fails if the connection is gone.
            drop(reply.send(answer));
        };
        self.after_commit(Outcome::Release(Box::new(send_reply)));
    }

    /// Encodes a welcome. If its snapshot is over the limit of a frame, which takes a very full
    /// session, the names of devices are left out.
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
