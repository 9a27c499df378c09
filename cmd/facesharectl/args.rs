//! The command line.

use clap::{Parser, Subcommand};

/// The version and the commit that it was built from.
const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("FACESHARE_COMMIT"),
    ")"
);

/// A terminal client of faceshare: meet by a number code, present, follow.
#[derive(Debug, Parser)]
#[command(
    version = VERSION,
    after_help = "Without a terminal, or with --plain, events are printed as lines and commands are read from stdin (try `help`)."
)]
pub(crate) struct Args {
    /// The server's address.
    #[arg(
        long,
        global = true,
        env = "FACESHARE_SERVER",
        default_value = "http://127.0.0.1:8080"
    )]
    pub(crate) server: String,
    /// What others see; your user name unless given.
    #[arg(long, global = true, env = "FACESHARE_NICKNAME")]
    pub(crate) nickname: Option<String>,
    /// Print events as lines and read commands from stdin.
    #[arg(long, global = true)]
    pub(crate) plain: bool,
    /// Print each frame of the server, and each new number code, as one line of JSON, and read
    /// commands from stdin.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a session and host it.
    Create {
        /// What the session is about.
        #[arg(long)]
        title: Option<String>,
        /// How many may be in it, you included.
        #[arg(long)]
        max_members: Option<u32>,
        /// You decide who gets in.
        #[arg(long)]
        approval: bool,
    },
    /// Join a session.
    Join(JoinArgs),
    /// Join a session and follow each presenter, without doing anything else.
    Watch(JoinArgs),
    /// Three clients act out a session in this terminal, in well under a minute.
    Demo,
    /// Put load on a server and measure it.
    Bench(Box<crate::bench::args::BenchArgs>),
}

/// What leads into the session.
#[derive(Debug, clap::Args)]
pub(crate) struct JoinArgs {
    /// The number code; spaces and hyphens do not matter.
    #[arg(required_unless_present = "invite", num_args = 1..)]
    pub(crate) code: Vec<String>,
    /// An invite link, or the token in it.
    #[arg(long, conflicts_with = "code")]
    pub(crate) invite: Option<String>,
}

impl Args {
    /// Whether the line mode is requested, on a terminal too.
    pub(crate) const fn in_lines(&self) -> bool {
        self.plain || self.json
    }
}

#[cfg(test)]
mod tests {
    use super::{Args, Command, JoinArgs};
    use clap::{CommandFactory as _, Parser as _};

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_code_may_be_typed_as_it_is_read_aloud() {
        let args =
            Args::try_parse_from(["facesharectl", "join", "482", "913", "--nickname", "Ben"])
                .expect("parses");
        let Command::Join(JoinArgs { code, invite: None }) = args.command else {
            panic!("a join")
        };
        assert_eq!(
            (code.concat().as_str(), args.nickname.as_deref()),
            ("482913", Some("Ben"))
        );
        assert!(Args::try_parse_from(["facesharectl", "join"]).is_err());
        assert!(Args::try_parse_from(["facesharectl", "watch", "--invite", "x"]).is_ok());
    }
}
