//! Wrong number codes: how many are answered, and which callers can still join.

use super::accounts::QUICK;
use faceshare_tests::Format;
use faceshare_tests::http::{Answer, Guest, Http, send};
use faceshare_tests::meeting::Meeting;
use faceshare_tests::server::Server;
use faceshare_tests::socket::{Credential, Socket, handshake};
use reqwest::Method;
use serde_json::json;
use tokio_tungstenite::tungstenite::http::HeaderValue;

/// Another code than `right`.
fn wrong(right: &str) -> &'static str {
    if right == "719428" {
        "482917"
    } else {
        "719428"
    }
}

/// Prejoin from an address that a trusted proxy names.
async fn prejoin_from(
    http: &Http,
    address: &str,
    guest: &Guest,
    body: serde_json::Value,
) -> Answer {
    let request = http
        .request(Method::POST, "/v1/face-sessions/prejoin")
        .bearer_auth(&guest.access);
    send(request.header("x-forwarded-for", address).json(&body)).await
}

fn is_told_to_wait(answer: &Answer) {
    answer.problem(429, "RATE_LIMITED");
    let wait: u64 = answer.header("retry-after").parse().expect("seconds");
    assert!((1..=660).contains(&wait), "{wait}");
}

#[tokio::test]
async fn an_address_has_ten_wrong_guesses_and_then_only_sessions_it_is_connected_to() {
    let server = Server::start_with(&[("http.trusted_proxies", "127.0.0.1")]).await;
    let meeting = Meeting::created(server, Format::Json, json!({})).await;
    let (http, right) = (&meeting.http, json!({"numberCode": meeting.code}));
    let guesser = http.guest("mallory").await;
    let try_wrong = || {
        prejoin_from(
            http,
            "192.0.2.7",
            &guesser,
            json!({"numberCode": wrong(&meeting.code)}),
        )
    };
    for _ in 0..10 {
        try_wrong().await.problem(404, "NUMBER_CODE_NOT_JOINABLE");
    }
    is_told_to_wait(&try_wrong().await);
    is_told_to_wait(
        &prejoin_from(
            http,
            "192.0.2.7",
            &http.guest("another").await,
            right.clone(),
        )
        .await,
    );
    prejoin_from(http, "192.0.2.8", &guesser, right.clone())
        .await
        .ok(200);

    // The same from another address, from which the host is connected.
    for _ in 0..10 {
        http.prejoin(&guesser, wrong(&meeting.code))
            .await
            .problem(404, "NUMBER_CODE_NOT_JOINABLE");
    }
    is_told_to_wait(&http.prejoin(&http.guest("late").await, &meeting.code).await);
    let host = meeting.connect(0).await;
    http.prejoin(&http.guest("pupil").await, &meeting.code)
        .await
        .ok(200);
    drop(host);
}

/// An account does not get around the budget of its address, and its guesses there do not spend its
/// own budget.
#[tokio::test]
async fn an_account_waits_only_at_an_address_that_has_spent_its_budget() {
    let settings = [
        ("http.trusted_proxies", "127.0.0.1"),
        ("number_code.guesses_per_account", "2"),
    ];
    let server = Server::start_with(&[&settings[..], &QUICK].concat()).await;
    let meeting = Meeting::created(server, Format::Json, json!({})).await;
    let (http, right) = (&meeting.http, json!({"numberCode": meeting.code}));
    let (guesser, honest) = (
        http.guest("mallory").await,
        http.member("honest", "password").await,
    );
    for _ in 0..10 {
        prejoin_from(
            http,
            "192.0.2.7",
            &guesser,
            json!({"numberCode": wrong(&meeting.code)}),
        )
        .await
        .problem(404, "NUMBER_CODE_NOT_JOINABLE");
    }
    // Right and wrong codes, by search and prejoin, get the same answer. There are more of them
    // than the account's budget.
    let mut told = Vec::new();
    for code in [
        &meeting.code,
        wrong(&meeting.code),
        &meeting.code,
        wrong(&meeting.code),
    ] {
        let body = json!({"numberCode": code});
        let search = http
            .request(Method::POST, "/v1/face-sessions/search")
            .bearer_auth(&honest.access);
        for answer in [
            prejoin_from(http, "192.0.2.7", &honest, body.clone()).await,
            send(search.header("x-forwarded-for", "192.0.2.7").json(&body)).await,
        ] {
            is_told_to_wait(&answer);
            told.push(answer.json()["detail"].clone());
        }
    }
    assert!(told.iter().all(|detail| *detail == told[0]), "{told:?}");
    // Invites spend no budget.
    let invite = http
        .post(&meeting.path("/invoke-link"), meeting.access(0), json!({}))
        .await
        .ok(200);
    let invite = json!({"inviteToken": invite["inviteToken"]});
    prejoin_from(http, "192.0.2.7", &honest, invite)
        .await
        .ok(200);
    // From another address of the network, the account and others have all their guesses.
    let (here, other) = ("192.0.2.8", http.member("another", "password").await);
    for who in [&honest, &other] {
        prejoin_from(http, here, who, json!({"numberCode": wrong(&meeting.code)}))
            .await
            .problem(404, "NUMBER_CODE_NOT_JOINABLE");
        prejoin_from(http, here, who, right.clone()).await.ok(200);
    }
    // A member needs no code to return to its session.
    let token = http
        .request(Method::POST, &meeting.path("/token"))
        .bearer_auth(&honest.access);
    send(
        token
            .header("x-forwarded-for", "192.0.2.7")
            .json(&json!({})),
    )
    .await
    .ok(200);
    // While a member of the session is connected from the spent address, others there can join it
    // by code.
    let mut near = handshake(
        &meeting.websocket_url,
        meeting.format,
        &meeting.tokens[0],
        Credential::Header,
    );
    near.headers_mut()
        .insert("x-forwarded-for", HeaderValue::from_static("192.0.2.7"));
    let _host = Socket::open(near, meeting.format).await;
    prejoin_from(http, "192.0.2.7", &other, right).await.ok(200);
}

