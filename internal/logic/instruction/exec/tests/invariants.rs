//! What holds after every entry, whatever happened. Each function says one thing and answers with
//! what is wrong.

use super::world::name;
use crate::state::{State, Timer};
use crate::{Change, Entry, Follow, Membership, Presence, Rules};
use faceshare_biz::domain::MemberId;
use faceshare_biz::domain::instruction::KnockState;
use std::collections::{BTreeMap, BTreeSet};

/// What is wrong, in words.
pub(super) type Verdict = Result<(), String>;

/// All of them.
pub(super) fn check(before: &State, entry: &Entry, after: &State) -> Verdict {
    invariant_order_has_no_gap(before, entry, after)?;
    invariant_time_does_not_run_back(before, entry, after)?;
    invariant_terms_only_rise(before, after)?;
    invariant_ended_is_final(before, after)?;
    invariant_removed_stay_out(before, entry, after)?;
    invariant_no_account_enters_a_full_session(before, entry, after)?;
    invariant_targets_make_no_cycle(after)?;
    invariant_roots_are_ends_of_chains(after)?;
    invariant_presenter_is_present(after)?;
    invariant_attached_have_a_presenter(after)?;
    invariant_a_knock_is_answered_once(before, after)?;
    invariant_who_waits_is_a_stranger(after)?;
    invariant_derived_fields_are_right(after)?;
    invariant_causes_of_the_end_are_right(after)?;
    invariant_everything_is_bounded(after)
}

fn ensure(holds: bool, wrong: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(wrong()) }
}

/// Every entry has the next index, and its frames the next seqs; only a new epoch restarts the
/// seqs.
pub(super) fn invariant_order_has_no_gap(before: &State, entry: &Entry, after: &State) -> Verdict {
    ensure(after.index() == before.index() + 1, || {
        format!("index {} after {}", after.index(), before.index())
    })?;
    let frames = u32::try_from(entry.events.len()).map_err(|e| e.to_string())?;
    let new_epoch = entry.changes.iter().any(|c| matches!(c, Change::Epoch(_)));
    let start = if new_epoch { 0 } else { before.seq().get() };
    ensure(after.seq().get() == start + frames, || {
        format!("seq {} after {start} and {frames} frames", after.seq())
    })?;
    ensure(new_epoch || after.epoch() == before.epoch(), || {
        "the epoch changed by itself".to_owned()
    })
}

/// Entries are not older than the one before.
pub(super) fn invariant_time_does_not_run_back(
    before: &State,
    entry: &Entry,
    after: &State,
) -> Verdict {
    ensure(
        entry.at >= before.last_at() && after.last_at() == entry.at,
        || format!("{:?} after {:?}", entry.at, before.last_at()),
    )
}

/// A term belongs to one presenter, and a later one is greater.
pub(super) fn invariant_terms_only_rise(before: &State, after: &State) -> Verdict {
    let Some(now) = after.presenting else {
        return ensure(after.last_term == before.last_term, || {
            "a term without presenter".to_owned()
        });
    };
    ensure(now.term == after.last_term, || {
        format!("term {} but the last is {}", now.term, after.last_term)
    })?;
    match before.presenting {
        Some(was) if was.member == now.member => ensure(was.term == now.term, || {
            "a repeat changed the term".to_owned()
        }),
        _ => ensure(now.term == before.last_term + 1, || {
            format!("term {} after {}", now.term, before.last_term)
        }),
    }
}

/// An end is never taken back or changed, and no frame comes after it.
pub(super) fn invariant_ended_is_final(before: &State, after: &State) -> Verdict {
    let Some(ended) = before.ended else {
        return Ok(());
    };
    ensure(after.ended == Some(ended), || "the end changed".to_owned())?;
    ensure(
        after.seq() == before.seq() || after.epoch() != before.epoch(),
        || "a frame after the last".to_owned(),
    )
}

