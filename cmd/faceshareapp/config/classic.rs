//! `classic.*`: the calls of an older system.

use super::section::Section;

/// Whether and how the classic API is served.
#[derive(Debug, Clone)]
pub(crate) struct Classic {
    /// Whether it is served.
    pub(crate) enabled: bool,
    /// Whether sign-in tells an unknown name from a wrong password.
    pub(crate) reveal_unknown_user: bool,
}

impl Classic {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        Self {
            enabled: section.flag("enabled", false),
            reveal_unknown_user: section.flag("reveal_unknown_user", false),
        }
    }
}
