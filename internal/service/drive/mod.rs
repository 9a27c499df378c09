//! The bytes of shared files: in a local folder, in an S3-compatible store, or in a drive service.

mod content;
mod folder;
mod local;
mod reading;
mod remote;
mod s3;
mod spool;
#[cfg(test)]
mod tests;

pub use content::EncryptedContent;
pub use folder::{FilesFolder, FilesFolderSettings};
pub use local::LocalDrive;
pub use remote::RemoteDrive;
pub use s3::{S3Drive, S3Error, S3Settings};
