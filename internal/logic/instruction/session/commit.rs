//! Appends entries to the log, and carries out what waits for the commit.

use super::Recovered;
use super::actor::{Actor, ActorDeps};
use super::outcome::Outcome;
use crate::instruction::codec::encode_state;
use crate::instruction::recent::RecentEntries;
use crate::instruction::sessions::record_of;
use bytes::Bytes;
use faceshare_biz::domain::instruction::{
    Append, AppendError, CloseReason, Epoch, Event, KnockState, LogRecord, Notice, Profile,
    QuitReason, Retained, Seq, ServerFrame, SnapshotRecord, Statement,
};
use faceshare_biz::domain::{MemberId, SessionId};
use faceshare_biz::{Error, Result};
use faceshare_exec::{Change, Entry, State, apply};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// A snapshot is stored after this many entries ...
const SNAPSHOT_ENTRIES: usize = 256;
/// ... or this many bytes of them.
const SNAPSHOT_BYTES: usize = 256 << 10;

/// The pause after a failed append, longer with each further one ...
const APPEND_BACKOFF: Duration = Duration::from_millis(50);
/// ... up to this.
const APPEND_BACKOFF_MAX: Duration = Duration::from_secs(1);

/// A running append.
pub(crate) type Appending = Pin<Box<dyn Future<Output = Result<(), AppendError>> + Send>>;

/// An append that failed or whose result is unknown: after a pause, the log is to be read back.
pub(crate) struct Failed {
    pub(crate) session: SessionId,
    pub(crate) deps: Arc<ActorDeps>,
    pub(crate) backoff: Duration,
}

/// Entries for the log, and the outcomes that wait for them.
#[derive(Default)]
pub(crate) struct Batch {
    /// The entries as log records; moved out when the append starts.
    records: Vec<LogRecord>,
    /// The same entries for the resume window and the recent entries, which get them after the
    /// commit.
    committing: Vec<(Epoch, Retained, Bytes)>,
    /// Each with the log index that it waits for.
    pub(crate) outcomes: Vec<(u64, Outcome)>,
}

impl Batch {
    pub(crate) fn len(&self) -> usize {
        self.committing.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.committing.is_empty()
    }

    fn push(&mut self, record: LogRecord) {
        let LogRecord {
            index,
            last_seq,
            at,
            ..
        } = record;
        let size = u32::try_from(record.payload.len()).unwrap_or(u32::MAX);
        self.committing.push((
            record.epoch.clone(),
            Retained {
                index,
                last_seq,
                at,
                size,
            },
            record.payload.clone(),
        ));
        self.records.push(record);
    }

    pub(crate) fn wait(&mut self, index: u64, outcome: Outcome) {
        self.outcomes.push((index, outcome));
    }
}

impl Actor {
    /// Applies an entry to the state and adds it to the next batch.
    pub(crate) fn gather(&mut self, entry: &Entry) {
        self.views.clear();
        apply(&mut self.state, entry);
        let record = record_of(&self.state, entry);
        self.entries_since_snapshot += 1;
        self.bytes_since_snapshot += record.payload.len();
        self.gathering.push(record);
    }

    /// Starts to append the gathered batch; `None` if it is empty.
    pub(crate) fn start_append(&mut self) -> Option<Appending> {
        let first = self.gathering.records.first()?.index;
        let mut batch = std::mem::take(&mut self.gathering);
        self.window.expire(self.now());
        let append = Append {
            session: self.state.id(),
            expected_index: first - 1,
            records: std::mem::take(&mut batch.records),
            snapshot: self.snapshot_if_due(),
            trim_to: self.window.trim(),
        };
        self.in_flight = Some(batch);
        let log = self.deps.log.clone();
        Some(Box::pin(async move { log.append(append).await }))
    }

    fn snapshot_if_due(&mut self) -> Option<SnapshotRecord> {
        let due = self.entries_since_snapshot >= SNAPSHOT_ENTRIES
            || self.bytes_since_snapshot >= SNAPSHOT_BYTES
            || self.state.is_ended();
        if !due {
            return None;
        }
        (self.entries_since_snapshot, self.bytes_since_snapshot) = (0, 0);
        let state = &self.state;
        Some(SnapshotRecord {
            index: state.index(),
            epoch: state.epoch().clone(),
            payload: encode_state(state),
        })
    }

