//! `facesharectl bench`: a load generator. One process and one thread, an own event loop, an open loop of what is sent; latency counts from
//! the moment at which something was due, and loss, repeats and order are checked on every connection.

pub(crate) mod args;

mod alarm;
mod crowd;
mod frame;
mod http;
mod net;
mod pace;
mod process;
mod progress;
mod report;
mod scenario;
mod server;
mod stand;
mod tally;
mod wire;

use anyhow::Result;
use args::Args;
use stand::Stand;
use std::process::ExitCode;

/// Runs a scenario and says what came out. Fails when anything was lost, repeated or out of order.
///
/// # Errors
/// When the server cannot be reached, refuses the set-up, or its processor time cannot be read.
pub(crate) fn run(args: &Args, server: &str, json: bool) -> Result<ExitCode> {
    let stand = Stand::raise(args, server)?;
    let report = scenario::run(args, &stand)?;
    report.print(json)?;
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
