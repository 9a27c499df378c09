//! Calls against a fake server with scripted answers.

use super::{Api, CallError, DeviceInfo, JoinKey, JoinOutcome, JoinRefusal};
use crate::Id;
use std::collections::VecDeque;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// One request that the server received: method and path, bearer, body.
type ReceivedRequest = (String, String, String);

/// Answers one request per entry, then stops; returns the received requests.
async fn serve(answers: &[(u16, &str)]) -> (Api, JoinHandle<Vec<ReceivedRequest>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let api = Api::new(&format!(
        "http://{}/",
        listener.local_addr().expect("bound")
    ))
    .expect("a client");
    let mut answers: VecDeque<(u16, String)> = answers
        .iter()
        .map(|(status, body)| (*status, (*body).to_owned()))
        .collect();
    let server = tokio::spawn(async move {
        let mut asked = Vec::new();
        while let Some((status, body)) = answers.pop_front() {
            let (stream, _) = listener.accept().await.expect("accepts");
            let mut stream = BufReader::new(stream);
            asked.push(read_request(&mut stream).await);
            let head = format!(
                "HTTP/1.1 {status} X\r\nconnection: close\r\nretry-after: 3\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            stream
                .write_all((head + &body).as_bytes())
                .await
                .expect("answers");
        }
        asked
    });
    (api, server)
}

async fn read_request(stream: &mut BufReader<tokio::net::TcpStream>) -> ReceivedRequest {
    let (mut request, mut bearer, mut length) = (String::new(), String::new(), 0);
    stream
        .read_line(&mut request)
        .await
        .expect("a request line");
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.expect("a header");
        match line.trim_end().split_once(": ") {
            None => break,
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                bearer = value.to_owned()
            }
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().expect("a number")
            }
            Some(_) => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.expect("a body");
    (
        request.trim_end().trim_end_matches(" HTTP/1.1").to_owned(),
        bearer,
        String::from_utf8(body).expect("text"),
    )
}

const GUEST: &str = r#"{"accessToken": "a1", "refreshToken": "r1", "expiresAt": "2026-01-02T03:04:05.678Z", "expiresIn": 900,
    "refreshExpiresAt": "2026-02-02T03:04:05.678Z", "account": {"id": "7301", "nickname": "Ann", "guest": true}}"#;
const SESSION: &str = r#"{"faceSession": {"id": "9007199254740993", "title": "Tea", "status": "ACTIVE", "admission": "SOMETHING_NEW", "memberCount": 2}}"#;

