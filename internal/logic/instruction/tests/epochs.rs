//! A new epoch: all clients start again from the snapshot.

use super::fixture::{StreamFixture, follow_me, id};
use faceshare_biz::domain::instruction::Invite;

#[tokio::test(start_paused = true)]
async fn before_seq_runs_out_everybody_reconnects_into_a_new_epoch() {
    let fixture = StreamFixture::with(|s| s.seq_max = 4).await;
    let [ann, bob] = fixture.joined(["ann", "bob"]).await;
    let epoch = fixture.epoch().await;
    bob.ask(1, follow_me(Invite::Ask));
    fixture.settle().await;
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

    let again = fixture.resume("bob", 1, &epoch, 4);
    fixture.settle().await;
    let welcome = again.welcome();
    assert_ne!(welcome.epoch, epoch);
    assert!(
        welcome
            .snapshot
            .is_some_and(|s| s.presenting.is_some_and(|p| p.member == id("bob")))
    );
    fixture.retitle("New").await;
    fixture.settle().await;
    assert_eq!(again.words(), ["1 sessionChange"]);
}

#[tokio::test(start_paused = true)]
async fn who_connects_as_the_epoch_changes_is_in_the_new_one() {
    let fixture = StreamFixture::with(|s| s.seq_max = 3).await;
    let [_ann, bob] = fixture.joined(["ann", "bob"]).await;
    fixture.seat("cat", 1).await;
    let cat = fixture.connect("cat", 1);
    fixture.settle().await;
    assert_eq!(cat.words(), ["welcome at 0"]);
    assert_eq!(bob.words(), ["3 memberJoin", "closed Restarting"]);
}
