//! Formatters of the fields of spans and log lines, which write each field directly.
//!
//! Every request has a span, and few of them log a line. tracing's own formatters took a good part
//! of the time of a request: they build a tree of values for each span (JSON) or apply styles to
//! each word (text).

use std::fmt::{self, Debug, Write as _};
use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing_subscriber::field::{RecordFields, VisitOutput};
use tracing_subscriber::fmt::format::{DefaultFields, DefaultVisitor, Writer};
use tracing_subscriber::fmt::{FormatFields, FormattedFields};

/// Initial capacity in bytes. It holds a request's span without growing.
const SPAN_BYTES: usize = 256;

/// Whether both formats write the value between quotes without escapes.
fn is_plain(value: &str) -> bool {
    // Without an early exit, so the compiler can check many bytes at once.
    value.bytes().fold(true, |plain, byte| {
        plain & matches!(byte, b' '..=b'~') & !matches!(byte, b'"' | b'\\')
    })
}

/// One JSON object for each span.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct JsonFields;

impl<'w> FormatFields<'w> for JsonFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut text = String::with_capacity(SPAN_BYTES);
        text.push('{');
        fields.record(&mut Object {
            text: &mut text,
            first: true,
        });
        text.push('}');
        writer.write_str(&text)
    }

    fn add_fields(
        &self,
        current: &'w mut FormattedFields<Self>,
        fields: &Record<'_>,
    ) -> fmt::Result {
        let first = current.fields.len() <= "{}".len();
        if current.fields.pop().is_none() {
            current.fields.push('{');
        }
        fields.record(&mut Object {
            text: &mut current.fields,
            first,
        });
        current.fields.push('}');
        Ok(())
    }
}

struct Object<'o> {
    text: &'o mut String,
    first: bool,
}

impl Object<'_> {
    /// Writes the field's name before its value. Names are identifiers and need no escapes.
    fn name(&mut self, field: &Field) {
        self.text.push_str(if std::mem::take(&mut self.first) {
            "\""
        } else {
            ",\""
        });
        self.text.push_str(field.name());
        self.text.push_str("\":");
    }

    /// `value` must be JSON.
    fn put(&mut self, field: &Field, value: impl fmt::Display) {
        self.name(field);
        // Writing to a `String` cannot fail.
        let _ = write!(self.text, "{value}");
    }
}

impl Visit for Object<'_> {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if is_plain(value) {
            self.name(field);
            self.text.push('"');
            self.text.push_str(value);
            self.text.push('"');
        } else {
            self.put(field, serde_json::Value::from(value));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// `name=value` separated by spaces, byte for byte what [`DefaultFields`] writes. With colours
/// [`DefaultFields`] itself writes it.
#[derive(Debug, Default)]
pub(crate) struct TextFields(DefaultFields);

impl<'w> FormatFields<'w> for TextFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        if writer.has_ansi_escapes() || !writer.sanitizes_ansi_escapes() {
            return self.0.format_fields(writer, fields);
        }
        let mut text = String::with_capacity(SPAN_BYTES);
        let mut words = Words {
            text: &mut text,
            first: true,
            outcome: Ok(()),
        };
        fields.record(&mut words);
        words.outcome?;
        writer.write_str(&text)
    }
}

struct Words<'o> {
    text: &'o mut String,
    first: bool,
    outcome: fmt::Result,
}

impl Words<'_> {
    /// Writes the field's name before its value.
    fn name(&mut self, field: &Field) {
        if !std::mem::take(&mut self.first) {
            self.text.push(' ');
        }
        self.text.push_str(field.name());
        self.text.push('=');
    }

    /// Whether the field is written under its own name. tracing's visitor writes the message, the
    /// fields of the `log` crate's records and raw identifiers.
    fn has_plain_name(field: &Field) -> bool {
        field.name() != "message"
            && !field.name().starts_with("log.")
            && !field.name().starts_with("r#")
    }

    fn with_default_visitor(&mut self, visit: impl FnOnce(&mut DefaultVisitor<'_>)) {
        let before = self.text.len();
        let mut visitor = DefaultVisitor::new(Writer::new(self.text), self.first);
        visit(&mut visitor);
        let outcome = visitor.finish();
        self.outcome = self.outcome.and(outcome);
        self.first &= self.text.len() == before;
    }
}

