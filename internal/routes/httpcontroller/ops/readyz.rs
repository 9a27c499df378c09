//! `GET /readyz`

use super::healthz::HealthAnswer;
use crate::e::HttpError;
use crate::json::Json;
use crate::openapi::Unready;
use async_trait::async_trait;
use axum::extract::State;
use faceshare_biz::{Error, ErrorCode};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Longer than this and a check has failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// Something that the server needs in order to serve.
#[async_trait]
pub trait ReadinessCheck: Send + Sync + 'static {
    /// What is checked, in a word that anybody may see: `database`.
    fn name(&self) -> &'static str;
    /// Fails while it is away. Cheap: it is asked every few seconds.
    async fn check(&self) -> faceshare_biz::Result<()>;
}

/// Whether the server can serve.
///
/// Red while it drains and while something it needs is away.
#[utoipa::path(get, path = "/readyz", tag = "operations", responses((status = 200, description = "Ready", body = HealthAnswer), Unready))]
pub async fn readyz(
    State(draining): State<CancellationToken>,
    State(checks): State<Arc<[Arc<dyn ReadinessCheck>]>>,
) -> Result<Json<HealthAnswer>, HttpError> {
    if draining.is_cancelled() {
        return Err(Error::new(ErrorCode::Unavailable, "draining").into());
    }
    for check in checks.iter() {
        match tokio::time::timeout(CHECK_TIMEOUT, check.check()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(away(check.name(), error).into()),
            Err(elapsed) => return Err(away(check.name(), Error::unavailable(elapsed)).into()),
        }
    }
    Ok(Json(HealthAnswer { status: "ok" }))
}

fn away(name: &str, cause: Error) -> Error {
    let mut error = Error::unavailable(cause);
    error.detail = format!("{name} is away").into();
    error
}

#[cfg(test)]
mod tests {
    use super::{ReadinessCheck, readyz};
    use async_trait::async_trait;
    use axum::extract::State;
    use faceshare_biz::{Error, ErrorCode, Result};
    use std::sync::Arc;
    use tokio_util::sync::CancellationToken;

    struct Database(bool);

    #[async_trait]
    impl ReadinessCheck for Database {
        fn name(&self) -> &'static str {
            "database"
        }

        async fn check(&self) -> Result<()> {
            if self.0 { Ok(()) } else { Err(Error::unavailable("secret address")) }
        }
    }

    fn checks(up: bool) -> Arc<[Arc<dyn ReadinessCheck>]> {
        Arc::new([Arc::new(Database(up)) as Arc<dyn ReadinessCheck>])
    }

    #[tokio::test]
    async fn ready_when_all_that_is_needed_is_there() {
        assert!(readyz(State(CancellationToken::new()), State(checks(true))).await.is_ok());
    }

    #[tokio::test]
    async fn not_ready_when_something_is_away() {
        let error = readyz(State(CancellationToken::new()), State(checks(false))).await.map(|_| ()).expect_err("not ready").0;
        assert_eq!(error.code, ErrorCode::Unavailable);
        assert_eq!(error.detail, "database is away");
    }

    #[tokio::test]
    async fn not_ready_while_draining() {
        let draining = CancellationToken::new();
        draining.cancel();
        assert!(readyz(State(draining), State(checks(true))).await.is_err());
    }
}
