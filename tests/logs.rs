//! Trace logs: what the lab captures say, written as clients and servers log it, in every dialect, cut and split.
//! The messages are read byte for byte, and the sign-in is the same as from the decrypted capture.
#![expect(clippy::indexing_slicing, reason = "a test that indexes out of bounds fails, as it should")]

mod common;

use std::collections::BTreeMap;
use std::io::Cursor;
use std::net::SocketAddr;

use common::trace_log::{
    Dialect, Logged, PLAIN, civil, client_log, client_records, dialects, messages, server_log, utf16,
};
use common::{Capture, Scratch, captures, folder, run_in};
use lynccap::engine::{Engine, Options};
use lynccap::logs::{self, Format, LogInput, Logs, Zone};
use lynccap::model::{Counter, Direction, InputNo, Limits, Message, PacketNo, Span};
use lynccap::story::login::Login;
use lynccap::story::{Report, Row};
use serde_json::Value as Json;

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
            .filter_map(
                |row| if let Message::Sip(message) = &row.message { Some((&*message.raw, raw(row))) } else { None },
            )
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
    Told { rows: rows.into_iter().map(|row| *row).collect(), logins, report: engine.report() }
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
        assert!(
            message.complete && message.defects.iter().all(|defect| defect.layer != "log"),
            "{what}: {:?}",
            message.defects
        );
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
            engine.push(&lynccap::model::Packet {
                at,
                point,
                link: packet.link,
                wire_len: packet.wire_len,
                data: &packet.data,
            });
        }
        let decrypted = drain(engine);
        let expected: Vec<_> = decrypted
            .logins
            .iter()
            .map(|login| (login.user.clone(), steps(login)))
            .filter(|(_, steps)| !steps.is_empty())
            .collect();
        for log in [client_log(&messages, PLAIN), server_log(&messages, true, "\r\n")] {
            let told = tell(&[&log]);
            let found: Vec<_> = told.logins.iter().map(|login| (login.user.clone(), steps(login))).collect();
            assert_eq!(found, expected, "{}", capture.file);
            compared += 1;
        }
    }
    assert!(compared > 40);
}

/// Messages of one sign-in, and the file they are of.
fn login() -> Vec<Logged> {
    messages(&common::capture("c-login-tls-keylog.pcapng"))
}

/// The messages of `told` that are whole: each is to be one of `messages`, in their order.
#[track_caller]
fn check_whole(what: &str, told: &Told, messages: &[Logged], least: usize) {
    let mut left = messages.iter();
    let mut whole = 0;
    for row in &told.rows {
        let Message::Sip(message) = &row.message else { continue };
        if message.complete {
            let found = left.any(|logged| logged.raw[..] == message.raw[..]);
            assert!(found, "{what}: no such message: {}", String::from_utf8_lossy(&message.raw));
            whole += 1;
        }
    }
    assert!(whole >= least, "{what}: {whole} of {least} messages");
}

#[test]
fn a_log_that_is_cut_anywhere_gives_what_is_whole() {
    let messages = login();
    let logs = [
        ("CRLF", client_log(&messages, PLAIN)),
        ("LF, no bytes", client_log(&messages, Dialect { end: "\n", bytes: false, ..PLAIN })),
        ("UTF-16", client_log(&messages, Dialect { encode: |text| utf16(text, u16::to_le_bytes), ..PLAIN })),
        ("OCSLogger", server_log(&messages, false, "\r\n")),
        ("Centralized", server_log(&messages, true, "\n")),
    ];
    for (name, log) in &logs {
        // Where each message lies: its last line that nothing else has.
        let share = |bytes: usize| messages.len() * bytes / log.len();
        for cut in (1..log.len()).step_by(997) {
            let (start, end) = (tell(&[&log[..cut]]), tell(&[&log[cut..]]));
            let what = format!("{name} cut at {cut}");
            let (before, after) = (start.messages().len(), end.messages().len());
            check_whole(&format!("{what}, its start"), &start, &messages, before.saturating_sub(1));
            check_whole(&format!("{what}, its end"), &end, &messages, after.saturating_sub(1));
            // A file of which next to nothing is left may not be recognised.
            assert!(
                before + after + 1 >= messages.len() || share(cut) == 0 || share(log.len() - cut) == 0,
                "{what}: {before} and {after} messages"
            );
            assert!(before + after <= messages.len() + 1, "{what}: {before} and {after} messages");
        }
    }
}

