//! What must hold in every history. Each has a name, which a failure gives.

use crate::archive::Archive;
use crate::client::{Ask, Client};
use faceshare_api::v1::{self, server_frame::Instruction};
use faceshare_biz::domain::instruction::KnockState;
use std::collections::BTreeSet;

/// What was found broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant.
    pub invariant: &'static str,
    /// By what.
    pub detail: String,
}

pub(crate) type Verdict = Result<(), Violation>;

pub(crate) fn ensure(holds: bool, invariant: &'static str, detail: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(Violation { invariant, detail: detail() }) }
}

/// The welcome comes first, and once.
pub(crate) fn invariant_welcome_comes_first(client: &Client, is_welcome: bool) -> Verdict {
    ensure(client.welcomed != is_welcome, "welcome_comes_first", || format!("{client}: welcomed {}, welcome {is_welcome}", client.welcomed))
}

/// A resumed connection goes on where its client asked it to; any other starts from a snapshot.
pub(crate) fn invariant_resume_goes_on_where_it_was(client: &Client, welcome: &v1::Welcome) -> Verdict {
    let asked = client.asked_for.as_ref().filter(|(epoch, seq)| *epoch == welcome.epoch && *seq <= welcome.seq);
    let right = if welcome.resumed { asked.is_some() && welcome.snapshot.is_none() } else { welcome.snapshot.is_some() };
    ensure(right, "resume_goes_on_where_it_was", || {
        format!("{client} asked for {:?} and got {} at {}, resumed: {}", client.asked_for, welcome.epoch, welcome.seq, welcome.resumed)
    })
}

/// Ordered frames come each once, in order, without a gap.
pub(crate) fn invariant_ordered_frames_have_no_gap(client: &Client, seq: u32) -> Verdict {
    ensure(seq == client.seq + 1, "ordered_frames_have_no_gap", || format!("{client} has {} and got {seq}", client.seq))
}

/// An ordered frame says what the log says at its place, and the log had it before. So all clients' logs agree, byte for byte.
pub(crate) fn invariant_frame_is_the_logs(client: &Client, frame: &v1::ServerFrame, proto: Option<&[u8]>, archive: &Archive) -> Verdict {
    let told = archive.told(client.epoch(), frame.seq);
    let same = told.is_some_and(|t| t.frame == *frame && proto.is_none_or(|bytes| bytes == &t.proto[..]));
    ensure(same, "frame_is_the_logs", || {
        format!(
            "{client} got {:?} at {}/{}; the log has {:?}",
            frame.instruction,
            client.epoch(),
            frame.seq,
            told.map(|t| &t.frame.instruction)
        )
    })
}

/// Nobody whose connection lives is told that it is gone.
pub(crate) fn invariant_nobody_alive_is_announced_gone(client: &Client, frame: &v1::ServerFrame) -> Verdict {
    if frame.seq <= client.head_at_welcome {
        return Ok(());
    }
    let gone = match &frame.instruction {
        Some(Instruction::Quit(quit)) => quit.member_id == client.member && quit.reason() == v1::quit::Reason::Timeout,
        Some(Instruction::MemberChange(v1::MemberChange { member: Some(member) })) => {
            member.member_id == client.member && !member.points.iter().any(|p| p.point_id == client.point)
        }
        _ => false,
    };
    ensure(!gone, "nobody_alive_is_announced_gone", || format!("{client} hears that it is gone: {:?}", frame.instruction))
}

/// An answer belongs to something that was asked on this connection and was not answered yet.
pub(crate) fn invariant_one_answer_for_each_question(client: &Client, id: u32, ask: Option<&Ask>) -> Verdict {
    ensure(ask.is_some(), "one_answer_for_each_question", || format!("{client} got an answer to {id}"))
}

