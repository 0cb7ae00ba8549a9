//! Trace logs: what the lab captures say, written as clients and servers log it, in every dialect, cut and split.
//! The messages are read byte for byte, and the sign-in is the same as from the decrypted capture.
#![expect(clippy::indexing_slicing, reason = "a test that indexes out of bounds fails, as it should")]

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Cursor;
use std::net::SocketAddr;

use common::{Capture, Scratch, captures, folder, run_in, tell_files};
use lynccap::engine::{Engine, Options};
use lynccap::logs::{self, Format, LogInput, Logs, Zone};
use lynccap::model::{Counter, Direction, InputNo, Limits, Message, PacketNo, Span, Timestamp, TransportKind};
use lynccap::story::login::Login;
use lynccap::story::{Report, Row};
use serde_json::Value as Json;

/// A message as the machine that logs sees it.
#[derive(Clone, Debug)]
struct Logged {
    time: Timestamp,
    sent: bool,
    client: SocketAddr,
    server: SocketAddr,
    raw: Vec<u8>,
}

/// How a client's log is written.
#[derive(Clone, Copy, Debug)]
struct Dialect {
    end: &'static str,
    blanks: &'static str,
    colon: &'static str,
    bytes: bool,
    encode: fn(&[u8]) -> Vec<u8>,
}

const PLAIN: Dialect = Dialect { end: "\r\n", blanks: "  ", colon: ":", bytes: true, encode: <[u8]>::to_vec };

fn with_mark(text: &[u8]) -> Vec<u8> {
    [b"\xef\xbb\xbf", text].concat()
}

fn utf16(text: &[u8], order: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let text = format!("\u{feff}{}", String::from_utf8_lossy(text));
    text.encode_utf16().flat_map(order).collect()
}

fn dialects() -> Vec<(&'static str, Dialect)> {
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

fn civil(time: Timestamp, format: &str) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(time.as_nanos())).unwrap().strftime(format).to_string()
}

/// What the writer puts for the ends of a message's lines.
fn written(raw: &[u8], end: &str) -> Vec<u8> {
    if end == "\r\n" {
        return raw.to_vec();
    }
    let mut text = Vec::new();
    let mut rest = raw;
    while let Some(at) = rest.windows(2).position(|pair| pair == b"\r\n") {
        text.extend_from_slice(&rest[..at]);
        text.push(b'\n');
        rest = &rest[at + 2..];
    }
    text.extend_from_slice(rest);
    text
}

