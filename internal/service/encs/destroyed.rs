//! The sessions whose data keys are destroyed.

use faceshare_biz::domain::SessionId;
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, Write as _};
use std::path::Path;

/// The list of them: in memory, and in a file with one decimal id a line. It grows by at most 20
/// bytes for each session that had files.
#[derive(Debug)]
pub(super) struct DestroyedList {
    sessions: HashSet<SessionId>,
    file: File,
}

impl DestroyedList {
    const FILE_NAME: &str = "encs.destroyed";

    /// Reads the list in this directory; a missing one is empty.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let path = dir.join(Self::FILE_NAME);
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        File::open(dir)?.sync_all()?;
        let text = io::read_to_string(&mut file)?;
        let sessions: HashSet<SessionId> =
            text.lines().filter_map(|line| line.parse().ok()).collect();
        // A line that a kill cut off is not acknowledged; the next one must not go on from it.
        if !text.is_empty() && !text.ends_with('\n') {
            writeln!(file)?;
        }
        file.seek(io::SeekFrom::End(0))?;
        Ok(Self { sessions, file })
    }

    pub(super) fn contains(&self, session: SessionId) -> bool {
        self.sessions.contains(&session)
    }

    /// Adds a session; it is in the file when this returns.
    pub(super) fn add(&mut self, session: SessionId) -> io::Result<()> {
        if self.contains(session) {
            return Ok(());
        }
        // One write, so that a line is not mixed with that of another process.
        self.file.write_all(format!("{session}\n").as_bytes())?;
        self.file.sync_data()?;
        self.sessions.insert(session);
        Ok(())
    }
}
