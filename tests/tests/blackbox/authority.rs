//! Checks each call of the table of `docs/authority.md` with each kind of caller.

use faceshare_tests::http::{Answer, Guest, Http, send};
use faceshare_tests::picture::PNG;
use faceshare_tests::programs::workspace;
use faceshare_tests::server::Server;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The columns, in an order in which no caller's success breaks the call of the next one. The host,
/// who may end the session, comes last.
const CALLERS: [&str; 8] = [
    "none",
    "expired",
    "other token",
    "removed",
    "guest",
    "account",
    "member",
    "host",
];

/// The heading of the second table.
const CLASSIC: &str = "## The classic API";

/// Of every account.
const PASSWORD: &str = "correct horse";

/// One line of the table.
struct Row {
    method: Method,
    path: String,
    /// The expected result for each caller, in the order of the table's columns.
    answers: Vec<(String, String)>,
}

/// The first table of the page: the calls with a bearer token.
fn table() -> Vec<Row> {
    rows(page().split(CLASSIC).next().expect("a part"))
}

/// The second table: the calls with a cookie.
fn classic_table() -> Vec<Row> {
    rows(page().split(CLASSIC).nth(1).expect("a part"))
}

fn page() -> String {
    std::fs::read_to_string(workspace().join("docs/authority.md")).expect("the page")
}

fn rows(page: &str) -> Vec<Row> {
    let cells = |line: &str| {
        line.trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect::<Vec<_>>()
    };
    let mut lines = page.lines().filter(|line| line.starts_with('|')).map(cells);
    let columns = lines.next().expect("a heading");
    let rows = lines.filter(|cells| cells[0].starts_with('`'));
    rows.map(|cells| {
        let call = cells[0].split('`').nth(1).expect("a call");
        let (method, path) = call.split_once(' ').expect("a method and a path");
        Row {
            method: method.parse().expect("a method"),
            path: path.to_owned(),
            answers: columns
                .iter()
                .cloned()
                .zip(cells.iter().cloned())
                .skip(1)
                .collect(),
        }
    })
    .collect()
}

/// A session with one caller of each kind.
struct Scene {
    http: Http,
    id: String,
    code: String,
    host: Guest,
    member: Guest,
    removed: Guest,
    guest: Guest,
    account: Guest,
    /// A member that is not the host.
    other: Guest,
    stream_token: String,
    /// A caller that waits for admission.
    knock: String,
    /// The wait token of the guest, which was denied at another session.
    wait_token: Value,
}

impl Scene {
    async fn new(http: &Http) -> Self {
        let [host, member, removed, guest, account, other] = [
            http.guest("host").await,
            http.guest("member").await,
            http.guest("removed").await,
            http.guest("guest").await,
            http.member(
                &format!("account_{}", http.guest("namesake").await.id),
                PASSWORD,
            )
            .await,
            http.guest("other").await,
        ];
        let created = http.create(&host, json!({})).await;
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let (id, code) = (
            text(&created["faceSession"]["id"]),
            text(&created["numberCode"]["code"]),
        );
        for who in [&member, &removed, &other] {
            http.prejoin(who, &code).await.ok(200);
        }
        http.delete(
            &format!("/v1/face-sessions/{id}/members/{}", removed.id),
            &host.access,
        )
        .await
        .ok(204);
        let link = http
            .post(
                &format!("/v1/face-sessions/{id}/invoke-link"),
                &host.access,
                json!({"approval": true}),
            )
            .await
            .ok(200);
        let knocker = http.guest("knocker").await;
        http.post(
            "/v1/face-sessions/prejoin",
            &knocker.access,
            json!({"inviteToken": link["inviteToken"]}),
        )
        .await
        .ok(202);
        let knock = the_knock(http, &id, &host).await;
        let wait_token = denied(http, &host, &guest).await;
        let stream_token = text(&created["sessionToken"]);
        Self {
            http: http.clone(),
            id,
            code,
            host,
            member,
            removed,
            guest,
            account,
            other,
            stream_token,
            knock,
            wait_token,
        }
    }

    fn token(&self, caller: &str, expired: &str) -> Option<String> {
        let who = match caller {
            "none" => return None,
            "expired" => return Some(expired.to_owned()),
            "other token" => return Some(self.stream_token.clone()),
            "removed" => &self.removed,
            "guest" => &self.guest,
            "account" => &self.account,
            "member" => &self.member,
            "host" => &self.host,
            _ => panic!("unknown caller {caller}"),
        };
        Some(who.access.clone())
    }

