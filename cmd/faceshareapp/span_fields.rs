//! The fields of spans as JSON, written as they come.
//!
//! Every request has a span, and few of them log anything: the usual formatter, which builds a tree of values for each and writes that, took
//! a good part of the time that a request takes.

use std::fmt::{self, Debug};
use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FormatFields, FormattedFields};

/// One JSON object for each span.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SpanFields;

impl<'w> FormatFields<'w> for SpanFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        writer.write_char('{')?;
        write_fields(&mut writer, fields, true)?;
        writer.write_char('}')
    }

    fn add_fields(&self, current: &'w mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        let first = current.fields.len() <= "{}".len();
        if current.fields.pop().is_none() {
            current.fields.push('{');
        }
        let mut writer = current.as_writer();
        write_fields(&mut writer, fields, first)?;
        writer.write_char('}')
    }
}

fn write_fields(writer: &mut Writer<'_>, fields: impl RecordFields, first: bool) -> fmt::Result {
    let mut object = Object { writer, first, outcome: Ok(()) };
    fields.record(&mut object);
    object.outcome
}

struct Object<'o, 'w> {
    writer: &'o mut Writer<'w>,
    first: bool,
    outcome: fmt::Result,
}

impl Object<'_, '_> {
    /// `value` must be JSON.
    fn put(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let comma = if std::mem::take(&mut self.first) { "" } else { "," };
        // Names of fields are identifiers.
        self.outcome = self.outcome.and_then(|()| write!(self.writer, "{comma}\"{}\":{value}", field.name()));
    }
}

impl Visit for Object<'_, '_> {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, format_args!("{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, format_args!("{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\'));
        if plain {
            self.put(field, format_args!("\"{value}\""));
        } else {
            self.put(field, format_args!("{}", serde_json::Value::from(value)));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
