//! A new epoch: everybody starts anew.

use super::stage::{Stage, follow_me, id};
use faceshare_biz::domain::instruction::Invite;

#[tokio::test(start_paused = true)]
async fn before_seq_runs_out_everybody_reconnects_into_a_new_epoch() {
    let stage = Stage::with(|s| s.seq_max = 4).await;
    let [ann, bob] = stage.joined(["ann", "bob"]).await;
    let epoch = stage.epoch().await;
    bob.ask(1, follow_me(Invite::Ask));
    stage.settle().await;
    assert_eq!(
        bob.words(),
        [
            "3 followMe",
            "4 followChange",
            "ack 1 at 3",
            "closed Restarting"
        ]
    );
    assert_eq!(
        ann.words(),
        ["3 followMe", "4 followChange", "closed Restarting"]
    );

    let again = stage.resume("bob", 1, &epoch, 4);
    stage.settle().await;
    let welcome = again.welcome();
    assert_ne!(welcome.epoch, epoch);
    assert!(
        welcome
            .snapshot
            .is_some_and(|s| s.presenting.is_some_and(|p| p.member == id("bob")))
    );
    stage.retitle("New").await;
    stage.settle().await;
    assert_eq!(again.words(), ["1 sessionChange"]);
}

#[tokio::test(start_paused = true)]
async fn who_connects_as_the_epoch_changes_is_in_the_new_one() {
    let stage = Stage::with(|s| s.seq_max = 3).await;
    let [_ann, bob] = stage.joined(["ann", "bob"]).await;
    stage.seat("cat", 1).await;
    let cat = stage.connect("cat", 1);
    stage.settle().await;
    assert_eq!(cat.words(), ["welcome at 0"]);
    assert_eq!(bob.words(), ["3 memberJoin", "closed Restarting"]);
}
