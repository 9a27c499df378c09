//! Guests and their tokens.

use faceshare_tests::http::{Answer, Http};
use faceshare_tests::server::Server;
use faceshare_tests::shape::is_id;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Duration, interval, timeout};

async fn refresh(http: &Http, token: &Value) -> Answer {
    http.call(
        Method::POST,
        "/v1/accounts/refresh",
        None,
        Some(&json!({"refreshToken": token})),
    )
    .await
}

#[tokio::test]
async fn a_guest_gets_tokens_and_an_account() {
    let server = Server::start().await;
    let body = json!({"nickname": "  Cafe\u{301} ", "later": {"unknown": true}});
    let guest = server
        .http()
        .call(Method::POST, "/v1/guests", None, Some(&body))
        .await
        .ok(201);
    for name in [
        "accessToken",
        "refreshToken",
        "expiresAt",
        "refreshExpiresAt",
    ] {
        assert!(guest[name].is_string(), "{name} in {guest}");
    }
    let seconds = guest["expiresIn"].as_u64().expect("expiresIn");
    assert!((890..=900).contains(&seconds), "15 min, not {seconds} s");
    assert!(
        guest["accessToken"]
            .as_str()
            .expect("a token")
            .starts_with("v4.local.")
    );
    assert!(is_id(guest["account"]["id"].as_str().expect("an id")));
    assert_eq!(guest["account"]["nickname"], "Café", "trimmed and composed");
    assert_eq!(guest["account"]["guest"], true);
    assert!(guest["account"]["createdAt"].is_string());
}

#[tokio::test]
async fn a_nickname_has_1_to_32_characters() {
    let server = Server::start().await;
    let http = server.http();
    let guest = |nickname: Value| {
        let http = http.clone();
        async move {
            http.call(
                Method::POST,
                "/v1/guests",
                None,
                Some(&json!({"nickname": nickname})),
            )
            .await
        }
    };
    guest(json!("é".repeat(32))).await.ok(201);
    for bad in [
        json!("é".repeat(33)),
        json!(""),
        json!("   "),
        json!(7),
        json!(null),
    ] {
        guest(bad).await.invalid("nickname");
    }
    http.call(Method::POST, "/v1/guests", None, Some(&json!({})))
        .await
        .invalid("nickname");
}

#[tokio::test]
async fn guests_can_be_switched_off() {
    let server = Server::start_with(&[("auth.guests", "false")]).await;
    let answer = server
        .http()
        .call(
            Method::POST,
            "/v1/guests",
            None,
            Some(&json!({"nickname": "ann"})),
        )
        .await;
    assert!(matches!(answer.status, 403 | 404), "{answer:?}");
}

#[tokio::test]
async fn refresh_gives_a_new_pair_and_the_same_one_to_a_repeat() {
    let server = Server::start().await;
    let http = server.http();
    let guest = http.guest("ann").await;
    let first = refresh(&http, &json!(guest.refresh)).await.ok(200);
    assert_ne!(first["refreshToken"], json!(guest.refresh));
    assert!(
        first["expiresIn"].is_u64() && first["refreshExpiresAt"].is_string(),
        "{first}"
    );
    let repeat = refresh(&http, &json!(guest.refresh)).await.ok(200);
    assert_eq!(
        repeat["refreshToken"], first["refreshToken"],
        "a lost answer is given again"
    );
    assert_eq!(repeat["accessToken"], first["accessToken"]);
    http.get(
        "/v1/face-sessions",
        first["accessToken"].as_str().expect("a token"),
    )
    .await
    .ok(200);
}

#[tokio::test]
async fn reuse_of_an_older_refresh_token_revokes_its_family() {
    let server = Server::start().await;
    let http = server.http();
    let guest = http.guest("ann").await;
    let bystander = http.guest("ben").await;
    let first = refresh(&http, &json!(guest.refresh)).await.ok(200);
    let second = refresh(&http, &first["refreshToken"]).await.ok(200);
    refresh(&http, &json!(guest.refresh))
        .await
        .problem(401, "UNAUTHENTICATED");
    refresh(&http, &second["refreshToken"])
        .await
        .problem(401, "UNAUTHENTICATED");
    refresh(&http, &json!(bystander.refresh)).await.ok(200);
}

