//! The faceshare server.

mod app;
mod cli;
mod config;
mod fields;
mod logging;
mod memory;
mod rotation;
mod wiring;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;

use crate::{
    cli::{Cli, Command, ConfigFile},
    config::{Config, Loaded},
};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Logging may not have started: this is for whoever typed the command, or reads the unit's journal.
            let _ = writeln!(io::stderr(), "faceshareapp: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Serve(file) => logged(&file, app::serve),
        Command::Migrate(file) => logged(&file, app::migrate),
        Command::CheckConfig(file) => {
            let loaded = Config::load(file.path.as_deref())?;
            match write!(io::stdout(), "{}", loaded.report) {
                // Whoever reads it, `head` say, has read enough.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                written => Ok(written?),
            }
        }
    }
}

/// Runs `command` with a configuration and with logging.
fn logged(file: &ConfigFile, command: impl FnOnce(&Loaded) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let loaded = Config::load(file.path.as_deref())?;
    let _guard = logging::init(&loaded.config.log)?;
    command(&loaded)
}