#[tokio::test]
async fn an_expired_access_token_is_renewed_once_and_the_call_repeated() {
    let renewed = GUEST.replace("a1", "a2").replace("r1", "r2");
    let expired = r#"{"code": "TOKEN_EXPIRED", "status": 401}"#;
    let (api, server) = serve(&[
        (201, GUEST),
        (401, expired),
        (200, &renewed),
        (200, SESSION),
    ])
    .await;
    let guest = api.sign_up_guest("Ann").await.expect("signs up");
    assert_eq!(guest.account.expect("an account").id, Id(7301));
    let session = api
        .face_session(Id(9_007_199_254_740_993))
        .await
        .expect("answered");
    assert_eq!(
        (session.id, session.admission, session.member_count),
        (9_007_199_254_740_993, 0, 2)
    );
    let asked = server.await.expect("joined");
    let seen: Vec<(&str, &str)> = asked
        .iter()
        .map(|(request, bearer, _)| (request.as_str(), bearer.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            ("POST /v1/guests", ""),
            ("GET /v1/face-sessions/9007199254740993", "Bearer a1"),
            ("POST /v1/accounts/refresh", ""),
            ("GET /v1/face-sessions/9007199254740993", "Bearer a2"),
        ]
    );
    assert_eq!(
        (asked[0].2.as_str(), asked[2].2.as_str()),
        (r#"{"nickname":"Ann"}"#, r#"{"refreshToken":"r1"}"#)
    );
}

#[tokio::test]
async fn prejoin_uses_the_contracts_fields_and_distinguishes_its_answers() {
    let admitted = r#"{"status": "ADMITTED", "faceSession": {"id": "5"}, "sessionToken": "s", "expiresAt": "2026-01-02T03:04:05.678Z",
        "seatExpiresAt": "2026-01-02T03:04:05.678Z", "websocketUrl": "ws://h/v1/instructions"}"#;
    let waiting =
        r#"{"status": "WAITING", "waitToken": "w", "expiresAt": "2026-01-02T03:04:05.678Z"}"#;
    let (api, server) = serve(&[(201, GUEST), (200, admitted), (202, waiting)]).await;
    api.sign_up_guest("Ann").await.expect("signs up");
    let device = DeviceInfo {
        name: "laptop".into(),
        kind: "terminal".into(),
    };
    let door = api
        .prejoin(&JoinKey::NumberCode("482 913".into()), Some(&device))
        .await
        .expect("answered");
    assert!(
        matches!(door, JoinOutcome::Admitted(admitted) if admitted.face_session.id == 5 && admitted.session_token == "s")
    );
    let door = api
        .prejoin(&JoinKey::InviteToken("secret".into()), None)
        .await
        .expect("answered");
    assert!(matches!(door, JoinOutcome::Waiting { wait_token, .. } if wait_token == "w"));
    let asked = server.await.expect("joined");
    assert_eq!(
        asked[1].2,
        r#"{"device":{"kind":"terminal","name":"laptop"},"numberCode":"482 913"}"#
    );
    assert_eq!(asked[2].2, r#"{"inviteToken":"secret"}"#);
}

#[tokio::test]
async fn a_waiting_client_asks_again_until_the_host_has_decided() {
    let waiting = |token: &str| {
        format!(
            r#"{{"status": "WAITING", "waitToken": "{token}", "expiresAt": "2026-01-02T03:04:05.678Z"}}"#
        )
    };
    let admitted = r#"{"status": "ADMITTED", "faceSession": {"id": "5"}, "sessionToken": "s", "expiresAt": "2026-01-02T03:04:05.678Z",
        "websocketUrl": "ws://h/v1/instructions"}"#;
    let (api, server) = serve(&[
        (201, GUEST),
        (202, &waiting("w2")),
        (200, admitted),
        (200, r#"{"status": "DENIED"}"#),
    ])
    .await;
    api.sign_up_guest("Ann").await.expect("signs up");
    let waited = api.wait_for_host("w1").await.expect("answered");
    assert_eq!(
        waited.map(|admitted| admitted.session_token).as_deref(),
        Ok("s")
    );
    assert_eq!(
        api.wait_for_host("w2").await.expect("answered").map(drop),
        Err(JoinRefusal::Denied)
    );
    let asked = server.await.expect("joined");
    assert!(
        asked[1..]
            .iter()
            .all(|(request, ..)| request == "POST /v1/face-sessions/wait"),
        "{asked:?}"
    );
    assert_eq!(
        (asked[1].2.as_str(), asked[2].2.as_str()),
        (r#"{"waitToken":"w1"}"#, r#"{"waitToken":"w2"}"#)
    );
}

#[tokio::test]
async fn an_unknown_status_is_not_an_admission() {
    let (api, server) = serve(&[(201, GUEST), (200, r#"{"status": "SOMETHING_NEW"}"#)]).await;
    api.sign_up_guest("Ann").await.expect("signs up");
    assert!(matches!(
        api.wait_for_host("w").await,
        Err(CallError::Unreadable(_))
    ));
    server.await.expect("joined");
}

#[tokio::test]
async fn the_host_lists_and_decides_join_requests() {
    let knocks = r#"{"knocks": [{"knockId": "8", "nickname": "Ben", "device": {"name": "a", "kind": "b"}, "state": "WAITING"}]}"#;
    let (api, server) = serve(&[(201, GUEST), (200, knocks), (204, ""), (204, "")]).await;
    api.sign_up_guest("Ann").await.expect("signs up");
    let knocks = api.knocks(Id(5)).await.expect("listed");
    assert_eq!(
        (
            knocks.len(),
            knocks[0].knock_id,
            knocks[0].nickname.as_str()
        ),
        (1, 8, "Ben")
    );
    api.admit(Id(5), Id(8)).await.expect("done");
    api.deny(Id(5), Id(8)).await.expect("done");
    let asked = server.await.expect("joined");
    assert_eq!(
        (asked[2].0.as_str(), asked[3].0.as_str()),
        (
            "POST /v1/face-sessions/5/knocks/8/admit",
            "POST /v1/face-sessions/5/knocks/8/deny"
        )
    );
}

#[tokio::test]
async fn a_refusal_has_its_code_and_how_long_to_wait() {
    let (api, server) = serve(&[(429, r#"{"code": "RATE_LIMITED", "detail": "slow down"}"#)]).await;
    let Err(CallError::Refused(error)) = api.sign_up_guest("Ann").await else {
        panic!("refused")
    };
    assert_eq!(
        (
            error.status,
            error.code.as_str(),
            error.retry_after.map(|wait| wait.as_secs())
        ),
        (429, "RATE_LIMITED", Some(3))
    );
    server.await.expect("joined");
}

#[tokio::test]
async fn a_call_without_an_answer_body_and_a_list_with_a_query_work() {
    let page = r#"{"faceSessions": [{"id": "5"}], "nextPageToken": "n"}"#;
    let (api, server) = serve(&[(201, GUEST), (204, ""), (200, page)]).await;
    api.sign_up_guest("Ann").await.expect("signs up");
    api.quit(Id(5)).await.expect("left");
    let page = api
        .face_sessions(Some(10), Some("a&b"))
        .await
        .expect("listed");
    assert_eq!(
        (page.face_sessions.len(), page.next_page_token.as_deref()),
        (1, Some("n"))
    );
    let asked = server.await.expect("joined");
    assert_eq!(
        asked[2].0,
        "GET /v1/face-sessions?pageSize=10&pageToken=a%26b"
    );
}

#[tokio::test]
async fn invalid_addresses_and_calls_without_credentials_fail_at_once() {
    for bad in ["", "localhost:8080", "ftp://h", "http://"] {
        assert!(
            matches!(Api::new(bad), Err(CallError::BadAddress(_))),
            "{bad}"
        );
    }
    let (api, server) = serve(&[]).await;
    assert!(matches!(
        api.members(Id(1)).await,
        Err(CallError::SignedOut)
    ));
    server.await.expect("joined");
}
