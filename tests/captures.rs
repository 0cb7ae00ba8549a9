//! Every capture against its truth: what the server really sent and received, and what the name
//! server was asked, is told byte for byte and as often as it happened, and nothing else is. The
//! timelines of captures that need no keys are also compared with stored text
//! (`LYNCCAP_BLESS=1 cargo test --test captures` writes it anew).
#![expect(clippy::indexing_slicing, reason = "a test that indexes out of bounds fails, as it should")]

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use common::{Capture, Told, captures, folder, tally, tell_files};
use lynccap::engine::Options;
use lynccap::model::Message;
use lynccap::story::Row;
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

/// Analyses a capture with all that is known of it. Keys go in here: `capture.beside("keys")`,
/// `capture.beside("inner.keys")`, `capture.beside("pem")`.
fn tell(capture: &Capture) -> Told {
    tell_files(&[&capture.path], Options::default())
}

/// Whether [`tell`] can read the messages of a capture. Once it gives keys, every capture is readable
/// that has some (or carries them, as `g12-dsb` does).
const fn is_readable(_: &Capture, truth: &Truth) -> bool {
    truth.clear
}

/// What of `wanted` is not in `there`.
fn lacking<T: Ord + Clone>(wanted: &BTreeMap<T, usize>, there: &BTreeMap<T, usize>) -> Vec<T> {
    let lack = |(thing, count): (&T, &usize)| (there.get(thing).unwrap_or(&0) < count).then(|| thing.clone());
    wanted.iter().filter_map(lack).collect()
}

fn hash_of(row: &Row) -> Option<String> {
    let Message::Sip(message) = &row.message else { return None };
    let hash = Sha256::digest(&message.raw);
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

fn check(capture: &Capture) {
    let (truth, told) = (read_truth(capture), tell(capture));
    let name = &capture.file;
    let messages = tally(told.rows.iter().filter_map(hash_of));
    if is_readable(capture, &truth) {
        let missing = lacking(&truth.must, &messages);
        assert!(missing.is_empty(), "{name}: {} of {} messages missing: {missing:?}", missing.len(), truth.must.len());
    }
    let invented = lacking(&messages, &truth.may);
    assert!(invented.is_empty(), "{name}: messages that were never sent, or not so often: {invented:?}");
    let questions = tally(told.rows.iter().filter_map(question_of));
    let missing = lacking(&truth.questions, &questions);
    assert!(missing.is_empty(), "{name}: DNS questions missing: {missing:?}");
}

#[test]
fn every_message_and_every_question_is_told() {
    let captures = captures();
    captures.iter().for_each(check);
    let readable = captures.iter().filter(|capture| is_readable(capture, &read_truth(capture))).count();
    assert!(readable >= 7, "only {readable} captures could be read");
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
    let output = Command::new(env!("CARGO_BIN_EXE_lynccap"))
        .args(["analyze", &capture.file, "--color", "never", "--no-progress"])
        .current_dir(folder())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {} {errors}", capture.file, output.status);
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
    let needs_no_keys = |capture: &Capture| {
        capture.beside("keys").is_none() && capture.name() != "g12-dsb" && read_truth(capture).clear
    };
    let captures: Vec<_> = captures().into_iter().filter(needs_no_keys).collect();
    assert!(captures.len() >= 7, "only {} captures that need no keys", captures.len());
    let different: Vec<String> = captures.iter().filter_map(compare_with_stored).collect();
    assert!(different.is_empty(), "LYNCCAP_BLESS=1 accepts this:\n{}", different.join("\n"));
}

#[test]
fn differences_are_told_line_by_line() {
    assert_eq!(difference("a\nb\nc\n", "a\nx\nc\nd\n"), "   2 -b\n   2 +x\n   4 +d\n");
    assert_eq!(difference("a\n", "a\n"), "");
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
