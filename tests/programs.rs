//! The paths of the programs under test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The root of the workspace.
#[must_use]
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests lie in the workspace")
}

/// The path of a program of this workspace, or of an example as `examples/NAME`, built from the
/// sources as they are.
///
/// Under nextest a setup script has built it and names the folder (`FACESHARE_PROGRAMS`). Under
/// plain `cargo test` the first test of the process builds it, into the target folder that the test
/// itself lies in.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER
        .get_or_init(|| std::env::var_os("FACESHARE_PROGRAMS").map_or_else(build, PathBuf::from));
    folder.join(name)
}

/// Builds the programs beside this test (`<target>/<profile>/deps/<test>`); gives the folder they
/// are in.
fn build() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its path");
    let folder = test
        .ancestors()
        .nth(2)
        .expect("a test lies in <target>/<profile>/deps");
    let target = folder
        .parent()
        .expect("a profile lies in the target folder");
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(workspace())
        .args([
            "build",
            "--quiet",
            "--profile",
            profile,
            "-p",
            "faceshareapp",
            "-p",
            "facesharectl",
            "--bins",
        ])
        .args([
            "-p",
            "entrance-client",
            "--example",
            "follow",
            "--target-dir",
        ])
        .arg(target)
        .status()
        .expect("cargo runs");
    assert!(status.success(), "the programs under test do not build");
    folder.to_owned()
}
