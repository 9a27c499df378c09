//! Objects in an S3-compatible store.

use super::folder::FilesFolder;
use super::reading;
use super::spool::{Spooled, has_bytes, other_bytes};
use async_trait::async_trait;
use faceshare_biz::domain::drive::{ByteStream, DriveAgent, ObjectKey};
use faceshare_biz::{Error, Result};
use object_store::aws::{AmazonS3, AmazonS3Builder, S3ConditionalPut};
use object_store::path::Path;
use object_store::{ClientOptions, MultipartUpload, ObjectStoreExt as _, PutPayload, RetryConfig};
use secrecy::{ExposeSecret as _, SecretString};
use std::ops::Range;
use std::time::Duration;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio::task::JoinSet;

/// The size of a part: S3 takes at least 5 MiB, and at most 10,000 of them, so 78 GiB.
const PART_BYTES: u64 = 8 * 1024 * 1024;
/// Parts of one object that are sent at the same time.
const PARTS_AT_ONCE: usize = 4;

/// Where the store is, and how to sign in.
#[derive(Debug, Clone)]
pub struct S3Settings {
    /// The base URL, http or https; empty: that of AWS for the region.
    pub endpoint: String,
    /// The region.
    pub region: String,
    /// The bucket, which exists.
    pub bucket: String,
    /// The access key.
    pub access_key: String,
    /// Its secret.
    pub secret_key: SecretString,
    /// True: the bucket is in the path of the URLs. False: in their host.
    pub path_style: bool,
    /// What the keys of objects begin with in the bucket, without `/` at the end; may be empty.
    pub prefix: String,
    /// The longest time in which a connection is established.
    pub connect_timeout: Duration,
    /// The longest time without a byte.
    pub idle: Duration,
}

/// The settings are not those of a store.
#[derive(Debug, thiserror::Error)]
#[error("files.s3: {0}")]
pub struct S3Error(#[source] object_store::Error);

/// Stores each object in a bucket: large ones in parts, each sent again when it fails.
///
/// Keys are drawn by their only writer, so the look whether a key is taken and the upload are two
/// calls: not every compatible store can do both in one.
#[derive(Debug)]
pub struct S3Drive {
    folder: FilesFolder,
    store: AmazonS3,
    prefix: Path,
}

impl S3Drive {
    /// Stores in this bucket. Bytes are received into `folder` first.
    ///
    /// # Errors
    /// [`S3Error`].
    pub fn new(folder: FilesFolder, settings: &S3Settings) -> std::result::Result<Self, S3Error> {
        let client = ClientOptions::new()
            .with_allow_http(true)
            .with_connect_timeout(settings.connect_timeout)
            .with_timeout_disabled()
            .with_read_timeout(settings.idle);
        let retry = RetryConfig {
            max_retries: 2,
            retry_timeout: Duration::from_secs(10),
            ..RetryConfig::default()
        };
        let mut builder = AmazonS3Builder::new()
            .with_region(&settings.region)
            .with_bucket_name(&settings.bucket)
            .with_access_key_id(&settings.access_key)
            .with_secret_access_key(settings.secret_key.expose_secret())
            .with_virtual_hosted_style_request(!settings.path_style)
            .with_conditional_put(S3ConditionalPut::Disabled)
            .with_client_options(client)
            .with_retry(retry);
        if !settings.endpoint.is_empty() {
            builder = builder.with_endpoint(&settings.endpoint);
        }
        Ok(Self {
            folder,
            store: builder.build().map_err(S3Error)?,
            prefix: Path::parse(&settings.prefix).map_err(|error| S3Error(error.into()))?,
        })
    }

    fn path(&self, key: &ObjectKey) -> Path {
        self.prefix.clone().join(key.as_str())
    }

    async fn upload(&self, path: &Path, spooled: &Spooled) -> Result<()> {
        let mut file = File::open(spooled.path())
            .await
            .map_err(Error::unavailable)?;
        if spooled.len() <= PART_BYTES {
            let bytes = next_part(&mut file).await?;
            let put = self.store.put(path, bytes).await;
            return put.map(drop).map_err(Error::unavailable);
        }
        let started = self.store.put_multipart(path).await;
        let mut upload = started.map_err(Error::unavailable)?;
        let sent = match send_parts(&mut *upload, &mut file, spooled.len()).await {
            Ok(()) => upload
                .complete()
                .await
                .map(drop)
                .map_err(Error::unavailable),
            Err(error) => Err(error),
        };
        if sent.is_err()
            && let Err(error) = upload.abort().await
        {
            tracing::warn!(%path, %error, "the parts of a failed upload are left in the bucket");
        }
        sent
    }
}

/// The next bytes of the file, as many as a part has or all that are left.
async fn next_part(file: &mut File) -> Result<PutPayload> {
    let mut part = Vec::new();
    let mut next = file.take(PART_BYTES);
    next.read_to_end(&mut part)
        .await
        .map_err(Error::unavailable)?;
    Ok(part.into())
}

async fn send_parts(upload: &mut dyn MultipartUpload, file: &mut File, len: u64) -> Result<()> {
    let mut sending = JoinSet::new();
    for _ in 0..len.div_ceil(PART_BYTES) {
        let part = next_part(file).await?;
        sending.spawn(upload.put_part(part));
        if sending.len() >= PARTS_AT_ONCE
            && let Some(one) = sending.join_next().await
        {
            one.map_err(Error::internal)?.map_err(Error::unavailable)?;
        }
    }
    while let Some(one) = sending.join_next().await {
        one.map_err(Error::internal)?.map_err(Error::unavailable)?;
    }
    Ok(())
}

#[async_trait]
impl DriveAgent for S3Drive {
    async fn put(&self, key: &ObjectKey, bytes: ByteStream) -> Result<()> {
        let spooled = Spooled::write(&self.folder, bytes, |_| ()).await?;
        match self.get(key, None).await? {
            None => self.upload(&self.path(key), &spooled).await,
            Some(stored) => match has_bytes(spooled.path(), stored).await? {
                true => Ok(()),
                false => Err(other_bytes()),
            },
        }
    }

    async fn get(&self, key: &ObjectKey, range: Option<Range<u64>>) -> Result<Option<ByteStream>> {
        reading::get(&self.store, &self.path(key), range).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<u64>> {
        reading::head(&self.store, &self.path(key)).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<()> {
        reading::delete(&self.store, &self.path(key)).await
    }
}
