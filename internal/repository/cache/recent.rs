//! A store of recent reads, which drops a read that began before a write and ended after it.

use std::sync::{Mutex, PoisonError};

/// A store shared by readers and writers.
pub(super) struct Recent<S> {
    inner: Mutex<Inner<S>>,
}

struct Inner<S> {
    store: S,
    changes: u64,
}

/// The number of changes before a read began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment(u64);

impl<S> Recent<S> {
    pub(super) const fn new(store: S) -> Self {
        Self {
            inner: Mutex::new(Inner { store, changes: 0 }),
        }
    }

    /// Looks up an entry. If there is none: the moment to pass to [`keep`](Self::keep) after
    /// reading it from the database.
    pub(super) fn look<T>(&self, look: impl FnOnce(&mut S) -> Option<T>) -> Result<T, Moment> {
        self.with(|inner| look(&mut inner.store).ok_or(Moment(inner.changes)))
    }

    /// Stores what was read since `moment`, unless there was a write meanwhile.
    pub(super) fn keep(&self, moment: Moment, keep: impl FnOnce(&mut S)) {
        self.with(|inner| {
            if inner.changes == moment.0 {
                keep(&mut inner.store);
            }
        });
    }

    /// Removes or replaces the entries that a write concerns. Called after every write, also a
    /// failed one.
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
    fn a_read_that_began_before_a_write_is_not_kept_after_it() {
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
