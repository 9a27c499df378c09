//! The generated code is the reference: this module must read and write the same.

use super::{read, write_behind};
use crate::{WireCodec, decode, encode};
use faceshare_api::v1::{self, action_sync::Value, client_frame::Instruction};
use faceshare_biz::domain::instruction::{
    Action, ActionKey, ActionValue, Decoded, Notice, SentAction, Seq, ServerFrame, Statement, View,
    WireFormat,
};
use faceshare_biz::domain::{FileId, MemberId, Timestamp};
use proptest::prelude::*;
use prost::Message;

const KEY_BYTES: usize = 32;

/// Numbers, with 0 (which counts as absent) often enough.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1..200_u64, any::<u64>()]
}

fn place() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        Just(-0.0),
        Just(f64::NAN),
        Just(f64::INFINITY),
        0.0..=1.0,
        any::<f64>()
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let view = (
        any::<u32>(),
        place(),
        place(),
        place(),
        prop_oneof![Just(0), Just(270), any::<u32>()],
    );
    prop_oneof![
        view.prop_map(|(page, x, y, zoom, rotation)| Value::View(v1::View {
            page,
            x,
            y,
            zoom,
            rotation
        })),
        (place(), place()).prop_map(|(x, y)| Value::Pointer(v1::Pointer { x, y })),
        // Lengths of one, two and three bytes.
        (prop_oneof![0..200_usize, 16_300..16_500_usize], any::<u8>())
            .prop_map(|(length, byte)| Value::Custom(vec![byte; length].into())),
    ]
}

fn sync() -> impl Strategy<Value = v1::ActionSync> {
    (number(), "[a-zä]{0,12}", any::<u32>(), value()).prop_map(|(file_id, key, term, value)| {
        v1::ActionSync {
            file_id,
            key,
            term,
            value: Some(value),
        }
    })
}

fn client_frame() -> impl Strategy<Value = v1::ClientFrame> {
    (any::<u32>(), number(), sync()).prop_map(|(id, nonce, sync)| v1::ClientFrame {
        id,
        nonce,
        instruction: Some(Instruction::ActionSync(sync)),
    })
}

fn server_frame() -> impl Strategy<Value = ServerFrame> {
    (
        sync(),
        number(),
        any::<i64>(),
        prop_oneof![Just(0), any::<u32>()],
    )
        .prop_map(|(sync, from, at, seq)| {
            let value = match sync.value.expect("made with one") {
                Value::View(v1::View {
                    page,
                    x,
                    y,
                    zoom,
                    rotation,
                }) => ActionValue::View(View {
                    page,
                    x,
                    y,
                    zoom,
                    rotation,
                }),
                Value::Pointer(v1::Pointer { x, y }) => ActionValue::Pointer { x, y },
                Value::Custom(bytes) => ActionValue::Custom(bytes),
            };
            let key = ActionKey::new(&sync.key, KEY_BYTES).expect("short");
            let sender = MemberId::new(1).expect("an id");
            let action = Action {
                file: FileId::new(sync.file_id),
                key,
                term: sync.term,
                value,
                size: 0,
            };
            let statement = Statement::Notice(Notice::ActionSync(SentAction {
                from: sender,
                action,
            }));
            // The range of `google.protobuf.Timestamp`.
            let at = Timestamp::from_millis(at / 1_000_000);
            ServerFrame {
                seq: Seq::new(seq),
                at,
                from: MemberId::new(from),
                statement,
            }
        })
}

fn sent(frame: &ServerFrame) -> &SentAction {
    match &frame.statement {
        Statement::Notice(Notice::ActionSync(sent)) => sent,
        other => panic!("{other:?}"),
    }
}

/// Text form, in which NaN equals itself.
fn shown(decoded: &Decoded) -> String {
    format!("{decoded:?}")
}

/// Checks that the generated code reads the same; `false` when this module leaves the message to
/// it.
fn check(message: &[u8]) -> Result<bool, TestCaseError> {
    let Some(frame) = read(message, KEY_BYTES) else {
        return Ok(false);
    };
    prop_assert_eq!(
        shown(&Decoded::Frame(frame)),
        shown(&decode::proto(message, KEY_BYTES))
    );
    Ok(true)
}

