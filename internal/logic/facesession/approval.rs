//! Tests of the door where the host lets people in: who knocks, who answers, who waits.

use super::fakes::{HERE, House, THERE};
use super::{Created, Key, NewFaceSession, NewInvite, Prejoined, WAIT_POLL, Waited};
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

async fn guarded(house: &House, host: Caller) -> Created {
    let new = NewFaceSession {
        admission: Some(Admission::Approval),
        ..NewFaceSession::default()
    };
    house.cases.create(host, new).await.expect("a session")
}

async fn knock(house: &House, who: Caller, at: &Created) -> Result<Prejoined> {
    house
        .cases
        .prejoin(
            who,
            HERE,
            Key::NumberCode(at.code.code.digits().to_owned()),
            None,
        )
        .await
}

async fn the_knock(house: &House, host: Caller, at: &Created) -> KnockId {
    house
        .cases
        .knocks(host, at.session.id)
        .await
        .expect("knocks")[0]
        .id
}

async fn answer(house: &House, host: Caller, at: &Created, answer: KnockAnswer) {
    let knock = the_knock(house, host, at).await;
    house
        .cases
        .answer_knock(host, at.session.id, knock, answer)
        .await
        .expect("answered");
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_let_in_as_soon_as_the_host_says_so() {
    let house = House::new();
    let (host, guest) = (house.person(1).await, house.person(2).await);
    let created = guarded(&house, host).await;
    let token = knock(&house, guest, &created)
        .await
        .expect("taken")
        .waiting()
        .token;
    let (waited, ()) = tokio::join!(house.cases.wait(guest, &token), async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        answer(&house, host, &created, KnockAnswer::Admit).await;
    });
    let Waited::Admitted(entered) = waited.expect("told") else {
        panic!("not let in")
    };
    assert_eq!(entered.session.id, created.session.id);
    assert_eq!(
        entered.seat_expires_at,
        house.clock.now() + Duration::from_secs(30)
    );
    assert!(
        matches!(
            house.cases.wait(guest, &token).await,
            Ok(Waited::Admitted(_))
        ),
        "asking again tells the same"
    );
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_one_is_told_to_ask_again() {
    let house = House::new();
    let (host, guest) = (house.person(1).await, house.person(2).await);
    let created = guarded(&house, host).await;
    let first = knock(&house, guest, &created)
        .await
        .expect("taken")
        .waiting();
    let start = tokio::time::Instant::now();
    let Ok(Waited::Waiting(again)) = house.cases.wait(guest, &first.token).await else {
        panic!("not waiting")
    };
    assert_eq!(start.elapsed(), WAIT_POLL);
    assert_eq!(again.expires_at, first.expires_at);
    let repeat = knock(&house, guest, &created)
        .await
        .expect("taken")
        .waiting();
    assert_eq!(
        repeat.expires_at, first.expires_at,
        "a second knock is the first"
    );
    assert_eq!(
        house
            .cases
            .knocks(host, created.session.id)
            .await
            .expect("knocks")
            .len(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn who_is_denied_learns_it_and_cannot_come_back() {
    let house = House::new();
    let (host, guest) = (house.person(1).await, house.person(2).await);
    let created = guarded(&house, host).await;
    let token = knock(&house, guest, &created)
        .await
        .expect("taken")
        .waiting()
        .token;
    answer(&house, host, &created, KnockAnswer::Deny).await;
    assert_eq!(
        house.cases.wait(guest, &token).await.expect("told"),
        Waited::Denied
    );
    assert_eq!(
        knock(&house, guest, &created)
            .await
            .expect_err("barred")
            .code,
        ErrorCode::NumberCodeNotJoinable
    );
    let search = house
        .cases
        .search(guest, HERE, created.code.code.digits())
        .await;
    assert_eq!(
        search.expect_err("barred").code,
        ErrorCode::NumberCodeNotJoinable
    );
    let session = created.session.id;
    assert_eq!(
        house
            .cases
            .token(guest, session, None)
            .await
            .expect_err("a stranger")
            .code,
        ErrorCode::NotFound
    );
    assert_eq!(
        house
            .cases
            .get(guest, session)
            .await
            .expect_err("a stranger")
            .code,
        ErrorCode::NotFound
    );
}

#[tokio::test(start_paused = true)]
async fn who_withdraws_its_knock_waits_no_longer_and_may_knock_again() {
    let house = House::new();
    let (host, guest, other) = (
        house.person(1).await,
        house.person(2).await,
        house.person(3).await,
    );
    let created = guarded(&house, host).await;
    let token = knock(&house, guest, &created)
        .await
        .expect("taken")
        .waiting()
        .token;
    assert_eq!(
        house
            .cases
            .cancel_wait(other, &token)
            .await
            .expect_err("another's")
            .code,
        ErrorCode::InvalidArgument
    );
    let (waited, cancelled) = tokio::join!(
        house.cases.wait(guest, &token),
        house.cases.cancel_wait(guest, &token)
    );
    cancelled.expect("withdrawn");
    assert_eq!(waited.expect("told at once"), Waited::Expired);
    assert_eq!(
        house
            .cases
            .knocks(host, created.session.id)
            .await
            .expect("knocks"),
        []
    );
    house
        .cases
        .cancel_wait(guest, &token)
        .await
        .expect("once more");
    knock(&house, guest, &created)
        .await
        .expect("taken")
        .waiting();
    house
        .cases
        .end(host, created.session.id)
        .await
        .expect("ended");
    house
        .cases
        .cancel_wait(guest, &token)
        .await
        .expect("after the end");
}

#[tokio::test(start_paused = true)]
async fn whose_account_is_deleted_waits_nowhere_and_is_refused() {
    let house = House::new();
    let (host, guest) = (house.person(1).await, house.person(2).await);
    let doors = [guarded(&house, host).await, guarded(&house, host).await];
    let mut tokens = Vec::new();
    for door in &doors {
        tokens.push(
            knock(&house, guest, door)
                .await
                .expect("taken")
                .waiting()
                .token,
        );
    }
    let knocked = the_knock(&house, host, &doors[0]).await;
    let (waited, ()) = tokio::join!(house.cases.wait(guest, &tokens[0]), async {
        house
            .people
            .delete(guest.account, house.now())
            .await
            .expect("asked")
            .expect("deleted");
        house.sessions.deleted(guest.account).await;
    });
    assert_eq!(
        waited.expect_err("refused at once").code,
        ErrorCode::Unauthenticated
    );
    for door in &doors {
        assert_eq!(
            house
                .cases
                .knocks(host, door.session.id)
                .await
                .expect("knocks"),
            []
        );
    }
    let late = house
        .cases
        .answer_knock(host, doors[0].session.id, knocked, KnockAnswer::Admit)
        .await;
    assert_eq!(late.expect_err("over").code, ErrorCode::Conflict);
}

#[tokio::test(start_paused = true)]
async fn whose_account_is_deleted_while_it_knocks_does_not_wait() {
    let house = House::new();
    let (host, guest) = (house.person(1).await, house.person(2).await);
    let created = guarded(&house, host).await;
    // What it looks up as it comes is still there; what it looks up as it has come is not.
    house.people.vanish_once_found(guest.account);
    let refused = knock(&house, guest, &created).await.expect_err("gone");
    assert_eq!(refused.code, ErrorCode::Unauthenticated);
    assert_eq!(
        house
            .cases
            .knocks(host, created.session.id)
            .await
            .expect("knocks"),
        []
    );
}

#[tokio::test(start_paused = true)]
async fn the_end_and_the_expiry_are_told() {
    let house = House::new();
    let (host, guest, late) = (
        house.person(1).await,
        house.person(2).await,
        house.person(3).await,
    );
    let created = guarded(&house, host).await;
    let expired = knock(&house, guest, &created)
        .await
        .expect("taken")
        .waiting();
    house.connect_host(host, &created).await;
    house.clock.set(expired.expires_at);
    house
        .sessions
        .propose(created.session.id, Input::Due)
        .await
        .expect("due");
    assert_eq!(
        house.cases.wait(guest, &expired.token).await.expect("told"),
        Waited::Expired
    );
    let code = house
        .cases
        .rotate_number_code(host, created.session.id)
        .await
        .expect("a code");
    let by_code = Key::NumberCode(code.code.digits().to_owned());
    let token = house
        .cases
        .prejoin(late, HERE, by_code, None)
        .await
        .expect("taken")
        .waiting()
        .token;
    let (waited, ended) = tokio::join!(
        house.cases.wait(late, &token),
        house.cases.end(host, created.session.id)
    );
    ended.expect("ended");
    assert_eq!(waited.expect("told"), Waited::Ended);
    house.clock.pass(Duration::from_secs(3_600));
    assert_eq!(
        house.cases.wait(late, &token).await.expect("told"),
        Waited::Expired,
        "of an old token no more is known"
    );
}

#[tokio::test]
async fn a_wait_token_is_for_the_one_who_knocked() {
    let house = House::new();
    let (host, guest, other) = (
        house.person(1).await,
        house.person(2).await,
        house.person(3).await,
    );
    let created = guarded(&house, host).await;
    let token = knock(&house, guest, &created)
        .await
        .expect("taken")
        .waiting()
        .token;
    for (who, token) in [
        (other, token.as_str()),
        (guest, "junk"),
        (guest, created.token.token.as_str()),
    ] {
        let error = house.cases.wait(who, token).await.expect_err("not theirs");
        assert_eq!(
            (error.code, error.violations[0].path.as_str()),
            (ErrorCode::InvalidArgument, "waitToken")
        );
    }
}

#[tokio::test]
async fn only_the_host_sees_and_answers_knocks() {
    let house = House::new();
    let (host, guest, stranger) = (
        house.person(1).await,
        house.person(2).await,
        house.person(3).await,
    );
    let created = guarded(&house, host).await;
    let id = created.session.id;
    knock(&house, guest, &created).await.expect("taken");
    let knock_id = the_knock(&house, host, &created).await;
    for who in [guest, stranger] {
        assert_eq!(
            house.cases.knocks(who, id).await.expect_err("hidden").code,
            ErrorCode::NotFound
        );
        let answer = house
            .cases
            .answer_knock(who, id, knock_id, KnockAnswer::Admit)
            .await;
        assert_eq!(answer.expect_err("hidden").code, ErrorCode::NotFound);
    }
    answer(&house, host, &created, KnockAnswer::Admit).await;
    assert_eq!(
        house
            .cases
            .knocks(guest, id)
            .await
            .expect_err("not the host")
            .code,
        ErrorCode::Forbidden
    );
    let again = house
        .cases
        .answer_knock(host, id, knock_id, KnockAnswer::Deny)
        .await;
    assert_eq!(again.expect_err("over").code, ErrorCode::Conflict);
    let unknown = house
        .cases
        .answer_knock(host, id, KnockId::new(5).expect("an id"), KnockAnswer::Deny)
        .await;
    assert_eq!(unknown.expect_err("unknown").code, ErrorCode::NotFound);
}

#[tokio::test]
async fn an_invite_with_approval_knocks_and_spends_one_use() {
    let house = House::new();
    let (host, guest) = (house.person(1).await, house.person(2).await);
    let created = house.open(host).await;
    let new = NewInvite {
        approval: Some(true),
        max_uses: Some(2),
        ..NewInvite::default()
    };
    let invite = house
        .cases
        .make_invite(host, created.session.id, new)
        .await
        .expect("an invite");
    for _ in 0..2 {
        let entering = house
            .cases
            .prejoin(guest, HERE, Key::Invite(invite.secret.clone()), None)
            .await;
        entering.expect("taken").waiting();
    }
    assert_eq!(
        house
            .cases
            .invite(host, created.session.id)
            .await
            .expect("usable")
            .uses,
        1
    );
}

#[tokio::test]
async fn a_knock_tells_addresses_apart() {
    let house = House::new();
    let host = house.person(1).await;
    let created = guarded(&house, host).await;
    let addresses = [
        "192.0.2.1",
        "192.0.2.2",
        "192.0.2.1",
        "2001:db8::",
        "2001:db8:0:1::",
    ];
    for (number, address) in (2..).zip(addresses) {
        let (who, address) = (
            house.person(number).await,
            address.parse::<IpAddr>().expect("an address"),
        );
        let site = Site { address, ..HERE };
        let code = Key::NumberCode(created.code.code.digits().to_owned());
        house
            .cases
            .prejoin(who, site, code, None)
            .await
            .expect("taken")
            .waiting();
    }
    let origins = |state: &State| {
        state
            .waiting()
            .filter_map(|k| k.origin)
            .collect::<Vec<Origin>>()
    };
    let origins = house
        .sessions
        .read(created.session.id, origins)
        .await
        .expect("read");
    assert_eq!((origins.len(), origins[0]), (5, origins[2]));
    assert!(origins[0] != origins[1] && origins[3] != origins[4]);
}

/// A guest comes to an open session by an invite that asks the host, and waits.
async fn asks(house: &House, host: Caller, guest: Caller, at: &Created) -> KnockId {
    let new = NewInvite {
        approval: Some(true),
        ..NewInvite::default()
    };
    let invite = house
        .cases
        .make_invite(host, at.session.id, new)
        .await
        .expect("an invite");
    house
        .cases
        .prejoin(guest, HERE, Key::Invite(invite.secret), None)
        .await
        .expect("taken")
        .waiting();
    the_knock(house, host, at).await
}

/// Somebody new comes by code, with an account or without: whether it is let in at once. If not, it must have been asked to wait.
async fn walks_in(house: &House, who: Caller, site: Site, at: &Created) -> bool {
    let code = Key::NumberCode(at.code.code.digits().to_owned());
    match house
        .cases
        .prejoin(who, site, code, None)
        .await
        .expect("taken")
    {
        Prejoined::Admitted(_) => true,
        Prejoined::Waiting(_) => false,
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_denial_unproven_callers_from_there_must_knock_for_an_hour() {
    let house = House::new();
    let proven = house.account(9).await;
    house.clock.pass(Duration::from_secs(86_400));
    let (host, guest, old) = (
        house.person(1).await,
        house.person(2).await,
        house.person(3).await,
    );
    let (created, other) = (house.open(host).await, house.open(host).await);
    house.connect_host(host, &created).await;
    house.join(old, &created).await;
    let knock = asks(&house, host, guest, &created).await;
    house
        .cases
        .answer_knock(host, created.session.id, knock, KnockAnswer::Deny)
        .await
        .expect("answered");

    assert!(!walks_in(&house, house.person(4).await, HERE, &created).await);
    assert!(
        walks_in(&house, house.person(5).await, THERE, &created).await,
        "from elsewhere"
    );
    assert!(
        !walks_in(&house, house.account(6).await, HERE, &created).await,
        "with an account made a second ago"
    );
    assert!(
        walks_in(&house, proven, HERE, &created).await,
        "with an account of yesterday"
    );
    assert!(
        walks_in(&house, house.person(7).await, HERE, &other).await,
        "into another session"
    );
    assert!(
        walks_in(&house, old, HERE, &created).await,
        "who was in already"
    );
    house.clock.pass(Duration::from_secs(3_600));
    let code = house
        .cases
        .rotate_number_code(host, created.session.id)
        .await
        .expect("a code");
    assert!(
        walks_in(
            &house,
            house.person(8).await,
            HERE,
            &Created { code, ..created }
        )
        .await
    );
}

#[tokio::test(start_paused = true)]
async fn a_denial_in_the_stream_is_the_same_and_so_is_one_of_an_account() {
    let house = House::new();
    let (host, guest, account) = (
        house.person(1).await,
        house.person(2).await,
        house.account(3).await,
    );
    for (number, who) in [(4, account), (5, guest)] {
        let created = house.open(host).await;
        house.connect_host(host, &created).await;
        let knock = asks(&house, host, who, &created).await;
        let (claims, _) = PlainTokens
            .verify_session(&created.token.token, house.clock.now())
            .expect("a session token");
        let command = Command::Deny { knock: Some(knock) };
        let input = Input::Command {
            member: host.account,
            point: claims.point,
            nonce: 0,
            command,
        };
        house
            .sessions
            .propose(created.session.id, input)
            .await
            .expect("denied");
        assert!(!walks_in(&house, house.person(number).await, HERE, &created).await);
    }
}
