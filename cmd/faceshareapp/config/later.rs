//! Keys that operators know from the documentation of the whole product and that this version cannot serve.
//!
//! They stop the start with the feature's name: a setting that is taken and not followed would be worse than none.

use super::section::Reader;

/// Key, or section, and the feature that it configures.
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

/// Reads the switches whose "off" is a legal value already, and refuses any other.
pub(super) fn read(reader: &mut Reader<'_>) {
    let mut redis = reader.section("redis");
    redis.text(
        "url",
        (),
        |url| {
            if url.is_empty() {
                Ok(())
            } else {
                Err(absent("redis.url", "leave it empty"))
            }
        },
        |()| String::new(),
    );
}

fn absent(path: &str, remedy: &str) -> String {
    let feature = feature_of(path).unwrap_or(path);
    format!("{feature} is not in this version; {remedy}")
}
