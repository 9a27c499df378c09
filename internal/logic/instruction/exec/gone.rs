//! An account was deleted: its member leaves, or its knock no longer waits.

use crate::draft::Draft;
use crate::entry::Reject;
use crate::{http_quit, knock};
use faceshare_biz::domain::MemberId;

pub(crate) fn step(draft: &mut Draft<'_>, member: MemberId) -> Result<(), Reject> {
    match draft.state.knock_of(member).map(|knock| knock.id) {
        Some(waiting) => {
            knock::expire(draft, waiting);
            Ok(())
        }
        None => http_quit::step(draft, member),
    }
}
