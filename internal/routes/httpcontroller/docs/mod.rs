//! `GET /docs`: a page to read and try the calls in a browser.
//!
//! Swagger UI over `/openapi.json`, served from the binary. The page has no inline code and loads
//! nothing from other origins; its policy forbids both. A token that is entered stays in the page's
//! memory.

use crate::e::HttpError;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use faceshare_biz::Error;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use std::sync::Arc;
use utoipa_swagger_ui::Config;

const PAGE: &str = include_str!("page.html");
const START: &str = include_str!("start.js");
/// The files of Swagger UI that the page uses.
const UI_FILES: [&str; 4] = [
    "favicon-32x32.png",
    "index.css",
    "swagger-ui-bundle.js",
    "swagger-ui.css",
];
/// Icons of Swagger UI's style sheet are `data:` images.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const FIVE_MINUTES: &str = "public, max-age=300";

/// The page and its files.
pub fn routes() -> Router {
    Router::new()
        .route("/docs", get(docs_page))
        .route("/docs/", get(async || Redirect::permanent("../docs")))
        .route("/docs/{file}", get(docs_file))
        .with_state(Arc::new(Config::default()))
}

/// A page to read and try these calls in a browser.
#[utoipa::path(
    get,
    path = "/docs",
    tag = "operations",
    responses((status = 200, description = "A page that shows `/openapi.json`", body = String, content_type = "text/html"))
)]
pub(crate) async fn docs_page() -> impl IntoResponse {
    (
        [
            (CONTENT_SECURITY_POLICY, POLICY),
            (CACHE_CONTROL, FIVE_MINUTES),
        ],
        Html(PAGE),
    )
}

async fn docs_file(
    Path(name): Path<String>,
    State(config): State<Arc<Config<'static>>>,
) -> Result<Response, HttpError> {
    if name == "start.js" {
        return Ok((
            [(CONTENT_TYPE, JAVASCRIPT), (CACHE_CONTROL, FIVE_MINUTES)],
            START,
        )
            .into_response());
    }
    if !UI_FILES.contains(&name.as_str()) {
        return Err(Error::not_found().into());
    }
    let found = utoipa_swagger_ui::serve(&name, config)
        .map_err(|error| Error::internal(error.to_string()))?;
    let file = found.ok_or_else(Error::not_found)?;
    let mut response = (
        [
            (CONTENT_TYPE, file.content_type),
            (CACHE_CONTROL, FIVE_MINUTES.to_owned()),
        ],
        file.bytes,
    )
        .into_response();
    if file.gzpipped {
        response
            .headers_mut()
            .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::{PAGE, START, UI_FILES, routes};
    use axum::body::Body;
    use http::{Request, StatusCode};
    use tower::ServiceExt;

    #[tokio::test]
    async fn every_file_of_the_page_is_served_and_no_other() {
        for name in UI_FILES.into_iter().chain(["start.js"]) {
            assert!(
                PAGE.contains(&format!("\"docs/{name}\"")),
                "{name} is not used"
            );
            let request = Request::get(format!("/docs/{name}"))
                .body(Body::empty())
                .expect("a request");
            assert_eq!(
                routes()
                    .oneshot(request)
                    .await
                    .expect("infallible")
                    .status(),
                StatusCode::OK,
                "{name}"
            );
        }
        let other = Request::get("/docs/index.html")
            .body(Body::empty())
            .expect("a request");
        assert_eq!(
            routes().oneshot(other).await.expect("infallible").status(),
            StatusCode::NOT_FOUND
        );
        assert_eq!(PAGE.matches("docs/").count(), UI_FILES.len() + 1);
    }

    #[test]
    fn nothing_is_inline_or_from_elsewhere() {
        for text in [PAGE, START] {
            assert!(
                !text.contains("http:") && !text.contains("https:"),
                "{text}"
            );
        }
        assert!(!PAGE.contains("<style") && !PAGE.contains("style=") && !PAGE.contains("onload"));
        assert_eq!(
            PAGE.matches("<script").count(),
            PAGE.matches("<script src=\"docs/").count()
        );
    }
}