/// `ack.seq` names the frame that repeats the instruction, which came before the ack; what changed something is in the log exactly once.
pub(crate) fn invariant_acknowledged_is_in_the_log_once(client: &Client, ask: &Ask, seq: u32, archive: &Archive) -> Verdict {
    const NAME: &str = "acknowledged_is_in_the_log_once";
    if !ask.is_ordered() {
        return ensure(seq == 0, NAME, || format!("{client}: an ephemeral instruction has the seq {seq}"));
    }
    let effects = archive.effects(client.member, ask.nonce);
    ensure(effects <= 1, NAME, || format!("{client}: {ask:?} took effect {effects} times"))?;
    if ask.epochs.iter().any(|epoch| epoch != client.epoch()) {
        return Ok(());
    }
    ensure(seq <= client.seq, NAME, || format!("{client}: {ask:?} is acknowledged with {seq} before that frame"))?;
    if effects == 0 {
        // It was so already: the present seq, and nothing in the log.
        return Ok(());
    }
    if let Some(knock) = ask.answers_knock() {
        return ensure(archive.fates().end(knock).is_some(), NAME, || format!("{client}: {ask:?} is acknowledged and the knock waits"));
    }
    let told = archive.told(client.epoch(), seq);
    let repeats = told.is_some_and(|t| t.frame.from == client.member && ask.is_repeated_by(&t.frame));
    ensure(repeats, NAME, || format!("{client}: {ask:?} is acknowledged with {seq}, which is {told:?}"))
}

/// A client that has everything shows what a newcomer would be shown.
pub(crate) fn invariant_mirror_is_the_state(client: &Client, archive: &mut Archive) -> Verdict {
    let Some(mirror) = &client.mirror else { return Ok(()) };
    let shown = archive.shown();
    ensure(mirror.shown() == shown, "mirror_is_the_state", || {
        format!("{client} at {}/{} shows {:?}\n  and should show {shown:?}", client.epoch(), client.seq, mirror.shown())
    })
}

/// A position comes only to those whose root is its sender, never of a term that is over, never older than one before.
pub(crate) fn invariant_positions_are_the_roots_and_the_newest(client: &Client, from: u64, key: &str, term: u32, value: u64) -> Verdict {
    const NAME: &str = "positions_are_the_roots_and_the_newest";
    let root = client.mirror.as_ref().map_or(0, |m| m.root(client.member));
    ensure(root == from, NAME, || format!("{client} follows {root} and is shown {key} of {from}"))?;
    ensure(term == 0 || term >= client.last_term, NAME, || format!("{client} knows term {} and is shown {term}", client.last_term))?;
    let before = client.seen.get(&(from, key.to_owned())).copied().unwrap_or(0);
    ensure(value >= before, NAME, || format!("{client} has {key} of {from} as {before} and is shown {value}"))
}

/// Once it is quiet, every follower has the newest value of its root.
pub(crate) fn invariant_newest_position_arrives(client: &Client, root: u64, key: &str, newest: u64) -> Verdict {
    let seen = client.seen.get(&(root, key.to_owned())).copied();
    ensure(seen == Some(newest), "newest_position_arrives", || format!("{client} has {key} of {root} as {seen:?}, the newest is {newest}"))
}

/// What waits for a receiver, however slow, is bounded.
pub(crate) fn invariant_queue_is_bounded(client: &Client, live: usize, most: usize) -> Verdict {
    ensure(live <= most, "queue_is_bounded", || format!("{client} got {live} frames in one go"))
}

/// A reader whose line is good has everything, whatever the others do.
pub(crate) fn invariant_good_lines_are_up_to_date(client: &Client, epoch: &str, seq: u32) -> Verdict {
    ensure(client.epoch() == epoch && client.seq >= seq, "good_lines_are_up_to_date", || {
        format!("{client} is at {}/{}; the log was at {epoch}/{seq} a while ago", client.epoch(), client.seq)
    })
}

/// Long after the last loss, those are here who are connected, and no others.
pub(crate) fn invariant_no_ghosts_and_nobody_missing(archive: &Archive, live: &BTreeSet<(u64, u64)>) -> Verdict {
    let members = archive.state().members();
    let listed: BTreeSet<_> = members.iter().flat_map(|m| m.points.iter().map(|p| (m.id.get(), p.id.get()))).collect();
    let offline: Vec<_> = members.iter().filter(|m| !m.online).map(|m| m.id.get()).collect();
    ensure(listed == *live && offline.is_empty(), "no_ghosts_and_nobody_missing", || {
        format!("listed {listed:?}, offline {offline:?}, connected {live:?}")
    })
}

