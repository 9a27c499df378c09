//! Faults for tests to plant in the kernel, which must then be found. Only tests, and the
//! simulation by the feature `planted-faults`, can plant one.

/// What is wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlantedFault {
    /// A deadline at which a lost point is announced stays when it has fired.
    LastingDeadline,
    /// A member with as many nonces as are kept forgets the newest for the next one, not the
    /// oldest.
    NewestNonceForgotten,
}

#[cfg(any(test, feature = "planted-faults"))]
mod plant {
    use super::PlantedFault;
    use std::cell::Cell;

    thread_local! {
        /// Histories run each on one thread.
        static PLANTED: Cell<Option<PlantedFault>> = const { Cell::new(None) };
    }

    /// From now on the kernel has this fault, or none, on this thread.
    pub fn plant(fault: Option<PlantedFault>) {
        PLANTED.set(fault);
    }

    pub(crate) fn is_planted(fault: PlantedFault) -> bool {
        PLANTED.get() == Some(fault)
    }
}

#[cfg(not(any(test, feature = "planted-faults")))]
pub(crate) const fn is_planted(_: PlantedFault) -> bool {
    false
}

#[cfg(any(test, feature = "planted-faults"))]
pub(crate) use plant::is_planted;
#[cfg(any(test, feature = "planted-faults"))]
pub use plant::plant;
