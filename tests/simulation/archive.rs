//! Everything that was ever committed to the log, including what the log has trimmed: the frames
//! that the server may send, and the resulting state.

use crate::knock_outcomes::KnockOutcomes;
use bytes::Bytes;
use faceshare_api::v1;
use faceshare_biz::domain::instruction::{
    Device, Event, FrameCodec, LogRecord, Notice, PointInfo, Role, ServerFrame, SnapshotRecord,
    Statement, Welcome, WireFormat,
};
use faceshare_biz::domain::{MemberId, PointId, Timestamp};
use faceshare_codec::WireCodec;
use faceshare_exec::{Change, Entry, State, apply};
use prost::Message;
use std::collections::BTreeMap;
use std::time::Duration;

/// The server's codec, with its default limit.
pub(crate) const CODEC: WireCodec = WireCodec {
    action_key_bytes: 32,
};

/// One ordered frame, as clients must receive it.
#[derive(Debug, Clone)]
pub(crate) struct OrderedFrame {
    pub(crate) frame: v1::ServerFrame,
    pub(crate) proto: Bytes,
}

/// The content of the log, in all its epochs.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    state: Option<State>,
    frames: BTreeMap<String, Vec<OrderedFrame>>,
    nonces: BTreeMap<(u64, u64), u32>,
    titles: BTreeMap<String, u32>,
    ends: u32,
    frames_after_end: u32,
    snapshot: Option<(u64, v1::Snapshot)>,
    knock_outcomes: KnockOutcomes,
}

impl Archive {
    /// Records a commit.
    pub(crate) fn commit(&mut self, record: &LogRecord, snapshot: Option<&SnapshotRecord>) {
        let Some(state) = &mut self.state else {
            let snapshot = snapshot.expect("invariant: a log begins with a snapshot");
            self.state = Some(
                rmp_serde::from_slice(&snapshot.payload[1..])
                    .expect("invariant: the server wrote it"),
            );
            return;
        };
        let entry: Entry =
            rmp_serde::from_slice(&record.payload[1..]).expect("invariant: the server wrote it");
        let mut seq = state.seq();
        let title = state.face_session().title;
        apply(state, &entry);
        self.knock_outcomes.commit(&entry, state.host().get());
        let frames = self
            .frames
            .entry(state.epoch().as_str().to_owned())
            .or_default();
        for event in &entry.events {
            seq = seq.plus(1);
            self.frames_after_end += self.ends;
            match event {
                Event::SessEnd { .. } => self.ends += 1,
                Event::SessionChange(session) if session.title != title => {
                    *self
                        .titles
                        .entry(session.title.as_str().to_owned())
                        .or_default() += 1
                }
                _ => {}
            }
            let frame = ServerFrame {
                seq,
                at: entry.at,
                from: entry.from,
                statement: Statement::Event(event.clone()),
            };
            let proto = CODEC.encode(WireFormat::Proto, &frame);
            let frame = v1::ServerFrame::decode(&proto[..]).expect("invariant: the codec wrote it");
            frames.push(OrderedFrame { frame, proto });
        }
        for change in &entry.changes {
            if let Change::Nonce { member, nonce, .. } = change {
                *self.nonces.entry((member.get(), *nonce)).or_default() += 1;
            }
        }
    }

    /// The state at the end of the log.
    pub(crate) fn state(&self) -> &State {
        self.state
            .as_ref()
            .expect("invariant: a history begins with a session")
    }

    /// The ordered frame with this seq.
    pub(crate) fn frame(&self, epoch: &str, seq: u32) -> Option<&OrderedFrame> {
        self.frames
            .get(epoch)?
            .get(usize::try_from(seq).ok()?.checked_sub(1)?)
    }

    /// The outcomes of join requests.
    pub(crate) const fn knock_outcomes(&self) -> &KnockOutcomes {
        &self.knock_outcomes
    }

    /// How often a nonce took effect.
    pub(crate) fn effects(&self, member: u64, nonce: u64) -> u32 {
        self.nonces.get(&(member, nonce)).copied().unwrap_or(0)
    }

    /// How often the session was given this title.
    pub(crate) fn title_count(&self, title: &str) -> u32 {
        self.titles.get(title).copied().unwrap_or(0)
    }

    /// How often the session ended, and how many frames came after that.
    pub(crate) const fn ends(&self) -> (u32, u32) {
        (self.ends, self.frames_after_end)
    }

    /// The snapshot that a new member would get at the end of the log.
    pub(crate) fn snapshot(&mut self) -> &v1::Snapshot {
        let state = self
            .state
            .as_ref()
            .expect("invariant: a history begins with a session");
        let index = state.index();
        if self.snapshot.as_ref().is_none_or(|(at, _)| *at != index) {
            self.snapshot = Some((index, wire_snapshot(state)));
        }
        &self.snapshot.as_ref().expect("invariant: just made").1
    }
}

/// The snapshot of a state in its wire form.
pub(crate) fn wire_snapshot(state: &State) -> v1::Snapshot {
    let welcome = Welcome {
        member: MemberId::new(1).expect("invariant: positive"),
        point: PointInfo {
            id: PointId::new(1).expect("invariant: positive"),
            device: Device::default(),
        },
        role: Role::Member,
        epoch: state.epoch().clone(),
        seq: state.seq(),
        heartbeat_interval: Duration::ZERO,
        snapshot: Some(state.snapshot()),
    };
    let frame = ServerFrame::notice(
        Timestamp::from_millis(0),
        Notice::Welcome(Box::new(welcome)),
    );
    let frame = v1::ServerFrame::decode(CODEC.encode(WireFormat::Proto, &frame))
        .expect("invariant: the codec wrote it");
    match frame.instruction {
        Some(v1::server_frame::Instruction::Welcome(welcome)) => {
            welcome.snapshot.expect("invariant: put in above")
        }
        _ => unreachable!("a welcome is a welcome"),
    }
}
