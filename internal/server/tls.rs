//! TLS on a listener: a certificate that may be exchanged while it is in use.
//!
//! The files are read again when their times change and when somebody asks ([`Tls::reload`]). What cannot be used is logged and the old
//! certificate stays; connections that are open keep what they were opened with.

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How often the files' times are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Why a certificate cannot be used. Says which key of the configuration to look at.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The chain cannot be read.
    #[error("tls.cert: {}: {reason}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The key cannot be read, or is another certificate's.
    #[error("tls.key: {}: {reason}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it; never a part of it.
        reason: String,
    },
}

/// A certificate and its key, from two PEM files. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Tls(Arc<Files>);

struct Files {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Tls {
    /// Reads both files.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let current = RwLock::new(Arc::new(read(certificate, key)?));
        Ok(Self(Arc::new(Files { certificate: certificate.to_owned(), key: key.to_owned(), current })))
    }

    /// Reads both files again. Connections that are opened from now on get what they hold.
    ///
    /// # Errors
    /// [`TlsError`]; the old certificate stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        let fresh = read(&self.0.certificate, &self.0.key)?;
        *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        Ok(())
    }

    /// Reloads when a file has changed, and when `asked` says so, until `shutdown`.
    pub async fn follow(self, mut asked: tokio::sync::watch::Receiver<()>, shutdown: CancellationToken) {
        let mut seen = self.times();
        let mut look = tokio::time::interval(LOOK_INTERVAL);
        loop {
            let now_please = tokio::select! {
                () = shutdown.cancelled() => return,
                _ = look.tick() => false,
                changed = asked.changed() => changed.is_ok(),
            };
            let times = self.times();
            if times == seen && !now_please {
                continue;
            }
            seen = times;
            let outcome = match self.reload() {
                Ok(()) => {
                    tracing::info!("the certificate was read again");
                    "taken"
                }
                Err(error) => {
                    tracing::error!(%error, "the new certificate cannot be used; the old one stays");
                    "refused"
                }
            };
            metrics::counter!("tls_reloads_total", "outcome" => outcome).increment(1);
        }
    }

    /// What accepts connections of these protocols, e.g. `h2`.
    pub(crate) fn acceptor(&self, protocols: &[&[u8]]) -> TlsAcceptor {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let versions = builder.with_safe_default_protocol_versions().expect("invariant: ring has suites for TLS 1.2 and 1.3");
        let mut config = versions.with_no_client_auth().with_cert_resolver(self.0.clone());
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    fn times(&self) -> [Option<SystemTime>; 2] {
        [&self.0.certificate, &self.0.key].map(|path| path.metadata().and_then(|meta| meta.modified()).ok())
    }
}

impl ResolvesServerCert for Files {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files").field("certificate", &self.certificate).field("key", &self.key).finish_non_exhaustive()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn read(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let bad_chain = |reason: String| TlsError::Certificate { path: certificate.to_owned(), reason };
    let bad_key = |reason: String| TlsError::Key { path: key.to_owned(), reason };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
    let chain = chain.map_err(|error| bad_chain(error.to_string()))?;
    if chain.is_empty() {
        return Err(bad_chain("holds no certificate in PEM".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| bad_key(error.to_string()))?;
    let signer = ring::sign::any_supported_type(&key).map_err(|error| bad_key(error.to_string()))?;
    let certified = CertifiedKey::new(chain, signer);
    certified.keys_match().map_err(|error| bad_key(format!("does not belong to the certificate of tls.cert: {error}")))?;
    Ok(certified)
}