#[tokio::test]
async fn guests_from_the_address_of_a_removed_guest_must_knock() {
    let server = Server::start_with(&[("http.trusted_proxies", "127.0.0.1")]).await;
    let meeting = Meeting::created(server, Format::Json, json!({})).await;
    let (http, right) = (&meeting.http, json!({"numberCode": meeting.code}));
    let removed = http.guest("mallory").await;
    prejoin_from(http, "192.0.2.7", &removed, right.clone())
        .await
        .ok(200);
    http.delete(
        &meeting.path(&format!("/members/{}", removed.id)),
        meeting.access(0),
    )
    .await
    .ok(204);
    let again = http.guest("mallory too").await;
    assert_eq!(
        prejoin_from(http, "192.0.2.7", &again, right.clone())
            .await
            .ok(202)["status"],
        "WAITING"
    );
    let invite = http
        .post(&meeting.path("/invoke-link"), meeting.access(0), json!({}))
        .await
        .ok(200);
    let invite = json!({"inviteToken": invite["inviteToken"]});
    assert_eq!(
        prejoin_from(http, "192.0.2.7", &again, invite)
            .await
            .ok(202)["status"],
        "WAITING"
    );
    prejoin_from(
        http,
        "192.0.2.8",
        &http.guest("another guest").await,
        right.clone(),
    )
    .await
    .ok(200);
    // A new account needs approval like a guest, and a removed account does not return as a guest.
    let account = http.member("mallory_1", "correct horse").await;
    assert_eq!(
        prejoin_from(http, "192.0.2.7", &account, right.clone())
            .await
            .ok(202)["status"],
        "WAITING"
    );
    let other = http.member("mallory_2", "correct horse").await;
    prejoin_from(http, "192.0.2.9", &other, right.clone())
        .await
        .ok(200);
    http.delete(
        &meeting.path(&format!("/members/{}", other.id)),
        meeting.access(0),
    )
    .await
    .ok(204);
    let again_a_guest = http.guest("mallory").await;
    assert_eq!(
        prejoin_from(http, "192.0.2.9", &again_a_guest, right.clone())
            .await
            .ok(202)["status"],
        "WAITING"
    );

    let waits = http
        .get(&meeting.path("/knocks"), meeting.access(0))
        .await
        .ok(200);
    let deny = format!(
        "/knocks/{}/deny",
        waits["knocks"][0]["knockId"].as_str().expect("a knock")
    );
    http.post(&meeting.path(&deny), meeting.access(0), json!({}))
        .await
        .ok(204);
    prejoin_from(http, "192.0.2.7", &again, right.clone())
        .await
        .problem(404, "NUMBER_CODE_NOT_JOINABLE");
    prejoin_from(
        http,
        "192.0.2.7",
        &http.guest("mallory the third").await,
        right,
    )
    .await
    .ok(202);
}

#[tokio::test]
async fn people_who_try_a_full_session_still_get_into_the_next_one_and_hear_what_a_wrong_code_hears()
 {
    let settings = [
        ("http.trusted_proxies", "127.0.0.1"),
        ("number_code.guesses_per_address", "4"),
        ("number_code.refusal_time", "0ms"),
    ];
    let server = Server::start_with(&settings).await;
    let http = server.http();
    let host = http.guest("Ann").await;
    let code = async |body| {
        let created = http.create(&host, body).await;
        json!({"numberCode": created["numberCode"]["code"]})
    };
    let (full, open) = (code(json!({"maxMembers": 1})).await, code(json!({})).await);
    let wrong = json!({"numberCode": "999888"});
    let mut answers = Vec::new();
    for (address, tried) in [("192.0.2.7", &full), ("198.51.100.7", &wrong)] {
        let mut heard = Vec::new();
        for _ in 0..8 {
            let guest = http.guest("Ben").await;
            let answer = prejoin_from(&http, address, &guest, tried.clone()).await;
            let mut body: serde_json::Value = serde_json::from_str(&answer.text).expect("JSON");
            body.as_object_mut().expect("a problem").remove("requestId");
            heard.push((answer.status, body));
        }
        answers.push(heard);
    }
    assert_eq!(
        answers[0]
            .iter()
            .map(|(status, _)| *status)
            .collect::<Vec<_>>(),
        [404, 404, 404, 404, 429, 429, 429, 429]
    );
    assert_eq!(
        answers[0], answers[1],
        "full and wrong are answered alike, whatever came before"
    );
    prejoin_from(&http, "192.0.2.7", &http.guest("Ben").await, open.clone())
        .await
        .ok(200);
    prejoin_from(&http, "198.51.100.7", &http.guest("Ben").await, open)
        .await
        .problem(429, "RATE_LIMITED");
}

