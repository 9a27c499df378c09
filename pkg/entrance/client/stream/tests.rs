//! The task against a fake server, over real sockets: the guarantees in the module's documentation.

use super::fake::{FakePeer, FakeServer};
use super::{
    Closed, Event, Events, Handle, ProtocolViolation, Rejected, Settings, TokenSource, open,
};
use crate::api::SessionGrant;
use crate::{ApiError, CallError, Id};
use entrance_pack::Format;
use faceshare_api::v1::client_frame::Instruction as Say;
use faceshare_api::v1::server_frame::Instruction;
use faceshare_api::v1::{
    Ack, ActionSync, CancelFollowMe, FollowMe, HttpQuit, Nack, SysHeart, TokenRenewed,
};
use faceshare_api::wellknown::Timestamp;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::time::timeout;

/// Long enough that only a failing test waits for it.
const TEST_TIMEOUT: Duration = Duration::from_secs(10);

fn settings(server: &FakeServer) -> Settings {
    Settings {
        jitter: Arc::new(|_| Duration::ZERO),
        ..Settings::new(server.url.clone(), "t1")
    }
}

async fn next(events: &mut Events) -> Event {
    timeout(TEST_TIMEOUT, events.next())
        .await
        .expect("in time")
        .expect("an event")
}

/// The next event that is not a round trip.
async fn next_event(events: &mut Events) -> Event {
    loop {
        match next(events).await {
            Event::RoundTrip(_) => {}
            event => return event,
        }
    }
}

async fn until_closed(events: &mut Events) -> Closed {
    loop {
        if let Event::Closed(closed) = next(events).await {
            return closed;
        }
    }
}

async fn welcomed(events: &mut Events) -> bool {
    loop {
        if let Event::Welcome { welcome, .. } = next(events).await {
            return welcome.resumed;
        }
    }
}

async fn connected(settings: Settings, server: &FakeServer) -> (Handle, Events, FakePeer) {
    let (handle, mut events) = open(settings);
    let mut peer = server.accept().await;
    peer.welcome(5, false).await;
    assert!(!welcomed(&mut events).await);
    (handle, events, peer)
}

fn quit(member_id: u64) -> Instruction {
    Instruction::HttpQuit(HttpQuit { member_id })
}

/// Returns the tokens `renewed-1`, `renewed-2`, …, or refuses with a status.
struct FakeTokenSource {
    url: String,
    refuse: Option<u16>,
    asked: AtomicU32,
}

impl FakeTokenSource {
    fn new(server: &FakeServer, refuse: Option<u16>) -> Arc<Self> {
        Arc::new(Self {
            url: server.url.clone(),
            refuse,
            asked: AtomicU32::new(0),
        })
    }
}

impl TokenSource for FakeTokenSource {
    fn renew(&self, _point: Option<Id>) -> BoxFuture<'_, Result<SessionGrant, CallError>> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let answer = self.refuse.map_or_else(
            || {
                let (session_token, websocket_url) = (format!("renewed-{asked}"), self.url.clone());
                Ok(SessionGrant {
                    session_token,
                    expires_at: Timestamp::from_millis(0),
                    expires_in: 3600,
                    websocket_url,
                })
            },
            |status| Err(ApiError::from_answer(status, &http::HeaderMap::new(), b"").into()),
        );
        async { answer }.boxed()
    }
}

#[tokio::test]
async fn frames_arrive_in_order_in_both_formats() {
    for format in [Format::Proto, Format::Json] {
        let server = FakeServer::start().await;
        let (_handle, mut events, mut peer) =
            connected(settings(&server).format(format), &server).await;
        assert_eq!(
            (peer.query.as_str(), peer.token.as_str()),
            ("", "Bearer t1")
        );
        for seq in 6..9 {
            peer.send_instruction(seq, quit(seq.into())).await;
        }
        for seq in 6..9 {
            let Event::Frame(frame) = next_event(&mut events).await else {
                panic!("a frame")
            };
            assert_eq!(
                (frame.seq, frame.instruction.clone()),
                (seq, Some(quit(seq.into())))
            );
        }
    }
}