#[test]
fn rotated_files_are_one_log_in_whatever_order() {
    let messages = login();
    for (name, dialect) in dialects() {
        let records = client_records(&messages, dialect);
        let third = records.len() / 3;
        let parts: Vec<_> = records.chunks(third.max(1)).map(|part| (dialect.encode)(&part.concat())).collect();
        let files: Vec<&[u8]> = parts.iter().map(|part| &part[..]).rev().collect();
        check_messages(&format!("{name} between records"), &tell(&files), &messages);
    }
    let whole = client_log(&messages, PLAIN);
    for shift in (0..2000).step_by(97) {
        let (one, two) = (whole.len() / 3 + shift, whole.len() * 2 / 3 + shift);
        let told = tell(&[&whole[one..two], &whole[two..], &whole[..one]]);
        check_messages(&format!("within records at {one} and {two}"), &told, &messages);
        assert_eq!(told.count(Counter::LogCut), 0, "{one}, {two}");
    }
    let server = server_log(&messages, false, "\r\n");
    let half = server.len() / 2;
    check_messages("a server's log in two", &tell(&[&server[half..], &server[..half]]), &messages);
}

#[test]
fn records_that_are_in_two_files_are_told_once() {
    let messages = login();
    let records = client_records(&messages, PLAIN);
    let (one, two) = (records[..records.len() * 2 / 3].concat(), records[records.len() / 3..].concat());
    let told = tell(&[&one, &two]);
    check_messages("files that overlap", &told, &messages);
    assert!(told.count(Counter::LogRepeated) > 0);
    assert_eq!(told.logins.len(), 1);
}

#[test]
fn a_body_may_quote_a_log() {
    let mut messages = login();
    messages.truncate(2);
    let quoted = client_log(&messages, PLAIN);
    let server = server_log(&messages, false, "\r\n");
    for quoted in [
        &quoted,
        &server,
        &[&b"04/16/2031|03:17:30.168 1F68:C14 INFO  :: a line of another day\r\n"[..], &quoted].concat(),
    ] {
        let head = format!(
            "MESSAGE sip:b@ex.test SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.1\r\nFrom: <sip:a@ex.test>\r\nTo: <sip:b@ex.test>\r\n\
             Call-ID: 9\r\nCSeq: 1 MESSAGE\r\nContent-Length: {}\r\n\r\n",
            quoted.len()
        );
        let mut quoting = messages[0].clone();
        quoting.time = messages[0].time.after(Span::from_secs(3600));
        quoting.raw = [head.as_bytes(), quoted].concat();
        let mut last = messages[1].clone();
        last.time = quoting.time;
        let all = [messages[0].clone(), quoting, last];
        check_messages("a client's log", &tell(&[&client_log(&all, PLAIN)]), &all);
    }
}

#[test]
fn a_wrong_count_and_a_missing_end_are_told() {
    let messages = login();
    let log = String::from_utf8(client_log(&messages, PLAIN)).unwrap();
    let count = format!("{} bytes", messages[3].raw.len());
    let told = tell(&[log.replace(&count, "77 bytes").as_bytes()]);
    check_whole("a wrong count", &told, &messages, messages.len());
    let defects = told
        .rows
        .iter()
        .filter_map(|row| if let Message::Sip(message) = &row.message { Some(&message.defects) } else { None });
    assert!(defects.flatten().any(|defect| defect.layer == "log" && defect.what.contains("77 bytes")));
    // Without any line that ends a message.
    let without: String = log.split_inclusive("\r\n").filter(|line| !line.contains(":: End of")).collect();
    check_messages("no ends", &tell(&[without.as_bytes()]), &messages);
    // Of a message the middle is missing.
    let place = log.find("Content-Length").unwrap();
    let told = tell(&[[&log.as_bytes()[..place - 200], &log.as_bytes()[place..]].concat().as_slice()]);
    assert_eq!(told.messages().len(), messages.len());
    check_whole("a hole", &told, &messages[1..], messages.len() - 1);
}

/// A line of a client's log at so many seconds.
fn line(second: u32, level: &str, text: &str) -> String {
    format!("11/23/2026|07:27:{second:02}.000 1F68:C14 {level} :: {text}\r\n")
}

