//! The end of a process: what is under way is answered, what comes later is refused, and nothing
//! holds the end up.

use super::fixture::{StreamFixture, follow_me, genesis, session_id};
use super::socket::Way;
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

fn retitling(fixture: &StreamFixture) -> JoinHandle<faceshare_biz::Result<()>> {
    let sessions = fixture.sessions.clone();
    tokio::spawn(async move {
        sessions
            .propose(session_id(), StreamFixture::retitled("New"))
            .await
            .map(drop)
    })
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_is_answered_and_what_comes_later_is_refused() {
    let fixture = StreamFixture::new().await;
    fixture.log.hold();
    let call = retitling(&fixture);
    fixture.settle().await;
    let close = closing(&fixture.sessions);
    fixture.settle().await;
    let late = fixture
        .sessions
        .read(session_id(), |_| ())
        .await
        .expect_err("too late");
    assert_eq!(late.code, ErrorCode::Unavailable);
    assert!(
        !close.is_finished() && !call.is_finished(),
        "the log has not answered yet"
    );
    fixture.log.open();
    fixture.settle().await;
    assert!(close.is_finished(), "nothing that came later holds it up");
    call.await.expect("no panic").expect("renamed");
    assert_eq!(
        fixture.log.loads(),
        0,
        "no session was loaded for a late call"
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_opened_after_the_close() {
    let fixture = StreamFixture::new().await;
    fixture.sessions.close().await;
    let error = fixture
        .sessions
        .create(Genesis {
            id: SessionId::new(901).expect("an id"),
            ..genesis()
        })
        .await
        .expect_err("too late");
    assert_eq!(error.code, ErrorCode::Unavailable);
    assert!(
        !fixture
            .sessions
            .is_loaded(SessionId::new(901).expect("an id"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_being_loaded_is_waited_for() {
    let fixture = StreamFixture::new().await.restarted(|_| {});
    fixture.log.hold_loads();
    let call = retitling(&fixture);
    fixture.settle().await;
    let close = closing(&fixture.sessions);
    fixture.settle().await;
    assert!(
        !close.is_finished(),
        "what was asked for it is not answered yet"
    );
    fixture.log.open_loads();
    fixture.settle().await;
    call.await.expect("no panic").expect("renamed");
    assert!(close.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_cut_off_connection_gets_no_more_frames_and_is_lost_to_the_session() {
    for way in Way::ALL {
        let fixture = StreamFixture::new().await.writing(way);
        let [ann, bob] = fixture.joined(["ann", "bob"]).await;
        // She does not take what is written to her, and he has been told to go and has not gone
        // yet.
        ann.stall();
        ann.ask(1, follow_me(Invite::Ask));
        bob.ask(1, Command::Quit);
        fixture.settle().await;
        assert!(bob.words().contains(&"closed Left".to_owned()), "{way:?}");
        assert!(
            !ann.served.is_finished() && !bob.served.is_finished(),
            "{way:?}"
        );
        fixture.cut.cancel();
        fixture.settle().await;
        assert!(
            ann.served.is_finished() && bob.served.is_finished(),
            "{way:?}"
        );
        assert_eq!(
            (ann.words(), bob.words(), fixture.sessions.points().len()),
            (Vec::new(), Vec::new(), 0),
            "{way:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn input_of_a_closing_connection_is_ignored_even_before_it_gets_the_close_frame() {
    for way in Way::ALL {
        let fixture = StreamFixture::with(|s| s.refusals = 3).await.writing(way);
        let [ann, bob] = fixture.joined(["ann", "bob"]).await;
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
        fixture.settle().await;
        assert!(
            !ann.words().is_empty() && bob.words().is_empty(),
            "{way:?}: some of it was granted, and of nothing it has heard"
        );
        bob.ask(10, Command::Quit);
        fixture.settle().await;
        assert_eq!(ann.words(), Vec::<String>::new(), "{way:?}");
        bob.read();
        fixture.settle().await;
        assert_eq!(
            bob.words().last().map(String::as_str),
            Some("closed TooMany"),
            "{way:?}"
        );
    }
}
