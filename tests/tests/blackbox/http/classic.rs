//! The calls of an older system.

use super::accounts::QUICK;
use faceshare_tests::http::{Answer, Http, send};
use faceshare_tests::picture::PNG;
use faceshare_tests::server::Server;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

const ON: (&str, &str) = ("classic.enabled", "true");

fn request(http: &Http, method: Method, name: &str, cookie: &str) -> RequestBuilder {
    let request = http.request(method, &format!("/api/entrytask/user/{name}"));
    if cookie.is_empty() {
        request
    } else {
        request.header("cookie", format!("theme=dark; sessionID={cookie}"))
    }
}

/// The code and the data of an answer, which is always 200.
fn outcome(answer: &Answer) -> (String, Value) {
    let body = answer.ok(200);
    let (code, message) = (
        body["errCode"].as_str().expect("a code"),
        body["errMsg"].as_str().expect("a message"),
    );
    let names = [
        "ServerError",
        "DataBaseError",
        "InvalidSessionError",
        "UserExistedError",
        "UserNotExistError",
        "PasswordError",
        "InvalidParamsError",
        "success",
    ];
    assert_eq!(
        message,
        names[code.parse::<usize>().expect("a digit")],
        "{answer:?}"
    );
    if code != "7" {
        assert_eq!(body["data"], "", "{answer:?}");
    }
    (code.to_owned(), body["data"].clone())
}

async fn code(request: RequestBuilder) -> String {
    outcome(&send(request).await).0
}

fn form(http: &Http, name: &str, cookie: &str, fields: &str) -> RequestBuilder {
    request(http, Method::POST, name, cookie)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(fields.to_owned())
}

fn by_json(http: &Http, name: &str, cookie: &str, body: &Value) -> RequestBuilder {
    request(http, Method::POST, name, cookie).json(body)
}

/// Signs in. Returns the cookie.
async fn sign_in(http: &Http, fields: &str) -> String {
    let answer = send(form(http, "signin", "", fields)).await;
    assert_eq!(outcome(&answer), ("7".to_owned(), json!("")));
    let set = answer.header("set-cookie");
    let (cookie, attributes) = set.split_once(';').expect("attributes");
    assert_eq!(
        attributes,
        " Path=/api/entrytask/; Max-Age=1800; HttpOnly; SameSite=Strict"
    );
    cookie
        .strip_prefix("sessionID=")
        .expect("the name")
        .to_owned()
}

