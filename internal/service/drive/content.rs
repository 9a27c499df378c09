//! The content of files, encrypted in a drive.

use async_trait::async_trait;
use faceshare_biz::domain::drive::{ByteStream, ContentStore, DriveAgent, NewObject, ObjectKey};
use faceshare_biz::domain::encs::DataKey;
use faceshare_biz::{Error, Result};
use filecrypt::{DecryptError, FileId, NewFileId, NotAFileId, Window, encrypt};
use futures_util::{StreamExt as _, TryStreamExt as _};
use std::ops::Range;
use std::sync::Arc;

/// Stores content in a drive, in chunks that are encrypted under a data key. The key of an object
/// is the id of its encrypted file.
pub struct EncryptedContent {
    drive: Arc<dyn DriveAgent>,
}

impl EncryptedContent {
    /// Stores in this drive.
    pub fn new(drive: Arc<dyn DriveAgent>) -> Self {
        Self { drive }
    }
}

fn file_id(object: &ObjectKey) -> Result<FileId> {
    let id = object.as_str().parse();
    id.map_err(|error: NotAFileId| Error::internal(error))
}

fn unreadable(error: DecryptError<Error>) -> Error {
    match error {
        DecryptError::Source(error) => error,
        DecryptError::Changed => Error::internal("a stored file is not what was stored"),
        DecryptError::Truncated => Error::internal("a stored file ends too early"),
    }
}

#[async_trait]
impl ContentStore for EncryptedContent {
    fn new_object(&self) -> NewObject {
        let key = ObjectKey::new(&NewFileId::draw().id().to_string());
        NewObject::from_unused(key.expect("invariant: 32 hex digits are a key"))
    }

    async fn put<'a>(
        &self,
        object: NewObject,
        key: Option<&'a DataKey>,
        content: ByteStream,
    ) -> Result<()> {
        let stored = match key {
            Some(key) => {
                let id = NewFileId::from_unused(file_id(object.key())?);
                encrypt(key.expose(), id, content).boxed()
            }
            None => content,
        };
        self.drive.put(object.key(), stored).await
    }

    async fn get<'a>(
        &self,
        object: &ObjectKey,
        key: Option<&'a DataKey>,
        size: u64,
        range: Range<u64>,
    ) -> Result<Option<ByteStream>> {
        let Some(key) = key else {
            let range = (size > 0).then_some(range);
            return self.drive.get(object, range).await;
        };
        let window = Window::new(size, range);
        let window = window.ok_or_else(|| Error::internal("a range outside the file is read"))?;
        let id = file_id(object)?;
        let stored = self
            .drive
            .get(object, Some(window.stored().clone()))
            .await?;
        Ok(stored.map(|stored| {
            let plain = window.decrypt(key.expose(), &id, stored);
            plain.map_err(unreadable).boxed()
        }))
    }

    async fn delete(&self, object: &ObjectKey) -> Result<()> {
        self.drive.delete(object).await
    }
}
