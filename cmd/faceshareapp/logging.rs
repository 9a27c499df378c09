//! Logging: to stderr always, and to a rotated file when one is configured.
//!
//! Stdout is for the output of commands. Each output has its own thread that writes it ([`queue`]),
//! so that neither a stalled reader nor a slow disk stalls the server.

mod level;
mod queue;

use std::{
    backtrace::Backtrace,
    fmt, fs, io,
    io::{IsTerminal, Write as _},
    panic::PanicHookInfo,
    path::{Path, PathBuf},
    thread,
};

use tracing::Subscriber;
use tracing_appender::rolling::{self, RollingFileAppender, Rotation};
use tracing_subscriber::{
    Layer,
    field::RecordFields,
    fmt::{FormatFields, MakeWriter, format::Writer},
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use self::queue::{LineQueue, QueueGuard};
use crate::config::{Log, LogFormat, LogRotation};
use crate::fields::{JsonFields, TextFields};

pub(crate) use self::level::LogLevel;

/// Keeps the threads alive that write the log. Dropping it writes the queued lines, so `main` drops
/// it last.
#[must_use = "the log is written for as long as this lives"]
#[derive(Debug)]
pub(crate) struct Logging {
    /// The level, which can be changed while the process runs.
    pub(crate) level: LogLevel,
    _outputs: Vec<QueueGuard>,
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
    /// The system refused another thread.
    #[error("cannot start the thread that writes the log: {0}")]
    Thread(io::Error),
    /// Logging has been started before.
    #[error(transparent)]
    Started(#[from] tracing_subscriber::util::TryInitError),
}

/// Starts logging for the whole process. Panics are logged too.
pub(crate) fn init(config: &Log) -> Result<Logging, LoggingError> {
    let colours = io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let (subscriber, logging) = subscriber(config, io::stderr(), colours)?;
    subscriber.try_init()?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(logging)
}

/// Replaces std's panic hook, which writes to stderr itself and blocks when its reader stalls.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("no message");
    let location = panic
        .location()
        .map(ToString::to_string)
        .unwrap_or_default();
    let (backtrace, thread) = (Backtrace::capture(), thread::current());
    let backtrace = (backtrace.status() == std::backtrace::BacktraceStatus::Captured)
        .then(|| backtrace.to_string());
    tracing::error!(
        thread = thread.name(),
        location,
        backtrace,
        "panicked: {message}"
    );
}

/// Writes the reason why the process ends as a line in the log's format, when logging has not
/// started.
pub(crate) fn fatal_without_logging(format: LogFormat, message: &str) {
    let line = match format {
        LogFormat::Pretty => format!("faceshareapp: {message}"),
        LogFormat::Json => {
            serde_json::json!({"level": "ERROR", "message": message, "target": "faceshareapp"})
                .to_string()
        }
    };
    let _ = writeln!(io::stderr(), "{line}");
}

fn subscriber(
    config: &Log,
    stderr: impl io::Write + Send + 'static,
    colours: bool,
) -> Result<(impl Subscriber + Send + Sync, Logging), LoggingError> {
    let level = LogLevel::new(&config.level)?;
    let mut outputs = Vec::new();
    let mut start = |output, out: Box<dyn io::Write + Send>| {
        let report = move |dropped: u64| tracing::warn!(output, "{dropped} log lines were dropped");
        let (queue, guard) = LineQueue::start(output, out, report).map_err(LoggingError::Thread)?;
        outputs.push(guard);
        Ok::<_, LoggingError>(queue)
    };
    let stderr = layer(
        config.format,
        start("stderr", Box::new(stderr))?,
        colours,
        TextFields::default(),
    );
    let file = match &config.file {
        None => None,
        Some(path) => Some(layer(
            config.format,
            start("file", Box::new(appender(path, config)?))?,
            false,
            FileFields::default(),
        )),
    };
    let subscriber = tracing_subscriber::registry()
        .with(level.clone())
        .with(stderr)
        .with(file);
    Ok((
        subscriber,
        Logging {
            level,
            _outputs: outputs,
        },
    ))
}

fn layer<S, W, F>(
    format: LogFormat,
    writer: W,
    colours: bool,
    fields: F,
) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    F: for<'w> FormatFields<'w> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(colours);
    match format {
        LogFormat::Pretty => layer.fmt_fields(fields).boxed(),
        LogFormat::Json => layer
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .fmt_fields(JsonFields)
            .boxed(),
    }
}

/// Formats the fields of spans for the file. It has its own type because layers share formatted
/// fields by the type of the formatter, and the file must not get the terminal's colours.
#[derive(Debug, Default)]
struct FileFields(TextFields);

