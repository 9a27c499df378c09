//! Encodes and decodes the domain's frames in the wire formats of the contract: protobuf, and its
//! canonical JSON form.

mod decode;
mod encode;
mod frame_id;
mod position;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use faceshare_api::v1;
use faceshare_biz::domain::instruction::{
    Decoded, FrameCodec, Notice, ServerFrame, Statement, WireFormat,
};
use faceshare_websocket::{HEADER_MAX, MessageKind, prefixed};
use prost::Message;

/// Encodes and decodes the frames of `faceshare.v1`.
#[derive(Debug, Clone, Copy)]
pub struct WireCodec {
    /// `limits.action_key_bytes`.
    pub action_key_bytes: usize,
}

impl WireCodec {
    /// Encodes the frame after `room` bytes that stay free.
    fn encode_behind(room: usize, format: WireFormat, frame: &ServerFrame) -> Vec<u8> {
        match (format, &frame.statement) {
            (WireFormat::Proto, Statement::Notice(Notice::ActionSync(sent))) => {
                position::write_behind(room, frame, sent)
            }
            _ => Self::encode_generated_behind(room, format, &encode::server_frame(frame)),
        }
    }

    /// Encodes any frame with the generated code.
    fn encode_generated_behind(
        room: usize,
        format: WireFormat,
        frame: &v1::ServerFrame,
    ) -> Vec<u8> {
        match format {
            WireFormat::Proto => {
                let mut buffer = Vec::with_capacity(room + frame.encoded_len());
                buffer.resize(room, 0);
                frame.encode_raw(&mut buffer);
                buffer
            }
            WireFormat::Json => {
                let mut buffer = vec![0; room];
                serde_json::to_writer(&mut buffer, frame)
                    .expect("invariant: wire messages always serialise, and memory takes them");
                buffer
            }
        }
    }
}

impl FrameCodec for WireCodec {
    fn encode(&self, format: WireFormat, frame: &ServerFrame) -> Bytes {
        Self::encode_behind(0, format, frame).into()
    }

    fn decode(&self, format: WireFormat, message: &[u8]) -> Decoded {
        match format {
            WireFormat::Proto => match position::read(message, self.action_key_bytes) {
                Some(position) => Decoded::Frame(position),
                None => decode::proto(message, self.action_key_bytes),
            },
            WireFormat::Json => decode::json(message, self.action_key_bytes),
        }
    }
}

/// A [`WireCodec`] that puts the header of a WebSocket frame in front of each encoded frame: once,
/// for all receivers.
#[derive(Debug, Clone, Copy)]
pub struct WebSocketCodec(pub WireCodec);

impl FrameCodec for WebSocketCodec {
    fn encode(&self, format: WireFormat, frame: &ServerFrame) -> Bytes {
        let kind = match format {
            WireFormat::Proto => MessageKind::Binary,
            WireFormat::Json => MessageKind::Text,
        };
        prefixed(kind, WireCodec::encode_behind(HEADER_MAX, format, frame))
    }

    fn decode(&self, format: WireFormat, message: &[u8]) -> Decoded {
        self.0.decode(format, message)
    }
}
