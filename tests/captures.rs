//! Every capture against its truth: what the server really sent and received, and what the name
//! server was asked, is told byte for byte and as often as it happened, and nothing else is. What went
//! through TLS is read with the key logs, with the RSA key alone where that is enough, and not at all
//! without keys. The timelines are also compared with stored text (`LYNCCAP_BLESS=1 cargo test --test
//! captures` writes it anew).
#![expect(clippy::indexing_slicing, reason = "a test that indexes out of bounds fails, as it should")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use common::{Capture, Keys, Scratch, Told, captures, folder, run_in, tally, tell_files};
use lynccap::model::Message;
use lynccap::model::http::HttpStart;
use lynccap::model::tls::NotOpened;
use lynccap::story::Row;
use lynccap::story::fields::{FIELDS, FieldKind, Value};
use lynccap::story::steps::STEPS;
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

/// What a capture must give.
struct Truth {
    /// Hashes of messages that must come out, with how often.
    must: BTreeMap<String, usize>,
    /// Hashes of messages that may come out, with how often at most.
    may: BTreeMap<String, usize>,
    /// Type and name of each DNS question.
    questions: BTreeMap<(String, String), usize>,
    /// Whether every SIP message went in the clear.
    clear: bool,
}

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What tells one message from another where the truth gives no hash.
fn place(message: &Json) -> (String, String, String) {
    (text(&message["dir"]), text(&message["cseq"]), text(&message["call_id"]))
}

fn hashes<'a>(messages: impl Iterator<Item = &'a Json>, times: usize) -> BTreeMap<String, usize> {
    let mut hashes = tally(messages.map(|message| text(&message["sha256"])));
    for count in hashes.values_mut() {
        *count *= times;
    }
    hashes
}

fn read_truth(capture: &Capture) -> Truth {
    let path = capture.beside("truth.jsonl").unwrap_or_else(|| panic!("{} has no truth", capture.file));
    let lines = std::fs::read_to_string(path).unwrap();
    let lines: Vec<Json> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_kind = |kind| lines.iter().filter(move |line| line["kind"] == kind);
    let derived = lines.first().filter(|line| line["kind"] == "derived").cloned().unwrap_or_default();
    let whole: Vec<&Json> = of_kind("sip").filter(|message| !text(&message["note"]).contains("truncated")).collect();
    let times = if derived["expect"] == "every SIP message twice" { 2 } else { 1 };
    let may = hashes(whole.iter().copied(), times);
    let must = if let Some(recoverable) = derived["recoverable"].as_array() {
        hashes(recoverable.iter(), times)
    } else if let Some(complete) = derived["must_decode"].as_array() {
        let places: Vec<_> = complete.iter().map(place).collect();
        hashes(whole.iter().copied().filter(|message| places.contains(&place(message))), times)
    } else {
        may.clone()
    };
    // A capture that begins late has not seen the look-ups.
    let asked = of_kind("dns").filter(|line| line["what"] == "query" && derived["first_frame"].is_null());
    let questions = tally(asked.map(|line| (text(&line["qtype"]), text(&line["name"]).to_lowercase())));
    let clear = whole.iter().all(|message| message["tls"] == false);
    Truth { must, may, questions, clear }
}

/// Analyses a capture with its key logs and the secrets that it carries.
fn tell(capture: &Capture) -> Told {
    tell_with(capture, capture.keys())
}

fn tell_with(capture: &Capture, keys: Keys) -> Told {
    tell_files(&[&capture.path], keys.options())
}

/// What of `wanted` is not in `there`.
fn lacking<T: Ord + Clone>(wanted: &BTreeMap<T, usize>, there: &BTreeMap<T, usize>) -> Vec<T> {
    let lack = |(thing, count): (&T, &usize)| (there.get(thing).unwrap_or(&0) < count).then(|| thing.clone());
    wanted.iter().filter_map(lack).collect()
}

fn hash_of(row: &Row) -> Option<String> {
    let Message::Sip(message) = &row.message else { return None };
    let hash = Sha256::digest(&*message.raw);
    message.complete.then(|| {
        hash.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    })
}

fn question_of(row: &Row) -> Option<(String, String)> {
    let Message::Dns(message) = &row.message else { return None };
    let question = message.questions.first().filter(|_| !message.is_response())?;
    Some((question.rtype.to_string(), question.name.to_lowercase()))
}