#[test]
fn connections_look_ups_and_failures_are_rows() {
    let log = [
        line(0, "INFO ", "Function: CUccPlatform::Initialize"),
        line(1, "WARN ", "DNS query for _sipinternaltls._tcp.ex.test failed, HRESULT 0x8007232b"),
        line(2, "INFO ", "Connected to 192.0.2.10:5061 (From Local Address: 192.0.2.55:20323)"),
        line(3, "ERROR", "HRESULT failed: 0x80090325 = CSecureSocket"),
        line(4, "INFO ", "Connection to 192.0.2.10:5061 closed by the server"),
        line(5, "ERROR", "Connect to 192.0.2.11:5061 failed: 10061"),
    ];
    let told = tell(&[log.concat().as_bytes()]);
    let rows: Vec<_> = told
        .rows
        .iter()
        .map(|row| (row.at.frame.0, common::text(row, &["summary", "row", "time", "elapsed", "log_text"])))
        .collect();
    let has = |line: u64, parts: &[&str]| {
        let (_, text) =
            rows.iter().find(|(number, _)| *number == line).unwrap_or_else(|| panic!("no row of line {line}"));
        for part in parts {
            assert!(text.contains(part), "line {line}: no {part} in {text}");
        }
        assert!(!text.contains("frame="), "{text}");
    };
    assert_eq!(rows.len(), 5);
    assert_eq!((told.count(Counter::LogRecords), told.count(Counter::LogOther)), (6, 1));
    has(
        2,
        &[
            "kind=Text(\"log\")",
            "log_event=Text(\"dns\")",
            "_sipinternaltls._tcp.ex.test",
            "0x8007232b",
            "log_line=Int(2)",
        ],
    );
    has(3, &["log_event=Text(\"connected\")", "dst_ip=Address(192.0.2.10)", "src_port=Int(20323)"]);
    has(4, &["log_event=Text(\"error\")", "SEC_E_UNTRUSTED_ROOT", "log_level=Text(\"error\")"]);
    has(5, &["log_event=Text(\"closed\")", "flow=Int(1)", "direction=Text(\"in\")"]);
    has(6, &["log_event=Text(\"failed\")", "WSAECONNREFUSED", "flow=Int(2)", "source=Text(\"log\")"]);
    let findings: Vec<_> =
        told.logins.iter().flat_map(lynccap::findings::check_login).map(|finding| finding.rule.id).collect();
    assert!(findings.contains(&"tcp-refused"), "{findings:?}");
}

#[test]
fn diagnostic_records_of_servers_are_rows() {
    let log = "TL_WARN(TF_DIAG) [edge\\edge01]0A10.0B20::03/02/2030-07:10:46.230.00001235 (SIPStack,SIPAdminLog::WriteDiagnosticEvent:SIPAdminLog.cpp(830)) [123456789] $$begin_record\r\n\
        Severity: warning\r\nText: The domain of the message resolved by DNS SRV but none of the FQDNs is in the same domain Result-Code: 0xc3e93d6f SIPPROXY_E_EPROUTING\r\n\
        SIP-Start-Line: INVITE sip:a@ex.test SIP/2.0\r\nSIP-Call-ID: 4f6e\r\nSIP-CSeq: 2066245576 INVITE\r\nPeer: host.fab.test:25002\r\n\
        Data: domain=\"fab.test\";fqdn1=\"host.sub.fab.test:5061\"\r\n$$end_record\r\n";
    let told = tell(&[log.as_bytes()]);
    let [row] = &told.rows[..] else { panic!("{} rows", told.rows.len()) };
    let text = common::text(row, &[]);
    for part in ["diagnostic", "SIPStack", "call_id=Text(\"4f6e\")", "0xc3e93d6f", "fqdn1=host.sub.fab.test:5061"] {
        assert!(text.contains(part), "no {part} in {text}");
    }
}

#[test]
fn what_is_no_log_is_not_taken_for_one() {
    for capture in captures() {
        assert_eq!(logs::recognise(&capture.bytes()), None, "{}", capture.file);
    }
    let quoted = String::from_utf8(client_log(&login(), PLAIN)).unwrap();
    let check = |what: &str, text: &str| assert_eq!(logs::recognise(text.as_bytes()), None, "{what}");
    check("nothing", "");
    check("text", "Dear all,\n\nplease find the log attached.\n");
    check("XML", "<?xml version=\"1.0\"?>\n<a>\n</a>\n");
    check("XML that quotes a log", &format!("<?xml version=\"1.0\"?>\n<log>\n{quoted}\n</log>\n"));
    check("a manual that quotes a log", &format!("# Logs\n\nThey look so:\n{quoted}"));
    check("one line that is quoted", &format!("This is what it says:\n\n{}", line(1, "INFO", "x")));
    check("another log", "2026-11-23 07:27:37 INFO :: Sending Packet - 192.0.2.1:5061\n");
    check("CSV", "11/23/2026,07:27:37,INFO\n");
    // A pcapng whose packet carries a log.
    let capture = [&common::capture("b-login-tcp.pcapng").bytes(), quoted.as_bytes()].concat();
    assert_eq!(logs::recognise(&capture), None);
    let mut etl = vec![0; 4096];
    etl[..12].copy_from_slice(&[0, 0x10, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0]);
    etl[72..76].copy_from_slice(&[2, 0, 2, 0xc0]);
    assert_eq!(logs::recognise(&etl), Some(Format::Etl));
    assert!(Format::Etl.advice().is_some_and(|advice| advice.contains("OCSLogger")));
}

