//! Somebody is called something else now, or has another picture, or is no guest any more.

use crate::draft::Draft;
use crate::entry::{Change, Reject};
use crate::seat::tell_changes;
use crate::state::Standing;
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::instruction::Profile;

/// A member shows it at once; somebody who is not here will show it on return.
pub(crate) fn step(draft: &mut Draft<'_>, profile: Profile) -> Result<(), Reject> {
    let Some(person) = draft.state.person(profile.id) else {
        return Err(Reject::new(
            ErrorCode::NotFound,
            "you are not in this session",
        ));
    };
    if person.profile == profile {
        return Ok(());
    }
    if matches!(person.standing, Standing::Present(_)) {
        tell_changes(draft, &profile, None);
    }
    draft.change(Change::Profile(profile));
    Ok(())
}
