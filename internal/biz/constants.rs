//! Numbers that are part of the protocol rather than of the configuration.

use std::ops::RangeInclusive;
use std::time::Duration;

/// How many committed nonces are remembered for each member, so that a repeated instruction takes effect once.
pub const NONCES_PER_MEMBER: usize = 64;
/// For how long after its end a session still lets its people in to be told so.
pub const ENDED_REPLAY: Duration = Duration::from_secs(600);
/// The scheduled end is announced this long before it.
pub const SCHEDULED_NOTICE: Duration = Duration::from_secs(300);
/// An ended session is kept for this long.
pub const ENDED_KEPT: Duration = Duration::from_secs(30 * 86_400);
/// A guest who has not come back for this long, and is in no session that goes on, is forgotten.
pub const GUEST_KEPT: Duration = Duration::from_secs(7 * 86_400);
/// The old refresh token returns the same pair again for this long, unless the new one was used: a lost answer, two tabs.
pub const REFRESH_OVERLAP: Duration = Duration::from_secs(60);
/// A revoked token family is remembered for this long: more than any token of its lives, whatever the configuration says.
pub const REVOCATION_KEPT: Duration = Duration::from_secs(25 * 3_600);
/// Token families that ended this long ago are forgotten. Longer than [`GUEST_KEPT`], since they show when a guest last came.
pub const FAMILY_KEPT: Duration = Duration::from_secs(8 * 86_400);
/// Characters of a username.
pub const USERNAME_LENGTH: RangeInclusive<usize> = 4..=32;
/// Characters of a password that is set.
pub const PASSWORD_LENGTH: RangeInclusive<usize> = 8..=128;
/// Items in a page of a list, unless the caller asks for another number.
pub const PAGE_SIZE_DEFAULT: u32 = 50;
/// The most items in a page of a list.
pub const PAGE_SIZE_MAX: u32 = 200;
/// Characters of a device's name and kind.
pub const DEVICE_TEXT_MAX: usize = 64;
/// A new epoch starts before seq reaches 2^31; this leaves room for what is under way.
pub const SEQ_MAX: u32 = (1 << 31) - 65_536;
