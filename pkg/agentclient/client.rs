//! The client.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RANGE};
use http::{HeaderMap, StatusCode};
use metric::MeteredClient;
use reqwest::{Body, RequestBuilder, Response, Url};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use wps2sign::{BodyDigest, Message, Signer};

use crate::MAX_ANSWER_BYTES;
use crate::body::{Progress, ReplyBody};
use crate::breaker::Breaker;
use crate::call::{Call, CallBody};
use crate::error::{AgentError, Failure};
use crate::settings::{AgentSettings, SettingsError};

/// Tells the time that requests are signed with.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// The longest wait before the first retry; it doubles with each.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// The longest wait before any retry.
const MAX_BACKOFF: Duration = Duration::from_secs(2);
/// What callers are told to wait after a failed call, unless the breaker knows better.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Calls one service. Cheap to clone; clones share connections and breaker.
#[derive(Clone)]
pub struct AgentClient(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) settings: AgentSettings,
    pub(crate) breaker: Breaker,
    http: MeteredClient,
    base: Url,
    signer: Signer,
    clock: Clock,
}

/// An answer whose body is read by the caller.
#[derive(Debug)]
pub struct Reply {
    /// The status, one of [`Call::answers`].
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: ReplyBody,
}

impl Reply {
    /// The header `Content-Length`. For the answer to HEAD: the length of what GET would send.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.headers
            .get(CONTENT_LENGTH)?
            .to_str()
            .ok()?
            .parse()
            .ok()
    }
}

/// An attempt that was answered.
struct Answered {
    response: Response,
    /// The whole body, when it was asked for.
    body: Bytes,
}

impl AgentClient {
    /// A client of the service that the settings name.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn new(settings: AgentSettings, clock: Clock) -> Result<Self, SettingsError> {
        if settings.breaker_failures == 0 {
            return Err(SettingsError::BreakerFailures);
        }
        let http = reqwest::Client::builder()
            .connect_timeout(settings.connect_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .build()
            .map_err(SettingsError::Client)?;
        Ok(Self(Arc::new(Shared {
            breaker: Breaker::new(settings.breaker_failures, settings.breaker_open),
            http: MeteredClient::new(http, settings.name),
            base: settings.base()?,
            signer: settings.signer()?,
            settings,
            clock,
        })))
    }

    /// Makes a call and reads its JSON answer. A status outside 2xx, and 204, have no value.
    ///
    /// # Errors
    /// [`AgentError`].
    pub async fn json<T: DeserializeOwned>(
        &self,
        call: &Call<'_>,
    ) -> Result<(StatusCode, Option<T>), AgentError> {
        let Answered { response, body } = self.0.call(call, true).await?;
        let status = response.status();
        if !status.is_success() || status == StatusCode::NO_CONTENT {
            return Ok((status, None));
        }
        let value = serde_json::from_slice(&body)
            .map_err(|error| self.malformed(format!("line {}", error.line())))?;
        Ok((status, Some(value)))
    }

    /// Makes a call whose answer is its status alone.
    ///
    /// # Errors
    /// [`AgentError`].
    pub async fn status(&self, call: &Call<'_>) -> Result<StatusCode, AgentError> {
        let answered = self.0.call(call, true).await?;
        Ok(answered.response.status())
    }

    /// Makes a call until the head of its answer; the body is the caller's to read.
    ///
    /// # Errors
    /// [`AgentError`].
    pub async fn open(&self, call: &Call<'_>) -> Result<Reply, AgentError> {
        let Answered { response, .. } = self.0.call(call, false).await?;
        Ok(Reply {
            status: response.status(),
            headers: response.headers().clone(),
            body: ReplyBody {
                response,
                client: Arc::clone(&self.0),
            },
        })
    }

    /// The error of an answer that arrived and is not what the service's description says. `what`
    /// says what is wrong with it, and holds nothing of its content.
    pub fn malformed(&self, what: impl Into<String>) -> AgentError {
        self.0.breaker.count_failure();
        self.0.error(Failure::Malformed(what.into()))
    }
}

impl Shared {
    pub(crate) fn error(&self, failure: Failure) -> AgentError {
        AgentError::new(self.settings.name, failure, RETRY_AFTER)
    }

    /// Makes the call, with its retries, if the breaker lets it through.
    async fn call(&self, call: &Call<'_>, whole: bool) -> Result<Answered, AgentError> {
        let permit = self.breaker.admit().map_err(|left| {
            let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
            let retry_after = Duration::from_secs(seconds).max(RETRY_AFTER);
            AgentError::new(self.settings.name, Failure::BreakerOpen, retry_after)
        })?;
        let attempts = self.attempts(call, whole);
        let outcome = match call.body {
            CallBody::File(_) => attempts.await,
            CallBody::Empty | CallBody::Json(_) => {
                let bounded = tokio::time::timeout(self.settings.timeout, attempts).await;
                bounded.unwrap_or(Err(Failure::Timeout))
            }
        };
        match outcome {
            Ok(answered) => {
                permit.succeeded();
                Ok(answered)
            }
            Err(failure) => {
                if failure.is_of_the_service() {
                    permit.failed();
                }
                Err(self.error(failure))
            }
        }
    }

