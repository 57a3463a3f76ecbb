//! The format of a log line: one JSON object in printable ASCII. The fields of the event and of its
//! spans are all at the top level.
//!
//! Existing formatters do not fit: some nest the fields of spans, so that log queries do not find
//! them; others write a key twice if both a span and the event have it.

use std::{
    fmt::{self, Write as _},
    io::{self, Write as _},
    time::Instant,
};

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    layer::{Context, Layer},
    registry::{LookupSpan, SpanRef},
};

use super::milliseconds;
use crate::domain::Timestamp;

/// A tracing layer that writes a line for each event, and a line for each span of the level `DEBUG`
/// when it closes.
pub(super) struct Lines<W> {
    service: &'static str,
    write: W,
}

impl<W: Fn(&[u8])> Lines<W> {
    /// Creates a layer for `service`. It passes each line, with its line end, to `write`.
    pub(super) fn new(service: &'static str, write: W) -> Self {
        Self { service, write }
    }

    /// Writes a line with `own` fields and those of `span` and its parents. If a key repeats, the
    /// innermost value is written.
    fn line<S>(&self, level: Level, own: &Fields, span: Option<&SpanRef<'_, S>>)
    where
        S: for<'a> LookupSpan<'a>,
    {
        let mut fields = Fields(vec![
            ("level", level.as_str().into()),
            ("message", Value::Null),
            ("timestamp", Timestamp::now().to_string().into()),
            ("service", self.service.into()),
        ]);
        for span in span.iter().flat_map(|span| span.scope().from_root()) {
            if let Some(opened) = span.extensions().get::<Opened>() {
                fields.extend(&opened.fields);
            }
        }
        fields.extend(own);
        // Strings and numbers always serialize.
        if let Ok(mut line) = serde_json::to_vec(&fields) {
            line.push(b'\n');
            (self.write)(&line);
        }
    }
}

/// The start time and the fields of an open span.
struct Opened {
    at: Instant,
    fields: Fields,
}

impl<S, W> Layer<S> for Lines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Fn(&[u8]) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Opened { at: Instant::now(), fields });
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(opened) = span.extensions_mut().get_mut::<Opened>()
        {
            values.record(&mut opened.fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.line(*event.metadata().level(), &fields, context.event_span(event).as_ref());
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        // The adapter writes the line of the request's span.
        if *span.metadata().level() != Level::DEBUG {
            return;
        }
        let Some(at) = span.extensions().get::<Opened>().map(|opened| opened.at) else { return };
        let fields = Fields(vec![
            ("message", "span".into()),
            ("span", span.name().into()),
            ("duration_ms", milliseconds(at.elapsed()).into()),
        ]);
        self.line(Level::DEBUG, &fields, Some(&span));
    }
}

/// The fields of a span or an event, in their order.
#[derive(Default)]
struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    /// Sets a field, replacing an earlier value. JSON parsers do not agree on repeated keys.
    fn set(&mut self, name: &'static str, value: Value) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name, value)),
        }
    }

    fn extend(&mut self, others: &Self) {
        for (name, value) in &others.0 {
            self.set(name, value.clone());
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field.name(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field.name(), format!("{value:?}").into());
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Prints lines of JSON, with all characters escaped that are not printable ASCII. JSON itself
/// allows C1 control characters, which some terminals execute, and characters that change the
/// writing direction.
pub(crate) fn print(json: &[u8]) {
    // There is no way to report that standard output is closed.
    let _ = io::stdout().write_all(escape(&String::from_utf8_lossy(json)).as_bytes());
}

/// Escapes all characters except printable ASCII and line ends.
fn escape(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        if matches!(character, ' '..='~' | '\n') {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    escaped
}

/// Collects the lines that `work` writes.
#[cfg(test)]
pub(crate) fn capture(work: impl FnOnce()) -> Vec<Value> {
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::layer::SubscriberExt;

    let written = Arc::new(Mutex::new(Vec::new()));
    let copy = Arc::clone(&written);
    let write = move |line: &[u8]| copy.lock().unwrap().extend_from_slice(line);
    let lines = tracing_subscriber::registry().with(Lines::new("service", write));
    tracing::subscriber::with_default(lines, work);
    let written = written.lock().unwrap();
    let text = std::str::from_utf8(&written).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn span_fields_are_merged_into_the_line() {
        let lines = capture(|| {
            let outer = tracing::error_span!("outer", a = 1, b = tracing::field::Empty, c = true);
            outer.in_scope(|| {
                tracing::Span::current().record("b", "recorded");
                tracing::debug_span!("inner", c = false).in_scope(|| tracing::info!(d = 0.5, "x"));
            });
        });
        let [event, span] = &lines[..] else { panic!("{lines:?}") };
        let expected = serde_json::json!({
            "level": "INFO", "message": "x", "timestamp": event["timestamp"], "service": "service",
            "a": 1, "b": "recorded", "c": false, "d": 0.5,
        });
        assert_eq!(*event, expected);
        let expected = serde_json::json!({
            "level": "DEBUG", "message": "span", "timestamp": span["timestamp"],
            "service": "service", "a": 1, "b": "recorded", "c": false,
            "span": "inner", "duration_ms": span["duration_ms"],
        });
        assert_eq!(*span, expected);
        assert!(span["duration_ms"].is_f64(), "{span}");
    }

    #[test]
    fn characters_beyond_printable_ascii_are_escaped() {
        let json = "{\"cause\":\"a\u{9b}2J\u{202e}\u{7f}é😀\"}\n";
        let escaped = "{\"cause\":\"a\\u009b2J\\u202e\\u007f\\u00e9\\ud83d\\ude00\"}\n";
        assert_eq!(escape(json), escaped);
        let read = |text| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(read(escaped), read(json));
    }
}
