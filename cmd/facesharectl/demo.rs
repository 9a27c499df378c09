//! `facesharectl demo`: Ann hosts and presents, Ben follows Ann, Eve follows Ben. Everything is
//! real: three clients, three connections, one server; at the end it compares what each client saw,
//! and the exit code says whether that was as expected.

mod actor;
mod console;
mod report;
mod script;

use anyhow::{Context as _, Result};
use console::Console;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::timeout;

/// The demo takes about a third of this.
const TIMEOUT: Duration = Duration::from_secs(55);

/// Runs the demo against the server and prints the report.
///
/// # Errors
/// When the server refuses a call, or an expected event does not come in time.
pub(crate) async fn run(server: &str) -> Result<ExitCode> {
    let console = Console::new();
    let result = timeout(TIMEOUT, script::run(server, &console))
        .await
        .context("the demo takes too long")??;
    let good = report::print(&console, &result)?;
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