fn upload(http: &Http, cookie: &str, field: &str, file: &[u8]) -> RequestBuilder {
    let mut body =
        b"--cut\r\ncontent-disposition: form-data; name=\"username\"\r\n\r\nben_1\r\n--cut\r\n"
            .to_vec();
    let head = format!(
        "content-disposition: form-data; name=\"{field}\"; filename=\"a.png\"\r\ncontent-type: image/png\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(file);
    body.extend_from_slice(b"\r\n--cut--\r\n");
    request(http, Method::POST, "update_profile_pic", cookie)
        .header("content-type", "multipart/form-data; boundary=cut")
        .body(body)
}

#[tokio::test]
async fn the_classic_api_is_off_by_default() {
    let server = Server::start_with(&QUICK).await;
    let http = server.http();
    send(form(&http, "signup", "", "username=ann_1&password=secret"))
        .await
        .problem(404, "NOT_FOUND");
    let document = http
        .call(Method::GET, "/openapi.json", None, None)
        .await
        .ok(200);
    assert!(
        !document.to_string().contains("entrytask"),
        "what is not there is not described"
    );
    let server = Server::start_with(&[ON]).await;
    let document = server
        .http()
        .call(Method::GET, "/openapi.json", None, None)
        .await
        .ok(200);
    for name in [
        "signup",
        "signin",
        "signout",
        "get_user_info",
        "update_profile_pic",
        "update_nickname",
    ] {
        assert!(
            document["paths"][format!("/api/entrytask/user/{name}")].is_object(),
            "{name}"
        );
    }
}

/// An idempotency key would keep the answer for the caller of the bearer token.
#[tokio::test]
async fn the_cookie_says_who_calls_whatever_else_comes_with_it() {
    let server = Server::start_with(&[QUICK[0], QUICK[1], ON]).await;
    let http = server.http();
    let guest = http.guest("Sam").await;
    for username in ["ann_1", "ben_1"] {
        let fields = format!("username={username}&password=secret");
        assert_eq!(code(form(&http, "signup", "", &fields)).await, "7");
        let cookie = sign_in(&http, &fields).await;
        let renamed = by_json(
            &http,
            "update_nickname",
            &cookie,
            &json!({"nickname": "Same"}),
        );
        assert_eq!(
            code(
                renamed
                    .bearer_auth(&guest.access)
                    .header("idempotency-key", "k-1")
            )
            .await,
            "7"
        );
        let (_, info) = outcome(&send(request(&http, Method::GET, "get_user_info", &cookie)).await);
        assert_eq!(
            (&info["username"], &info["nickname"]),
            (&json!(username), &json!("Same"))
        );
    }
}

#[tokio::test]
async fn all_six_classic_calls_work_by_form_and_by_json() {
    let server = Server::start_with(&[QUICK[0], QUICK[1], ON]).await;
    let http = server.http();
    assert_eq!(
        code(form(
            &http,
            "signup",
            "",
            "username=ann_1&password=s%26cr%C3%A9t"
        ))
        .await,
        "7"
    );
    assert_eq!(
        code(by_json(
            &http,
            "signup",
            "",
            &json!({"username": "ben_1", "password": "secret"})
        ))
        .await,
        "7"
    );
    assert_eq!(
        code(form(&http, "signup", "", "username=ANN_1&password=other")).await,
        "3"
    );

    let ann = sign_in(&http, "username=ann_1&password=s%26cr%C3%A9t").await;
    let answer = send(by_json(
        &http,
        "signin",
        "",
        &json!({"username": "ben_1", "password": "secret"}),
    ))
    .await;
    assert_eq!(outcome(&answer).0, "7");

    let info = async || outcome(&send(request(&http, Method::GET, "get_user_info", &ann)).await);
    assert_eq!(
        info().await,
        (
            "7".into(),
            json!({"username": "ann_1", "nickname": "ann_1", "profilePath": ""})
        )
    );
    for (sent, expected) in [
        (
            form(&http, "update_nickname", &ann, "nickname=%C3%84nne"),
            "Änne",
        ),
        (
            form(&http, "update_nickname", &ann, "nickname=12345678"),
            "12345678",
        ),
        (
            by_json(
                &http,
                "update_nickname",
                &ann,
                &json!({"nickname": "ÄÖÜ☎ÄÖÜ☎"}),
            ),
            "ÄÖÜ☎ÄÖÜ☎",
        ),
        (
            by_json(&http, "update_nickname", &ann, &json!({"nickname": "Ann"})),
            "Ann",
        ),
    ] {
        assert_eq!(outcome(&send(sent).await), ("7".into(), json!(expected)));
    }
    let (done, picture) = outcome(&send(upload(&http, &ann, "profilePic", &PNG)).await);
    assert_eq!(done, "7");
    let path = picture["profilePath"].as_str().expect("a path");
    assert_eq!(
        http.request(Method::GET, path)
            .send()
            .await
            .expect("an answer")
            .status(),
        200
    );
    assert_eq!(
        info().await,
        (
            "7".into(),
            json!({"username": "ann_1", "nickname": "Ann", "profilePath": path})
        ),
        "not ben's"
    );

    let out = send(request(&http, Method::GET, "signout", &ann)).await;
    assert_eq!(outcome(&out), ("7".into(), json!("")));
    assert!(
        out.header("set-cookie")
            .starts_with("sessionID=; Path=/api/entrytask/; Max-Age=0;"),
        "{out:?}"
    );
    assert_eq!(info().await.0, "2");
    http.sign_in("ann_1", "s&crét").await;
}

#[tokio::test]
async fn every_refusal_has_its_code() {
    let server = Server::start_with(&[QUICK[0], QUICK[1], ON]).await;
    let http = server.http();
    for fields in [
        "username=ann&password=secret",
        "username=ann_12345678901&password=secret",
        "username=ann_1&password=abc",
        "username=ann_1&password=abcdefghijklmn",
        "username=ann+1&password=secret",
        "username=ann_1",
        "",
    ] {
        assert_eq!(
            code(form(&http, "signup", "", fields)).await,
            "6",
            "{fields}"
        );
    }
    assert_eq!(
        code(by_json(
            &http,
            "signup",
            "",
            &json!({"username": 7, "password": "secret"})
        ))
        .await,
        "6"
    );
    assert_eq!(
        code(
            request(&http, Method::POST, "signup", "")
                .header("content-type", "text/plain")
                .body("x")
        )
        .await,
        "6"
    );
    assert_eq!(
        code(form(&http, "signup", "", "username=ann_1&password=secret")).await,
        "7"
    );

    for (fields, expected) in [
        ("username=ann_1&password=wrong", "5"),
        ("username=unknown&password=secret", "5"),
        ("username=ann_1&password=", "6"),
        ("username=ann_1", "6"),
    ] {
        assert_eq!(
            code(form(&http, "signin", "", fields)).await,
            expected,
            "{fields}"
        );
    }
    let ann = sign_in(&http, "username=ann_1&password=secret").await;
    for nickname in ["", "123456789", "ÄÖÜ☎ÄÖÜ☎Ä", "%E2%80%AE", "%E2%80%8B"] {
        assert_eq!(
            code(form(
                &http,
                "update_nickname",
                &ann,
                &format!("nickname={nickname}")
            ))
            .await,
            "6",
            "{nickname}"
        );
    }
    assert_eq!(code(upload(&http, &ann, "other", &PNG)).await, "6");
    assert_eq!(
        code(upload(&http, &ann, "profilePic", b"GIF89a")).await,
        "6"
    );
    assert_eq!(
        code(form(&http, "update_profile_pic", &ann, "profilePic=x")).await,
        "6"
    );

    let access = http.sign_in("ann_1", "secret").await.access;
    for cookie in ["", "rubbish", &access] {
        assert_eq!(
            code(request(&http, Method::GET, "get_user_info", cookie)).await,
            "2"
        );
        assert_eq!(
            code(request(&http, Method::GET, "signout", cookie)).await,
            "2"
        );
        assert_eq!(
            code(form(&http, "update_nickname", cookie, "nickname=x")).await,
            "2"
        );
        assert_eq!(code(upload(&http, cookie, "profilePic", &PNG)).await, "2");
    }
    http.get("/v1/accounts/me", &ann)
        .await
        .problem(401, "UNAUTHENTICATED");
}

#[tokio::test]
async fn accounts_of_either_side_sign_in_on_both() {
    let server = Server::start_with(&[QUICK[0], QUICK[1], ON]).await;
    let http = server.http();
    http.member("a-rather-long-username", "a rather long password")
        .await;
    let cookie = sign_in(
        &http,
        "username=a-rather-long-username&password=a+rather+long+password",
    )
    .await;
    assert_eq!(
        code(request(&http, Method::GET, "get_user_info", &cookie)).await,
        "7"
    );
    assert_eq!(
        code(form(&http, "signup", "", "username=ann_1&password=abcd")).await,
        "7"
    );
    http.sign_in("ann_1", "abcd").await;
}

#[tokio::test]
async fn a_page_of_another_site_can_do_nothing() {
    let server = Server::start_with(&[QUICK[0], QUICK[1], ON]).await;
    let http = server.http();
    assert_eq!(
        code(form(&http, "signup", "", "username=ann_1&password=secret")).await,
        "7"
    );
    let ann = sign_in(&http, "username=ann_1&password=secret").await;
    let own = server.url();
    for (header, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let calls = [
            form(&http, "update_nickname", &ann, "nickname=x"),
            form(&http, "signin", "", "username=ann_1&password=secret"),
            form(&http, "signup", "", "username=ben_1&password=secret"),
            upload(&http, &ann, "profilePic", &PNG),
            request(&http, Method::GET, "signout", &ann),
        ];
        for call in calls {
            assert_eq!(
                code(call.header(header, value)).await,
                "2",
                "{header}: {value}"
            );
        }
    }
    for (header, value) in [
        ("origin", own.as_str()),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-site", "none"),
    ] {
        assert_eq!(
            code(form(&http, "update_nickname", &ann, "nickname=x").header(header, value)).await,
            "7"
        );
    }
}

#[tokio::test]
async fn an_unknown_name_is_revealed_and_the_cookie_is_secure_where_configured() {
    let settings = [
        QUICK[0],
        QUICK[1],
        ON,
        ("classic.reveal_unknown_user", "true"),
        ("http.public_url", "https://face.example"),
    ];
    let server = Server::start_with(&settings).await;
    let http = server.http();
    assert_eq!(
        code(form(&http, "signup", "", "username=ann_1&password=secret")).await,
        "7"
    );
    assert_eq!(
        code(form(
            &http,
            "signin",
            "",
            "username=unknown&password=secret"
        ))
        .await,
        "4"
    );
    assert_eq!(
        code(form(&http, "signin", "", "username=ann_1&password=wrong")).await,
        "5"
    );
    let answer = send(form(&http, "signin", "", "username=ann_1&password=secret")).await;
    assert!(
        answer.header("set-cookie").ends_with("; Secure"),
        "{answer:?}"
    );
    let page = form(&http, "signin", "", "username=ann_1&password=secret")
        .header("origin", "https://face.example");
    assert_eq!(code(page).await, "7");
}