impl<'w> FormatFields<'w> for FileFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        self.0.format_fields(writer, fields)
    }
}

/// Without a rotation `logs/app.log` is written under that name, else as `logs/app.<date>.log`.
fn appender(path: &Path, config: &Log) -> Result<RollingFileAppender, LoggingError> {
    let failed = |reason: String| LoggingError::File {
        path: path.to_owned(),
        reason,
    };
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    fs::create_dir_all(directory).map_err(|error| failed(error.to_string()))?;

    let part =
        |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned());
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
    builder
        .build(directory)
        .map_err(|error| match std::error::Error::source(&error) {
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
            String::from_utf8(self.0.lock().expect("no writer panicked").clone())
                .expect("logs are text")
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
        Log {
            format,
            level: "info,quiet=off".to_owned(),
            file,
            rotation,
            keep_files: 3,
        }
    }

    /// Logs one line within a span, and two that the level filters out.
    fn log_something(config: &Log, colours: bool) -> String {
        let screen = Screen::default();
        let (subscriber, guard) =
            subscriber(config, screen.clone(), colours).expect("a valid configuration");
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
    fn pretty_lines_have_fields_and_span_and_follow_the_level() {
        let text = log_something(&config(LogFormat::Pretty, None, LogRotation::Daily), false);
        assert!(
            text.contains("heard answer=42") && text.contains("r-1"),
            "{text}"
        );
        assert!(
            !text.contains("not heard") && text.lines().count() == 1,
            "{text}"
        );
    }

    #[test]
    fn json_lines_are_objects_with_their_span() {
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
        let screen = log_something(
            &config(LogFormat::Pretty, Some(path.clone()), LogRotation::Never),
            true,
        );
        let file = fs::read_to_string(&path).expect("the file as it was named");
        assert!(screen.contains('\u{1b}'), "{screen}");
        assert!(
            file.contains("heard") && file.contains("r-1") && !file.contains('\u{1b}'),
            "{file}"
        );
    }

    #[test]
    fn a_rotated_file_has_its_date_before_its_extension_and_old_files_are_deleted() {
        let dir = tempfile::tempdir().expect("a directory");
        for day in 1..=5 {
            fs::write(dir.path().join(format!("app.2020-01-0{day}.log")), "old")
                .expect("an old file");
        }
        log_something(
            &config(
                LogFormat::Json,
                Some(dir.path().join("app.log")),
                LogRotation::Daily,
            ),
            false,
        );
        let names: Vec<_> = fs::read_dir(dir.path())
            .expect("the directory")
            .flatten()
            .map(|entry| entry.file_name())
            .collect();
        assert_eq!(names.len(), 3, "{names:?}");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        let blocked = dir.path().join("file");
        fs::write(&blocked, "").expect("a file where a directory is wanted");
        let config = config(
            LogFormat::Json,
            Some(blocked.join("app.log")),
            LogRotation::Daily,
        );
        let error = subscriber(&config, io::sink(), false)
            .err()
            .expect("it is refused")
            .to_string();
        assert!(
            error.starts_with("log.file: cannot log to ") && error.contains("app.log"),
            "{error}"
        );
    }

    #[test]
    fn a_new_level_applies_at_once() {
        let screen = Screen::default();
        let config = config(LogFormat::Pretty, None, LogRotation::Daily);
        let (subscriber, logging) =
            subscriber(&config, screen.clone(), false).expect("a valid configuration");
        let say = |text: &str| tracing::debug!("{text}");
        tracing::subscriber::with_default(subscriber, || {
            say("before");
            logging.level.set("debug").expect("a level");
            say("between");
            logging
                .level
                .set("nonsense=nonsense")
                .expect_err("not a level");
            say("still");
            logging.level.set("warn").expect("a level");
            say("after");
        });
        drop(logging);
        let text = screen.text();
        assert!(text.contains("between") && text.contains("still"), "{text}");
        assert!(
            !text.contains("before") && !text.contains("after"),
            "{text}"
        );
    }

    #[test]
    fn each_step_of_a_migration_is_logged_only_when_it_is_asked_for() {
        for (level, lines) in [("info", 0), ("info,sea_orm_migration=info", 1)] {
            let screen = Screen::default();
            let config = Log {
                level: level.to_owned(),
                ..config(LogFormat::Pretty, None, LogRotation::Daily)
            };
            let (subscriber, logging) =
                subscriber(&config, screen.clone(), false).expect("a valid configuration");
            let step =
                || tracing::info!(target: "sea_orm_migration::migrator", "Applying migration 'm1'");
            tracing::subscriber::with_default(subscriber, step);
            drop(logging);
            assert_eq!(screen.text().lines().count(), lines, "{level}");
        }
    }
}
