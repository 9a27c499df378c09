//! TLS of a listener, with a certificate that can be replaced at run time. Open connections keep
//! the certificate that they were opened with.

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use tokio_rustls::TlsAcceptor;

/// Why a certificate cannot be used. Names the configuration key to look at.
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
    /// The key cannot be read, or does not belong to the certificate.
    #[error("tls.key: {}: {reason}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it; never a part of its content.
        reason: String,
    },
}

/// A certificate and its key. Cheap to clone; all clones share one state.
#[derive(Clone)]
pub struct Tls(Arc<Current>);

struct Current(RwLock<Arc<CertifiedKey>>);

impl Tls {
    /// Reads two PEM files: the certificate's chain, and its key.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        Ok(Self(Arc::new(Current(RwLock::new(Arc::new(read(
            certificate,
            key,
        )?))))))
    }

    /// Reads two files and uses them for connections that are opened from now on.
    ///
    /// # Errors
    /// [`TlsError`]; the old certificate stays.
    pub fn exchange(&self, certificate: &Path, key: &Path) -> Result<(), TlsError> {
        let read = read(certificate, key);
        metrics::counter!("tls_reloads_total", "outcome" => if read.is_ok() { "taken" } else { "refused" }).increment(1);
        *self.0.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(read?);
        Ok(())
    }

    /// An acceptor for connections of these protocols, e.g. `h2`.
    pub(crate) fn acceptor(&self, protocols: &[&[u8]]) -> TlsAcceptor {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let versions = builder
            .with_safe_default_protocol_versions()
            .expect("invariant: ring has suites for TLS 1.2 and 1.3");
        let mut config = versions
            .with_no_client_auth()
            .with_cert_resolver(self.0.clone());
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(
            self.0
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        )
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current").finish_non_exhaustive()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

fn read(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let bad_chain = |reason: String| TlsError::Certificate {
        path: certificate.to_owned(),
        reason,
    };
    let bad_key = |reason: String| TlsError::Key {
        path: key.to_owned(),
        reason,
    };
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
    let chain = chain.map_err(|error| bad_chain(error.to_string()))?;
    if chain.is_empty() {
        return Err(bad_chain("holds no certificate in PEM".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| bad_key(error.to_string()))?;
    let signer =
        ring::sign::any_supported_type(&key).map_err(|error| bad_key(error.to_string()))?;
    let certified = CertifiedKey::new(chain, signer);
    certified.keys_match().map_err(|error| {
        bad_key(format!(
            "does not belong to the certificate of tls.cert: {error}"
        ))
    })?;
    Ok(certified)
}
