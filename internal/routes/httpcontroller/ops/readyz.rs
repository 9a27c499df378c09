//! `GET /readyz`

use crate::e::HttpError;
use crate::json::Json;
use crate::responses::ReadinessProblems;
use async_trait::async_trait;
use axum::extract::State;
use faceshare_biz::{Error, ErrorCode};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

/// A check that takes longer has failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// A dependency that the server cannot serve without.
#[async_trait]
pub trait ReadinessCheck: Send + Sync + 'static {
    /// The name of the dependency, which every client may see: `database`.
    fn name(&self) -> &'static str;
    /// Fails while the dependency is unavailable. Must be cheap: it is called every few seconds.
    async fn check(&self) -> faceshare_biz::Result<()>;
}

/// The state of the background jobs of the process.
pub trait JobStatus: Send + Sync + 'static {
    /// Names the jobs that fail and are restarted, in a sentence for operators; `None`: all jobs
    /// work.
    fn failing(&self) -> Option<String>;
}

/// The readiness of the server.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReadyAnswer {
    /// Always `ok`.
    #[schema(example = "ok")]
    status: &'static str,
    /// The background jobs that fail, although the server can serve. Absent when all jobs work.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    detail: Option<String>,
}

/// Whether the server can serve.
///
/// 503 while the server drains and while a dependency is unavailable.
#[utoipa::path(get, path = "/readyz", tag = "operations", responses((status = 200, description = "Ready", body = ReadyAnswer), ReadinessProblems))]
pub async fn readyz(
    State(draining): State<CancellationToken>,
    State(checks): State<Arc<[Arc<dyn ReadinessCheck>]>>,
    State(jobs): State<Arc<dyn JobStatus>>,
) -> Result<Json<ReadyAnswer>, HttpError> {
    if draining.is_cancelled() {
        let detail = jobs.failing().map_or_else(
            || "draining".to_owned(),
            |failing| format!("draining; {failing}"),
        );
        return Err(Error::new(ErrorCode::Unavailable, detail).into());
    }
    for check in checks.iter() {
        match tokio::time::timeout(CHECK_TIMEOUT, check.check()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(unavailable(check.name(), error).into()),
            Err(elapsed) => {
                return Err(unavailable(check.name(), Error::unavailable(elapsed)).into());
            }
        }
    }
    Ok(Json(ReadyAnswer {
        status: "ok",
        detail: jobs.failing(),
    }))
}

fn unavailable(name: &str, cause: Error) -> Error {
    let mut error = Error::unavailable(cause);
    error.detail = format!("{name} is unavailable").into();
    error
}

#[cfg(test)]
mod tests {
    use super::{JobStatus, ReadinessCheck, readyz};
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
            if self.0 {
                Ok(())
            } else {
                Err(Error::unavailable("secret address"))
            }
        }
    }

    fn checks(up: bool) -> Arc<[Arc<dyn ReadinessCheck>]> {
        Arc::new([Arc::new(Database(up)) as Arc<dyn ReadinessCheck>])
    }

    struct Jobs(Option<&'static str>);

    impl JobStatus for Jobs {
        fn failing(&self) -> Option<String> {
            self.0.map(str::to_owned)
        }
    }

    fn jobs(failing: Option<&'static str>) -> State<Arc<dyn JobStatus>> {
        State(Arc::new(Jobs(failing)))
    }

    #[tokio::test]
    async fn ready_when_all_checks_pass() {
        let answer = readyz(
            State(CancellationToken::new()),
            State(checks(true)),
            jobs(None),
        )
        .await
        .expect("ready")
        .0;
        assert_eq!(
            serde_json::to_value(answer).expect("JSON"),
            serde_json::json!({"status": "ok"})
        );
    }

    #[tokio::test]
    async fn not_ready_when_a_check_fails() {
        let error = readyz(
            State(CancellationToken::new()),
            State(checks(false)),
            jobs(None),
        )
        .await
        .map(|_| ())
        .expect_err("not ready")
        .0;
        assert_eq!(error.code, ErrorCode::Unavailable);
        assert_eq!(error.detail, "database is unavailable");
    }

    #[tokio::test]
    async fn not_ready_while_draining() {
        let draining = CancellationToken::new();
        draining.cancel();
        for (failing, detail) in [
            (None, "draining"),
            (Some("projector failed"), "draining; projector failed"),
        ] {
            let error = readyz(State(draining.clone()), State(checks(true)), jobs(failing))
                .await
                .map(|_| ())
                .expect_err("not ready")
                .0;
            assert_eq!(
                (error.code, &*error.detail),
                (ErrorCode::Unavailable, detail)
            );
        }
    }

    #[tokio::test]
    async fn a_job_that_fails_is_named_and_the_server_stays_ready() {
        let answer = readyz(
            State(CancellationToken::new()),
            State(checks(true)),
            jobs(Some("purge (3)")),
        )
        .await
        .expect("ready")
        .0;
        assert_eq!(
            serde_json::to_value(answer).expect("JSON"),
            serde_json::json!({"status": "ok", "detail": "purge (3)"})
        );
    }
}
