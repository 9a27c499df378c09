//! A client of the HTTP API that checks every response.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::DEADLINE;
use crate::shape::assert_times_and_ids;

/// A caller of one server.
#[derive(Clone, Debug)]
pub struct Http {
    base: String,
    client: Client,
}

/// A guest or an account with its tokens.
#[derive(Clone, Debug)]
pub struct Guest {
    /// The account's id, which is the member's too.
    pub id: String,
    /// What others see.
    pub nickname: String,
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
}

/// A response to a call.
#[derive(Debug)]
pub struct Answer {
    /// The method and path, for messages.
    pub call: String,
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub text: String,
}

impl Http {
    /// A caller of the server at `base` (`http://host:port`).
    ///
    /// # Panics
    /// When the TLS provider is missing.
    #[must_use]
    pub fn new(base: &str) -> Self {
        // Another test of this process may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self::with(
            base,
            Client::builder()
                .no_proxy()
                .timeout(DEADLINE)
                .build()
                .expect("a client"),
        )
    }

    /// A caller with the given client.
    #[must_use]
    pub fn with(base: &str, client: Client) -> Self {
        Self {
            base: base.to_owned(),
            client,
        }
    }

    /// A request without a body, which the test completes.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// One call. It checks the request id, the times and the ids of every response.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Answer {
        let mut request = self.request(method, path);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        send(request).await
    }

    /// `GET`.
    pub async fn get(&self, path: &str, token: &str) -> Answer {
        self.call(Method::GET, path, Some(token), None).await
    }

    /// `POST` of a JSON body.
    pub async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(token), Some(&body))
            .await
    }

    /// `PATCH` of a JSON body.
    pub async fn patch(&self, path: &str, token: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, Some(token), Some(&body))
            .await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str, token: &str) -> Answer {
        self.call(Method::DELETE, path, Some(token), None).await
    }

    /// A new guest.
    pub async fn guest(&self, nickname: &str) -> Guest {
        let answer = self
            .call(
                Method::POST,
                "/v1/guests",
                None,
                Some(&json!({"nickname": nickname})),
            )
            .await
            .ok(201);
        signed_in(&answer)
    }

    /// A new account, signed in.
    pub async fn member(&self, username: &str, password: &str) -> Guest {
        let body = json!({"username": username, "password": password});
        self.call(Method::POST, "/v1/accounts", None, Some(&body))
            .await
            .ok(201);
        self.sign_in(username, password).await
    }

    /// Signs in.
    pub async fn sign_in(&self, username: &str, password: &str) -> Guest {
        let body = json!({"username": username, "password": password});
        let answer = self
            .call(Method::POST, "/v1/accounts/sign-in", None, Some(&body))
            .await
            .ok(200);
        signed_in(&answer)
    }

    /// `POST /v1/face-sessions`: the whole answer.
    pub async fn create(&self, host: &Guest, body: Value) -> Value {
        self.post("/v1/face-sessions", &host.access, body)
            .await
            .ok(201)
    }

    /// `POST /v1/face-sessions/prejoin` by number code, as it comes.
    pub async fn prejoin(&self, guest: &Guest, code: &str) -> Answer {
        let body = json!({"numberCode": code, "device": {"name": format!("{}'s laptop", guest.nickname), "kind": "laptop"}});
        self.post("/v1/face-sessions/prejoin", &guest.access, body)
            .await
    }
}

fn signed_in(answer: &Value) -> Guest {
    let text = |value: &Value| {
        value
            .as_str()
            .unwrap_or_else(|| panic!("no text in {answer}"))
            .to_owned()
    };
    Guest {
        id: text(&answer["account"]["id"]),
        nickname: text(&answer["account"]["nickname"]),
        access: text(&answer["accessToken"]),
        refresh: text(&answer["refreshToken"]),
    }
}

/// Sends a request and checks its response.
///
/// # Panics
/// When there is no answer, or it breaks a rule that holds for all.
pub async fn send(request: RequestBuilder) -> Answer {
    let (client, request) = request.build_split();
    let request = request.expect("a request");
    let call = format!("{} {}", request.method(), request.url().path());
    let response = client
        .execute(request)
        .await
        .unwrap_or_else(|error| panic!("{call}: {error}"));
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response
        .text()
        .await
        .unwrap_or_else(|error| panic!("{call}: {error}"));
    let answer = Answer {
        call,
        status,
        headers,
        text,
    };
    assert!(!answer.header("x-request-id").is_empty(), "{answer:?}");
    if answer.header("content-type").contains("json") && !answer.call.ends_with("/openapi.json") {
        assert_times_and_ids(&answer.json());
    }
    answer
}

impl Answer {
    /// One header; empty when there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let name = HeaderName::try_from(name).expect("a header's name");
        self.headers
            .get(name)
            .map(HeaderValue::to_str)
            .and_then(Result::ok)
            .unwrap_or_default()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The body of a success of this status (`null` without one).
    ///
    /// # Panics
    /// When it is no such success.
    pub fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        if self.text.is_empty() {
            Value::Null
        } else {
            self.json()
        }
    }

    /// The problem document of a failure of this status and code.
    ///
    /// # Panics
    /// When it is no such failure, or the document lacks something.
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert!(
            self.header("content-type")
                .starts_with("application/problem+json"),
            "{self:?}"
        );
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(
            problem["requestId"],
            self.header("x-request-id"),
            "{problem}"
        );
        for name in ["type", "title", "detail"] {
            assert!(
                problem[name].as_str().is_some_and(|text| !text.is_empty()),
                "no {name} in {problem}"
            );
        }
        problem
    }

    /// An `INVALID_ARGUMENT` that names exactly this field.
    ///
    /// # Panics
    /// When it is none.
    pub fn invalid(&self, path: &str) {
        let problem = self.problem(400, "INVALID_ARGUMENT");
        let errors = problem["errors"]
            .as_array()
            .unwrap_or_else(|| panic!("no errors in {problem}"));
        assert!(
            errors.iter().any(|error| error["path"] == path),
            "{path} is not named in {problem} ({})",
            self.call
        );
        assert!(
            errors.iter().all(|error| error["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty())),
            "{problem}"
        );
    }
}
