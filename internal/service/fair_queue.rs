//! A queue that is fair at several levels: between networks, and between the addresses of one
//! network.
//!
//! An item has a path, e.g. prefix, network, address. The queue serves the first level round-robin,
//! within each of its groups the second, and so on; items of one path are served in the order of
//! their arrival. It does no I/O and holds no lock.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Waiting items, by paths of `LEVELS` keys.
#[derive(Debug)]
pub(crate) struct FairQueue<K, T, const LEVELS: usize> {
    root: Group<K, T>,
}

/// The items below one key of a path.
#[derive(Debug)]
struct Group<K, T> {
    /// Items in all of it.
    len: usize,
    content: Content<K, T>,
}

#[derive(Debug)]
enum Content<K, T> {
    /// The last level, oldest item first.
    Items(VecDeque<T>),
    /// Groups that are not empty; `order` has each key once, the one that is served next first.
    Groups {
        order: VecDeque<K>,
        groups: HashMap<K, Group<K, T>>,
    },
}

impl<K: Copy + Eq + Hash, T, const LEVELS: usize> FairQueue<K, T, LEVELS> {
    pub(crate) fn new() -> Self {
        Self {
            root: Group::new(LEVELS),
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.root.len
    }

    pub(crate) fn push(&mut self, path: [K; LEVELS], item: T) {
        self.root.push(&path, item);
    }

    /// Takes the item that is served next.
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.root.pop()
    }

    /// Removes the first item of a path that `is` holds for.
    pub(crate) fn remove(&mut self, path: [K; LEVELS], is: impl Fn(&T) -> bool) -> Option<T> {
        self.root.remove(&path, &is)
    }

    /// Removes the item that a new item at `path` displaces: the newest one of the longest group,
    /// at the first level where the new item's group is shorter than the longest by two or more.
    /// `None`: no group has so much more, so the new item is to be refused.
    pub(crate) fn displace_for(&mut self, path: [K; LEVELS]) -> Option<T> {
        self.root.displace_for(&path)
    }
}

impl<K: Copy + Eq + Hash, T> Group<K, T> {
    /// An empty group with so many levels below it.
    fn new(levels: usize) -> Self {
        let content = match levels {
            0 => Content::Items(VecDeque::new()),
            _ => Content::Groups {
                order: VecDeque::new(),
                groups: HashMap::new(),
            },
        };
        Self { len: 0, content }
    }

    fn push(&mut self, path: &[K], item: T) {
        self.len += 1;
        match (&mut self.content, path) {
            (Content::Groups { order, groups }, [key, rest @ ..]) => {
                let group = groups.entry(*key).or_insert_with(|| {
                    order.push_back(*key);
                    Self::new(rest.len())
                });
                group.push(rest, item);
            }
            (Content::Items(items), _) => items.push_back(item),
            (Content::Groups { .. }, []) => {
                unreachable!("invariant: a path has one key for each level")
            }
        }
    }

    fn pop(&mut self) -> Option<T> {
        let item = match &mut self.content {
            Content::Items(items) => items.pop_front()?,
            Content::Groups { order, groups } => {
                let key = order.pop_front()?;
                let group = groups.get_mut(&key)?;
                let item = group.pop()?;
                if group.len == 0 {
                    groups.remove(&key);
                } else {
                    order.push_back(key);
                }
                item
            }
        };
        self.len -= 1;
        Some(item)
    }

    fn remove(&mut self, path: &[K], is: &impl Fn(&T) -> bool) -> Option<T> {
        let removed = match (&mut self.content, path) {
            (Content::Items(items), _) => items
                .iter()
                .position(is)
                .and_then(|index| items.remove(index)),
            (Content::Groups { .. }, [key, rest @ ..]) => {
                self.within(*key, |group| group.remove(rest, is))
            }
            (Content::Groups { .. }, []) => None,
        }?;
        self.len -= 1;
        Some(removed)
    }

    fn displace_for(&mut self, path: &[K]) -> Option<T> {
        let (Content::Groups { groups, .. }, [own, rest @ ..]) = (&self.content, path) else {
            return None;
        };
        let longest = self.longest()?;
        let own_len = groups.get(own).map_or(0, |group| group.len);
        let displaced = if groups[&longest].len > own_len + 1 {
            self.within(longest, Self::pop_newest_of_longest)
        } else {
            self.within(*own, |group| group.displace_for(rest))
        }?;
        self.len -= 1;
        Some(displaced)
    }

    fn pop_newest_of_longest(&mut self) -> Option<T> {
        let newest = match &mut self.content {
            Content::Items(items) => items.pop_back(),
            Content::Groups { .. } => self
                .longest()
                .and_then(|key| self.within(key, Self::pop_newest_of_longest)),
        }?;
        self.len -= 1;
        Some(newest)
    }

    /// The longest group; of several, the one that is served last.
    fn longest(&self) -> Option<K> {
        match &self.content {
            Content::Groups { order, groups } => {
                order.iter().copied().max_by_key(|key| groups[key].len)
            }
            Content::Items(_) => None,
        }
    }

    /// Takes an item out of a group, and removes the group when it was the last.
    fn within(&mut self, key: K, take: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let Content::Groups { order, groups } = &mut self.content else {
            return None;
        };
        let group = groups.get_mut(&key)?;
        let item = take(group);
        if group.len == 0 {
            groups.remove(&key);
            order.retain(|other| *other != key);
        }
        item
    }
}

