//! The invariants of every history. A failure reports the name of the violated one.

use crate::archive::Archive;
use crate::client::{Client, SentInstruction};
use faceshare_api::v1::{self, server_frame::Instruction};
use faceshare_biz::domain::instruction::KnockState;
use std::collections::BTreeSet;

/// A violated invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Its name.
    pub invariant: &'static str,
    /// What was observed.
    pub detail: String,
}

pub(crate) type Verdict = Result<(), Violation>;

pub(crate) fn ensure(
    holds: bool,
    invariant: &'static str,
    detail: impl FnOnce() -> String,
) -> Verdict {
    if holds {
        Ok(())
    } else {
        Err(Violation {
            invariant,
            detail: detail(),
        })
    }
}

/// The first frame is a welcome, and no later one is.
pub(crate) fn invariant_welcome_comes_first(client: &Client, is_welcome: bool) -> Verdict {
    ensure(client.welcomed != is_welcome, "welcome_comes_first", || {
        format!(
            "{client}: welcomed {}, welcome {is_welcome}",
            client.welcomed
        )
    })
}

/// A resumed connection continues at the position that its client sent; any other starts from a
/// snapshot.
pub(crate) fn invariant_resume_continues_at_its_position(
    client: &Client,
    welcome: &v1::Welcome,
) -> Verdict {
    let asked = client
        .resume_position
        .as_ref()
        .filter(|(epoch, seq)| *epoch == welcome.epoch && *seq <= welcome.seq);
    let right = if welcome.resumed {
        asked.is_some() && welcome.snapshot.is_none()
    } else {
        welcome.snapshot.is_some()
    };
    ensure(right, "resume_continues_at_its_position", || {
        format!(
            "{client} asked for {:?} and got {} at {}, resumed: {}",
            client.resume_position, welcome.epoch, welcome.seq, welcome.resumed
        )
    })
}

/// Ordered frames come once, in order and without gaps.
pub(crate) fn invariant_ordered_frames_have_no_gap(client: &Client, seq: u32) -> Verdict {
    ensure(seq == client.seq + 1, "ordered_frames_have_no_gap", || {
        format!("{client} has {} and got {seq}", client.seq)
    })
}

/// An ordered frame is equal to that in the log at its seq, and was in the log before. So all
/// clients receive the same, byte for byte.
pub(crate) fn invariant_frame_equals_the_log(
    client: &Client,
    frame: &v1::ServerFrame,
    proto: Option<&[u8]>,
    archive: &Archive,
) -> Verdict {
    let logged = archive.frame(client.epoch(), frame.seq);
    let same = logged
        .is_some_and(|t| t.frame == *frame && proto.is_none_or(|bytes| bytes == &t.proto[..]));
    ensure(same, "frame_equals_the_log", || {
        format!(
            "{client} got {:?} at {}/{}; the log has {:?}",
            frame.instruction,
            client.epoch(),
            frame.seq,
            logged.map(|t| &t.frame.instruction)
        )
    })
}

/// No connected point receives that it is lost.
pub(crate) fn invariant_no_connected_point_is_announced_lost(
    client: &Client,
    frame: &v1::ServerFrame,
) -> Verdict {
    if frame.seq <= client.head_at_welcome {
        return Ok(());
    }
    let lost = match &frame.instruction {
        Some(Instruction::Quit(quit)) => {
            quit.member_id == client.member && quit.reason() == v1::quit::Reason::Timeout
        }
        Some(Instruction::MemberChange(v1::MemberChange {
            member: Some(member),
        })) => {
            member.member_id == client.member
                && !member.points.iter().any(|p| p.point_id == client.point)
        }
        _ => false,
    };
    ensure(!lost, "no_connected_point_is_announced_lost", || {
        format!("{client} receives that it is lost: {:?}", frame.instruction)
    })
}

/// An answer belongs to an instruction that was sent on this connection and was not answered.
pub(crate) fn invariant_one_answer_for_each_instruction(
    client: &Client,
    id: u32,
    sent: Option<&SentInstruction>,
) -> Verdict {
    ensure(sent.is_some(), "one_answer_for_each_instruction", || {
        format!("{client} got an answer to {id}")
    })
}

