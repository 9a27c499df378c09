//! `classic.*`: the calls of an older system.

use super::section::Section;

/// Whether and how they are served.
#[derive(Debug, Clone)]
pub(crate) struct Classic {
    /// Whether they are.
    pub(crate) enabled: bool,
    /// Whether signing in tells that there is no such name.
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
