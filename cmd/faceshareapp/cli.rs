//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// The version and the commit that it was built from.
pub(crate) const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("FACESHARE_COMMIT"),
    ")"
);

/// A server for face-to-face collaboration: sessions joined by a number code, presenting and
/// following.
#[derive(Debug, Parser)]
#[command(name = "faceshareapp", version = VERSION, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands of `faceshareapp`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server until SIGTERM or Ctrl-C, then drain; a second signal stops at once
    Serve(ConfigFile),
    /// Migrate the database to this version's schema, and exit
    Migrate(ConfigFile),
    /// Print the effective configuration with secrets masked, or its errors, and exit
    CheckConfig(ConfigFile),
}

/// Where the configuration is.
#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// Configuration file: .toml, .yaml, .yml or .json [default: conf/app.toml in the working
    /// directory, if there is one]. Environment variables such as
    /// FACESHARE__HTTP__LISTEN=127.0.0.1:8081 override it
    #[arg(long = "config", value_name = "FILE")]
    pub(crate) path: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_takes_a_configuration_file() {
        for command in ["serve", "migrate", "check-config"] {
            let cli = Cli::try_parse_from(["faceshareapp", command, "--config", "x.toml"])
                .expect(command);
            let (Command::Serve(file) | Command::Migrate(file) | Command::CheckConfig(file)) =
                cli.command;
            assert_eq!(file.path, Some(PathBuf::from("x.toml")));
        }
    }

    #[test]
    fn no_command_shows_the_help_as_a_usage_error() {
        let error = Cli::try_parse_from(["faceshareapp"]).expect_err("no command is given");
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("check-config"), "{error}");
    }

    #[test]
    fn the_version_names_the_commit() {
        let version = Cli::try_parse_from(["faceshareapp", "--version"])
            .expect_err("an answer instead of a command")
            .to_string();
        assert!(
            version.starts_with(&format!("faceshareapp {} (", env!("CARGO_PKG_VERSION"))),
            "{version}"
        );
        let commit = version
            .trim()
            .rsplit_once('(')
            .and_then(|(_, commit)| commit.strip_suffix(')'))
            .expect("a commit");
        let is_commit = commit.len() == 12 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(is_commit || commit == "unknown", "{version}");
    }

    #[test]
    fn version_and_help_exit_with_success() {
        for flag in ["--version", "--help"] {
            let answer = Cli::try_parse_from(["faceshareapp", flag])
                .expect_err("an answer instead of a command");
            assert_eq!(answer.exit_code(), 0, "{flag}");
        }
    }
}
