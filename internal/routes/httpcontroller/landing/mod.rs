//! `GET /j`: the page that an invite link opens in a browser.
//!
//! The invite is in the fragment, which browsers do not send; the page's script reads it. Style and
//! script are inline and allowed by their hashes, so that no other code can run on the page.

use axum::Router;
use axum::extract::State;
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use sha2::{Digest, Sha256};
use std::sync::Arc;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The complete page and its policy.
#[derive(Debug, Clone)]
pub(crate) struct Landing {
    html: Arc<str>,
    policy: HeaderValue,
}

impl Landing {
    fn new() -> Self {
        let html = PAGE
            .replace("/*style*/", STYLE)
            .replace("/*script*/", SCRIPT)
            .into();
        let policy = format!(
            "default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            hash(STYLE),
            hash(SCRIPT)
        );
        Self {
            html,
            policy: HeaderValue::from_str(&policy)
                .expect("invariant: base64 and ASCII text make a header value"),
        }
    }
}

fn hash(source: &str) -> String {
    format!(
        "sha256-{}",
        STANDARD.encode(Sha256::digest(source.as_bytes()))
    )
}

/// The page's route.
pub fn routes() -> Router {
    Router::new()
        .route("/j", get(landing_page))
        .with_state(Landing::new())
}

/// The page that an invite link opens in a browser.
#[utoipa::path(
    get,
    path = "/j",
    tag = "face-sessions",
    responses((status = 200, description = "The page. The invite is in the link's fragment and never reaches the server", body = String, content_type = "text/html"))
)]
pub(crate) async fn landing_page(State(landing): State<Landing>) -> impl IntoResponse {
    let headers = [
        (CONTENT_SECURITY_POLICY, landing.policy),
        (
            CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=300"),
        ),
    ];
    (headers, Html(landing.html.to_string()))
}

#[cfg(test)]
mod tests {
    use super::{Landing, SCRIPT, STYLE, hash, routes};
    use axum::body::Body;
    use http::Request;
    use tower::ServiceExt;

    #[test]
    fn the_policy_allows_exactly_what_is_in_the_page() {
        let landing = Landing::new();
        let between = |open: &str, close: &str| {
            let (_, rest) = landing.html.split_once(open).expect("opens");
            rest.split_once(close).expect("closes").0.to_owned()
        };
        assert_eq!(between("<style>", "</style>"), STYLE);
        assert_eq!(between("<script>", "</script>"), SCRIPT);
        let policy = landing.policy.to_str().expect("text");
        assert!(
            policy.contains(&hash(STYLE))
                && policy.contains(&hash(SCRIPT))
                && !policy.contains("unsafe")
        );
    }

    #[test]
    fn the_page_loads_nothing_from_elsewhere() {
        let page = Landing::new().html;
        assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("src="));
    }

    #[tokio::test]
    async fn the_page_is_html_that_no_site_may_frame() {
        let response = routes()
            .oneshot(Request::get("/j").body(Body::empty()).expect("a request"))
            .await
            .expect("infallible");
        assert!(
            response.headers()["content-type"]
                .to_str()
                .is_ok_and(|t| t.starts_with("text/html"))
        );
        assert!(
            response.headers()["content-security-policy"]
                .to_str()
                .is_ok_and(|p| p.contains("frame-ancestors 'none'"))
        );
    }
}
