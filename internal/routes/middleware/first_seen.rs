//! Logs each text that clients choose only once.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Texts that are remembered. Later ones are not logged: a client that sends this many means to
/// fill the log.
const REMEMBERED: usize = 64;

/// The texts seen before, a bounded number.
#[derive(Debug, Default)]
pub(crate) struct FirstSeen(Mutex<HashSet<String>>);

impl FirstSeen {
    /// Whether the text is seen for the first time; `false` for every text once the set is full.
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
