//! What every [`DriveAgent`] must do.

use bytes::Bytes;
use faceshare_biz::domain::drive::{ByteStream, DriveAgent, ObjectKey};
use faceshare_biz::{Error, ErrorCode};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::ops::Range;
use tokio::sync::oneshot;

/// Runs the suite. `$fresh` is a future of an agent and of a value that is kept until the test
/// ends.
#[macro_export]
macro_rules! drive_agent_contract {
    ($fresh:expr) => {
        $crate::run_contract!(
            drive_agent,
            $fresh,
            [
                an_object_is_read_as_it_was_put,
                any_range_of_an_object_is_read,
                an_object_without_a_byte_is_kept,
                what_was_not_put_is_not_there,
                the_same_bytes_again_change_nothing,
                other_bytes_under_a_known_key_are_refused_and_the_first_stay,
                a_deleted_object_is_gone_and_others_stay,
                a_range_past_the_end_is_an_error,
                a_stream_that_fails_stores_nothing,
                a_put_that_is_dropped_stores_nothing,
                of_equal_puts_at_once_all_succeed,
            ]
        );
    };
}

/// More than one part of a multipart upload.
const LARGE: usize = 11 * 1024 * 1024;

fn key(text: &str) -> ObjectKey {
    ObjectKey::new(text).expect("a key")
}

/// Bytes that differ from place to place, and between seeds.
fn bytes(len: usize, seed: u8) -> Vec<u8> {
    (0..len)
        .map(|at| (at % 251) as u8 ^ (at / 65_536) as u8 ^ seed)
        .collect()
}

fn streamed(bytes: &[u8]) -> ByteStream {
    let pieces: Vec<_> = bytes.chunks(50_000).map(Bytes::copy_from_slice).collect();
    stream::iter(pieces.into_iter().map(Ok)).boxed()
}

async fn put(agent: &impl DriveAgent, name: &str, bytes: &[u8]) {
    let stored = agent.put(&key(name), streamed(bytes)).await;
    stored.expect("stored");
}

async fn read(agent: &impl DriveAgent, name: &str, range: Option<Range<u64>>) -> Option<Vec<u8>> {
    let bytes = agent.get(&key(name), range).await.expect("an answer")?;
    let bytes: Vec<Bytes> = bytes.try_collect().await.expect("whole");
    Some(bytes.concat())
}

async fn is_there(agent: &impl DriveAgent, name: &str) -> bool {
    agent.head(&key(name)).await.expect("an answer").is_some()
}

pub async fn an_object_is_read_as_it_was_put(agent: &impl DriveAgent) {
    for (name, len) in [("one", 1), ("Some_file-1", 300_000), ("large", LARGE)] {
        let object = bytes(len, 0);
        put(agent, name, &object).await;
        assert!(read(agent, name, None).await.expect("there") == object);
        let length = agent.head(&key(name)).await.expect("an answer");
        assert_eq!(length, Some(len as u64));
    }
}

pub async fn any_range_of_an_object_is_read(agent: &impl DriveAgent) {
    let object = bytes(300_000, 0);
    put(agent, "object", &object).await;
    for range in [
        0..1,
        0..300_000,
        65_535..65_537,
        299_999..300_000,
        1_000..250_000,
    ] {
        let part = read(agent, "object", Some(range.start as u64..range.end as u64)).await;
        assert!(part.expect("there") == object[range.clone()], "{range:?}");
    }
}

pub async fn an_object_without_a_byte_is_kept(agent: &impl DriveAgent) {
    put(agent, "empty", b"").await;
    assert_eq!(agent.head(&key("empty")).await.expect("an answer"), Some(0));
    assert_eq!(read(agent, "empty", None).await, Some(Vec::new()));
}

pub async fn what_was_not_put_is_not_there(agent: &impl DriveAgent) {
    put(agent, "other", b"bytes").await;
    assert!(!is_there(agent, "object").await);
    assert_eq!(read(agent, "object", None).await, None);
    assert_eq!(read(agent, "object", Some(0..1)).await, None);
    agent
        .delete(&key("object"))
        .await
        .expect("nothing to delete");
}

pub async fn the_same_bytes_again_change_nothing(agent: &impl DriveAgent) {
    for _ in 0..2 {
        put(agent, "object", &bytes(300_000, 0)).await;
    }
    assert!(read(agent, "object", None).await.expect("there") == bytes(300_000, 0));
}

pub async fn other_bytes_under_a_known_key_are_refused_and_the_first_stay(agent: &impl DriveAgent) {
    let first = bytes(300_000, 0);
    put(agent, "object", &first).await;
    let mut longer = first.clone();
    longer.push(0);
    for other in [bytes(300_000, 1), longer, first[1..].to_vec(), Vec::new()] {
        let refused = agent.put(&key("object"), streamed(&other)).await;
        assert_eq!(refused.expect_err("refused").code, ErrorCode::Unavailable);
    }
    assert!(read(agent, "object", None).await.expect("there") == first);
}

pub async fn a_deleted_object_is_gone_and_others_stay(agent: &impl DriveAgent) {
    put(agent, "object", b"bytes").await;
    put(agent, "object2", b"other").await;
    for _ in 0..2 {
        agent.delete(&key("object")).await.expect("deleted");
        assert!(!is_there(agent, "object").await);
        assert_eq!(read(agent, "object", None).await, None);
    }
    assert_eq!(read(agent, "object2", None).await, Some(b"other".to_vec()));
}

pub async fn a_range_past_the_end_is_an_error(agent: &impl DriveAgent) {
    put(agent, "object", &bytes(100, 0)).await;
    for range in [100..101, 90..101, 1_000..2_000] {
        if let Ok(part) = agent.get(&key("object"), Some(range.clone())).await {
            let part: Result<Vec<Bytes>, _> = part.expect("there").try_collect().await;
            assert!(part.is_err(), "{range:?}");
        }
    }
}

pub async fn a_stream_that_fails_stores_nothing(agent: &impl DriveAgent) {
    let too_large = Err(Error::new(ErrorCode::PayloadTooLarge, "too large"));
    let failing = stream::iter([Ok(Bytes::from(bytes(300_000, 0))), too_large]);
    let error = agent.put(&key("object"), failing.boxed()).await;
    assert_eq!(
        error.expect_err("its error").code,
        ErrorCode::PayloadTooLarge
    );
    assert!(!is_there(agent, "object").await);
}

pub async fn a_put_that_is_dropped_stores_nothing(agent: &impl DriveAgent) {
    let (asked, is_asked) = oneshot::channel();
    let first = stream::iter([Ok(Bytes::from(bytes(300_000, 0)))]);
    let never = stream::once(async move {
        asked.send(()).expect("the test waits");
        std::future::pending().await
    });
    let key = key("object");
    let put = agent.put(&key, first.chain(never).boxed());
    tokio::select! {
        outcome = put => panic!("the stream has not ended: {outcome:?}"),
        asked = is_asked => asked.expect("the stream is read"),
    }
    assert!(!is_there(agent, "object").await);
    put_again(agent).await;
}

/// What was dropped is not in the way of the next call.
async fn put_again(agent: &impl DriveAgent) {
    put(agent, "object", b"bytes").await;
    assert_eq!(read(agent, "object", None).await, Some(b"bytes".to_vec()));
}

pub async fn of_equal_puts_at_once_all_succeed(agent: &impl DriveAgent) {
    let object = bytes(300_000, 0);
    let puts = (0..4).map(|_| put(agent, "object", &object));
    futures_util::future::join_all(puts).await;
    assert!(read(agent, "object", None).await.expect("there") == object);
}
