//! A page of another site must not act for whoever looks at it.

use super::answer::Failure;
use super::session::{host, own_origin};
use crate::links::Links;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::ORIGIN;
use std::sync::Arc;

/// Refuses requests that a browser says come from elsewhere. What sends neither header is no browser.
pub(super) async fn refuse(State(links): State<Arc<Links>>, request: Request, next: Next) -> Response {
    if is_cross_site(&links, &request) { Failure::InvalidSession.into_response() } else { next.run(request).await }
}

fn is_cross_site(links: &Links, request: &Request) -> bool {
    let headers = request.headers();
    if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
        return true;
    }
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let origin = origin.to_str().unwrap_or_default();
    // Behind a proxy the scheme may be another than the one that the client used.
    let named = host(request.uri(), headers).unwrap_or_default();
    let same_host = origin.split_once("://").is_some_and(|(_, authority)| !named.is_empty() && authority.eq_ignore_ascii_case(named));
    !same_host && !origin.eq_ignore_ascii_case(&own_origin(links, request.uri(), headers))
}
