//! Everything that ever got into the log, whatever the log has forgotten since: what the server may tell, and the state it leads to.

use crate::fates::Fates;
use bytes::Bytes;
use faceshare_api::v1;
use faceshare_biz::domain::instruction::{
    Device, Event, FrameCodec, LogRecord, Notice, PointInfo, Role, ServerFrame, SnapshotRecord, Statement, Welcome, WireFormat,
};
use faceshare_biz::domain::{MemberId, PointId, Timestamp};
use faceshare_codec::WireCodec;
use faceshare_exec::{Change, Entry, State, apply};
use prost::Message;
use std::collections::BTreeMap;
use std::time::Duration;

/// The codec of the program, with its default limit.
pub(crate) const CODEC: WireCodec = WireCodec { action_key_bytes: 32 };

/// One ordered frame, as it must be told.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) frame: v1::ServerFrame,
    pub(crate) proto: Bytes,
}

/// What is in the log, in all its epochs.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    state: Option<State>,
    frames: BTreeMap<String, Vec<Told>>,
    nonces: BTreeMap<(u64, u64), u32>,
    titles: BTreeMap<String, u32>,
    ends: u32,
    frames_after_end: u32,
    shown: Option<(u64, v1::Snapshot)>,
    fates: Fates,
}

impl Archive {
    /// The log has this now.
    pub(crate) fn commit(&mut self, record: &LogRecord, snapshot: Option<&SnapshotRecord>) {
        let Some(state) = &mut self.state else {
            let snapshot = snapshot.expect("invariant: a log begins with a snapshot");
            self.state = Some(rmp_serde::from_slice(&snapshot.payload[1..]).expect("invariant: the server wrote it"));
            return;
        };
        let entry: Entry = rmp_serde::from_slice(&record.payload[1..]).expect("invariant: the server wrote it");
        let mut seq = state.seq();
        let title = state.face_session().title;
        apply(state, &entry);
        self.fates.commit(&entry, state.host().get());
        let frames = self.frames.entry(state.epoch().as_str().to_owned()).or_default();
        for event in &entry.events {
            seq = seq.plus(1);
            self.frames_after_end += self.ends;
            match event {
                Event::SessEnd { .. } => self.ends += 1,
                Event::SessionChange(session) if session.title != title => {
                    *self.titles.entry(session.title.as_str().to_owned()).or_default() += 1
                }
                _ => {}
            }
            let frame = ServerFrame { seq, at: entry.at, from: entry.from, statement: Statement::Event(event.clone()) };
            let proto = CODEC.encode(WireFormat::Proto, &frame);
            let frame = v1::ServerFrame::decode(&proto[..]).expect("invariant: the codec wrote it");
            frames.push(Told { frame, proto });
        }
        for change in &entry.changes {
            if let Change::Nonce { member, nonce, .. } = change {
                *self.nonces.entry((member.get(), *nonce)).or_default() += 1;
            }
        }
    }

    /// The state at the end of the log.
    pub(crate) fn state(&self) -> &State {
        self.state.as_ref().expect("invariant: a history begins with a session")
    }

    /// The frame of this place.
    pub(crate) fn told(&self, epoch: &str, seq: u32) -> Option<&Told> {
        self.frames.get(epoch)?.get(usize::try_from(seq).ok()?.checked_sub(1)?)
    }

    /// What became of knocks.
    pub(crate) const fn fates(&self) -> &Fates {
        &self.fates
    }

    /// How often a nonce took effect.
    pub(crate) fn effects(&self, member: u64, nonce: u64) -> u32 {
        self.nonces.get(&(member, nonce)).copied().unwrap_or(0)
    }

    /// How often the session got this title.
    pub(crate) fn titled(&self, title: &str) -> u32 {
        self.titles.get(title).copied().unwrap_or(0)
    }

    /// How often the session ended, and how many frames came after that.
    pub(crate) const fn ends(&self) -> (u32, u32) {
        (self.ends, self.frames_after_end)
    }

    /// What a newcomer would be shown at the end of the log.
    pub(crate) fn shown(&mut self) -> &v1::Snapshot {
        let state = self.state.as_ref().expect("invariant: a history begins with a session");
        let index = state.index();
        if self.shown.as_ref().is_none_or(|(at, _)| *at != index) {
            self.shown = Some((index, on_the_wire(state)));
        }
        &self.shown.as_ref().expect("invariant: just made").1
    }
}

/// A state as a welcome would show it.
pub(crate) fn on_the_wire(state: &State) -> v1::Snapshot {
    let welcome = Welcome {
        member: MemberId::new(1).expect("invariant: positive"),
        point: PointInfo { id: PointId::new(1).expect("invariant: positive"), device: Device::default() },
        role: Role::Member,
        epoch: state.epoch().clone(),
        seq: state.seq(),
        heartbeat_interval: Duration::ZERO,
        snapshot: Some(state.snapshot()),
    };
    let frame = ServerFrame::notice(Timestamp::from_millis(0), Notice::Welcome(Box::new(welcome)));
    let frame = v1::ServerFrame::decode(CODEC.encode(WireFormat::Proto, &frame)).expect("invariant: the codec wrote it");
    match frame.instruction {
        Some(v1::server_frame::Instruction::Welcome(welcome)) => welcome.snapshot.expect("invariant: put in above"),
        _ => unreachable!("a welcome is a welcome"),
    }
}
