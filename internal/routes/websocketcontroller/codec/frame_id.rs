//! Reads the id of a frame that cannot be decoded as a whole, so that it can be answered.
//!
//! A message is malformed when the wire format itself is broken: text that is not JSON, bytes that
//! are not protobuf. Every other error lies within a field, which is skipped here. The time is
//! linear in the length, however deep values are nested.

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

/// The id in a JSON object; 0 when it has none. `None`: the message is no JSON object, or its id is
/// no valid id. Of several ids the last one counts.
pub(super) fn json(message: &[u8]) -> Option<u32> {
    // The JSON parser does not check the encoding of skipped fields.
    std::str::from_utf8(message).ok()?;
    serde_json::from_slice::<FrameId>(message)
        .ok()
        .map(|frame| frame.id)
}

struct FrameId {
    id: u32,
}

impl<'de> Deserialize<'de> for FrameId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FrameVisitor)
    }
}

struct FrameVisitor;

impl<'de> Visitor<'de> for FrameVisitor {
    type Value = FrameId;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a frame")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<FrameId, A::Error> {
        let mut id = 0;
        while let Some(IsId(is_id)) = fields.next_key()? {
            if is_id {
                id = fields.next_value::<Id>()?.0;
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(FrameId { id })
    }
}

/// Whether the name of a field is `id`. Names are compared as bytes: one may hold half a surrogate
/// pair, which a string cannot.
struct IsId(bool);

impl<'de> Deserialize<'de> for IsId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(IsIdVisitor)
    }
}

struct IsIdVisitor;

impl Visitor<'_> for IsIdVisitor {
    type Value = IsId;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<IsId, E> {
        self.visit_bytes(name.as_bytes())
    }

    fn visit_bytes<E: Error>(self, name: &[u8]) -> Result<IsId, E> {
        Ok(IsId(name == b"id"))
    }
}

/// An id as proto3 JSON allows it: a number, a number as text, or null for none.
struct Id(u32);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IdVisitor)
    }
}

struct IdVisitor;

impl Visitor<'_> for IdVisitor {
    type Value = Id;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an id")
    }

    fn visit_u64<E: Error>(self, id: u64) -> Result<Id, E> {
        id.try_into().map(Id).map_err(E::custom)
    }

    fn visit_str<E: Error>(self, id: &str) -> Result<Id, E> {
        id.parse().map(Id).map_err(E::custom)
    }

    fn visit_unit<E: Error>(self) -> Result<Id, E> {
        Ok(Id(0))
    }
}

/// The id in a protobuf message; 0 when it has none. `None`: the message is no protobuf message, or
/// its field 1 is no number. Of several ids the last one counts.
pub(super) fn proto(message: &[u8]) -> Option<u32> {
    const VARINT: u64 = 0;
    const EIGHT_BYTES: u64 = 1;
    const LENGTH_DELIMITED: u64 = 2;
    const GROUP: u64 = 3;
    const GROUP_END: u64 = 4;
    const FOUR_BYTES: u64 = 5;
    let (mut rest, mut id) = (message, 0);
    // The fields of open groups. Groups belong to proto2 and are valid in an unknown field.
    let mut groups = Vec::new();
    while !rest.is_empty() {
        let tag = varint(&mut rest)?;
        let field = u32::try_from(tag).ok()? >> 3;
        match tag & 0x7 {
            _ if field == 0 => return None,
            VARINT => {
                let number = varint(&mut rest)?;
                if field == 1 && groups.is_empty() {
                    // Protobuf cuts the high bits off a number that is too long for its type.
                    id = number as u32;
                }
            }
            _ if field == 1 && groups.is_empty() => return None,
            EIGHT_BYTES => rest = rest.get(8..)?,
            LENGTH_DELIMITED => {
                let length = usize::try_from(varint(&mut rest)?).ok()?;
                rest = rest.get(length..)?;
            }
            GROUP => groups.push(field),
            GROUP_END => groups.pop().filter(|open| *open == field).map(drop)?,
            FOUR_BYTES => rest = rest.get(4..)?,
            _ => return None,
        }
    }
    groups.is_empty().then_some(id)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    prost::encoding::decode_varint(rest).ok()
}