#[tokio::test]
async fn a_lost_connection_is_resumed_where_it_was() {
    for code in [1001, 1011, 1012, 1013, 4008] {
        let server = FakeServer::start().await;
        let (_handle, mut events, mut peer) = connected(settings(&server), &server).await;
        peer.send_instruction(6, quit(6)).await;
        peer.close(code, "again").await;
        let mut peer = server.accept().await;
        assert_eq!(peer.query, "epoch=e1&seq=6", "{code}");
        peer.welcome(7, true).await;
        peer.send_instruction(7, quit(7)).await;
        assert!(matches!(next_event(&mut events).await, Event::Frame(frame) if frame.seq == 6));
        let reconnecting = next_event(&mut events).await;
        assert_eq!(
            reconnecting,
            Event::Reconnecting {
                attempt: 1,
                delay: Duration::ZERO,
                why: "again".into()
            }
        );
        assert!(
            matches!(next_event(&mut events).await, Event::Welcome { welcome, .. } if welcome.resumed)
        );
        assert!(matches!(next_event(&mut events).await, Event::Frame(frame) if frame.seq == 7));
    }
}

#[tokio::test]
async fn a_connection_that_breaks_without_a_close_frame_is_resumed() {
    let server = FakeServer::start().await;
    let (_handle, _events, peer) = connected(settings(&server), &server).await;
    drop(peer);
    assert_eq!(server.accept().await.query, "epoch=e1&seq=5");
}

#[tokio::test]
async fn a_final_close_code_is_the_last_event() {
    for code in [1000, 4000, 4003, 4009, 4010, 4013, 4029] {
        let server = FakeServer::start().await;
        let (handle, mut events, peer) = connected(settings(&server), &server).await;
        peer.close(code, "because").await;
        assert_eq!(
            until_closed(&mut events).await,
            Closed {
                code,
                reason: "because".into(),
                refusal: None
            }
        );
        assert_eq!(events.next().await, None);
        assert_eq!(
            handle.send(Say::CancelFollowMe(CancelFollowMe {})).await,
            Err(Rejected::Closed)
        );
    }
}

#[tokio::test]
async fn unanswered_instructions_are_sent_again_with_their_nonce_and_answered_once() {
    let server = FakeServer::start().await;
    let (handle, mut events, mut peer) = connected(settings(&server), &server).await;
    let sending = tokio::spawn(async move {
        (
            handle.send(Say::FollowMe(FollowMe::default())).await,
            handle,
        )
    });
    let (id, nonce, instruction) = peer.receive_instruction().await;
    assert!(id > 0 && nonce > 0);
    drop(peer);
    let mut peer = server.accept().await;
    peer.welcome(6, true).await;
    peer.send_instruction(6, Instruction::FollowMe(FollowMe::default()))
        .await;
    assert_eq!(peer.receive_instruction().await, (id, nonce, instruction));
    peer.send_instruction(0, Instruction::Ack(Ack { id, seq: 6 }))
        .await;
    let (answer, handle) = timeout(TEST_TIMEOUT, sending)
        .await
        .expect("in time")
        .expect("joined");
    assert_eq!(answer, Ok(Ack { id, seq: 6 }));
    let refused =
        tokio::spawn(async move { handle.send(Say::CancelFollowMe(CancelFollowMe {})).await });
    let (second, ..) = peer.receive_instruction().await;
    assert_ne!(second, id);
    peer.send_instruction(
        0,
        Instruction::Nack(Nack {
            id: second,
            code: "NOT_PRESENTING".into(),
            detail: "no".into(),
        }),
    )
    .await;
    let rejected = timeout(TEST_TIMEOUT, refused)
        .await
        .expect("in time")
        .expect("joined");
    assert_eq!(
        rejected,
        Err(Rejected::Nack {
            code: "NOT_PRESENTING".into(),
            detail: "no".into()
        })
    );
    assert!(welcomed(&mut events).await);
}

