//! Client of an encs service, which wraps data keys: `api/encs.yaml`.
//!
//! All calls are safe to repeat, and are repeated by [`AgentClient`] when they fail for a moment.

use agentclient::{AgentClient, AgentError, Call, CallBody};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The bytes of a data key.
pub const DATA_KEY_LEN: usize = 32;

/// Calls an encs service.
#[derive(Debug, Clone)]
pub struct EncsClient(AgentClient);

/// A data key that the service has wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrapped {
    /// The service's key that it is wrapped under.
    pub key_id: String,
    /// The wrapped key, opaque.
    pub wrapped: Vec<u8>,
}

/// What became of a key that was to be unwrapped.
#[derive(Clone, PartialEq, Eq)]
pub enum Unwrapped {
    /// The data key.
    Key(Box<Zeroizing<[u8; DATA_KEY_LEN]>>),
    /// The keys of its context are destroyed.
    Destroyed,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrapRequest<'a> {
    context: &'a str,
    plaintext: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrapAnswer {
    key_id: String,
    wrapped: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UnwrapRequest<'a> {
    context: &'a str,
    key_id: &'a str,
    wrapped: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UnwrapAnswer {
    plaintext: Zeroizing<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DestroyRequest<'a> {
    context: &'a str,
}

impl EncsClient {
    /// Calls the service of this client.
    #[must_use]
    pub const fn new(client: AgentClient) -> Self {
        Self(client)
    }

    /// Wraps a data key for a context.
    ///
    /// # Errors
    /// [`AgentError`].
    pub async fn wrap(
        &self,
        context: &str,
        key: &[u8; DATA_KEY_LEN],
    ) -> Result<Wrapped, AgentError> {
        let plaintext = Zeroizing::new(STANDARD.encode(key));
        let request = WrapRequest {
            context,
            plaintext: &plaintext,
        };
        let (_, answer) = self
            .post::<WrapAnswer>("wrap", "/v1/wrap", &request, &[StatusCode::OK])
            .await?;
        let answer = answer.ok_or_else(|| self.0.malformed("no wrapped key"))?;
        let wrapped = STANDARD
            .decode(answer.wrapped)
            .map_err(|_| self.0.malformed("wrapped: not base64"))?;
        Ok(Wrapped {
            key_id: answer.key_id,
            wrapped,
        })
    }

    /// Unwraps a data key of a context.
    ///
    /// # Errors
    /// [`AgentError`], also for what the service has not wrapped for this context.
    pub async fn unwrap(&self, context: &str, key: &Wrapped) -> Result<Unwrapped, AgentError> {
        let request = UnwrapRequest {
            context,
            key_id: &key.key_id,
            wrapped: STANDARD.encode(&key.wrapped),
        };
        let answers = &[StatusCode::OK, StatusCode::GONE];
        let (status, answer) = self
            .post::<UnwrapAnswer>("unwrap", "/v1/unwrap", &request, answers)
            .await?;
        if status == StatusCode::GONE {
            return Ok(Unwrapped::Destroyed);
        }
        let answer = answer.ok_or_else(|| self.0.malformed("no plaintext"))?;
        let mut key = Box::new(Zeroizing::new([0; DATA_KEY_LEN]));
        match STANDARD.decode_slice(answer.plaintext.as_bytes(), &mut key[..]) {
            Ok(DATA_KEY_LEN) => Ok(Unwrapped::Key(key)),
            _ => Err(self.0.malformed("plaintext: not 32 bytes in base64")),
        }
    }

    /// Destroys all keys of a context.
    ///
    /// # Errors
    /// [`AgentError`].
    pub async fn destroy(&self, context: &str) -> Result<(), AgentError> {
        let answers = &[StatusCode::NO_CONTENT];
        let request = DestroyRequest { context };
        self.post::<serde::de::IgnoredAny>("destroy", "/v1/destroy", &request, answers)
            .await
            .map(drop)
    }

    async fn post<T: serde::de::DeserializeOwned>(
        &self,
        operation: &'static str,
        path: &str,
        request: &impl Serialize,
        answers: &[StatusCode],
    ) -> Result<(StatusCode, Option<T>), AgentError> {
        let json = serde_json::to_vec(request).expect("invariant: texts are JSON");
        // The buffer holds the data key when one is wrapped: it is overwritten once it is sent.
        let json = Bytes::from_owner(Zeroizing::new(json));
        let call = Call {
            body: CallBody::Json(&json),
            safe: true,
            ..Call::new(operation, Method::POST, path, answers)
        };
        self.0.json(&call).await
    }
}
