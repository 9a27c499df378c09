//! Who is connected where.

pub mod pointaddresses;
pub mod pointmemmgr;
pub(crate) mod waiters;

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};

/// Places of a map that are kept however few are taken.
const SPARE: usize = 64;

/// Gives up most places of a map in which at most an eighth are taken: what grew with a crowd
/// shrinks when that has left.
pub(crate) fn shrink<K: Eq + Hash, V, S: BuildHasher>(map: &mut HashMap<K, V, S>) {
    if map.capacity() > SPARE && map.len() <= map.capacity() / 8 {
        map.shrink_to(map.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::{SPARE, shrink};
    use std::collections::HashMap;

    #[test]
    fn a_map_that_was_large_is_small_again_and_keeps_what_it_holds() {
        let mut map: HashMap<usize, usize> = (0..10_000).map(|n| (n, n)).collect();
        for n in 3..10_000 {
            map.remove(&n);
            shrink(&mut map);
        }
        assert!(map.capacity() <= 2 * SPARE, "{}", map.capacity());
        assert_eq!(
            (map.get(&0), map.get(&2), map.len()),
            (Some(&0), Some(&2), 3)
        );
    }
}
