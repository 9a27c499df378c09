//! Parses JSON of a newer server: enum values that this build does not know become unset.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

/// More unknown values than an honest message has; bounds the work on a hostile one.
const UNKNOWN_VALUES_MAX: usize = 64;

/// Parses `T` from JSON text.
///
/// # Errors
/// When the text is not JSON, or does not fit `T` for another reason than unknown enum values.
pub fn from_slice<T: DeserializeOwned>(json: &[u8]) -> serde_json::Result<T> {
    match serde_json::from_slice(json) {
        Ok(value) => Ok(value),
        Err(_) => from_value(serde_json::from_slice(json)?),
    }
}

/// Parses `T` from a JSON value.
///
/// # Errors
/// When the value does not fit `T` for another reason than unknown enum values.
pub fn from_value<T: DeserializeOwned>(mut value: Value) -> serde_json::Result<T> {
    for _ in 0..UNKNOWN_VALUES_MAX {
        match serde_path_to_error::deserialize::<_, T>(&value) {
            Ok(read) => return Ok(read),
            Err(error) if is_unknown_value(error.inner()) && remove(&mut value, error.path()) => {}
            Err(error) => return Err(error.into_inner()),
        }
    }
    serde_json::from_value(value)
}

/// serde's text for `Error::unknown_variant`; nothing else distinguishes it from a wrong type.
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
    parent
        .and_then(Value::as_object_mut)
        .is_some_and(|object| object.remove(&last).is_some())
}
