//! Tests of admission with the host's approval: knocks, answers and waits.

use super::fakes::{HERE, THERE, TestApp};
use super::{Created, Key, NewFaceSession, NewInvite, Prejoined, WAIT_POLL, WaitOutcome};
use crate::account::AccountObserver;
use crate::fakes::PlainTokens;
use faceshare_biz::domain::account::{AccountRepository, Caller};
use faceshare_biz::domain::facesession::Admission;
use faceshare_biz::domain::instruction::{Command, Origin};
use faceshare_biz::domain::port::{Clock, Tokens};
use faceshare_biz::domain::{KnockId, Site};
use faceshare_biz::{ErrorCode, Result};
use faceshare_exec::{Input, KnockAnswer, State};
use std::net::IpAddr;
use std::time::Duration;

async fn approval_session(app: &TestApp, host: Caller) -> Created {
    let new = NewFaceSession {
        admission: Some(Admission::Approval),
        ..NewFaceSession::default()
    };
    app.cases.create(host, new).await.expect("a session")
}

async fn knock(app: &TestApp, who: Caller, at: &Created) -> Result<Prejoined> {
    app.cases
        .prejoin(
            who,
            HERE,
            Key::NumberCode(at.code.code.digits().to_owned()),
            None,
        )
        .await
}

async fn first_knock(app: &TestApp, host: Caller, at: &Created) -> KnockId {
    app.cases.knocks(host, at.session.id).await.expect("knocks")[0].id
}

async fn answer(app: &TestApp, host: Caller, at: &Created, answer: KnockAnswer) {
    let knock = first_knock(app, host, at).await;
    app.cases
        .answer_knock(host, at.session.id, knock, answer)
        .await
        .expect("answered");
}

