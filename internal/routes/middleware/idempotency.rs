//! `Idempotency-Key`: a call that changes something takes effect once, though the client sends it
//! again because it lost the response.
//!
//! The call runs to its end in a task of its own, even when its client is gone: a repeat asks for
//! exactly that response. Responses that say what became of the call (2xx and 4xx) are stored.
//! Responses of calls that did not run (401, 429, 5xx) are not, and the call may run again.
//!
//! An upload takes another way: its handler reserves a slot before the body is read, and then runs
//! the upload under its key (`KeyedUpload`). `POST …/wait` ignores the key: it changes nothing, and
//! a stored "not yet" must not be replayed.

use super::deadline::WAIT_PATH;
use super::rate::AccountLimits;
use crate::e::HttpError;
use crate::e::http::ResponseError;
use crate::extract::too_large;
use crate::paths::CLASSIC_PREFIX;
use auth::bearer_from_headers;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use faceshare_biz::domain::account::Caller;
use faceshare_biz::{Error, ErrorCode, Violation};
use faceshare_logic::account::Accounts;
use faceshare_logic::idempotency::{ANSWER_BYTES, Call, CallStart, Idempotency, ReservedCall};
use futures_util::FutureExt as _;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::time::Duration;
use tower::{Service, ServiceExt as _};
use tracing::Instrument as _;

/// The header that names a call; 1 to 64 visible ASCII characters.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The header that marks a response as that of an earlier attempt.
pub(crate) const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Runs calls under a key.
#[derive(Clone)]
pub struct IdempotentCalls {
    /// Authenticates callers.
    pub accounts: Arc<Accounts>,
    /// Stores responses.
    pub idempotency: Idempotency,
    /// Rates of accounts; repeats count like calls.
    pub account_limits: AccountLimits,
    /// Bytes of a body at most.
    pub request_body: usize,
}

impl IdempotentCalls {
    /// Whether the request has a key and may change something.
    pub(crate) fn applies_to(&self, request: &Request) -> bool {
        !request.method().is_safe()
            && request.headers().contains_key(IDEMPOTENCY_KEY)
            && request.uri().path() != WAIT_PATH
            // The classic API identifies callers by a cookie, whatever other headers a request has.
            && !request.uri().path().starts_with(CLASSIC_PREFIX)
            && is_json_or_empty(request)
    }

    /// Runs the call, or replays the stored response.
    pub(crate) async fn run<S>(self, request: Request, service: S) -> Result<Response, Infallible>
    where
        S: Service<Request, Response = Response, Error = Infallible> + Send + 'static,
        S::Future: Send + 'static,
    {
        // A caller without a valid token is left to the handler, which refuses it or needs no
        // token.
        let Some(caller) = self.caller(request.headers()) else {
            return service.oneshot(request).await;
        };
        Ok(match self.begin(caller, request).await {
            Ok((CallStart::Runs(place), mut request)) => {
                request.extensions_mut().insert(place.effect());
                run_to_the_end(&self.idempotency, place, service.oneshot(request)).await
            }
            Ok((CallStart::Ran(answer), _)) => replay(&answer),
            Err(error) => HttpError(error).into_response(),
        })
    }

    fn caller(&self, headers: &HeaderMap) -> Option<Caller> {
        let token = bearer_from_headers(headers).ok()?;
        self.accounts.authenticate(token.expose()).ok()
    }

    async fn begin(&self, caller: Caller, request: Request) -> Result<(CallStart, Request), Error> {
        let key = key(request.headers())?;
        let (parts, body) = request.into_parts();
        let body = self.body(body).await?;
        let call = Call {
            account: caller.account,
            method: parts.method.as_str(),
            path: parts.uri.path(),
            key: &key,
        };
        let begun = self
            .idempotency
            .begin(call, &request_content(&parts, &body))
            .await;
        if !matches!(begun, Ok(CallStart::Runs(_))) {
            // The handler would have counted the call against the rate.
            self.account_limits.check(caller.account)?;
        }
        Ok((begun?, Request::from_parts(parts, Body::from(body))))
    }