/// Compares what is told with the truth; `readable` where the keys open everything.
#[track_caller]
fn check(capture: &Capture, truth: &Truth, told: &Told, readable: bool) {
    let name = &capture.file;
    let messages = tally(told.rows.iter().filter_map(hash_of));
    if readable {
        let missing = lacking(&truth.must, &messages);
        assert!(missing.is_empty(), "{name}: {} of {} messages missing: {missing:?}", missing.len(), truth.must.len());
    }
    let invented = lacking(&messages, &truth.may);
    assert!(invented.is_empty(), "{name}: messages that were never sent, or not so often: {invented:?}");
    let questions = tally(told.rows.iter().filter_map(question_of));
    let missing = lacking(&truth.questions, &questions);
    assert!(missing.is_empty(), "{name}: DNS questions missing: {missing:?}");
}

/// Why sessions stayed closed.
fn reasons(told: &Told) -> Vec<&NotOpened> {
    told.report.tls_sessions.iter().filter_map(|(_, session)| session.not_opened.as_ref()).collect()
}

#[test]
fn every_message_and_every_question_is_told() {
    let captures = captures();
    let mut encrypted = 0;
    for capture in &captures {
        let (truth, told) = (read_truth(capture), tell(capture));
        check(capture, &truth, &told, true);
        assert!(reasons(&told).is_empty(), "{}: {:?}", capture.file, reasons(&told));
        encrypted += usize::from(!truth.clear);
    }
    assert!(encrypted >= 25, "only {encrypted} captures with TLS");
}

#[test]
fn http_is_told() {
    for capture in captures() {
        let truth = std::fs::read_to_string(capture.beside("truth.jsonl").unwrap()).unwrap();
        let truth = truth.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
        let sent = tally(truth.filter(|line| line["kind"] == "http").map(|line| text(&line["start"])));
        let start = |row: &Row| {
            let Message::Http(message) = &row.message else { return None };
            Some(match &message.start {
                HttpStart::Request { method, target } => format!("{method} {target} HTTP/1.1"),
                HttpStart::Response { status, reason } => format!("HTTP/1.1 {status} {reason}"),
            })
        };
        let told = tally(tell(&capture).rows.iter().filter_map(start));
        assert_eq!(told, sent, "{}", capture.file);
    }
}

#[test]
fn without_keys_nothing_of_tls_is_told() {
    for capture in captures() {
        let truth = read_truth(&capture);
        let told = tell_with(&capture, Keys::default());
        check(&capture, &truth, &told, truth.clear);
        let messages = told.rows.iter().filter(|row| matches!(row.message, Message::Sip(_))).count();
        assert!(truth.clear || messages == 0, "{}: {messages} messages from nowhere", capture.file);
    }
}

/// The RSA key alone, where it decrypted the premaster secret.
#[test]
fn an_rsa_key_is_enough_where_it_is_a_secret_of_the_session() {
    let captures: Vec<_> = captures().into_iter().filter(|capture| capture.beside("pem").is_some()).collect();
    for capture in &captures {
        let told = tell_with(capture, Keys::default().rsa_file(&capture.beside("pem").unwrap()));
        let opens = capture.name() != "i1-py-tlsdsk-ecdhe";
        check(capture, &read_truth(capture), &told, opens);
        if opens {
            assert!(reasons(&told).is_empty(), "{}: {:?}", capture.file, reasons(&told));
        } else {
            let all = reasons(&told);
            assert!(!all.is_empty() && all.iter().all(|&why| *why == NotOpened::Ephemeral), "{all:?}");
            assert!(told.rows.iter().all(|row| row.kind() != "sip"));
        }
    }
    assert_eq!(captures.len(), 4);
}

