//! The routes, and the middleware around them.

use crate::httpcontroller::classic::ClassicRules;
use crate::httpcontroller::ops::OpenApiDocument;
use crate::httpcontroller::{account, classic, docs, facesession, landing, ops as ops_controller};
use crate::middleware::cors::cors;
use crate::middleware::guard::{Guard, Limits};
use crate::middleware::idempotency::IdempotentCalls;
use crate::middleware::observe::Observer;
use crate::middleware::origins::AllowedOrigins;
use crate::middleware::precheck::Precheck;
use crate::middleware::rate::AddressLimits;
use crate::middleware::unread_body::DiscardUnread;
use crate::openapi;
use crate::state::{AppState, RouterState};
use axum::Router;
use axum::routing::{delete, get, post, put};
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceBuilder;
use tower::util::option_layer;

/// Settings of the middleware around every route.
#[derive(Clone)]
pub struct HttpPolicy {
    /// Origins whose pages may call the server.
    pub origins: AllowedOrigins,
    /// `limits.request_body`: bytes of a JSON body.
    pub request_body: usize,
    /// Rules of the classic API; `None`: it is not served.
    pub classic: Option<ClassicRules>,
    /// Bytes of a request's path and headers; below the listener's own limit.
    pub request_headers: usize,
    /// `limits.http_per_address`, `limits.guests_per_address` and `limits.accounts_per_address`.
    pub address_limits: AddressLimits,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// Bounds for discarding a body that no handler read.
    pub discard: DiscardUnread,
}

/// The router of the public listener. `stream` holds `GET /v1/instructions`; `observer` names and
/// records requests.
pub fn app(
    state: AppState,
    stream: Router,
    ops: ops_controller::Ops,
    policy: &HttpPolicy,
    observer: Observer,
) -> Router {
    let idempotent_calls = IdempotentCalls {
        accounts: state.accounts.clone(),
        idempotency: state.idempotency.clone(),
        account_limits: state.account_limits.clone(),
        request_body: policy.request_body,
    };
    let document = OpenApiDocument(if policy.classic.is_some() {
        openapi::json
    } else {
        openapi::json_without_classic
    });
    let router = Router::new()
        .merge(accounts())
        .merge(face_sessions())
        .merge(
            policy
                .classic
                .map(|rules| classic::routes(rules, &state))
                .unwrap_or_default(),
        )
        .with_state(RouterState(Arc::new(state)))
        .merge(stream)
        .merge(landing::routes())
        .merge(docs::routes())
        .merge(ops_controller::public_routes(ops, document));
    layered(router, policy, observer, Some(idempotent_calls))
}

/// The router of the operators' listener. Its clients are not rate-limited.
pub fn ops(ops: ops_controller::Ops, policy: &HttpPolicy, observer: Observer) -> Router {
    let policy = HttpPolicy {
        address_limits: AddressLimits::none(),
        ..policy.clone()
    };
    layered(ops_controller::private_routes(ops), &policy, observer, None)
}

fn accounts() -> Router<RouterState> {
    use account as c;
    Router::new()
        .route("/v1/guests", post(c::create_guest::create_guest))
        .route("/v1/accounts", post(c::sign_up::sign_up))
        .route("/v1/accounts/sign-in", post(c::sign_in::sign_in))
        .route("/v1/accounts/refresh", post(c::refresh::refresh_tokens))
        .route("/v1/accounts/sign-out", post(c::sign_out::sign_out))
        .route(
            "/v1/accounts/me",
            get(c::me::get_account)
                .patch(c::patch_me::patch_account)
                .delete(c::delete_me::delete_account),
        )
        .route(
            "/v1/accounts/me/password",
            post(c::change_password::change_password),
        )
        .route("/v1/accounts/me/avatar", put(c::put_avatar::put_avatar))
        .route("/v1/avatars/{key}", get(c::avatar::show_avatar))
}

