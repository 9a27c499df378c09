//! Encodes and decodes the frames of the instruction stream, for clients, in both subprotocols.
//!
//! A client must work with newer servers, so decoding is lenient: an unknown instruction becomes a
//! frame without an instruction whose `seq` still counts, and an unknown enum value becomes unset.

pub mod lenient;

use bytes::Bytes;
use faceshare_api::v1::{ClientFrame, ServerFrame};
use faceshare_api::wellknown::Timestamp;
use faceshare_api::{SUBPROTOCOL_JSON, SUBPROTOCOL_PROTO};
use prost::Message;
use serde_json::Value;

/// The encoding of frames on one connection, selected by the WebSocket subprotocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Protobuf in binary WebSocket frames: smaller and faster.
    #[default]
    Proto,
    /// Canonical proto3 JSON in text WebSocket frames: readable.
    Json,
}

impl Format {
    /// The subprotocol name for the handshake.
    #[must_use]
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::Proto => SUBPROTOCOL_PROTO,
            Self::Json => SUBPROTOCOL_JSON,
        }
    }

    /// The format of a subprotocol name; `None` if the name is not one of ours.
    #[must_use]
    pub fn from_subprotocol(name: &str) -> Option<Self> {
        [Self::Proto, Self::Json]
            .into_iter()
            .find(|format| format.subprotocol() == name)
    }
}

/// One encoded frame: the content of one WebSocket message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packed {
    /// The content of a binary message.
    Binary(Bytes),
    /// The content of a text message.
    Text(String),
}

impl Packed {
    /// The bytes of either kind.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Binary(bytes) => bytes,
            Self::Text(text) => text.as_bytes(),
        }
    }
}

/// The bytes are not a frame.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// Not a protobuf server frame.
    #[error("not a protobuf frame: {0}")]
    Proto(#[from] prost::DecodeError),
    /// Not a JSON object.
    #[error("not a JSON frame: {0}")]
    Json(#[from] serde_json::Error),
}

/// Encodes a frame for the server.
#[must_use]
pub fn encode_client(frame: &ClientFrame, format: Format) -> Packed {
    match format {
        Format::Proto => Packed::Binary(frame.encode_to_vec().into()),
        Format::Json => Packed::Text(
            serde_json::to_string(frame)
                .expect("invariant: frames have string keys and no failing serialiser"),
        ),
    }
}

/// Decodes a frame of the server.
///
/// If the instruction cannot be decoded, `instruction` is `None`, and `seq`, `at` and `from` are
/// kept.
///
/// # Errors
/// When the bytes are not a frame.
pub fn decode_server(bytes: &[u8], format: Format) -> Result<ServerFrame, UnpackError> {
    match format {
        Format::Proto => Ok(ServerFrame::decode(bytes)?),
        Format::Json => decode_json(bytes),
    }
}

fn decode_json(bytes: &[u8]) -> Result<ServerFrame, UnpackError> {
    if let Ok(frame) = serde_json::from_slice(bytes) {
        return Ok(frame);
    }
    let object: serde_json::Map<String, Value> = serde_json::from_slice(bytes)?;
    let (seq, from) = (number(&object, "seq"), number(&object, "from"));
    let at = object
        .get("at")
        .and_then(|at| serde_json::from_value::<Timestamp>(at.clone()).ok());
    Ok(
        lenient::from_value(Value::Object(object)).unwrap_or_else(|_| ServerFrame {
            seq: u32::try_from(seq).unwrap_or_default(),
            at,
            from,
            instruction: None,
        }),
    )
}

/// A number in either form of canonical JSON: a number or a string.
fn number(object: &serde_json::Map<String, Value>, key: &str) -> u64 {
    match object.get(key) {
        Some(Value::Number(number)) => number.as_u64().unwrap_or_default(),
        Some(Value::String(text)) => text.parse().unwrap_or_default(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
