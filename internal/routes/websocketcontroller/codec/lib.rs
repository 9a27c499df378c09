//! The domain's frames in the wire formats of the contract: protobuf, and its canonical JSON twin.

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
use faceshare_websocket::{HEADER_MAX, Kind, prefixed};
use prost::Message;

/// Writes and reads the frames of `faceshare.v1`.
#[derive(Debug, Clone, Copy)]
pub struct WireCodec {
    /// `limits.action_key_bytes`.
    pub action_key_bytes: usize,
}

impl WireCodec {
    /// The frame, behind so many bytes that are left free.
    fn encode_behind(room: usize, format: WireFormat, frame: &ServerFrame) -> Vec<u8> {
        match (format, &frame.statement) {
            (WireFormat::Proto, Statement::Notice(Notice::ActionSync(sent))) => {
                position::write_behind(room, frame, sent)
            }
            _ => Self::encode_generated_behind(room, format, &encode::server_frame(frame)),
        }
    }

    /// The same by the generated code, for whatever there is.
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

/// The same, with the header of a WebSocket frame in front of what it writes: put there once, for all receivers.
#[derive(Debug, Clone, Copy)]
pub struct WebSocketCodec(pub WireCodec);

impl FrameCodec for WebSocketCodec {
    fn encode(&self, format: WireFormat, frame: &ServerFrame) -> Bytes {
        let kind = match format {
            WireFormat::Proto => Kind::Binary,
            WireFormat::Json => Kind::Text,
        };
        prefixed(kind, WireCodec::encode_behind(HEADER_MAX, format, frame))
    }

    fn decode(&self, format: WireFormat, message: &[u8]) -> Decoded {
        self.0.decode(format, message)
    }
}
