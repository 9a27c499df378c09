//! `POST /v1/guests`

use super::representation::TokensAnswer;
use crate::e::HttpError;
use crate::extract::ValidJson;
use crate::json::Json;
use crate::responses::BodyProblems;
use crate::schemas;
use axum::extract::State;
use faceshare_biz::domain::port::Clock;
use faceshare_logic::account::Accounts;
use http::StatusCode;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The guest to create.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CreateGuestRequest {
    /// What others see: 1 to 32 characters.
    #[schema(schema_with = schemas::nickname)]
    nickname: String,
}

/// Creates a guest.
///
/// Creates an account without a username, and the tokens to act as it. `FORBIDDEN` when the server
/// accepts no guests.
#[utoipa::path(
    post,
    path = "/v1/guests",
    tag = "accounts",
    request_body = CreateGuestRequest,
    responses((status = 201, description = "The guest was created", body = TokensAnswer), BodyProblems)
)]
pub async fn create_guest(
    State(accounts): State<Arc<Accounts>>,
    State(clock): State<Arc<dyn Clock>>,
    ValidJson(request): ValidJson<CreateGuestRequest>,
) -> Result<(StatusCode, Json<TokensAnswer>), HttpError> {
    let signed_in = accounts.sign_up_guest(&request.nickname).await?;
    Ok((
        StatusCode::CREATED,
        Json(TokensAnswer::new(signed_in, clock.now())),
    ))
}
