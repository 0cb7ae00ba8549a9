//! `lynccap show`: one row of the timeline in full.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use anstream::{AutoStream, ColorChoice};
use anstyle::Style;

use crate::cli::args::{Color, Show};
use crate::cli::output::visible;
use crate::cli::run::Run;
use crate::cli::{Failure, Outcome};
use crate::export::rfc3339;
use crate::model::Message;
use crate::model::dns::{DnsMessage, Record};
use crate::model::sip::SipMessage;
use crate::story::Row;
use crate::story::fields::{FIELDS, Value};
use crate::story::tls_dsk::Flight;

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
    if let Some(flight) = &row.flight {
        flight_lines(flight)
            .into_iter()
            .try_for_each(|line| writeln!(out, "{BOLD}{:<14}{BOLD:#} {}", "", visible(&line)))?;
    }
    match &row.message {
        Message::Sip(message) => sip(message, &mut out)?,
        Message::Dns(message) => dns(message, &mut out)?,
        _ => {}
    }
    out.flush()
}

/// What the handshake inside the authentication token says.
fn flight_lines(flight: &Flight) -> Vec<String> {
    let mut lines = Vec::new();
    if let (Some(version), Some(suite)) = (flight.version, flight.suite) {
        lines.push(format!("inside: {version}, {suite}"));
    }
    if let Some(certificate) = &flight.certificate {
        lines.push(format!("certificate: {}, issued by {}", certificate.subject, certificate.issuer));
        let (from, until) = (rfc3339(certificate.not_before), rfc3339(certificate.not_after));
        lines.push(format!("valid from {from} until {until}"));
    }
    if let Some(source) = &flight.opened {
        lines.push(format!("opened with {source}: signatures can be checked"));
    }
    if let Some(why) = &flight.not_opened {
        lines.push(format!("closed: {why}"));
    }
    lines
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