    /// Path and body of a valid call, the same for all callers.
    async fn body(&self, row: &Row) -> Option<Value> {
        let by_code = json!({"numberCode": self.code});
        match (row.method.as_str(), row.path.as_str()) {
            ("POST", "/v1/guests") => Some(json!({"nickname": "new"})),
            ("POST", "/v1/accounts") => Some(
                json!({"username": format!("new_{}", self.http.guest("namesake").await.id), "password": PASSWORD}),
            ),
            ("POST", "/v1/accounts/sign-in") => {
                Some(json!({"username": self.account.nickname, "password": PASSWORD}))
            }
            ("POST", "/v1/accounts/me/password") => {
                Some(json!({"oldPassword": PASSWORD, "newPassword": PASSWORD}))
            }
            ("PATCH", "/v1/accounts/me") => Some(json!({"nickname": "other"})),
            ("POST", "/v1/accounts/refresh") => {
                Some(json!({"refreshToken": self.http.guest("refreshing").await.refresh}))
            }
            ("POST", "/v1/face-sessions/search" | "/v1/face-sessions/prejoin") => Some(by_code),
            ("POST", "/v1/face-sessions/wait" | "/v1/face-sessions/wait/cancel") => {
                Some(json!({"waitToken": self.wait_token}))
            }
            ("PATCH", "/v1/face-sessions/{id}") => Some(json!({"title": "New"})),
            _ => None,
        }
    }

    async fn picture(&self, token: Option<&str>) -> Answer {
        let request = self
            .http
            .request(Method::PUT, "/v1/accounts/me/avatar")
            .header("content-type", "image/png")
            .body(PNG.to_vec());
        send(if let Some(token) = token {
            request.bearer_auth(token)
        } else {
            request
        })
        .await
    }

    async fn call(&self, row: &Row, caller: &str, expired: &str) -> Answer {
        if row.path == "/v1/accounts/me/avatar" {
            return self.picture(self.token(caller, expired).as_deref()).await;
        }
        if row.path == "/v1/avatars/{key}" {
            let shown = self.picture(Some(&self.other.access)).await.ok(200);
            let path = shown["account"]["avatarUrl"]
                .as_str()
                .expect("a path")
                .to_owned();
            let mut request = self.http.request(Method::HEAD, &path);
            if let Some(token) = self.token(caller, expired) {
                request = request.bearer_auth(token);
            }
            return send(request).await;
        }
        let path = row
            .path
            .replace("{id}", &self.id)
            .replace("{memberId}", &self.other.id)
            .replace("{knockId}", &self.knock);
        let token = self.token(caller, expired);
        self.http
            .call(
                row.method.clone(),
                &path,
                token.as_deref(),
                self.body(row).await.as_ref(),
            )
            .await
    }
}

async fn the_knock(http: &Http, session: &str, host: &Guest) -> String {
    let knocks = http
        .get(&format!("/v1/face-sessions/{session}/knocks"), &host.access)
        .await
        .ok(200);
    knocks["knocks"][0]["knockId"]
        .as_str()
        .expect("a knock")
        .to_owned()
}

/// The wait token of a caller that knocked and was denied.
async fn denied(http: &Http, host: &Guest, guest: &Guest) -> Value {
    let created = http.create(host, json!({"admission": "APPROVAL"})).await;
    let (id, code) = (
        created["faceSession"]["id"].as_str().expect("an id"),
        created["numberCode"]["code"].as_str().expect("a code"),
    );
    let waiting = http.prejoin(guest, code).await.ok(202);
    let knock = the_knock(http, id, host).await;
    http.post(
        &format!("/v1/face-sessions/{id}/knocks/{knock}/deny"),
        &host.access,
        json!({}),
    )
    .await
    .ok(204);
    waiting["waitToken"].clone()
}

fn outcome(answer: &Answer) -> String {
    if answer.status < 300 {
        return "yes".to_owned();
    }
    answer.json()["code"]
        .as_str()
        .unwrap_or_else(|| panic!("no code in {answer:?}"))
        .to_owned()
}

