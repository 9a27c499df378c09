//! What clients may write, and what is said to what they may not.

use super::WireCodec;
use faceshare_api::v1::{self, client_frame::Instruction};
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::instruction::{
    ActionValue, ClientFrame, Command, Decoded, Event, FrameCodec, Invite, Lock, Notice, Seq, ServerFrame, Statement, WireFormat,
};
use faceshare_biz::domain::{MemberId, Timestamp};
use proptest::prelude::*;
use prost::Message;

const CODEC: WireCodec = WireCodec { action_key_bytes: 32 };

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
fn both_formats_say_the_same() {
    let frame = v1::ClientFrame { id: 3, nonce: 9, instruction: Some(Instruction::FollowOther(v1::FollowOther { target: 7 })) };
    let expected = ClientFrame { id: 3, nonce: 9, command: Command::FollowOther { target: MemberId::new(7) } };
    assert_eq!(CODEC.decode(WireFormat::Proto, &frame.encode_to_vec()), Decoded::Frame(expected.clone()));
    assert_eq!(json(r#"{"id": 3, "nonce": "9", "followOther": {"target": "7"}}"#), Decoded::Frame(expected));
}

#[test]
fn unset_means_ask_and_none() {
    let command = Command::FollowMe { invite: Invite::Ask, lock: Lock::None, presenter: None };
    assert_eq!(json(r#"{"followMe": {}}"#), Decoded::Frame(ClientFrame { id: 0, nonce: 0, command }));
}

#[test]
fn whatever_is_wrong_inside_a_frame_with_an_id_is_answered() {
    for text in [
        r#"{"id": 5}"#,
        r#"{"id": 5, "sessEnd": {}}"#,
        r#"{"id": 5, "dance": {"wildly": true}}"#,
        r#"{"id": 5, "followOther": {"target": true}}"#,
        r#"{"id": 5, "followOther": []}"#,
        r#"{"id": 5, "followMe": {"invite": "MAYBE"}}"#,
        r#"{"id": 5, "nonce": -1, "quit": {}}"#,
        r#"{"id": 5, "actionSync": {"key": "view"}}"#,
        r#"{"id": 5, "actionSync": {"key": "012345678901234567890123456789012", "pointer": {}}}"#,
    ] {
        assert_eq!(code(json(text)), (5, ErrorCode::InvalidArgument), "{text}");
    }
}

#[test]
fn what_is_no_frame_at_all_is_malformed() {
    for text in ["", "hello", "[]", "7", "null", "{\"id\": 5", "\u{0}"] {
        assert_eq!(json(text), Decoded::Malformed, "{text:?}");
    }
    assert_eq!(CODEC.decode(WireFormat::Proto, &[0xff, 0xff, 0xff]), Decoded::Malformed);
}

#[test]
fn a_protobuf_frame_that_is_wrong_inside_is_answered() {
    let mut message = v1::ClientFrame { id: 5, nonce: 0, instruction: None }.encode_to_vec();
    assert_eq!(code(CODEC.decode(WireFormat::Proto, &message)), (5, ErrorCode::InvalidArgument));
    // followOther (field 36, length-delimited), whose content is cut short inside.
    message.extend([0xa2, 0x02, 0x01, 0x08]);
    assert_eq!(code(CODEC.decode(WireFormat::Proto, &message)), (5, ErrorCode::InvalidArgument));
    let unknown = v1::FollowMe { invite: 99, lock: 0, presenter: 0 };
    let frame = v1::ClientFrame { id: 6, nonce: 0, instruction: Some(Instruction::FollowMe(unknown)) };
    assert_eq!(code(CODEC.decode(WireFormat::Proto, &frame.encode_to_vec())), (6, ErrorCode::InvalidArgument));
}

#[test]
fn custom_bytes_travel_as_base64() {
    let decoded = json(r#"{"actionSync": {"key": "ink", "custom": "AAEC"}}"#);
    let Decoded::Frame(ClientFrame { command: Command::ActionSync(action), .. }) = decoded else { panic!("{decoded:?}") };
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
    let notice = Notice::Nack { id: 8, code: ErrorCode::FollowSelf, detail: "no".into() };
    let frame = ServerFrame::notice(Timestamp::from_millis(0), notice);
    let decoded = v1::ServerFrame::decode(CODEC.encode(WireFormat::Proto, &frame)).expect("decodes");
    let nack = v1::Nack { id: 8, code: "FOLLOW_SELF".into(), detail: "no".into() };
    assert_eq!(decoded.instruction, Some(v1::server_frame::Instruction::Nack(nack)));
}

proptest! {
    #[test]
    fn no_bytes_bring_the_decoder_down(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for format in WireFormat::ALL {
            CODEC.decode(format, &bytes);
        }
    }

    #[test]
    fn no_text_brings_the_decoder_down(text in r#"[{}\[\]":,a-zA-Z0-9 .-]{0,200}"#) {
        CODEC.decode(WireFormat::Json, text.as_bytes());
    }
}
