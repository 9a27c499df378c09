//! What happens because time passes.

use super::fixture::{StreamFixture, id, session_id};
use crate::facesession::CodeExpiry;
use crate::facesession::fakes::Codes;
use crate::instruction::connclient::Incoming;
use faceshare_biz::domain::facesession::{CodeRecord, NumberCodeRepository};
use faceshare_biz::domain::instruction::Command;
use faceshare_exec::State;
use std::sync::Arc;
use std::time::Duration;

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

async fn with_heartbeats() -> StreamFixture {
    StreamFixture::with(|s| {
        (s.heartbeat_interval, s.heartbeat_timeout) = (seconds(20), seconds(30))
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn heartbeats_come_at_their_interval_and_a_client_that_answers_stays() {
    let fixture = with_heartbeats().await;
    let ann = fixture.join("ann").await;
    ann.words();
    for beat in 1..=10 {
        fixture.wait(seconds(20)).await;
        assert_eq!(
            ann.words().iter().filter(|w| *w == "sysHeart").count(),
            1,
            "{beat}"
        );
        if beat % 2 == 0 {
            ann.send(Incoming::Alive)
        } else {
            ann.ask(
                0,
                Command::AckHeart {
                    sent_at: None,
                    last_seq: 1,
                },
            )
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_closed_and_its_point_lost() {
    let fixture = with_heartbeats().await;
    let ann = fixture.join("ann").await;
    let bob = fixture.join("bob").await;
    ann.words();
    bob.words();
    fixture.wait(seconds(25)).await;
    ann.send(Incoming::Alive);
    fixture.wait(seconds(4)).await;
    assert_eq!(bob.words(), ["sysHeart"]);
    fixture.wait(seconds(1)).await;
    assert_eq!(bob.words(), ["closed HeartbeatLost"]);
    fixture.wait(seconds(3)).await;
    assert_eq!(ann.words(), ["sysHeart", "3 memberChange"]);
    assert!(bob.served.is_finished());
}

#[tokio::test(start_paused = true)]
async fn the_time_for_which_the_process_did_not_run_is_nobodys_silence() {
    let fixture = with_heartbeats().await;
    let [ann, bob, cat] = fixture.joined(["ann", "bob", "cat"]).await;
    fixture.wait(seconds(15)).await;
    // Stopped for longer than the timeout. What cat has said meanwhile waits in its socket.
    cat.send(Incoming::Alive);
    tokio::time::advance(seconds(300)).await;
    fixture.settle().await;
    assert_eq!([ann.words(), bob.words(), cat.words()], [["sysHeart"]; 3]);
    ann.send(Incoming::Alive);
    fixture.wait(seconds(21)).await;
    cat.send(Incoming::Alive);
    ann.send(Incoming::Alive);
    assert_eq!([ann.words(), bob.words(), cat.words()], [["sysHeart"]; 3]);
    fixture.wait(seconds(10)).await;
    assert_eq!(
        [ann.words(), bob.words(), cat.words()],
        [vec![], vec!["closed HeartbeatLost"], vec![]]
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_that_reads_nothing_is_cut_off() {
    let fixture = with_heartbeats().await;
    let bob = fixture.join("ann").await;
    bob.stall();
    fixture.wait(seconds(36)).await;
    assert!(bob.served.is_finished());
    assert!(fixture.sessions.points().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_at_two_thirds_of_its_life_again_and_again() {
    let fixture = StreamFixture::new().await;
    let [ann] = fixture.joined(["ann"]).await;
    fixture.wait(seconds(2_399)).await;
    assert_eq!(ann.words(), [""; 0]);
    fixture.wait(seconds(1)).await;
    assert_eq!(ann.words(), ["tokenRenewed"]);
    fixture.wait(seconds(2_401)).await;
    assert_eq!(ann.words(), ["tokenRenewed"]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_member_is_announced_then_gone_and_an_empty_session_ends() {
    let fixture = StreamFixture::new().await;
    let [ann, mut bob] = fixture.joined(["ann", "bob"]).await;
    bob.hang_up();
    fixture.wait(Duration::from_millis(1_990)).await;
    assert_eq!(ann.words(), [""; 0]);
    fixture.wait(Duration::from_millis(20)).await;
    assert_eq!(ann.words(), ["3 memberChange"]);
    fixture.wait(Duration::from_millis(27_900)).await;
    assert_eq!(ann.words(), [""; 0]);
    fixture.wait(Duration::from_millis(100)).await;
    assert_eq!(ann.words(), ["4 quit"]);
    drop(ann);
    fixture.wait(seconds(31)).await;
    assert!(!fixture.read(State::is_ended).await);
    fixture.wait(seconds(60)).await;
    assert!(fixture.read(State::is_ended).await);
}

#[tokio::test(start_paused = true)]
async fn a_session_without_its_host_counts_down_and_ends() {
    let fixture = StreamFixture::new().await;
    let [ann, bob] = fixture.joined(["ann", "bob"]).await;
    ann.ask(0, Command::Quit);
    fixture.settle().await;
    assert_eq!(bob.words(), ["3 quit", "4 sessionAutoEnd"]);
    fixture.wait(seconds(299)).await;
    assert_eq!(bob.words(), [""; 0]);
    fixture.wait(seconds(1)).await;
    assert_eq!(bob.words(), ["5 sessEnd", "closed SessionEnded"]);
}

#[tokio::test(start_paused = true)]
async fn deadlines_come_while_positions_keep_coming() {
    let fixture = StreamFixture::new().await;
    let [ann, mut bob] = fixture.joined(["ann", "bob"]).await;
    bob.hang_up();
    for _ in 0..300 {
        ann.position("view", 0, 0.1);
        fixture.wait(Duration::from_millis(10)).await;
    }
    assert_eq!(ann.words(), ["3 memberChange"]);
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_no_point_is_connected_and_graces_start_then() {
    let fixture = StreamFixture::new().await;
    let [_ann, _bob] = fixture.joined(["ann", "bob"]).await;
    let fixture = fixture.restarted(|_| {});
    let ann = fixture.connect("ann", 1);
    fixture.settle().await;
    assert_eq!(ann.words(), ["welcome at 2"]);
    fixture.wait(seconds(3)).await;
    assert_eq!(ann.words(), ["3 memberChange"]);
    assert!(fixture.read(|s| s.presence(id("bob")).is_some()).await);
    fixture.wait(seconds(28)).await;
    assert_eq!(ann.words(), ["4 quit"]);
}

#[tokio::test(start_paused = true)]
async fn the_host_alone_hears_once_that_the_number_code_has_expired() {
    let fixture = StreamFixture::new().await;
    let [ann, bob] = fixture.joined(["ann", "bob"]).await;
    let (codes, clock) = (Arc::<Codes>::default(), fixture.clock());
    let now = clock.now();
    let code = CodeRecord {
        fingerprint: [1; 32],
        sealed: String::new(),
        session: session_id(),
        created_at: now,
        expires_at: now + seconds(600),
        effect: None,
    };
    codes.assign(&code, now, now).await.expect("assigned");
    let expiry = CodeExpiry::new(fixture.sessions.clone(), codes, clock);
    fixture.wait(seconds(599)).await;
    expiry.tick().await;
    fixture.settle().await;
    assert_eq!(ann.words(), [""; 0], "the code is live");
    fixture.wait(seconds(1)).await;
    for _ in 0..3 {
        expiry.tick().await;
        fixture.wait(seconds(5)).await;
    }
    assert_eq!(ann.words(), ["no numberCode"]);
    assert_eq!(bob.words(), [""; 0]);
}
