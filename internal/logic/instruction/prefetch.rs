//! Fetching ahead what is about to be needed.
//!
//! A server has thousands of connections and each of them is quiet most of the time, so nothing of it is in the processor's caches when its
//! turn comes: the first look at a place costs a third of a microsecond, and places that are looked at one after the other cost it each time.
//! Whoever knows a place before it is needed can have it on its way meanwhile. Unlike a read that nobody needs, this holds nothing up.

/// The processor's unit of memory, in bytes. A wrong number costs speed alone.
const LINE: usize = 64;

/// Asks for what `place` is laid out in, not for what it points to. A hint, which processors other than x86-64 are not given.
pub(crate) fn prefetch<T>(place: &T) {
    let first = std::ptr::from_ref(place).cast::<i8>();
    for at in (0..size_of::<T>()).step_by(LINE) {
        prefetch_line(first.wrapping_add(at));
    }
    // Places need not begin with a line.
    prefetch_line(first.wrapping_add(size_of::<T>().saturating_sub(1)));
}

#[cfg(target_arch = "x86_64")]
fn prefetch_line(at: *const i8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: every x86-64 has the instruction. It changes nothing that a program can see, and an address that is not mapped is ignored.
    // What it is good for stands in benchmark/README.md, "What helped".
    #[expect(unsafe_code, reason = "std has no safe way to say this")]
    unsafe {
        _mm_prefetch::<_MM_HINT_T0>(at);
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn prefetch_line(_at: *const i8) {}

#[cfg(test)]
mod tests {
    use super::prefetch;

    #[test]
    fn any_place_may_be_asked_for() {
        prefetch(&());
        prefetch(&0_u8);
        prefetch(&[1_u64; 1_000]);
        prefetch(&Box::new([0_u8; 3]));
    }
}