/// An expired access token, from a server with short token lifetimes and the same keys.
async fn expired_token() -> (Server, String) {
    let mut server = Server::start_with(&[
        ("auth.access_ttl", "1s"),
        ("argon2.test_parameters", "true"),
        ("benchmark.enabled", "true"),
    ])
    .await;
    let token = server.http().guest("late").await.access;
    server.kill().await;
    server.set("auth.access_ttl", "15m");
    server.restart().await;
    (server, token)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_caller_gets_what_the_table_says() {
    let (server, expired) = expired_token().await;
    let http = server.http();
    // Wait until the token has expired: the first call may come earlier.
    while http.get("/v1/accounts/me", &expired).await.status == 200 {}
    let mut wrong = Vec::new();
    for row in table() {
        let scene = Scene::new(&http).await;
        for caller in CALLERS {
            let (_, expected) = row
                .answers
                .iter()
                .find(|(name, _)| name == caller)
                .unwrap_or_else(|| panic!("no column {caller}"));
            let answer = scene.call(&row, caller, &expired).await;
            let got = outcome(&answer);
            if &got != expected {
                wrong.push(format!(
                    "{} {} as {caller}: {got}, not {expected}",
                    row.method, row.path
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_is_in_the_table() {
    let server = Server::start_with(&[("classic.enabled", "true")]).await;
    let document = server
        .http()
        .call(Method::GET, "/openapi.json", None, None)
        .await
        .ok(200);
    let paths = document["paths"].as_object().expect("paths");
    let calls = paths.iter().flat_map(|(path, item)| {
        let methods = item
            .as_object()
            .expect("methods")
            .keys()
            .filter(|key| ["get", "put", "post", "patch", "delete"].contains(&key.as_str()));
        methods.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    let listed = table()
        .iter()
        .chain(&classic_table())
        .map(|row| format!("{} {}", row.method, row.path))
        .collect::<BTreeSet<_>>();
    assert_eq!(listed, calls.collect());
}

/// Signs up and in by the classic calls. Returns the name and the cookie.
async fn cookie(http: &Http) -> (String, String) {
    let id = http.guest("namesake").await.id;
    let name = format!("c{}", &id[id.len() - 12..]);
    let who = json!({"username": name, "password": "secret"});
    let ask = |call: &str| {
        send(
            http.request(Method::POST, &format!("/api/entrytask/user/{call}"))
                .json(&who),
        )
    };
    assert_eq!(ask("signup").await.ok(200)["errCode"], "7");
    let answer = ask("signin").await;
    assert_eq!(answer.ok(200)["errCode"], "7");
    let cookie = answer
        .header("set-cookie")
        .split(';')
        .next()
        .expect("a cookie")
        .to_owned();
    (name, cookie)
}

/// Makes a valid call as the given caller. Returns the name of the code in the answer.
async fn classic(
    http: &Http,
    row: &Row,
    name: &str,
    cookie: Option<&str>,
    foreign: bool,
) -> String {
    let mut request = http.request(row.method.clone(), &row.path);
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie);
    }
    if foreign {
        request = request.header("sec-fetch-site", "cross-site");
    }
    let request = match row.path.rsplit('/').next().expect("a name") {
        "signup" => {
            let id = http.guest("namesake").await.id;
            request.json(&json!({"username": &id[id.len() - 12..], "password": "secret"}))
        }
        "signin" => request.json(&json!({"username": name, "password": "secret"})),
        "update_nickname" => request.json(&json!({"nickname": "other"})),
        "update_profile_pic" => {
            let head = b"--cut\r\ncontent-disposition: form-data; name=\"profilePic\"; filename=\"a.png\"\r\n\r\n";
            let body = [head.as_slice(), &PNG, b"\r\n--cut--\r\n"].concat();
            request
                .header("content-type", "multipart/form-data; boundary=cut")
                .body(body)
        }
        _ => request,
    };
    let said = send(request).await.ok(200)["errMsg"]
        .as_str()
        .expect("a code")
        .to_owned();
    if said == "success" {
        "yes".to_owned()
    } else {
        said
    }
}

#[tokio::test]
async fn every_cookie_gets_what_the_classic_table_says() {
    let settings = [
        ("classic.enabled", "true"),
        ("argon2.test_parameters", "true"),
        ("benchmark.enabled", "true"),
    ];
    let server = Server::start_with(&settings).await;
    let http = server.http();
    let guest = http.guest("guest").await;
    let stream_token = http.create(&guest, json!({})).await["sessionToken"]
        .as_str()
        .expect("a token")
        .to_owned();
    let others = [&guest.access, &stream_token].map(|token| format!("sessionID={token}"));
    let (_, over) = cookie(&http).await;
    assert_eq!(
        send(
            http.request(Method::GET, "/api/entrytask/user/signout")
                .header("cookie", &over)
        )
        .await
        .ok(200)["errCode"],
        "7"
    );
    let mut wrong = Vec::new();
    for row in classic_table() {
        for (caller, expected) in &row.answers {
            let (name, own) = cookie(&http).await;
            let cookies: Vec<Option<&str>> = match caller.as_str() {
                "none" => vec![None],
                "signed out" => vec![Some(&over)],
                "other token" => others.iter().map(|other| Some(other.as_str())).collect(),
                "account" | "other site" => vec![Some(&own)],
                _ => panic!("unknown caller {caller}"),
            };
            for cookie in cookies {
                let got = classic(&http, &row, &name, cookie, caller == "other site").await;
                if &got != expected {
                    wrong.push(format!(
                        "{} {} as {caller}: {got}, not {expected}",
                        row.method, row.path
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
