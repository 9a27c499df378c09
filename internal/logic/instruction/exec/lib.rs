//! The session kernel: what an instruction does to a session, and to whom it is told.
//!
//! Two functions, both pure: [`step`] decides what one [`Input`] leads to, and [`apply`] brings a
//! [`State`] there. Neither reads a clock, does I/O or draws a random number; time and ids come in
//! as input. A session is the log of its entries: the same entries applied to the same snapshot
//! give the same state, on any machine, at any time.
//!
//! There is one file for each instruction. What several of them need is in `leave` (a member is
//! gone), `follow_change` (the follow graph), `knock` (who waits at the door), `session_auto_end`
//! (the countdown) and `draft` (an entry in the making).
//!
//! # Invariants
//! - A rejected input leaves the state as it was: `step` only reads it.
//! - The frames of an entry have consecutive seqs, in the order they stand in.
//! - Every member's stored root is the end of its effective chain, and no chain has a cycle.
//! - At most one member presents, and it is present.
//! - A knock is answered at most once; an account whose knock waits is no member and was none.

mod ack_heart;
mod action_sync;
mod apply;
mod cancel_auto_end;
mod cancel_follow;
mod cancel_follow_me;
mod draft;
mod due;
mod entry;
mod follow_change;
mod follow_me;
mod follow_other;
mod gone;
mod http_quit;
mod knock;
mod leave;
mod member_change;
mod member_join;
mod planted;
mod point_state;
mod profile;
mod quit;
mod rules;
mod seat;
mod sess_end;
mod session_auto_end;
mod session_change;
mod state;
#[cfg(test)]
mod tests;

pub use ack_heart::Watermark;
pub use action_sync::{ActionTable, ActionVerdict};
pub use apply::apply;
pub use entry::{Arrival, Change, Entry, Genesis, Info, Input, Patch, Reject, Step, Via};
pub use knock::{Knock, KnockAnswer};
pub use planted::PlantedFault;
#[cfg(any(test, feature = "planted-faults"))]
pub use planted::plant;
pub use rules::Rules;
pub use state::{Access, ByPoint, Follow, Membership, Person, PointState, Presence, State};

use draft::Draft;
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::instruction::Command;
use faceshare_biz::domain::{MemberId, PointId, Timestamp};

/// What `input` leads to at `now`, or why it is refused. `now` earlier than the last entry counts
/// as the time of that entry.
///
/// # Errors
/// [`Reject`] carries the code and text for the caller.
pub fn step(state: &State, rules: &Rules, now: Timestamp, input: Input) -> Result<Step, Reject> {
    let now = now.max(state.last_at());
    if state.is_ended()
        && !matches!(
            input,
            Input::Seat { .. } | Input::NewEpoch { .. } | Input::Restart
        )
    {
        return Err(Reject::new(ErrorCode::SessionEnded, "the session is over"));
    }
    let mut draft = Draft::new(state, rules, now);
    match input {
        Input::Command {
            member,
            point,
            nonce,
            command,
        } => return instruct(draft, member, point, nonce, command),
        Input::Seat {
            profile,
            point,
            device,
            via,
        } => seat::step(&mut draft, profile, point, device, via)?,
        Input::Arrive(arrival) => knock::arrive(&mut draft, *arrival)?,
        Input::Connect {
            member,
            point,
            incarnation,
        } => member_join::step(&mut draft, member, point, incarnation)?,
        Input::PointLost { point, incarnation } => {
            member_change::point_lost(&mut draft, point, incarnation)
        }
        Input::Restart => member_change::restart(&mut draft),
        Input::Patch { by, patch } => session_change::step(&mut draft, by, patch)?,
        Input::ForceAdmission { forced } => session_change::force(&mut draft, forced),
        Input::Profile(profile) => profile::step(&mut draft, profile)?,
        Input::HttpQuit { member } => http_quit::step(&mut draft, member)?,
        Input::Gone { member } => gone::step(&mut draft, member)?,
        Input::Remove { by, member } => quit::remove(&mut draft, by, member)?,
        Input::AnswerKnock { by, knock, answer } => knock::answer(&mut draft, by, knock, answer)?,
        Input::WithdrawKnock { by, knock } => knock::withdraw(&mut draft, by, knock),
        Input::End { by } => sess_end::step(&mut draft, by)?,
        Input::NewEpoch { epoch } => draft.change(Change::Epoch(epoch)),
        Input::Due => due::step(&mut draft),
    }
    Ok(draft.finish())
}

/// A command of a member, with its nonce: a repeat is answered like the first and changes nothing.
fn instruct(
    mut draft: Draft<'_>,
    member: MemberId,
    point: PointId,
    nonce: u64,
    command: Command,
) -> Result<Step, Reject> {
    let Some(person) = draft.state.person(member) else {
        return Err(Reject::new(
            ErrorCode::MemberNotFound,
            "you are not in this session",
        ));
    };
    if let Some(seq) = person.seq_of_nonce(nonce) {
        return Ok(Step::Repeated(seq));
    }
    if draft.state.presence(member).is_none() {
        return Err(Reject::new(
            ErrorCode::MemberNotFound,
            "you are not in this session",
        ));
    }
    draft.by(member);
    match command {
        Command::Quit => quit::step(&mut draft, member),
        Command::FollowMe {
            invite,
            lock,
            presenter,
        } => follow_me::step(&mut draft, member, invite, lock, presenter)?,
        Command::CancelFollowMe => cancel_follow_me::step(&mut draft, member)?,
        Command::FollowOther { target } => follow_other::step(&mut draft, member, target)?,
        Command::CancelFollow { suspend } => cancel_follow::step(&mut draft, member, suspend)?,
        Command::CancelAutoEnd => cancel_auto_end::step(&mut draft, member)?,
        Command::PointState { background } => {
            point_state::step(&mut draft, member, point, background)
        }
        Command::Admit { knock } => {
            knock::step(&mut draft, member, nonce, knock, KnockAnswer::Admit)?
        }
        Command::Deny { knock } => {
            knock::step(&mut draft, member, nonce, knock, KnockAnswer::Deny)?
        }
        Command::AckHeart { .. } | Command::ActionSync(_) => {
            return Err(Reject::new(
                ErrorCode::InvalidArgument,
                "this instruction is not an ordered one",
            ));
        }
    }
    draft.remember_nonce(member, nonce);
    Ok(draft.finish())
}
