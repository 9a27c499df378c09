//! Fixed numbers of the protocol, which are not configurable.

use std::ops::RangeInclusive;
use std::time::Duration;

/// How many committed nonces are remembered for each member, so that a repeated instruction takes
/// effect once.
pub const NONCES_PER_MEMBER: usize = 64;
/// For this long after its end a session still accepts connections of its members, to send them the
/// end.
pub const ENDED_REPLAY: Duration = Duration::from_secs(600);
/// The scheduled end is announced this long before it.
pub const SCHEDULED_NOTICE: Duration = Duration::from_secs(300);
/// An ended session and its log are deleted this long after the end.
pub const ENDED_KEPT: Duration = Duration::from_secs(30 * 86_400);
/// A guest that has not refreshed a token for this long and is in no live session is deleted.
pub const GUEST_KEPT: Duration = Duration::from_secs(7 * 86_400);
/// For this long a used refresh token returns the same pair again, unless the new one was used: for
/// lost answers and for two tabs.
pub const REFRESH_OVERLAP: Duration = Duration::from_secs(60);
/// How long a revoked token family is kept in memory: longer than the longest configurable lifetime
/// of an access or session token (24 hours).
pub const REVOCATION_KEPT: Duration = Duration::from_secs(25 * 3_600);
/// Token families are deleted this long after their end. Longer than [`GUEST_KEPT`], since they
/// show when a guest last refreshed.
pub const FAMILY_KEPT: Duration = Duration::from_secs(8 * 86_400);
/// The length of a username, in characters.
pub const USERNAME_LENGTH: RangeInclusive<usize> = 4..=32;
/// The length of a new password, in characters.
pub const PASSWORD_LENGTH: RangeInclusive<usize> = 8..=128;
/// Items in a page of a list, unless the caller asks for another number.
pub const PAGE_SIZE_DEFAULT: u32 = 50;
/// The most items in a page of a list.
pub const PAGE_SIZE_MAX: u32 = 200;
/// The most characters of a device's name and of its kind.
pub const DEVICE_TEXT_MAX: usize = 64;
/// A session starts a new epoch once its seq reaches this: below 2^31 by a margin for the frames in
/// flight.
pub const SEQ_MAX: u32 = (1 << 31) - 65_536;
/// The most events that get their positions in one transaction.
pub const SEQUENCED_MAX: u32 = 500;
/// Events are kept for this long after the last consumer has passed them.
pub const EVENT_KEPT: Duration = Duration::from_secs(7 * 86_400);
/// A dead letter is deleted this long after its last attempt.
pub const DEAD_LETTER_KEPT: Duration = Duration::from_secs(30 * 86_400);