    async fn attempts(&self, call: &Call<'_>, whole: bool) -> Result<Answered, Failure> {
        let mut retried = 0;
        loop {
            let failure = match self.attempt(call, whole, retried).await {
                Ok(answered) => return Ok(answered),
                Err(failure) => failure,
            };
            let again = call.may_be_repeated() && failure.is_transient();
            if !again || retried >= self.settings.retries {
                return Err(failure);
            }
            tracing::debug!(
                agent = self.settings.name,
                operation = call.operation,
                retried,
                %failure,
                "a call failed and is repeated"
            );
            tokio::time::sleep(backoff(retried)).await;
            retried += 1;
        }
    }

    async fn attempt(
        &self,
        call: &Call<'_>,
        whole: bool,
        retried: u32,
    ) -> Result<Answered, Failure> {
        let progress = Progress::start(match call.body {
            CallBody::Empty | CallBody::Json(_) => true,
            CallBody::File(file) => file.len == 0,
        });
        let request = self.request(call, retried, &progress).await?;
        let exchange = async {
            let mut response = self.http.execute(call.operation, request).await?;
            if !call.answers.contains(&response.status()) {
                return Err(Failure::Status(response.status().as_u16()));
            }
            let body = match whole {
                true => bounded(&mut response).await?,
                false => Bytes::new(),
            };
            Ok(Answered { response, body })
        };
        match call.body {
            CallBody::File(_) => self.while_moving(&progress, exchange).await,
            CallBody::Empty | CallBody::Json(_) => exchange.await,
        }
    }

    /// The signed request of one attempt.
    async fn request(
        &self,
        call: &Call<'_>,
        retried: u32,
        progress: &Arc<Progress>,
    ) -> Result<RequestBuilder, Failure> {
        let url = self.url(call);
        let uri = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let (content_type, digest) = match call.body {
            CallBody::Empty => ("application/json", BodyDigest::empty()),
            CallBody::Json(json) => ("application/json", BodyDigest::of(json)),
            CallBody::File(file) => ("application/octet-stream", file.digest),
        };
        let message = Message {
            method: call.method.as_str(),
            uri: &uri,
            content_type,
            body: &digest,
        };
        // A service that refuses a signature it has seen must accept the repeated call: each
        // attempt is dated a second later, so that no two of a call are equal.
        let signed_at = (self.clock)() + Duration::from_secs(retried.into());
        let request = self.http.client().request(call.method.clone(), url);
        let mut request = request.header(CONTENT_TYPE, content_type);
        for (name, value) in self.signer.sign(&message, signed_at) {
            request = request.header(name, value);
        }
        request = match call.request_id {
            Some(id) => request.header("x-request-id", id),
            None => request.header("x-request-id", format!("{:032x}", rand::random::<u128>())),
        };
        if let Some(range) = &call.range {
            let last = range.end.saturating_sub(1);
            request = request.header(RANGE, format!("bytes={}-{last}", range.start));
        }
        Ok(match call.body {
            CallBody::Empty => request,
            CallBody::Json(json) => request.body(Body::from(json.clone())),
            CallBody::File(file) => request
                .header(CONTENT_LENGTH, file.len)
                .body(file.open(Arc::clone(progress)).await?),
        })
    }

    fn url(&self, call: &Call<'_>) -> Url {
        let mut url = self.base.clone();
        let path = format!("{}{}", url.path().trim_end_matches('/'), call.path);
        url.set_path(&path);
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(call.query);
        }
        url
    }

    /// Ends the exchange when its body has not moved for the idle time, or its answer has not come
    /// in time after the whole body was sent.
    async fn while_moving(
        &self,
        progress: &Progress,
        exchange: impl Future<Output = Result<Answered, Failure>>,
    ) -> Result<Answered, Failure> {
        let deadline = || progress.deadline(self.settings.idle, self.settings.timeout);
        let mut exchange = std::pin::pin!(exchange);
        loop {
            tokio::select! {
                biased;
                outcome = &mut exchange => return outcome,
                () = tokio::time::sleep_until(deadline()) => {
                    if deadline() <= Instant::now() {
                        return Err(Failure::Timeout);
                    }
                }
            }
        }
    }
}

/// The whole body, if it is no larger than an answer may be.
async fn bounded(response: &mut Response) -> Result<Bytes, Failure> {
    let mut body = BytesMut::new();
    while let Some(bytes) = response.chunk().await? {
        if body.len() + bytes.len() > MAX_ANSWER_BYTES {
            return Err(Failure::TooLarge);
        }
        body.extend_from_slice(&bytes);
    }
    Ok(body.freeze())
}

/// Between half of the longest wait and the longest wait.
fn backoff(retried: u32) -> Duration {
    let longest = FIRST_BACKOFF
        .saturating_mul(2_u32.saturating_pow(retried))
        .min(MAX_BACKOFF);
    longest.mul_f64(0.5 + 0.5 * rand::random::<f64>())
}

impl fmt::Debug for AgentClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentClient")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
