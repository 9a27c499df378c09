//! A progress bar on the terminal; hidden without a terminal.

use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// A progress bar. Dropping it removes it from the terminal.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// A bar for a stage with `total` steps.
    pub(super) fn new(stage: &'static str, total: u64) -> Self {
        // It draws on stderr and hides itself if that is not a terminal.
        let bar = ProgressBar::new(total).with_message(stage);
        let style = ProgressStyle::with_template("{msg:>10} [{bar:40}] {pos}/{len} {elapsed}");
        Self(
            bar.with_style(
                style
                    .unwrap_or_else(|_| ProgressStyle::default_bar())
                    .progress_chars("=> "),
            ),
        )
    }

    pub(super) fn at(&self, position: u64) {
        self.0.set_position(position);
    }

    /// How often to update it.
    pub(super) const STEP: Duration = Duration::from_millis(200);
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
