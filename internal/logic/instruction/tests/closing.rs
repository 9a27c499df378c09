//! The end of a process: what is under way is answered, what comes later is refused, and nothing holds the end up.

use super::socket::Way;
use super::stage::{Stage, follow_me, genesis, session_id};
use crate::instruction::Sessions;
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::instruction::{Command, Invite};
use faceshare_exec::Genesis;
use tokio::task::JoinHandle;

fn closing(sessions: &Sessions) -> JoinHandle<()> {
    let sessions = sessions.clone();
    tokio::spawn(async move { sessions.close().await })
}

fn retitling(stage: &Stage) -> JoinHandle<faceshare_biz::Result<()>> {
    let sessions = stage.sessions.clone();
    tokio::spawn(async move {
        sessions
            .propose(session_id(), Stage::retitled("New"))
            .await
            .map(drop)
    })
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_is_answered_and_what_comes_later_is_refused() {
    let stage = Stage::new().await;
    stage.log.hold();
    let call = retitling(&stage);
    stage.settle().await;
    let close = closing(&stage.sessions);
    stage.settle().await;
    let late = stage
        .sessions
        .read(session_id(), |_| ())
        .await
        .expect_err("too late");
    assert_eq!(late.code, ErrorCode::Unavailable);
    assert!(
        !close.is_finished() && !call.is_finished(),
        "the log has not answered yet"
    );
    stage.log.open();
    stage.settle().await;
    assert!(close.is_finished(), "nothing that came later holds it up");
    call.await.expect("no panic").expect("renamed");
    assert_eq!(
        stage.log.loads(),
        0,
        "nobody was loaded for the sake of a late call"
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_opened_after_the_close() {
    let stage = Stage::new().await;
    stage.sessions.close().await;
    let error = stage
        .sessions
        .create(Genesis {
            id: SessionId::new(901).expect("an id"),
            ..genesis()
        })
        .await
        .expect_err("too late");
    assert_eq!(error.code, ErrorCode::Unavailable);
    assert!(
        !stage
            .sessions
            .is_loaded(SessionId::new(901).expect("an id"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_being_loaded_is_waited_for() {
    let stage = Stage::new().await.restarted(|_| {});
    stage.log.hold_loads();
    let call = retitling(&stage);
    stage.settle().await;
    let close = closing(&stage.sessions);
    stage.settle().await;
    assert!(
        !close.is_finished(),
        "what was asked for it is not answered yet"
    );
    stage.log.open_loads();
    stage.settle().await;
    call.await.expect("no panic").expect("renamed");
    assert!(close.is_finished());
}

#[tokio::test(start_paused = true)]
async fn whoever_is_cut_off_hears_nothing_and_is_lost_to_the_session() {
    for way in Way::ALL {
        let stage = Stage::new().await.writing(way);
        let [ann, bob] = stage.joined(["ann", "bob"]).await;
        // She does not take what is written to her, and he has been told to go and has not gone yet.
        ann.stall();
        ann.ask(1, follow_me(Invite::Ask));
        bob.ask(1, Command::Quit);
        stage.settle().await;
        assert!(bob.words().contains(&"closed Left".to_owned()), "{way:?}");
        assert!(
            !ann.served.is_finished() && !bob.served.is_finished(),
            "{way:?}"
        );
        stage.cut.cancel();
        stage.settle().await;
        assert!(
            ann.served.is_finished() && bob.served.is_finished(),
            "{way:?}"
        );
        assert_eq!(
            (ann.words(), bob.words(), stage.sessions.points().len()),
            (Vec::new(), Vec::new(), 0),
            "{way:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_to_go_is_not_listened_to_any_more_even_if_it_has_not_heard_so() {
    for way in Way::ALL {
        let stage = Stage::with(|s| s.refusals = 3).await.writing(way);
        let [ann, bob] = stage.joined(["ann", "bob"]).await;
        bob.stall();
        for id in 1..=9 {
            bob.ask(
                id,
                if id % 2 == 1 {
                    follow_me(Invite::Ask)
                } else {
                    Command::CancelFollowMe
                },
            );
        }
        stage.settle().await;
        assert!(
            !ann.words().is_empty() && bob.words().is_empty(),
            "{way:?}: some of it was granted, and of nothing it has heard"
        );
        bob.ask(10, Command::Quit);
        stage.settle().await;
        assert_eq!(ann.words(), Vec::<String>::new(), "{way:?}");
        bob.read();
        stage.settle().await;
        assert_eq!(
            bob.words().last().map(String::as_str),
            Some("closed TooMany"),
            "{way:?}"
        );
    }
}
