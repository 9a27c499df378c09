//! What is encrypted is read as it was, in any part; what is changed at rest is never read.

use std::convert::Infallible;
use std::ops::Range;

use bytes::Bytes;
use filecrypt::{CHUNK_LEN, DecryptError, FileId, NewFileId, TAG_LEN, Window, encrypt, stored_len};
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use proptest::prelude::*;

const KEY: [u8; 32] = [7; 32];
const CHUNK: usize = CHUNK_LEN as usize;
const SEALED: usize = CHUNK + TAG_LEN as usize;

/// Bytes that differ from place to place.
fn plaintext(len: usize) -> Vec<u8> {
    (0..len)
        .map(|at| (at % 251) as u8 ^ (at / CHUNK) as u8)
        .collect()
}

/// The bytes as a stream in pieces of this size.
fn pieces(
    bytes: &[u8],
    piece: usize,
) -> impl futures_util::Stream<Item = Result<Bytes, Infallible>> + Unpin + use<> {
    let pieces: Vec<_> = bytes.chunks(piece).map(Bytes::copy_from_slice).collect();
    stream::iter(pieces.into_iter().map(Ok))
}

fn seal(plain: &[u8], piece: usize) -> (FileId, Vec<u8>) {
    let new = NewFileId::draw();
    let id = new.id();
    let sealed = encrypt(&KEY, new, pieces(plain, piece));
    let sealed: Vec<Bytes> = sealed
        .try_collect()
        .now_or_never()
        .expect("nothing to wait for")
        .expect("no error");
    (id, sealed.concat())
}

fn open(
    id: &FileId,
    key: &[u8; 32],
    stored: &[u8],
    plain_len: usize,
    range: Range<u64>,
) -> Result<Vec<u8>, DecryptError<Infallible>> {
    let window = Window::new(plain_len as u64, range).expect("a window");
    let end = usize::try_from(window.stored().end).expect("small");
    let start = usize::try_from(window.stored().start).expect("small");
    let part = &stored[start.min(stored.len())..end.min(stored.len())];
    let plain: Result<Vec<Bytes>, _> = window
        .decrypt(key, id, pieces(part, 10_007))
        .try_collect()
        .now_or_never()
        .expect("nothing to wait for");
    plain.map(|plain| plain.concat())
}

fn open_whole(id: &FileId, stored: &[u8], plain_len: usize) -> Result<Vec<u8>, ()> {
    open(id, &KEY, stored, plain_len, 0..plain_len as u64).map_err(|_| ())
}

/// Lengths at the borders of chunks, and any between.
fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![
        Just(0),
        Just(1),
        Just(CHUNK - 1),
        Just(CHUNK),
        Just(CHUNK + 1),
        Just(3 * CHUNK),
        0..4 * CHUNK,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_range_is_read_as_it_was_written(
        len in lengths(),
        piece in prop_oneof![1_000..200_000_usize, Just(CHUNK)],
        from in any::<prop::sample::Index>(),
        to in any::<prop::sample::Index>(),
    ) {
        let plain = plaintext(len);
        let (id, stored) = seal(&plain, piece);
        prop_assert_eq!(stored.len() as u64, stored_len(len as u64));
        prop_assert_eq!(&open_whole(&id, &stored, len).expect("unchanged"), &plain);
        if len > 0 {
            let (a, b) = (from.index(len), to.index(len));
            let range = a.min(b)..a.max(b) + 1;
            let read = open(&id, &KEY, &stored, len, range.start as u64..range.end as u64);
            prop_assert_eq!(&read.expect("unchanged"), &plain[range]);
        }
    }

    #[test]
    fn a_changed_byte_is_never_served(
        len in lengths(),
        at in any::<prop::sample::Index>(),
        flip in 1..=255_u8,
    ) {
        let plain = plaintext(len);
        let (id, mut stored) = seal(&plain, CHUNK);
        let at = at.index(stored.len());
        stored[at] ^= flip;
        prop_assert_eq!(open_whole(&id, &stored, len), Err(()));
        // Nor in a part: each byte of the chunk fails, and each other chunk is right.
        for (chunk, sealed) in plain.chunks(CHUNK).enumerate() {
            let start = (chunk * CHUNK) as u64;
            let read = open(&id, &KEY, &stored, len, start..start + sealed.len() as u64);
            if chunk == at / SEALED {
                prop_assert_eq!(read, Err(DecryptError::Changed));
            } else {
                prop_assert_eq!(&read.expect("another chunk"), sealed);
            }
        }
    }

    #[test]
    fn an_end_that_is_cut_off_is_an_error(
        len in lengths(),
        cut in any::<prop::sample::Index>(),
    ) {
        let (id, mut stored) = seal(&plaintext(len), CHUNK);
        stored.truncate(cut.index(stored.len()));
        prop_assert_eq!(open_whole(&id, &stored, len), Err(()));
        // Nor does it pass for a shorter file.
        if let Some(shorter) = filecrypt::plain_len(stored.len() as u64) {
            let shorter = usize::try_from(shorter).expect("small");
            prop_assert_eq!(open_whole(&id, &stored, shorter), Err(()));
        }
    }
}

#[test]
fn chunks_that_change_places_are_an_error() {
    let (id, stored) = seal(&plaintext(3 * CHUNK), CHUNK);
    let mut chunks: Vec<_> = stored.chunks(SEALED).collect();
    chunks.swap(0, 1);
    assert_eq!(open_whole(&id, &chunks.concat(), 3 * CHUNK), Err(()));
    chunks.swap(0, 1);
    chunks.remove(1);
    assert_eq!(open_whole(&id, &chunks.concat(), 2 * CHUNK), Err(()));
}

#[test]
fn bytes_of_another_file_or_under_another_key_are_an_error() {
    let plain = plaintext(CHUNK);
    let (one, stored) = seal(&plain, CHUNK);
    let (other, stored_again) = seal(&plain, CHUNK);
    assert_ne!(one, other);
    assert_ne!(stored, stored_again);
    assert_eq!(open_whole(&other, &stored, CHUNK), Err(()));
    let another_key = open(&one, &[8; 32], &stored, CHUNK, 0..1);
    assert_eq!(another_key, Err(DecryptError::Changed));
}

#[test]
fn an_error_of_the_source_ends_both_streams() {
    let failing = || stream::iter([Ok(Bytes::from(plaintext(CHUNK + 1))), Err("cut")]);
    let new = NewFileId::draw();
    let id = new.id();
    let sealed = encrypt(&KEY, new, failing());
    let sealed: Vec<_> = sealed.collect().now_or_never().expect("no waiting");
    assert_eq!(sealed.len(), 2);
    assert_eq!(sealed[1], Err("cut"));

    let window = Window::whole(CHUNK_LEN * 2).expect("a window");
    let opened: Vec<_> = window
        .decrypt(&KEY, &id, failing())
        .collect()
        .now_or_never()
        .expect("no waiting");
    assert_eq!(opened, [Err(DecryptError::Source("cut"))]);
}

#[test]
fn an_id_reads_only_what_it_writes() {
    let id = NewFileId::draw().id();
    let text = id.to_string();
    assert_eq!(text.parse(), Ok(id));
    for bad in [
        "",
        "00",
        &format!("{text}0"),
        &"g".repeat(32),
        &"A".repeat(32),
    ] {
        assert!(bad.parse::<FileId>().is_err(), "{bad}");
    }
}
