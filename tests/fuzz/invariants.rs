//! Invariants after every entry, computed from the public view of a state, independent of the
//! kernel's code.

use faceshare_biz::domain::MemberId;
use faceshare_exec::{Change, Entry, Follow, Membership, Rules, State};
use std::collections::BTreeMap;

/// Panics unless all invariants hold.
pub(crate) fn check(before: &State, entry: &Entry, after: &State, rules: &Rules) {
    order_has_no_gap(before, entry, after);
    the_end_is_final(before, after);
    removed_people_stay_out(before, entry, after);
    terms_only_rise(before, after);
    roots_are_ends_of_chains(after);
    counts_and_points_are_consistent(after);
    knocks_end_once(before, entry, after, rules);
    deadlines_cover_what_waits(after, rules);
}

fn order_has_no_gap(before: &State, entry: &Entry, after: &State) {
    assert_eq!(after.index(), before.index() + 1, "the index");
    let new_epoch = entry.changes.iter().any(|c| matches!(c, Change::Epoch(_)));
    let start = if new_epoch { 0 } else { before.seq().get() };
    assert_eq!(
        after.seq().get() as usize,
        start as usize + entry.events.len(),
        "the seq"
    );
    assert!(
        new_epoch || after.epoch() == before.epoch(),
        "the epoch changed by itself"
    );
    assert!(
        !entry.changes.is_empty(),
        "an entry without a change: {entry:?}"
    );
    assert!(
        entry.at >= before.last_at() && after.last_at() == entry.at,
        "time went back"
    );
}

fn the_end_is_final(before: &State, after: &State) {
    if before.is_ended() {
        assert_eq!(before.ended(), after.ended(), "the end changed");
        assert!(
            after.seq() == before.seq() || after.epoch() != before.epoch(),
            "a frame after the last"
        );
    }
}

fn removed_people_stay_out(before: &State, entry: &Entry, after: &State) {
    for who in (1..=8).filter_map(MemberId::new) {
        let removed = |state: &State| {
            state
                .person(who)
                .is_some_and(|p| p.standing == Membership::Removed)
        };
        let forgotten = entry
            .changes
            .iter()
            .any(|c| matches!(c, Change::Forgotten { member } if *member == who));
        assert!(
            !removed(before) || removed(after) || forgotten,
            "{who} was removed and is back"
        );
    }
}

/// A person who waits is not present and waits until there is one answer; a denied person does not
/// join.
fn knocks_end_once(before: &State, entry: &Entry, after: &State, rules: &Rules) {
    for knock in before.waiting() {
        let now = after
            .knock(knock.id)
            .expect("a knock that waited is remembered");
        assert_eq!(
            (&now.profile, now.until),
            (&knock.profile, knock.until),
            "a knock changed"
        );
    }
    for knock in after.waiting() {
        let who = knock.profile.id;
        assert!(
            after.present().all(|(id, _)| id != who),
            "{who} waits and is present"
        );
        assert!(!after.is_denied(who), "{who} was denied and waits");
        assert_eq!(
            after
                .waiting()
                .filter(|other| other.profile.id == who)
                .count(),
            1,
            "{who} waits twice"
        );
        let waited = before.knock(knock.id);
        assert!(
            waited.is_none_or(|before| before.waits()),
            "{:?} was over and waits again",
            knock.id
        );
        assert!(
            waited.is_some() || before.waiting().count() < rules.knocks,
            "more wait than may"
        );
    }
    for who in (1..=8).filter_map(MemberId::new) {
        let forgotten = entry
            .changes
            .iter()
            .any(|c| matches!(c, Change::Forgotten { member } if *member == who));
        assert!(
            !before.is_denied(who) || after.is_denied(who) || forgotten,
            "{who} was denied and is let in"
        );
        assert!(
            !after.is_denied(who) || after.present().all(|(id, _)| id != who),
            "{who} was denied and is present"
        );
    }
}

