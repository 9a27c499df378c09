//! `facesharectl demo`: Ann hosts and presents, Ben follows Ann, Eve follows Ben. Everything is real: three clients, three connections, one
//! server; at the end what each saw is compared, and the exit code says whether it was what it should be.

mod actor;
mod report;
mod script;
mod stage;

use anyhow::{Context as _, Result};
use stage::Stage;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::timeout;

/// It takes about a third of this.
const AT_MOST: Duration = Duration::from_secs(55);

/// Plays the session against the server and reports.
///
/// # Errors
/// When the server refuses something, or an actor waits in vain for what should happen.
pub(crate) async fn run(server: &str) -> Result<ExitCode> {
    let stage = Stage::new();
    let played = timeout(AT_MOST, script::play(server, &stage))
        .await
        .context("the demo takes too long")??;
    let good = report::print(&stage, &played)?;
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
