//! `facesharectl`: a terminal client of faceshare.

mod app;
mod args;
mod bench;
mod demo;
mod describe;
mod effect;
mod enter;
mod intent;
mod plain;
mod signals;
mod text;
mod tui;
mod ui;

use anyhow::Result;
use args::{Args, Command};
use clap::Parser as _;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    match run(args).await {
        Ok(code) => code,
        Err(error) => {
            // Ignore a failure to write the error itself.
            let _ = writeln!(std::io::stderr(), "facesharectl: {}", text::failure(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<ExitCode> {
    log_to_stderr(&args);
    if let Command::Demo = args.command {
        return demo::run(&args.server).await;
    }
    if let Command::Bench(bench) = &args.command {
        return bench::run(bench, &args.server, args.json);
    }
    let entered = enter::enter(&args).await?;
    if args.in_lines() || !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        plain::run(entered, args.json).await
    } else {
        tui::run(entered).await
    }
}

/// Logs only when the environment asks for it, because on a terminal the log would draw over the
/// screen.
fn log_to_stderr(args: &Args) {
    if let Ok(filter) = tracing_subscriber::EnvFilter::try_from_env("FACESHARECTL_LOG")
        && args.in_lines()
    {
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .init();
    }
}