/// Who was removed is not a member again, nor is it let in, unless it had to be forgotten.
pub(super) fn invariant_removed_stay_out(before: &State, entry: &Entry, after: &State) -> Verdict {
    for (who, _) in before
        .people
        .iter()
        .filter(|(_, p)| p.standing == crate::Membership::Removed)
    {
        let forgotten = entry
            .changes
            .iter()
            .any(|c| matches!(c, Change::Forgotten { member } if member == who));
        let out = after
            .person(*who)
            .is_some_and(|p| p.standing == crate::Membership::Removed);
        ensure(forgotten || out, || {
            format!("{} was removed and is back", name(*who))
        })?;
    }
    Ok(())
}

/// A new member never exceeds the limit.
pub(super) fn invariant_no_account_enters_a_full_session(
    before: &State,
    entry: &Entry,
    after: &State,
) -> Verdict {
    let enters = |c: &Change| matches!(c, Change::Joined { member } if *member != before.host());
    if !entry.changes.iter().any(enters) {
        return Ok(());
    }
    let host_is_away = after.presence(after.host()).is_none();
    let taken = after.present().count() + usize::from(host_is_away);
    let most = after.face_session().max_members as usize;
    ensure(taken <= most, || format!("{taken} places taken of {most}"))
}

/// The result of a knock never changes; a knock is forgotten only when it is over; a denied account
/// is barred.
pub(super) fn invariant_a_knock_is_answered_once(before: &State, after: &State) -> Verdict {
    for (id, knock) in before
        .knocks
        .iter()
        .filter(|(_, k)| k.state != KnockState::Waiting)
    {
        ensure(
            after.knock(*id).is_none_or(|k| k.state == knock.state),
            || format!("{id} was answered twice"),
        )?;
    }
    for knock in before.waiting() {
        let now = after.knock(knock.id).map(|k| k.state);
        ensure(now.is_some(), || {
            format!("{} waited and is forgotten", knock.id)
        })?;
        let denied = now == Some(KnockState::Denied);
        ensure(!denied || after.is_denied(knock.profile.id), || {
            format!("{} was denied and is not barred", name(knock.profile.id))
        })?;
    }
    for (who, _) in before
        .people
        .iter()
        .filter(|(_, p)| p.standing == Membership::Denied)
    {
        let barred = after
            .person(*who)
            .is_none_or(|p| p.standing == Membership::Denied);
        ensure(barred, || format!("{} was denied and is back", name(*who)))?;
    }
    Ok(())
}

/// An account whose knock waits is no member, and has one waiting knock.
pub(super) fn invariant_who_waits_is_a_stranger(state: &State) -> Verdict {
    let mut met = BTreeSet::new();
    for knock in state.waiting() {
        let who = knock.profile.id;
        ensure(state.person(who).is_none(), || {
            format!("{} waits and is known", name(who))
        })?;
        ensure(met.insert(who), || format!("{} waits twice", name(who)))?;
    }
    Ok(())
}

/// Own targets are members and lead to an end.
pub(super) fn invariant_targets_make_no_cycle(state: &State) -> Verdict {
    for (who, presence) in state.present() {
        let mut met = BTreeSet::from([who]);
        let mut at = presence.follow.target;
        while let Some(next) = at {
            ensure(met.insert(next), || {
                format!("{} is in a cycle of targets", name(who))
            })?;
            let Some(presence) = state.presence(next) else {
                return Err(format!("{} is a target and not here", name(next)));
            };
            at = presence.follow.target;
        }
    }
    Ok(())
}

/// The roots that are stored are those that a reader of the contract would work out, one member at
/// a time.
pub(super) fn invariant_roots_are_ends_of_chains(state: &State) -> Verdict {
    let follows: BTreeMap<MemberId, Follow> =
        state.present().map(|(id, p)| (id, p.follow)).collect();
    for (who, follow) in &follows {
        let expected = naive_root(*who, &follows, state.presenting.map(|p| p.member))?;
        ensure(follow.root == expected, || {
            format!(
                "{} has the root {:?} and should have {:?}",
                name(*who),
                follow.root.map(name),
                expected.map(name)
            )
        })?;
    }
    Ok(())
}

