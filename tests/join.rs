//! Trace logs joined with captures: each message finds its packets. A capture without keys plus the client's log
//! gives the same messages at the same packets as the capture with keys; where both are readable they are one row.
#![expect(clippy::indexing_slicing, reason = "a test that indexes out of bounds fails, as it should")]

mod common;

use std::collections::BTreeMap;

use common::trace_log::{Logged, PLAIN, client_log, messages, server_log};
use common::{Capture, Scratch, capture, captures, run_in, tally};
use lynccap::model::Span;
use serde_json::Value as Json;

fn rows(output: &std::process::Output) -> Vec<Json> {
    assert!(
        output.status.code().is_some_and(|code| code == 0 || code == 3),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Rows of a capture, with or without its keys, and of logs that lie beside it.
fn analyze(scratch: &Scratch, capture: &Capture, keys: bool, more: &[&str]) -> Vec<Json> {
    let logs: Vec<String> = if keys {
        capture.key_logs().iter().map(|path| path.to_str().unwrap().to_owned()).collect()
    } else {
        Vec::new()
    };
    let keys = logs.iter().flat_map(|log| ["-k", log]);
    let path = capture.path.to_str().unwrap();
    let arguments: Vec<&str> = ["analyze", path]
        .into_iter()
        .chain(more.iter().copied())
        .chain(keys)
        .chain(["--jsonl", "-", "--raw", "-q"])
        .collect();
    rows(&run_in(scratch.path(), &arguments))
}

/// What a message is and where it stands: packet, direction, bytes.
fn place(row: &Json) -> (u64, String, String) {
    let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
    (row["frame"].as_u64().unwrap_or(0), text("direction"), text("raw") + &text("raw_base64"))
}

fn places(rows: &[Json]) -> BTreeMap<(u64, String, String), usize> {
    tally(rows.iter().filter(|row| row["kind"] == "sip").map(place))
}

/// Captures of sign-ins in TLS of which a log is worth having: every message of it can be read with the keys.
fn encrypted() -> Vec<Capture> {
    let lossy = ["g04-loss5", "g13c-pcap-truncated", "g12-dsb"];
    let wanted = |capture: &Capture| {
        let readable = !capture.key_logs().is_empty() && !lossy.contains(&capture.name());
        readable && messages(capture).len() > 2
    };
    let found: Vec<Capture> = captures().into_iter().filter(wanted).collect();
    assert!(found.len() >= 20, "{}", found.len());
    found
}

/// A client logs in the order in which it spoke and was spoken to; packets may have been captured in another.
fn in_order_of_speech(capture: &Capture, mut messages: Vec<Logged>) -> Vec<Logged> {
    let Some(truth) = capture.beside("truth.jsonl") else { return messages };
    let truth = std::fs::read_to_string(truth).unwrap();
    let truth = truth.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    let spoken = truth.filter(|told| told["kind"] == "sip");
    let spoken: Vec<(bool, u64, String)> = spoken
        .map(|told| {
            (told["dir"] == "c2s", told["size"].as_u64().unwrap(), told["call_id"].as_str().unwrap().to_owned())
        })
        .collect();
    let place = |logged: &Logged| {
        let raw = String::from_utf8_lossy(&logged.raw);
        let size = logged.raw.len() as u64;
        spoken.iter().position(|(sent, of, call_id)| *sent == logged.sent && *of == size && raw.contains(call_id))
    };
    messages.sort_by_key(place);
    messages
}

fn moved(messages: &[Logged], by: impl Fn(usize) -> Span) -> Vec<Logged> {
    let moved = |(index, message): (usize, &Logged)| Logged { time: message.time.after(by(index)), ..message.clone() };
    messages.iter().enumerate().map(moved).collect()
}

#[track_caller]
fn check(scratch: &Scratch, capture: &Capture, what: &str, log: &[Logged], most_missing: usize) {
    check_files(scratch, capture, what, log, &[client_log(log, PLAIN)], most_missing);
}

#[track_caller]
fn check_files(
    scratch: &Scratch,
    capture: &Capture,
    what: &str,
    log: &[Logged],
    files: &[Vec<u8>],
    most_missing: usize,
) {
    let names = files.iter().enumerate().map(|(index, file)| scratch.write(&format!("{index}.txt"), file));
    let names: Vec<String> = names.collect();
    let with_keys = places(&analyze(scratch, capture, true, &[]));
    let joined = analyze(scratch, capture, false, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let with_log = places(&joined);
    let lacking: Vec<_> = with_keys.iter().filter(|(place, count)| with_log.get(place).unwrap_or(&0) < count).collect();
    let missing = lacking.len();
    assert!(
        missing <= most_missing,
        "{} {what}: {missing} of {} messages have no packet: {:?}",
        capture.file,
        with_keys.len(),
        lacking.first()
    );
    let logged = joined.iter().filter(|row| row["kind"] == "sip" && row["source"] == "both");
    assert!(logged.count() + most_missing >= log.len(), "{} {what}", capture.file);
}

#[test]
fn a_log_opens_a_capture_without_keys() {
    let scratch = Scratch::new("join-opens");
    for capture in encrypted() {
        check(&scratch, &capture, "as it is", &in_order_of_speech(&capture, messages(&capture)), 0);
    }
}

#[test]
fn steps_are_those_of_the_capture_with_keys() {
    let scratch = Scratch::new("join-steps");
    for name in ["c-login-tls-keylog.pcapng", "d2-login-tls10-rsa.pcapng", "e-login-tls13.pcapng", "login.pcapng"] {
        let capture = capture(name);
        let log = scratch.write("client.uccapilog", client_log(&messages(&capture), PLAIN));
        let steps = |rows: &[Json]| -> Vec<(Json, Json)> {
            let sip = rows.iter().filter(|row| row["kind"] == "sip");
            sip.map(|row| (row["login"].clone(), row["step"].clone())).collect()
        };
        let with_keys = steps(&analyze(&scratch, &capture, true, &[]));
        assert_eq!(steps(&analyze(&scratch, &capture, false, &[&log])), with_keys, "{name}");
    }
}

#[test]
fn clocks_may_be_shifted_and_drift() {
    let scratch = Scratch::new("join-clocks");
    for name in ["c-login-tls-keylog.pcapng", "c4-login-tls-cbc.pcapng", "login.pcapng"] {
        let capture = capture(name);
        let log = messages(&capture);
        for (what, hours, millis) in [("another zone", 2, 0), ("seconds ahead", 0, 7300), ("both, behind", -5, -3100)] {
            let by = Span::from_millis(hours * 3_600_000 + millis);
            check(&scratch, &capture, what, &moved(&log, |_| by), 0);
        }
        let drifts = moved(&log, |index| Span::from_millis(i64::try_from(index).unwrap() * 40));
        check(&scratch, &capture, "drifting", &drifts, 0);
    }
}

#[test]
fn the_clock_is_told() {
    let scratch = Scratch::new("join-told");
    let capture = capture("c-login-tls-keylog.pcapng");
    let log = moved(&messages(&capture), |_| Span::from_millis(3_600_000 + 2_500));
    let log = scratch.write("client.uccapilog", client_log(&log, PLAIN));
    let output = run_in(scratch.path(), &["analyze", capture.path.to_str().unwrap(), &log, "--json", "-", "-q"]);
    let report: Json = serde_json::from_slice(&output.stdout).unwrap();
    let clock = &report["clocks"][0];
    assert_eq!(clock["zone_minutes"], 60);
    assert!((clock["ahead_s"].as_f64().unwrap() - 2.5).abs() < 0.01, "{clock}");
    assert_eq!(clock["matched"], clock["messages"]);
    let output = run_in(scratch.path(), &["analyze", capture.path.to_str().unwrap(), &log]);
    let screen = String::from_utf8(output.stdout).unwrap();
    assert!(
        screen
            .lines()
            .any(|line| line.starts_with("Clock") && line.contains("UTC+01:00") && line.contains("2.50 s ahead")),
        "{screen}"
    );
}

#[test]
fn what_a_log_tells_needs_no_key() {
    let scratch = Scratch::new("join-no-key");
    let capture = capture("c-login-tls-keylog.pcapng");
    let log = scratch.write("client.uccapilog", client_log(&messages(&capture), PLAIN));
    let path = capture.path.to_str().unwrap();
    let screen = |arguments: &[&str]| String::from_utf8(run_in(scratch.path(), arguments).stdout).unwrap();
    let alone = screen(&["analyze", path]);
    assert!(alone.contains("[keys-missing]") && alone.contains("(1 not opened)"), "{alone}");
    let joined = screen(&["analyze", path, &log]);
    assert!(!joined.contains("[keys-missing]") && joined.contains("(1 told by a trace log)"), "{joined}");
    assert!(joined.contains("what was said is told by the trace log"), "{joined}");
}

#[test]
fn lines_may_be_missing() {
    let scratch = Scratch::new("join-missing");
    for name in ["c-login-tls-keylog.pcapng", "c8-login-tls-keepalive.pcapng", "login.pcapng"] {
        let capture = capture(name);
        let whole = messages(&capture);
        let every_seventh: Vec<Logged> =
            whole.iter().enumerate().filter(|(index, _)| index % 7 != 3).map(|(_, message)| message.clone()).collect();
        // A message between two that are missing may share its record with them: few have no place.
        let missing = whole.len() - every_seventh.len();
        check(&scratch, &capture, "every seventh is missing", &every_seventh, missing + 4);
        let late = &whole[whole.len() / 3..];
        check(&scratch, &capture, "begins late", late, whole.len() / 3 + 2);
        let early = &whole[..whole.len() / 2];
        check(&scratch, &capture, "is cut", early, whole.len() - whole.len() / 2 + 2);
    }
}

#[test]
fn files_of_a_rotation_may_overlap_and_servers_log_too() {
    let scratch = Scratch::new("join-files");
    for name in ["c-login-tls-keylog.pcapng", "e-login-tls13.pcapng", "login.pcapng"] {
        let capture = capture(name);
        let log = messages(&capture);
        let (early, late) = (&log[..log.len() * 2 / 3], &log[log.len() / 3..]);
        let rotated = [client_log(early, PLAIN), client_log(late, PLAIN)];
        check_files(&scratch, &capture, "rotated", &log, &rotated, 0);
        let twice = [client_log(&log, PLAIN), client_log(&log, PLAIN)];
        check_files(&scratch, &capture, "given twice", &log, &twice, 0);
        for centralized in [false, true] {
            let server = server_log(&log, centralized, "\r\n");
            check_files(&scratch, &capture, "a server's", &log, &[server], 0);
        }
    }
}

#[test]
fn where_both_are_readable_they_are_one_row() {
    let scratch = Scratch::new("join-both");
    for name in ["b-login-tcp.pcapng", "c-login-tls-keylog.pcapng"] {
        let capture = capture(name);
        let log = messages(&capture);
        let client = scratch.write("client.uccapilog", client_log(&log, PLAIN));
        let server = scratch.write("server.txt", server_log(&log, false, "\r\n"));
        let alone = analyze(&scratch, &capture, true, &[]);
        for log in [&client, &server] {
            let both = analyze(&scratch, &capture, true, &[log]);
            assert_eq!(places(&both), places(&alone), "{name} with {log}");
            let sip = both.iter().filter(|row| row["kind"] == "sip");
            assert!(
                sip.clone().all(|row| row["source"] == "both" && row["log_line"].as_u64() > Some(0)),
                "{name} with {log}"
            );
            assert!(sip.clone().count() > 30);
        }
    }
}

#[test]
fn a_difference_is_a_finding() {
    let scratch = Scratch::new("join-differs");
    let capture = capture("b-login-tcp.pcapng");
    let mut log = messages(&capture);
    let findings = |log: &[Logged]| -> Vec<Json> {
        let log = scratch.write("client.uccapilog", client_log(log, PLAIN));
        let output = run_in(scratch.path(), &["analyze", capture.path.to_str().unwrap(), &log, "--json", "-", "-q"]);
        let report: Json = serde_json::from_slice(&output.stdout).unwrap();
        report["findings"].as_array().unwrap().iter().filter(|found| found["id"] == "sources-differ").cloned().collect()
    };
    assert!(findings(&log).is_empty());
    let text = String::from_utf8(log[5].raw.clone()).unwrap();
    log[5].raw = text.replace("Max-Forwards: 70", "Max-Forwards: 69").replace("RTC/4.0", "RTC/5.0").into_bytes();
    let found = findings(&log);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["frames"].as_array().map_or(0, Vec::len), 1, "{}", found[0]);
}

#[test]
fn a_log_of_another_sign_in_stays_beside() {
    let scratch = Scratch::new("join-other");
    let (capture, other) = (capture("c-login-tls-keylog.pcapng"), capture("d-login-tls-rsa.pcapng"));
    let log = scratch.write("client.uccapilog", client_log(&messages(&other), PLAIN));
    let rows = analyze(&scratch, &capture, false, &[&log]);
    let sip: Vec<&Json> = rows.iter().filter(|row| row["kind"] == "sip").collect();
    assert!(!sip.is_empty() && sip.iter().all(|row| row["source"] == "log"), "none of its messages is in the capture");
}
