//! Fetching ahead what is about to be needed.
//!
//! A server has thousands of connections and each of them is quiet most of the time, so nothing of it is in the processor's caches when its
//! turn comes, and places that are looked at one after the other are waited for one after the other (how long: "What helped" in
//! benchmark/README.md). Whoever knows a place before it is needed can have it on its way meanwhile. Unlike a read this is not waited for;
//! but only about a dozen can be on their way at once, so what is asked for should be little.

/// The processor's unit of memory, in bytes. A wrong number costs speed alone.
const LINE: usize = 64;

/// Asks for what `place` is laid out in, not for what it points to. A hint, which processors other than x86-64 are not given.
pub(crate) fn prefetch<T>(place: &T) {
    prefetch_front(place, size_of::<T>());
}

/// The same for so many bytes at its front.
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
    // SAFETY: SSE, which has the instruction, is part of every x86-64 that Rust's standard library runs on. It is a hint: it reads and writes
    // nothing that a program can see, and no address makes it fail, whether mapped or not.
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
