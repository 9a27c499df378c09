//! Reloads the part of the configuration that is applied while the server runs: `log.level`, the
//! certificate and the keys for tokens.
//!
//! The file and the environment are read again on SIGHUP, and when the configuration file, the key
//! file or the certificate's files change.

use crate::config::{Config, Loaded, existing_key_ring, key_file};
use crate::logging::LogLevel;
use anyhow::Context as _;
use faceshare_server::Tls;
use faceshare_service::{PasetoTokens, SealedSecrets};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::Notify;

/// How often the modification times of the files are checked.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// The keys that are applied while the server runs. Turning TLS on or off needs a restart.
const APPLIED: [&str; 4] = ["auth.keys", "log.level", "tls.cert", "tls.key"];

/// Applies a changed configuration as far as that is possible without a restart.
pub(crate) struct Reload {
    /// The configuration that the server started with.
    pub(crate) loaded: Loaded,
    pub(crate) level: LogLevel,
    pub(crate) tls: Option<Tls>,
    pub(crate) tokens: Arc<PasetoTokens>,
    pub(crate) secrets: Arc<SealedSecrets>,
}

impl Reload {
    /// Reads everything again when `requested` is notified and when a file has changed. It never
    /// ends.
    pub(crate) async fn follow(&self, requested: &Notify) {
        let mut watched = self.loaded.config.clone();
        let mut seen = self.times(&watched);
        loop {
            let is_requested = tokio::time::timeout(CHECK_INTERVAL, requested.notified())
                .await
                .is_ok();
            let times = self.times(&watched);
            if is_requested {
                tracing::info!("SIGHUP received; reading the configuration again");
            }
            if is_requested || times != seen {
                seen = times;
                if let Some(applied) = self.apply() {
                    // Other paths of the certificate may be in force now.
                    watched = applied;
                    seen = self.times(&watched);
                }
            }
        }
    }

    /// An invalid configuration changes nothing. The parts of a valid one, which is returned, are
    /// applied one by one: a part that cannot be used keeps its old value.
    fn apply(&self) -> Option<Config> {
        let fresh = match Config::load(self.loaded.file.as_deref()) {
            Ok(fresh) => fresh,
            Err(error) => {
                tracing::error!(%error, "the configuration cannot be used; the old one stays");
                return None;
            }
        };
        if let Err(error) = self.level.set(&fresh.config.log.level) {
            tracing::error!(%error, "log.level cannot be used; the old one stays");
        }
        match self.rekey(&fresh.config) {
            Ok(kids) => tracing::info!(
                ?kids,
                "the keys for tokens were read again; the first one seals"
            ),
            Err(error) => tracing::error!(
                error = format!("{error:#}"),
                "the new keys cannot be used; the old ones stay"
            ),
        }
        if let (Some(tls), Some((certificate, key))) = (&self.tls, &fresh.config.tls.files) {
            match tls.exchange(certificate, key) {
                Ok(()) => tracing::info!("the certificate was read again"),
                Err(error) => {
                    tracing::error!(%error, "the new certificate cannot be used; the old one stays")
                }
            }
        }
        let needs_restart = self.needs_restart(&fresh);
        if !needs_restart.is_empty() {
            tracing::warn!(
                keys = needs_restart.join(", "),
                "these keys have changed; restart the server to apply them"
            );
        }
        Some(fresh.config)
    }

    /// The keys that have changed since the start and need a restart.
    fn needs_restart<'f>(&self, fresh: &'f Loaded) -> Vec<&'f str> {
        let tls_stays = fresh.config.tls.files.is_some() == self.loaded.config.tls.files.is_some();
        let is_applied =
            |key: &str| APPLIED.contains(&key) && (tls_stays || !key.starts_with("tls."));
        fresh
            .report
            .changed_from(&self.loaded.report)
            .into_iter()
            .filter(|key| !is_applied(key))
            .collect()
    }

    fn rekey(&self, fresh: &Config) -> anyhow::Result<Vec<String>> {
        // While the server runs, a missing key file is an error. Generated keys would sign out
        // every account.
        let ring = existing_key_ring(fresh)?
            .with_context(|| format!("{} is missing", key_file(fresh).display()))?;
        self.secrets.rekey(&ring);
        self.tokens.rekey(&ring);
        Ok(ring.kids().map(str::to_owned).collect())
    }

    fn times(&self, config: &Config) -> [Option<SystemTime>; 4] {
        let time = |path: &Path| path.metadata().and_then(|meta| meta.modified()).ok();
        let (certificate, key) = config
            .tls
            .files
            .as_ref()
            .map(|(cert, key)| (cert.as_path(), key.as_path()))
            .unzip();
        let (file, keys) = (self.loaded.file.as_deref(), key_file(config));
        [
            file.and_then(time),
            time(&keys),
            certificate.and_then(time),
            key.and_then(time),
        ]
    }
}
