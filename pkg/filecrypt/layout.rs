//! Where the plaintext is in what is stored.

use std::ops::Range;

/// The plaintext of every chunk but the last.
pub const CHUNK_LEN: u64 = 64 * 1024;
/// What a chunk is longer than its plaintext.
pub const TAG_LEN: u64 = 16;
const SEALED_LEN: u64 = CHUNK_LEN + TAG_LEN;

/// The chunks of a file, at least one.
const fn chunks(plain_len: u64) -> u64 {
    match plain_len {
        0 => 1,
        len => len.div_ceil(CHUNK_LEN),
    }
}

/// The bytes that a plaintext of this length takes at rest.
#[must_use]
pub const fn stored_len(plain_len: u64) -> u64 {
    plain_len + chunks(plain_len) * TAG_LEN
}

/// The length of the plaintext of what is stored in so many bytes; `None`: no file takes as many.
#[must_use]
pub const fn plain_len(stored: u64) -> Option<u64> {
    let tags = stored.div_ceil(SEALED_LEN) * TAG_LEN;
    match stored.checked_sub(tags) {
        Some(plain) if stored > 0 && stored_len(plain) == stored => Some(plain),
        _ => None,
    }
}

/// A range of a file's plaintext, and the stored bytes that it is read from: the whole chunks in
/// which it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    stored: Range<u64>,
    /// The number of the first chunk.
    pub(crate) first: u32,
    /// The number of the file's last chunk.
    pub(crate) last_of_file: u32,
    /// Plaintext of the first chunk before the range.
    pub(crate) skip: usize,
    /// Plaintext in the range.
    pub(crate) len: u64,
}

impl Window {
    /// The range of a file whose plaintext has this length. `None`: the range is empty (unless the
    /// file is) or does not lie in the file, or the file is too long to be one (256 TiB).
    ///
    /// The length must come from where the file is listed, not from what is stored: that could have
    /// been cut.
    #[must_use]
    pub fn new(plain_len: u64, range: Range<u64>) -> Option<Self> {
        let last_of_file = u32::try_from(chunks(plain_len) - 1).ok()?;
        let lies_within = range.start <= range.end && range.end <= plain_len;
        if !lies_within || (range.is_empty() && plain_len > 0) {
            return None;
        }
        let first = range.start / CHUNK_LEN;
        let after = chunks(range.end);
        Some(Self {
            stored: first * SEALED_LEN..(after * SEALED_LEN).min(stored_len(plain_len)),
            first: u32::try_from(first).ok()?,
            last_of_file,
            skip: usize::try_from(range.start % CHUNK_LEN).ok()?,
            len: range.end - range.start,
        })
    }

    /// The whole of a file. `None`: the file is too long to be one.
    #[must_use]
    pub fn whole(plain_len: u64) -> Option<Self> {
        Self::new(plain_len, 0..plain_len)
    }

    /// The stored bytes to read, never empty.
    #[must_use]
    pub const fn stored(&self) -> &Range<u64> {
        &self.stored
    }

    /// The length of the plaintext in the range.
    #[must_use]
    pub const fn plain_len(&self) -> u64 {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::{CHUNK_LEN, SEALED_LEN, Window, plain_len, stored_len};

    #[test]
    fn lengths_convert_both_ways() {
        for plain in [0, 1, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, 1 << 40] {
            assert_eq!(plain_len(stored_len(plain)), Some(plain), "{plain}");
        }
        for no_file in [0, 1, 15, SEALED_LEN + 1, SEALED_LEN + 16] {
            assert_eq!(plain_len(no_file), None, "{no_file}");
        }
    }

    #[test]
    fn a_window_holds_the_chunks_of_its_range_and_no_others() {
        let len = 2 * CHUNK_LEN + 10;
        for (range, stored) in [
            (0..1, 0..SEALED_LEN),
            (0..CHUNK_LEN, 0..SEALED_LEN),
            (CHUNK_LEN - 1..CHUNK_LEN + 1, 0..2 * SEALED_LEN),
            (CHUNK_LEN..CHUNK_LEN + 1, SEALED_LEN..2 * SEALED_LEN),
            (2 * CHUNK_LEN..len, 2 * SEALED_LEN..stored_len(len)),
            (0..len, 0..stored_len(len)),
        ] {
            let window = Window::new(len, range.clone()).expect("a window");
            assert_eq!(window.stored(), &stored, "{range:?}");
        }
    }

    #[test]
    fn a_range_outside_the_file_has_no_window() {
        assert_eq!(Window::new(10, 0..11), None);
        assert_eq!(Window::new(10, 4..4), None);
        #[expect(
            clippy::reversed_empty_ranges,
            reason = "the range is wrong on purpose"
        )]
        let reversed = Window::new(10, 5..4);
        assert_eq!(reversed, None);
        assert_eq!(Window::new(u64::MAX / 2, 0..1), None);
        assert_eq!(Window::whole(0).map(|w| w.stored().clone()), Some(0..16));
    }
}
