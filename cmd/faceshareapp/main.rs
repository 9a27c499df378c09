//! The faceshare server.

mod app;
mod check;
mod cli;
mod config;
mod fields;
mod logging;
mod reload;
mod surroundings;
mod wiring;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;

use crate::{
    cli::{Cli, Command, ConfigFile},
    config::{Config, ConfigError, Loaded, LogFormat},
    logging::Logging,
};

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(file) => logged(&file, app::serve),
        Command::Migrate(file) => logged(&file, |loaded, _| app::migrate(loaded)),
        Command::CheckConfig(file) => printed(check_config(&file)),
    }
}

/// Runs `command` with a configuration and with logging. A failure is the last line of the log.
fn logged(
    file: &ConfigFile,
    command: impl FnOnce(&Loaded, &Logging) -> anyhow::Result<()>,
) -> ExitCode {
    let loaded = match Config::load(file.path.as_deref()) {
        Ok(loaded) => loaded,
        Err(error) => {
            let format = match &error {
                ConfigError::Invalid { log_format, .. } => *log_format,
                _ => LogFormat::Pretty,
            };
            logging::fatal_without_logging(format, &error.to_string());
            return ExitCode::FAILURE;
        }
    };
    let logging = match logging::init(&loaded.config.log) {
        Ok(logging) => logging,
        Err(error) => {
            logging::fatal_without_logging(loaded.config.log.format, &error.to_string());
            return ExitCode::FAILURE;
        }
    };
    loaded
        .warnings
        .iter()
        .for_each(|warning| tracing::warn!("{warning}"));
    exit_code(command(&loaded, &logging))
}

/// The exit code of `done`. A failure is logged.
fn exit_code(done: anyhow::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", with_causes(&error));
            ExitCode::FAILURE
        }
    }
}

/// Prints the configuration, and fails when files that it names cannot be used.
fn check_config(file: &ConfigFile) -> anyhow::Result<()> {
    let loaded = Config::load(file.path.as_deref())?;
    match write!(io::stdout(), "{}", loaded.report) {
        // The reader, such as `head`, has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written?,
    }
    for warning in loaded
        .warnings
        .iter()
        .cloned()
        .chain(app::warnings(&loaded.config))
    {
        let _ = writeln!(io::stderr(), "faceshareapp: warning: {warning}");
    }
    check::check(&loaded.config)
}

/// The exit code of `done`. A failure is printed to stderr, for a command that a person has typed.
fn printed(done: anyhow::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            logging::fatal_without_logging(LogFormat::Pretty, &with_causes(&error));
            ExitCode::FAILURE
        }
    }
}

/// The error with its causes. A cause that an error's own text ends with is not repeated.
fn with_causes(error: &anyhow::Error) -> String {
    error
        .chain()
        .map(ToString::to_string)
        .fold(String::new(), |said, cause| match said.as_str() {
            "" => cause,
            before if before.ends_with(&cause) => said,
            before => format!("{before}: {cause}"),
        })
}

#[cfg(test)]
mod tests {
    use super::{exit_code, with_causes};
    use crate::config::Config;
    use anyhow::Context as _;
    use std::path::Path;
    use std::process::ExitCode;

    #[test]
    fn each_cause_is_named_once() {
        let missing = Config::load_from(Some(Path::new("/nowhere/app.toml")), [])
            .context("at the start")
            .expect_err("it is missing");
        let said = with_causes(&missing);
        assert!(
            said.starts_with(
                "at the start: cannot read the configuration file /nowhere/app.toml: "
            ),
            "{said}"
        );
        assert_eq!(said.matches("No such file").count(), 1, "{said}");
        let causes = anyhow::anyhow!("the cause")
            .context("the step")
            .context("the whole");
        assert_eq!(with_causes(&causes), "the whole: the step: the cause");
    }

    #[test]
    fn a_failure_is_the_exit_code_of_the_process() {
        assert_eq!(exit_code(Ok(())), ExitCode::SUCCESS);
        assert_eq!(exit_code(Err(anyhow::anyhow!("broken"))), ExitCode::FAILURE);
    }
}
