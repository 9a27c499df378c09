//! What survives a kill and a shutdown of the process.

use faceshare_tests::meeting::Meeting;
use faceshare_tests::socket::{Credential, Event, Socket, handshake, seq};
use faceshare_tests::{DEADLINE, Format, in_both_formats};
use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

in_both_formats!(
    acknowledged_instructions_survive_a_kill_and_are_resumed_once_and_in_order,
    instructions_acknowledged_before_a_kill_are_in_the_log,
    a_drained_server_closes_with_restarting_and_keeps_everything,
);

async fn acknowledged_instructions_survive_a_kill_and_are_resumed_once_and_in_order(
    format: Format,
) {
    let (mut meeting, mut sockets) = Meeting::of(format, 3).await;
    let (host, guest) = (
        sockets[0].member().to_owned(),
        sockets[1].member().to_owned(),
    );
    let (epoch, seen) = (sockets[1].epoch().to_owned(), sockets[1].seq);
    sockets[2]
        .acked(json!({"nonce": "41", "followOther": {"target": guest}}))
        .await;
    let first = sockets[1]
        .acked(json!({"nonce": "42", "followOther": {"target": host}}))
        .await;
    sockets[0]
        .acked(json!({"followMe": {"invite": "ON"}}))
        .await;
    let head = sockets[0].seq;
    sockets[1].catch_up(head).await;
    meeting.server.kill().await;
    for socket in &mut sockets {
        socket.close().await;
    }
    meeting.server.restart().await;

    let mut back = meeting.resume(1, &epoch, seen).await;
    assert_eq!(
        (&back.welcome["resumed"], back.epoch()),
        (&json!(true), epoch.as_str())
    );
    back.catch_up(back.welcome["seq"].as_u64().expect("a head"))
        .await;
    let of_before = |log: &[Value]| {
        log.iter()
            .filter(|frame| (seen + 1..=head).contains(&seq(frame)))
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of_before(&back.log),
        of_before(&sockets[1].log),
        "the same frames, to the millisecond"
    );
    assert_eq!(
        back.acked(json!({"nonce": "42", "followOther": {"target": host}}))
            .await,
        first,
        "the nonce is still known"
    );

    let late = meeting.connect(2).await;
    let presenting = &late.welcome["snapshot"]["presenting"];
    assert_eq!(
        (&presenting["memberId"], &presenting["term"]),
        (&json!(host), &json!(1))
    );
    let own = late.welcome["snapshot"]["members"]
        .as_array()
        .expect("members")
        .iter()
        .find(|member| member["memberId"] == json!(late.member()));
    assert_eq!(own.expect("itself")["follow"]["root"], json!(host));
}

/// Sends instructions as fast as the burst of 100 allows, until the socket closes. Returns the
/// acknowledged ones.
async fn speak_until_cut(mut socket: Socket, target: String) -> (Socket, Vec<u64>) {
    for round in 0..90 {
        let follow = json!({"followOther": {"target": target}});
        socket
            .instruct(if round % 2 == 0 {
                follow
            } else {
                json!({"cancelFollow": {}})
            })
            .await;
    }
    let mut acked = Vec::new();
    loop {
        match socket.event().await {
            Event::Frame(frame) => acked.extend(frame["ack"]["seq"].as_u64()),
            Event::Closed(_) => return (socket, acked),
        }
    }
}

async fn instructions_acknowledged_before_a_kill_are_in_the_log(format: Format) {
    let (mut meeting, mut sockets) = Meeting::of(format, 2).await;
    let host = sockets[0].member().to_owned();
    let (epoch, seen) = (sockets[1].epoch().to_owned(), sockets[1].seq);
    let speaking = tokio::spawn(speak_until_cut(sockets.pop().expect("two"), host));
    // Kill while the first few are acknowledged and the others are in flight.
    sockets[0].catch_up(seen + 6).await;
    meeting.server.kill().await;
    let (cut, acked) = speaking.await.expect("the speaker ends");
    meeting.server.restart().await;

    let mut back = meeting.resume(1, &epoch, seen).await;
    assert_eq!(back.welcome["resumed"], true);
    let head = back.welcome["seq"].as_u64().expect("a head");
    back.catch_up(head).await;
    for seq in acked {
        assert!(
            seq <= head,
            "{seq} was acknowledged and is gone; the head is {head}"
        );
    }
    let common: Vec<_> = back
        .log
        .iter()
        .take(cut.log.iter().filter(|frame| seq(frame) > seen).count())
        .collect();
    assert_eq!(
        common,
        cut.log
            .iter()
            .filter(|frame| seq(frame) > seen)
            .collect::<Vec<_>>(),
        "what was shown was in the log"
    );
}

#[tokio::test]
async fn accounts_codes_and_lists_survive_a_kill() {
    let (mut meeting, _sockets) = Meeting::of(Format::Json, 2).await;
    let link = meeting
        .http
        .post(&meeting.path("/invoke-link"), meeting.access(0), json!({}))
        .await
        .json();
    meeting.server.kill().await;
    meeting.server.restart().await;
    let http = &meeting.http;

    let refresh = json!({"refreshToken": meeting.guests[0].refresh});
    let pair = http
        .call(Method::POST, "/v1/accounts/refresh", None, Some(&refresh))
        .await
        .ok(200);
    let access = pair["accessToken"].as_str().expect("a token");
    let list = http.get("/v1/face-sessions", access).await.ok(200);
    assert_eq!(list["faceSessions"][0]["id"], json!(meeting.id));
    let shown = http
        .get(&meeting.path("/number-code"), access)
        .await
        .ok(200);
    assert_eq!(shown["numberCode"]["code"], json!(meeting.code));
    let newcomer = http.guest("late").await;
    assert_eq!(
        http.prejoin(&newcomer, &meeting.code).await.ok(200)["faceSession"]["id"],
        json!(meeting.id)
    );
    let body = json!({"inviteToken": link["inviteToken"]});
    http.post(
        "/v1/face-sessions/prejoin",
        &http.guest("later").await.access,
        body,
    )
    .await
    .ok(200);
}

