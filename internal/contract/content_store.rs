//! What every [`ContentStore`] must do.

use bytes::Bytes;
use faceshare_biz::domain::drive::{ContentStore, ObjectKey};
use faceshare_biz::domain::encs::DataKey;
use faceshare_biz::{Error, ErrorCode, Result};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::ops::Range;

/// Runs the suite. `$fresh` is a future of a store and of a value that is kept until the test ends.
#[macro_export]
macro_rules! content_store_contract {
    ($fresh:expr) => {
        $crate::run_contract!(
            content_store,
            $fresh,
            [
                any_range_is_read_as_it_was_put,
                content_without_a_byte_is_kept,
                content_is_read_under_its_own_key_alone,
                what_was_not_put_or_is_deleted_is_not_there,
                a_stream_that_fails_stores_nothing,
                a_length_that_is_not_its_own_is_an_error,
            ]
        );
    };
}

fn key(byte: u8) -> DataKey {
    DataKey::filled(|bytes| bytes.fill(byte))
}

/// More than one chunk, and no whole number of them.
fn content() -> Vec<u8> {
    (0..300_000_u32).map(|n| n.to_le_bytes()[1]).collect()
}

async fn put(store: &impl ContentStore, key: Option<&DataKey>, content: &[u8]) -> ObjectKey {
    let object = store.new_object();
    let name = object.key().clone();
    let pieces: Vec<_> = content.chunks(7_000).map(Bytes::copy_from_slice).collect();
    let stream = stream::iter(pieces.into_iter().map(Ok)).boxed();
    store.put(object, key, stream).await.expect("stored");
    name
}

async fn read(
    store: &impl ContentStore,
    object: &ObjectKey,
    key: Option<&DataKey>,
    size: u64,
    range: Range<u64>,
) -> Result<Option<Vec<u8>>> {
    let Some(bytes) = store.get(object, key, size, range).await? else {
        return Ok(None);
    };
    let bytes: Vec<Bytes> = bytes.try_collect().await?;
    Ok(Some(bytes.concat()))
}

pub async fn any_range_is_read_as_it_was_put(store: &impl ContentStore) {
    let content = content();
    let data_key = key(7);
    for key in [None, Some(&data_key)] {
        let object = put(store, key, &content).await;
        for range in [
            0..300_000,
            0..1,
            65_535..65_537,
            299_999..300_000,
            70_000..200_000,
        ] {
            let part = range.start as u64..range.end as u64;
            let part = read(store, &object, key, 300_000, part).await;
            let part = part.expect("whole").expect("there");
            assert!(part == content[range.clone()], "{range:?}");
        }
    }
}

pub async fn content_without_a_byte_is_kept(store: &impl ContentStore) {
    let data_key = key(7);
    for key in [None, Some(&data_key)] {
        let object = put(store, key, b"").await;
        let empty = read(store, &object, key, 0, 0..0).await;
        assert_eq!(empty.expect("whole"), Some(Vec::new()));
    }
}

pub async fn content_is_read_under_its_own_key_alone(store: &impl ContentStore) {
    let object = put(store, Some(&key(7)), &content()).await;
    let other = read(store, &object, Some(&key(8)), 300_000, 0..1).await;
    assert_eq!(other.expect_err("another key").code, ErrorCode::Internal);
}

pub async fn what_was_not_put_or_is_deleted_is_not_there(store: &impl ContentStore) {
    let data_key = key(7);
    let unused = store.new_object();
    for key in [None, Some(&data_key)] {
        let never = read(store, unused.key(), key, 10, 0..10).await;
        assert_eq!(never.expect("an answer"), None);
        let object = put(store, key, b"0123456789").await;
        for _ in 0..2 {
            store.delete(&object).await.expect("deleted");
            let gone = read(store, &object, key, 10, 0..10).await;
            assert_eq!(gone.expect("an answer"), None);
        }
    }
}

pub async fn a_stream_that_fails_stores_nothing(store: &impl ContentStore) {
    let data_key = key(7);
    for key in [None, Some(&data_key)] {
        let object = store.new_object();
        let name = object.key().clone();
        let too_large = Err(Error::new(ErrorCode::PayloadTooLarge, "too large"));
        let failing = stream::iter([Ok(Bytes::from(content())), too_large]).boxed();
        let error = store
            .put(object, key, failing)
            .await
            .expect_err("its error");
        assert_eq!(error.code, ErrorCode::PayloadTooLarge);
        let nothing = read(store, &name, key, 300_000, 0..1).await;
        assert_eq!(nothing.expect("an answer"), None);
    }
}

pub async fn a_length_that_is_not_its_own_is_an_error(store: &impl ContentStore) {
    let data_key = key(7);
    let object = put(store, Some(&data_key), &content()).await;
    for size in [299_999, 300_001, 65_536] {
        let read = read(store, &object, Some(&data_key), size, 0..size).await;
        read.expect_err("another length");
    }
}
