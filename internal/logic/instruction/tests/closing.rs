//! The end of a process: what is under way is answered, what comes later is refused, and nothing holds the end up.

use super::stage::{Stage, genesis, session_id};
use crate::instruction::Sessions;
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::SessionId;
use faceshare_exec::Genesis;
use tokio::task::JoinHandle;

fn closing(sessions: &Sessions) -> JoinHandle<()> {
    let sessions = sessions.clone();
    tokio::spawn(async move { sessions.close().await })
}

fn retitling(stage: &Stage) -> JoinHandle<faceshare_biz::Result<()>> {
    let sessions = stage.sessions.clone();
    tokio::spawn(async move { sessions.propose(session_id(), Stage::retitled("New")).await.map(drop) })
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_is_answered_and_what_comes_later_is_refused() {
    let stage = Stage::new().await;
    stage.log.hold();
    let call = retitling(&stage);
    stage.settle().await;
    let close = closing(&stage.sessions);
    stage.settle().await;
    let late = stage.sessions.read(session_id(), |_| ()).await.expect_err("too late");
    assert_eq!(late.code, ErrorCode::Unavailable);
    assert!(!close.is_finished() && !call.is_finished(), "the log has not answered yet");
    stage.log.open();
    stage.settle().await;
    assert!(close.is_finished(), "nothing that came later holds it up");
    call.await.expect("no panic").expect("renamed");
    assert_eq!(stage.log.loads(), 0, "nobody was loaded for the sake of a late call");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_opened_after_the_close() {
    let stage = Stage::new().await;
    stage.sessions.close().await;
    let error = stage.sessions.create(Genesis { id: SessionId::new(901).expect("an id"), ..genesis() }).await.expect_err("too late");
    assert_eq!(error.code, ErrorCode::Unavailable);
    assert!(!stage.sessions.is_loaded(SessionId::new(901).expect("an id")));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_being_loaded_is_waited_for() {
    let stage = Stage::new().await.restarted(|_| {});
    stage.log.hold_loads();
    let call = retitling(&stage);
    stage.settle().await;
    let close = closing(&stage.sessions);
    stage.settle().await;
    assert!(!close.is_finished(), "what was asked for it is not answered yet");
    stage.log.open_loads();
    stage.settle().await;
    call.await.expect("no panic").expect("renamed");
    assert!(close.is_finished());
}