fn terms_only_rise(before: &State, after: &State) {
    if let (Some(was), Some(now)) = (before.presenting(), after.presenting()) {
        let goes_on = was.member == now.member && was.since == now.since;
        assert!(
            now.term >= was.term && (now.term == was.term) == (was.member == now.member),
            "term {} after {}",
            now.term,
            was.term
        );
        assert!(
            goes_on || now.term > was.term,
            "another presenting in the same term"
        );
    }
}

/// Each chain of follows ends, and its end is the stored root.
fn roots_are_ends_of_chains(state: &State) {
    let follows: BTreeMap<MemberId, Follow> =
        state.present().map(|(id, p)| (id, p.follow)).collect();
    let presenter = state.presenting().map(|p| p.member);
    assert!(
        presenter.is_none_or(|p| follows.contains_key(&p)),
        "the presenter is not here"
    );
    let effective = |who: &MemberId| {
        let follow = &follows[who];
        match follow {
            _ if presenter == Some(*who) => None,
            Follow { attached: true, .. } => presenter,
            _ => follow.target,
        }
    };
    for (who, follow) in &follows {
        assert!(
            !follow.attached || presenter.is_some_and(|p| p != *who),
            "{who} is attached without a presenter"
        );
        assert!(
            !follow.suspended || follow.attached || follow.target.is_some(),
            "{who} pauses without following"
        );
        ends(
            *who,
            |m| {
                follows
                    .get(m)
                    .unwrap_or_else(|| panic!("{m} is followed and not here"))
                    .target
            },
            follows.len(),
        );
        let paused = |m: &MemberId| follows[m].suspended;
        let root = match effective(who) {
            Some(target) if !follow.suspended => Some(ends(
                target,
                |m| effective(m).filter(|_| !paused(m)),
                follows.len(),
            )),
            _ => None,
        };
        assert_eq!(follow.root, root, "the root of {who}");
    }
}

/// The last member of a chain of at most `most` members.
fn ends(first: MemberId, next: impl Fn(&MemberId) -> Option<MemberId>, most: usize) -> MemberId {
    let chain: Vec<_> = std::iter::successors(Some(first), |m| next(m))
        .take(most + 1)
        .collect();
    assert!(chain.len() <= most, "a cycle: {chain:?}");
    *chain.last().expect("it has its first")
}

fn counts_and_points_are_consistent(state: &State) {
    let listed = state.face_session();
    assert_eq!(
        listed.member_count as usize,
        state.present().count(),
        "how many are present"
    );
    for (who, presence) in state.present() {
        assert_eq!(
            presence.points.is_empty(),
            presence.away_until.is_some(),
            "{who} has points and a grace, or neither"
        );
        assert!(
            presence.points.len() <= 5,
            "{who} has {} points",
            presence.points.len()
        );
        let person = state.person(who).expect("a present member is known");
        assert!(
            person.nonces.len() <= 64 && person.devices.len() <= 16,
            "{who} keeps too many nonces or devices"
        );
        assert!(
            presence
                .points
                .keys()
                .all(|p| person.devices.contains_key(p)),
            "a connected device of {who} is forgotten"
        );
    }
}

/// There is a deadline for everything that waits: a lost member is declared gone, and an empty
/// session ends.
fn deadlines_cover_what_waits(state: &State, rules: &Rules) {
    let next = state.next_deadline(rules);
    if state.is_ended() {
        return assert_eq!(next, None, "a deadline after the end");
    }
    let losses = state.present().flat_map(|(_, p)| {
        p.points
            .values()
            .filter_map(|p| p.announce_at)
            .chain(p.away_until)
    });
    let losses = losses.chain(state.waiting().map(|knock| knock.until));
    if let Some(earliest) = losses.min() {
        assert!(
            next.is_some_and(|at| at <= earliest),
            "the next deadline is {next:?}, but a member waits for {earliest:?}"
        );
    }
    assert!(
        next.is_some() || state.present().next().is_some(),
        "no member is present, and no deadline ends the session"
    );
    let host_left = state
        .person(state.host())
        .is_some_and(|host| host.standing == Membership::Left);
    assert!(
        next.is_some() || !host_left,
        "the host has left, and no deadline ends the session"
    );
}
