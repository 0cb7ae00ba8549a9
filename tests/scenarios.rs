//! Every scenario against what it says must be found: `tests/scenarios/NAME.scenario` is the text, its heads
//! the expectation, `captures/scenarios/NAME.pcapng` the capture that `scripts/make-scenarios.py` made of it.
//! The scenarios were written from the specification, not from the rules. All that fails is told at once.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use common::{folder, run_in};
use serde_json::Value as Json;

/// A finding that must be there.
#[derive(Debug, PartialEq)]
struct Shown {
    id: String,
    root: bool,
    severity: Option<String>,
}

/// The heads of a scenario.
#[derive(Debug, Default, PartialEq)]
struct Heads {
    shows: Vec<Shown>,
    absent: Vec<String>,
    quiet: bool,
    /// Each finding that must be there is there once, and nothing else but notes.
    alone: bool,
    /// The outcome, and whether that of any login will do instead of that of the last.
    outcome: Option<(String, bool)>,
}

fn read_shown(text: &str) -> Shown {
    let mut words = text.split_whitespace();
    let mut shown = Shown { id: words.next().unwrap_or_default().to_owned(), root: false, severity: None };
    for word in words {
        match word {
            "root" => shown.root = true,
            "error" | "warning" | "note" => shown.severity = Some(word.to_owned()),
            _ => panic!("`{word}` is no root and no severity"),
        }
    }
    shown
}

fn read_heads(text: &str) -> Heads {
    let mut heads = Heads::default();
    for line in text.lines() {
        match line.split_once(": ") {
            _ if line.trim_end() == "quiet" => heads.quiet = true,
            _ if line.trim_end() == "alone" => heads.alone = true,
            Some(("shows", rest)) => heads.shows.push(read_shown(rest)),
            Some(("not", rest)) => heads.absent.extend(rest.split_whitespace().map(str::to_owned)),
            Some(("outcome", rest)) => {
                let any = rest.strip_prefix("any ");
                heads.outcome = Some((any.unwrap_or(rest).trim().to_owned(), any.is_some()));
            }
            _ => {}
        }
    }
    heads
}

fn is(value: &Json, field: &str, text: &str) -> bool {
    value.get(field).and_then(Json::as_str) == Some(text)
}

fn list<'a>(value: &'a Json, field: &str) -> &'a [Json] {
    value.get(field).and_then(Json::as_array).map_or(&[], Vec::as_slice)
}

fn id_of(finding: &Json) -> &str {
    finding.get("id").and_then(Json::as_str).unwrap_or("a finding without an id")
}

/// What of a `shows` head the report does not keep; `None` where it keeps all.
fn lacking(shown: &Shown, findings: &[Json]) -> Option<String> {
    let id = &shown.id;
    let found: Vec<&Json> = findings.iter().filter(|finding| is(finding, "id", id)).collect();
    if found.is_empty() {
        return Some(format!("{id} is not found"));
    }
    if shown.root && !found.iter().any(|finding| finding.get("root_cause") == Some(&Json::Bool(true))) {
        return Some(format!("{id} is found, but not as the root cause"));
    }
    let severity = shown.severity.as_ref()?;
    (!found.iter().any(|finding| is(finding, "severity", severity)))
        .then(|| format!("{id} is found, but not as {severity}"))
}

fn wrong_outcome(wanted: &str, any: bool, logins: &[Json]) -> Option<String> {
    let ends: Vec<&str> = logins.iter().filter_map(|login| login.get("outcome")?.as_str()).collect();
    let right = if any { ends.contains(&wanted) } else { ends.last() == Some(&wanted) };
    (!right).then(|| format!("the outcome should be {wanted}, the logins end {ends:?}"))
}

/// What in a report is not as the heads say.
fn differences(heads: &Heads, report: &Json) -> Vec<String> {
    let findings = list(report, "findings");
    let mut wrong: Vec<String> = heads.shows.iter().filter_map(|shown| lacking(shown, findings)).collect();
    for finding in findings {
        let id = id_of(finding);
        if heads.absent.iter().any(|absent| absent == id) {
            wrong.push(format!("{id} is found and must not be"));
        } else if heads.quiet && !is(finding, "severity", "note") {
            wrong.push(format!("{id} is found where all is well"));
        } else if heads.alone && !is(finding, "severity", "note") && !heads.shows.iter().any(|shown| shown.id == id) {
            wrong.push(format!("{id} is found besides"));
        }
        if list(finding, "rows").is_empty() && list(finding, "frames").is_empty() {
            wrong.push(format!("{id} cites no row and no frame"));
        }
    }
    for Shown { id, .. } in heads.shows.iter().filter(|_| heads.alone) {
        let times = findings.iter().filter(|finding| is(finding, "id", id)).count();
        if times > 1 {
            wrong.push(format!("{id} is found {times} times"));
        }
    }
    let outcome = heads.outcome.as_ref().and_then(|(wanted, any)| wrong_outcome(wanted, *any, list(report, "logins")));
    wrong.extend(outcome);
    wrong
}

