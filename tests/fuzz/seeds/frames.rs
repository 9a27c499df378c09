//! Valid and invalid frames.

use faceshare_api::v1::ClientFrame;
use prost::Message;

/// Frames by name; valid ones become seeds of both formats.
const TEXTS: &[(&str, &str)] = &[
    (
        "ack-heart",
        r#"{"ackHeart":{"sentAt":"2026-01-02T03:04:05.678Z","lastSeq":41}}"#,
    ),
    (
        "ack-heart-offset",
        r#"{"ackHeart":{"sentAt":"2026-01-02T03:04:05.678901234+05:45","lastSeq":4294967295}}"#,
    ),
    (
        "ack-heart-first-year",
        r#"{"ackHeart":{"sentAt":"0000-01-01T00:00:00Z"}}"#,
    ),
    (
        "ack-heart-last-year",
        r#"{"ackHeart":{"sentAt":"9999-12-31T23:59:59.999999999Z"}}"#,
    ),
    (
        "ack-heart-beyond-years",
        r#"{"ackHeart":{"sentAt":"9999-12-31T23:59:59-23:59"}}"#,
    ),
    (
        "ack-heart-before-years",
        r#"{"ackHeart":{"sentAt":"0000-01-01T00:00:00+23:59"}}"#,
    ),
    (
        "ack-heart-leap-second",
        r#"{"ackHeart":{"sentAt":"2016-12-31T23:59:60Z"}}"#,
    ),
    (
        "ack-heart-no-time",
        r#"{"ackHeart":{"sentAt":"yesterday"}}"#,
    ),
    ("point-state", r#"{"pointState":{"background":true}}"#),
    (
        "admit",
        r#"{"id":2,"admit":{"knockId":"9223372036854775807"}}"#,
    ),
    ("deny", r#"{"id":2,"deny":{"knockId":"0"}}"#),
    (
        "quit",
        r#"{"id":1,"nonce":"18446744073709551615","quit":{}}"#,
    ),
    (
        "quit-with-reason",
        r#"{"id":1,"quit":{"memberId":"7","reason":"REMOVED"}}"#,
    ),
    (
        "follow-me",
        r#"{"id":3,"nonce":"9","followMe":{"invite":"ON","lock":"HARD","presenter":"7"}}"#,
    ),
    ("follow-me-bare", r#"{"followMe":{}}"#),
    (
        "follow-me-by-number",
        r#"{"id":3,"followMe":{"invite":1,"lock":2}}"#,
    ),
    (
        "follow-me-unknown",
        r#"{"id":3,"followMe":{"invite":"MAYBE"}}"#,
    ),
    ("follow-me-beyond", r#"{"id":3,"followMe":{"invite":99}}"#),
    ("cancel-follow-me", r#"{"id":4,"cancelFollowMe":{}}"#),
    ("follow-other", r#"{"id":5,"followOther":{"target":"7"}}"#),
    (
        "follow-other-number",
        r#"{"id":5,"nonce":12,"followOther":{"target":7}}"#,
    ),
    (
        "follow-other-beyond-ids",
        r#"{"id":5,"followOther":{"target":"18446744073709551615"}}"#,
    ),
    (
        "follow-other-snake",
        r#"{"id":5,"follow_other":{"target":"7"}}"#,
    ),
    ("cancel-follow", r#"{"id":6,"cancelFollow":{}}"#),
    (
        "cancel-follow-pause",
        r#"{"id":6,"cancelFollow":{"suspend":"ZOOM"}}"#,
    ),
    ("cancel-auto-end", r#"{"id":7,"cancelAutoEnd":{}}"#),
    (
        "view",
        r#"{"actionSync":{"fileId":"3","key":"view","term":1,"view":{"page":2,"x":0.25,"y":0.1,"zoom":1.5,"rotation":270}}}"#,
    ),
    (
        "view-exponents",
        r#"{"actionSync":{"key":"view","view":{"x":1e-300,"y":5e-324,"zoom":1.7976931348623157e308}}}"#,
    ),
    (
        "view-digits",
        r#"{"actionSync":{"view":{"x":0.30000000000000004,"y":0.1234567890123456789,"zoom":-0.0}}}"#,
    ),
    (
        "pointer",
        r#"{"actionSync":{"key":"pointer","pointer":{"x":1,"y":0}}}"#,
    ),
    (
        "pointer-no-numbers",
        r#"{"actionSync":{"pointer":{"x":"NaN","y":"-Infinity"}}}"#,
    ),
    (
        "pointer-text-numbers",
        r#"{"actionSync":{"pointer":{"x":"0.5","y":"5e-1"}}}"#,
    ),
    ("pointer-null", r#"{"actionSync":{"pointer":{"x":null}}}"#),
    (
        "custom",
        r#"{"actionSync":{"key":"ink","custom":"AAEC/w=="}}"#,
    ),
    ("custom-url-safe", r#"{"actionSync":{"custom":"AAEC_w"}}"#),
    ("custom-no-base64", r#"{"actionSync":{"custom":"*"}}"#),
    (
        "key-too-long",
        r#"{"id":8,"actionSync":{"key":"012345678901234567890123456789012","pointer":{}}}"#,
    ),
    (
        "key-unicode",
        r#"{"id":8,"actionSync":{"key":"\u00e4\ud83d\ude00","pointer":{}}}"#,
    ),
    ("no-value", r#"{"id":8,"actionSync":{"key":"view"}}"#),
    (
        "two-values",
        r#"{"id":8,"actionSync":{"pointer":{},"view":{}}}"#,
    ),
    (
        "two-instructions",
        r#"{"id":9,"quit":{},"cancelFollowMe":{}}"#,
    ),
    ("no-instruction", r#"{"id":5}"#),
    ("null-instruction", r#"{"id":5,"quit":null}"#),
    ("list-instruction", r#"{"id":5,"followOther":[]}"#),
    ("forged", r#"{"id":5,"sessEnd":{"reason":"PLATFORM"}}"#),
    (
        "unknown-fields",
        r#"{"id":3,"later":[1,{"x":"\u0000"}],"followMe":{"invite":"ON","more":{}}}"#,
    ),
    ("id-twice", r#"{"id":1,"id":2,"quit":{}}"#),
    ("id-negative", r#"{"id":-1,"quit":{}}"#),
    ("id-beyond", r#"{"id":4294967296,"quit":{}}"#),
    ("id-fraction", r#"{"id":1.0,"quit":{}}"#),
    (
        "id-exponent",
        r#"{"id":0.5e1,"nonce":1e1,"followOther":{"target":"\ud83d"}}"#,
    ),
    ("id-no-number", r#"{"id":true,"quit":{}}"#),
    (
        "whole-numbers",
        r#"{"id":3.0,"nonce":"9","actionSync":{"fileId":1e1,"term":10e-1,"view":{"page":2.0,"x":1.0,"rotation":9e1}}}"#,
    ),
    ("number-beyond", r#"{"id":5,"nonce":1e400,"quit":{}}"#),
    (
        "control-characters",
        "{\"id\":5,\"followMe\":{\"invite\":\"\\u0007\\u001b[31m\\u0085 at line 3\"}}",
    ),
    (
        "long-name",
        r#"{"id":5,"followMe":{"invite":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}}"#,
    ),
    (
        "lone-surrogate",
        r#"{"id":5,"actionSync":{"key":"\ud800","pointer":{}}}"#,
    ),
    (
        "lone-surrogate-in-a-name",
        r#"{"a\ud800":1,"id":5,"quit":{}}"#,
    ),
    (
        "deep",
        r#"{"id":5,"followOther":{"target":[[[[[[[[[[[[[[[[{"a":[[[[1]]]]}]]]]]]]]]]]]]]]]}}"#,
    ),
    ("byte-order-mark", "\u{feff}{\"id\":5,\"quit\":{}}"),
    ("cut-short", r#"{"id":5,"followOther":{"tar"#),
    ("list", "[]"),
    ("number", "7"),
    ("null", "null"),
];

/// Protobuf messages that our own clients never write, by name.
const BYTES: &[(&str, &[u8])] = &[
    ("empty", &[]),
    (
        "varint-too-long",
        &[
            0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        ],
    ),
    (
        "id-beyond-32-bits",
        &[0x08, 0x80, 0x80, 0x80, 0x80, 0x10, 0x82, 0x02, 0x00],
    ),
    ("cut-short-inside", &[0x08, 0x05, 0xa2, 0x02, 0x01, 0x08]),
    ("length-beyond-the-end", &[0x08, 0x05, 0xa2, 0x02, 0x7f]),
    ("wrong-wire-type", &[0x0a, 0x01, 0x05, 0x82, 0x02, 0x00]),
    ("field-zero", &[0x00, 0x01]),
    (
        "group",
        &[0x08, 0x05, 0x6b, 0x08, 0x01, 0x6c, 0x82, 0x02, 0x00],
    ),
    (
        "groups-within-groups",
        &[
            0x08, 0x05, 0x6b, 0x73, 0x6b, 0x08, 0x01, 0x6c, 0x74, 0x6c, 0x0f,
        ],
    ),
    (
        "unknown-field",
        &[0x08, 0x05, 0xf8, 0x3f, 0x07, 0x82, 0x02, 0x00],
    ),
    (
        "two-instructions",
        &[0x08, 0x05, 0x82, 0x02, 0x00, 0x9a, 0x02, 0x00],
    ),
    (
        "message-in-two-parts",
        &[0x92, 0x02, 0x02, 0x08, 0x02, 0x92, 0x02, 0x02, 0x10, 0x02],
    ),
    ("enum-beyond", &[0x08, 0x06, 0x92, 0x02, 0x02, 0x08, 0x63]),
    (
        "enum-negative",
        &[
            0x82, 0x02, 0x0b, 0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
        ],
    ),
    (
        "key-not-utf8",
        &[0x08, 0x07, 0xe2, 0x03, 0x05, 0x12, 0x01, 0xff, 0x5a, 0x00],
    ),
    (
        "pointer-nan",
        &[
            0xe2, 0x03, 0x0b, 0x5a, 0x09, 0x09, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f,
        ],
    ),
    (
        "pointer-minus-zero",
        &[
            0xe2, 0x03, 0x0b, 0x5a, 0x09, 0x09, 0, 0, 0, 0, 0, 0, 0, 0x80,
        ],
    ),
    (
        "time-nanos-beyond",
        &[
            0x92, 0x01, 0x08, 0x0a, 0x06, 0x10, 0xff, 0xff, 0xff, 0xff, 0x07,
        ],
    ),
    (
        "time-nanos-negative",
        &[
            0x92, 0x01, 0x0d, 0x0a, 0x0b, 0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            0xff, 0x01,
        ],
    ),
    (
        "time-seconds-beyond",
        &[
            0x92, 0x01, 0x0c, 0x0a, 0x0a, 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            0x7f,
        ],
    ),
];

pub(crate) fn json() -> Vec<(String, Vec<u8>)> {
    TEXTS
        .iter()
        .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
        .collect()
}

pub(crate) fn proto() -> Vec<(String, Vec<u8>)> {
    let frames = TEXTS.iter().filter_map(|(name, text)| {
        let frame: ClientFrame = serde_json::from_str(text).ok()?;
        Some(((*name).to_owned(), frame.encode_to_vec()))
    });
    frames
        .chain(
            BYTES
                .iter()
                .map(|(name, bytes)| (format!("raw-{name}"), bytes.to_vec())),
        )
        .collect()
}
