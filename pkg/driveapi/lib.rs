//! Client of a drive service, which stores objects and has the files of accounts: `api/drive.yaml`.
//!
//! Keys, accounts and ids go into URLs as they are: they match `[A-Za-z0-9_-]{1,64}`, which the
//! caller has checked. All calls are safe to repeat, and are repeated by [`AgentClient`] when they
//! fail for a moment.

mod content;

use std::ops::Range;

use agentclient::{AgentClient, AgentError, Call, CallBody, FileBody, Reply};
use http::header::CONTENT_RANGE;
use http::{Method, StatusCode};
use serde::Deserialize;

pub use content::Content;

/// Calls a drive service.
#[derive(Debug, Clone)]
pub struct DriveClient(AgentClient);

/// A file in the drive of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInfo {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
    /// SHA-256 of its bytes, when the service knows it.
    pub sha256: Option<[u8; 32]>,
}

#[derive(Deserialize)]
struct FileAnswer {
    id: String,
    name: String,
    size: u64,
    sha256: Option<String>,
}

/// What became of an object that was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is stored now, or was already.
    Stored,
    /// Other bytes are stored under this key.
    OtherBytes,
}

const FOUND_OR_NOT: &[StatusCode] = &[StatusCode::OK, StatusCode::NOT_FOUND];

impl DriveClient {
    /// Calls the service of this client.
    #[must_use]
    pub const fn new(client: AgentClient) -> Self {
        Self(client)
    }

    /// Stores a file as an object.
    ///
    /// # Errors
    /// [`AgentError`].
    pub async fn put(&self, key: &str, file: &FileBody) -> Result<Put, AgentError> {
        let path = format!("/v1/objects/{key}");
        let answers = &[
            StatusCode::CREATED,
            StatusCode::NO_CONTENT,
            StatusCode::CONFLICT,
        ];
        let call = Call {
            body: CallBody::File(file),
            ..Call::new("put_object", Method::PUT, &path, answers)
        };
        let status = self.0.status(&call).await?;
        Ok(match status {
            StatusCode::CONFLICT => Put::OtherBytes,
            _ => Put::Stored,
        })
    }

    /// An object's bytes, all or a range that is not empty. `None`: there is no such object.
    ///
    /// # Errors
    /// [`AgentError`], also when the answer is not exactly this range.
    pub async fn get(
        &self,
        key: &str,
        range: Option<Range<u64>>,
    ) -> Result<Option<Content>, AgentError> {
        let path = format!("/v1/objects/{key}");
        let found = match range {
            Some(_) => StatusCode::PARTIAL_CONTENT,
            None => StatusCode::OK,
        };
        let answers = &[found, StatusCode::NOT_FOUND];
        let call = Call {
            range: range.clone(),
            ..Call::new("get_object", Method::GET, &path, answers)
        };
        let reply = self.0.open(&call).await?;
        if reply.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let len = match range {
            Some(range) => {
                if !is_of_range(&reply, &range) {
                    return Err(self.0.malformed("another range than was asked for"));
                }
                Some(range.end - range.start)
            }
            None => reply.content_length(),
        };
        Ok(Some(Content::new(self.0.clone(), reply.body, len, None)))
    }

    /// An object's length. `None`: there is no such object.
    ///
    /// # Errors
    /// [`AgentError`].
    pub async fn head(&self, key: &str) -> Result<Option<u64>, AgentError> {
        let path = format!("/v1/objects/{key}");
        let call = Call::new("head_object", Method::HEAD, &path, FOUND_OR_NOT);
        let reply = self.0.open(&call).await?;
        if reply.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let len = reply.content_length();
        len.map(Some)
            .ok_or_else(|| self.0.malformed("no Content-Length"))
    }

    /// Deletes an object, if there is one.
    ///
    /// # Errors
    /// [`AgentError`].
    pub async fn delete(&self, key: &str) -> Result<(), AgentError> {
        let path = format!("/v1/objects/{key}");
        let answers = &[
            StatusCode::OK,
            StatusCode::NO_CONTENT,
            StatusCode::NOT_FOUND,
        ];
        let call = Call::new("delete_object", Method::DELETE, &path, answers);
        self.0.status(&call).await.map(drop)
    }

    /// The file of this id. `None`: there is none that the account may share.
    ///
    /// # Errors
    /// [`AgentError`].
    pub async fn file(&self, account: &str, id: &str) -> Result<Option<FileInfo>, AgentError> {
        let path = format!("/v1/files/{id}");
        let call = Call {
            query: &[("account", account)],
            ..Call::new("get_file", Method::GET, &path, FOUND_OR_NOT)
        };
        let (status, answer) = self.0.json::<FileAnswer>(&call).await?;
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer = answer.ok_or_else(|| self.0.malformed("no file"))?;
        if answer.id != id {
            return Err(self.0.malformed("id: another file"));
        }
        let sha256 = match answer.sha256 {
            Some(digits) => Some(
                read_sha256(&digits)
                    .ok_or_else(|| self.0.malformed("sha256: not 64 hex digits"))?,
            ),
            None => None,
        };
        Ok(Some(FileInfo {
            id: answer.id,
            name: answer.name,
            size: answer.size,
            sha256,
        }))
    }

    /// The bytes of a file that [`DriveClient::file`] has returned. `None`: it is not there any
    /// more. The bytes end with an error unless they have its size and SHA-256.
    ///
    /// # Errors
    /// [`AgentError`].
    pub async fn content(
        &self,
        account: &str,
        file: &FileInfo,
    ) -> Result<Option<Content>, AgentError> {
        let path = format!("/v1/files/{}/content", file.id);
        let call = Call {
            query: &[("account", account)],
            ..Call::new("get_file_content", Method::GET, &path, FOUND_OR_NOT)
        };
        let reply = self.0.open(&call).await?;
        if reply.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let content = Content::new(self.0.clone(), reply.body, Some(file.size), file.sha256);
        Ok(Some(content))
    }
}

fn read_sha256(digits: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    hex::decode_to_slice(digits, &mut hash).ok()?;
    Some(hash)
}

/// True when the answer says that it is exactly this range.
fn is_of_range(reply: &Reply, range: &Range<u64>) -> bool {
    let said = reply.headers.get(CONTENT_RANGE);
    let said = said.and_then(|value| value.to_str().ok());
    let range = format!("bytes {}-{}/", range.start, range.end.saturating_sub(1));
    said.is_some_and(|said| said.starts_with(&range))
}