    /// Handles the result of an append. If it failed, it is not known which entries are in the log;
    /// the caller has to read it back.
    pub(crate) fn finish_append(
        &mut self,
        result: Result<(), AppendError>,
    ) -> Result<Option<Failed>> {
        let Some(batch) = self.in_flight.take() else {
            return Ok(None);
        };
        match result {
            Ok(()) => {
                self.failed_appends = 0;
                self.committed(batch);
                Ok(None)
            }
            Err(error @ AppendError::Conflict) => {
                // Another writer has appended to this log. No client of this actor was told of
                // those entries, so the actor must stop.
                self.in_flight = Some(batch);
                Err(Error::unavailable(error))
            }
            Err(error) => {
                let session = self.state.id();
                tracing::warn!(%session, error = %error, cause = ?error, "session log could not be written; reading it back");
                self.in_flight = Some(batch);
                self.in_doubt = true;
                self.failed_appends += 1;
                let backoff = (APPEND_BACKOFF * self.failed_appends).min(APPEND_BACKOFF_MAX);
                Ok(Some(Failed {
                    session,
                    deps: self.deps.clone(),
                    backoff,
                }))
            }
        }
    }

    fn committed(&mut self, batch: Batch) {
        for (epoch, retained, payload) in batch.committing {
            self.recent.push(&epoch, retained.last_seq, payload);
            if retained.last_seq == Seq::NONE {
                self.window.restart();
            }
            self.window.push(retained);
        }
        for (_, outcome) in batch.outcomes {
            self.carry_out(outcome);
        }
    }

    /// Goes on from the state in the log after an append failed or its result was unknown. Outcomes
    /// of entries that are in the log are carried out; the others fail.
    pub(crate) fn resume_from_log(&mut self, recovered: Recovered) {
        let Recovered {
            state,
            window,
            suspect,
        } = recovered;
        let batches = [
            self.in_flight.take(),
            Some(std::mem::take(&mut self.gathering)),
        ];
        self.views.clear();
        self.recent = RecentEntries::new(
            state.epoch().clone(),
            state.seq(),
            self.deps.settings.recent_bytes,
        );
        (self.state, self.window, self.in_doubt) = (state, window, false);
        // A term that is not in the log will be used again.
        self.actions.forget_others_than(&self.state);
        (self.entries_since_snapshot, self.bytes_since_snapshot) = (SNAPSHOT_ENTRIES, 0);
        let head = self.state.index();
        for (index, outcome) in batches.into_iter().flatten().flat_map(|b| b.outcomes) {
            if index <= head {
                self.carry_out(outcome)
            } else {
                self.fail_unwritten(outcome)
            }
        }
        self.declare_lost_points();
        self.apply_forced_admission();
        // A suspect log needs a new epoch, and the append that failed may be the one that began it.
        if suspect {
            self.start_epoch();
        }
    }

    /// Reports points that are connected according to the log and are not: the entry of their loss
    /// is not in the log.
    pub(crate) fn declare_lost_points(&mut self) {
        let state = &self.state;
        let listed = state
            .present()
            .flat_map(|(_, presence)| presence.points.iter());
        let lost: Vec<_> = listed
            .filter(|(id, point)| {
                point.announce_at.is_none() && self.fanout.get(**id, point.incarnation).is_none()
            })
            .map(|(id, point)| (*id, point.incarnation))
            .collect();
        for (point, incarnation) in lost {
            self.point_lost(point, incarnation);
        }
    }