/// The root as the contract defines it: walk up to a member that has no effective target or pauses.
fn naive_root(
    who: MemberId,
    follows: &BTreeMap<MemberId, Follow>,
    presenter: Option<MemberId>,
) -> Result<Option<MemberId>, String> {
    let effective = |member: MemberId| match follows.get(&member) {
        _ if presenter == Some(member) => None,
        Some(Follow { attached: true, .. }) => presenter,
        Some(follow) => follow.target,
        None => None,
    };
    if follows[&who].suspended {
        return Ok(None);
    }
    let mut root = None;
    let mut at = who;
    for _ in 0..=follows.len() {
        match effective(at) {
            Some(next) if root.is_none() || !follows[&at].suspended => {
                (root, at) = (Some(next), next)
            }
            _ => return Ok(root),
        }
    }
    Err(format!("{} is in a cycle of effective targets", name(who)))
}

/// At most one presents, and it is a member.
pub(super) fn invariant_presenter_is_present(state: &State) -> Verdict {
    let Some(presenting) = state.presenting else {
        return Ok(());
    };
    ensure(state.presence(presenting.member).is_some(), || {
        format!("{} presents and is not here", name(presenting.member))
    })
}

/// An attached member has a target, and the presenter is not attached to itself.
pub(super) fn invariant_attached_have_a_presenter(state: &State) -> Verdict {
    for (who, presence) in state.present() {
        let may = state.presenting.is_some_and(|p| p.member != who);
        ensure(may || !presence.follow.attached, || {
            format!("{} is attached without a target", name(who))
        })?;
        let paused = presence.follow.suspended
            && presence.follow.target.is_none()
            && !presence.follow.attached;
        ensure(!paused, || format!("{} pauses without a target", name(who)))?;
    }
    Ok(())
}

/// The number of members and the deadlines are those of the people.
pub(super) fn invariant_derived_fields_are_right(state: &State) -> Verdict {
    let present = state.present().count();
    ensure(state.present as usize == present, || {
        format!("{present} members, {} counted", state.present)
    })?;
    let members = state
        .present()
        .flat_map(|(id, presence)| timers_of(id, presence));
    let timers: BTreeSet<_> = members
        .chain(
            state
                .waiting()
                .map(|knock| (knock.until, Timer::Knock(knock.id))),
        )
        .collect();
    ensure(state.timers == timers, || {
        format!("deadlines are {:?} and should be {timers:?}", state.timers)
    })
}

fn timers_of(
    member: MemberId,
    presence: &Presence,
) -> Vec<(faceshare_biz::domain::Timestamp, Timer)> {
    let losses = presence.points.iter().filter_map(|(point, p)| {
        p.announce_at
            .map(|at| (at, Timer::Announce(member, *point)))
    });
    losses
        .chain(
            presence
                .away_until
                .map(|until| (until, Timer::Grace(member))),
        )
        .collect()
}

/// A member has points or a grace, never both; the host is not both present and gone; a session
/// without members is empty.
pub(super) fn invariant_causes_of_the_end_are_right(state: &State) -> Verdict {
    for (who, presence) in state.present() {
        ensure(
            presence.points.is_empty() == presence.away_until.is_some(),
            || format!("{} has points and a grace, or neither", name(who)),
        )?;
    }
    let host_here = state.presence(state.host()).is_some();
    ensure(!(host_here && state.host_gone.is_some()), || {
        "the host is here and gone".to_owned()
    })?;
    ensure(state.empty.is_some() == (state.present == 0), || {
        "empty and not, or neither".to_owned()
    })
}

/// What a person carries along has an end.
pub(super) fn invariant_everything_is_bounded(state: &State) -> Verdict {
    ensure(state.waiting().count() <= Rules::default().knocks, || {
        "too many wait".to_owned()
    })?;
    ensure(state.knocks.len() <= Rules::default().knocks + 200, || {
        "too many knocks are remembered".to_owned()
    })?;
    for (who, person) in &state.people {
        let points = state.presence(*who).map_or(0, |p| p.points.len());
        ensure(person.nonces.len() <= 64, || {
            format!("{} has {} nonces", name(*who), person.nonces.len())
        })?;
        ensure(person.devices.len() <= 16, || {
            format!("{} has {} devices", name(*who), person.devices.len())
        })?;
        ensure(points <= 5, || {
            format!("{} has {points} points", name(*who))
        })?;
    }
    Ok(())
}
