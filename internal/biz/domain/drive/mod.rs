//! Where the bytes of shared files are, and the files that accounts keep in their drive.

mod port;
mod types;

pub use port::{ByteStream, ContentStore, DriveAgent, DriveFiles};
#[cfg(feature = "mocks")]
pub use port::{MockContentStore, MockDriveAgent, MockDriveFiles};
pub use types::{DriveFile, DriveFileId, NewObject, ObjectKey};