    async fn body(&self, body: Body) -> Result<Bytes, Error> {
        // A body that declares too great a length is refused unread.
        if HttpBody::size_hint(&body).lower() > self.request_body as u64 {
            return Err(too_large());
        }
        let whole = Limited::new(body, self.request_body).collect().await;
        whole
            .map(http_body_util::Collected::to_bytes)
            .map_err(|error| {
                if error.is::<LengthLimitError>() {
                    too_large()
                } else {
                    Error::invalid("", "the body could not be read to its end")
                }
            })
    }
}

/// An upload under a key. The handler creates it before it reads the body, passes every piece to
/// it, and lets it run the call.
pub(crate) struct KeyedUpload {
    caller: Caller,
    method: Method,
    path: String,
    key: String,
    digest: Sha256,
}

impl KeyedUpload {
    /// `None` when the request has no key.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a bad key.
    pub(crate) fn of(caller: Caller, parts: &Parts) -> Result<Option<Self>, Error> {
        if !parts.headers.contains_key(IDEMPOTENCY_KEY) {
            return Ok(None);
        }
        let digest = Sha256::new_with_prefix(request_content(parts, b""));
        let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
        Ok(Some(Self {
            caller,
            method,
            path,
            key: key(&parts.headers)?,
            digest,
        }))
    }

    /// Adds the next piece of the body to the digest.
    pub(crate) fn add(&mut self, piece: &[u8]) {
        self.digest.update(piece);
    }

    /// Runs the call, or replays the stored response.
    pub(crate) async fn run(
        self,
        idempotency: &Idempotency,
        answer: impl Future<Output = Response> + Send + 'static,
    ) -> Result<Response, Error> {
        let call = Call {
            account: self.caller.account,
            method: self.method.as_str(),
            path: &self.path,
            key: &self.key,
        };
        Ok(
            match idempotency
                .begin_digested(call, self.digest.finalize().into())
                .await?
            {
                CallStart::Runs(place) => {
                    run_to_the_end(idempotency, place, async { Ok(answer.await) }).await
                }
                CallStart::Ran(answer) => replay(&answer),
            },
        )
    }
}

async fn run_to_the_end(
    idempotency: &Idempotency,
    place: ReservedCall,
    answer: impl Future<Output = Result<Response, Infallible>> + Send + 'static,
) -> Response {
    let idempotency = idempotency.clone();
    let call = async move {
        let outcome = tokio::time::timeout(
            idempotency.max_call_time,
            AssertUnwindSafe(answer).catch_unwind(),
        )
        .await;
        match outcome {
            Ok(Ok(Ok(response))) => store_or_release(&idempotency, place, response).await,
            Ok(Ok(Err(never))) => match never {},
            Ok(Err(panic)) => {
                release(&idempotency, place).await;
                resume_unwind(panic)
            }
            // The outcome is unknown; the key's reservation has expired by now.
            Err(_) => HttpError(Error::new(
                ErrorCode::RequestTimeout,
                "the request was not complete in time",
            ))
            .into_response(),
        }
    };
    match tokio::spawn(call.in_current_span()).await {
        Ok(response) => response,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(cancelled) => HttpError(Error::unavailable(cancelled)).into_response(),
        },
    }
}

/// A body without a media type counts as empty unless it declares a length.
fn is_json_or_empty(request: &Request) -> bool {
    let Some(kind) = request.headers().get(CONTENT_TYPE) else {
        return HttpBody::size_hint(request.body()).lower() == 0;
    };
    let essence = kind
        .to_str()
        .ok()
        .and_then(|kind| kind.split(';').next())
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn key(headers: &HeaderMap) -> Result<String, Error> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let key = values
        .next()
        .and_then(|value| value.to_str().ok())
        .filter(|key| (1..=64).contains(&key.len()) && values.next().is_none());
    let key = key.filter(|key| key.bytes().all(|byte| byte.is_ascii_graphic()));
    key.map(str::to_owned).ok_or_else(|| {
        Error::invalid(
            "Idempotency-Key",
            "must be one value of 1 to 64 visible ASCII characters",
        )
    })
}

/// The content of a request beside its method and path: query and body.
fn request_content(parts: &Parts, body: &[u8]) -> Vec<u8> {
    [
        parts.uri.query().unwrap_or_default().as_bytes(),
        b"\n",
        body,
    ]
    .concat()
}

