//! The report of the demo: what each client saw, and whether that is as expected.

use super::actor::{Actor, Observed};
use super::console::Console;
use super::script::{
    BENS_OWN_PAGE, DemoResult, LAST_PAGE, PAGE_WHILE_AWAY, PAGE_WHILE_PAUSED, pages_of,
};
use crate::text;
use anyhow::Result;
use faceshare_api::v1::ServerFrame;
use std::collections::BTreeMap;

const GREEN: &str = "32";
const RED: &str = "31";

/// Prints the table and the checks; true when all hold.
pub(super) fn print(console: &Console, result: &DemoResult) -> Result<bool> {
    console.tell("What each saw:")?;
    let row = |who: &str, frames: &str, pages: &str, last: &str, resumes: &str, closed: &str| {
        format!("  {who:<5}{frames:>7}  {pages:<26}{last:<14}{resumes:>7}  {closed}")
    };
    console.print(
        &row("", "frames", "pages", "last at", "resumes", "closed"),
        "2",
    )?;
    for (actor, colour) in [
        (&result.ann, "35"),
        (&result.ben, "36"),
        (&result.eve, "32"),
    ] {
        let seen = actor.seen.borrow();
        let last = seen
            .last
            .as_ref()
            .map_or_else(|| "(presented)".into(), text::position);
        let closed = seen
            .closed
            .as_ref()
            .map_or_else(|| "no".into(), |closed| closed.code.to_string());
        let line = row(
            actor.name,
            &seen.frames.len().to_string(),
            &pages(&seen),
            &last,
            &seen.resumes.to_string(),
            &closed,
        );
        console.print(&line, colour)?;
    }
    console.print("", "0")?;
    let checks = checks(result);
    for (what, holds) in &checks {
        console.print(
            &format!("  {} {what}", if *holds { "✓" } else { "✗" }),
            if *holds { GREEN } else { RED },
        )?;
    }
    Ok(checks.iter().all(|(_, holds)| *holds))
}

fn pages(seen: &Observed) -> String {
    if seen.pages.is_empty() {
        return "—".into();
    }
    let pages: Vec<String> = seen
        .pages
        .iter()
        .map(|(_, page)| page.to_string())
        .collect();
    pages.join(" ")
}

fn checks(result: &DemoResult) -> Vec<(String, bool)> {
    let DemoResult {
        ann,
        ben,
        eve,
        bens_pages_while_paused,
    } = result;
    let ann_id = ann.id();
    let (ann_seen, ben_seen, eve_seen) = (ann.seen.borrow(), ben.seen.borrow(), eve.seen.borrow());
    let before_pause: Vec<u32> = (1..PAGE_WHILE_PAUSED).collect();
    // Ben may or may not receive the page that Ann showed while he had no connection: positions are
    // not replayed.
    let bens: Vec<u32> = pages_of(&ben_seen, ann_id)
        .into_iter()
        .filter(|page| *page != PAGE_WHILE_AWAY)
        .collect();
    let all: Vec<u32> = (1..=LAST_PAGE).collect();
    let all_but_away: Vec<u32> = all
        .iter()
        .copied()
        .filter(|page| *page != PAGE_WHILE_AWAY)
        .collect();
    vec![
        (
            "every frame came once and in order, to all three".into(),
            [ann, ben, eve].into_iter().all(in_order),
        ),
        (
            "all three were told the same".into(),
            same(&ann_seen, &ben_seen) && same(&ann_seen, &eve_seen) && same(&ben_seen, &eve_seen),
        ),
        (
            "Ben saw Ann's pages while he followed, and none while he had paused".into(),
            bens == all_but_away && *bens_pages_while_paused == before_pause,
        ),
        (
            "Eve saw Ann's pages through Ben, and Ben's while he was on his own".into(),
            {
                pages_of(&eve_seen, ann_id) == all
                    && pages_of(&eve_seen, ben.id()) == [BENS_OWN_PAGE]
            },
        ),
        (
            "Ben and Eve ended on Ann's last page".into(),
            [&ben_seen, &eve_seen]
                .iter()
                .all(|seen| seen.last.is_some_and(|last| last.page == LAST_PAGE)),
        ),
        (
            "Ben resumed once, the others never had to".into(),
            (ann_seen.resumes, ben_seen.resumes, eve_seen.resumes) == (0, 1, 0),
        ),
        (
            "Eve was closed with 1000, Ann and Ben with 4010".into(),
            [code(&ann_seen), code(&ben_seen), code(&eve_seen)] == [4010, 4010, 1000],
        ),
    ]
}

fn code(seen: &Observed) -> u16 {
    seen.closed.as_ref().map_or(0, |closed| closed.code)
}

fn in_order(actor: &Actor) -> bool {
    let seen = actor.seen.borrow();
    seen.faults.is_empty()
        && !seen.frames.is_empty()
        && seen
            .frames
            .windows(2)
            .all(|pair| pair[1].seq == pair[0].seq + 1)
}

/// Whether the frames that both got are the same frames.
fn same(one: &Observed, other: &Observed) -> bool {
    let by_seq: BTreeMap<u32, &ServerFrame> =
        one.frames.iter().map(|frame| (frame.seq, frame)).collect();
    other
        .frames
        .iter()
        .filter_map(|frame| by_seq.get(&frame.seq).map(|same| (frame, *same)))
        .all(|(frame, same)| frame == same)
}

#[cfg(test)]
mod tests {
    use super::{Observed, pages, same};
    use faceshare_api::v1::ServerFrame;

    fn seen(frames: &[(u32, u64)]) -> Observed {
        let frames = frames
            .iter()
            .map(|(seq, from)| ServerFrame {
                seq: *seq,
                from: *from,
                ..ServerFrame::default()
            })
            .collect();
        Observed {
            frames,
            ..Observed::default()
        }
    }

    #[test]
    fn two_clients_are_compared_over_the_frames_that_both_got() {
        assert!(same(
            &seen(&[(1, 1), (2, 2), (3, 3)]),
            &seen(&[(2, 2), (3, 3), (4, 4)])
        ));
        assert!(!same(&seen(&[(1, 1), (2, 2)]), &seen(&[(2, 7)])));
    }

    #[test]
    fn pages_are_shown_as_a_row() {
        assert_eq!(pages(&Observed::default()), "—");
        assert_eq!(
            pages(&Observed {
                pages: vec![(1, 1), (1, 2), (2, 1)],
                ..Observed::default()
            }),
            "1 2 1"
        );
    }
}