#[tokio::test(start_paused = true)]
async fn a_waiting_caller_is_admitted_as_soon_as_the_host_admits_it() {
    let app = TestApp::new();
    let (host, guest) = (app.person(1).await, app.person(2).await);
    let created = approval_session(&app, host).await;
    let token = knock(&app, guest, &created)
        .await
        .expect("accepted")
        .waiting()
        .token;
    let (waited, ()) = tokio::join!(app.cases.wait(guest, &token), async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        answer(&app, host, &created, KnockAnswer::Admit).await;
    });
    let WaitOutcome::Admitted(entered) = waited.expect("answered") else {
        panic!("not admitted")
    };
    assert_eq!(entered.session.id, created.session.id);
    assert_eq!(
        entered.seat_expires_at,
        app.clock.now() + Duration::from_secs(30)
    );
    assert!(
        matches!(
            app.cases.wait(guest, &token).await,
            Ok(WaitOutcome::Admitted(_))
        ),
        "a second call gives the same answer"
    );
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_the_caller_is_asked_to_poll_again() {
    let app = TestApp::new();
    let (host, guest) = (app.person(1).await, app.person(2).await);
    let created = approval_session(&app, host).await;
    let first = knock(&app, guest, &created)
        .await
        .expect("accepted")
        .waiting();
    let start = tokio::time::Instant::now();
    let Ok(WaitOutcome::Waiting(again)) = app.cases.wait(guest, &first.token).await else {
        panic!("not waiting")
    };
    assert_eq!(start.elapsed(), WAIT_POLL);
    assert_eq!(again.expires_at, first.expires_at);
    let repeat = knock(&app, guest, &created)
        .await
        .expect("accepted")
        .waiting();
    assert_eq!(
        repeat.expires_at, first.expires_at,
        "a second knock is the first"
    );
    assert_eq!(
        app.cases
            .knocks(host, created.session.id)
            .await
            .expect("knocks")
            .len(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_denied_caller_is_informed_and_cannot_come_back() {
    let app = TestApp::new();
    let (host, guest) = (app.person(1).await, app.person(2).await);
    let created = approval_session(&app, host).await;
    let token = knock(&app, guest, &created)
        .await
        .expect("accepted")
        .waiting()
        .token;
    answer(&app, host, &created, KnockAnswer::Deny).await;
    assert_eq!(
        app.cases.wait(guest, &token).await.expect("answered"),
        WaitOutcome::Denied
    );
    assert_eq!(
        knock(&app, guest, &created).await.expect_err("barred").code,
        ErrorCode::NumberCodeNotJoinable
    );
    let search = app
        .cases
        .search(guest, HERE, created.code.code.digits())
        .await;
    assert_eq!(
        search.expect_err("barred").code,
        ErrorCode::NumberCodeNotJoinable
    );
    let session = created.session.id;
    assert_eq!(
        app.cases
            .token(guest, session, None)
            .await
            .expect_err("a stranger")
            .code,
        ErrorCode::NotFound
    );
    assert_eq!(
        app.cases
            .get(guest, session)
            .await
            .expect_err("a stranger")
            .code,
        ErrorCode::NotFound
    );
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_withdraws_its_knock_stops_waiting_and_may_knock_again() {
    let app = TestApp::new();
    let (host, guest, other) = (
        app.person(1).await,
        app.person(2).await,
        app.person(3).await,
    );
    let created = approval_session(&app, host).await;
    let token = knock(&app, guest, &created)
        .await
        .expect("accepted")
        .waiting()
        .token;
    assert_eq!(
        app.cases
            .cancel_wait(other, &token)
            .await
            .expect_err("another's")
            .code,
        ErrorCode::InvalidArgument
    );
    let (waited, cancelled) = tokio::join!(
        app.cases.wait(guest, &token),
        app.cases.cancel_wait(guest, &token)
    );
    cancelled.expect("withdrawn");
    assert_eq!(waited.expect("answered at once"), WaitOutcome::Expired);
    assert_eq!(
        app.cases
            .knocks(host, created.session.id)
            .await
            .expect("knocks"),
        []
    );
    app.cases
        .cancel_wait(guest, &token)
        .await
        .expect("once more");
    knock(&app, guest, &created)
        .await
        .expect("accepted")
        .waiting();
    app.cases
        .end(host, created.session.id)
        .await
        .expect("ended");
    app.cases
        .cancel_wait(guest, &token)
        .await
        .expect("after the end");
}

#[tokio::test(start_paused = true)]
async fn the_knocks_of_a_deleted_account_are_withdrawn_and_its_calls_refused() {
    let app = TestApp::new();
    let (host, guest) = (app.person(1).await, app.person(2).await);
    let sessions = [
        approval_session(&app, host).await,
        approval_session(&app, host).await,
    ];
    let mut tokens = Vec::new();
    for session in &sessions {
        tokens.push(
            knock(&app, guest, session)
                .await
                .expect("accepted")
                .waiting()
                .token,
        );
    }
    let knocked = first_knock(&app, host, &sessions[0]).await;
    let (waited, ()) = tokio::join!(app.cases.wait(guest, &tokens[0]), async {
        app.people
            .delete(guest.account, app.now())
            .await
            .expect("asked")
            .expect("deleted");
        app.sessions.deleted(guest.account).await;
    });
    assert_eq!(
        waited.expect_err("refused at once").code,
        ErrorCode::Unauthenticated
    );
    for session in &sessions {
        assert_eq!(
            app.cases
                .knocks(host, session.session.id)
                .await
                .expect("knocks"),
            []
        );
    }
    let late = app
        .cases
        .answer_knock(host, sessions[0].session.id, knocked, KnockAnswer::Admit)
        .await;
    assert_eq!(late.expect_err("over").code, ErrorCode::Conflict);
}

#[tokio::test(start_paused = true)]
async fn a_knock_of_an_account_that_is_deleted_meanwhile_is_withdrawn() {
    let app = TestApp::new();
    let (host, guest) = (app.person(1).await, app.person(2).await);
    let created = approval_session(&app, host).await;
    // The first look-up of the account finds it; the one after the knock is recorded does not.
    app.people.delete_after_next_find(guest.account);
    let refused = knock(&app, guest, &created).await.expect_err("gone");
    assert_eq!(refused.code, ErrorCode::Unauthenticated);
    assert_eq!(
        app.cases
            .knocks(host, created.session.id)
            .await
            .expect("knocks"),
        []
    );
}

#[tokio::test(start_paused = true)]
async fn a_waiting_caller_is_informed_of_the_end_and_of_the_expiry() {
    let app = TestApp::new();
    let (host, guest, late) = (
        app.person(1).await,
        app.person(2).await,
        app.person(3).await,
    );
    let created = approval_session(&app, host).await;
    let expired = knock(&app, guest, &created)
        .await
        .expect("accepted")
        .waiting();
    app.connect_host(host, &created).await;
    app.clock.set(expired.expires_at);
    app.sessions
        .propose(created.session.id, Input::Due)
        .await
        .expect("due");
    assert_eq!(
        app.cases
            .wait(guest, &expired.token)
            .await
            .expect("answered"),
        WaitOutcome::Expired
    );
    let code = app
        .cases
        .rotate_number_code(host, created.session.id, None)
        .await
        .expect("a code");
    let by_code = Key::NumberCode(code.code.digits().to_owned());
    let token = app
        .cases
        .prejoin(late, HERE, by_code, None)
        .await
        .expect("accepted")
        .waiting()
        .token;
    let (waited, ended) = tokio::join!(
        app.cases.wait(late, &token),
        app.cases.end(host, created.session.id)
    );
    ended.expect("ended");
    assert_eq!(waited.expect("answered"), WaitOutcome::Ended);
    app.clock.pass(Duration::from_secs(3_600));
    assert_eq!(
        app.cases.wait(late, &token).await.expect("answered"),
        WaitOutcome::Expired,
        "an old token only says that it has expired"
    );
}

#[tokio::test]
async fn a_wait_token_works_only_for_its_caller() {
    let app = TestApp::new();
    let (host, guest, other) = (
        app.person(1).await,
        app.person(2).await,
        app.person(3).await,
    );
    let created = approval_session(&app, host).await;
    let token = knock(&app, guest, &created)
        .await
        .expect("accepted")
        .waiting()
        .token;
    for (who, token) in [
        (other, token.as_str()),
        (guest, "junk"),
        (guest, created.token.token.as_str()),
    ] {
        let error = app.cases.wait(who, token).await.expect_err("not theirs");
        assert_eq!(
            (error.code, error.violations[0].path.as_str()),
            (ErrorCode::InvalidArgument, "waitToken")
        );
    }
}

#[tokio::test]
async fn only_the_host_sees_and_answers_knocks() {
    let app = TestApp::new();
    let (host, guest, stranger) = (
        app.person(1).await,
        app.person(2).await,
        app.person(3).await,
    );
    let created = approval_session(&app, host).await;
    let id = created.session.id;
    knock(&app, guest, &created).await.expect("accepted");
    let knock_id = first_knock(&app, host, &created).await;
    for who in [guest, stranger] {
        assert_eq!(
            app.cases.knocks(who, id).await.expect_err("hidden").code,
            ErrorCode::NotFound
        );
        let answer = app
            .cases
            .answer_knock(who, id, knock_id, KnockAnswer::Admit)
            .await;
        assert_eq!(answer.expect_err("hidden").code, ErrorCode::NotFound);
    }
    answer(&app, host, &created, KnockAnswer::Admit).await;
    assert_eq!(
        app.cases
            .knocks(guest, id)
            .await
            .expect_err("not the host")
            .code,
        ErrorCode::Forbidden
    );
    let again = app
        .cases
        .answer_knock(host, id, knock_id, KnockAnswer::Deny)
        .await;
    assert_eq!(again.expect_err("over").code, ErrorCode::Conflict);
    let unknown = app
        .cases
        .answer_knock(host, id, KnockId::new(5).expect("an id"), KnockAnswer::Deny)
        .await;
    assert_eq!(unknown.expect_err("unknown").code, ErrorCode::NotFound);
}

#[tokio::test]
async fn an_invite_with_approval_knocks_and_spends_one_use() {
    let app = TestApp::new();
    let (host, guest) = (app.person(1).await, app.person(2).await);
    let created = app.open(host).await;
    let new = NewInvite {
        approval: Some(true),
        max_uses: Some(2),
        ..NewInvite::default()
    };
    let invite = app
        .cases
        .make_invite(host, created.session.id, new)
        .await
        .expect("an invite");
    for _ in 0..2 {
        let entering = app
            .cases
            .prejoin(guest, HERE, Key::Invite(invite.secret.clone()), None)
            .await;
        entering.expect("accepted").waiting();
    }
    assert_eq!(
        app.cases
            .invite(host, created.session.id)
            .await
            .expect("usable")
            .uses,
        1
    );
}

#[tokio::test]
async fn knocks_from_different_addresses_have_different_origins() {
    let app = TestApp::new();
    let host = app.person(1).await;
    let created = approval_session(&app, host).await;
    let addresses = [
        "192.0.2.1",
        "192.0.2.2",
        "192.0.2.1",
        "2001:db8::",
        "2001:db8:0:1::",
    ];
    for (number, address) in (2..).zip(addresses) {
        let (who, address) = (
            app.person(number).await,
            address.parse::<IpAddr>().expect("an address"),
        );
        let site = Site { address, ..HERE };
        let code = Key::NumberCode(created.code.code.digits().to_owned());
        app.cases
            .prejoin(who, site, code, None)
            .await
            .expect("accepted")
            .waiting();
    }
    let origins = |state: &State| {
        state
            .waiting()
            .filter_map(|k| k.origin)
            .collect::<Vec<Origin>>()
    };
    let origins = app
        .sessions
        .read(created.session.id, origins)
        .await
        .expect("read");
    assert_eq!((origins.len(), origins[0]), (5, origins[2]));
    assert!(origins[0] != origins[1] && origins[3] != origins[4]);
}

/// A guest joins an open session by an invite that needs approval, and waits.
async fn knock_by_invite(app: &TestApp, host: Caller, guest: Caller, at: &Created) -> KnockId {
    let new = NewInvite {
        approval: Some(true),
        ..NewInvite::default()
    };
    let invite = app
        .cases
        .make_invite(host, at.session.id, new)
        .await
        .expect("an invite");
    app.cases
        .prejoin(guest, HERE, Key::Invite(invite.secret), None)
        .await
        .expect("accepted")
        .waiting();
    first_knock(app, host, at).await
}

/// Joins by code. Returns whether the caller was admitted at once; otherwise it was asked to wait.
async fn is_admitted(app: &TestApp, who: Caller, site: Site, at: &Created) -> bool {
    let code = Key::NumberCode(at.code.code.digits().to_owned());
    match app
        .cases
        .prejoin(who, site, code, None)
        .await
        .expect("accepted")
    {
        Prejoined::Admitted(_) => true,
        Prejoined::Waiting(_) => false,
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_denial_unproven_callers_from_there_must_knock_for_an_hour() {
    let app = TestApp::new();
    let proven = app.account(9).await;
    app.clock.pass(Duration::from_secs(86_400));
    let (host, guest, old) = (
        app.person(1).await,
        app.person(2).await,
        app.person(3).await,
    );
    let (created, other) = (app.open(host).await, app.open(host).await);
    app.connect_host(host, &created).await;
    app.join(old, &created).await;
    let knock = knock_by_invite(&app, host, guest, &created).await;
    app.cases
        .answer_knock(host, created.session.id, knock, KnockAnswer::Deny)
        .await
        .expect("answered");

    assert!(!is_admitted(&app, app.person(4).await, HERE, &created).await);
    assert!(
        is_admitted(&app, app.person(5).await, THERE, &created).await,
        "from elsewhere"
    );
    assert!(
        !is_admitted(&app, app.account(6).await, HERE, &created).await,
        "with an account made a second ago"
    );
    assert!(
        is_admitted(&app, proven, HERE, &created).await,
        "with an account of yesterday"
    );
    assert!(
        is_admitted(&app, app.person(7).await, HERE, &other).await,
        "into another session"
    );
    assert!(
        is_admitted(&app, old, HERE, &created).await,
        "a caller who was a member"
    );
    app.clock.pass(Duration::from_secs(3_600));
    let code = app
        .cases
        .rotate_number_code(host, created.session.id, None)
        .await
        .expect("a code");
    assert!(
        is_admitted(
            &app,
            app.person(8).await,
            HERE,
            &Created { code, ..created }
        )
        .await
    );
}

#[tokio::test(start_paused = true)]
async fn a_denial_over_the_stream_bars_the_address_and_so_does_one_of_an_account() {
    let app = TestApp::new();
    let (host, guest, account) = (
        app.person(1).await,
        app.person(2).await,
        app.account(3).await,
    );
    for (number, who) in [(4, account), (5, guest)] {
        let created = app.open(host).await;
        app.connect_host(host, &created).await;
        let knock = knock_by_invite(&app, host, who, &created).await;
        let (claims, _) = PlainTokens
            .verify_session(&created.token.token, app.clock.now())
            .expect("a session token");
        let command = Command::Deny { knock: Some(knock) };
        let input = Input::Command {
            member: host.account,
            point: claims.point,
            nonce: 0,
            command,
        };
        app.sessions
            .propose(created.session.id, input)
            .await
            .expect("denied");
        assert!(!is_admitted(&app, app.person(number).await, HERE, &created).await);
    }
}
