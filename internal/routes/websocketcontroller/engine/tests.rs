//! The bytes of one client, split in any way, and the events that they must and must not cause.

use crate::{
    CloseFrame, Event, HEADER_MAX, MessageKind, Receiver, Violation, close, frame, mask, pong,
    prefixed,
};
use bytes::Bytes;
use proptest::prelude::*;

const LIMIT: usize = 1 << 17;
const KEY: [u8; 4] = [0x11, 0x22, 0x93, 0xf4];

/// A frame as a client sends it.
fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..126 => bytes.push(0x80 | u8::try_from(short).expect("short")),
        medium @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&u16::try_from(medium).expect("medium").to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&KEY);
    let mut payload = payload.to_vec();
    mask::apply(&mut payload, KEY);
    bytes.extend_from_slice(&payload);
    bytes
}

/// The events of a receiver with this limit, when the bytes arrive in pieces of these lengths,
/// repeated.
fn events_of(limit: usize, bytes: &[u8], pieces: &[usize]) -> (Vec<Event>, Option<Violation>) {
    let (mut receiver, mut events, mut rest) = (Receiver::new(limit), Vec::new(), bytes);
    for piece in pieces.iter().cycle() {
        let (now, later) = rest.split_at((*piece).clamp(1, rest.len().max(1)).min(rest.len()));
        if now.is_empty() {
            break;
        }
        if let Err(violation) = receiver.receive(&mut now.to_vec(), |event| events.push(event)) {
            return (events, Some(violation));
        }
        rest = later;
    }
    (events, None)
}

fn all_at_once(bytes: &[u8]) -> (Vec<Event>, Option<Violation>) {
    events_of(LIMIT, bytes, &[bytes.len()])
}

