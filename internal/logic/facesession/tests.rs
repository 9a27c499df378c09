//! Tests of the use cases over in-memory ports and the real kernel.

use super::fakes::{HERE, LIVE_PER_HOST, TestApp, unwritten};
use super::{CodePolicy, CodePurge, DeviceInput, Key, NewFaceSession, NewInvite, PatchInput};
use crate::fakes::PlainTokens;
use crate::idempotency::EffectId;
use crate::instruction::SessionObserver;
use faceshare_biz::domain::account::Caller;
use faceshare_biz::domain::facesession::{
    EndReason, FaceSession, FaceSessionRepository, NumberCodeRepository, SessionClaims,
    SessionRecord, Status,
};
use faceshare_biz::domain::instruction::SessionLog;
use faceshare_biz::domain::port::{Clock, Tokens};
use faceshare_biz::domain::{PageRequest, PointId, SessionId, Title};
use faceshare_biz::{Error, ErrorCode};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

fn by_code(digits: &str) -> Key {
    Key::NumberCode(digits.to_owned())
}

fn by_invite(secret: &str) -> Key {
    Key::Invite(secret.to_owned())
}

fn paths(error: &Error) -> Vec<&str> {
    error.violations.iter().map(|v| v.path.as_str()).collect()
}

fn code_of<T>(outcome: Result<T, Error>) -> ErrorCode {
    outcome.err().expect("a refusal").code
}

#[tokio::test]
async fn two_people_meet_by_a_number_code() {
    let app = TestApp::new();
    let (host, guest) = (app.person(1).await, app.person(2).await);
    let new = NewFaceSession {
        title: Some(" Sprint  review ".to_owned()),
        max_members: Some(2),
        ..NewFaceSession::default()
    };
    let created = app.cases.create(host, new).await.expect("a session");
    assert_eq!(
        (created.session.title.as_str(), created.session.max_members),
        ("Sprint  review", 2)
    );

    let preview = app
        .cases
        .search(guest, HERE, created.code.code.digits())
        .await
        .expect("found");
    assert_eq!(
        (preview.title, preview.host_nickname.as_str()),
        (created.session.title.clone(), "person 1")
    );

    let device = DeviceInput {
        name: Some("Bob's phone".to_owned()),
        kind: Some("phone".to_owned()),
    };
    let entered = app
        .cases
        .prejoin(
            guest,
            HERE,
            by_code(created.code.code.digits()),
            Some(device),
        )
        .await
        .expect("let in")
        .admitted();
    assert!(entered.seat_expires_at > app.clock.now());
    let (claims, _) = PlainTokens
        .verify_session(&entered.token.token, app.clock.now())
        .expect("a session token");
    assert_eq!(
        (claims.session, claims.member, claims.family),
        (created.session.id, guest.account, guest.family)
    );

    app.connect(claims).await;
    let members = app
        .cases
        .members(host, created.session.id)
        .await
        .expect("members");
    assert_eq!(
        members.iter().map(|m| m.id).collect::<Vec<_>>(),
        [guest.account]
    );
    assert_eq!(&*members[0].points[0].device.name, "Bob's phone");
}

#[tokio::test]
async fn a_new_session_is_checked_in_all_its_fields_at_once() {
    let app = TestApp::new();
    let host = app.person(1).await;
    let new = NewFaceSession {
        title: Some("x".repeat(101)),
        admission: None,
        max_members: Some(501),
        auto_end_after: Some(Duration::from_millis(999)),
        device: Some(DeviceInput {
            name: Some("a\u{0}".to_owned()),
            kind: None,
        }),
        host_left: None,
        effect: None,
    };
    let error = app.cases.create(host, new).await.expect_err("all wrong");
    assert_eq!(
        paths(&error),
        ["title", "maxMembers", "autoEndAfter", "device.name"]
    );
    assert_eq!(
        app.directory.get(SessionId::new(1_001).expect("an id")),
        None
    );
}

#[tokio::test]
async fn a_host_cannot_have_more_live_sessions_than_the_limit() {
    let app = TestApp::new();
    let host = app.person(1).await;
    let first = app.open(host).await;
    for _ in 1..LIVE_PER_HOST {
        app.open(host).await;
    }
    assert_eq!(
        code_of(app.cases.create(host, NewFaceSession::default()).await),
        ErrorCode::LimitExceeded
    );
    app.cases.end(host, first.session.id).await.expect("ended");
    app.open(host).await;
}

