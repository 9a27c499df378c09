//! What an agent client is configured with.

use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;
use thiserror::Error;
use wps2sign::{Scheme, Signer, SignerError};

/// Where a service is, how calls are signed, and how long and how often they are tried.
#[derive(Debug, Clone)]
pub struct AgentSettings {
    /// The label `client` of the metrics, and the service's name in errors: `drive`.
    pub name: &'static str,
    /// The base URL, http or https, without user, query and fragment.
    pub url: String,
    /// The access key that the service has given out.
    pub app_id: String,
    /// The secret of the access key.
    pub secret: SecretString,
    /// The scheme of the signatures.
    pub sign: Scheme,
    /// The longest time of a call. Where a body is streamed: from the last byte of the request to
    /// the head of the answer.
    pub timeout: Duration,
    /// The longest time in which a connection is established.
    pub connect_timeout: Duration,
    /// The longest time without a byte while a body is streamed.
    pub idle: Duration,
    /// How often a call is repeated after its first attempt failed.
    pub retries: u32,
    /// Failed calls in a row that open the breaker; at least 1.
    pub breaker_failures: u32,
    /// How long calls fail at once before one is tried again.
    pub breaker_open: Duration,
}

/// Settings that no client can be made of.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The URL cannot be called.
    #[error("url: an http or https URL without user, query and fragment is expected")]
    Url,
    /// `breaker_failures` is 0.
    #[error("breaker_failures: at least 1")]
    BreakerFailures,
    /// Access key or secret cannot be signed with.
    #[error("app_id, secret: {0}")]
    Credentials(#[from] SignerError),
    /// The HTTP client could not be made.
    #[error("the HTTP client cannot be made: {0}")]
    Client(#[source] reqwest::Error),
}

impl AgentSettings {
    /// The default settings for a service.
    #[must_use]
    pub fn new(
        name: &'static str,
        url: impl Into<String>,
        app_id: impl Into<String>,
        secret: SecretString,
    ) -> Self {
        Self {
            name,
            url: url.into(),
            app_id: app_id.into(),
            secret,
            sign: Scheme::Kso1,
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(2),
            idle: Duration::from_secs(30),
            retries: 2,
            breaker_failures: 5,
            breaker_open: Duration::from_secs(10),
        }
    }

    /// The base URL, checked.
    pub(crate) fn base(&self) -> Result<Url, SettingsError> {
        let url = Url::parse(&self.url).map_err(|_| SettingsError::Url)?;
        let plain = matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        plain.then_some(url).ok_or(SettingsError::Url)
    }

    pub(crate) fn signer(&self) -> Result<Signer, SettingsError> {
        Ok(Signer::new(
            self.sign,
            self.app_id.clone(),
            self.secret.clone(),
        )?)
    }
}
