//! Objects in a drive service, and the files that accounts have there.

use super::folder::FilesFolder;
use super::spool::{Spooled, other_bytes};
use crate::agents::unavailable;
use agentclient::FileBody;
use async_trait::async_trait;
use driveapi::{Content, DriveClient, FileInfo, Put};
use faceshare_biz::Result;
use faceshare_biz::domain::AccountId;
use faceshare_biz::domain::drive::{
    ByteStream, DriveAgent, DriveFile, DriveFileId, DriveFiles, ObjectKey,
};
use futures_util::{StreamExt as _, TryStreamExt as _};
use std::ops::Range;
use wps2sign::BodyHasher;

/// Stores objects in a drive service, and finds the files of accounts there.
///
/// A request is signed over its whole body, so an object's bytes are received into a folder first.
#[derive(Debug, Clone)]
pub struct RemoteDrive {
    folder: FilesFolder,
    client: DriveClient,
}

impl RemoteDrive {
    /// Stores in the service of this client. Bytes are received into `folder` first.
    #[must_use]
    pub const fn new(folder: FilesFolder, client: DriveClient) -> Self {
        Self { folder, client }
    }
}

fn streamed(content: Content) -> ByteStream {
    content.into_stream().map_err(unavailable).boxed()
}

#[async_trait]
impl DriveAgent for RemoteDrive {
    async fn put(&self, key: &ObjectKey, bytes: ByteStream) -> Result<()> {
        let mut hasher = BodyHasher::default();
        let spooled = Spooled::write(&self.folder, bytes, |bytes| hasher.update(bytes)).await?;
        let body = FileBody {
            path: spooled.path().to_owned(),
            len: spooled.len(),
            digest: hasher.finish(),
        };
        let put = self.client.put(key.as_str(), &body).await;
        match put.map_err(unavailable)? {
            Put::Stored => Ok(()),
            Put::OtherBytes => Err(other_bytes()),
        }
    }

    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<ByteStream>> {
        let content = self.client.get(key.as_str(), range).await;
        Ok(content.map_err(unavailable)?.map(streamed))
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<u64>> {
        self.client.head(key.as_str()).await.map_err(unavailable)
    }

    async fn delete(&self, key: &ObjectKey) -> Result<()> {
        self.client.delete(key.as_str()).await.map_err(unavailable)
    }
}

#[async_trait]
impl DriveFiles for RemoteDrive {
    async fn stat(&self, account: AccountId, id: &DriveFileId) -> Result<Option<DriveFile>> {
        let found = self.client.file(&account.to_string(), id.as_str()).await;
        let found = found.map_err(unavailable)?;
        Ok(found.map(|found| DriveFile {
            id: id.clone(),
            name: found.name,
            size: found.size,
            sha256: found.sha256,
        }))
    }

    async fn read(&self, account: AccountId, file: &DriveFile) -> Result<Option<ByteStream>> {
        let file = FileInfo {
            id: file.id.to_string(),
            name: file.name.clone(),
            size: file.size,
            sha256: file.sha256,
        };
        let content = self.client.content(&account.to_string(), &file).await;
        Ok(content.map_err(unavailable)?.map(streamed))
    }
}