/// A session ends once, and nothing comes after that.
pub(crate) fn invariant_session_ends_once(archive: &Archive) -> Verdict {
    let (ends, after) = archive.ends();
    ensure(ends <= 1 && after == 0, "session_ends_once", || format!("{ends} ends, {after} frames after the first"))
}

/// What an HTTP call was told to be done is in the log exactly once.
pub(crate) fn invariant_done_is_in_the_log_once(archive: &Archive, title: &str) -> Verdict {
    let times = archive.titled(title);
    ensure(times == 1, "done_is_in_the_log_once", || format!("the title {title:?} is in the log {times} times"))
}

/// In the log a knock comes once and is over once, nobody who was denied gets in, and no more wait than may.
pub(crate) fn invariant_the_door_holds(archive: &Archive, most_wait: usize) -> Verdict {
    let fault = archive.fates().fault();
    ensure(fault.is_none(), "the_door_holds", || fault.unwrap_or_default().to_owned())?;
    let waiting = archive.state().waiting().count();
    ensure(waiting <= most_wait, "the_door_holds", || format!("{waiting} wait"))
}

/// What somebody who waits is told of its knock is what the log says, and was there before.
pub(crate) fn invariant_a_knock_ends_as_the_log_says(knock: u64, state: KnockState, archive: &Archive) -> Verdict {
    let fate = archive.fates().end(knock);
    ensure(fate == Some(state), "a_knock_ends_as_the_log_says", || format!("knock {knock}: told {state:?}, the log has {fate:?}"))
}

/// Whoever waits gets one answer, however often it asks.
pub(crate) fn invariant_a_knock_ends_once(member: u64, before: Option<KnockState>, state: KnockState) -> Verdict {
    ensure(before.is_none_or(|before| before == state), "a_knock_ends_once", || format!("{member}: {before:?}, then {state:?}"))
}

/// Of strangers only those whom the host has let in are in.
pub(crate) fn invariant_nobody_comes_in_past_the_host(member: u64, archive: &Archive) -> Verdict {
    ensure(archive.fates().was_admitted(member), "nobody_comes_in_past_the_host", || format!("{member} is in"))
}

/// Nobody's answer to a knock counts but that of somebody who has become host meanwhile.
pub(crate) fn invariant_hosts_alone_answer(by: u64, archive: &Archive) -> Verdict {
    ensure(archive.fates().was_host(by), "hosts_alone_answer", || format!("the answer of {by} was taken"))
}

/// Nobody but a host hears of knocks; of each what the log says, first that it waits, if at all, and once how it ended.
pub(crate) fn invariant_the_host_hears_of_knocks(
    client: &Client,
    knock: &v1::MemberKnock,
    before: Option<v1::member_knock::State>,
    archive: &Archive,
) -> Verdict {
    use v1::member_knock::State as Told;
    let fate = archive.fates().end(knock.knock_id);
    let ended = match fate {
        Some(KnockState::Admitted) => Some(Told::Admitted),
        Some(KnockState::Denied) => Some(Told::Denied),
        Some(KnockState::Expired) => Some(Told::Expired),
        Some(KnockState::Waiting) | None => None,
    };
    let so = archive.fates().has(knock.knock_id) && (knock.state() == Told::Waiting || Some(knock.state()) == ended);
    let first = before.is_none_or(|before| before == Told::Waiting);
    let host = archive.fates().was_host(client.member);
    ensure(so && first && host, "the_host_hears_of_knocks", || {
        format!("{client} hears {knock:?} after {before:?}; the log has {fate:?}; it was host: {host}")
    })
}

/// Everybody who asked got an answer.
pub(crate) fn invariant_nothing_hangs(what: &str, count: usize) -> Verdict {
    ensure(count == 0, "nothing_hangs", || format!("{count} {what} without an answer"))
}

/// No task of the server panics, and no answer admits to a mistake of the server.
pub(crate) fn invariant_no_mistakes_of_the_server(what: &str, mistake: bool) -> Verdict {
    ensure(!mistake, "no_mistakes_of_the_server", || what.to_owned())
}
