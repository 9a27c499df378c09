//! The keys for tokens are exchanged while the server runs: put a new one first in `auth.keys`, tell the server, and drop the old one later.

use crate::config::{Config, Loaded, key_file, key_ring};
use faceshare_service::{PasetoTokens, SealedSecrets};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often the files' times are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Reads the keys again when the configuration's file or the key file changes, and on request.
pub(crate) struct KeyRotation {
    pub(crate) loaded: Loaded,
    pub(crate) tokens: Arc<PasetoTokens>,
    pub(crate) secrets: Arc<SealedSecrets>,
}

impl KeyRotation {
    /// Until `shutdown`. Keys that cannot be used are logged, and the old ones stay.
    pub(crate) async fn follow(self, mut asked: watch::Receiver<()>, shutdown: CancellationToken) {
        let mut seen = self.times();
        let mut look = tokio::time::interval(LOOK_INTERVAL);
        loop {
            let now_please = tokio::select! {
                () = shutdown.cancelled() => return,
                _ = look.tick() => false,
                changed = asked.changed() => changed.is_ok(),
            };
            let times = self.times();
            if now_please || times != seen {
                seen = times;
                match self.rekey() {
                    Ok(kids) => tracing::info!(?kids, "the keys for tokens were read again; the first one seals"),
                    Err(error) => tracing::error!(error = format!("{error:#}"), "the new keys cannot be used; the old ones stay"),
                }
            }
        }
    }

    /// Everything else of the configuration stays as it was at the start.
    fn rekey(&self) -> anyhow::Result<Vec<String>> {
        let fresh = Config::load(self.loaded.file.as_deref())?;
        let ring = key_ring(&fresh.config)?;
        self.secrets.rekey(&ring);
        self.tokens.rekey(&ring);
        Ok(ring.kids().map(str::to_owned).collect())
    }

    fn times(&self) -> [Option<SystemTime>; 2] {
        let time = |path: &std::path::Path| path.metadata().and_then(|meta| meta.modified()).ok();
        [self.loaded.file.as_deref().and_then(time), time(&key_file(&self.loaded.config))]
    }
}