#[test]
fn any_bytes_end() {
    let mut messages = login();
    messages.truncate(3);
    let utf16_dialect = Dialect { encode: |text| utf16(text, u16::to_le_bytes), ..PLAIN };
    let samples = [
        client_log(&messages, PLAIN),
        client_log(&messages, Dialect { end: "\n", bytes: false, ..PLAIN }),
        client_log(&messages, utf16_dialect),
        server_log(&messages, false, "\r\n"),
        server_log(&messages, true, "\n"),
    ];
    let mut random = common::Random::new(7);
    for sample in &samples {
        for length in (0..sample.len()).step_by(61) {
            logs::fuzz(&sample[..length]);
            logs::fuzz(&sample[length..]);
        }
        for _ in 0..200 {
            let mut bytes = sample.clone();
            for _ in 0..=random.below(8) {
                let place = random.below(bytes.len());
                bytes[place] = random.next().to_le_bytes()[0];
            }
            logs::fuzz(&bytes);
        }
    }
}

#[test]
fn a_record_that_is_too_long_is_cut_and_counted() {
    let messages = login();
    let mut log = client_log(&messages[..2], PLAIN);
    log.extend(line(59, "INFO", &"x".repeat(20 << 20)).into_bytes());
    let mut longer = messages[2].clone();
    longer.raw =
        [&messages[2].raw[..messages[2].raw.len() - 2], b"X: ", &vec![b'y'; 12 << 20][..], b"\r\n\r\n"].concat();
    log.extend(client_log(&[longer, messages[3].clone()], PLAIN));
    let told = tell(&[&log]);
    let whole = [&messages[..2], &messages[3..4]].concat();
    check_whole("longer records", &told, &whole, 3);
    assert_eq!(told.count(Counter::LogCut), 1);
}

fn json(folder: &Scratch, name: &str) -> Json {
    serde_json::from_slice(&std::fs::read(folder.file(name)).unwrap()).unwrap()
}

