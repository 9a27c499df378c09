//! The number of one id-generating process.

use std::fmt;

/// The process that generated an id: 0 to 1023, unique among those that run at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(u16);

/// The number does not fit ten bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("worker id {0} is not in 0..=1023")]
pub struct WorkerIdError(pub u16);

impl WorkerId {
    /// Bits of an id that hold the worker.
    pub const BITS: u32 = 10;
    /// The largest worker id.
    pub const MAX: Self = Self((1 << Self::BITS) - 1);

    /// Accepts a number from 0 to 1023.
    ///
    /// # Errors
    /// [`WorkerIdError`] for any other number: it would overflow into the timestamp.
    pub fn new(number: u16) -> Result<Self, WorkerIdError> {
        if number <= Self::MAX.0 {
            Ok(Self(number))
        } else {
            Err(WorkerIdError(number))
        }
    }

    /// The ten low bits of `bits`: the inverse of writing a worker into an id.
    pub(crate) const fn from_low_bits(bits: u64) -> Self {
        Self((bits & Self::MAX.0 as u64) as u16)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// All worker ids, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=Self::MAX.0).map(Self)
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_bits_are_taken_and_no_more() {
        assert_eq!(WorkerId::new(0).map(WorkerId::get), Ok(0));
        assert_eq!(WorkerId::new(1023), Ok(WorkerId::MAX));
        assert_eq!(WorkerId::new(1024), Err(WorkerIdError(1024)));
        assert_eq!(WorkerId::new(u16::MAX), Err(WorkerIdError(u16::MAX)));
        assert_eq!(WorkerId::all().count(), 1024);
    }
}
