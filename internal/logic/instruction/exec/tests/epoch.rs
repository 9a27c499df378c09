//! The order: seqs, indexes, epochs.

use super::world::{World, follow};
use crate::{Entry, Input};
use faceshare_biz::domain::instruction::{Epoch, Seq};

#[test]
fn entries_without_frames_take_an_index_and_no_seq() {
    let mut w = World::with(&["ann", "bob"]);
    let (index, seq) = (w.state.index(), w.state.seq());
    let entry = w.lose("bob", 1);
    assert!(entry.events.is_empty());
    assert_eq!((w.state.index(), w.state.seq()), (index + 1, seq));
}

#[test]
fn the_frames_of_an_entry_have_consecutive_seqs() {
    let mut w = World::with(&["ann", "bob"]);
    let before = w.state.clone();
    let entry: Entry = w.say("bob", follow("ann"));
    assert_eq!(entry.events.len(), 2);
    assert_eq!(w.state.seq(), before.seq().plus(2));
}

#[test]
fn a_new_epoch_restarts_seqs_and_keeps_everything_else() {
    let mut w = World::with(&["ann", "bob"]);
    w.say("bob", follow("ann"));
    let before = w.state.snapshot();
    let entry = w.does(Input::NewEpoch {
        epoch: Epoch::new("second").expect("an epoch"),
    });
    assert_eq!(entry.events, []);
    assert_eq!(
        (w.state.epoch().as_str(), w.state.seq()),
        ("second", Seq::NONE)
    );
    assert_eq!(w.state.snapshot(), before);
    w.join("cat");
    assert_eq!(w.state.seq(), Seq::new(1));
}
