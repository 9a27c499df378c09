//! `GET /healthz`

use crate::json::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// The health of the process.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthAnswer {
    /// Always `ok`.
    #[schema(example = "ok")]
    pub(super) status: &'static str,
}

/// Whether the process is alive.
#[utoipa::path(get, path = "/healthz", tag = "operations", responses((status = 200, description = "Alive", body = HealthAnswer)))]
pub async fn healthz() -> Json<HealthAnswer> {
    Json(HealthAnswer { status: "ok" })
}