fn face_sessions() -> Router<RouterState> {
    use facesession as c;
    Router::new()
        .route(
            "/v1/face-sessions",
            post(c::create::create_face_session).get(c::list::list_face_sessions),
        )
        .route(
            "/v1/face-sessions/search",
            post(c::search::search_face_session),
        )
        .route(
            "/v1/face-sessions/prejoin",
            post(c::prejoin::prejoin_face_session),
        )
        .route("/v1/face-sessions/wait", post(c::wait::wait_for_admission))
        .route(
            "/v1/face-sessions/wait/cancel",
            post(c::cancel_wait::cancel_wait),
        )
        .route("/v1/face-sessions/{id}/knocks", get(c::knocks::list_knocks))
        .route(
            "/v1/face-sessions/{id}/knocks/{knockId}/admit",
            post(c::admit_knock::admit_knock),
        )
        .route(
            "/v1/face-sessions/{id}/knocks/{knockId}/deny",
            post(c::deny_knock::deny_knock),
        )
        .route(
            "/v1/face-sessions/{id}",
            get(c::get::get_face_session).patch(c::patch::patch_face_session),
        )
        .route(
            "/v1/face-sessions/{id}/token",
            post(c::token::issue_session_token),
        )
        .route(
            "/v1/face-sessions/{id}/quit",
            post(c::quit::quit_face_session),
        )
        .route("/v1/face-sessions/{id}/end", post(c::end::end_face_session))
        .route(
            "/v1/face-sessions/{id}/members",
            get(c::members::list_members),
        )
        .route(
            "/v1/face-sessions/{id}/members/{memberId}",
            delete(c::remove_member::remove_member),
        )
        .route(
            "/v1/face-sessions/{id}/number-code",
            get(c::show_number_code::show_number_code)
                .post(c::rotate_number_code::rotate_number_code),
        )
        .route(
            "/v1/face-sessions/{id}/invoke-link",
            get(c::show_invite::show_invite)
                .post(c::make_invite::make_invite)
                .delete(c::revoke_invite::revoke_invite),
        )
}

/// The first layer is the outermost. All are put around a route at once: each call of `layer` costs
/// every request some allocations.
fn layered(
    router: Router,
    policy: &HttpPolicy,
    observer: Observer,
    idempotent_calls: Option<IdempotentCalls>,
) -> Router {
    let guard = Guard::new(Limits {
        addresses: policy.address_limits.clone(),
        headers: policy.request_headers,
        body: policy.request_body,
        timeout: policy.request_timeout,
        idempotent_calls,
    });
    let cors = option_layer(cors(&policy.origins));
    let precheck = Precheck::new(policy.origins.clone());
    router.layer(
        ServiceBuilder::new()
            .layer(policy.discard)
            .layer(observer)
            .layer(precheck)
            .layer(cors)
            .layer(guard),
    )
}

#[cfg(test)]
mod tests {
    use super::{AllowedOrigins, DiscardUnread, HttpPolicy, Observer, layered};
    use axum::Router;
    use axum::body::Body;
    use axum::response::Response;
    use axum::routing::{get, post};
    use faceshare_biz::Error;
    use faceshare_biz::domain::Timestamp;
    use faceshare_biz::domain::port::{Clock, IdGenerator};
    use http::{Request, StatusCode};
    use http_body_util::BodyExt;
    use serde_json::Value;
    use std::sync::Arc;
    use std::time::Duration;
    use tower::ServiceExt;

    struct Sevens;

    impl IdGenerator for Sevens {
        fn next_id(&self) -> u64 {
            777
        }
    }

