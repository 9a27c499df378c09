//! What was read lately, kept so that no read that began before a write is kept after it.

use std::sync::{Mutex, PoisonError};

/// A store of what was read, shared by those who read and those who write.
pub(super) struct Recent<S> {
    inner: Mutex<Inner<S>>,
}

struct Inner<S> {
    store: S,
    changes: u64,
}

/// The moment before a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment(u64);

impl<S> Recent<S> {
    pub(super) const fn new(store: S) -> Self {
        Self {
            inner: Mutex::new(Inner { store, changes: 0 }),
        }
    }

    /// Looks something up; if it is not there, it may be read from this moment on.
    pub(super) fn look<T>(&self, look: impl FnOnce(&mut S) -> Option<T>) -> Result<T, Moment> {
        self.with(|inner| look(&mut inner.store).ok_or(Moment(inner.changes)))
    }

    /// Keeps what was read since `moment`, unless something was written meanwhile.
    pub(super) fn keep(&self, moment: Moment, keep: impl FnOnce(&mut S)) {
        self.with(|inner| {
            if inner.changes == moment.0 {
                keep(&mut inner.store);
            }
        });
    }

    /// After a write, whatever came of it: takes out what it concerns.
    pub(super) fn change(&self, change: impl FnOnce(&mut S)) {
        self.with(|inner| {
            inner.changes += 1;
            change(&mut inner.store);
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner<S>) -> T) -> T {
        work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::Recent;

    #[test]
    fn what_was_read_before_a_write_is_not_kept_after_it() {
        let recent = Recent::new(None);
        let before = recent
            .look(|kept: &mut Option<u32>| *kept)
            .expect_err("nothing is kept");
        recent.change(|kept| *kept = None);
        recent.keep(before, |kept| *kept = Some(1));
        let after = recent.look(|kept| *kept).expect_err("it was too old");
        recent.keep(after, |kept| *kept = Some(2));
        assert_eq!(recent.look(|kept| *kept), Ok(2));
    }
}
