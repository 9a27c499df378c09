//! Lists come in pages.

/// Which page of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest<K> {
    /// How many items at most, 1..=[`crate::constants::PAGE_SIZE_MAX`].
    pub size: u32,
    /// Go on after this key; `None`: from the start.
    pub after: Option<K>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, K> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// The key to go on after; `None`: this was the last page.
    pub next: Option<K>,
}
