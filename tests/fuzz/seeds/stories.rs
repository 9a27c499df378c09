//! The stories of the corpus.

use faceshare_fuzz::story::Kind::{self, *};
use faceshare_fuzz::story::{KINDS, RECORD};

/// `[what, who, a, b]`, see `story`; people are numbered from 0, the host.
type OperationRecord = (Kind, u8, u8, u8);

/// `[host left and limit of members, maximum duration, rules, people at the start]`.
type SetupRecord = [u8; RECORD];

const PLAIN: SetupRecord = [0, 0, 0, 4];
const PROMOTE: SetupRecord = [1, 0, 0, 4];
const SMALL: SetupRecord = [0x20, 0, 0, 3];
const SHORT: SetupRecord = [0, 4, 0, 3];
const FEW_REMEMBERED: SetupRecord = [0, 0, 1, 2];
const ALL_PEOPLE: SetupRecord = [0, 0, 0, 8];

const STORIES: &[(&str, SetupRecord, &[OperationRecord])] = &[
    (
        "no-member-comes",
        [0; RECORD],
        &[(Waits, 0, 9, 1), (Waits, 0, 9, 1)],
    ),
    (
        "guest-before-host",
        [0; RECORD],
        &[
            (Comes, 2, 0, 0),
            (Waits, 0, 12, 0),
            (Comes, 0, 0, 0),
            (Quit, 2, 0, 0),
        ],
    ),
    (
        "chain-and-cycle",
        PLAIN,
        &[
            (FollowOther, 1, 0, 0),
            (FollowOther, 2, 1, 0),
            (FollowOther, 3, 2, 0),
            (FollowOther, 0, 3, 0),
            (FollowOther, 0, 0, 0),
        ],
    ),
    (
        "pause-in-the-middle",
        PLAIN,
        &[
            (FollowOther, 1, 0, 0),
            (FollowOther, 2, 1, 0),
            (CancelFollow, 1, 0, 0),
            (FollowOther, 0, 2, 0),
            (FollowOther, 1, 3, 0),
            (CancelFollow, 2, 1, 0),
        ],
    ),
    (
        "target-leaves",
        PLAIN,
        &[
            (FollowOther, 1, 2, 0),
            (FollowOther, 3, 1, 0),
            (CancelFollow, 1, 0, 0),
            (Quit, 2, 0, 0),
            (Quit, 1, 0, 0),
        ],
    ),
    (
        "present-all",
        PLAIN,
        &[
            (FollowOther, 1, 2, 0),
            (FollowOther, 0, 3, 0),
            (FollowMe, 0, 0, 0),
            (CancelFollow, 1, 0, 0),
            (Comes, 4, 0, 0),
            (CancelFollowMe, 0, 0, 0),
        ],
    ),
    (
        "present-hard",
        PLAIN,
        &[
            (FollowMe, 0, 4, 0),
            (CancelFollow, 1, 1, 0),
            (FollowOther, 1, 2, 0),
            (CancelFollow, 2, 0, 0),
            (FollowMe, 0, 0, 0),
        ],
    ),
    (
        "take-over",
        PLAIN,
        &[
            (FollowMe, 1, 0, 0),
            (FollowMe, 2, 0, 0),
            (FollowMe, 0, 0, 0),
            (FollowMe, 0, 8, 3),
            (FollowMe, 3, 1, 0),
            (Quit, 3, 0, 0),
        ],
    ),
    (
        "presenter-is-lost",
        PLAIN,
        &[
            (FollowMe, 1, 0, 0),
            (Loses, 1, 0, 0),
            (Waits, 0, 4, 0),
            (FollowMe, 0, 8, 1),
            (Waits, 0, 8, 0),
        ],
    ),
    (
        "positions",
        PLAIN,
        &[
            (Position, 0, 0, 9),
            (FollowMe, 0, 0, 0),
            (Position, 0, 0, 1),
            (Position, 0, 0, 2),
            (Position, 0, 0, 3),
            (Position, 0, 0, 4),
            (Position, 0, 0, 5),
            (Position, 0, 1, 6),
            (Position, 1, 0, 255),
        ],
    ),
    (
        "back-within-debounce",
        PLAIN,
        &[
            (Loses, 1, 0, 0),
            (Connects, 1, 0, 0),
            (StaleLoss, 1, 0, 0),
            (Waits, 0, 4, 0),
        ],
    ),
    (
        "many-points",
        PLAIN,
        &[
            (Comes, 1, 1, 0),
            (Comes, 1, 2, 0),
            (Comes, 1, 3, 0),
            (Comes, 1, 4, 0),
            (Comes, 1, 5, 0),
            (Loses, 1, 2, 0),
            (Comes, 1, 6, 0),
            (Waits, 0, 4, 0),
        ],
    ),
    (
        "background-grace",
        PLAIN,
        &[
            (PointState, 1, 0, 0),
            (Loses, 1, 0, 0),
            (Waits, 0, 8, 1),
            (Waits, 0, 12, 0),
        ],
    ),
    (
        "host-leaves",
        PLAIN,
        &[
            (Quit, 0, 0, 0),
            (Waits, 0, 9, 0),
            (Comes, 0, 0, 0),
            (HttpQuit, 0, 0, 0),
            (Waits, 0, 11, 0),
        ],
    ),
    (
        "host-is-promoted",
        PROMOTE,
        &[
            (FollowMe, 0, 4, 0),
            (Quit, 0, 0, 0),
            (Comes, 0, 0, 0),
            (Patch, 1, 0, 7),
            (Quit, 1, 0, 0),
            (Removes, 0, 2, 3),
        ],
    ),
    (
        "all-leave",
        PLAIN,
        &[
            (Quit, 1, 0, 0),
            (Quit, 2, 0, 0),
            (Quit, 3, 0, 0),
            (Quit, 0, 0, 0),
            (Comes, 2, 0, 0),
            (Quit, 2, 0, 0),
            (Sleeps, 0, 13, 0),
        ],
    ),
    (
        "full",
        SMALL,
        &[
            (Comes, 3, 0, 0),
            (Quit, 1, 0, 0),
            (Seat, 4, 0, 0),
            (Comes, 1, 0, 0),
            (Waits, 0, 8, 1),
            (Comes, 1, 0, 0),
            (Connects, 4, 0, 0),
        ],
    ),
    (
        "scheduled-end",
        SHORT,
        &[
            (Waits, 0, 10, 0),
            (CancelAutoEnd, 0, 0, 0),
            (CancelAutoEnd, 1, 0, 0),
            (Waits, 0, 12, 0),
        ],
    ),
    (
        "scheduled-end-while-host-is-gone",
        SHORT,
        &[
            (Quit, 0, 0, 0),
            (Waits, 0, 10, 1),
            (Comes, 0, 0, 0),
            (Waits, 0, 11, 1),
        ],
    ),
    (
        "removed",
        PLAIN,
        &[
            (Removes, 2, 0, 0),
            (Comes, 2, 0, 0),
            (Connects, 2, 0, 0),
            (Removes, 2, 1, 3),
            (Removes, 0, 0, 0),
            (Removes, 7, 0, 0),
        ],
    ),
    (
        "knocks",
        PROMOTE,
        &[
            (Knocks, 4, 1, 0),
            (Knocks, 5, 1, 2),
            (Knocks, 4, 0, 0),
            (Answers, 0, 4, 0),
            (Answers, 1, 2, 7),
            (Connects, 4, 1, 0),
            (Answers, 0, 3, 8),
            (Knocks, 5, 1, 0),
            (Knocks, 6, 2, 0),
            (Quit, 0, 0, 0),
            (Answers, 1, 0, 16),
            (Knocks, 7, 0, 0),
            (Waits, 0, 12, 1),
        ],
    ),
    (
        "knocks-at-a-full-door",
        SMALL,
        &[
            (Patch, 0, 4, 0),
            (Knocks, 3, 1, 1),
            (Answers, 0, 0, 0),
            (Restart, 0, 1, 0),
            (Comes, 3, 0, 0),
            (Seat, 3, 0, 2),
            (Quit, 1, 0, 0),
            (Answers, 0, 0, 8),
            (Waits, 0, 12, 0),
        ],
    ),
    (
        "renamed",
        PLAIN,
        &[
            (Renames, 1, 0, 0),
            (Seat, 1, 0, 2),
            (Seat, 1, 1, 4),
            (Renames, 0, 0, 0),
            (Seat, 1, 0, 3),
        ],
    ),
    (
        "once",
        PLAIN,
        &[
            (FollowOther, 1, 2, 16),
            (FollowOther, 1, 2, 16),
            (CancelFollow, 1, 1, 32),
            (FollowOther, 1, 2, 16),
            (Quit, 1, 0, 48),
            (Quit, 1, 0, 48),
        ],
    ),
    (
        "restart",
        PLAIN,
        &[
            (FollowMe, 0, 0, 0),
            (Loses, 1, 0, 0),
            (Waits, 0, 5, 0),
            (Restart, 0, 0, 0),
            (Connects, 0, 0, 0),
            (Connects, 2, 0, 0),
            (Waits, 0, 8, 1),
        ],
    ),
    (
        "restart-with-other-rules",
        ALL_PEOPLE,
        &[
            (Loses, 1, 0, 0),
            (Restart, 0, 2, 0),
            (Restart, 0, 5, 0),
            (Quit, 0, 0, 0),
            (Restart, 0, 3, 0),
            (Waits, 0, 5, 0),
        ],
    ),
    (
        "new-epoch",
        PLAIN,
        &[
            (FollowOther, 1, 0, 16),
            (NewEpoch, 0, 0, 0),
            (FollowOther, 1, 0, 16),
            (Watch, 0, 0, 0),
            (FollowOther, 2, 0, 16),
        ],
    ),
    (
        "forgotten",
        FEW_REMEMBERED,
        &[
            (Removes, 1, 0, 0),
            (Comes, 2, 0, 0),
            (Quit, 2, 0, 0),
            (Comes, 3, 0, 0),
            (Waits, 0, 8, 1),
            (Comes, 4, 0, 0),
            (Comes, 1, 0, 0),
        ],
    ),
    (
        "clock-goes-back",
        PLAIN,
        &[
            (Waits, 0, 8, 0),
            (Loses, 1, 0, 0),
            (ClockGoesBack, 0, 7, 0),
            (Loses, 2, 0, 0),
            (Sleeps, 0, 9, 0),
            (FollowMe, 0, 0, 0),
        ],
    ),
    (
        "patched",
        PLAIN,
        &[
            (Patch, 0, 0, 8),
            (Patch, 0, 32, 16),
            (Comes, 5, 0, 0),
            (Patch, 1, 0, 7),
            (Patch, 0, 16, 0),
            (Quit, 0, 0, 0),
        ],
    ),
    (
        "ended",
        PLAIN,
        &[
            (FollowMe, 0, 0, 0),
            (End, 1, 7, 0),
            (End, 0, 7, 0),
            (Comes, 1, 0, 0),
            (Restart, 0, 0, 0),
            (NewEpoch, 0, 0, 0),
            (Waits, 0, 13, 0),
        ],
    ),
    (
        "not-for-the-kernel",
        PLAIN,
        &[
            (Beyond, 1, 0, 0),
            (Beyond, 1, 1, 0),
            (Beyond, 1, 2, 0),
            (FollowOther, 1, 8, 0),
            (FollowOther, 1, 9, 0),
        ],
    ),
    (
        "crowd",
        ALL_PEOPLE,
        &[
            (FollowOther, 1, 0, 0),
            (FollowOther, 2, 1, 0),
            (FollowOther, 3, 2, 0),
            (FollowOther, 4, 3, 0),
            (FollowOther, 5, 4, 0),
            (FollowMe, 5, 0, 0),
            (CancelFollow, 3, 0, 0),
            (FollowMe, 0, 8, 2),
            (Quit, 5, 0, 0),
            (CancelFollowMe, 2, 0, 0),
        ],
    ),
];

pub(crate) fn all() -> Vec<(String, Vec<u8>)> {
    STORIES
        .iter()
        .map(|(name, setup, operations)| ((*name).to_owned(), bytes(setup, operations)))
        .collect()
}

fn bytes(setup: &SetupRecord, operations: &[OperationRecord]) -> Vec<u8> {
    let code = |kind: Kind| {
        KINDS
            .iter()
            .position(|k| *k == kind)
            .and_then(|at| u8::try_from(at).ok())
            .expect("every kind is among the kinds")
    };
    let records = operations
        .iter()
        .map(|(what, who, a, b)| [code(*what), *who, *a, *b]);
    setup.iter().copied().chain(records.flatten()).collect()
}
