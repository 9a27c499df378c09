//! Prefetches memory that is about to be read.
//!
//! A server has thousands of connections and each of them is idle most of the time, so its memory
//! is not in the processor's caches when it is needed, and reads of several places wait for memory
//! one after the other (how long: "Optimisations" in benchmark/README.md). A caller that knows an
//! address before it is needed can prefetch it. Unlike a read, a prefetch does not wait; but only
//! about a dozen can be in progress at once, so callers should prefetch little.

/// The size of a cache line, in bytes. A wrong number costs only speed.
const LINE: usize = 64;

/// Prefetches the memory of `place` itself, not what it points to. Does nothing on processors other
/// than x86-64.
pub(crate) fn prefetch<T>(place: &T) {
    prefetch_front(place, size_of::<T>());
}

/// Prefetches the first `bytes` bytes of `place`.
pub(crate) fn prefetch_front<T>(place: &T, bytes: usize) {
    let first = std::ptr::from_ref(place).cast::<i8>();
    for at in (0..bytes).step_by(LINE) {
        prefetch_line(first.wrapping_add(at));
    }
    // Places need not begin with a line.
    prefetch_line(first.wrapping_add(bytes.saturating_sub(1)));
}

#[cfg(target_arch = "x86_64")]
fn prefetch_line(at: *const i8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: SSE, which has the instruction, is part of every x86-64 that Rust's standard library
    // runs on. It is a hint: it reads and writes nothing that a program can see, and no address
    // makes it fail, whether mapped or not.
    #[expect(unsafe_code, reason = "std has no safe way to say this")]
    unsafe {
        _mm_prefetch::<_MM_HINT_T0>(at);
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn prefetch_line(_at: *const i8) {}

#[cfg(test)]
mod tests {
    use super::{prefetch, prefetch_line};

    #[test]
    fn no_place_is_too_small_too_large_or_too_far_away_to_be_asked_for() {
        prefetch_line(std::ptr::null());
        prefetch_line(std::ptr::without_provenance(usize::MAX));
        prefetch(&());
        prefetch(&0_u8);
        prefetch(&[1_u64; 1_000]);
        prefetch(&Box::new([0_u8; 3]));
    }
}
