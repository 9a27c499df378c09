//! Keys of the whole product's documentation that this version does not support.
//!
//! They stop the start with an error that names the feature. Accepting a setting without applying
//! it would mislead the operator.

use super::section::Reader;

/// A key or section, and the feature that it configures.
const FEATURES: &[(&str, &str)] = &[
    ("account_agent", "an external account service"),
    ("drive", "files from a drive"),
    ("encs", "encryption by a key service"),
    ("files", "file sharing"),
    ("grpc.callers", "calling the gRPC services"),
    ("limits.file_bytes", "file sharing"),
    ("limits.files_per_session", "file sharing"),
    ("notify", "push notifications"),
    ("redis", "clustering on Redis"),
];

/// The missing feature that `path`, a key or a section, belongs to.
pub(super) fn feature_of(path: &str) -> Option<&'static str> {
    FEATURES.iter().find_map(|(prefix, feature)| {
        let rest = path.strip_prefix(prefix)?;
        (rest.is_empty() || rest.starts_with('.')).then_some(*feature)
    })
}

/// Reads the keys whose "off" value is already allowed, and refuses any other value.
pub(super) fn read(reader: &mut Reader<'_>) {
    let mut redis = reader.section("redis");
    redis.text(
        "url",
        (),
        |url| {
            if url.is_empty() {
                Ok(())
            } else {
                Err(unsupported("redis.url", "leave it empty"))
            }
        },
        |()| String::new(),
    );
}

fn unsupported(path: &str, remedy: &str) -> String {
    let feature = feature_of(path).unwrap_or(path);
    format!("{feature} is not in this version; {remedy}")
}