#[tokio::test]
async fn no_kind_of_token_stands_in_for_another() {
    let server = Server::start().await;
    let http = server.http();
    let guest = http.guest("ann").await;
    let session = http.create(&guest, json!({})).await;
    let session_token = session["sessionToken"].as_str().expect("a token");
    let forged = format!("{}AAAA", &guest.access[..guest.access.len() - 4]);
    for wrong in [
        session_token,
        &guest.refresh,
        "nonsense",
        "v4.local.AAAA",
        &forged,
        "",
    ] {
        http.get("/v1/face-sessions", wrong)
            .await
            .problem(401, "UNAUTHENTICATED");
    }
    http.call(Method::GET, "/v1/face-sessions", None, None)
        .await
        .problem(401, "UNAUTHENTICATED");
    for wrong in [session_token, &guest.access, "nonsense"] {
        refresh(&http, &json!(wrong))
            .await
            .problem(401, "UNAUTHENTICATED");
    }
    http.call(Method::POST, "/v1/accounts/refresh", None, Some(&json!({})))
        .await
        .invalid("refreshToken");
}

#[tokio::test]
async fn an_expired_access_token_says_so_and_can_be_refreshed() {
    let server = Server::start_with(&[("auth.access_ttl", "1s")]).await;
    let http = server.http();
    let guest = http.guest("ann").await;
    let mut ticks = interval(Duration::from_millis(50));
    let expired = timeout(faceshare_tests::DEADLINE, async {
        loop {
            ticks.tick().await;
            let answer = http.get("/v1/face-sessions", &guest.access).await;
            if answer.status != 200 {
                break answer;
            }
        }
    });
    expired
        .await
        .expect("it expires")
        .problem(401, "TOKEN_EXPIRED");
    let fresh = refresh(&http, &json!(guest.refresh)).await.ok(200);
    http.get(
        "/v1/face-sessions",
        fresh["accessToken"].as_str().expect("a token"),
    )
    .await
    .ok(200);
}

#[tokio::test]
async fn every_name_must_have_a_visible_character() {
    let server = Server::start().await;
    let http = server.http();
    let ann = http.guest("Ann").await;
    let unseen = "\u{200b}\u{200c}\u{2060}\u{feff}\u{3164}\u{115f}\u{ffa0}\u{ad}\u{fe0f}\u{34f}\u{2800}\u{e0041}";
    for name in unseen
        .chars()
        .map(String::from)
        .chain([unseen.to_owned(), " \u{200b} ".to_owned()])
    {
        let refused = async |method: Method, path: &str, body: Value, field: &str| {
            let problem = http
                .call(method, path, Some(&ann.access), Some(&body))
                .await
                .problem(400, "INVALID_ARGUMENT");
            assert_eq!(problem["errors"][0]["path"], field, "{name:?}: {problem}");
        };
        refused(
            Method::POST,
            "/v1/guests",
            json!({"nickname": name}),
            "nickname",
        )
        .await;
        refused(
            Method::PATCH,
            "/v1/accounts/me",
            json!({"nickname": name}),
            "nickname",
        )
        .await;
        refused(
            Method::POST,
            "/v1/face-sessions",
            json!({"title": name}),
            "title",
        )
        .await;
        let device = json!({"numberCode": "482915", "device": {"name": name}});
        refused(
            Method::POST,
            "/v1/face-sessions/prejoin",
            device,
            "device.name",
        )
        .await;
    }
    for name in [
        "👩\u{200d}👩\u{200d}👧",
        "می\u{200c}خواهم",
        "❤\u{fe0f}",
        "한글",
    ] {
        assert_eq!(http.guest(name).await.nickname, name);
    }
}
