//! A bounded map that keeps the most recently used entries.

use std::collections::HashMap;
use std::hash::Hash;

/// A bounded map that drops the least recently used entries, half of the bound at a time.
///
/// New and used entries go into the young half. When that is full it becomes the old half, and the
/// previous old half is dropped. So an entry stays while fewer than half of the bound's other
/// entries are used, and nothing is sorted or swept.
#[derive(Debug)]
pub(super) struct RecentMap<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
}

impl<K: Eq + Hash + Copy, V> RecentMap<K, V> {
    /// Holds at most `bound` entries.
    pub(super) fn new(bound: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            half: (bound / 2).max(1),
        }
    }

    pub(super) fn get(&mut self, key: &K) -> Option<&V> {
        if !self.young.contains_key(key) {
            let value = self.old.remove(key)?;
            self.put(*key, value);
        }
        self.young.get(key)
    }

    pub(super) fn entry(&mut self, key: K, new: impl FnOnce() -> V) -> &mut V {
        if !self.young.contains_key(&key) {
            let value = self.old.remove(&key).unwrap_or_else(new);
            self.put(key, value);
        }
        self.young
            .get_mut(&key)
            .expect("invariant: it was put there")
    }

    fn put(&mut self, key: K, value: V) {
        if self.young.len() == self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::RecentMap;

    #[test]
    fn what_is_used_stays_and_the_rest_is_dropped() {
        let mut recent = RecentMap::new(10);
        *recent.entry(0, || 0) += 1;
        for key in 1..1_000 {
            recent.entry(key, || key);
            assert_eq!(recent.get(&0), Some(&1));
            assert!(recent.len() <= 10);
        }
        assert_eq!(recent.get(&1), None);
        assert_eq!(recent.get(&999), Some(&999));
    }
}
