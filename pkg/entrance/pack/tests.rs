//! Round trips in both formats, and frames of a server newer than this build.

use super::{Format, decode_server, encode_client};
use faceshare_api::v1::{
    AckHeart, ActionSync, CancelFollow, ClientFrame, Edge, FollowChange, FollowMe, FollowOther,
    Pointer, Presenting, Quit, ServerFrame, View, action_sync, client_frame, server_frame,
};
use faceshare_api::wellknown::Timestamp;
use proptest::prelude::*;
use prost::Message;

/// Exact in binary and short in decimal, so that both formats keep it equal.
fn fraction() -> impl Strategy<Value = f64> {
    (0_u32..=1024).prop_map(|n| f64::from(n) / 1024.0)
}

fn time() -> impl Strategy<Value = Timestamp> {
    (0_i64..4_000_000_000_000).prop_map(Timestamp::from_millis)
}

fn action() -> impl Strategy<Value = ActionSync> {
    let value = prop_oneof![
        (
            0_u32..500,
            fraction(),
            fraction(),
            fraction(),
            prop::sample::select(vec![0_u32, 90, 180, 270])
        )
            .prop_map(
                |(page, x, y, zoom, rotation)| action_sync::Value::View(View {
                    page,
                    x,
                    y,
                    zoom,
                    rotation
                })
            ),
        (fraction(), fraction()).prop_map(|(x, y)| action_sync::Value::Pointer(Pointer { x, y })),
        prop::collection::vec(any::<u8>(), 0..64)
            .prop_map(|bytes| action_sync::Value::Custom(bytes.into())),
    ];
    (
        any::<u64>(),
        "[a-z]{0,8}",
        any::<u32>(),
        prop::option::of(value),
    )
        .prop_map(|(file_id, key, term, value)| ActionSync {
            file_id,
            key,
            term,
            value,
        })
}

fn client_frame() -> impl Strategy<Value = ClientFrame> {
    use client_frame::Instruction as I;
    let instruction = prop_oneof![
        action().prop_map(I::ActionSync),
        any::<u64>().prop_map(|target| I::FollowOther(FollowOther { target })),
        (0..4_i32, 0..3_i32, any::<u64>()).prop_map(|(invite, lock, presenter)| I::FollowMe(
            FollowMe {
                invite,
                lock,
                presenter
            }
        )),
        (0..6_i32).prop_map(|suspend| I::CancelFollow(CancelFollow { suspend })),
        (prop::option::of(time()), any::<u32>())
            .prop_map(|(sent_at, last_seq)| I::AckHeart(AckHeart { sent_at, last_seq })),
    ];
    (any::<u32>(), any::<u64>(), prop::option::of(instruction)).prop_map(
        |(id, nonce, instruction)| ClientFrame {
            id,
            nonce,
            instruction,
        },
    )
}

fn server_frame() -> impl Strategy<Value = ServerFrame> {
    use server_frame::Instruction as I;
    let edge = (
        any::<u64>(),
        any::<u64>(),
        any::<u64>(),
        any::<bool>(),
        0..7_i32,
    )
        .prop_map(|(member_id, target, root, suspended, reason)| Edge {
            member_id,
            target,
            root,
            suspended,
            reason,
        });
    let presenting = (
        any::<u64>(),
        0..4_i32,
        0..3_i32,
        any::<u32>(),
        prop::option::of(time()),
    )
        .prop_map(|(member_id, invite, lock, term, since)| Presenting {
            member_id,
            invite,
            lock,
            term,
            since,
        });
    let instruction = prop_oneof![
        action().prop_map(I::ActionSync),
        (any::<u64>(), 0..4_i32)
            .prop_map(|(member_id, reason)| I::Quit(Quit { member_id, reason })),
        (
            prop::option::of(presenting),
            prop::collection::vec(edge, 0..5)
        )
            .prop_map(|(presenting, edges)| I::FollowChange(FollowChange { presenting, edges })),
    ];
    (
        any::<u32>(),
        prop::option::of(time()),
        any::<u64>(),
        prop::option::of(instruction),
    )
        .prop_map(|(seq, at, from, instruction)| ServerFrame {
            seq,
            at,
            from,
            instruction,
        })
}