#[tokio::test]
async fn a_temporary_refusal_is_reported_and_the_instruction_sent_again() {
    let server = FakeServer::start().await;
    let (handle, mut events, mut peer) = connected(settings(&server), &server).await;
    let sending =
        tokio::spawn(async move { handle.send(Say::CancelFollowMe(CancelFollowMe {})).await });
    let (id, nonce, instruction) = peer.receive_instruction().await;
    let (code, detail) = (
        "UNAVAILABLE".to_owned(),
        "the session log cannot be written".to_owned(),
    );
    let nack = Nack {
        id,
        code: code.clone(),
        detail: detail.clone(),
    };
    peer.send_instruction(0, Instruction::Nack(nack)).await;
    assert!(
        matches!(next_event(&mut events).await, Event::Frame(frame) if matches!(frame.instruction, Some(Instruction::Nack(_))))
    );
    assert_eq!(
        next_event(&mut events).await,
        Event::Retrying {
            code,
            detail,
            delay: Duration::from_secs(1)
        }
    );
    assert_eq!(peer.receive_instruction().await, (id, nonce, instruction));
    peer.send_instruction(0, Instruction::Ack(Ack { id, seq: 5 }))
        .await;
    assert_eq!(
        timeout(TEST_TIMEOUT, sending)
            .await
            .expect("in time")
            .expect("joined"),
        Ok(Ack { id, seq: 5 })
    );
}

#[tokio::test]
async fn actions_are_sent_again_after_each_welcome() {
    let server = FakeServer::start().await;
    let (handle, _events, mut peer) = connected(settings(&server), &server).await;
    for term in [1, 2] {
        handle
            .send_action(ActionSync {
                key: "view".into(),
                term,
                ..ActionSync::default()
            })
            .await
            .expect("open");
    }
    for term in [1, 2] {
        let (id, nonce, instruction) = peer.receive_instruction().await;
        assert_eq!((id, nonce), (0, 0));
        assert!(matches!(instruction, Say::ActionSync(action) if action.term == term));
    }
    drop(peer);
    let mut peer = server.accept().await;
    peer.welcome(5, true).await;
    assert!(
        matches!(peer.receive_instruction().await.2, Say::ActionSync(action) if action.term == 2)
    );
}

#[tokio::test]
async fn a_heartbeat_is_echoed_with_the_last_seq() {
    let server = FakeServer::start().await;
    let (_handle, _events, mut peer) = connected(settings(&server), &server).await;
    peer.send_instruction(6, quit(6)).await;
    let sent_at = Some(Timestamp::from_millis(1_700_000_000_123));
    peer.send_instruction(0, Instruction::SysHeart(SysHeart { sent_at }))
        .await;
    let (id, _, instruction) = peer.receive_instruction().await;
    assert_eq!(id, 0);
    assert!(
        matches!(instruction, Say::AckHeart(heart) if heart.sent_at == sent_at && heart.last_seq == 6)
    );
}

#[tokio::test]
async fn silence_beyond_the_interval_and_the_patience_counts_as_a_loss() {
    let server = FakeServer::start().await;
    let settings = Settings {
        patience: Duration::from_millis(20),
        ..settings(&server)
    };
    let (_handle, mut events) = open(settings);
    let mut silent = server.accept().await;
    silent.welcome_every(5, false, 30).await;
    // The first socket stays open and is silent; the test does not poll it, so it sends no pong
    // either.
    assert_eq!(
        timeout(TEST_TIMEOUT, server.accept())
            .await
            .expect("in time")
            .query,
        "epoch=e1&seq=5"
    );
    assert!(!welcomed(&mut events).await);
    assert!(matches!(
        next_event(&mut events).await,
        Event::Reconnecting { attempt: 1, .. }
    ));
    drop(silent);
}

#[tokio::test]
async fn a_gap_or_a_repeat_is_reported_and_resumed_from_the_last_good_frame() {
    for (seq, fault) in [
        (
            8,
            ProtocolViolation::Gap {
                expected: 7,
                got: 8,
            },
        ),
        (
            6,
            ProtocolViolation::Repeat {
                expected: 7,
                got: 6,
            },
        ),
    ] {
        let server = FakeServer::start().await;
        let (_handle, mut events, mut peer) = connected(settings(&server), &server).await;
        peer.send_instruction(6, quit(6)).await;
        peer.send_instruction(seq, quit(1)).await;
        assert!(matches!(next_event(&mut events).await, Event::Frame(frame) if frame.seq == 6));
        assert_eq!(
            next_event(&mut events).await,
            Event::ProtocolViolation(fault)
        );
        assert_eq!(server.accept().await.query, "epoch=e1&seq=6");
    }
}

