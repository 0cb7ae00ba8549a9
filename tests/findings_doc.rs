//! docs/findings.md: every finding with the capture that shows it and what lynccap says of it. The table is
//! compared with what the program finds today (`LYNCCAP_BLESS=1 cargo test --test findings_doc` writes it anew).

mod common;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use common::{Capture, Keys, folder, tell_files};
use lynccap::findings::{Finding, RULES, Rule, check_capture};

/// Captures of findings that no scenario shows: id, file, and the RSA key that is given.
const OTHERS: [(&str, &str, Option<&str>); 4] = [
    ("key-does-not-fit", "c-login-tls-keylog.pcapng", Some("d-login-tls-rsa.pem")),
    ("capture-truncated", "g13c-pcap-truncated.pcap", None),
    ("capture-lossy", "g04-loss5.pcapng", None),
    ("snaplen-cut", "findings/snaplen-cut.pcapng", None),
];

/// Findings that need two inputs, and so have no capture of their own here.
const OF_TWO_INPUTS: [&str; 1] = ["sources-differ"];

/// The capture that shows a finding, and the keys for it.
fn capture_of(rule: &Rule) -> (String, Keys) {
    let other = OTHERS.iter().find(|(id, ..)| *id == rule.id);
    let file = other.map_or_else(|| format!("scenarios/{}.pcapng", rule.id), |(_, file, _)| (*file).to_owned());
    let path = folder().join(&file);
    assert!(path.is_file(), "{} has no capture: {file}", rule.id);
    let capture = Capture { file: path.file_name().unwrap().to_str().unwrap().to_owned(), path };
    let keys = match other {
        Some((_, _, Some(key))) => Keys::default().rsa_file(&folder().join(key)),
        _ => capture.keys(),
    };
    (file, keys)
}

/// What lynccap says of a finding in its capture.
fn found(rule: &Rule) -> (String, Finding) {
    let (file, keys) = capture_of(rule);
    let told = tell_files(&[&folder().join(&file)], keys.options());
    let of_logins = told.logins.into_iter().flat_map(|(_, found)| found);
    let all = of_logins.chain(check_capture(&told.report));
    let finding = all.into_iter().find(|finding| finding.rule.id == rule.id);
    (file.clone(), finding.unwrap_or_else(|| panic!("{file} does not show {}", rule.id)))
}

/// What came of it, for the table.
fn line(rule: &Rule) -> String {
    let (file, finding) = found(rule);
    let rows: Vec<String> = finding.rows.iter().take(4).map(ToString::to_string).collect();
    let rows = match (rows.is_empty(), finding.evidence.first()) {
        (false, _) => format!("row {}", rows.join(", ")),
        (true, Some(mark)) => format!("frame {}", mark.at.frame.0),
        (true, None) => panic!("{} cites nothing", rule.id),
    };
    let root = if finding.root_cause { ", root cause" } else { "" };
    let what = finding.what.replace(folder().to_str().unwrap(), "captures").replace('|', "\\|");
    format!("| [{0}](#{0}) | {1}{root} | `{file}` | {what} ({rows}) |", rule.id, finding.severity.name())
}

fn document() -> String {
    let mut text = String::from(
        "# Findings\n\nEvery finding, the capture in `captures/` that shows it, and what lynccap says of it there. \
         `tests/findings_doc.rs` holds this page to the program; `captures/scenarios/ID.not.pcapng` comes close and must \
         not raise it.\n\n| finding | there | capture | what lynccap says |\n|---|---|---|---|\n",
    );
    let rules = || RULES.iter().filter(|rule| !OF_TWO_INPUTS.contains(&rule.id));
    rules().for_each(|rule| _ = writeln!(text, "{}", line(rule)));
    for rule in RULES {
        let Rule { id, title, seen, why, fix, .. } = rule;
        // What stands in angle brackets is no element.
        let [why, fix] = [why, fix].map(|text| text.replace('<', "\\<"));
        let _ = write!(text, "\n## {id}\n\n**{title}.**\n\n- Seen: {seen}\n- Matters: {why}\n- Do: {fix}\n");
    }
    text
}

#[test]
fn the_page_is_what_the_program_says() {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/findings.md");
    let now = document();
    if std::env::var_os("LYNCCAP_BLESS").is_some() {
        std::fs::write(&path, now).unwrap();
        return;
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    let differs = stored.lines().zip(now.lines()).find(|(stored, now)| stored != now);
    assert!(stored == now, "LYNCCAP_BLESS=1 writes it anew; the first line that differs: {differs:#?}");
}
