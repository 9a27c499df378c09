//! The TLS settings of both halves, the HTTP calls and the stream.

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;
use std::sync::{Arc, LazyLock};

/// Made once in a process, because reading the system's certificates takes milliseconds.
///
/// It names its cryptography (ring) itself, so that a program needs to install no process-wide provider, and one that is installed does no
/// harm. A server's certificate is checked against the roots that the system trusts; on a system that has none, such as a bare container,
/// against Mozilla's.
pub(crate) fn config() -> Arc<ClientConfig> {
    static CONFIG: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| Arc::new(build()));
    CONFIG.clone()
}

fn build() -> ClientConfig {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone());
    let builder = builder
        .with_safe_default_protocol_versions()
        .expect("ring has the ciphers of TLS 1.2 and 1.3");
    match Verifier::new(provider) {
        Ok(verifier) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth(),
        Err(error) => {
            tracing::debug!(%error, "the system has no root certificates; Mozilla's are used");
            let roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
            builder.with_root_certificates(roots).with_no_client_auth()
        }
    }
}
