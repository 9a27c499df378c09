//! `tls.*`: the certificate of the server's own listeners.

use std::{path::PathBuf, time::Duration};

use super::{DAY, section::Section};

/// TLS on the listeners for clients and for other services.
#[derive(Debug, Clone)]
pub(crate) struct Tls {
    /// PEM files of the certificate's chain and of its key. Unset: clear text.
    pub(crate) files: Option<(PathBuf, PathBuf)>,
    /// Maximum age of `Strict-Transport-Security`. Zero: the header is not sent.
    pub(crate) strict_transport: Duration,
}

impl Tls {
    pub(super) fn read(keys: &mut Section<'_, '_>) -> Self {
        let file = |keys: &mut Section<'_, '_>, key| {
            keys.text(key, String::new(), |path| Ok(path.to_owned()), Clone::clone)
        };
        let (cert, key) = (file(keys, "cert"), file(keys, "key"));
        match (cert.is_empty(), key.is_empty()) {
            (true, false) => keys.problem("cert", "is not set, and tls.key is"),
            (false, true) => keys.problem("key", "is not set, and tls.cert is"),
            _ => {}
        }
        Self {
            files: (!cert.is_empty() && !key.is_empty()).then(|| (cert.into(), key.into())),
            strict_transport: keys.duration(
                "strict_transport",
                DAY * 365,
                Duration::ZERO..=DAY * 730,
            ),
        }
    }
}