#[tokio::test]
async fn a_session_that_gets_no_code_is_ended() {
    let app = TestApp::new();
    let host = app.person(1).await;
    app.codes.away.store(true, Ordering::SeqCst);
    assert_eq!(
        code_of(app.cases.create(host, NewFaceSession::default()).await),
        ErrorCode::Unavailable
    );
    let own = app
        .cases
        .list(
            host,
            PageRequest {
                size: 50,
                after: None,
            },
        )
        .await
        .expect("a list");
    assert!(
        own.items
            .iter()
            .all(|s| s.ended.is_some_and(|e| e.reason == EndReason::Platform))
    );
}

#[tokio::test]
async fn callers_who_are_not_members_get_not_found_on_every_call() {
    let app = TestApp::new();
    let (host, leaver, removed, stranger) = (
        app.person(1).await,
        app.person(2).await,
        app.person(3).await,
        app.person(4).await,
    );
    let created = app.open(host).await;
    let id = created.session.id;
    app.join(leaver, &created).await;
    app.join(removed, &created).await;
    app.cases.quit(leaver, id).await.expect("left");
    app.cases
        .remove(host, id, removed.account)
        .await
        .expect("removed");
    for who in [stranger, leaver, removed] {
        let answers = [
            code_of(app.cases.get(who, id).await),
            code_of(app.cases.members(who, id).await),
            code_of(app.cases.number_code(who, id).await),
            code_of(app.cases.rotate_number_code(who, id, None).await),
            code_of(app.cases.invite(who, id).await),
            code_of(app.cases.make_invite(who, id, NewInvite::default()).await),
            code_of(app.cases.revoke_invite(who, id).await),
            code_of(app.cases.patch(who, id, PatchInput::default()).await),
            code_of(app.cases.end(who, id).await),
            code_of(app.cases.remove(who, id, host.account).await),
        ];
        assert!(
            answers.iter().all(|code| *code == ErrorCode::NotFound),
            "{who:?}: {answers:?}"
        );
    }
    assert_eq!(
        code_of(app.cases.quit(stranger, id).await),
        ErrorCode::NotFound
    );
    assert_eq!(
        code_of(app.cases.quit(removed, id).await),
        ErrorCode::NotFound
    );
    assert_eq!(
        code_of(app.cases.token(stranger, id, None).await),
        ErrorCode::NotFound
    );
    assert_eq!(
        code_of(app.cases.token(removed, id, None).await),
        ErrorCode::Forbidden
    );
    assert!(app.cases.token(leaver, id, None).await.is_ok());
}

#[tokio::test]
async fn what_only_the_host_may_do_is_forbidden_to_members() {
    let app = TestApp::new();
    let (host, member) = (app.person(1).await, app.person(2).await);
    let created = app.open(host).await;
    let id = created.session.id;
    app.join(member, &created).await;
    let answers = [
        code_of(
            app.cases
                .patch(
                    member,
                    id,
                    PatchInput {
                        locked: Some(true),
                        ..PatchInput::default()
                    },
                )
                .await,
        ),
        code_of(app.cases.end(member, id).await),
        code_of(app.cases.remove(member, id, host.account).await),
        code_of(app.cases.rotate_number_code(member, id, None).await),
        code_of(
            app.cases
                .make_invite(member, id, NewInvite::default())
                .await,
        ),
        code_of(app.cases.revoke_invite(member, id).await),
    ];
    assert_eq!(answers, [ErrorCode::Forbidden; 6]);
    assert_eq!(
        app.cases
            .number_code(member, id)
            .await
            .expect("shown to members"),
        created.code
    );
}

