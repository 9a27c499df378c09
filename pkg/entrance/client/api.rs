//! The HTTP half: typed calls, and access tokens that are renewed automatically.

mod calls;
mod error;
mod types;

pub use error::{ApiError, CallError, FieldError};
pub use types::{
    Account, Admitted, CreatedFaceSession, Credentials, DeviceInfo, FaceSessionPage,
    FaceSessionPatch, InvokeLink, JoinKey, JoinOutcome, JoinRefusal, NewFaceSession, NewInvokeLink,
    NumberCode, Preview, SessionGrant, WaitOutcome,
};

use crate::tls;
use entrance_pack::lenient;
use metric::MeteredClient;
use reqwest::{Method, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Longer than the server's longest answer, the 25 s long poll.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A server and the credentials of one caller. Clones share the credentials.
#[derive(Clone)]
pub struct Api {
    shared: Arc<SharedState>,
}

struct SharedState {
    base: Url,
    http: reqwest::Client,
    metered: MeteredClient,
    credentials: Mutex<Option<Credentials>>,
}

/// One call; `operation` is its label in metrics.
struct Call<'a> {
    operation: &'static str,
    method: Method,
    path: &'a str,
    query: &'a [(&'a str, String)],
    body: Option<serde_json::Value>,
}

impl<'a> Call<'a> {
    const fn new(operation: &'static str, method: Method, path: &'a str) -> Self {
        Self {
            operation,
            method,
            path,
            query: &[],
            body: None,
        }
    }

    fn json(mut self, body: &impl Serialize) -> Result<Self, CallError> {
        self.body = Some(serde_json::to_value(body)?);
        Ok(self)
    }
}

impl Api {
    /// For the server at `base`, e.g. `http://127.0.0.1:8080`, without credentials.
    ///
    /// # Errors
    /// When `base` is not an http or https URL, or the HTTP client cannot be created.
    pub fn new(base: &str) -> Result<Self, CallError> {
        let url = Url::parse(base.trim_end_matches('/'))
            .map_err(|error| CallError::BadAddress(format!("{base}: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(CallError::BadAddress(format!(
                "{base}: expected http://host or https://host"
            )));
        }
        let client = reqwest::Client::builder()
            .timeout(CALL_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT);
        let http = client
            .tls_backend_preconfigured((*tls::config()).clone())
            .build()
            .map_err(CallError::Unreachable)?;
        let metered = MeteredClient::new(http.clone(), "faceshare");
        Ok(Self {
            shared: Arc::new(SharedState {
                base: url,
                http,
                metered,
                credentials: Mutex::new(None),
            }),
        })
    }

    /// Uses credentials of an earlier sign-in.
    pub async fn sign_in_with(&self, credentials: Credentials) {
        *self.shared.credentials.lock().await = Some(credentials);
    }

    /// Calls with the caller's credentials. If the access token has expired, renews it and repeats
    /// the call, once.
    async fn call<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, CallError> {
        let used = self.access_token().await?;
        match self.attempt(&call, Some(&used)).await {
            Err(CallError::Refused(error)) if error.code == "TOKEN_EXPIRED" => {
                let renewed = self.renew(&used).await?;
                self.attempt(&call, Some(&renewed)).await
            }
            answered => answered,
        }
    }

    /// Calls and ignores the body of the answer.
    async fn call_without_answer(&self, call: Call<'_>) -> Result<(), CallError> {
        self.call::<serde::de::IgnoredAny>(call).await.map(drop)
    }

    async fn access_token(&self) -> Result<String, CallError> {
        self.shared
            .credentials
            .lock()
            .await
            .as_ref()
            .map(|c| c.access_token.clone())
            .ok_or(CallError::SignedOut)
    }

    /// Allows one refresh at a time: a concurrent caller finds the token already renewed.
    async fn renew(&self, used: &str) -> Result<String, CallError> {
        let mut credentials = self.shared.credentials.lock().await;
        let held = credentials.as_mut().ok_or(CallError::SignedOut)?;
        if held.access_token != used {
            return Ok(held.access_token.clone());
        }
        let call = Call::new("refresh", Method::POST, "v1/accounts/refresh")
            .json(&serde_json::json!({"refreshToken": held.refresh_token}))?;
        let mut fresh: Credentials = self.attempt(&call, None).await?;
        fresh.account = fresh.account.or_else(|| held.account.take());
        *held = fresh;
        Ok(held.access_token.clone())
    }

    async fn attempt<T: DeserializeOwned>(
        &self,
        call: &Call<'_>,
        token: Option<&str>,
    ) -> Result<T, CallError> {
        let mut request = self
            .shared
            .http
            .request(call.method.clone(), self.url(call)?);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        let answer = self
            .shared
            .metered
            .execute(call.operation, request)
            .await
            .map_err(CallError::Unreachable)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.bytes().await.map_err(CallError::Unreachable)?;
        if !status.is_success() {
            return Err(ApiError::from_answer(status.as_u16(), &headers, &body).into());
        }
        Ok(lenient::from_slice(if body.is_empty() {
            b"null"
        } else {
            &body
        })?)
    }

    fn url(&self, call: &Call<'_>) -> Result<Url, CallError> {
        let text = format!(
            "{}/{}",
            self.shared.base.as_str().trim_end_matches('/'),
            call.path
        );
        let mut url =
            Url::parse(&text).map_err(|error| CallError::BadAddress(format!("{text}: {error}")))?;
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(call.query);
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests;
