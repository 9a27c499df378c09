//! The wire contract of the instruction stream.
//!
//! The messages are generated from `proto/faceshare/v1/*.proto`; each encodes as protobuf ([`prost::Message`]) and as the canonical proto3
//! JSON ([`serde`]), so that the two subprotocols have one schema and one set of names.

pub mod json;
pub mod wellknown;

/// Package `faceshare.v1`.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    reason = "generated; the documentation is in the .proto files"
)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/faceshare.v1.rs"));
    include!(concat!(env!("OUT_DIR"), "/faceshare.v1.serde.rs"));
}

/// The compiled `.proto` files (a `FileDescriptorSet`), for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The subprotocol whose frames are protobuf in binary WebSocket frames.
pub const SUBPROTOCOL_PROTO: &str = "faceshare.v1.proto";
/// The subprotocol whose frames are canonical proto3 JSON in text WebSocket frames.
pub const SUBPROTOCOL_JSON: &str = "faceshare.v1.json";

#[cfg(test)]
mod tests {
    use super::v1::{
        ClientFrame, Event, FollowMe, ServerFrame, Welcome, client_frame, follow_me, server_frame,
        welcome,
    };
    use super::wellknown::{Duration, Timestamp};
    use prost::Message;

    fn welcome() -> ServerFrame {
        ServerFrame {
            seq: 0,
            at: Some(Timestamp::from_millis(1_700_000_000_007)),
            from: 0,
            instruction: Some(server_frame::Instruction::Welcome(Welcome {
                self_: Some(welcome::Self_ {
                    member_id: u64::MAX >> 1,
                    point_id: 2,
                    role: 1,
                }),
                epoch: "e".into(),
                seq: 9,
                resumed: true,
                heartbeat_interval: Some(Duration::from_millis(20_000)),
                snapshot: None,
            })),
        }
    }

    #[test]
    fn json_uses_camel_case_string_ids_and_z_times() {
        let json = serde_json::to_value(welcome()).expect("serialises");
        assert_eq!(
            json,
            serde_json::json!({
                "at": "2023-11-14T22:13:20.007Z",
                "welcome": {
                    "self": {"memberId": "9223372036854775807", "pointId": "2", "role": "HOST"},
                    "epoch": "e", "seq": 9, "resumed": true, "heartbeatInterval": "20s",
                },
            })
        );
    }

    #[test]
    fn an_event_is_canonical_json_with_ids_as_text() {
        let event = Event {
            id: u64::MAX >> 1,
            topic: "accounts".into(),
            key: "7".into(),
            kind: "made".into(),
            version: 1,
            at: Some(Timestamp::from_millis(1_700_000_000_007)),
            body: r#"{"guest":true}"#.into(),
        };
        let json = serde_json::json!({
            "id": "9223372036854775807", "topic": "accounts", "key": "7", "kind": "made",
            "version": "1", "at": "2023-11-14T22:13:20.007Z", "body": r#"{"guest":true}"#,
        });
        assert_eq!(serde_json::to_value(&event).expect("serialises"), json);
        assert_eq!(
            serde_json::from_value::<Event>(json).expect("parses"),
            event
        );
    }

    #[test]
    fn both_encodings_carry_the_same_frame() {
        let frame = welcome();
        assert_eq!(
            ServerFrame::decode(frame.encode_to_vec().as_slice()).expect("decodes"),
            frame
        );
        let json = serde_json::to_string(&frame).expect("serialises");
        assert_eq!(
            serde_json::from_str::<ServerFrame>(&json).expect("parses"),
            frame
        );
    }

    #[test]
    fn unknown_fields_of_a_client_frame_are_ignored() {
        let frame: ClientFrame = serde_json::from_str(
            r#"{"id": 3, "later": 1, "followMe": {"invite": "ON", "more": {}}}"#,
        )
        .expect("parses");
        let follow_me = FollowMe {
            invite: follow_me::Invite::On.into(),
            lock: 0,
            presenter: 0,
        };
        assert_eq!(
            frame,
            ClientFrame {
                id: 3,
                nonce: 0,
                instruction: Some(client_frame::Instruction::FollowMe(follow_me))
            }
        );
    }
}
