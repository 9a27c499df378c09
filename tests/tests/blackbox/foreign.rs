//! A client in another language, written from the `.proto` file alone, joins, follows and resumes.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use faceshare_tests::programs::workspace;
use faceshare_tests::server::Server;
use faceshare_tests::{Format, in_both_formats};
use tokio::process::Command;

in_both_formats!(a_client_in_another_language_joins_and_follows);

/// Runs a command to its end. A failure shows its output.
async fn run(command: &mut Command) -> Result<String, String> {
    let output = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() {
        Ok(said)
    } else {
        Err(said)
    }
}

/// Installs the packages of the client's lockfile, once for all tests.
async fn install(folder: &Path) {
    let lock = File::open(folder.join("package-lock.json")).expect("the lockfile is there");
    lock.lock().expect("it can be locked");
    if !folder.join("node_modules/ws").exists() {
        let installed = run(Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
            .current_dir(folder))
        .await;
        installed.unwrap_or_else(|said| panic!("npm ci failed: {said}"));
    }
}

async fn a_client_in_another_language_joins_and_follows(format: Format) {
    let version = run(Command::new("node").arg("--version")).await;
    assert!(
        version.is_ok(),
        "this test needs Node 20 or later on the PATH"
    );
    let folder = workspace().join("tests/foreign");
    install(&folder).await;
    let server = Server::start().await;
    let met = run(Command::new("node")
        .arg("meet.mjs")
        .args(["--server", &server.url(), "--format", format.name()])
        .current_dir(&folder))
    .await;
    let said = met.unwrap_or_else(|said| panic!("{said}"));
    assert!(said.trim_end().ends_with(" passed, 0 failed"), "{said}");
}