fn text(text: &str) -> Event {
    Event::Message(MessageKind::Text, Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn lengths_of_every_form_are_read_and_written() {
    for length in [0, 1, 125, 126, 127, 0xffff, 0x1_0000] {
        let payload = vec![7; length];
        let (events, violation) = all_at_once(&client_frame(0x82, &payload));
        assert_eq!(
            (events, violation),
            (
                vec![Event::Message(MessageKind::Binary, payload.clone().into())],
                None
            ),
            "{length}"
        );
        let written = frame(MessageKind::Binary, &payload);
        let header = match length {
            0..126 => 2,
            126..=0xffff => 4,
            _ => 10,
        };
        assert_eq!(written.len(), header + length);
        let mut buffer = vec![0xee; HEADER_MAX];
        buffer.extend_from_slice(&payload);
        assert_eq!(prefixed(MessageKind::Binary, buffer), written);
    }
}

#[test]
fn empty_fragments_are_reported_so_that_they_can_be_counted() {
    let bytes = [
        client_frame(0x02, b""),
        client_frame(0x00, b""),
        client_frame(0x00, b"a"),
        client_frame(0x00, b""),
        client_frame(0x80, b""),
    ]
    .concat();
    let message = Event::Message(MessageKind::Binary, Bytes::from_static(b"a"));
    assert_eq!(
        all_at_once(&bytes),
        (
            vec![Event::EmptyFragment, Event::EmptyFragment, message],
            None
        )
    );
}

#[test]
fn control_frames_may_come_between_fragments() {
    let bytes = [
        client_frame(0x01, b"Hel"),
        client_frame(0x89, b"there?"),
        client_frame(0x00, b""),
        client_frame(0x8a, b""),
        client_frame(0x80, b"lo"),
        client_frame(0x88, &[]),
    ]
    .concat();
    let close = Event::Close(CloseFrame { code: None });
    let ping = Event::Ping(Bytes::from_static(b"there?"));
    assert_eq!(
        all_at_once(&bytes),
        (
            vec![
                ping,
                Event::EmptyFragment,
                Event::Pong,
                text("Hello"),
                close
            ],
            None
        )
    );
}

#[test]
fn a_violation_is_refused_and_earlier_messages_are_not_lost() {
    let unmasked = [0x82, 0x01, 0x00].to_vec();
    let overlong = [0x82, 0x80 | 126, 0, 5, 0, 0, 0, 0].to_vec();
    let overlong_64 = [0x82, 0x80 | 127, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0].to_vec();
    let negative = [0x82, 0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 0].to_vec();
    let wrong = [
        unmasked,
        overlong,
        overlong_64,
        negative,
        client_frame(0xc2, b""),
        client_frame(0xa2, b""),
        client_frame(0x92, b""),
        client_frame(0x83, b""),
        client_frame(0x8b, b""),
        client_frame(0x09, b""),
        client_frame(0x89, &[0; 126]),
        client_frame(0x80, b"of nothing"),
        [client_frame(0x01, b"a"), client_frame(0x81, b"b")].concat(),
        client_frame(0x88, &[3]),
        client_frame(0x88, &999_u16.to_be_bytes()),
        client_frame(0x88, &1005_u16.to_be_bytes()),
        client_frame(0x88, &1006_u16.to_be_bytes()),
        client_frame(0x88, &1016_u16.to_be_bytes()),
        client_frame(0x88, &5000_u16.to_be_bytes()),
    ];
    for bytes in wrong {
        let (events, violation) = all_at_once(
            &[
                client_frame(0x81, b"before"),
                bytes.clone(),
                client_frame(0x81, b"after"),
            ]
            .concat(),
        );
        assert!(
            matches!(violation, Some(Violation::Protocol(_))),
            "{bytes:?}: {violation:?}"
        );
        assert_eq!(events, [text("before")], "{bytes:?}");
    }
}

#[test]
fn text_is_utf_8_even_across_fragments() {
    let whole = [
        client_frame(0x01, &"κόσμε".as_bytes()[..3]),
        client_frame(0x80, &"κόσμε".as_bytes()[3..]),
    ]
    .concat();
    assert_eq!(all_at_once(&whole), (vec![text("κόσμε")], None));
    let broken = [
        client_frame(0x81, &[0xff]),
        client_frame(0x81, &[0xce]),
        [client_frame(0x01, &[0xce]), client_frame(0x80, &[])].concat(),
        // Fails before its last fragment.
        [client_frame(0x01, &[0xce]), client_frame(0x00, &[0xce])].concat(),
        client_frame(0x88, &[0x03, 0xe8, 0xff]),
    ];
    for bytes in broken {
        assert_eq!(
            all_at_once(&bytes),
            (vec![], Some(Violation::NotUtf8)),
            "{bytes:?}"
        );
    }
    assert_eq!(
        all_at_once(&client_frame(0x82, &[0xff])).1,
        None,
        "not text"
    );
}

#[test]
fn a_message_over_the_limit_is_refused_by_its_header() {
    assert_eq!(events_of(10, &client_frame(0x82, &[0; 10]), &[1]).1, None);
    assert_eq!(
        events_of(10, &client_frame(0x82, &[0; 11])[..6], &[1]),
        (vec![], Some(Violation::TooLarge))
    );
    let pieces = [
        client_frame(0x02, &[0; 6]),
        client_frame(0x80, &[0; 5])[..6].to_vec(),
    ]
    .concat();
    assert_eq!(
        events_of(10, &pieces, &[1]),
        (vec![], Some(Violation::TooLarge))
    );
    assert_eq!(
        events_of(1, &client_frame(0x89, b"longer"), &[9]).1,
        None,
        "a ping is no message"
    );
}

#[test]
fn nothing_is_read_after_a_close_frame() {
    let close = client_frame(0x88, &[0x0f, 0xa3, b'o', b'k']);
    let (events, violation) =
        all_at_once(&[close, client_frame(0x81, b"late"), vec![0xff; 9]].concat());
    assert_eq!(
        (events, violation),
        (vec![Event::Close(CloseFrame { code: Some(4003) })], None)
    );
}

#[test]
fn a_quiet_client_has_no_buffer() {
    let mut receiver = Receiver::new(LIMIT);
    for piece in [
        client_frame(0x81, b"one"),
        client_frame(0x01, b"t")[..3].to_vec(),
        client_frame(0x01, b"t")[3..].to_vec(),
        client_frame(0x80, b"wo"),
    ] {
        receiver
            .receive(&mut piece.clone(), |_| {})
            .expect("no violation");
    }
    assert!(receiver.is_at_rest(), "{receiver:?}");
}

#[test]
fn a_close_frame_fits_a_control_frame() {
    assert_eq!(
        &close(4010, "over")[..],
        [&[0x88, 6, 0x0f, 0xaa][..], b"over"].concat()
    );
    assert_eq!(&close(1000, &"x".repeat(124))[..], [0x88, 2, 0x03, 0xe8]);
    assert_eq!(&CloseFrame { code: None }.answer()[..], [0x88, 0]);
    assert_eq!(
        &CloseFrame { code: Some(1001) }.answer()[..],
        [0x88, 2, 0x03, 0xe9]
    );
    assert_eq!(&pong(b"x")[..], [0x8a, 1, b'x']);
}

/// Frames that follow the rules most of the time.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        "\\PC{0,60}".prop_map(String::into_bytes)
    ];
    let first = proptest::sample::select(vec![
        0x81_u8, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8a, 0x88, 0x8f,
    ]);
    proptest::collection::vec(
        (first, payload).prop_map(|(first, payload)| client_frame(first, &payload)),
        0..12,
    )
    .prop_map(|f| f.concat())
}

proptest! {
    #[test]
    fn however_the_bytes_are_split_they_cause_the_same_events(bytes in frames(), pieces in proptest::collection::vec(1_usize..400, 1..20)) {
        prop_assert_eq!(events_of(500, &bytes, &pieces), events_of(500, &bytes, &[bytes.len()]));
    }

    #[test]
    fn random_bytes_never_cause_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), pieces in proptest::collection::vec(1_usize..9, 1..9)) {
        prop_assert_eq!(events_of(500, &bytes, &pieces), events_of(500, &bytes, &[bytes.len()]));
    }

    #[test]
    fn masking_twice_gives_the_original(payload in proptest::collection::vec(any::<u8>(), 0..50), key in any::<[u8; 4]>()) {
        let mut masked = payload.clone();
        mask::apply(&mut masked, key);
        for (at, byte) in masked.iter().enumerate() {
            prop_assert_eq!(byte ^ key[at % 4], payload[at]);
        }
    }
}
