//! `log.level` as a filter that can be changed while the process runs.

use arc_swap::ArcSwap;
use std::sync::Arc;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::layer::Context;

/// Libraries that log the data that they carry, tokens included, below INFO. Their level is INFO
/// whatever `log.level` says.
const CAPPED_AT_INFO: [&str; 4] = ["tungstenite", "tokio_tungstenite", "hyper", "h2"];
/// This library logs each step of a migration at INFO. The server logs one line with the result.
const MIGRATIONS: &str = "sea_orm_migration";

/// The level in force. A clone is cheap and shares the level.
#[derive(Debug, Clone)]
pub(crate) struct LogLevel(Arc<ArcSwap<Targets>>);

impl LogLevel {
    /// # Errors
    /// When `directives` do not parse.
    pub(crate) fn new(directives: &str) -> Result<Self, ParseError> {
        Ok(Self(Arc::new(ArcSwap::from_pointee(parse(directives)?))))
    }

    /// Replaces the level from now on.
    ///
    /// # Errors
    /// When `directives` do not parse; the old ones stay.
    pub(crate) fn set(&self, directives: &str) -> Result<(), ParseError> {
        self.0.store(Arc::new(parse(directives)?));
        // Each call site caches whether it is enabled.
        tracing::callsite::rebuild_interest_cache();
        Ok(())
    }
}

/// Uses `Targets` and not `EnvFilter`, which checks again at every enter and exit of every span for
/// directives about fields.
fn parse(directives: &str) -> Result<Targets, ParseError> {
    let level: Targets = directives.parse()?;
    let level = if directives.contains(MIGRATIONS) {
        level
    } else {
        level.with_target(MIGRATIONS, Level::WARN)
    };
    Ok(level.with_targets(CAPPED_AT_INFO.map(|library| (library, Level::INFO))))
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
