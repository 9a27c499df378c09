//! Texts that strangers choose, each of which is logged once.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Texts that are remembered. When there are more, the log says nothing of the later ones: who sends so many means to fill it.
const REMEMBERED: usize = 64;

/// Which texts were seen before. It holds a bounded number of them.
#[derive(Debug, Default)]
pub(crate) struct FirstSeen(Mutex<HashSet<String>>);

impl FirstSeen {
    /// Whether the text is seen for the first time; `false` for every text once as many are remembered as there is room for.
    pub(crate) fn is_new(&self, text: &str) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.len() < REMEMBERED && !seen.contains(text) && seen.insert(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::FirstSeen;

    #[test]
    fn each_text_is_new_once_and_a_bounded_number_is_remembered() {
        let seen = FirstSeen::default();
        assert!(seen.is_new("a") && !seen.is_new("a") && seen.is_new("b"));
        let new = (0..1_000).filter(|n| seen.is_new(&n.to_string())).count();
        assert_eq!(new, super::REMEMBERED - 2);
        assert!(!seen.is_new("a"));
    }
}
