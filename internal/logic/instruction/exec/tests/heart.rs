//! `ackHeart`, and the instructions that do not go through the log.

use super::world::World;
use crate::Watermark;
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::instruction::{Command, Seq};

#[test]
fn the_watermark_never_goes_back_and_never_beyond_the_head() {
    let mut mark = Watermark::default();
    assert_eq!(mark.get(), Seq::NONE);
    mark.raise(Seq::new(5), Seq::new(9));
    mark.raise(Seq::new(3), Seq::new(9));
    assert_eq!(mark.get(), Seq::new(5));
    mark.raise(Seq::new(100), Seq::new(9));
    assert_eq!(mark.get(), Seq::new(9));
}

#[test]
fn what_is_not_ordered_is_no_input() {
    let mut w = World::with(&["ann"]);
    assert_eq!(
        w.refused(
            "ann",
            Command::AckHeart {
                sent_at: None,
                last_seq: 1
            }
        ),
        ErrorCode::InvalidArgument
    );
}

#[test]
fn who_is_not_here_says_nothing() {
    let mut w = World::with(&["ann"]);
    assert_eq!(w.refused("hal", Command::Quit), ErrorCode::MemberNotFound);
}