#[cfg(test)]
mod tests {
    use super::FairQueue;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, HashMap};

    type Queue = FairQueue<u8, (Path, usize), 3>;
    type Path = [u8; 3];

    fn filled(paths: &[Path]) -> Queue {
        let mut queue = Queue::new();
        paths
            .iter()
            .enumerate()
            .for_each(|(number, path)| queue.push(*path, (*path, number)));
        queue
    }

    fn drained(mut queue: Queue) -> Vec<(Path, usize)> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    fn paths() -> impl Strategy<Value = Vec<Path>> {
        proptest::collection::vec(proptest::array::uniform3(0..4_u8), 0..60)
    }

    #[test]
    fn a_network_with_many_requests_is_served_one_at_a_time_between_the_others() {
        let flood = [
            [1, 1, 1],
            [1, 1, 1],
            [1, 1, 2],
            [1, 2, 1],
            [1, 1, 1],
            [2, 1, 1],
        ];
        let order: Vec<_> = drained(filled(&flood))
            .into_iter()
            .map(|(path, _)| path)
            .collect();
        assert_eq!(
            order,
            [
                [1, 1, 1],
                [2, 1, 1],
                [1, 2, 1],
                [1, 1, 2],
                [1, 1, 1],
                [1, 1, 1]
            ]
        );
    }

    #[test]
    fn a_newcomer_displaces_the_newest_of_the_longest_and_its_own_group_last() {
        let mut queue = filled(&[[1, 1, 1], [1, 1, 1], [1, 1, 2], [2, 1, 1]]);
        assert_eq!(
            queue.displace_for([3, 1, 1]),
            Some(([1, 1, 1], 1)),
            "the longest prefix, and in it the longest address"
        );
        assert_eq!(
            queue.displace_for([2, 1, 1]),
            None,
            "two and one: as even as can be"
        );
        assert_eq!(
            queue.displace_for([3, 1, 1]),
            Some(([1, 1, 2], 2)),
            "of equals the one that is served last"
        );
        assert_eq!(queue.displace_for([3, 1, 1]), None, "all have one");
        let mut queue = filled(&[[1, 1, 1], [1, 1, 1], [1, 1, 1]]);
        assert_eq!(
            queue.displace_for([1, 2, 1]),
            Some(([1, 1, 1], 2)),
            "the prefix is the longest itself: its networks are compared"
        );
        assert_eq!(queue.len(), 2);
    }

    #[test]
    fn a_removed_item_is_not_served_and_an_emptied_group_is_skipped() {
        let mut queue = filled(&[[1, 1, 1], [2, 1, 1], [2, 1, 1], [3, 1, 1]]);
        assert_eq!(
            queue.remove([2, 1, 1], |(_, number)| *number == 2),
            Some(([2, 1, 1], 2))
        );
        assert_eq!(queue.remove([1, 1, 1], |_| true), Some(([1, 1, 1], 0)));
        assert_eq!(queue.remove([1, 1, 1], |_| true), None);
        assert_eq!(drained(queue), [([2, 1, 1], 1), ([3, 1, 1], 3)]);
    }

    /// How many items each group of a level has.
    fn sizes(items: &[(Path, usize)], level: usize) -> HashMap<&[u8], usize> {
        let mut sizes = HashMap::new();
        items
            .iter()
            .for_each(|(path, _)| *sizes.entry(&path[..level]).or_default() += 1);
        sizes
    }

    proptest! {
        #[test]
        fn every_item_is_served_once_and_those_of_one_path_in_order(paths in paths()) {
            let order = drained(filled(&paths));
            prop_assert_eq!(order.len(), paths.len());
            let mut by_path = BTreeMap::<Path, Vec<usize>>::new();
            order.into_iter().for_each(|(path, number)| by_path.entry(path).or_default().push(number));
            for (path, numbers) in by_path {
                let pushed: Vec<_> = (0..paths.len()).filter(|number| paths[*number] == path).collect();
                prop_assert_eq!(numbers, pushed);
            }
        }

        /// While two groups of a level both wait, neither is served twice more than the other,
        /// whatever the others do.
        #[test]
        fn groups_that_wait_are_served_in_turn(paths in paths()) {
            let order = drained(filled(&paths));
            for level in 1..=3 {
                let left = |from: usize| sizes(&order[from..], level);
                for (at, (path, _)) in order.iter().enumerate() {
                    let group = &path[..level];
                    let before = order[..at].iter().rposition(|(path, _)| &path[..level] == group);
                    let Some(before) = before else { continue };
                    // Every sibling that still waits now was served between two items of this
                    // group.
                    for sibling in left(at + 1).keys().filter(|other| other[..level - 1] == group[..level - 1] && **other != group) {
                        let served = order[before + 1..at].iter().filter(|(path, _)| path[..level] == **sibling).count();
                        prop_assert!(served >= 1, "{:?} was overtaken by {:?} in {:?}", sibling, group, order);
                    }
                }
            }
        }

        /// In a full queue a group that is shorter than the longest by two or more always gets in,
        /// and only an item of the longest group is displaced for it.
        #[test]
        fn a_group_shorter_than_the_longest_gets_in(paths in paths(), newcomer in proptest::array::uniform3(0..5_u8)) {
            let mut queue = filled(&paths);
            let before: Vec<_> = paths.iter().map(|path| (*path, 0)).collect();
            let displaced = queue.displace_for(newcomer);
            let (prefixes, own) = (sizes(&before, 1), &newcomer[..1]);
            let own_before = prefixes.get(own).copied().unwrap_or(0);
            let greatest = prefixes.values().copied().max().unwrap_or(0);
            prop_assert!(displaced.is_some() || greatest <= own_before + 1);
            prop_assert_eq!(queue.len() + usize::from(displaced.is_some()), paths.len());
            if let Some((path, _)) = displaced && path[..1] != *own {
                prop_assert_eq!(prefixes[&path[..1]], greatest);
                prop_assert!(greatest > own_before + 1);
            }
            prop_assert_eq!(drained(queue).len() + usize::from(displaced.is_some()), paths.len());
        }
    }
}
