//! Refuses cross-site requests: a page of another site must not act for a signed-in user.

use super::answer::ClassicError;
use super::session::own_origin;
use crate::links::{Links, host_of};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::ORIGIN;
use network::Origin;
use std::sync::Arc;

/// Refuses requests that a browser marks as cross-site. Clients other than browsers send neither
/// header.
pub(super) async fn refuse(
    State(links): State<Arc<Links>>,
    request: Request,
    next: Next,
) -> Response {
    if is_cross_site(&links, &request) {
        ClassicError::InvalidSession.into_response()
    } else {
        next.run(request).await
    }
}

fn is_cross_site(links: &Links, request: &Request) -> bool {
    let headers = request.headers();
    if headers
        .get("sec-fetch-site")
        .is_some_and(|site| site == "cross-site")
    {
        return true;
    }
    let Some(origin) = headers.get(ORIGIN) else {
        return false;
    };
    let Some(origin) = origin.to_str().ok().and_then(Origin::parse) else {
        return true;
    };
    let is_own_host = host_of(request.uri(), headers).is_some_and(|host| origin.is_served_by(host));
    !is_own_host && Origin::of_url(&own_origin(links, request.uri(), headers)) != Some(origin)
}