proptest! {
    #[test]
    fn a_client_frame_is_decoded_as_it_was_encoded(frame in client_frame()) {
        let proto = encode_client(&frame, Format::Proto);
        prop_assert_eq!(ClientFrame::decode(proto.as_bytes()).expect("protobuf"), frame.clone());
        let json = encode_client(&frame, Format::Json);
        prop_assert_eq!(serde_json::from_slice::<ClientFrame>(json.as_bytes()).expect("JSON"), frame);
    }

    #[test]
    fn a_server_frame_is_decoded_alike_from_both_formats(frame in server_frame()) {
        prop_assert_eq!(decode_server(&frame.encode_to_vec(), Format::Proto).expect("protobuf"), frame.clone());
        let json = serde_json::to_vec(&frame).expect("serialises");
        prop_assert_eq!(decode_server(&json, Format::Json).expect("JSON"), frame);
    }

    #[test]
    fn decoding_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for format in [Format::Proto, Format::Json] {
            let _ = decode_server(&bytes, format);
        }
    }
}

#[test]
fn an_unknown_instruction_keeps_its_seq() {
    let json =
        br#"{"seq": 7, "at": "2026-01-02T03:04:05.678Z", "from": "12", "shinyThing": {"a": 1}}"#;
    let frame = decode_server(json, Format::Json).expect("a frame");
    assert_eq!((frame.seq, frame.from, frame.instruction), (7, 12, None));
    // Field 99, length-delimited, empty: an instruction of a later version.
    let mut proto = ServerFrame {
        seq: 7,
        at: None,
        from: 12,
        instruction: None,
    }
    .encode_to_vec();
    proto.extend([0x9a, 0x06, 0x00]);
    let frame = decode_server(&proto, Format::Proto).expect("a frame");
    assert_eq!((frame.seq, frame.from, frame.instruction), (7, 12, None));
}

#[test]
fn an_unknown_enum_value_reads_as_unset_and_the_rest_stays() {
    let json = br#"{"seq": 8, "welcome": {"epoch": "e", "self": {"memberId": "1", "role": "EMPEROR"}, "snapshot": {
        "members": [{"memberId": "1", "nickname": "Ann", "role": "EMPEROR"}, {"memberId": "2", "role": "GUEST"}],
        "presenting": {"memberId": "2", "invite": "MAYBE"}}}}"#;
    let frame = decode_server(json, Format::Json).expect("a frame");
    let Some(server_frame::Instruction::Welcome(welcome)) = frame.instruction else {
        panic!("a welcome")
    };
    let snapshot = welcome.snapshot.expect("a snapshot");
    assert_eq!(snapshot.members[0].nickname, "Ann");
    assert_eq!((snapshot.members[0].role, snapshot.members[1].role), (0, 3));
    assert_eq!(
        snapshot.presenting.map(|p| (p.member_id, p.invite)),
        Some((2, 0))
    );
}

#[test]
fn an_instruction_of_another_shape_still_counts_its_seq() {
    let json = br#"{"seq": 9, "from": 3, "quit": {"memberId": {"not": "a number"}}}"#;
    let frame = decode_server(json, Format::Json).expect("a frame");
    assert_eq!((frame.seq, frame.from, frame.instruction), (9, 3, None));
}

#[test]
fn bytes_that_are_not_a_frame_are_an_error() {
    for bad in [b"".as_slice(), b"{", b"[1]", b"\"seq\"", b"\xff\xfe"] {
        assert!(decode_server(bad, Format::Json).is_err(), "{bad:?}");
    }
    assert!(decode_server(b"\xff\xff\xff", Format::Proto).is_err());
}

#[test]
fn subprotocol_names_map_to_their_format() {
    for format in [Format::Proto, Format::Json] {
        assert_eq!(Format::from_subprotocol(format.subprotocol()), Some(format));
    }
    assert_eq!(Format::from_subprotocol("bearer.x"), None);
}