#[tokio::test]
async fn members_are_offline_after_a_kill_until_they_reconnect() {
    let settings = [("member.debounce", "100ms"), ("member.grace", "5m")];
    let (mut meeting, sockets) = Meeting::with(Format::Json, 3, &settings, json!({})).await;
    let id: Vec<_> = sockets
        .iter()
        .map(|socket| socket.member().to_owned())
        .collect();
    meeting.server.kill().await;
    meeting.server.restart().await;
    let listed = meeting
        .http
        .get(&meeting.path("/members"), meeting.access(0))
        .await
        .json();
    let members = listed["members"].as_array().expect("members");
    assert_eq!(members.len(), 3);
    assert!(
        members
            .iter()
            .all(|member| member["online"] == json!(false)),
        "{listed}"
    );
    let mut host = meeting.connect(0).await;
    let _guest = meeting.connect(1).await;
    // Their state is in the snapshot or in a frame soon after it.
    let mut online: std::collections::BTreeMap<String, bool> = std::collections::BTreeMap::new();
    let mut note = |member: &Value| {
        online.insert(
            member["memberId"].as_str().expect("an id").to_owned(),
            member["online"] == true,
        );
        (online.get(&id[1]), online.get(&id[2])) == (Some(&true), Some(&false))
    };
    let mut settled = host.welcome["snapshot"]["members"]
        .as_array()
        .expect("members")
        .iter()
        .fold(false, |_, member| note(member));
    while !settled {
        settled = note(&host.until("memberChange").await["memberChange"]["member"]);
    }
}

/// Opens the point's stream repeatedly, without waiting for the end of the previous one, until it
/// is refused. Returns the sockets that were connected.
async fn come_again(
    request: Request,
    met: mpsc::UnboundedSender<()>,
) -> Vec<WebSocketStream<MaybeTlsStream<TcpStream>>> {
    let mut streams = Vec::new();
    loop {
        match timeout(DEADLINE, connect_async(request.clone()))
            .await
            .expect("an answer in time")
        {
            Ok((stream, _)) => streams.push(stream),
            Err(Error::Http(answer)) => {
                assert_eq!(answer.status(), 503);
                return streams;
            }
            Err(_) => return streams,
        }
        // The receiver is gone once the test goes on.
        let _ = met.send(());
    }
}

/// Clients that connect during the shutdown are refused, or connected and then closed. The server
/// waits for none that it does not close.
#[tokio::test]
async fn a_server_stops_in_time_while_clients_keep_coming() {
    let (mut meeting, sockets) =
        Meeting::with(Format::Json, 4, &[("drain.timeout", "5m")], json!({})).await;
    drop(sockets);
    let (met, mut meetings) = mpsc::unbounded_channel();
    let ask = |index: usize| {
        handshake(
            &meeting.websocket_url,
            Format::Json,
            &meeting.tokens[index],
            Credential::Header,
        )
    };
    let coming: Vec<_> = (0..4)
        .map(|index| tokio::spawn(come_again(ask(index), met.clone())))
        .collect();
    for _ in 0..40 {
        meetings.recv().await;
    }
    meeting.server.terminate().await;
    for streams in coming {
        for mut stream in streams.await.expect("it ends") {
            let all = async { while stream.next().await.is_some_and(|message| message.is_ok()) {} };
            timeout(DEADLINE, all).await.expect("the server closes it");
        }
    }
    assert!(meeting.server.exit().await.success());
}

#[tokio::test]
async fn a_session_that_ended_stays_ended() {
    let (mut meeting, _sockets) = Meeting::of(Format::Json, 1).await;
    meeting
        .http
        .post(&meeting.path("/end"), meeting.access(0), json!({}))
        .await
        .ok(204);
    meeting.server.kill().await;
    meeting.server.restart().await;
    let read = meeting
        .http
        .get(&meeting.path(""), meeting.access(0))
        .await
        .ok(200);
    assert_eq!(
        (
            &read["faceSession"]["status"],
            &read["faceSession"]["endReason"]
        ),
        (&json!("ENDED"), &json!("HOST_ENDED"))
    );
    let newcomer = meeting.http.guest("late").await;
    meeting
        .http
        .prejoin(&newcomer, &meeting.code)
        .await
        .problem(404, "NUMBER_CODE_NOT_JOINABLE");
}

async fn a_drained_server_closes_with_restarting_and_keeps_everything(format: Format) {
    let (mut meeting, mut sockets) = Meeting::of(format, 2).await;
    let host = sockets[0].member().to_owned();
    let (epoch, seen) = (sockets[1].epoch().to_owned(), sockets[1].seq);
    sockets[1]
        .acked(json!({"followOther": {"target": host}}))
        .await;
    meeting.server.terminate().await;
    for socket in &mut sockets {
        let (code, _) = socket.close().await;
        assert_eq!(code, 1012);
    }
    // Not ready or already stopped, but never ready.
    let ready = timeout(
        DEADLINE,
        meeting.http.request(Method::GET, "/readyz").send(),
    )
    .await
    .expect("an answer in time");
    if let Ok(answer) = ready {
        assert_eq!(answer.status(), 503);
    }
    let status = meeting.server.exit().await;
    assert!(status.success(), "{status}");

    meeting.server.restart().await;
    let mut back = meeting.resume(1, &epoch, seen).await;
    assert_eq!(back.welcome["resumed"], true);
    assert!(back.expect("followOther").await["from"].is_string());
}
