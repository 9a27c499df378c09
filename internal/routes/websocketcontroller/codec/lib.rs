//! The domain's frames in the wire formats of the contract: protobuf, and its canonical JSON twin.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use faceshare_api::v1;
use faceshare_biz::domain::instruction::{Decoded, FrameCodec, ServerFrame, WireFormat};
use prost::Message;

/// Writes and reads the frames of `faceshare.v1`.
#[derive(Debug, Clone, Copy)]
pub struct WireCodec {
    /// `limits.action_key_bytes`.
    pub action_key_bytes: usize,
}

impl FrameCodec for WireCodec {
    fn encode(&self, format: WireFormat, frame: &ServerFrame) -> Bytes {
        let frame: v1::ServerFrame = encode::server_frame(frame);
        match format {
            WireFormat::Proto => frame.encode_to_vec().into(),
            WireFormat::Json => serde_json::to_vec(&frame).expect("invariant: wire messages always serialise").into(),
        }
    }

    fn decode(&self, format: WireFormat, message: &[u8]) -> Decoded {
        match format {
            WireFormat::Proto => decode::proto(message, self.action_key_bytes),
            WireFormat::Json => decode::json(message, self.action_key_bytes),
        }
    }
}
