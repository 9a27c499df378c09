//! What every [`DriveFiles`] must do.
//!
//! The drive under test holds one file: [`FILE`] of [`OWNER`], with [`NAME`] and [`content`].

use bytes::Bytes;
use faceshare_biz::domain::AccountId;
use faceshare_biz::domain::drive::{DriveFile, DriveFileId, DriveFiles};
use futures_util::TryStreamExt as _;

/// Runs the suite. `$fresh` is a future of a drive and of a value that is kept until the test ends.
#[macro_export]
macro_rules! drive_files_contract {
    ($fresh:expr) => {
        $crate::run_contract!(
            drive_files,
            $fresh,
            [
                a_file_is_read_as_the_drive_has_it,
                unknown_files_and_those_of_others_are_not_there,
                a_file_that_is_not_what_it_was_ends_with_an_error,
            ]
        );
    };
}

/// The account of the file.
pub const OWNER: u64 = 7;
/// The file's id.
pub const FILE: &str = "Report_2026-11";
/// The file's name.
pub const NAME: &str = "Report 2026/11.pdf";

/// The file's bytes.
#[must_use]
pub fn content() -> Vec<u8> {
    (0..300_000_u32).map(|n| n.to_le_bytes()[1]).collect()
}

fn owner() -> AccountId {
    AccountId::new(OWNER).expect("not zero")
}

fn id(text: &str) -> DriveFileId {
    DriveFileId::new(text).expect("an id")
}

async fn known(drive: &impl DriveFiles) -> DriveFile {
    let file = drive.stat(owner(), &id(FILE)).await.expect("an answer");
    file.expect("the file")
}

pub async fn a_file_is_read_as_the_drive_has_it(drive: &impl DriveFiles) {
    let file = known(drive).await;
    assert_eq!(file.id.as_str(), FILE);
    assert_eq!(file.name, NAME);
    assert_eq!(file.size, content().len() as u64);
    let bytes = drive.read(owner(), &file).await.expect("an answer");
    let bytes: Vec<Bytes> = bytes.expect("the file").try_collect().await.expect("whole");
    assert!(bytes.concat() == content());
}

pub async fn unknown_files_and_those_of_others_are_not_there(drive: &impl DriveFiles) {
    let file = known(drive).await;
    let other = AccountId::new(OWNER + 1).expect("not zero");
    assert_eq!(drive.stat(other, &id(FILE)).await.expect("an answer"), None);
    assert_eq!(
        drive.stat(owner(), &id("x")).await.expect("an answer"),
        None
    );
    assert!(drive.read(other, &file).await.expect("an answer").is_none());
}

pub async fn a_file_that_is_not_what_it_was_ends_with_an_error(drive: &impl DriveFiles) {
    let file = known(drive).await;
    let longer = DriveFile {
        size: file.size + 1,
        ..file.clone()
    };
    let shorter = DriveFile {
        size: file.size - 1,
        ..file.clone()
    };
    let other = DriveFile {
        sha256: Some([7; 32]),
        ..file
    };
    for (why, expected) in [
        ("longer", longer),
        ("shorter", shorter),
        ("other bytes", other),
    ] {
        if let Ok(Some(bytes)) = drive.read(owner(), &expected).await {
            let read: Result<Vec<Bytes>, _> = bytes.try_collect().await;
            assert!(read.is_err(), "{why}");
        }
    }
}