/// The same lines, with what is only in the first (`-`) or the second (`+`) marked.
fn difference(stored: &str, now: &str) -> String {
    let (stored, now): (Vec<_>, Vec<_>) = (stored.lines().collect(), now.lines().collect());
    let mut common = vec![vec![0_u32; now.len() + 1]; stored.len() + 1];
    for (i, left) in stored.iter().enumerate().rev() {
        for (j, right) in now.iter().enumerate().rev() {
            common[i][j] =
                if left == right { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut out) = (0, 0, String::new());
    while i < stored.len() || j < now.len() {
        let _ = if i < stored.len() && j < now.len() && stored[i] == now[j] {
            (i, j) = (i + 1, j + 1);
            Ok(())
        } else if j == now.len() || i < stored.len() && common[i + 1][j] >= common[i][j + 1] {
            i += 1;
            writeln!(out, "{:4} -{}", i, stored[i - 1])
        } else {
            j += 1;
            writeln!(out, "{:4} +{}", j, now[j - 1])
        };
    }
    out
}

/// Compares what a person sees with what is stored; returns what differs.
fn compare_with_stored(capture: &Capture) -> Option<String> {
    let names = capture.key_logs();
    let names = names.iter().map(|path| path.file_name().unwrap().to_str().unwrap());
    let keys: Vec<&str> = names.flat_map(|name| ["-k", name]).collect();
    let arguments = [&["analyze", &capture.file, "--color", "never", "--no-progress"], &keys[..]].concat();
    let output = run_in(&folder(), &arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    // One of them is cut off, which is exit code 3.
    let expected = if capture.name() == "g13c-pcap-truncated" { 3 } else { 0 };
    assert_eq!(output.status.code(), Some(expected), "{}: {errors}", capture.file);
    let now = String::from_utf8(output.stdout).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stored").join(format!("{}.txt", capture.file));
    if std::env::var_os("LYNCCAP_BLESS").is_some() {
        std::fs::write(path, now).unwrap();
        return None;
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    (stored != now).then(|| format!("{} (- stored, + now):\n{}", capture.file, difference(&stored, &now)))
}

#[test]
fn timelines_are_as_stored() {
    let captures = captures();
    assert!(captures.len() >= 35, "only {} captures", captures.len());
    let different: Vec<String> = captures.iter().filter_map(compare_with_stored).collect();
    assert!(different.is_empty(), "LYNCCAP_BLESS=1 accepts this:\n{}", different.join("\n"));
}

/// The rows of a capture as JSON lines, from the program with these options more.
fn lines_with(capture: &Capture, more: &[&str]) -> Vec<u8> {
    let names = capture.key_logs();
    let names = names.iter().map(|path| path.file_name().unwrap().to_str().unwrap());
    let keys: Vec<&str> = names.flat_map(|name| ["-k", name]).collect();
    run_in(&folder(), &[&["analyze", &capture.file, "-q", "--jsonl", "-"], &keys[..], more].concat()).stdout
}

#[test]
fn bodies_that_are_left_unread_change_no_row() {
    let scratch = Scratch::new("bodies_that_are_left_unread_change_no_row");
    let json = scratch.file("told.json");
    for capture in captures() {
        let unread = lines_with(&capture, &[]);
        assert!(!unread.is_empty(), "{}", capture.file);
        assert_eq!(unread, lines_with(&capture, &["--json", &json]), "{}", capture.file);
    }
}

#[test]
fn differences_are_told_line_by_line() {
    assert_eq!(difference("a\nb\nc\n", "a\nx\nc\nd\n"), "   2 -b\n   2 +x\n   4 +d\n");
    assert_eq!(difference("a\n", "a\n"), "");
}

#[test]
fn values_are_of_the_kind_that_their_field_says() {
    let mut seen = BTreeSet::new();
    for capture in captures() {
        for row in &tell(&capture).rows {
            for field in FIELDS {
                let Some(value) = (field.value)(row) else { continue };
                let fits = match (field.kind, &value) {
                    (FieldKind::Number, Value::Int(_) | Value::Seconds(_))
                    | (FieldKind::Truth, Value::Bool(_))
                    | (FieldKind::Address, Value::Address(_)) => true,
                    (FieldKind::Step, Value::Text(text)) => STEPS.iter().any(|(_, id, _)| *id == *text),
                    (FieldKind::Direction, Value::Text(text)) => matches!(&**text, "out" | "in"),
                    (FieldKind::Text, value) => !matches!(value, Value::Int(_) | Value::Seconds(_) | Value::Bool(_)),
                    _ => false,
                };
                assert!(fits, "{}: {} is {value:?}", capture.file, field.name);
                seen.insert(field.name);
            }
        }
    }
    assert!(seen.len() > 45, "only {} fields were seen", seen.len());
}

#[test]
fn rows_stand_in_the_order_of_their_packets() {
    for capture in captures() {
        let told = tell(&capture);
        let mut last = 0;
        for (row, number) in told.rows.iter().zip(1..) {
            assert_eq!(row.number, number, "{}", capture.file);
            assert!(row.at.packet.get() >= last, "{}: row {number} stands behind a later packet", capture.file);
            last = row.at.packet.get();
        }
    }
}
