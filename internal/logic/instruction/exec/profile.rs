//! The profile of an account has changed: its nickname, its avatar, or whether it is a guest.

use crate::draft::Draft;
use crate::entry::{Change, Reject};
use crate::seat::tell_changes;
use crate::state::Membership;
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::instruction::Profile;

/// A change of a present member is announced at once; an absent one has the new profile when it
/// returns.
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
    if matches!(person.standing, Membership::Present(_)) {
        tell_changes(draft, &profile, None);
    }
    draft.change(Change::Profile(profile));
    Ok(())
}
