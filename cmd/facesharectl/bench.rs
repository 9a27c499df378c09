//! `facesharectl bench`: a load generator. One process and one thread with its own event loop. What
//! is sent follows an open-loop schedule, latency counts from the scheduled time, and loss, repeats
//! and order are checked on every connection.

pub(crate) mod args;

mod clients;
mod connections;
mod environment;
mod frame;
mod http;
mod measurements;
mod process;
mod progress;
mod report;
mod scenario;
mod schedule;
mod server;
mod timer;
mod wire;

use anyhow::Result;
use args::BenchArgs;
use environment::Environment;
use std::process::ExitCode;

/// Runs a scenario and prints its result. The exit code is a failure if anything was lost, repeated
/// or out of order.
///
/// # Errors
/// When the server cannot be reached or refuses the set-up, or when its processor time cannot be
/// read.
pub(crate) fn run(args: &BenchArgs, server: &str, json: bool) -> Result<ExitCode> {
    let environment = Environment::set_up(args, server)?;
    let report = scenario::run(args, &environment)?;
    report.print(json)?;
    Ok(if report.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
