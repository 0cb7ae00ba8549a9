//! `lynccap show`: one row of the timeline in full.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, Write as _};

use anstream::AutoStream;
use anstyle::Style;

use crate::cli::args::{Color, Show};
use crate::cli::output::visible;
use crate::cli::run::Run;
use crate::cli::screen::color_choice;
use crate::cli::token;
use crate::cli::{Failure, Outcome};
use crate::export::rfc3339;
use crate::model::dns::{DnsMessage, Record};
use crate::model::http::HttpMessage;
use crate::model::sip::SipMessage;
use crate::model::tls::{Certificate, CipherSuite, TlsEvent, TlsVersion};
use crate::model::{FlowKey, Message};
use crate::story::Row;
use crate::story::authentication::Authentication;
use crate::story::fields::{FIELDS, Value};
use crate::story::narrate::narrate;
use crate::story::steps::call_id;
use crate::story::summary::summary;
use crate::wire::xml::{Document, decode, lay_out};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
/// Bytes of a line of a body that is no text.
const DUMP_WIDTH: usize = 16;

/// Runs the command.
///
/// # Errors
/// Where there is no such row, or an input cannot be used.
pub fn show(options: &Show) -> Result<Outcome, Failure> {
    let mut run = Run::begin(&options.reading, true, None)?;
    let failed = |error| Failure::Write { name: "standard output".to_owned(), error };
    let (mut rows, mut requests) = (0, VecDeque::new());
    while let Some(row) = run.next_row() {
        while run.next_login().is_some() {}
        rows = row.number;
        if row.number != options.row {
            if let Some(exchange) = Exchange::of(&row) {
                requests.truncate(MOST_REQUESTS - 1);
                requests.push_front((exchange, row));
            }
            continue;
        }
        run.suspend(|| print(&row, options.reading.color)).map_err(failed)?;
        let partner = match Exchange::of(&row) {
            Some(exchange) if exchange.is_request => later_partner(&mut run, &exchange),
            Some(exchange) => requests.into_iter().find(|(other, _)| exchange.is_partner(other)).map(|(_, row)| row),
            None => None,
        };
        if let Some(partner) = partner {
            let says = narrate(&partner);
            let line = format!("{}: {}", partner.number, summary(&partner));
            run.suspend(|| {
                let mut out = AutoStream::new(io::stdout(), color_choice(options.reading.color)).lock();
                writeln!(out, "\n{BOLD}{:<14}{BOLD:#} row {}", "partner", visible(&line))?;
                if says.is_empty() { Ok(()) } else { writeln!(out, "{:<14} {}", "", visible(&says)) }
            })
            .map_err(failed)?;
        }
        return Ok(Outcome::Done);
    }
    Err(Failure::Usage(format!("there is no row {}: the timeline has {rows}", options.row)))
}

/// Requests before the row that are remembered for its partner, and rows after it that are searched.
const MOST_REQUESTS: usize = 4096;

/// What ties a request and its answer together.
struct Exchange {
    flow: FlowKey,
    call_id: String,
    number: u32,
    method: String,
    is_request: bool,
}

impl Exchange {
    fn of(row: &Row) -> Option<Self> {
        let Message::Sip(message) = &row.message else { return None };
        Some(Self {
            flow: row.flow?.key,
            call_id: call_id(message).into_owned(),
            number: message.cseq?.number,
            method: message.method()?.into_owned(),
            is_request: message.is_request(),
        })
    }

    fn is_partner(&self, other: &Self) -> bool {
        let same = self.flow == other.flow && self.number == other.number && self.method == other.method;
        same && self.is_request != other.is_request && self.call_id == other.call_id
    }
}

/// The final answer to a request, among the rows that follow.
fn later_partner(run: &mut Run, request: &Exchange) -> Option<Box<Row>> {
    for _ in 0..MOST_REQUESTS {
        let row = run.next_row()?;
        let is_final =
            matches!(&row.message, Message::Sip(message) if message.status().is_some_and(|status| status >= 200));
        if is_final && Exchange::of(&row).is_some_and(|answer| request.is_partner(&answer)) {
            return Some(row);
        }
    }
    None
}