/// Stores the response if it is one to store; otherwise releases the key.
async fn store_or_release(
    idempotency: &Idempotency,
    place: ReservedCall,
    response: Response,
) -> Response {
    let status = response.status();
    let tells_the_outcome = status.is_success()
        || (status.is_client_error()
            && !matches!(
                status,
                StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS
            ));
    if !tells_the_outcome {
        release(idempotency, place).await;
        return response;
    }
    let (answer, response) = StoredResponse::of(response).await;
    let Some(answer) = answer else {
        release(idempotency, place).await;
        return response;
    };
    let holds_tokens = answer.holds_tokens();
    let bytes =
        serde_json::to_vec(&answer).expect("invariant: an answer has string keys and plain values");
    match idempotency.keep(place, &bytes, holds_tokens).await {
        Ok(()) => response,
        // The call has taken effect. Without the stored response a repeat would run it again, so
        // the failure is logged.
        Err(error) => {
            tracing::warn!(%error, cause = ?error.cause(), "the response of a call under an Idempotency-Key could not be stored; a repeat would run the call again");
            response
        }
    }
}

async fn release(idempotency: &Idempotency, place: ReservedCall) {
    if let Err(error) = idempotency.release(place).await {
        tracing::warn!(%error, cause = ?error.cause(), "an Idempotency-Key could not be released; it cannot be used again until its reservation expires");
    }
}

/// A response as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredResponse {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    problem: Option<StoredProblem>,
}

/// A stored error. Its document is written again for a repeat, under the repeat's request id.
#[derive(Serialize, Deserialize)]
struct StoredProblem {
    code: String,
    detail: String,
    violations: Vec<(String, String)>,
    retry_after_ms: Option<u64>,
}

impl StoredResponse {
    /// Reads a response; `None` when it is too long or not UTF-8.
    async fn of(response: Response) -> (Option<Self>, Response) {
        let (parts, body) = response.into_parts();
        let fits = HttpBody::size_hint(&body)
            .upper()
            .is_some_and(|bytes| bytes <= ANSWER_BYTES as u64);
        if !fits {
            return (None, Response::from_parts(parts, body));
        }
        let Ok(body) = body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes)
        else {
            return (
                None,
                HttpError(Error::internal("a response body could not be read")).into_response(),
            );
        };
        let header = |(name, value): (&HeaderName, &HeaderValue)| {
            (name != CONTENT_LENGTH)
                .then(|| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))?
        };
        let answer = String::from_utf8(body.to_vec()).ok().map(|body| Self {
            status: parts.status.as_u16(),
            headers: parts.headers.iter().filter_map(header).collect(),
            body,
            problem: parts
                .extensions
                .get::<ResponseError>()
                .map(|failure| StoredProblem::of(&failure.0)),
        });
        (answer, Response::from_parts(parts, Body::from(body)))
    }

    /// Every token in a response is in a field whose name ends in `Token`.
    fn holds_tokens(&self) -> bool {
        self.body.contains("Token\":")
    }

    fn into_response(self) -> Option<Response> {
        let mut response = match self.problem {
            Some(problem) => HttpError(problem.into_error()?).into_response(),
            None => Body::from(self.body).into_response(),
        };
        *response.status_mut() = StatusCode::from_u16(self.status).ok()?;
        for (name, value) in self.headers {
            response.headers_mut().append(
                HeaderName::try_from(name).ok()?,
                HeaderValue::try_from(value).ok()?,
            );
        }
        response
            .headers_mut()
            .insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
        Some(response)
    }
}

impl StoredProblem {
    fn of(error: &Error) -> Self {
        Self {
            code: error.code.as_str().to_owned(),
            detail: error.detail.to_string(),
            violations: error
                .violations
                .iter()
                .map(|v| (v.path.clone(), v.message.clone()))
                .collect(),
            retry_after_ms: error
                .retry_after
                .and_then(|after| u64::try_from(after.as_millis()).ok()),
        }
    }