proptest! {
    #[test]
    fn a_position_is_written_as_the_generated_code_writes_it(frame in server_frame(), room in 0..12_usize) {
        let written = write_behind(room, &frame, sent(&frame));
        let generated = WireCodec::encode_generated_behind(room, WireFormat::Proto, &encode::server_frame(&frame));
        prop_assert_eq!(written, generated);
    }

    #[test]
    fn a_position_as_the_generated_code_writes_it_is_read_here_and_as_it_reads_it(frame in client_frame()) {
        prop_assert!(check(&frame.encode_to_vec())?);
    }

    #[test]
    fn a_damaged_message_is_read_as_the_generated_code_reads_it_or_left_to_it(
        frame in client_frame(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4),
    ) {
        let mut message = frame.encode_to_vec();
        for (at, byte, how) in damage {
            let at = at.index(message.len().max(1));
            match how {
                0 if at < message.len() => message[at] = byte,
                1 => message.insert(at, byte),
                _ => message.truncate(at),
            }
        }
        check(&message)?;
    }

    #[test]
    fn noise_is_read_as_the_generated_code_reads_it_or_left_to_it(message in proptest::collection::vec(any::<u8>(), 0..40)) {
        check(&message)?;
    }
}

fn position(value: Option<Value>) -> v1::ActionSync {
    v1::ActionSync {
        file_id: 7,
        key: "view".to_owned(),
        term: 2,
        value,
    }
}

fn framed(sync: v1::ActionSync) -> Vec<u8> {
    v1::ClientFrame {
        id: 3,
        nonce: 0,
        instruction: Some(Instruction::ActionSync(sync)),
    }
    .encode_to_vec()
}

#[test]
fn other_forms_of_the_same_are_left_to_the_generated_code() {
    let pointer = position(Some(Value::Pointer(v1::Pointer { x: 0.5, y: 0.25 })));
    let one = framed(pointer.clone());
    let read_by_both = |message: &[u8]| {
        (
            read(message, KEY_BYTES).is_some(),
            matches!(decode::proto(message, KEY_BYTES), Decoded::Frame(_)),
        )
    };
    assert_eq!(read_by_both(&one), (true, true));
    // A field twice, fields out of order, a default that is written, a number that is longer than
    // necessary, an unknown field.
    assert_eq!(read_by_both(&[&one[..], &one[..]].concat()), (false, true));
    assert_eq!(
        read_by_both(&[&one[2..], &one[..2]].concat()),
        (false, true)
    );
    assert_eq!(
        read_by_both(&[&[0x08, 0x00], &one[2..]].concat()),
        (false, true)
    );
    assert_eq!(
        read_by_both(&[&[0x08, 0x83, 0x00], &one[2..]].concat()),
        (false, true)
    );
    assert_eq!(
        read_by_both(&[&one[..], &[0xf8, 0x07, 0x01]].concat()),
        (false, true)
    );
    // The generated code refuses a frame without a value, without an instruction, and with a key
    // over the limit.
    assert_eq!(read_by_both(&framed(position(None))), (false, false));
    assert_eq!(read_by_both(&one[..2]), (false, false));
    assert!(read(&one, 3).is_none() && read(&one, 4).is_some());
}

#[test]
fn numbers_are_read_up_to_the_largest_of_their_type_and_beyond_are_left_to_the_generated_code() {
    const ID: u8 = 0x08;
    const NONCE: u8 = 0x10;
    let action = &framed(position(Some(Value::Pointer(v1::Pointer {
        x: 0.5,
        y: 0.25,
    }))))[2..];
    let read = |field: u8, longer: &[u8], last: u8| {
        read(&[&[field], longer, &[last], action].concat(), KEY_BYTES)
    };
    assert_eq!(read(NONCE, &[0xff; 9], 0x01).expect("read").nonce, u64::MAX);
    assert_eq!(read(ID, &[0xff; 4], 0x0f).expect("read").id, u32::MAX);
    assert_eq!(read(NONCE, &[0xff; 9], 0x02), None, "a bit too many");
    assert_eq!(read(NONCE, &[0xff; 10], 0x01), None, "a byte too many");
    assert_eq!(
        read(ID, &[0xff; 4], 0x1f),
        None,
        "more than an id has room for"
    );
}