/// `ack.seq` is the seq of the frame that repeats the instruction, which came before the ack. An
/// instruction with an effect is in the log exactly once.
pub(crate) fn invariant_acknowledged_is_in_the_log_once(
    client: &Client,
    sent: &SentInstruction,
    seq: u32,
    archive: &Archive,
) -> Verdict {
    const NAME: &str = "acknowledged_is_in_the_log_once";
    if !sent.is_ordered() {
        return ensure(seq == 0, NAME, || {
            format!("{client}: an ephemeral instruction has the seq {seq}")
        });
    }
    let effects = archive.effects(client.member, sent.nonce);
    ensure(effects <= 1, NAME, || {
        format!("{client}: {sent:?} took effect {effects} times")
    })?;
    if sent.epochs.iter().any(|epoch| epoch != client.epoch()) {
        return Ok(());
    }
    ensure(seq <= client.seq, NAME, || {
        format!("{client}: {sent:?} is acknowledged with {seq} before that frame")
    })?;
    if effects == 0 {
        // It changed nothing: the current seq, and nothing in the log.
        return Ok(());
    }
    if let Some(knock) = sent.answers_knock() {
        return ensure(
            archive.knock_outcomes().outcome(knock).is_some(),
            NAME,
            || format!("{client}: {sent:?} is acknowledged and the knock waits"),
        );
    }
    let logged = archive.frame(client.epoch(), seq);
    let repeats =
        logged.is_some_and(|t| t.frame.from == client.member && sent.is_repeated_by(&t.frame));
    ensure(repeats, NAME, || {
        format!("{client}: {sent:?} is acknowledged with {seq}, which is {logged:?}")
    })
}

/// A client that has received everything has the same state as a new member would get.
pub(crate) fn invariant_mirror_is_the_state(client: &Client, archive: &mut Archive) -> Verdict {
    let Some(mirror) = &client.mirror else {
        return Ok(());
    };
    let snapshot = archive.snapshot();
    ensure(mirror.snapshot() == snapshot, "mirror_is_the_state", || {
        format!(
            "{client} at {}/{} shows {:?}\n  and should show {snapshot:?}",
            client.epoch(),
            client.seq,
            mirror.snapshot()
        )
    })
}

/// A position goes only to members whose root is its sender. It never has a term that has ended,
/// and is never older than the one before.
pub(crate) fn invariant_positions_are_the_roots_and_the_newest(
    client: &Client,
    from: u64,
    key: &str,
    term: u32,
    value: u64,
) -> Verdict {
    const NAME: &str = "positions_are_the_roots_and_the_newest";
    let root = client.mirror.as_ref().map_or(0, |m| m.root(client.member));
    ensure(root == from, NAME, || {
        format!("{client} follows {root} and received {key} of {from}")
    })?;
    ensure(term == 0 || term >= client.last_term, NAME, || {
        format!(
            "{client} knows term {} and received {term}",
            client.last_term
        )
    })?;
    let before = client
        .received_values
        .get(&(from, key.to_owned()))
        .copied()
        .unwrap_or(0);
    ensure(value >= before, NAME, || {
        format!("{client} has {key} of {from} as {before} and received {value}")
    })
}

/// After a quiet period every follower has the newest value of its root.
pub(crate) fn invariant_newest_position_arrives(
    client: &Client,
    root: u64,
    key: &str,
    newest: u64,
) -> Verdict {
    let received_values = client.received_values.get(&(root, key.to_owned())).copied();
    ensure(
        received_values == Some(newest),
        "newest_position_arrives",
        || format!("{client} has {key} of {root} as {received_values:?}, the newest is {newest}"),
    )
}

/// The queue of a receiver is bounded, however slow the receiver is.
pub(crate) fn invariant_queue_is_bounded(client: &Client, live: usize, most: usize) -> Verdict {
    ensure(live <= most, "queue_is_bounded", || {
        format!("{client} got {live} frames in one go")
    })
}

/// A working connection receives everything, whatever the others do.
pub(crate) fn invariant_working_connections_are_up_to_date(
    client: &Client,
    epoch: &str,
    seq: u32,
) -> Verdict {
    ensure(
        client.epoch() == epoch && client.seq >= seq,
        "working_connections_are_up_to_date",
        || {
            format!(
                "{client} is at {}/{}; the log was at {epoch}/{seq} a while ago",
                client.epoch(),
                client.seq
            )
        },
    )
}

/// Long after the last loss, exactly the connected points are listed.
pub(crate) fn invariant_exactly_the_connected_points_are_listed(
    archive: &Archive,
    live: &BTreeSet<(u64, u64)>,
) -> Verdict {
    let members = archive.state().members();
    let listed: BTreeSet<_> = members
        .iter()
        .flat_map(|m| m.points.iter().map(|p| (m.id.get(), p.id.get())))
        .collect();
    let offline: Vec<_> = members
        .iter()
        .filter(|m| !m.online)
        .map(|m| m.id.get())
        .collect();
    ensure(
        listed == *live && offline.is_empty(),
        "exactly_the_connected_points_are_listed",
        || format!("listed {listed:?}, offline {offline:?}, connected {live:?}"),
    )
}

