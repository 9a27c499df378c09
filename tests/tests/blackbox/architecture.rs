//! ARCHITECTURE.md against the code: it stays a map, and each invariant names a test that exists.

use faceshare_tests::programs::workspace;
use std::collections::BTreeSet;
use std::path::Path;

const WORDS_MAX: usize = 2_000;

fn page() -> String {
    std::fs::read_to_string(workspace().join("ARCHITECTURE.md")).expect("the page")
}

/// The names of all functions in the Rust files below a folder.
fn functions(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            functions(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = std::fs::read_to_string(&path).expect("a source file");
            let after_fn = source.split("fn ").skip(1);
            let name = |text: &str| text.split(['(', '<']).next().unwrap_or_default().to_owned();
            names.extend(after_fn.map(name));
        }
    }
}

#[test]
fn the_page_stays_a_map() {
    let words = page().split_whitespace().count();
    assert!(words <= WORDS_MAX, "{words} words, of {WORDS_MAX} at most");
}

#[test]
fn each_invariant_names_a_test_that_exists() {
    let mut names = BTreeSet::new();
    for folder in ["internal", "pkg", "tests"] {
        functions(&workspace().join(folder), &mut names);
    }
    let page = page();
    let invariants: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("- Invariant: "))
        .collect();
    assert!(!invariants.is_empty());
    for invariant in invariants {
        let test = invariant.rsplit('`').nth(1).unwrap_or_default();
        assert!(names.contains(test), "no test {test:?}: {invariant}");
    }
}