#[test]
fn the_program_reads_logs() {
    let scratch = Scratch::new("logs");
    let messages = login();
    scratch.write("client.uccapilog", client_log(&messages, PLAIN));
    let output = run_in(scratch.path(), &["analyze", "client.uccapilog", "--json", "out.json", "--jsonl", "out.jsonl"]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(shown.contains("signed in after") && shown.contains("log records"), "{shown}");
    let report = json(&scratch, "out.json");
    let steps = report["logins"][0]["steps"].as_array().unwrap();
    assert!(
        steps
            .iter()
            .all(|step| step["frames"].as_array().unwrap().is_empty() && !step["lines"].as_array().unwrap().is_empty())
    );
    for row in std::fs::read_to_string(scratch.file("out.jsonl")).unwrap().lines() {
        let row: Json = serde_json::from_str(row).unwrap();
        assert_eq!(row["source"], "log");
        assert!(row["frame"].is_null() && row["first_frame"].is_null() && row["log_line"].is_u64(), "{row}");
    }
    let etl = [&[0, 0x10, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0][..], &[0; 60], &[2, 0, 2, 0xc0]].concat();
    scratch.write("trace.etl", etl);
    let output = run_in(scratch.path(), &["analyze", "trace.etl"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("convert it to text first"));
}

/// Times of the rows of a log, and of the packets beside it.
fn times(folder: &Scratch, arguments: &[&str]) -> BTreeMap<&'static str, Vec<String>> {
    let output = run_in(folder.path(), &[&["analyze", "-q", "--jsonl", "out.jsonl"], arguments].concat());
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let mut times: BTreeMap<_, Vec<String>> = BTreeMap::new();
    let mut last = String::new();
    for row in std::fs::read_to_string(folder.file("out.jsonl")).unwrap().lines() {
        let row: Json = serde_json::from_str(row).unwrap();
        let (time, source) = (row["time"].as_str().unwrap().to_owned(), row["source"].as_str().unwrap());
        assert!(last <= time, "{arguments:?}: rows are in the order of time: {row}");
        last.clone_from(&time);
        times.entry(if source == "log" { "log" } else { "capture" }).or_default().push(time);
    }
    times
}

#[test]
fn captures_and_logs_are_one_timeline() {
    let scratch = Scratch::new("logs-and-captures");
    // Of another sign-in, so that nothing of the log has a place in the capture.
    let file = folder().join("d-login-tls-rsa.pcapng").to_str().unwrap().to_owned();
    scratch.write("client.uccapilog", client_log(&login(), PLAIN));
    let utc = times(&scratch, &[&file, "client.uccapilog"]);
    assert!(!utc["log"].is_empty() && !utc["capture"].is_empty());
    let hour = |time: &str| time[11..13].parse::<i32>().unwrap();
    let first = hour(&utc["log"][0]);
    for (arguments, hours) in [
        (&["--log-zone", "+02:00"][..], -2),
        (&["--log-zone", "-01:00"], 1),
        (&["--log-zone", "Europe/Berlin"], -1),
        (&["--clock-offset", "client.uccapilog=-3600"], -1),
        (&["--log-zone", "+02:00", "--clock-offset", "client.uccapilog=7200"], 0),
    ] {
        let shifted = times(&scratch, &[&[&*file, "client.uccapilog"], arguments].concat());
        assert_eq!(hour(&shifted["log"][0]), first + hours, "{arguments:?}");
        assert_eq!(shifted["capture"], utc["capture"], "{arguments:?}");
        assert_eq!(shifted["log"].len(), utc["log"].len(), "{arguments:?}");
    }
    let moved = times(&scratch, &[&file, "client.uccapilog", "--clock-offset", &format!("{file}=3600")]);
    assert_eq!((hour(&moved["capture"][0]), &moved["log"]), (hour(&utc["capture"][0]) + 1, &utc["log"]));
    for wrong in [["--clock-offset", "other=1"], ["--log-zone", "Nowhere"]] {
        let output = run_in(scratch.path(), &["analyze", "client.uccapilog", wrong[0], wrong[1]]);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn a_server_names_its_peers_and_each_machine_is_a_place_of_its_own() {
    let messages = login();
    let log = String::from_utf8(server_log(&messages, true, "\r\n")).unwrap();
    // The same messages as another server of the pool has them, whose peer is the first one.
    let name = format!("Peer: {}", messages[0].client);
    let second = log.replace("pool\\fe01", "pool\\fe02").replace(&name, "Peer: edge01.ex.test:61182");
    let told = tell(&[log.as_bytes(), second.as_bytes()]);
    assert_eq!(told.messages().len(), 2 * messages.len());
    let flows: Vec<_> =
        told.report.flows.iter().map(|flow| (flow.key.client, flow.key.server.ip().is_unspecified())).collect();
    // The sender of the first request stands in its Via.
    let by_name = SocketAddr::new(messages[0].client.ip(), 61_182);
    assert_eq!(flows, [(messages[0].client, true), (by_name, true)]);
    let server_end = |row: &Row| if row.direction == Direction::Out { "dst_ip=" } else { "src_ip=" };
    assert!(
        told.rows.iter().all(|row| !common::text(row, &["summary"])
            .split("raw=")
            .next()
            .unwrap()
            .contains(server_end(row)))
    );
    let users: Vec<_> = told.logins.iter().map(|login| login.user.clone()).collect();
    assert_eq!(users.len(), 2, "one at each server: {users:?}");
}

#[test]
fn a_closed_connection_and_another_port_are_other_flows() {
    let messages = login();
    let mut later: Vec<_> = messages[..4].to_vec();
    for message in &mut later {
        message.time = message.time.after(Span::from_secs(3600));
    }
    let close = |time| {
        let prefix = civil(time, "%m/%d/%Y|%H:%M:%S%.3f 1F68:C14 INFO  :: ");
        format!("{prefix}Connection to {} closed (Local Address: {})\r\n", messages[0].server, messages[0].client)
    };
    let closing = close(messages.last().unwrap().time);
    let log = [&client_log(&messages, PLAIN)[..], closing.as_bytes(), &client_log(&later, PLAIN)].concat();
    let told = tell(&[&log]);
    let flows: Vec<_> = told.report.flows.iter().map(|flow| (flow.key.client, flow.sip[0] + flow.sip[1])).collect();
    let client = messages[0].client;
    assert_eq!(flows, [(client, messages.len() as u64), (client, 4)]);
    for message in &mut later {
        message.client.set_port(1);
    }
    let told = tell(&[&[client_log(&messages, PLAIN), client_log(&later, PLAIN)].concat()]);
    assert_eq!(told.report.flows.len(), 2);
}
