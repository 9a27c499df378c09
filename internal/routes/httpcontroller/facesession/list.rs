//! `GET /v1/face-sessions`

use super::representation::FaceSessionView;
use crate::e::HttpError;
use crate::extract::Authenticated;
use crate::json::Json;
use crate::responses::{AuthProblems, QueryProblems};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use faceshare_biz::constants::{PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX};
use faceshare_biz::domain::PageRequest;
use faceshare_biz::{Error, Result};
use faceshare_logic::facesession::FaceSessions;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// The page to show.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Greatest number of items: 1 to 200, 50 by default.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    page_size: Option<String>,
    /// `nextPageToken` of the previous page.
    page_token: Option<String>,
}

impl ListQuery {
    fn size(&self) -> Result<u32> {
        let Some(text) = self.page_size.as_deref() else {
            return Ok(PAGE_SIZE_DEFAULT);
        };
        let size = text
            .parse()
            .ok()
            .filter(|size| (1..=PAGE_SIZE_MAX).contains(size));
        size.ok_or_else(|| {
            Error::invalid(
                "pageSize",
                format!("must be a number from 1 to {PAGE_SIZE_MAX}"),
            )
        })
    }
}

/// A page of sessions.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListFaceSessionsAnswer {
    face_sessions: Vec<FaceSessionView>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_page_token: Option<String>,
}

/// Lists the caller's own sessions, newest first.
#[utoipa::path(
    get,
    path = "/v1/face-sessions",
    tag = "face-sessions",
    security(("bearer" = [])),
    params(ListQuery),
    responses((status = 200, description = "A page", body = ListFaceSessionsAnswer), AuthProblems, QueryProblems)
)]
pub async fn list_face_sessions(
    Authenticated(caller): Authenticated,
    State(sessions): State<Arc<FaceSessions>>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<ListFaceSessionsAnswer>, HttpError> {
    let Query(query) = query.map_err(|_| Error::invalid("", "the query is not well-formed"))?;
    let size = query.size()?;
    let after = match query.page_token.as_deref() {
        Some(token) => Some(sessions.decode_page_token(caller, token)?),
        None => None,
    };
    let page = sessions.list(caller, PageRequest { size, after }).await?;
    let next_page_token = match page.next {
        Some(next) => Some(sessions.encode_page_token(caller, next)?),
        None => None,
    };
    Ok(Json(ListFaceSessionsAnswer {
        face_sessions: page.items.into_iter().map(Into::into).collect(),
        next_page_token,
    }))
}

#[cfg(test)]
mod tests {
    use super::ListQuery;

    #[test]
    fn the_size_of_a_page_is_bounded() {
        let size = |text: Option<&str>| {
            ListQuery {
                page_size: text.map(Into::into),
                page_token: None,
            }
            .size()
        };
        assert_eq!(size(None).expect("default"), 50);
        assert_eq!(size(Some("200")).expect("allowed"), 200);
        for bad in ["0", "201", "-1", "x", "", "1.5"] {
            assert_eq!(
                size(Some(bad)).expect_err("refused").violations[0].path,
                "pageSize"
            );
        }
    }
}