#[tokio::test]
async fn an_ended_session_can_be_read_by_its_members_and_not_be_changed() {
    let app = TestApp::new();
    let (host, member) = (app.person(1).await, app.person(2).await);
    let created = app.open(host).await;
    let id = created.session.id;
    app.join(member, &created).await;
    app.cases
        .make_invite(host, id, NewInvite::default())
        .await
        .expect("an invite");
    app.cases.end(host, id).await.expect("ended");

    for who in [host, member] {
        assert_eq!(
            app.cases.get(who, id).await.expect("readable").status(),
            Status::Ended
        );
        assert!(app.cases.members(who, id).await.is_ok());
        assert_eq!(
            code_of(app.cases.number_code(who, id).await),
            ErrorCode::NotFound
        );
        assert_eq!(
            code_of(app.cases.invite(who, id).await),
            ErrorCode::NotFound
        );
        let answers = [
            code_of(app.cases.patch(who, id, PatchInput::default()).await),
            code_of(app.cases.end(who, id).await),
            code_of(app.cases.quit(who, id).await),
            code_of(app.cases.token(who, id, None).await),
            code_of(app.cases.rotate_number_code(who, id, None).await),
            code_of(app.cases.make_invite(who, id, NewInvite::default()).await),
        ];
        assert_eq!(answers, [ErrorCode::SessionEnded; 6]);
    }
    assert!(app.directory.get(id).expect("listed").ended.is_some());
    assert_eq!(
        app.codes.current(id, app.clock.now()).await.expect("codes"),
        None
    );
}

/// The reasons for which a code does not work.
const REASONS: [&str; 7] = [
    "unknown", "expired", "rotated", "full", "ended", "locked", "banned",
];

/// A caller, and a code that does not work for it for this reason.
async fn session_with_bad_code(app: &TestApp, reason: &str) -> (Caller, String) {
    let (host, other, caller) = (
        app.person(1).await,
        app.person(2).await,
        app.person(3).await,
    );
    let created = app.open(host).await;
    let (id, digits) = (created.session.id, created.code.code.digits().to_owned());
    let patch =
        |patch: PatchInput| async { app.cases.patch(host, id, patch).await.expect("patched") };
    match reason {
        "unknown" => return (caller, "999888".to_owned()),
        "expired" => app.clock.set(created.code.expires_at),
        "rotated" => drop(
            app.cases
                .rotate_number_code(host, id, None)
                .await
                .expect("rotated"),
        ),
        "full" => {
            app.join(other, &created).await;
            patch(PatchInput {
                max_members: Some(1),
                ..PatchInput::default()
            })
            .await;
        }
        "ended" => app.cases.end(host, id).await.expect("ended"),
        "locked" => drop(
            patch(PatchInput {
                locked: Some(true),
                ..PatchInput::default()
            })
            .await,
        ),
        "banned" => {
            app.join(caller, &created).await;
            app.cases
                .remove(host, id, caller.account)
                .await
                .expect("removed");
        }
        other => panic!("no such reason: {other}"),
    }
    (caller, digits)
}