#[tokio::test]
async fn a_code_is_read_as_it_was_pasted_and_what_is_none_is_no_guess() {
    let server = Server::start_with(&[("number_code.guesses_per_address", "1")]).await;
    let meeting = Meeting::created(server, Format::Json, json!({})).await;
    let (head, tail) = meeting.code.split_at(3);
    let guest = meeting.http.guest("Ben").await;
    let wide: String = meeting
        .code
        .chars()
        .map(|digit| char::from_u32(u32::from(digit) + 0xfee0).expect("a wide digit"))
        .collect();
    for none in ["12345", "1234567890123", "48291a", "٤٨٢٩١٥", "482.915", ""] {
        meeting
            .http
            .prejoin(&guest, none)
            .await
            .problem(400, "INVALID_ARGUMENT");
    }
    for separator in [
        "\u{a0}", "\u{202f}", "\u{2011}", "\u{2009}", "–", "\u{ad}", "\u{200b}", "\n",
    ] {
        meeting
            .http
            .prejoin(&guest, &format!("{head}{separator}{tail}"))
            .await
            .ok(200);
    }
    for pasted in [
        wide,
        format!("{}\n", meeting.code),
        format!("\t{}\r\n", meeting.code),
    ] {
        meeting.http.prejoin(&guest, &pasted).await.ok(200);
        meeting
            .http
            .post(
                "/v1/face-sessions/search",
                &guest.access,
                json!({"numberCode": pasted}),
            )
            .await
            .ok(200);
    }
}

#[tokio::test]
async fn seats_without_a_connection_are_limited_for_each_address() {
    let server = Server::start_with(&[("limits.seats_per_address", "2")]).await;
    let meeting = Meeting::created(server, Format::Json, json!({})).await;
    for name in ["ann", "ben"] {
        meeting
            .http
            .prejoin(&meeting.http.guest(name).await, &meeting.code)
            .await
            .ok(200);
    }
    meeting
        .http
        .prejoin(&meeting.http.guest("cid").await, &meeting.code)
        .await
        .problem(422, "LIMIT_EXCEEDED");
}

#[tokio::test]
async fn when_too_much_is_guessed_unknown_guests_must_knock_and_host_and_operators_see_it() {
    let settings = [
        ("http.trusted_proxies", "127.0.0.1"),
        ("number_code.expected_hits_day", "0.001"),
        ("number_code.guesses_per_network", "100000"),
        ("number_code.refusal_time", "0ms"),
    ];
    let server = Server::start_with(&settings).await;
    let meeting = Meeting::created(server, Format::Json, json!({})).await;
    let (http, guest) = (&meeting.http, meeting.http.guest("mallory").await);
    let mut host = meeting.connect(0).await;
    // One session lives: each wrong guess is worth 1.25e-6, and 800 are worth a thousandth.
    for number in 0..800_u32 {
        let (from, body) = (
            format!("198.51.{}.{}", number / 2_560, number / 10 % 256),
            json!({"numberCode": wrong(&meeting.code)}),
        );
        prejoin_from(http, &from, &guest, body)
            .await
            .problem(404, "NUMBER_CODE_NOT_JOINABLE");
    }
    let waiting = prejoin_from(
        http,
        "192.0.2.7",
        &guest,
        json!({"numberCode": meeting.code}),
    )
    .await
    .ok(202);
    assert_eq!(waiting["status"], "WAITING");
    let told = host.until("sessionChange").await["sessionChange"]["faceSession"].take();
    assert_eq!(
        (&told["admissionForced"], &told["admission"]),
        (&json!(true), &json!("OPEN")),
        "{told}"
    );
    let seen = http.get(&meeting.path(""), meeting.access(0)).await.ok(200);
    assert_eq!(seen["faceSession"]["admissionForced"], true);
    let search = http
        .post(
            "/v1/face-sessions/search",
            &guest.access,
            json!({"numberCode": meeting.code}),
        )
        .await;
    search.problem(429, "RATE_LIMITED");
    let rotated = http
        .post(&meeting.path("/number-code"), meeting.access(0), json!({}))
        .await
        .ok(200);
    assert_eq!(
        rotated["numberCode"]["code"]
            .as_str()
            .expect("a code")
            .len(),
        7,
        "one digit more"
    );
    meeting
        .server
        .log()
        .text("number codes are being guessed")
        .await;
    let metrics = http.call(Method::GET, "/metrics", None, None).await;
    assert!(
        metrics
            .text
            .lines()
            .any(|line| line == "faceshare_admission_forced 1"),
        "{}",
        metrics.text
    );
}