/// A client's log, each record apart.
fn client_records(messages: &[Logged], dialect: Dialect) -> Vec<Vec<u8>> {
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

fn client_log(messages: &[Logged], dialect: Dialect) -> Vec<u8> {
    (dialect.encode)(&client_records(messages, dialect).concat())
}

/// A server's log.
fn server_log(messages: &[Logged], centralized: bool, end: &str) -> Vec<u8> {
    let mut text = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let (machine, correlation) = if centralized { ("pool\\fe01", " [123456789] ") } else { ("0", "") };
        let time = civil(message.time, "%m/%d/%Y-%H:%M:%S%.3f");
        let head_end = message.raw.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8_lossy(&message.raw[..head_end]).replace("\r\n", end);
        let (start_line, fields) = head.split_once(end).unwrap();
        let body = &message.raw[head_end + 4..];
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

/// What came out of logs.
struct Told {
    rows: Vec<Row>,
    logins: Vec<Login>,
    report: Report,
}

impl Told {
    fn messages(&self) -> Vec<(&[u8], bool)> {
        let raw = |row: &'_ Row| row.direction == Direction::Out;
        self.rows
            .iter()
            .filter_map(|row| if let Message::Sip(message) = &row.message { Some((&*message.raw, raw(row))) } else { None })
            .collect()
    }

    fn count(&self, counter: Counter) -> u64 {
        self.report.stats.get(counter)
    }
}

fn tell(files: &[&[u8]]) -> Told {
    let inputs = files.iter().enumerate().filter_map(|(index, bytes)| {
        let beginning = logs::look(&bytes[..bytes.len().min(logs::HEAD)])?;
        let reader = Box::new(Cursor::new(bytes.to_vec()));
        Some(LogInput { reader, beginning, number: InputNo::new(index, true), offset: Span::default() })
    });
    let mut logs = Logs::new(inputs.collect(), Zone::default(), &Limits::default());
    let mut engine = Engine::new(Options::default());
    let names: Vec<String> = (0..files.len()).map(|index| format!("log {index}")).collect();
    engine.name_inputs(&names);
    let mut number = PacketNo::FIRST;
    while let Some(observation) = logs.advance(number) {
        engine.observe(observation);
        number = number.next();
    }
    engine.count(&logs.take_stats());
    drain(engine)
}

fn drain(mut engine: Engine) -> Told {
    engine.finish();
    let (mut rows, mut logins) = (Vec::new(), Vec::new());
    loop {
        logins.extend(std::iter::from_fn(|| engine.next_login()).map(|(login, _)| login));
        let Some(row) = engine.next_row() else { break };
        rows.push(row);
    }
    logins.extend(std::iter::from_fn(|| engine.next_login()).map(|(login, _)| login));
    Told { rows, logins, report: engine.report() }
}

/// The SIP messages of a capture, with its keys.
fn messages(capture: &Capture) -> Vec<Logged> {
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

/// Captures with messages, each with them.
fn logged() -> Vec<(Capture, Vec<Logged>)> {
    let all = captures().into_iter().map(|capture| {
        let messages = messages(&capture);
        (capture, messages)
    });
    let found: Vec<_> = all.filter(|(_, messages)| !messages.is_empty()).collect();
    assert!(found.len() > 20, "only {} captures have messages", found.len());
    found
}

#[track_caller]
fn check_messages(what: &str, told: &Told, messages: &[Logged]) {
    let found = told.messages();
    for (index, (logged, (raw, out))) in messages.iter().zip(&found).enumerate() {
        let (expected, found) = (String::from_utf8_lossy(&logged.raw), String::from_utf8_lossy(raw));
        assert_eq!(expected, found, "{what}: message {index}");
        assert_eq!(*raw, logged.raw, "{what}: message {index}");
        assert_eq!(*out, logged.sent, "{what}: direction of message {index}");
    }
    assert_eq!(found.len(), messages.len(), "{what}");
    for row in &told.rows {
        let Message::Sip(message) = &row.message else { continue };
        assert!(message.complete && message.defects.iter().all(|defect| defect.layer != "log"), "{what}: {:?}", message.defects);
    }
}

#[test]
fn every_dialect_has_every_message() {
    for (capture, messages) in logged() {
        for (name, dialect) in dialects() {
            let log = client_log(&messages, dialect);
            assert_eq!(logs::recognise(&log[..log.len().min(logs::HEAD)]), Some(Format::Client), "{name}");
            // UTF-16 keeps text only.
            let is_text = messages.iter().all(|message| std::str::from_utf8(&message.raw).is_ok());
            if is_text || !name.starts_with("UTF-16") {
                check_messages(&format!("{} as {name}", capture.file), &tell(&[&log]), &messages);
            }
        }
        for (centralized, end) in [(false, "\r\n"), (true, "\r\n"), (false, "\n"), (true, "\n")] {
            let log = server_log(&messages, centralized, end);
            let format = if centralized { Format::Centralized } else { Format::OcsLogger };
            assert_eq!(logs::recognise(&log[..log.len().min(logs::HEAD)]), Some(format));
            check_messages(&format!("{} as {format:?} {end:?}", capture.file), &tell(&[&log]), &messages);
        }
    }
}

/// Steps of a sign-in from the challenge on, each with its outcome.
fn steps(login: &Login) -> Vec<(&'static str, &'static str)> {
    let before = ["discover", "connect", "secure", "web-ticket", "certificate"];
    let steps = login.steps().into_iter().map(|step| (step.kind.id(), step.outcome.name()));
    let mut steps: Vec<_> = steps.filter(|(id, _)| !before.contains(id)).collect();
    // Messages of one packet are of one time in a capture.
    steps.sort_unstable();
    steps
}

#[test]
fn the_sign_in_is_that_of_the_capture() {
    let mut compared = 0;
    for (capture, messages) in logged() {
        let mut engine = Engine::new(capture.keys().options());
        for packet in common::packets(&capture.bytes()).0.iter().zip(1..) {
            let (packet, number) = packet;
            let number: u64 = number;
            let packet_no = (1..number).fold(PacketNo::FIRST, |number, _| number.next());
            let at = lynccap::model::At {
                time: packet.time,
                packet: packet_no,
                frame: lynccap::model::FrameNo(number),
                input: InputNo::new(0, false),
            };
            let point = lynccap::model::PointNo(0);
            engine.push(&lynccap::model::Packet { at, point, link: packet.link, wire_len: packet.wire_len, data: &packet.data });
        }
        let decrypted = drain(engine);
        let expected: Vec<_> = decrypted.logins.iter().map(|login| (login.user.clone(), steps(login))).filter(|(_, steps)| !steps.is_empty()).collect();
        for log in [client_log(&messages, PLAIN), server_log(&messages, true, "\r\n")] {
            let told = tell(&[&log]);
            let found: Vec<_> = told.logins.iter().map(|login| (login.user.clone(), steps(login))).collect();
            assert_eq!(found, expected, "{}", capture.file);
            compared += 1;
        }
    }
    assert!(compared > 40);
}
