//! JSON lines: one object a row, its fields as the field table lists them.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

use crate::export::{Choices, Export, Exporter, escape, rfc3339};
use crate::findings::Finding;
use crate::model::Message;
use crate::story::fields::{FIELDS, Value};
use crate::story::{Report, Row};

/// The entry in [`crate::export::EXPORTERS`].
pub static EXPORTER: Exporter = Exporter {
    name: "jsonl",
    about: "JSON lines, an object a row",
    begin: |out, choices| Ok(Box::new(Jsonl { out, choices, line: Vec::new() })),
};

struct Jsonl {
    out: Box<dyn Write>,
    choices: Choices,
    /// The line under way.
    line: Vec<u8>,
}

impl Export for Jsonl {
    fn row(&mut self, row: &Row) -> io::Result<()> {
        let mut first = true;
        let out = &mut self.line;
        out.clear();
        out.push(b'{');
        for field in FIELDS {
            let Some(value) = (field.value)(row) else { continue };
            key(out, field.name, &mut first)?;
            write_value(out, &value)?;
        }
        if let (true, Message::Sip(message)) = (self.choices.raw, &row.message) {
            if let Ok(text) = std::str::from_utf8(&message.raw) {
                key(out, "raw", &mut first)?;
                serde_json::to_writer(&mut *out, text)?;
            } else {
                key(out, "raw_base64", &mut first)?;
                serde_json::to_writer(&mut *out, &STANDARD.encode(&*message.raw))?;
            }
        }
        out.extend_from_slice(b"}\n");
        escape::escape(out);
        self.out.write_all(out)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(&mut self, _: &Report, _: &[Finding]) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes a name, which needs no escapes, and the comma before it.
fn key(out: &mut dyn Write, name: &str, first: &mut bool) -> io::Result<()> {
    let comma = if std::mem::take(first) { "" } else { "," };
    write!(out, "{comma}\"{name}\":")
}

fn write_value(out: &mut dyn Write, value: &Value<'_>) -> io::Result<()> {
    match value {
        Value::Bool(yes) => write!(out, "{yes}"),
        Value::Int(number) => write!(out, "{number}"),
        Value::Seconds(span) => write!(out, "{:.9}", span.as_secs_f64()),
        Value::Text(text) => Ok(serde_json::to_writer(out, text)?),
        Value::Address(address) => write!(out, "\"{address}\""),
        Value::Time(time) => write!(out, "\"{}\"", rfc3339(*time)),
        Value::Texts(texts) => Ok(serde_json::to_writer(out, texts)?),
        Value::Seen(seen) => {
            let changed: Vec<&str> = seen.changed.iter().map(|name| &**name).collect();
            let seen = serde_json::json!({
                "row": seen.row,
                "input": seen.input.as_deref(),
                "delta_s": seen.delta.as_secs_f64(),
                "changed": changed,
            });
            Ok(serde_json::to_writer(out, &seen)?)
        }
        Value::Records(records) => {
            let records: Vec<Json> = records
                .iter()
                .map(|record| {
                    serde_json::json!({
                        "name": record.name,
                        "type": record.rtype.to_string(),
                        "ttl": record.ttl,
                        "data": record.data.to_string(),
                    })
                })
                .collect();
            Ok(serde_json::to_writer(out, &records)?)
        }
    }
}