impl Visit for Words<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if !Self::has_plain_name(field) || !is_plain(value) {
            return self.with_default_visitor(|visitor| visitor.record_str(field, value));
        }
        self.name(field);
        self.text.push('"');
        self.text.push_str(value);
        self.text.push('"');
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.with_default_visitor(|visitor| visitor.record_error(field, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if !Self::has_plain_name(field) {
            return self.with_default_visitor(|visitor| visitor.record_debug(field, value));
        }
        self.name(field);
        let outcome = write!(self.text, "{value:?}");
        self.outcome = self.outcome.and(outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::{JsonFields, TextFields};
    use std::io;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::fmt::FormatFields;
    use tracing_subscriber::fmt::format::DefaultFields;
    use tracing_subscriber::layer::SubscriberExt;

    #[derive(Clone, Default)]
    struct Output(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no writer panicked").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Logs all kinds of fields, in spans and in lines.
    fn log_all_kinds() {
        let error = io::Error::other(io::Error::other("the \u{1b}[31mcause"));
        let span = tracing::info_span!(
            "http",
            request_id = "r-1",
            route = "/v1/face-sessions/{id}",
            odd = "a \"b\" \\ é \u{1b}[31m",
            client = %std::net::Ipv4Addr::LOCALHOST,
            none = None::<&str>,
            number = 7,
            minus = -7,
            half = 0.5,
            yes = true,
            r#type = "a keyword",
            later = tracing::field::Empty,
        );
        let _entered = span.enter();
        tracing::info!(
            answer = 42,
            error = &error as &dyn std::error::Error,
            "heard \u{1b}[31m {}",
            "well"
        );
        span.record("later", "now");
        tracing::info!(debugged = ?["a", "b"], r#type = "x");
        tracing::info_span!("inner").in_scope(|| tracing::info!("nothing of its own"));
    }

    fn logged(
        fields: impl for<'w> FormatFields<'w> + Send + Sync + 'static,
        colours: bool,
    ) -> String {
        let output = Output::default();
        let writer = output.clone();
        let layer = tracing_subscriber::fmt::layer()
            .without_time()
            .with_ansi(colours)
            .fmt_fields(fields);
        let subscriber =
            tracing_subscriber::registry().with(layer.with_writer(move || writer.clone()));
        tracing::subscriber::with_default(subscriber, log_all_kinds);
        String::from_utf8(output.0.lock().expect("no writer panicked").clone()).expect("text")
    }

    #[test]
    fn text_equals_the_output_of_the_default_formatter() {
        for colours in [false, true] {
            let text = logged(TextFields::default(), colours);
            assert_eq!(text, logged(DefaultFields::new(), colours));
            assert!(text.contains("r-1") && text.lines().count() == 3, "{text}");
        }
    }

    #[test]
    fn spans_are_valid_json_for_all_kinds_of_fields() {
        let text = logged(JsonFields, false);
        let begin = text.find('{').expect("the span's fields");
        let object = serde_json::Deserializer::from_str(&text[begin + 1..])
            .into_iter::<serde_json::Value>()
            .next();
        let span = object.expect("one").expect("JSON");
        assert_eq!(span["request_id"], "r-1");
        assert_eq!(span["odd"], "a \"b\" \\ é \u{1b}[31m");
        assert_eq!(
            (&span["number"], &span["minus"], &span["yes"]),
            (&7.into(), &(-7).into(), &true.into())
        );
        assert_eq!(
            (&span["client"], &span["half"]),
            (&"127.0.0.1".into(), &"0.5".into())
        );
        assert!(span.get("none").is_none());
    }
}