#[tokio::test]
async fn an_expired_token_is_renewed_once() {
    let server = FakeServer::start().await;
    let source = FakeTokenSource::new(&server, None);
    let (_handle, mut events, peer) =
        connected(settings(&server).tokens(source.clone()), &server).await;
    peer.close(4001, "over").await;
    let mut peer = server.accept().await;
    assert_eq!(
        (peer.token.as_str(), peer.query.as_str()),
        ("Bearer renewed-1", "epoch=e1&seq=5")
    );
    peer.welcome(5, true).await;
    peer.close(4001, "over").await;
    server.refuse(401, "UNAUTHENTICATED").await;
    assert_eq!(
        until_closed(&mut events).await.code,
        4001,
        "a token that was just renewed and is not good either"
    );
    assert_eq!(source.asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn the_newest_token_is_used_to_resume_and_removed_from_the_event() {
    let server = FakeServer::start().await;
    let (_handle, mut events, mut peer) = connected(settings(&server), &server).await;
    peer.send_instruction(
        0,
        Instruction::TokenRenewed(TokenRenewed {
            session_token: "t2".into(),
            expires_at: None,
        }),
    )
    .await;
    let Event::Frame(frame) = next_event(&mut events).await else {
        panic!("a frame")
    };
    assert_eq!(
        frame.instruction,
        Some(Instruction::TokenRenewed(TokenRenewed::default()))
    );
    drop(peer);
    assert_eq!(server.accept().await.token, "Bearer t2");
}

#[tokio::test]
async fn a_refused_handshake_is_reported_with_its_code() {
    let server = FakeServer::start().await;
    let (_handle, mut events) = open(settings(&server));
    server.refuse(403, "FORBIDDEN").await;
    let closed = until_closed(&mut events).await;
    assert_eq!(closed.code, 4003);
    let refusal = closed.refusal.expect("an HTTP answer");
    assert_eq!((refusal.status, refusal.code.as_str()), (403, "FORBIDDEN"));
}

#[tokio::test]
async fn after_three_failures_the_token_call_says_what_is_wrong() {
    for (refuse, code) in [(410, 4010), (403, 4003)] {
        let server = FakeServer::start().await;
        let source = FakeTokenSource::new(&server, Some(refuse));
        let (_handle, mut events) = open(settings(&server).tokens(source.clone()));
        server.drop_one().await;
        server.refuse(503, "UNAVAILABLE").await;
        assert_eq!(source.asked.load(Ordering::Relaxed), 0);
        server.drop_one().await;
        assert_eq!(until_closed(&mut events).await.code, code);
        assert_eq!(source.asked.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test]
async fn without_a_network_nothing_is_tried_and_with_one_it_is_tried_at_once() {
    let server = FakeServer::start().await;
    let slow = Settings {
        jitter: Arc::new(|_| Duration::from_secs(3600)),
        ..settings(&server)
    };
    let (handle, mut events, mut peer) = connected(slow, &server).await;
    handle.set_online(false);
    assert!(matches!(
        next_event(&mut events).await,
        Event::Reconnecting { .. }
    ));
    while peer.receive().await.is_some() {}
    handle.set_online(true);
    let peer = timeout(TEST_TIMEOUT, server.accept())
        .await
        .expect("no backoff");
    assert_eq!(peer.query, "epoch=e1&seq=5");
}

#[tokio::test]
async fn dropping_the_last_handle_stops_it() {
    let server = FakeServer::start().await;
    let (handle, mut events, mut peer) = connected(settings(&server), &server).await;
    drop(handle);
    while peer.receive().await.is_some() {}
    while timeout(TEST_TIMEOUT, events.next())
        .await
        .expect("in time")
        .is_some()
    {}
}
