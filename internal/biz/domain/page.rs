//! Pages of lists.

/// Selects a page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest<K> {
    /// The most items of the page, 1..=[`crate::constants::PAGE_SIZE_MAX`].
    pub size: u32,
    /// The page starts after this key; `None`: at the start of the list.
    pub after: Option<K>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, K> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// The key after which the next page starts; `None`: this is the last page.
    pub next: Option<K>,
}
