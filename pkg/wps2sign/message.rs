//! What a signature covers.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::body::BodyDigest;
use crate::scheme::Scheme;

/// A request as its signature sees it.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The method in upper case.
    pub method: &'a str,
    /// Path and query as in the request line; of a gRPC call `/package.Service/Method`.
    pub uri: &'a str,
    /// The `Content-Type` header, empty when there is none.
    pub content_type: &'a str,
    /// The hashes of the body.
    pub body: &'a BodyDigest,
}

impl Message<'_> {
    /// The `Content-Md5` header that goes with the request, in lower-case hex. KSO-1 sends none.
    pub(crate) fn content_md5(&self, scheme: Scheme) -> Option<String> {
        match scheme {
            Scheme::Kso1 => None,
            Scheme::Wps2 if self.body.is_empty() => Some(hex::encode(Md5::digest(self.uri))),
            Scheme::Wps3 | Scheme::Wps2 => Some(hex::encode(self.body.md5())),
        }
    }

    /// The bytes of the signature of this request at this date.
    pub(crate) fn signature(&self, scheme: Scheme, secret: &SecretString, date: &str) -> Vec<u8> {
        let secret = secret.expose_secret();
        let content_md5 = self.content_md5(scheme).unwrap_or_default();
        match scheme {
            Scheme::Kso1 => {
                let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
                    .expect("invariant: HMAC takes a key of any length");
                for part in ["KSO-1", self.method, self.uri, self.content_type, date] {
                    mac.update(part.as_bytes());
                }
                if !self.body.is_empty() {
                    mac.update(hex::encode(self.body.sha256()).as_bytes());
                }
                mac.finalize().into_bytes().to_vec()
            }
            Scheme::Wps3 => sha1(&[secret, &content_md5, self.uri, self.content_type, date]),
            Scheme::Wps2 => sha1(&[secret, &content_md5, self.content_type, date]),
        }
    }
}

fn sha1(parts: &[&str]) -> Vec<u8> {
    let mut hasher = Sha1::new();
    for part in parts {
        hasher.update(part.as_bytes());
    }
    hasher.finalize().to_vec()
}
