//! The output of the demo: one terminal with a coloured lane for each actor.

use anyhow::Result;
use std::io::{IsTerminal as _, Write as _};

/// The source of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    Narrator,
    Ann,
    Ben,
    Eve,
}

/// Writes whole lines, so that lanes never mix within a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Console {
    coloured: bool,
}

impl Console {
    pub(super) fn new() -> Self {
        Self {
            coloured: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        }
    }

    pub(super) fn tell(self, text: &str) -> Result<()> {
        self.say(Lane::Narrator, text)
    }

    pub(super) fn say(self, lane: Lane, text: &str) -> Result<()> {
        let (name, colour) = match lane {
            Lane::Narrator => ("", "1"),
            Lane::Ann => ("Ann", "35"),
            Lane::Ben => ("Ben", "36"),
            Lane::Eve => ("Eve", "32"),
        };
        let line = if lane == Lane::Narrator {
            format!("\n▸ {text}")
        } else {
            format!("  {name:<4}│ {text}")
        };
        self.print(&line, colour)
    }

    pub(super) fn print(self, line: &str, colour: &str) -> Result<()> {
        let mut out = std::io::stdout().lock();
        if self.coloured {
            writeln!(out, "\x1b[{colour}m{line}\x1b[0m")?;
        } else {
            writeln!(out, "{line}")?;
        }
        Ok(out.flush()?)
    }
}