/// The report of a capture, as another program reads it.
fn report_of(capture: &Path) -> Result<Json, String> {
    let output = run_in(&folder(), &["analyze", capture.to_str().unwrap(), "--json", "-", "-q"]);
    if !output.status.success() {
        return Err(format!("{:?}: {}", output.status.code(), String::from_utf8_lossy(&output.stderr)));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("no JSON: {error}"))
}

/// Names of the files of a folder that end so, without that end.
fn names(folder: &Path, end: &str) -> BTreeSet<String> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    files.filter_map(|file| file.strip_suffix(end).map(str::to_owned)).collect()
}

fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios")
}

fn heads_of(name: &str) -> Heads {
    read_heads(&fs::read_to_string(scenarios().join(format!("{name}.scenario"))).unwrap())
}

#[test]
fn every_scenario_has_its_capture() {
    let texts = names(&scenarios(), ".scenario");
    let captures = names(&folder().join("scenarios"), ".pcapng");
    let alone: Vec<_> = texts.symmetric_difference(&captures).collect();
    assert!(alone.is_empty(), "a scenario without capture or a capture without scenario: {alone:?}");
    assert!(texts.len() > 150, "only {} scenarios", texts.len());
}

/// One scenario shows it, one comes close and must not.
#[test]
fn every_finding_is_shown_by_one_scenario_and_ruled_out_by_another() {
    for name in names(&scenarios(), ".scenario").iter().filter(|name| !name.starts_with("healthy-")) {
        let id = name.split('.').next().unwrap_or_default();
        let (shown, denied) = (heads_of(id), heads_of(&format!("{id}.not")));
        assert!(shown.shows.iter().any(|shown| shown.id == id), "{id}.scenario does not show {id}");
        assert!(denied.absent.iter().any(|absent| absent == id), "{id}.not.scenario does not rule {id} out");
    }
}

#[test]
fn scenarios_are_told_as_they_say() {
    let mut failures = Vec::new();
    let names = names(&scenarios(), ".scenario");
    for name in &names {
        let heads = heads_of(name);
        assert!(heads != Heads::default(), "{name} expects nothing");
        let report = report_of(&folder().join(format!("scenarios/{name}.pcapng")));
        let wrong = report.map_or_else(|error| vec![error], |report| differences(&heads, &report));
        if !wrong.is_empty() {
            failures.push(format!("{name}\n    {}", wrong.join("\n    ")));
        }
    }
    assert!(failures.is_empty(), "{} of {} scenarios:\n{}", failures.len(), names.len(), failures.join("\n"));
}

#[test]
fn a_report_is_compared_with_the_heads() {
    let heads = read_heads("shows: tcp-refused root error\nnot: tcp-reset\noutcome: failed\nclient 10.1.0.21\n");
    let report = |text: &str| serde_json::from_str::<Json>(text).unwrap();
    let good = report(
        r#"{"findings": [{"id": "tcp-refused", "severity": "error", "root_cause": true, "rows": [3]}],
            "logins": [{"outcome": "signed-in"}, {"outcome": "failed"}]}"#,
    );
    assert_eq!(differences(&heads, &good), [""; 0]);
    let bad = report(
        r#"{"findings": [{"id": "tcp-refused", "severity": "note", "root_cause": true, "rows": [3]},
            {"id": "tcp-reset", "severity": "note", "rows": [], "frames": []}], "logins": [{"outcome": "incomplete"}]}"#,
    );
    let told = [
        "tcp-refused is found, but not as error",
        "tcp-reset is found and must not be",
        "tcp-reset cites no row and no frame",
        "the outcome should be failed, the logins end [\"incomplete\"]",
    ];
    assert_eq!(differences(&heads, &bad), told);
    assert_eq!(differences(&heads, &report("{}")).len(), 2);
    let quiet = Heads { quiet: true, ..Heads::default() };
    assert_eq!(differences(&quiet, &good), ["tcp-refused is found where all is well"]);
    let refused = r#"{"id": "tcp-refused", "severity": "error", "rows": [3]}"#;
    let other = r#"{"id": "tcp-reset", "severity": "error", "rows": [3]}"#;
    let more = report(&format!(r#"{{"findings": [{refused}, {other}, {refused}]}}"#));
    let alone = read_heads("shows: tcp-refused\nalone\n");
    assert_eq!(differences(&alone, &more), ["tcp-reset is found besides", "tcp-refused is found 2 times"]);
}
