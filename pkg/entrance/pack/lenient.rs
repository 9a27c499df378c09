//! Reading JSON of a newer server: enum values that this build does not know are read as unset.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

/// No honest message holds more values that are new to us; it bounds the work on a hostile one.
const MOST_UNKNOWN: usize = 64;

/// Reads `T` from JSON text.
///
/// # Errors
/// When it is not JSON, or does not fit `T` for another reason than unknown enum values.
pub fn from_slice<T: DeserializeOwned>(json: &[u8]) -> serde_json::Result<T> {
    match serde_json::from_slice(json) {
        Ok(value) => Ok(value),
        Err(_) => from_value(serde_json::from_slice(json)?),
    }
}

/// Reads `T` from a JSON value.
///
/// # Errors
/// When it does not fit `T` for another reason than unknown enum values.
pub fn from_value<T: DeserializeOwned>(mut value: Value) -> serde_json::Result<T> {
    for _ in 0..MOST_UNKNOWN {
        match serde_path_to_error::deserialize::<_, T>(&value) {
            Ok(read) => return Ok(read),
            Err(error) if is_unknown_value(error.inner()) && remove(&mut value, error.path()) => {}
            Err(error) => return Err(error.into_inner()),
        }
    }
    serde_json::from_value(value)
}

/// serde's own wording for `Error::unknown_variant`; there is no other way to tell it from a wrong type.
fn is_unknown_value(error: &serde_json::Error) -> bool {
    error.to_string().starts_with("unknown variant")
}

fn remove(value: &mut Value, path: &Path) -> bool {
    let mut keys: Vec<String> = Vec::new();
    for segment in path {
        match segment {
            Segment::Map { key } => keys.push(key.clone()),
            Segment::Seq { index } => keys.push(index.to_string()),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    let Some(last) = keys.pop() else { return false };
    let parent = keys.iter().try_fold(value, |value, key| match value {
        Value::Object(object) => object.get_mut(key),
        Value::Array(items) => items.get_mut(key.parse::<usize>().ok()?),
        _ => None,
    });
    parent.and_then(Value::as_object_mut).is_some_and(|object| object.remove(&last).is_some())
}
