//! Which paths there are, and what every request goes through on its way to them.

use crate::httpcontroller::{account, facesession, landing, ops as ops_controller};
use crate::links::Links;
use crate::middleware::headers::HeaderLimit;
use crate::middleware::observe::Observer;
use crate::middleware::rate::AddressLimits;
use crate::middleware::{cors, deadline, headers, observe, panic_response, rate};
use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{delete, get, post};
use faceshare_biz::domain::port::Clock;
use faceshare_logic::account::Accounts;
use faceshare_logic::facesession::FaceSessions;
use std::sync::Arc;
use std::time::Duration;
use tower_http::catch_panic::CatchPanicLayer;

/// What handlers may ask for; each takes only what it needs.
#[derive(Clone, FromRef)]
pub struct AppState {
    /// People.
    pub accounts: Arc<Accounts>,
    /// Face sessions.
    pub face_sessions: Arc<FaceSessions>,
    /// The time, for `expiresIn`.
    pub clock: Arc<dyn Clock>,
    /// How links are made.
    pub links: Arc<Links>,
}

/// What holds for every request.
#[derive(Clone)]
pub struct HttpPolicy {
    /// `http.cors_origins`.
    pub cors_origins: Vec<String>,
    /// `limits.request_body`: bytes of a JSON body.
    pub request_body: usize,
    /// Bytes of a request's path and headers; below the listener's own limit.
    pub request_headers: usize,
    /// `limits.http_per_address` and `limits.guests_per_address`.
    pub address_limits: AddressLimits,
    /// How long a request may take.
    pub request_timeout: Duration,
}

/// The public listener. `stream` holds `GET /v1/instructions`; `observer` names and records requests.
pub fn app(state: AppState, stream: Router, ops: ops_controller::Ops, policy: &HttpPolicy, observer: Observer) -> Router {
    let router = Router::new()
        .merge(accounts())
        .merge(face_sessions())
        .with_state(state)
        .merge(stream)
        .merge(landing::routes())
        .merge(ops_controller::public_routes(ops));
    layered(router, policy, observer)
}

/// The listener for operators, when there is one apart.
pub fn ops(ops: ops_controller::Ops, policy: &HttpPolicy, observer: Observer) -> Router {
    layered(ops_controller::private_routes(ops), policy, observer)
}

fn accounts() -> Router<AppState> {
    use account as c;
    Router::new()
        .route("/v1/guests", post(c::create_guest::create_guest))
        .route("/v1/accounts", post(c::sign_up::sign_up))
        .route("/v1/accounts/sign-in", post(c::sign_in::sign_in))
        .route("/v1/accounts/refresh", post(c::refresh::refresh_tokens))
        .route("/v1/accounts/sign-out", post(c::sign_out::sign_out))
        .route("/v1/accounts/me", get(c::me::get_account).patch(c::patch_me::patch_account).delete(c::delete_me::delete_account))
        .route("/v1/accounts/me/password", post(c::change_password::change_password))
}

fn face_sessions() -> Router<AppState> {
    use facesession as c;
    Router::new()
        .route("/v1/face-sessions", post(c::create::create_face_session).get(c::list::list_face_sessions))
        .route("/v1/face-sessions/search", post(c::search::search_face_session))
        .route("/v1/face-sessions/prejoin", post(c::prejoin::prejoin_face_session))
        .route("/v1/face-sessions/{id}", get(c::get::get_face_session).patch(c::patch::patch_face_session))
        .route("/v1/face-sessions/{id}/token", post(c::token::issue_session_token))
        .route("/v1/face-sessions/{id}/quit", post(c::quit::quit_face_session))
        .route("/v1/face-sessions/{id}/end", post(c::end::end_face_session))
        .route("/v1/face-sessions/{id}/members", get(c::members::list_members))
        .route("/v1/face-sessions/{id}/members/{memberId}", delete(c::remove_member::remove_member))
        .route(
            "/v1/face-sessions/{id}/number-code",
            get(c::show_number_code::show_number_code).post(c::rotate_number_code::rotate_number_code),
        )
        .route(
            "/v1/face-sessions/{id}/invoke-link",
            get(c::show_invite::show_invite).post(c::make_invite::make_invite).delete(c::revoke_invite::revoke_invite),
        )
}

