//! Logging: to stderr always, and to a rotated file when one is configured.
//!
//! Stdout is left to what a command answers. The file is written by a thread of its own, so that a slow disk never stalls a
//! session; when that thread falls far behind, lines for the file are dropped rather than kept without bound.

use std::{
    fmt, fs, io,
    io::IsTerminal,
    path::{Path, PathBuf},
};

use tracing::Level;
use tracing::Subscriber;
use tracing_appender::{
    non_blocking::WorkerGuard,
    rolling::{self, RollingFileAppender, Rotation},
};
use tracing_subscriber::{
    Layer,
    field::RecordFields,
    filter::Targets,
    fmt::{FormatFields, MakeWriter, format::Writer},
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::config::{Log, LogFormat, LogRotation};
use crate::fields::{JsonFields, TextFields};

/// Keeps the log file's writer alive. Dropping it writes out what is still queued: it is dropped last in `main`.
#[must_use = "the log file is written for as long as this lives"]
#[derive(Debug)]
pub(crate) struct LogGuard {
    _writer: Option<WorkerGuard>,
}

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoggingError {
    /// `log.level` holds directives that do not parse.
    #[error("log.level: {0}")]
    Level(#[from] tracing_subscriber::filter::ParseError),
    /// `log.file` cannot be written.
    #[error("log.file: cannot log to {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Logging has been started before.
    #[error(transparent)]
    Started(#[from] tracing_subscriber::util::TryInitError),
}

/// Libraries that log what passes through them, tokens and all, when asked for more than this; whatever `log.level` says, they are not.
const TELL_TALES: [&str; 4] = ["tungstenite", "tokio_tungstenite", "hyper", "h2"];

/// Starts logging for the whole process.
pub(crate) fn init(config: &Log) -> Result<LogGuard, LoggingError> {
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let (subscriber, guard) = subscriber(config, io::stderr, colours)?;
    subscriber.try_init()?;
    Ok(guard)
}

fn subscriber<W>(config: &Log, stderr: W, colours: bool) -> Result<(impl Subscriber + Send + Sync, LogGuard), LoggingError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // Not an `EnvFilter`: that one asks again at every step of every span, for the sake of directives about fields.
    let level: Targets = config.level.parse()?;
    let filter = level.with_targets(TELL_TALES.map(|library| (library, Level::INFO)));
    let (file, guard) = match &config.file {
        None => (None, None),
        Some(path) => {
            let (writer, guard) = tracing_appender::non_blocking(appender(path, config)?);
            (Some(layer(config.format, writer, false, FileFields::default())), Some(guard))
        }
    };
    let stderr = layer(config.format, stderr, colours, TextFields::default());
    let subscriber = tracing_subscriber::registry().with(filter).with(stderr).with(file);
    Ok((subscriber, LogGuard { _writer: guard }))
}

fn layer<S, W, F>(format: LogFormat, writer: W, colours: bool, fields: F) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    F: for<'w> FormatFields<'w> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colours);
    match format {
        LogFormat::Pretty => layer.fmt_fields(fields).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_current_span(true).with_span_list(false).fmt_fields(JsonFields).boxed(),
    }
}

/// The fields of spans as the file shows them. A type of its own, because layers share what they have formatted by the type
/// that did it, and the terminal's colours have no place in the file.
#[derive(Debug, Default)]
struct FileFields(TextFields);

impl<'w> FormatFields<'w> for FileFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        self.0.format_fields(writer, fields)
    }
}

/// `logs/app.log` is written as it is named when nothing rotates it, else as `logs/app.<date>.log`.
fn appender(path: &Path, config: &Log) -> Result<RollingFileAppender, LoggingError> {
    let failed = |reason: String| LoggingError::File { path: path.to_owned(), reason };
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(directory).map_err(|error| failed(error.to_string()))?;

    let part = |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned());
    let mut builder = rolling::Builder::new().rotation(match config.rotation {
        LogRotation::Daily => Rotation::DAILY,
        LogRotation::Hourly => Rotation::HOURLY,
        LogRotation::Never => Rotation::NEVER,
    });
    if let Some(stem) = part(path.file_stem()) {
        builder = builder.filename_prefix(stem);
    }
    if let Some(extension) = part(path.extension()) {
        builder = builder.filename_suffix(extension);
    }
    if config.rotation != LogRotation::Never {
        builder = builder.max_log_files(config.keep_files);
    }
    builder.build(directory).map_err(|error| match std::error::Error::source(&error) {
        Some(source) => failed(source.to_string()),
        None => failed(error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Stands in for stderr.
    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl Screen {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("no writer panicked").clone()).expect("logs are text")
        }
    }

    impl io::Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no writer panicked").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn config(format: LogFormat, file: Option<PathBuf>, rotation: LogRotation) -> Log {
        Log { format, level: "info,quiet=off".to_owned(), file, rotation, keep_files: 3 }
    }

    /// Logs one line within a span, and one that the level keeps out.
    fn log_something(config: &Log, colours: bool) -> String {
        let screen = Screen::default();
        let writer = screen.clone();
        let (subscriber, guard) = subscriber(config, move || writer.clone(), colours).expect("a valid configuration");
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("request", request_id = "r-1");
            let _entered = span.enter();
            tracing::info!(answer = 42, "heard");
            tracing::debug!("not heard");
            tracing::error!(target: "quiet", "not heard");
        });
        drop(guard);
        screen.text()
    }

    #[test]
    fn pretty_lines_are_for_people_and_follow_the_level() {
        let text = log_something(&config(LogFormat::Pretty, None, LogRotation::Daily), false);
        assert!(text.contains("heard answer=42") && text.contains("r-1"), "{text}");
        assert!(!text.contains("not heard") && text.lines().count() == 1, "{text}");
    }

    #[test]
    fn json_lines_are_objects_with_the_span_they_were_in() {
        let text = log_something(&config(LogFormat::Json, None, LogRotation::Daily), false);
        let line: serde_json::Value = serde_json::from_str(text.trim()).expect("one object");
        assert_eq!(line["message"], "heard");
        assert_eq!(line["answer"], 42);
        assert_eq!(line["span"]["request_id"], "r-1");
    }

    #[test]
    fn the_file_gets_every_line_without_the_colours_of_the_terminal() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("new").join("app.log");
        let screen = log_something(&config(LogFormat::Pretty, Some(path.clone()), LogRotation::Never), true);
        let file = fs::read_to_string(&path).expect("the file as it was named");
        assert!(screen.contains('\u{1b}'), "{screen}");
        assert!(file.contains("heard") && file.contains("r-1") && !file.contains('\u{1b}'), "{file}");
    }

    #[test]
    fn a_rotated_file_has_its_date_before_its_extension_and_old_ones_go() {
        let dir = tempfile::tempdir().expect("a directory");
        for day in 1..=5 {
            fs::write(dir.path().join(format!("app.2020-01-0{day}.log")), "old").expect("an old file");
        }
        log_something(&config(LogFormat::Json, Some(dir.path().join("app.log")), LogRotation::Daily), false);
        let names: Vec<_> = fs::read_dir(dir.path()).expect("the directory").flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(names.len(), 3, "{names:?}");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        let blocked = dir.path().join("file");
        fs::write(&blocked, "").expect("a file where a directory is wanted");
        let config = config(LogFormat::Json, Some(blocked.join("app.log")), LogRotation::Daily);
        let error = subscriber(&config, io::sink, false).err().expect("it is refused").to_string();
        assert!(error.starts_with("log.file: cannot log to ") && error.contains("app.log"), "{error}");
    }
}