#[tokio::test(start_paused = true)]
async fn every_reason_that_a_code_does_not_work_looks_the_same_and_takes_as_long() {
    let refusal_time = CodePolicy::default().refusal_time;
    let mut details = Vec::new();
    for reason in REASONS {
        let app = TestApp::new();
        let (caller, digits) = session_with_bad_code(&app, reason).await;
        for way in ["search", "prejoin"] {
            let asked = Instant::now();
            let error = match way {
                "search" => app.cases.search(caller, HERE, &digits).await.err(),
                _ => app
                    .cases
                    .prejoin(caller, HERE, by_code(&digits), None)
                    .await
                    .err(),
            };
            let error = error.expect("a refusal");
            assert_eq!(asked.elapsed(), refusal_time, "{way}, {reason}");
            assert_eq!(
                (error.code, error.violations.len(), error.retry_after),
                (ErrorCode::NumberCodeNotJoinable, 0, None),
                "{way}, {reason}"
            );
            details.push(error.detail);
        }
    }
    details.dedup();
    assert_eq!(details.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_bad_invite_answers_as_a_bad_code_does() {
    let app = TestApp::new();
    let (host, caller) = (app.person(1).await, app.person(2).await);
    let id = app.open(host).await.session.id;
    let old = app
        .cases
        .make_invite(host, id, NewInvite::default())
        .await
        .expect("an invite");
    let new = NewInvite {
        expires_in: Some(Duration::from_secs(60)),
        ..NewInvite::default()
    };
    let expired = app
        .cases
        .make_invite(host, id, new)
        .await
        .expect("an invite");
    app.clock.pass(Duration::from_secs(60));
    let unknown_code = app
        .cases
        .search(caller, HERE, "999888")
        .await
        .expect_err("unknown");
    for secret in [old.secret.as_str(), expired.secret.as_str(), "", "x"] {
        let asked = Instant::now();
        let error = app
            .cases
            .prejoin(caller, HERE, by_invite(secret), None)
            .await
            .expect_err("refused");
        assert_eq!(
            (error.code, &error.detail),
            (unknown_code.code, &unknown_code.detail)
        );
        assert_eq!(asked.elapsed(), CodePolicy::default().refusal_time);
    }
}

#[tokio::test(start_paused = true)]
async fn a_malformed_code_is_refused_at_once_by_its_path() {
    let app = TestApp::new();
    let caller = app.person(1).await;
    let asked = Instant::now();
    let error = app
        .cases
        .search(caller, HERE, "27415x")
        .await
        .expect_err("malformed");
    assert_eq!(
        (error.code, paths(&error)),
        (ErrorCode::InvalidArgument, vec!["numberCode"])
    );
    let device = DeviceInput {
        name: None,
        kind: Some("\u{202e}".to_owned()),
    };
    let error = app
        .cases
        .prejoin(caller, HERE, by_code("1"), Some(device))
        .await
        .expect_err("malformed");
    assert_eq!(paths(&error), ["numberCode", "device.kind"]);
    assert_eq!(asked.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn each_use_extends_a_code_up_to_two_hours() {
    let app = TestApp::new();
    let (host, guest) = (app.person(1).await, app.person(2).await);
    let created = app.open(host).await;
    let (id, made) = (created.session.id, app.clock.now());
    app.join(guest, &created).await;
    for _ in 0..14 {
        app.clock.pass(Duration::from_secs(9 * 60));
        if app
            .cases
            .prejoin(guest, HERE, by_code(created.code.code.digits()), None)
            .await
            .is_err()
        {
            break;
        }
        let shown = app.cases.number_code(host, id).await.expect("shown");
        assert!(shown.expires_at <= made + Duration::from_secs(2 * 3_600));
    }
    app.clock.set(made + Duration::from_secs(2 * 3_600));
    assert_eq!(
        code_of(app.cases.number_code(host, id).await),
        ErrorCode::NotFound
    );
}

#[tokio::test(start_paused = true)]
async fn a_rotated_code_stops_working_at_once() {
    let app = TestApp::new();
    let (host, guest) = (app.person(1).await, app.person(2).await);
    let created = app.open(host).await;
    let rotated = app
        .cases
        .rotate_number_code(host, created.session.id, None)
        .await
        .expect("rotated");
    assert_ne!(rotated.code, created.code.code);
    assert_eq!(
        code_of(
            app.cases
                .search(guest, HERE, created.code.code.digits())
                .await
        ),
        ErrorCode::NumberCodeNotJoinable
    );
    assert!(
        app.cases
            .search(guest, HERE, rotated.code.digits())
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_code_that_is_taken_is_drawn_again() {
    let (app, twin) = (TestApp::new(), TestApp::new());
    let host = app.person(1).await;
    // Both apps draw the same first code; in the first app another session has it already.
    let taken = twin.open(twin.person(1).await).await;
    let mut record = twin
        .codes
        .current(taken.session.id, twin.clock.now())
        .await
        .expect("codes")
        .expect("a code");
    record.session = SessionId::new(9).expect("an id");
    app.codes
        .assign(&record, app.clock.now(), app.clock.now())
        .await
        .expect("assigned");
    assert_ne!(app.open(host).await.code.code, taken.code.code);
}

#[tokio::test(start_paused = true)]
async fn an_invite_is_spent_by_newcomers_alone() {
    let app = TestApp::new();
    let (host, first, second) = (
        app.person(1).await,
        app.person(2).await,
        app.person(3).await,
    );
    let id = app.open(host).await.session.id;
    let new = NewInvite {
        max_uses: Some(1),
        ..NewInvite::default()
    };
    let invite = app
        .cases
        .make_invite(host, id, new)
        .await
        .expect("an invite");
    let enter = |who| {
        app.cases
            .prejoin(who, HERE, by_invite(&invite.secret), None)
    };
    assert!(enter(host).await.is_ok());
    assert_eq!(app.cases.invite(host, id).await.expect("unspent").uses, 0);
    assert!(enter(first).await.is_ok());
    assert_eq!(
        code_of(enter(second).await),
        ErrorCode::NumberCodeNotJoinable
    );
    assert!(
        enter(first).await.is_ok(),
        "a repeat by one who is in costs nothing"
    );
    assert_eq!(
        code_of(app.cases.invite(host, id).await),
        ErrorCode::NotFound
    );
}

#[tokio::test(start_paused = true)]
async fn concurrent_joins_of_one_caller_spend_one_use_of_an_invite() {
    let app = TestApp::new();
    let (host, guest, other) = (
        app.person(1).await,
        app.person(2).await,
        app.person(3).await,
    );
    let id = app.open(host).await.session.id;
    let new = NewInvite {
        max_uses: Some(2),
        ..NewInvite::default()
    };
    let invite = app
        .cases
        .make_invite(host, id, new)
        .await
        .expect("an invite");
    let enter = |who| {
        app.cases
            .prejoin(who, HERE, by_invite(&invite.secret), None)
    };
    let entered: Vec<_> = futures_util::future::join_all((0..8).map(|_| enter(guest))).await;
    let seats: Vec<_> = entered
        .into_iter()
        .map(|entered| entered.expect("let in").admitted().seat_expires_at)
        .collect();
    assert_eq!(
        seats,
        [app.now() + Duration::from_secs(30); 8],
        "one seat, for all of them"
    );
    assert_eq!(app.cases.invite(host, id).await.expect("usable").uses, 1);
    assert!(enter(other).await.is_ok(), "the other use is left");
}

#[tokio::test(start_paused = true)]
async fn concurrent_joins_of_one_caller_all_succeed_by_an_invite_with_one_use() {
    let app = TestApp::new();
    let (host, guest, other) = (
        app.person(1).await,
        app.person(2).await,
        app.person(3).await,
    );
    let id = app.open(host).await.session.id;
    let new = NewInvite {
        max_uses: Some(1),
        ..NewInvite::default()
    };
    let invite = app
        .cases
        .make_invite(host, id, new)
        .await
        .expect("an invite");
    let enter = |who| {
        app.cases
            .prejoin(who, HERE, by_invite(&invite.secret), None)
    };
    for entered in futures_util::future::join_all((0..8).map(|_| enter(guest))).await {
        assert_eq!(entered.expect("let in").admitted().session.id, id);
    }
    assert_eq!(
        code_of(enter(other).await),
        ErrorCode::NumberCodeNotJoinable
    );
}

#[tokio::test(start_paused = true)]
async fn the_use_of_an_invite_is_given_back_after_a_refused_join() {
    let app = TestApp::new();
    let (host, guest) = (app.person(1).await, app.person(2).await);
    let id = app.open(host).await.session.id;
    let new = NewInvite {
        max_uses: Some(1),
        ..NewInvite::default()
    };
    let invite = app
        .cases
        .make_invite(host, id, new)
        .await
        .expect("an invite");
    let lock = |locked| PatchInput {
        locked: Some(locked),
        ..PatchInput::default()
    };
    app.cases.patch(host, id, lock(true)).await.expect("locked");
    assert_eq!(
        code_of(
            app.cases
                .prejoin(guest, HERE, by_invite(&invite.secret), None)
                .await
        ),
        ErrorCode::NumberCodeNotJoinable
    );
    assert_eq!(app.cases.invite(host, id).await.expect("unspent").uses, 0);
    app.cases
        .patch(host, id, lock(false))
        .await
        .expect("unlocked");
    assert!(
        app.cases
            .prejoin(guest, HERE, by_invite(&invite.secret), None)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_token_renews_only_a_point_of_the_caller() {
    let app = TestApp::new();
    let (host, guest) = (app.person(1).await, app.person(2).await);
    let created = app.open(host).await;
    let id = created.session.id;
    let SessionClaims { point, .. } = app.join(guest, &created).await;

    let renewed = app
        .cases
        .token(guest, id, Some(point))
        .await
        .expect("renewed");
    assert_eq!(
        PlainTokens
            .verify_session(&renewed.token, app.clock.now())
            .expect("claims")
            .0
            .point,
        point
    );
    let minted = app.cases.token(guest, id, None).await.expect("minted");
    assert_ne!(
        PlainTokens
            .verify_session(&minted.token, app.clock.now())
            .expect("claims")
            .0
            .point,
        point
    );
    for bad in [point, PointId::new(5).expect("an id")] {
        assert_eq!(
            paths(
                &app.cases
                    .token(host, id, Some(bad))
                    .await
                    .expect_err("not the host's")
            ),
            ["pointId"]
        );
    }
}

#[tokio::test]
async fn a_member_who_left_comes_back_without_a_code_even_when_the_session_is_locked() {
    let app = TestApp::new();
    let (host, guest) = (app.person(1).await, app.person(2).await);
    let created = app.open(host).await;
    let id = created.session.id;
    let SessionClaims { point, .. } = app.join(guest, &created).await;
    app.cases.quit(guest, id).await.expect("left");
    app.cases
        .quit(guest, id)
        .await
        .expect("leaving twice is leaving");
    app.cases
        .patch(
            host,
            id,
            PatchInput {
                locked: Some(true),
                ..PatchInput::default()
            },
        )
        .await
        .expect("locked");
    assert!(app.cases.token(guest, id, Some(point)).await.is_ok());
    assert!(app.cases.get(guest, id).await.is_ok());
}

#[tokio::test]
async fn a_change_is_in_the_list_when_it_is_answered() {
    let app = TestApp::new();
    let host = app.person(1).await;
    let id = app.open(host).await.session.id;
    let patch = PatchInput {
        title: Some("A\u{308}rger".to_owned()),
        ..PatchInput::default()
    };
    let patched = app.cases.patch(host, id, patch).await.expect("patched");
    assert_eq!(patched.title.as_str(), "Ärger");
    assert_eq!(app.directory.get(id).expect("listed").title, patched.title);
    let page = app
        .cases
        .list(
            host,
            PageRequest {
                size: 50,
                after: None,
            },
        )
        .await
        .expect("a list");
    assert_eq!(page.items, [patched]);
}

#[tokio::test(start_paused = true)]
async fn the_directory_is_written_once_it_is_available_again() {
    let app = TestApp::new();
    let host = app.person(1).await;
    let created = app.open(host).await;
    let id = created.session.id;
    let projector = app.projector.clone();
    let following = tokio::spawn(async move { projector.follow().await });

    app.directory.away.store(true, Ordering::SeqCst);
    app.cases
        .end(host, id)
        .await
        .expect("the log alone decides");
    assert_eq!(app.directory.get(id).expect("listed").ended, None);
    app.directory.away.store(false, Ordering::SeqCst);

    let caught_up = async {
        while app.directory.get(id).is_some_and(|s| s.ended.is_none()) {
            tokio::task::yield_now().await;
            tokio::time::advance(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), caught_up)
        .await
        .expect("within its backoff");
    following.abort();
    assert_eq!(
        app.codes.current(id, app.clock.now()).await.expect("codes"),
        None
    );
}

#[tokio::test]
async fn finish_writes_the_unwritten_states() {
    let app = TestApp::new();
    let mut session = app.open(app.person(1).await).await.session;
    session.member_count = 7;
    app.projector.changed(&SessionRecord {
        log_index: u64::MAX,
        ..unwritten(&session)
    });
    app.projector.finish().await;
    assert_eq!(app.directory.get(session.id), Some(session));
}

#[tokio::test]
async fn reconcile_updates_rows_from_the_logs_and_removes_rows_without_a_log() {
    let app = TestApp::new();
    let host = app.person(1).await;
    let session = app.open(host).await.session;
    let mut stale = session.clone();
    stale.title = Title::new("stale", 100).expect("a title");
    app.directory.save(&unwritten(&stale)).await.expect("saved");
    let mut never_began = session.clone();
    never_began.id = SessionId::new(7).expect("an id");
    app.directory
        .save(&unwritten(&never_began))
        .await
        .expect("saved");

    app.projector
        .reconcile(&app.sessions)
        .await
        .expect("reconciled");
    assert_eq!(
        app.directory.get(session.id).expect("listed").title,
        session.title
    );
    assert_eq!(app.directory.get(never_began.id), None);
}

#[tokio::test]
async fn a_live_session_whose_log_was_lost_is_ended_by_the_platform_with_its_code() {
    let app = TestApp::new();
    let host = app.person(1).await;
    let (lost, kept) = (
        app.open(host).await.session.id,
        app.open(host).await.session.id,
    );
    app.sessions.unload_all().await;
    app.log.delete(lost).await.expect("forgotten");

    assert_eq!(app.cases.end_lost().await.expect("ended"), 1);
    let ended = |session: &FaceSession| session.ended.map(|ended| ended.reason);
    assert_eq!(
        ended(&app.cases.get(host, lost).await.expect("its host sees it")),
        Some(EndReason::Platform)
    );
    assert_eq!(
        ended(&app.directory.get(lost).expect("listed")),
        Some(EndReason::Platform)
    );
    assert_eq!(
        app.codes
            .current(lost, app.clock.now())
            .await
            .expect("codes"),
        None
    );
    assert_eq!(
        app.cases
            .get(host, kept)
            .await
            .expect("its host sees it")
            .status(),
        Status::Active
    );
    assert_eq!(
        app.cases.end_lost().await.expect("nothing is left to do"),
        0
    );
}

/// A start that ends a lost session is cut off after its first append to the log, or after it wrote
/// the log and before it wrote the row; whatever entry the row came from.
#[tokio::test(start_paused = true)]
async fn a_lost_session_is_ended_though_a_start_that_ended_it_was_cut_off() {
    for (log_dies, row_of_entry) in [(true, 0), (true, 9), (false, 0), (false, 9)] {
        let app = TestApp::new();
        let host = app.person(1).await;
        let session = app.open(host).await.session;
        let id = session.id;
        let row = SessionRecord {
            log_index: row_of_entry,
            ..unwritten(&session)
        };
        app.directory.save(&row).await.expect("listed");
        app.sessions.unload_all().await;
        app.log.delete(id).await.expect("forgotten");

        app.log.dies_after_append.store(log_dies, Ordering::SeqCst);
        app.directory.saving_fails.store(true, Ordering::SeqCst);
        app.cases.end_lost().await.expect_err("cut off");
        app.sessions.unload_all().await;
        app.log.away.store(false, Ordering::SeqCst);
        app.directory.saving_fails.store(false, Ordering::SeqCst);

        app.cases.end_lost().await.expect("ended");
        app.projector
            .reconcile(&app.sessions)
            .await
            .expect("reconciled");
        let ended = |session: &FaceSession| session.ended.map(|ended| ended.reason);
        let read = app.cases.get(host, id).await.expect("its host sees it");
        let listed = app.directory.get(id).expect("listed");
        assert_eq!(
            (ended(&read), ended(&listed)),
            (Some(EndReason::Platform), Some(EndReason::Platform)),
            "log dies: {log_dies}, row of entry {row_of_entry}"
        );
        let code = app.codes.current(id, app.now()).await.expect("codes");
        assert_eq!(code, None);
    }
}

#[tokio::test]
async fn a_row_whose_log_never_began_is_no_lost_session() {
    let app = TestApp::new();
    let mut session = app.open(app.person(1).await).await.session;
    session.id = SessionId::new(7).expect("an id");
    app.directory
        .save(&unwritten(&session))
        .await
        .expect("saved");
    assert_eq!(app.cases.end_lost().await.expect("looked"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_code_is_deleted_once_its_quarantine_is_over_and_not_before() {
    let app = TestApp::new();
    let host = app.person(1).await;
    let created = app.open(host).await;
    let record = app
        .codes
        .current(created.session.id, app.clock.now())
        .await
        .expect("codes")
        .expect("a code");
    app.cases
        .end(host, created.session.id)
        .await
        .expect("ended");
    let purge = CodePurge {
        codes: app.codes.clone(),
        clock: app.clock.clone(),
        policy: CodePolicy::default(),
    };

    app.clock.pass(Duration::from_secs(30 * 60));
    purge.tick().await;
    assert!(app.codes.is_kept(&record));
    app.clock.pass(Duration::from_secs(1));
    purge.tick().await;
    assert!(!app.codes.is_kept(&record));
}

#[tokio::test]
async fn a_call_that_is_repeated_under_its_id_opens_one_session() {
    let app = TestApp::new();
    let host = app.person(1).await;
    let new = |id| NewFaceSession {
        effect: Some(EffectId(id)),
        ..NewFaceSession::default()
    };
    let first = app.cases.create(host, new(7)).await.expect("a session");
    let again = app
        .cases
        .create(host, new(7))
        .await
        .expect("the same session");
    assert_eq!(
        (again.session.id, again.code.code),
        (first.session.id, first.code.code)
    );
    assert_eq!(app.directory.count_live().await.expect("counted"), 1);
    let other = app.cases.create(host, new(8)).await.expect("another call");
    assert_ne!(other.session.id, first.session.id);
    app.cases.end(host, first.session.id).await.expect("ended");
    assert_eq!(
        code_of(app.cases.create(host, new(7)).await),
        ErrorCode::SessionEnded
    );
}

#[tokio::test]
async fn a_repeated_call_makes_one_invite() {
    let app = TestApp::new();
    let host = app.person(1).await;
    let id = app.open(host).await.session.id;
    let new = |effect| NewInvite {
        effect: Some(EffectId(effect)),
        ..NewInvite::default()
    };
    let first = app.cases.make_invite(host, id, new(7)).await.expect("made");
    let again = app.cases.make_invite(host, id, new(7)).await;
    assert_eq!(again.expect("repeated"), first);
    let other = app.cases.make_invite(host, id, new(8)).await.expect("made");
    assert_ne!(other.secret, first.secret, "another call");
    let without = app.cases.make_invite(host, id, NewInvite::default()).await;
    let without = without.expect("made").secret;
    assert_ne!(without, other.secret, "a call without a key is no repeat");
    assert_eq!(
        app.cases.invite(host, id).await.expect("shown").secret,
        without
    );
}

#[tokio::test]
async fn a_repeated_call_assigns_one_number_code() {
    let app = TestApp::new();
    let host = app.person(1).await;
    let created = app.open(host).await;
    let id = created.session.id;
    let rotate = async |effect: u64| {
        let rotated = app
            .cases
            .rotate_number_code(host, id, Some(EffectId(effect)))
            .await;
        rotated.expect("a code")
    };
    let first = rotate(7).await;
    assert_ne!(first.code, created.code.code);
    app.clock.pass(Duration::from_secs(1));
    assert_eq!(rotate(7).await, first);
    let other = rotate(8).await;
    assert_ne!(other.code, first.code, "another call");
    let without = app.cases.rotate_number_code(host, id, None).await;
    assert_ne!(without.expect("a code").code, other.code);
}

/// The first attempt died before it created the log, or before it assigned a code.
#[tokio::test]
async fn a_repeated_call_goes_on_where_the_first_attempt_died() {
    let app = TestApp::new();
    let host = app.person(1).await;
    let new = || NewFaceSession {
        effect: Some(EffectId(7)),
        ..NewFaceSession::default()
    };
    let mut listed = app.open(host).await.session;
    app.cases.end(host, listed.id).await.expect("ended");
    listed.id = SessionId::new(7).expect("an id");
    app.directory
        .save(&unwritten(&listed))
        .await
        .expect("listed alone");
    let created = app.cases.create(host, new()).await.expect("a session");
    assert_eq!(created.session.id, listed.id);
    app.codes
        .retire(listed.id, app.now(), app.now())
        .await
        .expect("retired");
    let again = app
        .cases
        .create(host, new())
        .await
        .expect("the same session");
    assert_eq!(again.session.id, listed.id);
    assert_ne!(again.code.code, created.code.code, "it had none");
}

#[tokio::test]
async fn a_repeated_call_opens_a_session_after_an_attempt_that_could_not_be_finished() {
    let app = TestApp::new();
    let host = app.person(1).await;
    let new = || NewFaceSession {
        effect: Some(EffectId(7)),
        ..NewFaceSession::default()
    };
    for attempt in 0..=LIVE_PER_HOST {
        app.codes.away.store(true, Ordering::SeqCst);
        assert_eq!(
            code_of(app.cases.create(host, new()).await),
            ErrorCode::Unavailable,
            "attempt {attempt}"
        );
    }
    app.codes.away.store(false, Ordering::SeqCst);
    let created = app.cases.create(host, new()).await.expect("a session");
    let shown = app.cases.get(host, created.session.id).await;
    assert_eq!(shown.expect("shown").status(), Status::Active);
    assert_eq!(app.directory.count_live().await.expect("counted"), 1);
}