/// The last layer is the outermost. A panic is caught inside of [`observe`], so that it is answered and logged like any other failure.
fn layered(router: Router, policy: &HttpPolicy, observer: Observer) -> Router {
    router
        .layer(DefaultBodyLimit::max(policy.request_body))
        .layer(from_fn_with_state(policy.request_timeout, deadline::enforce))
        .layer(from_fn_with_state(HeaderLimit(policy.request_headers), headers::limit))
        .layer(from_fn_with_state(policy.address_limits.clone(), rate::enforce))
        .layer(cors(&policy.cors_origins))
        .layer(from_fn(headers::secure))
        .layer(CatchPanicLayer::custom(panic_response))
        .layer(from_fn_with_state(observer, observe::observe))
}

#[cfg(test)]
mod tests {
    use super::{HttpPolicy, Observer, layered};
    use axum::Router;
    use axum::body::Body;
    use axum::response::Response;
    use axum::routing::{get, post};
    use faceshare_biz::Error;
    use faceshare_biz::domain::port::IdGenerator;
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

    fn app() -> Router {
        let router = Router::new()
            .route("/ok", get(async || "fine"))
            .route("/json", post(async |_: crate::extract::ValidJson<Value>| ()))
            .route("/panic", get(async || -> () { panic!("secret in a panic") }))
            .route("/slow", get(async || std::future::pending::<()>().await))
            .route("/broken", get(async || -> Result<(), crate::e::HttpError> { Err(Error::internal("secret SQL").into()) }));
        let policy = HttpPolicy {
            cors_origins: vec!["https://page.example".into()],
            request_body: 64,
            request_headers: 1_024,
            address_limits: super::AddressLimits::new(0, 0),
            request_timeout: Duration::from_millis(50),
        };
        layered(router, &policy, Observer { ids: Arc::new(Sevens), proxies: Arc::default() })
    }

    async fn send(request: http::request::Builder) -> Response {
        app().oneshot(request.body(Body::empty()).expect("a request")).await.expect("infallible")
    }

    async fn problem(response: Response) -> Value {
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let status = response.status();
        let id = response.headers()["x-request-id"].clone();
        let body = response.into_body().collect().await.expect("a body").to_bytes();
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
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(send(Request::get("/ok").header("x-request-id", "not ok")).await.headers()["x-request-id"], "777");
    }

    #[tokio::test]
    async fn an_unknown_path_is_a_problem() {
        assert_eq!(problem(send(Request::get("/nowhere")).await).await["code"], "NOT_FOUND");
    }

    #[tokio::test]
    async fn an_unknown_method_is_a_problem_that_names_the_known_ones() {
        let response = send(Request::delete("/ok")).await;
        assert_eq!(response.headers()["allow"], "GET,HEAD");
        assert_eq!(problem(response).await["code"], "METHOD_NOT_ALLOWED");
    }

    #[tokio::test]
    async fn a_panic_is_answered_without_its_message() {
        assert_eq!(problem(send(Request::get("/panic")).await).await["code"], "INTERNAL");
    }

    #[tokio::test]
    async fn an_internal_cause_is_not_shown() {
        assert_eq!(problem(send(Request::get("/broken")).await).await["code"], "INTERNAL");
    }

    #[tokio::test]
    async fn what_takes_too_long_is_answered_in_time() {
        assert_eq!(problem(send(Request::get("/slow")).await).await["code"], "REQUEST_TIMEOUT");
    }

    #[tokio::test]
    async fn oversized_headers_and_bodies_are_refused() {
        let response = send(Request::get("/ok").header("x-long", "y".repeat(2_000))).await;
        assert_eq!(problem(response).await["code"], "HEADERS_TOO_LARGE");
        let request =
            Request::post("/json").header("content-type", "application/json").body(Body::from("1".repeat(65))).expect("a request");
        assert_eq!(problem(app().oneshot(request).await.expect("infallible")).await["code"], "PAYLOAD_TOO_LARGE");
    }

    #[tokio::test]
    async fn only_configured_origins_may_read_answers() {
        let allowed = send(Request::get("/ok").header("origin", "https://page.example")).await;
        assert_eq!(allowed.headers()["access-control-allow-origin"], "https://page.example");
        let refused = send(Request::get("/ok").header("origin", "https://evil.example")).await;
        assert!(!refused.headers().contains_key("access-control-allow-origin"));
        let preflight = Request::options("/json").header("origin", "https://page.example").header("access-control-request-method", "POST");
        assert_eq!(send(preflight).await.status(), StatusCode::OK);
    }
}
