//! `benchmark.*`: settings that make sense while measuring, and at no other time.

use super::section::Section;

/// Whether this is a measurement.
#[derive(Debug, Clone)]
pub(crate) struct Benchmark {
    /// Allows what nobody may be served with.
    pub(crate) enabled: bool,
}

impl Benchmark {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        Self {
            enabled: section.flag("enabled", false),
        }
    }
}