    fn into_error(self) -> Option<Error> {
        let code = *ErrorCode::ALL
            .iter()
            .find(|code| code.as_str() == self.code)?;
        let mut error = Error::new(code, self.detail);
        error.violations = self
            .violations
            .into_iter()
            .map(|(path, message)| Violation { path, message })
            .collect();
        error.retry_after = self.retry_after_ms.map(Duration::from_millis);
        Some(error)
    }
}

fn replay(kept: &[u8]) -> Response {
    let answer = serde_json::from_slice::<StoredResponse>(kept)
        .ok()
        .and_then(StoredResponse::into_response);
    answer.unwrap_or_else(|| {
        HttpError(Error::internal("a stored response could not be read")).into_response()
    })
}

#[cfg(test)]
mod tests {
    use super::{IDEMPOTENCY_REPLAYED, StoredResponse, key, replay};
    use crate::e::HttpError;
    use crate::e::http::ResponseError;
    use axum::Json;
    use axum::body::Body;
    use axum::response::{IntoResponse, Response};
    use faceshare_biz::{Error, ErrorCode};
    use http::{HeaderMap, HeaderValue, StatusCode};
    use http_body_util::BodyExt;
    use serde_json::json;
    use std::time::Duration;

    async fn kept(response: Response) -> (Response, bool) {
        let (answer, _) = StoredResponse::of(response).await;
        let answer = answer.expect("it is kept");
        let holds_tokens = answer.holds_tokens();
        (
            replay(&serde_json::to_vec(&answer).expect("serialises")),
            holds_tokens,
        )
    }

    #[tokio::test]
    async fn a_replayed_response_is_the_original_and_is_marked() {
        let (again, holds_tokens) =
            kept((StatusCode::CREATED, Json(json!({"id": "é"}))).into_response()).await;
        assert!(!holds_tokens);
        assert_eq!(again.status(), StatusCode::CREATED);
        assert_eq!(again.headers()[IDEMPOTENCY_REPLAYED], "true");
        assert_eq!(again.headers()["content-type"], "application/json");
        assert_eq!(again.headers().get_all("content-length").iter().count(), 0);
        assert_eq!(
            again
                .into_body()
                .collect()
                .await
                .expect("a body")
                .to_bytes(),
            r#"{"id":"é"}"#.as_bytes()
        );
        assert!(
            kept(Json(json!({"sessionToken": "x"})).into_response())
                .await
                .1
        );
    }

    #[tokio::test]
    async fn a_replayed_refusal_names_its_fields() {
        let error =
            Error::invalid("title", "is too long").retry_after(Duration::from_millis(1_500));
        let (again, _) = kept(HttpError(error).into_response()).await;
        let failure = again
            .extensions()
            .get::<ResponseError>()
            .expect("it failed")
            .0
            .clone();
        assert_eq!(
            (again.status(), failure.code),
            (StatusCode::BAD_REQUEST, ErrorCode::InvalidArgument)
        );
        assert_eq!(
            (failure.violations[0].path.as_str(), failure.retry_after),
            ("title", Some(Duration::from_millis(1_500)))
        );
    }

    #[tokio::test]
    async fn a_response_that_is_too_long_is_not_stored_and_reaches_the_client() {
        let (answer, response) =
            StoredResponse::of(Body::from(vec![b'x'; 40_000]).into_response()).await;
        assert!(answer.is_none());
        assert_eq!(
            response
                .into_body()
                .collect()
                .await
                .expect("a body")
                .to_bytes()
                .len(),
            40_000
        );
    }

    #[test]
    fn a_key_is_short_and_visible() {
        let headers = |key: &str| {
            let value = HeaderValue::from_bytes(key.as_bytes()).expect("a value");
            [(super::IDEMPOTENCY_KEY, value)]
                .into_iter()
                .collect::<HeaderMap>()
        };
        for good in ["a", "!~", &"k".repeat(64)] {
            assert_eq!(key(&headers(good)).expect("a key"), good);
        }
        for bad in ["", "a b", "a\tb", "é", &"k".repeat(65)] {
            assert_eq!(
                key(&headers(bad)).expect_err("no key").violations[0].path,
                "Idempotency-Key",
                "{bad:?}"
            );
        }
        let mut two = headers("a");
        two.append(super::IDEMPOTENCY_KEY, HeaderValue::from_static("b"));
        assert!(key(&two).is_err());
    }
}
