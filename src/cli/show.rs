//! `lynccap show`: one row of the timeline in full.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use anstream::{AutoStream, ColorChoice};
use anstyle::Style;

use crate::cli::args::{Color, Show};
use crate::cli::output::visible;
use crate::cli::run::Run;
use crate::cli::token;
use crate::cli::{Failure, Outcome};
use crate::export::rfc3339;
use crate::model::Message;
use crate::model::dns::{DnsMessage, Record};
use crate::model::sip::SipMessage;
use crate::story::Row;
use crate::story::authentication::Authentication;
use crate::story::fields::{FIELDS, Value};

const BOLD: Style = Style::new().bold();
/// Bytes of a line of a body that is no text.
const DUMP_WIDTH: usize = 16;

/// Runs the command.
///
/// # Errors
/// Where there is no such row, or an input cannot be used.
pub fn show(options: &Show) -> Result<Outcome, Failure> {
    let mut run = Run::begin(&options.reading, true, None)?;
    let mut rows = 0;
    while let Some(row) = run.next_row() {
        rows = row.number;
        if row.number == options.row {
            run.suspend(|| print(&row, options.reading.color))
                .map_err(|error| Failure::Write { name: "standard output".to_owned(), error })?;
            return Ok(Outcome::Done);
        }
    }
    Err(Failure::Usage(format!("there is no row {}: the timeline has {rows}", options.row)))
}

fn print(row: &Row, color: Color) -> io::Result<()> {
    let choice = match color {
        Color::Auto => AutoStream::choice(&io::stdout()),
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    };
    let mut out = AutoStream::new(io::stdout(), choice).lock();
    for field in FIELDS {
        let Some(value) = (field.value)(row) else { continue };
        let text = match value {
            Value::Bool(yes) => yes.to_string(),
            Value::Int(number) => number.to_string(),
            Value::Seconds(seconds) => format!("{seconds:.6} s"),
            Value::Text(text) => text.into_owned(),
            Value::Time(time) => rfc3339(time),
            Value::Texts(texts) => texts.join(", "),
            Value::Records(records) => format!("{} records", records.len()),
        };
        writeln!(out, "{BOLD}{:<14}{BOLD:#} {}", field.name, visible(&text))?;
    }
    if let Some(said) = &row.authentication {
        authentication(said, &mut out)?;
    }
    match &row.message {
        Message::Sip(message) => sip(message, &mut out)?,
        Message::Dns(message) => dns(message, &mut out)?,
        _ => {}
    }
    out.flush()
}

/// What the message says of authentication: a line a thing.
fn authentication(said: &Authentication, out: &mut impl io::Write) -> io::Result<()> {
    writeln!(out)?;
    for (label, text) in token::lines(said) {
        writeln!(out, "{BOLD}{label:<14}{BOLD:#} {}", visible(&text))?;
    }
    Ok(())
}

fn sip(message: &SipMessage, out: &mut impl io::Write) -> io::Result<()> {
    let body = message.body();
    let head = message.raw.get(..message.raw.len() - body.len()).unwrap_or_default();
    writeln!(out)?;
    lines(&String::from_utf8_lossy(head), out)?;
    match std::str::from_utf8(body) {
        Ok(text) if !text.contains('\0') => lines(text, out)?,
        _ => dump(body, out)?,
    }
    for defect in &message.defects {
        writeln!(out, "{BOLD}defect{BOLD:#} {} (at byte {})", visible(&defect.what), defect.offset)?;
    }
    Ok(())
}

pub fn lines(text: &str, out: &mut impl io::Write) -> io::Result<()> {
    text.lines().try_for_each(|line| writeln!(out, "{}", visible(line.trim_end_matches('\r'))))
}

pub fn dump(bytes: &[u8], out: &mut impl io::Write) -> io::Result<()> {
    for (index, line) in bytes.chunks(DUMP_WIDTH).enumerate() {
        let hex = line.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x} ");
            hex
        });
        let text: String = line
            .iter()
            .map(|&byte| if byte.is_ascii_graphic() || byte == b' ' { char::from(byte) } else { '.' })
            .collect();
        writeln!(out, "{:06x}  {hex:<48} {text}", index * DUMP_WIDTH)?;
    }
    Ok(())
}

fn dns(message: &DnsMessage, out: &mut impl io::Write) -> io::Result<()> {
    writeln!(out)?;
    for question in &message.questions {
        writeln!(out, "question    {} {}", visible(&question.name), question.rtype)?;
    }
    let sections: [(&str, &[Record]); 3] =
        [("answer", &message.answers), ("authority", &message.authority), ("additional", &message.additional)];
    for (name, records) in sections {
        for record in records {
            let data = record.data.to_string();
            writeln!(out, "{name:<11} {} {} {} {}", visible(&record.name), record.ttl, record.rtype, visible(&data))?;
        }
    }
    Ok(())
}
