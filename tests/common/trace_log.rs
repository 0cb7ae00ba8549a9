//! Trace logs written from the messages of captures, in the forms that clients and servers have.

use std::fmt::Write as _;
use std::net::SocketAddr;

use lynccap::model::{Direction, Message, Timestamp, TransportKind};
use lynccap::story::Row;

use super::{Capture, tell_files};

/// A message as the machine that logs sees it.
#[derive(Clone, Debug)]
pub struct Logged {
    pub time: Timestamp,
    pub sent: bool,
    pub client: SocketAddr,
    pub server: SocketAddr,
    pub raw: Vec<u8>,
}

/// How a client's log is written.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    pub end: &'static str,
    pub blanks: &'static str,
    pub colon: &'static str,
    pub bytes: bool,
    pub encode: fn(&[u8]) -> Vec<u8>,
}

pub const PLAIN: Dialect = Dialect { end: "\r\n", blanks: "  ", colon: ":", bytes: true, encode: <[u8]>::to_vec };

pub fn with_mark(text: &[u8]) -> Vec<u8> {
    [b"\xef\xbb\xbf", text].concat()
}

pub fn utf16(text: &[u8], order: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let text = format!("\u{feff}{}", String::from_utf8_lossy(text));
    text.encode_utf16().flat_map(order).collect()
}

pub fn dialects() -> Vec<(&'static str, Dialect)> {
    vec![
        ("CRLF", PLAIN),
        ("LF", Dialect { end: "\n", ..PLAIN }),
        ("UTF-8 BOM", Dialect { encode: with_mark, ..PLAIN }),
        ("UTF-16LE", Dialect { encode: |text| utf16(text, u16::to_le_bytes), ..PLAIN }),
        ("UTF-16BE", Dialect { encode: |text| utf16(text, u16::to_be_bytes), end: "\n", ..PLAIN }),
        ("one blank", Dialect { blanks: " ", ..PLAIN }),
        ("no colon", Dialect { colon: "", ..PLAIN }),
        ("no bytes", Dialect { bytes: false, ..PLAIN }),
        ("no bytes, no colon, LF", Dialect { bytes: false, colon: "", end: "\n", ..PLAIN }),
    ]
}

pub fn civil(time: Timestamp, format: &str) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(time.as_nanos())).unwrap().strftime(format).to_string()
}

/// What stands before and behind a separator.
fn split_at<'a>(bytes: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(separator.len()).position(|found| found == separator)?;
    let (before, rest) = bytes.split_at(at);
    Some((before, rest.strip_prefix(separator)?))
}

/// What the writer puts for the ends of a message's lines.
pub fn written(raw: &[u8], end: &str) -> Vec<u8> {
    if end == "\r\n" {
        return raw.to_vec();
    }
    let mut text = Vec::new();
    let mut rest = raw;
    while let Some((line, after)) = split_at(rest, b"\r\n") {
        text.extend_from_slice(line);
        text.push(b'\n');
        rest = after;
    }
    text.extend_from_slice(rest);
    text
}

/// A client's log, each record apart.
pub fn client_records(messages: &[Logged], dialect: Dialect) -> Vec<Vec<u8>> {
    let Dialect { end, blanks, colon, bytes, .. } = dialect;
    let record = |message: &Logged| {
        let prefix = format!("{} 1F68:C14 INFO{blanks}:: ", civil(message.time, "%m/%d/%Y|%H:%M:%S%.3f"));
        let (client, server, count) = (message.client, message.server, message.raw.len());
        let count = if bytes { format!(" {count} bytes") } else { String::new() };
        let what = if message.sent {
            format!("Sending Packet - {server} (From Local Address: {client}){count}")
        } else {
            format!("Data Received -{server} (To Local Address: {client}){count}")
        };
        let mut text = format!("{prefix}{what}{colon}{end}{prefix}").into_bytes();
        text.extend(written(&message.raw, end));
        text.extend(format!("{end}{prefix}End of {what}{end}").into_bytes());
        text
    };
    let noise = |message: &Logged| {
        let prefix = format!("{} 1F68:D20 TRACE{blanks}:: ", civil(message.time, "%m/%d/%Y|%H:%M:%S%.3f"));
        format!("{prefix}Function: Something::Else{end}<a line that belongs to it/>{end}").into_bytes()
    };
    messages.iter().flat_map(|message| [record(message), noise(message)]).collect()
}

pub fn client_log(messages: &[Logged], dialect: Dialect) -> Vec<u8> {
    (dialect.encode)(&client_records(messages, dialect).concat())
}

/// A server's log.
pub fn server_log(messages: &[Logged], centralized: bool, end: &str) -> Vec<u8> {
    let mut text = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let (machine, correlation) = if centralized { ("pool\\fe01", " [123456789] ") } else { ("0", "") };
        let time = civil(message.time, "%m/%d/%Y-%H:%M:%S%.3f");
        let (head, body) = split_at(&message.raw, b"\r\n\r\n").unwrap();
        let head = String::from_utf8_lossy(head).replace("\r\n", end);
        let (start_line, fields) = head.split_once(end).unwrap();
        let mut record = String::new();
        let _ = write!(
            record,
            "TL_INFO(TF_PROTOCOL) [{machine}]0A10.0B20::{time}.{index:08X} (SIPStack,SIPAdminLog::TraceProtocolRecord:SIPAdminLog.cpp(125)){correlation}$$begin_record{end}\
             Trace-Correlation-Id: 1234567890{end}Instance-Id: 0000ABCD{end}\
             Direction: {};source=\"local\";destination=\"internal edge\"{end}Peer: {}{end}\
             Message-Type: {}{end}Start-Line: {start_line}{end}{fields}{end}Message-Body: ",
            if message.sent { "incoming" } else { "outgoing" },
            message.client,
            if start_line.starts_with("SIP/") { "response" } else { "request" },
        );
        text.extend(record.into_bytes());
        text.extend(if body.is_empty() { b"-".to_vec() } else { written(body, end) });
        text.extend(format!("{end}$$end_record{end}{end}").into_bytes());
    }
    text
}

/// The SIP messages of a capture, with its keys.
pub fn messages(capture: &Capture) -> Vec<Logged> {
    let told = tell_files(&[&capture.path], capture.keys().options());
    let logged = |row: Row| {
        let Message::Sip(message) = &row.message else { return None };
        let flow = row.flow?.key;
        let is_logged = message.complete && flow.transport == TransportKind::Tcp;
        is_logged.then(|| Logged {
            time: row.at.time,
            sent: row.direction == Direction::Out,
            client: flow.client,
            server: flow.server,
            raw: message.raw.to_vec(),
        })
    };
    told.rows.into_iter().filter_map(logged).collect()
}
