//! `log.*`: what is logged, in which format and where to.

use std::path::PathBuf;

use tracing_subscriber::filter::Targets;

use super::section::Section;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Logging.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    /// The format of a line.
    pub(crate) format: LogFormat,
    /// A level, or directives such as `info,faceshare_logic=debug`; checked.
    pub(crate) level: String,
    /// A file to log to besides stderr.
    pub(crate) file: Option<PathBuf>,
    /// When a new file is started.
    pub(crate) rotation: LogRotation,
    /// How many rotated files are kept.
    pub(crate) keep_files: usize,
}

/// The format of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Text for people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// When a new log file is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogRotation {
    /// At midnight UTC.
    Daily,
    /// At each full hour.
    Hourly,
    /// The server does not rotate it.
    Never,
}

impl Log {
    pub(super) fn read(keys: &mut Section<'_, '_>) -> Self {
        let formats = [("pretty", LogFormat::Pretty), ("json", LogFormat::Json)];
        let rotations = [
            ("daily", LogRotation::Daily),
            ("hourly", LogRotation::Hourly),
            ("never", LogRotation::Never),
        ];
        Self {
            format: keys.choice("format", LogFormat::Pretty, &formats),
            level: keys.text("level", "info".to_owned(), level, Clone::clone),
            file: keys.text("file", None, file, |file| {
                file.as_ref()
                    .map(|file| file.display().to_string())
                    .unwrap_or_default()
            }),
            rotation: keys.choice("rotation", LogRotation::Daily, &rotations),
            keep_files: keys.number("keep_files", 7, 2..=1000),
        }
    }
}

/// Checks a level or a list of directives. A bare word must be a level: the filter itself would
/// take the typing error `inof` for the name of a module and log nothing.
fn level(text: &str) -> Result<String, String> {
    let is_level = |word: &str| LEVELS.contains(&word.to_ascii_lowercase().as_str());
    let is_directive = |word: &str| is_level(word) || word.contains('=');
    let well_formed = text.split(',').map(str::trim).all(is_directive);
    if well_formed && text.parse::<Targets>().is_ok() {
        return Ok(text.to_owned());
    }
    Err(format!(
        "{text:?} is not a log level; allowed: {}, or directives such as \"info,faceshare_logic=debug\"",
        LEVELS.join(", ")
    ))
}

fn file(text: &str) -> Result<Option<PathBuf>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let path = PathBuf::from(text);
    match path.file_name() {
        Some(_) if !text.ends_with('/') => Ok(Some(path)),
        _ => Err(format!("{text:?} does not name a file")),
    }
}
