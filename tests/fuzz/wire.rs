//! Encodes frames in both wire formats and reads them as a client does: both must give the same.

use crate::frames::CODEC;
use faceshare_api::v1;
use faceshare_biz::domain::instruction::{
    Event, FrameCodec, Notice, PointInfo, Role, Seq, ServerFrame, Statement, Welcome, WireFormat,
};
use faceshare_biz::domain::{MemberId, PointId};
use faceshare_exec::{Entry, State};
use prost::Message;
use std::time::Duration;

/// Encodes and decodes a frame in both formats.
pub(crate) fn through_both_formats(frame: &ServerFrame) -> v1::ServerFrame {
    let proto = proto(frame);
    let json: v1::ServerFrame = serde_json::from_slice(&CODEC.encode(WireFormat::Json, frame))
        .expect("JSON that was written can be read");
    assert_eq!(proto, json, "the formats differ on {frame:?}");
    proto
}

fn proto(frame: &ServerFrame) -> v1::ServerFrame {
    v1::ServerFrame::decode(CODEC.encode(WireFormat::Proto, frame))
        .expect("protobuf that was written can be read")
}

/// The frames of an entry, the first of them at `first`.
pub(crate) fn frames<'a>(
    entry: &'a Entry,
    first: Seq,
) -> impl Iterator<Item = v1::ServerFrame> + 'a {
    (0..)
        .zip(&entry.events)
        .map(move |(n, event)| through_both_formats(&ordered(entry, first.plus(n), event)))
}

fn ordered(entry: &Entry, seq: Seq, event: &Event) -> ServerFrame {
    ServerFrame {
        seq,
        at: entry.at,
        from: entry.from,
        statement: Statement::Event(event.clone()),
    }
}

/// The seq and the snapshot that a new client gets.
pub(crate) fn snapshot(state: &State) -> (u32, v1::Snapshot) {
    unpacked(proto(&welcome(state)))
}

/// Like [`snapshot`], and checks that both formats agree.
pub(crate) fn snapshot_in_both_formats(state: &State) -> (u32, v1::Snapshot) {
    unpacked(through_both_formats(&welcome(state)))
}

fn welcome(state: &State) -> ServerFrame {
    let welcome = Welcome {
        member: MemberId::new(1).expect("an id"),
        point: PointInfo {
            id: PointId::new(1).expect("an id"),
            device: Default::default(),
        },
        role: Role::Member,
        epoch: state.epoch().clone(),
        seq: state.seq(),
        heartbeat_interval: Duration::from_secs(20),
        snapshot: Some(state.snapshot()),
    };
    ServerFrame::notice(state.last_at(), Notice::Welcome(Box::new(welcome)))
}

fn unpacked(frame: v1::ServerFrame) -> (u32, v1::Snapshot) {
    match frame.instruction {
        Some(v1::server_frame::Instruction::Welcome(v1::Welcome {
            seq,
            snapshot: Some(snapshot),
            ..
        })) => (seq, snapshot),
        other => panic!("a welcome was read as {other:?}"),
    }
}
