//! `benchmark.*`: settings that make sense only while the server is measured.

use super::section::Section;

/// Settings of a server that runs to be measured.
#[derive(Debug, Clone)]
pub(crate) struct Benchmark {
    /// Allows `argon2.test_parameters`, and requires `http.listen` to be loopback.
    pub(crate) enabled: bool,
}

impl Benchmark {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        Self {
            enabled: section.flag("enabled", false),
        }
    }
}