    impl Clock for Sevens {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(784_111_777_000)
        }
    }

    fn app() -> Router {
        let router = Router::new()
            .route("/ok", get(async || "fine"))
            .route(
                "/json",
                post(async |_: crate::extract::ValidJson<Value>| ()),
            )
            .route(
                "/panic",
                get(async || -> () { panic!("secret in a panic") }),
            )
            .route("/slow", get(async || std::future::pending::<()>().await))
            .route(
                "/broken",
                get(async || -> Result<(), crate::e::HttpError> {
                    Err(Error::internal("secret SQL").into())
                }),
            );
        let policy = HttpPolicy {
            origins: AllowedOrigins::new(&["https://page.example".into()], None),
            request_body: 64,
            classic: None,
            request_headers: 1_024,
            address_limits: super::AddressLimits::none(),
            request_timeout: Duration::from_millis(50),
            discard: DiscardUnread {
                bytes: 1_024,
                timeout: Duration::from_millis(50),
            },
        };
        let observer = Observer::new(
            Arc::new(Sevens),
            network::TrustedProxies::default(),
            Arc::new(Sevens),
        );
        layered(router, &policy, observer, None)
    }

    async fn send(request: http::request::Builder) -> Response {
        app()
            .oneshot(
                request
                    .header("host", "localhost")
                    .body(Body::empty())
                    .expect("a request"),
            )
            .await
            .expect("infallible")
    }

    async fn send_body(path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Response {
        let mut request = Request::post(path).header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        app()
            .oneshot(request.body(body.into()).expect("a request"))
            .await
            .expect("infallible")
    }

    async fn problem(response: Response) -> Value {
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        let status = response.status();
        let id = response.headers()["x-request-id"].clone();
        let body = response
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes();
        let problem: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(problem["status"], status.as_u16());
        assert_eq!(problem["requestId"], id.to_str().expect("text"));
        assert!(!problem.to_string().contains("secret"), "{problem}");
        problem
    }

    #[tokio::test]
    async fn every_response_carries_a_request_id_and_guards() {
        let response = send(Request::get("/ok").header("x-request-id", "mine-1")).await;
        assert_eq!(response.headers()["x-request-id"], "mine-1");
        for (name, value) in [
            ("cache-control", "no-store"),
            (
                "content-security-policy",
                "default-src 'none'; frame-ancestors 'none'",
            ),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
        ] {
            for path in ["/ok", "/nowhere", "/panic", "/slow"] {
                assert_eq!(
                    send(Request::get(path)).await.headers()[name],
                    value,
                    "{path}"
                );
            }
        }
        assert!(
            !response.headers().contains_key("strict-transport-security"),
            "browsers ignore it in clear text"
        );
        assert_eq!(
            send(Request::get("/ok").header("x-request-id", "not ok"))
                .await
                .headers()["x-request-id"],
            "777"
        );
    }

    #[tokio::test]
    async fn an_unknown_path_is_a_problem() {
        assert_eq!(
            problem(send(Request::get("/nowhere")).await).await["code"],
            "NOT_FOUND"
        );
    }

    #[tokio::test]
    async fn an_unknown_method_is_a_problem_that_names_the_known_ones() {
        let response = send(Request::delete("/ok")).await;
        assert_eq!(response.headers()["allow"], "GET,HEAD");
        assert_eq!(problem(response).await["code"], "METHOD_NOT_ALLOWED");
    }

    #[tokio::test]
    async fn a_panic_is_answered_without_its_message() {
        assert_eq!(
            problem(send(Request::get("/panic")).await).await["code"],
            "INTERNAL"
        );
    }

    #[tokio::test]
    async fn an_internal_cause_is_not_shown() {
        assert_eq!(
            problem(send(Request::get("/broken")).await).await["code"],
            "INTERNAL"
        );
    }

    #[tokio::test]
    async fn a_handler_that_takes_too_long_is_answered_at_the_deadline() {
        assert_eq!(
            problem(send(Request::get("/slow")).await).await["code"],
            "REQUEST_TIMEOUT"
        );
    }

    #[tokio::test]
    async fn oversized_headers_and_bodies_are_refused() {
        let response = send(Request::get("/ok").header("x-long", "y".repeat(2_000))).await;
        assert_eq!(problem(response).await["code"], "HEADERS_TOO_LARGE");
        let response = send_body(
            "/json",
            &[("content-type", "application/json")],
            "1".repeat(65),
        )
        .await;
        assert_eq!(problem(response).await["code"], "PAYLOAD_TOO_LARGE");
    }

    #[tokio::test]
    async fn only_configured_origins_may_read_answers() {
        let allowed = send(Request::get("/ok").header("origin", "https://page.example")).await;
        assert_eq!(
            allowed.headers()["access-control-allow-origin"],
            "https://page.example"
        );
        let refused = send(Request::get("/ok").header("origin", "https://evil.example")).await;
        assert!(
            !refused
                .headers()
                .contains_key("access-control-allow-origin")
        );
        let preflight = |origin| {
            Request::options("/json")
                .header("origin", origin)
                .header("access-control-request-method", "POST")
        };
        assert_eq!(
            send(preflight("https://page.example:443")).await.status(),
            StatusCode::OK
        );
        let refused = send(preflight("https://evil.example")).await;
        assert!(
            !refused
                .headers()
                .contains_key("access-control-allow-origin")
        );
        let problem = problem(refused).await;
        assert_eq!(
            (&problem["code"], &problem["detail"]),
            (
                &"FORBIDDEN".into(),
                &"origin https://evil.example is not in http.cors_origins".into()
            )
        );
    }

    #[tokio::test]
    async fn an_options_request_that_is_no_preflight_is_refused_with_the_known_methods() {
        let page = ("origin", "https://page.example");
        let method = ("access-control-request-method", "POST");
        for headers in [&[][..], &[page], &[method]] {
            let mut request = Request::options("/ok");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let response = send(request).await;
            assert_eq!(response.headers()["allow"], "GET,HEAD", "{headers:?}");
            assert_eq!(problem(response).await["code"], "METHOD_NOT_ALLOWED");
        }
        let nowhere = send(Request::options("/nowhere")).await;
        assert_eq!(problem(nowhere).await["code"], "NOT_FOUND");
    }

    #[tokio::test]
    async fn a_request_without_one_good_host_is_refused() {
        let request = |hosts: &[&str]| {
            let mut request = Request::get("/ok");
            for host in hosts {
                request = request.header("host", *host);
            }
            app().oneshot(request.body(Body::empty()).expect("a request"))
        };
        for hosts in [&[][..], &["a.example", "a.example"], &["a b"]] {
            let refused = problem(request(hosts).await.expect("infallible")).await;
            assert_eq!(
                (&refused["code"], &refused["errors"][0]["path"]),
                (&"INVALID_ARGUMENT".into(), &"Host".into()),
                "{hosts:?}"
            );
        }
    }

    #[tokio::test]
    async fn every_answer_has_the_date_of_the_clock() {
        for path in ["/ok", "/nowhere", "/panic"] {
            assert_eq!(
                send(Request::get(path)).await.headers()["date"],
                "Sun, 06 Nov 1994 08:49:37 GMT",
                "{path}"
            );
        }
    }

    #[tokio::test]
    async fn a_compressed_body_is_refused_whatever_it_holds() {
        for coding in ["gzip", "br", "identity, gzip", "x-unknown"] {
            let response = send_body(
                "/json",
                &[
                    ("content-type", "application/json"),
                    ("content-encoding", coding),
                ],
                "{}",
            )
            .await;
            assert_eq!(response.headers()["accept-encoding"], "identity");
            assert_eq!(
                problem(response).await["code"],
                "UNSUPPORTED_MEDIA_TYPE",
                "{coding}"
            );
        }
        for (coding, body) in [("identity", "{}"), ("", "{}")] {
            let response = send_body(
                "/json",
                &[
                    ("content-type", "application/json"),
                    ("content-encoding", coding),
                ],
                body,
            )
            .await;
            assert_eq!(response.status(), StatusCode::OK, "{coding}");
        }
        assert_eq!(
            send(Request::get("/ok").header("content-encoding", "gzip"))
                .await
                .status(),
            StatusCode::OK,
            "it has no body"
        );
        assert_eq!(
            send_body("/nowhere", &[("content-encoding", "gzip")], "{}")
                .await
                .status(),
            StatusCode::NOT_FOUND
        );
    }
}