/// A session ends once, and nothing follows.
pub(crate) fn invariant_session_ends_once(archive: &Archive) -> Verdict {
    let (ends, after) = archive.ends();
    ensure(ends <= 1 && after == 0, "session_ends_once", || {
        format!("{ends} ends, {after} frames after the first")
    })
}

/// A successful HTTP call is in the log exactly once.
pub(crate) fn invariant_done_is_in_the_log_once(archive: &Archive, title: &str) -> Verdict {
    let times = archive.title_count(title);
    ensure(times == 1, "done_is_in_the_log_once", || {
        format!("the title {title:?} is in the log {times} times")
    })
}

/// In the log a join request begins once and ends once, no denied member joins, and the number of
/// pending requests is bounded.
pub(crate) fn invariant_knocks_are_consistent(archive: &Archive, most_wait: usize) -> Verdict {
    let fault = archive.knock_outcomes().fault();
    ensure(fault.is_none(), "knocks_are_consistent", || {
        fault.unwrap_or_default().to_owned()
    })?;
    let waiting = archive.state().waiting().count();
    ensure(waiting <= most_wait, "knocks_are_consistent", || {
        format!("{waiting} wait")
    })
}

/// A guest receives the outcome of its join request that is in the log, and not before it is there.
pub(crate) fn invariant_a_knock_ends_as_the_log_says(
    knock: u64,
    state: KnockState,
    archive: &Archive,
) -> Verdict {
    let outcome = archive.knock_outcomes().outcome(knock);
    ensure(
        outcome == Some(state),
        "a_knock_ends_as_the_log_says",
        || format!("knock {knock}: the guest received {state:?}, the log has {outcome:?}"),
    )
}

/// A guest receives one outcome, however often it asks.
pub(crate) fn invariant_a_knock_ends_once(
    member: u64,
    before: Option<KnockState>,
    state: KnockState,
) -> Verdict {
    ensure(
        before.is_none_or(|before| before == state),
        "a_knock_ends_once",
        || format!("{member}: {before:?}, then {state:?}"),
    )
}

/// Of the guests who ask, only admitted ones join.
pub(crate) fn invariant_only_admitted_guests_join(member: u64, archive: &Archive) -> Verdict {
    ensure(
        archive.knock_outcomes().was_admitted(member),
        "only_admitted_guests_join",
        || format!("{member} is in"),
    )
}

/// Only a host's answer to a join request is accepted; the member may have become host meanwhile.
pub(crate) fn invariant_only_hosts_answer_knocks(by: u64, archive: &Archive) -> Verdict {
    ensure(
        archive.knock_outcomes().was_host(by),
        "only_hosts_answer_knocks",
        || format!("the answer of {by} was accepted"),
    )
}

/// Only hosts receive join requests, with the states that are in the log: first at most one pending
/// state, then one outcome.
pub(crate) fn invariant_the_host_receives_knocks(
    client: &Client,
    knock: &v1::MemberKnock,
    before: Option<v1::member_knock::State>,
    archive: &Archive,
) -> Verdict {
    use v1::member_knock::State as WireKnockState;
    let outcome = archive.knock_outcomes().outcome(knock.knock_id);
    let ended = match outcome {
        Some(KnockState::Admitted) => Some(WireKnockState::Admitted),
        Some(KnockState::Denied) => Some(WireKnockState::Denied),
        Some(KnockState::Expired) => Some(WireKnockState::Expired),
        Some(KnockState::Waiting) | None => None,
    };
    let so = archive.knock_outcomes().has(knock.knock_id)
        && (knock.state() == WireKnockState::Waiting || Some(knock.state()) == ended);
    let first = before.is_none_or(|before| before == WireKnockState::Waiting);
    let host = archive.knock_outcomes().was_host(client.member);
    ensure(so && first && host, "the_host_receives_knocks", || {
        format!(
            "{client} received {knock:?} after {before:?}; the log has {outcome:?}; it was host: {host}"
        )
    })
}

/// Everything is answered.
pub(crate) fn invariant_nothing_hangs(what: &str, count: usize) -> Verdict {
    ensure(count == 0, "nothing_hangs", || {
        format!("{count} {what} without an answer")
    })
}

/// No task of the server panics, and no answer is INTERNAL.
pub(crate) fn invariant_no_internal_errors(what: &str, mistake: bool) -> Verdict {
    ensure(!mistake, "no_internal_errors", || what.to_owned())
}