    /// Carries out an outcome after its commit.
    pub(crate) fn carry_out(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::SendEvents { entry, before } => self.send_events(&entry, before),
            Outcome::Observe(record) => self.deps.observer.changed(&record),
            Outcome::Denied(who) => self.deps.observer.denied(self.state.id(), &who),
            Outcome::Ack { requester, seq } => self.answer(
                requester,
                Notice::Ack {
                    id: requester.id,
                    seq,
                },
            ),
            Outcome::Nack {
                requester,
                code,
                detail,
            } => self.refuse(requester, code, detail),
            Outcome::Release(release) => release(Ok(())),
            Outcome::Connected(connecting) => self.attach(*connecting),
            Outcome::Close { member, reason } => self.fanout.close_member(member, reason),
            Outcome::CloseAll(reason) => self.fanout.close_all(reason),
        }
    }

    /// Sends the events of an entry to all points, then sends new followers the latest positions of
    /// their root.
    fn send_events(&mut self, entry: &Entry, before: Seq) {
        // First, because queued positions may be written after any of the frames: a position whose
        // term the entry ends must not come after it.
        for change in &entry.changes {
            if let Change::Presenting(presenting) = change {
                self.fanout.set_term(presenting.as_ref().map(|p| p.term));
            }
        }
        let following = self.update_roots(&entry.changes);
        let mut seq = before;
        self.log_presence(entry);
        for event in &entry.events {
            seq = seq.plus(1);
            let frame = ServerFrame {
                seq,
                at: entry.at,
                from: entry.from,
                statement: Statement::Event(event.clone()),
            };
            self.fanout.broadcast(&frame);
        }
        // After the frames: a new host learns that it is the host before it is told of knocks.
        for knock in self.door.follow(&entry.changes) {
            self.fanout.send_to_member(
                self.door.host(),
                &ServerFrame::notice(entry.at, Notice::MemberKnock(knock)),
            );
        }
        for member in following {
            if let Some(root) = self.fanout.root(member) {
                let latest = self.actions.latest(&self.state, root);
                self.fanout.deliver_to_member(member, entry.at, &latest);
            }
        }
    }

    /// Logs one line when a member joins and when the session ends: ids and counts, no text that
    /// users wrote.
    fn log_presence(&self, entry: &Entry) {
        let session = self.state.id();
        for event in &entry.events {
            match event {
                Event::MemberJoin(member) => {
                    tracing::info!(%session, member = %member.id, members = self.state.present().count(), "member joined");
                }
                Event::SessEnd { reason } => {
                    tracing::info!(%session, ?reason, members = self.state.present().count(), "session ended");
                }
                _ => {}
            }
        }
    }

    /// Sets the roots of an entry's changes in the fan-out; returns the members whose root changed.
    fn update_roots(&mut self, changes: &[Change]) -> Vec<MemberId> {
        let mut changed = Vec::new();
        for change in changes {
            let (member, root) = match change {
                Change::Follow { member, follow } => (*member, follow.root),
                Change::Left { member } | Change::Removed { member } => (*member, None),
                _ => continue,
            };
            if self.fanout.set_root(member, root) {
                changed.push(member);
            }
        }
        changed
    }
}

/// The connections that an entry closes.
pub(crate) fn closings(entry: &Entry) -> Vec<Outcome> {
    let closing = |event: &Event| match event {
        Event::Quit {
            member,
            reason: QuitReason::Removed,
        } => Some(Outcome::Close {
            member: *member,
            reason: CloseReason::Removed,
        }),
        Event::Quit { member, .. } | Event::HttpQuit { member } => Some(Outcome::Close {
            member: *member,
            reason: CloseReason::Left,
        }),
        Event::SessEnd { .. } => Some(Outcome::CloseAll(CloseReason::SessionEnded)),
        _ => None,
    };
    entry.events.iter().filter_map(closing).collect()
}

/// Whether an entry changes how the session is listed.
pub(crate) fn changes_listing(entry: &Entry) -> bool {
    entry.changes.iter().any(|c| {
        matches!(
            c,
            Change::Info(_) | Change::AdmissionForced(_) | Change::Ended(_)
        )
    })
}

/// The profiles whose knocks an entry denies; `state` is the state after the entry.
pub(crate) fn denied(state: &State, entry: &Entry) -> Vec<Profile> {
    let denied = |change: &Change| match change {
        Change::KnockOver {
            knock,
            state: KnockState::Denied,
        } => state.knock(*knock).map(|k| k.profile.clone()),
        _ => None,
    };
    entry.changes.iter().filter_map(denied).collect()
}

/// The members that an entry removes.
pub(crate) fn departed(entry: &Entry) -> Vec<MemberId> {
    let gone = |change: &Change| match change {
        Change::Left { member } | Change::Removed { member } => Some(*member),
        _ => None,
    };
    entry.changes.iter().filter_map(gone).collect()
}
