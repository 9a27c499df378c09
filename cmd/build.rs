//! Tells the programs from which commit they were built (`--version`): `FACESHARE_COMMIT` if it is
//! set, else what `.git` says, else "unknown". Git itself is not needed.

use std::fs;
use std::path::{Path, PathBuf};

/// Digits of a commit that are shown.
const SHOWN: usize = 12;

fn main() {
    println!("cargo::rerun-if-env-changed=FACESHARE_COMMIT");
    let named = std::env::var("FACESHARE_COMMIT")
        .ok()
        .filter(|commit| is_commit(commit));
    let commit = named
        .or_else(|| head(&git_dir()?))
        .map_or_else(|| "unknown".to_owned(), |commit| commit[..SHOWN].to_owned());
    println!("cargo::rustc-env=FACESHARE_COMMIT={commit}");
}

/// `.git` of the checkout, which in a work tree is a file that names another place.
fn git_dir() -> Option<PathBuf> {
    let package = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR")?);
    let git = package
        .ancestors()
        .map(|dir| dir.join(".git"))
        .find(|git| git.exists())?;
    if git.is_dir() {
        return Some(git);
    }
    let text = fs::read_to_string(&git).ok()?;
    Some(git.parent()?.join(text.trim().strip_prefix("gitdir: ")?))
}

/// The commit that is checked out.
fn head(git: &Path) -> Option<String> {
    let head = read(&git.join("HEAD"))?;
    let Some(reference) = head.strip_prefix("ref: ") else {
        return is_commit(&head).then_some(head);
    };
    // Branches of a work tree are in the repository that it belongs to.
    let common =
        read(&git.join("commondir")).map_or_else(|| git.to_owned(), |common| git.join(common));
    let loose = read(&common.join(reference));
    let packed = || {
        read(&common.join("packed-refs"))?.lines().find_map(|line| {
            line.strip_suffix(reference)?
                .strip_suffix(' ')
                .map(str::to_owned)
        })
    };
    loose.or_else(packed).filter(|commit| is_commit(commit))
}

/// The file's text; the build is repeated when it changes.
fn read(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    println!("cargo::rerun-if-changed={}", path.display());
    Some(text.trim().to_owned())
}

fn is_commit(text: &str) -> bool {
    text.len() >= SHOWN && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
