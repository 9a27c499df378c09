//! The events of a history, line by line; recorded only on request.

use tokio::time::Instant;

/// The lines of one history.
#[derive(Debug)]
pub(crate) struct Trace {
    began: Instant,
    lines: Option<Vec<String>>,
}

impl Trace {
    pub(crate) fn new(kept: bool) -> Self {
        Self {
            began: Instant::now(),
            lines: kept.then(Vec::new),
        }
    }

    pub(crate) fn log(&mut self, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!(
                "{:>8} ms  {}",
                self.began.elapsed().as_millis(),
                line()
            ));
        }
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}
