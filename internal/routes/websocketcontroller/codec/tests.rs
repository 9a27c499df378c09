//! Which frames clients may send, and how others are refused.

use super::WireCodec;
use faceshare_api::v1::{self, client_frame::Instruction};
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::instruction::{
    ActionValue, ClientFrame, Command, Decoded, Event, FrameCodec, Invite, Lock, Notice, Seq,
    ServerFrame, Statement, WireFormat,
};
use faceshare_biz::domain::{MemberId, Timestamp};
use proptest::prelude::*;
use prost::Message;

const CODEC: WireCodec = WireCodec {
    action_key_bytes: 32,
};

fn json(text: &str) -> Decoded {
    CODEC.decode(WireFormat::Json, text.as_bytes())
}

fn code(decoded: Decoded) -> (u32, ErrorCode) {
    match decoded {
        Decoded::Refused { id, code, .. } => (id, code),
        other => panic!("{other:?} is not refused"),
    }
}

#[test]
fn both_formats_decode_to_the_same_frame() {
    let frame = v1::ClientFrame {
        id: 3,
        nonce: 9,
        instruction: Some(Instruction::FollowOther(v1::FollowOther { target: 7 })),
    };
    let expected = ClientFrame {
        id: 3,
        nonce: 9,
        command: Command::FollowOther {
            target: MemberId::new(7),
        },
    };
    assert_eq!(
        CODEC.decode(WireFormat::Proto, &frame.encode_to_vec()),
        Decoded::Frame(expected.clone())
    );
    assert_eq!(
        json(r#"{"id": 3, "nonce": "9", "followOther": {"target": "7"}}"#),
        Decoded::Frame(expected)
    );
}

#[test]
fn unset_means_ask_and_none() {
    let command = Command::FollowMe {
        invite: Invite::Ask,
        lock: Lock::None,
        presenter: None,
    };
    assert_eq!(
        json(r#"{"followMe": {}}"#),
        Decoded::Frame(ClientFrame {
            id: 0,
            nonce: 0,
            command
        })
    );
}

#[test]
fn any_error_inside_a_frame_with_an_id_is_answered() {
    for text in [
        r#"{"id": 5}"#,
        r#"{"id": 5, "sessEnd": {}}"#,
        r#"{"id": 5, "dance": {"wildly": true}}"#,
        r#"{"id": 5, "followOther": {"target": true}}"#,
        r#"{"id": 5, "followOther": []}"#,
        r#"{"id": 5, "followMe": {"invite": "MAYBE"}}"#,
        r#"{"id": 5, "nonce": -1, "quit": {}}"#,
        r#"{"id": 5, "actionSync": {"key": "view"}}"#,
        r#"{"id": 5, "actionSync": {"key": "a\ud83d", "view": {"page": 1}}}"#,
        r#"{"actionSync": {"key": "\udca9", "view": {"page": 1}}, "id": 5}"#,
        r#"{"a\ud83d": 1, "id": 5, "quit": {}}"#,
        r#"{"id": 5, "actionSync": {"key": "view", "pointer": {"x": 1e999}}}"#,
        r#"{"id": 5, "actionSync": {"key": "view", "view": {"page": -1e999}}}"#,
        r#"{"id": 5, "actionSync": {"key": "view", "view": {"page": 1.5}}}"#,
        r#"{"id": 5, "actionSync": {"key": "view", "view": {"page": 4294967296.0}}}"#,
        r#"{"id": 5, "actionSync": {"key": "ink", "custom": "?"}}"#,
        r#"{"id": 5, "actionSync": {"key": "a", "key": "a", "pointer": {}}}"#,
        r#"{"id": 5, "quit": {}, "quit": {}}"#,
        r#"{"id": 5, "quit": {}, "cancelFollow": {}}"#,
        r#"{"id": 5, "quit": 1}"#,
        r#"{"id": 5.0, "quit": 1}"#,
        r#"{"id": "5", "quit": 1}"#,
        r#"{"\u0069d": 50e-1, "quit": 1}"#,
        r#"{"id": 5, "id": 5, "quit": {}}"#,
        r#"{"id": 5, "actionSync": {"key": "012345678901234567890123456789012", "pointer": {}}}"#,
    ] {
        assert_eq!(code(json(text)), (5, ErrorCode::InvalidArgument), "{text}");
    }
}

#[test]
fn a_frame_that_is_nested_too_deep_is_answered() {
    const DEEP: usize = 10_000;
    let text = format!(
        r#"{{"id": 5, "followOther": {{"target": {}{}}}}}"#,
        "[".repeat(DEEP),
        "]".repeat(DEEP)
    );
    assert_eq!(code(json(&text)), (5, ErrorCode::InvalidArgument));
    // Groups of field 200 within each other, after an id.
    let message = [
        vec![0x08, 5],
        [0xc3, 0x0c].repeat(DEEP),
        [0xc4, 0x0c].repeat(DEEP),
    ]
    .concat();
    assert_eq!(
        code(CODEC.decode(WireFormat::Proto, &message)),
        (5, ErrorCode::InvalidArgument)
    );
}

#[test]
fn whole_numbers_are_read_however_they_are_written() {
    let expected = ClientFrame {
        id: 3,
        nonce: 10,
        command: Command::FollowOther {
            target: MemberId::new(9_007_199_254_740_993),
        },
    };
    for text in [
        r#"{"id": 3.0, "nonce": 1e1, "followOther": {"target": 9007199254740993.0}}"#,
        r#"{"id": "3", "nonce": "10", "followOther": {"target": "9007199254740993"}}"#,
        r#"{"id": 0.3e1, "nonce": 10, "followOther": {"target": 9007199254740993}}"#,
    ] {
        assert_eq!(json(text), Decoded::Frame(expected.clone()), "{text}");
    }
    let asks = Command::FollowMe {
        invite: Invite::On,
        lock: Lock::None,
        presenter: None,
    };
    assert_eq!(
        json(r#"{"followMe": {"invite": 2.0}}"#),
        Decoded::Frame(ClientFrame {
            id: 0,
            nonce: 0,
            command: asks
        })
    );
}

#[test]
fn a_message_that_is_no_frame_is_malformed() {
    for text in [
        "",
        "hello",
        "[]",
        "7",
        "null",
        "{\"id\": 5",
        "\u{0}",
        "{\"id\": 5} x",
        "{\"id\": 5, \"key\": \"a\nb\"}",
        "{\"id\": 5.}",
    ] {
        assert_eq!(json(text), Decoded::Malformed, "{text:?}");
    }
    assert_eq!(
        CODEC.decode(WireFormat::Json, b"{\"id\": 5, \"quit\": \"\xff\"}"),
        Decoded::Malformed
    );
    // A number without an end, a field that is cut short, field 0, the end of a group that was not
    // begun, a group without an end, an unknown wire type.
    for bytes in [
        &[0xff, 0xff, 0xff][..],
        &[0x08, 5, 0xa2, 0x02, 9],
        &[0x00, 0x01],
        &[0xc4, 0x0c],
        &[0x08, 5, 0xc3, 0x0c],
        &[0x08, 5, 0x16],
    ] {
        assert_eq!(
            CODEC.decode(WireFormat::Proto, bytes),
            Decoded::Malformed,
            "{bytes:x?}"
        );
    }
}

#[test]
fn a_frame_whose_id_cannot_be_read_is_malformed_and_one_without_id_is_not() {
    for id in [
        "true",
        "[]",
        "{}",
        "-1",
        "1.5",
        "4294967296",
        "1e999",
        r#""one""#,
        r#""\ud83d""#,
    ] {
        assert_eq!(
            json(&format!(r#"{{"id": {id}, "quit": {{}}}}"#)),
            Decoded::Malformed,
            "{id}"
        );
    }
    // Field 1 as bytes.
    assert_eq!(
        CODEC.decode(WireFormat::Proto, &[0x0a, 0x00]),
        Decoded::Malformed
    );
    for text in [
        r#"{"quit": 1}"#,
        r#"{"id": null, "quit": {}}"#,
        r#"{"id": 0, "quit": 1}"#,
        "{}",
    ] {
        assert_eq!(code(json(text)), (0, ErrorCode::InvalidArgument), "{text}");
    }
}

#[test]
fn a_protobuf_frame_that_is_wrong_inside_is_answered() {
    let mut message = v1::ClientFrame {
        id: 5,
        nonce: 0,
        instruction: None,
    }
    .encode_to_vec();
    assert_eq!(
        code(CODEC.decode(WireFormat::Proto, &message)),
        (5, ErrorCode::InvalidArgument)
    );
    // followOther (field 36, length-delimited), whose content is cut short inside.
    message.extend([0xa2, 0x02, 0x01, 0x08]);
    assert_eq!(
        code(CODEC.decode(WireFormat::Proto, &message)),
        (5, ErrorCode::InvalidArgument)
    );
    let unknown = v1::FollowMe {
        invite: 99,
        lock: 0,
        presenter: 0,
    };
    let frame = v1::ClientFrame {
        id: 6,
        nonce: 0,
        instruction: Some(Instruction::FollowMe(unknown)),
    };
    assert_eq!(
        code(CODEC.decode(WireFormat::Proto, &frame.encode_to_vec())),
        (6, ErrorCode::InvalidArgument)
    );
}

#[test]
fn custom_bytes_travel_as_base64() {
    let decoded = json(r#"{"actionSync": {"key": "ink", "custom": "AAEC"}}"#);
    let Decoded::Frame(ClientFrame {
        command: Command::ActionSync(action),
        ..
    }) = decoded
    else {
        panic!("{decoded:?}")
    };
    assert_eq!(action.value, ActionValue::Custom(vec![0, 1, 2].into()));
}

#[test]
fn an_ordered_frame_reads_as_the_documents_say() {
    let member = MemberId::new(u64::MAX >> 1).expect("an id");
    let frame = ServerFrame {
        seq: Seq::new(4),
        at: Timestamp::from_millis(1_700_000_000_007),
        from: Some(member),
        statement: Statement::Event(Event::FollowOther { target: member }),
    };
    let text = String::from_utf8(CODEC.encode(WireFormat::Json, &frame).to_vec()).expect("text");
    assert_eq!(
        text,
        r#"{"seq":4,"at":"2023-11-14T22:13:20.007Z","from":"9223372036854775807","followOther":{"target":"9223372036854775807"}}"#
    );
}

#[test]
fn a_refusal_names_its_code() {
    let notice = Notice::Nack {
        id: 8,
        code: ErrorCode::FollowSelf,
        detail: "no".into(),
    };
    let frame = ServerFrame::notice(Timestamp::from_millis(0), notice);
    let decoded =
        v1::ServerFrame::decode(CODEC.encode(WireFormat::Proto, &frame)).expect("decodes");
    let nack = v1::Nack {
        id: 8,
        code: "FOLLOW_SELF".into(),
        detail: "no".into(),
    };
    assert_eq!(
        decoded.instruction,
        Some(v1::server_frame::Instruction::Nack(nack))
    );
}

/// Any JSON, with halves of surrogate pairs and numbers beyond every type.
fn json_value(depth: u32) -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "null|true|-?(0|[1-9][0-9]{0,25})([.][0-9]{1,5})?([eE][-+]?[0-9]{1,4})?",
        r#""([a-z]|\\ud83d|\\udca9|\\n){0,5}""#,
    ];
    leaf.prop_recursive(depth, 20, 4, |inner| {
        let names = prop::sample::select(vec![
            "key", "target", "view", "page", "custom", "id", "\\ud83d",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((names, inner), 0..4).prop_map(|fields| {
                let fields: Vec<_> = fields
                    .iter()
                    .map(|(name, value)| format!(r#""{name}": {value}"#))
                    .collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for format in WireFormat::ALL {
            CODEC.decode(format, &bytes);
        }
    }

    #[test]
    fn an_object_with_an_id_is_answered_whatever_else_it_holds(id in 1..=u32::MAX, name in "[a-zA-Z]{1,9}", value in json_value(5)) {
        let known = ["actionSync", "followOther", "followMe", "ackHeart", "nonce"];
        for name in known.into_iter().chain([name.as_str()]) {
            for text in [format!(r#"{{"id": {id}, "{name}": {value}}}"#), format!(r#"{{"{name}": {value}, "id": {id}.0}}"#)] {
                let answered = match json(&text) {
                    Decoded::Frame(frame) => frame.id,
                    Decoded::Refused { id, .. } => id,
                    Decoded::Malformed => 0,
                };
                prop_assert!(answered == id || name == "id", "{}", text);
            }
        }
    }

    #[test]
    fn protobuf_fields_behind_an_id_are_answered_whatever_they_hold(
        id in 1..=u32::MAX,
        fields in proptest::collection::vec((2..100_u32, proptest::collection::vec(any::<u8>(), 0..20)), 0..4),
    ) {
        let mut message = Vec::new();
        prost::encoding::uint32::encode(1, &id, &mut message);
        for (field, value) in fields {
            prost::encoding::bytes::encode(field, &value, &mut message);
        }
        match CODEC.decode(WireFormat::Proto, &message) {
            Decoded::Frame(frame) => prop_assert_eq!(frame.id, id),
            Decoded::Refused { id: answered, .. } => prop_assert_eq!(answered, id),
            Decoded::Malformed => prop_assert!(false, "{:x?}", message),
        }
    }

    #[test]
    fn no_text_makes_the_decoder_panic(text in r#"[{}\[\]":,a-zA-Z0-9 .-]{0,200}"#) {
        CODEC.decode(WireFormat::Json, text.as_bytes());
    }
}
