//! `log.level` as a filter that can be exchanged while the process runs.

use arc_swap::ArcSwap;
use std::sync::Arc;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::layer::Context;

/// Libraries that log what passes through them, tokens and all, when asked for more than this; whatever `log.level` says, they are not.
const TELL_TALES: [&str; 4] = ["tungstenite", "tokio_tungstenite", "hyper", "h2"];
/// Logs a line for each step of a migration at INFO; the server says in one line what came of it.
const MIGRATIONS: &str = "sea_orm_migration";

/// What is logged. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub(crate) struct LogLevel(Arc<ArcSwap<Targets>>);

impl LogLevel {
    /// # Errors
    /// When `directives` do not parse.
    pub(crate) fn new(directives: &str) -> Result<Self, ParseError> {
        Ok(Self(Arc::new(ArcSwap::from_pointee(parse(directives)?))))
    }

    /// Exchanges what is logged, from now on.
    ///
    /// # Errors
    /// When `directives` do not parse; the old ones stay.
    pub(crate) fn set(&self, directives: &str) -> Result<(), ParseError> {
        self.0.store(Arc::new(parse(directives)?));
        // Each place that logs remembers whether anything wants it.
        tracing::callsite::rebuild_interest_cache();
        Ok(())
    }
}

/// Not an `EnvFilter`: that one asks again at every step of every span, for the sake of directives about fields.
fn parse(directives: &str) -> Result<Targets, ParseError> {
    let level: Targets = directives.parse()?;
    let level = if directives.contains(MIGRATIONS) {
        level
    } else {
        level.with_target(MIGRATIONS, Level::WARN)
    };
    Ok(level.with_targets(TELL_TALES.map(|library| (library, Level::INFO))))
}

impl<S: Subscriber> Layer<S> for LogLevel {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        Layer::<S>::register_callsite(&**self.0.load(), metadata)
    }

    fn enabled(&self, metadata: &Metadata<'_>, context: Context<'_, S>) -> bool {
        self.0.load().enabled(metadata, context)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Layer::<S>::max_level_hint(&**self.0.load())
    }
}