fn print(row: &Row, color: Color) -> io::Result<()> {
    let mut out = AutoStream::new(io::stdout(), color_choice(color)).lock();
    for field in FIELDS {
        let Some(value) = (field.value)(row) else { continue };
        let text = match value {
            Value::Bool(yes) => yes.to_string(),
            Value::Int(number) => number.to_string(),
            Value::Seconds(span) => format!("{:.6} s", span.as_secs_f64()),
            Value::Text(text) => text.into_owned(),
            Value::Address(address) => address.to_string(),
            Value::Time(time) => rfc3339(time),
            Value::Texts(texts) => texts.join(", "),
            Value::Records(records) => format!("{} records", records.len()),
            Value::Seen(seen) => seen.to_string(),
        };
        writeln!(out, "{BOLD}{:<14}{BOLD:#} {}", field.name, visible(&text))?;
    }
    if let Some(said) = &row.authentication {
        authentication(said, &mut out)?;
    }
    match &row.message {
        Message::Sip(message) => sip(message, &mut out)?,
        Message::Dns(message) => dns(message, &mut out)?,
        Message::Http(message) => http(message, &mut out)?,
        Message::Tls(event) => tls(event, row, &mut out)?,
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

/// Header fields by what they are about, in the order of the groups.
const GROUPS: [(&str, &[&str]); 6] = [
    ("routing", &["via", "route", "record-route", "max-forwards", "path", "ms-", "x-ms-"]),
    ("dialog", &["from", "to", "call-id", "cseq", "contact", "expires", "event", "subscription-state"]),
    ("who", &["user-agent", "server", "p-asserted-identity", "p-preferred-identity", "date"]),
    (
        "proof",
        &[
            "authorization",
            "proxy-authorization",
            "www-authenticate",
            "proxy-authenticate",
            "authentication-info",
            "proxy-authentication-info",
        ],
    ),
    (
        "trouble",
        &["ms-diagnostics", "ms-diagnostics-public", "ms-client-diagnostics", "warning", "retry-after", "reason"],
    ),
    ("abilities", &["allow", "allow-events", "supported", "require", "proxy-require", "accept", "unsupported"]),
];

/// The group that a header field is of; an entry that ends with a hyphen is a beginning.
fn group(name: &str) -> usize {
    let name = name.to_ascii_lowercase();
    let exact = GROUPS.iter().position(|(_, names)| names.contains(&name.as_str()));
    let begins = || {
        GROUPS.iter().position(|(_, names)| names.iter().any(|known| known.ends_with('-') && name.starts_with(known)))
    };
    exact.or_else(begins).unwrap_or(GROUPS.len())
}

fn sip(message: &SipMessage, out: &mut impl io::Write) -> io::Result<()> {
    let body = message.body();
    let head = message.raw.get(..message.raw.len() - body.len()).unwrap_or_default();
    let start = String::from_utf8_lossy(head);
    writeln!(out)?;
    lines(start.lines().next().unwrap_or_default(), out)?;
    for index in 0..=GROUPS.len() {
        let mut label = GROUPS.get(index).map_or("other", |(label, _)| label);
        for header in message.headers().filter(|header| group(&header.name) == index) {
            writeln!(
                out,
                "{BOLD}{:<10}{BOLD:#} {}: {}",
                std::mem::take(&mut label),
                visible(&header.name),
                visible(&header.value)
            )?;
        }
    }
    writeln!(out)?;
    print_body(body, out)?;
    for defect in &message.defects {
        writeln!(out, "{BOLD}defect{BOLD:#} {} (at byte {})", visible(&defect.what), defect.offset)?;
    }
    Ok(())
}

/// A body: XML laid out with what its known elements mean, other text as it stands, the rest in hex.
fn print_body(body: &[u8], out: &mut impl io::Write) -> io::Result<()> {
    let begins = body.iter().find(|byte| !byte.is_ascii_whitespace() && !matches!(byte, 0xef | 0xbb | 0xbf));
    let text = decode(body);
    let document = if begins == Some(&b'<') { Document::parse(&text) } else { Document::default() };
    match (document.root(), std::str::from_utf8(body)) {
        (Some(root), _) => {
            for line in lay_out(root) {
                let about = line.about.map(|about| format!("  {DIM}— {about}{DIM:#}")).unwrap_or_default();
                writeln!(out, "{:indent$}{}{about}", "", visible(&line.text), indent = 2 * line.depth)?;
            }
        }
        (None, Ok(text)) if !text.contains('\0') => lines(text, out)?,
        (None, _) => dump(body, out)?,
    }
    for defect in document.defects {
        writeln!(out, "{BOLD}defect{BOLD:#} {} (at byte {} of the body)", visible(&defect.what), defect.offset)?;
    }
    Ok(())
}

/// What a TLS message holds: a chain of certificates, or what a hello offers.
fn tls(event: &TlsEvent, row: &Row, out: &mut impl io::Write) -> io::Result<()> {
    match event {
        TlsEvent::Certificate(chain) => chain.iter().try_for_each(|own| {
            writeln!(out)?;
            certificate(own, row, out)
        }),
        TlsEvent::ClientHello(hello) => {
            writeln!(out)?;
            let suites = hello.suites.iter().map(|&suite| CipherSuite(suite).to_string());
            let versions = hello.versions.iter().map(|&version| TlsVersion(version).to_string());
            let lists = [
                ("versions", versions.collect::<Vec<_>>()),
                ("suites", suites.collect()),
                ("alpn", hello.alpn.clone()),
            ];
            for (mut label, values) in lists {
                for value in values {
                    writeln!(out, "{BOLD}{:<14}{BOLD:#} {}", std::mem::take(&mut label), visible(&value))?;
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn certificate(own: &Certificate, row: &Row, out: &mut impl io::Write) -> io::Result<()> {
    let valid = match row.at.time {
        now if now > own.not_after => ", which was over when this was captured",
        now if now < own.not_before => ", which had not begun when this was captured",
        _ => "",
    };
    let by = if own.self_signed { format!("{} (itself)", own.issuer) } else { own.issuer.clone() };
    let lines = [
        ("certificate", own.subject.clone()),
        ("  names", own.names.join(", ")),
        ("  issued by", by),
        ("  valid", format!("{} to {}{valid}", rfc3339(own.not_before), rfc3339(own.not_after))),
        ("  key", format!("{} {} bits", own.key_kind, own.key_bits)),
        ("  serial", own.serial.clone()),
        ("  revocation", own.revocation.join(", ")),
    ];
    let told = lines.into_iter().filter(|(_, text)| !text.is_empty());
    told.into_iter().try_for_each(|(label, text)| writeln!(out, "{BOLD}{label:<14}{BOLD:#} {}", visible(&text)))
}

/// An HTTP message: its header fields and its body.
fn http(message: &HttpMessage, out: &mut impl io::Write) -> io::Result<()> {
    writeln!(out)?;
    for (name, value) in &message.headers {
        writeln!(out, "{}: {}", visible(name), visible(value))?;
    }
    writeln!(out)?;
    print_body(&message.body, out)
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
