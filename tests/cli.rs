//! The program as a user meets it: exit codes, inputs of every kind, exports that agree with each other,
//! filters, and nothing from a capture that steers a terminal or a spreadsheet.
#![expect(clippy::indexing_slicing, reason = "a test that indexes out of bounds fails, as it should")]

mod common;

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use common::{Capture, Conversation, capture, captures, packet, packets, pcap_of, program, request};
use serde_json::Value as Json;

const LOGIN: &str = "b-login-tcp.pcapng";
const DISCOVERY: &str = "i0-py-discovery-fail.pcapng";

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-{name}"));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes a file; returns its path.
    fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn path(file: &str) -> String {
    capture(file).path.to_str().unwrap().to_owned()
}

/// The key log beside a capture.
fn keys_of(name: &str) -> String {
    common::folder().join(format!("{name}.keys")).to_str().unwrap().to_owned()
}

fn bytes(file: &str) -> Vec<u8> {
    capture(file).bytes()
}

fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

fn run_with_input(arguments: &[&str], input: &[u8]) -> Output {
    let pipes = program().args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = pipes.unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&input); // the program need not read all
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Runs the program; it must end with that code and say these things on standard error.
#[track_caller]
fn check(arguments: &[&str], code: i32, said: &[&str]) -> Output {
    let output = run(arguments);
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
    for said in said {
        assert!(errors.contains(said), "{arguments:?}: {said:?} is not in {errors:?}");
    }
    assert!(!errors.contains("panicked"), "{arguments:?}: {errors}");
    output
}

/// The rows of JSON lines.
fn rows(jsonl: &str) -> Vec<Json> {
    jsonl.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn jsonl_of(arguments: &[&str]) -> String {
    let output = run(&[&["analyze", "--jsonl", "-"][..], arguments].concat());
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    stdout(&output)
}

// Exit codes.

#[test]
fn what_can_be_read_ends_with_0() {
    let output = check(&["analyze", &path(LOGIN)], 0, &[]);
    assert!(stdout(&output).contains("REGISTER") && output.stderr.is_empty());
    let output = check(&["analyze", "--quiet", &path(LOGIN)], 0, &[]);
    assert!(output.stdout.is_empty() && output.stderr.is_empty(), "quiet");
    check(&["--help"], 0, &[]);
    check(&["analyze", "--help"], 0, &[]);
    check(&["--version"], 0, &[]);
    check(&["explain", "findings"], 0, &[]);
}

#[test]
fn what_cannot_run_ends_with_2() {
    let folder = Folder::new("refused");
    let (empty, text) =
        (folder.write("empty.pcap", b""), folder.write("notes.pcap", b"Dear diary, today I captured nothing"));
    let (login, missing) = (path(LOGIN), folder.path("missing.pcap"));
    check(&[], 2, &["Usage"]);
    check(&["analyze"], 2, &["INPUT"]);
    check(&["analyse", &login], 2, &["analyze"]);
    check(&["analyze", "--frobnicate", &login], 2, &["--frobnicate"]);
    check(&["analyze", "-d", "443", &login], 2, &["443"]);
    check(&["analyze", "--max-memory", "lots", &login], 2, &["lots"]);
    check(&["analyze", &missing], 2, &["missing.pcap"]);
    check(&["analyze", folder.0.to_str().unwrap()], 2, &["cli-refused", "directory"]);
    check(&["analyze", &text], 2, &["notes.pcap", "not a pcap"]);
    check(&["analyze", &empty], 2, &["empty.pcap", "empty"]);
    check(&["analyze", &login, &missing], 2, &["missing.pcap"]);
    check(&["analyze", &login, "--csv", &folder.path("no/such/folder.csv")], 2, &["folder.csv"]);
    check(&["analyze", &login, "--csv", "-", "--jsonl", "-"], 2, &["standard output"]);
    check(&["explain", "no-such-thing"], 2, &["no-such-thing"]);
    let output = run_with_input(&["analyze", "-"], b"");
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("standard input"), "{}", stderr(&output));
}

#[test]
fn what_is_cut_off_ends_with_3_and_says_where() {
    let folder = Folder::new("cut");
    let whole = bytes(LOGIN);
    let cut = folder.write("cut.pcapng", &whole[..whole.len() / 2]);
    let output = check(&["analyze", &cut], 3, &["cut.pcapng", "after packet", "byte"]);
    assert!(stdout(&output).contains("REGISTER") && stdout(&output).contains("capture-truncated"));
    // In a compressed file, too.
    let packed = gzip(&whole);
    let cut = folder.write("cut.gz", &packed[..packed.len() / 2]);
    check(&["analyze", &cut], 3, &["cut.gz", "byte"]);
    // What is not broken of several inputs is analysed.
    let output = check(&["analyze", &cut, &path(DISCOVERY)], 3, &["cut.gz"]);
    assert!(stdout(&output).contains("sipexternal"));
    let report = check(&["analyze", &cut, "--json", "-"], 3, &["cut.gz"]);
    let report: Json = serde_json::from_slice(&report.stdout).unwrap();
    assert_eq!(report["capture"]["truncated"], true);
    assert_eq!(report["findings"][0]["id"], "capture-truncated");
    let report = check(&["analyze", &path("g13c-pcap-truncated.pcap"), "--json", "-"], 3, &["g13c"]);
    assert_eq!(serde_json::from_slice::<Json>(&report.stdout).unwrap()["capture"]["truncated"], true);
    let report = check(&["analyze", &path(LOGIN), "--json", "-"], 0, &[]);
    assert_eq!(serde_json::from_slice::<Json>(&report.stdout).unwrap()["capture"]["truncated"], false);
    // A row before the damage can be shown; so may be one that is not there, which cannot run.
    let cut = folder.write("cut.pcapng", &whole[..whole.len() / 2]);
    check(&["show", &cut, "--row", "9999"], 2, &["9999"]);
}

#[test]
fn findings_count_only_where_asked() {
    let folder = Folder::new("fail-on");
    // A stream with a hole that was acknowledged: the capture lacks packets, which is a warning.
    let mut conversation = Conversation::new(0, 5060);
    let mut packets = conversation.open().to_vec();
    packets.push(conversation.send(request(1, "").as_bytes()));
    conversation.lose(700);
    packets.push(conversation.send(request(2, "").as_bytes()));
    packets.push(conversation.answer(b""));
    packets.push(conversation.send(request(3, "").as_bytes()));
    let pcap = packet::pcap(&packets);
    let lossy = folder.write("lossy.pcap", &pcap);
    let output = check(&["analyze", &lossy], 0, &[]);
    assert!(stdout(&output).contains("capture-lossy"), "{}", stdout(&output));
    check(&["analyze", "--fail-on", "warning", &lossy], 1, &[]);
    check(&["analyze", "--fail-on", "error", &lossy], 0, &[]);
    check(&["analyze", "--fail-on", "warning", &path(LOGIN)], 0, &[]);
    let cut = folder.write("cut.pcap", &pcap[..pcap.len() - 3]);
    check(&["analyze", &cut], 3, &["cut.pcap"]);
    check(&["analyze", "--fail-on", "warning", &cut], 3, &["cut.pcap"]);
}

// Inputs.

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn content_tells_what_an_input_is() {
    let folder = Folder::new("content");
    let plain = bytes(LOGIN);
    let expected = jsonl_of(&[&path(LOGIN)]);
    assert!(rows(&expected).len() > 50);
    let half = plain.len() / 2;
    let cases = [
        ("misnamed.txt", plain.clone()),
        ("misnamed.zst", gzip(&plain)),
        ("members.gz", [gzip(&plain[..half]), gzip(&plain[half..])].concat()),
        ("capture.zst", zstd::encode_all(plain.as_slice(), 1).unwrap()),
        ("capture.lz4", lz4(&plain)),
    ];
    for (name, packed) in &cases {
        assert_eq!(jsonl_of(&[&folder.write(name, packed)]), expected, "{name}");
        let output = run_with_input(&["analyze", "-", "--jsonl", "-"], packed);
        assert!(output.status.success(), "{name}: {}", stderr(&output));
        assert_eq!(stdout(&output), expected, "{name} on standard input");
    }
}

/// A pcapng capture as two: its packets up to a place and from there on.
fn split(whole: &[u8], packets: usize) -> (Vec<u8>, Vec<u8>) {
    let (mut at, mut seen, mut head) = (0, 0, Vec::new());
    while seen < packets {
        let kind = u32::from_le_bytes(*whole[at..].first_chunk().unwrap());
        let length = usize::try_from(u32::from_le_bytes(*whole[at + 4..].first_chunk().unwrap())).unwrap();
        if kind == 6 {
            seen += 1;
        } else {
            head.extend_from_slice(&whole[at..at + length]);
        }
        at += length;
    }
    (whole[..at].to_vec(), [&head, &whole[at..]].concat())
}

/// What does not speak of one file and its frames.
fn without_frames(jsonl: &str) -> Vec<Json> {
    let mut rows = rows(jsonl);
    for row in &mut rows {
        for field in ["frame", "first_frame", "input"] {
            row.as_object_mut().unwrap().remove(field);
        }
    }
    rows
}

#[test]
fn files_of_one_capture_go_on_where_the_last_one_ended() {
    let folder = Folder::new("split");
    let whole = jsonl_of(&[&path(LOGIN)]);
    for packets in [1, 30, 60, 90, 120] {
        let (one, two) = split(&bytes(LOGIN), packets);
        let (one, two) = (folder.write("one.pcapng", &one), folder.write("two.pcapng", &two));
        for order in [[&one, &two], [&two, &one]] {
            let both = jsonl_of(&[order[0], order[1]]);
            assert_eq!(without_frames(&both), without_frames(&whole), "split after packet {packets}, {order:?}");
            let inputs: Vec<_> = rows(&both).iter().map(|row| row["input"].clone()).collect();
            assert!(inputs.iter().all(|input| input == one.as_str() || input == two.as_str()), "{inputs:?}");
        }
    }
}

#[test]
fn captures_of_one_time_are_points_of_their_own() {
    let folder = Folder::new("points");
    let again = folder.write("again.pcapng", &bytes(LOGIN));
    let both = rows(&jsonl_of(&[&path(LOGIN), &again]));
    let alone = rows(&jsonl_of(&[&path(LOGIN)]));
    assert_eq!(both.len(), alone.len() * 2, "each capture is told by itself");
    assert!(both.iter().zip(1..).all(|(row, number)| row["row"] == number));
    assert!(both.windows(2).all(|pair| pair[0]["time"].as_str() <= pair[1]["time"].as_str()), "by time");
}

// Exports.

/// Fields of rows that the contract names, besides those of one kind.
const ALWAYS: [&str; 8] = ["row", "kind", "time", "elapsed", "frame", "first_frame", "summary", "direction"];
const OF_SIP: [&str; 9] =
    ["transport", "decrypted", "complete", "method", "call_id", "cseq", "from", "to", "body_bytes"];
const OF_DNS: [&str; 4] = ["dns_id", "dns_response", "dns_name", "dns_type"];
const CSV_COLUMNS: &str = "row,time,elapsed_s,delta_s,input,frame,direction,src_ip,src_port,dst_ip,dst_port,protocol,\
    summary,dns_name,dns_type,dns_rcode,dns_answers,rtt_ms,call_id,cseq,method,status,reason,from,to,event,\
    content_type,body_bytes,response_ms,url,sni,tls_version,cipher_suite,alert,flow,login,step,findings";

/// The cells of CSV.
fn cells(csv: &[u8], delimiter: u8) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).delimiter(delimiter).from_reader(csv);
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

/// The columns of CSV of that name, of all rows.
fn column<'a>(table: &'a [Vec<String>], name: &str) -> Vec<&'a str> {
    let place = table[0].iter().position(|column| column == name).unwrap();
    table[1..].iter().map(|row| row[place].as_str()).collect()
}

/// The CSV of inputs, and their report where it is asked for. What neither asks for is let go once it is read, unless JSON
/// lines, which carry all, are written, too. With so little memory, a handful of messages waits in full.
fn csv_of(folder: &Folder, inputs: &[String], report: bool, bodies: bool) -> (Vec<u8>, Vec<u8>) {
    let [csv, json, jsonl] = ["rows.csv", "report.json", "rows.jsonl"].map(|name| folder.path(name));
    let mut arguments = vec!["analyze", "--quiet", "--max-memory", "4M", "--csv", &csv];
    arguments.extend(["--json", &json].iter().filter(|_| report));
    arguments.extend(["--jsonl", &jsonl, "--raw"].iter().filter(|_| bodies));
    arguments.extend(inputs.iter().map(String::as_str));
    let output = run(&arguments);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{inputs:?}: {}", stderr(&output));
    let read = |path| std::fs::read(path).unwrap();
    (read(csv), if report { read(json) } else { Vec::new() })
}

/// Checks that nothing depends on whether bodies are kept; returns the cells of the CSV.
#[track_caller]
fn check_bodies(folder: &Folder, inputs: &[String]) -> Vec<Vec<String>> {
    let (alone, _) = csv_of(folder, inputs, false, false);
    let (with_report, let_go) = csv_of(folder, inputs, true, false);
    let (with_bodies, kept) = csv_of(folder, inputs, true, true);
    for (what, csv) in [("a report", with_report), ("bodies", with_bodies)] {
        let (alone, csv) = (String::from_utf8_lossy(&alone), String::from_utf8_lossy(&csv));
        let differs = alone.lines().zip(csv.lines()).find(|(alone, csv)| alone != csv);
        assert!(alone == csv, "{inputs:?}: CSV beside {what} differs: {differs:#?}");
    }
    assert!(let_go == kept, "{inputs:?}: the reports differ");
    cells(&alone, b',')
}

/// A capture and the keys beside it.
fn with_keys(capture: &Capture) -> Vec<String> {
    let name = |path: PathBuf| path.to_str().unwrap().to_owned();
    let keys = capture.key_logs().into_iter().flat_map(|path| ["-k".to_owned(), name(path)]);
    keys.chain([name(capture.path.clone())]).collect()
}

#[test]
fn csv_is_the_same_with_and_without_bodies() {
    let folder = Folder::new("bodies");
    let mut steps = BTreeSet::new();
    let mut longest = 0;
    for capture in captures() {
        let table = check_bodies(&folder, &with_keys(&capture));
        steps.extend(column(&table, "step").into_iter().map(str::to_owned));
        let lengths = column(&table, "body_bytes").into_iter().filter(|bytes| !bytes.is_empty());
        longest = lengths.map(|bytes| bytes.parse().unwrap()).chain([longest]).max().unwrap_or_default();
    }
    // What only bodies tell apart.
    for step in ["publish-device", "publish-state", "conferencing-capabilities", "conferences", "add-conference"] {
        assert!(steps.contains(step), "no {step} in {steps:?}");
    }
    assert!(longest > 10_000, "the longest body has {longest} bytes");
    // The answer is a 200, its body says that it failed.
    let failed = common::folder().join("scenarios/conferencing-failed.2.pcapng").to_str().unwrap().to_owned();
    for file in [failed, common::folder().join("scenarios/conferencing-failed.pcapng").to_str().unwrap().to_owned()] {
        let table = check_bodies(&folder, &[file]);
        assert!(column(&table, "findings").contains(&"conferencing-failed"), "{table:?}");
    }
}

#[test]
fn csv_of_several_inputs_is_the_same_with_and_without_bodies() {
    let folder = Folder::new("bodies-of-several");
    let login = capture("login.pcapng");
    let several = [&login, &capture(LOGIN), &capture("c-login-tls-keylog.pcapng")];
    let inputs: Vec<String> = several.into_iter().flat_map(with_keys).collect();
    let inputs_told = BTreeSet::from_iter(column(&check_bodies(&folder, &inputs), "input")).len();
    assert_eq!(inputs_told, 3);
    // The other place has another body of the same length, which the report tells.
    let mut there = packets(&bytes(LOGIN)).0;
    let at = |data: &[u8]| data.windows(9).position(|part| part == b"<publish ").filter(|_| data.len() > 800);
    let changed = there.iter_mut().find(|packet| at(&packet.data).is_some()).expect("a publication");
    let place = at(&changed.data).unwrap();
    changed.data[place..place + 9].copy_from_slice(b"<PUBLISH ");
    let there = folder.write("there.pcap", &pcap_of(&there));
    check_bodies(&folder, &[path(LOGIN), there]);
    let report: Json = serde_json::from_slice(&std::fs::read(folder.path("report.json")).unwrap()).unwrap();
    assert!(report.to_string().contains("\"changed\":1"), "{report:#}");
}

#[test]
fn exports_agree_with_each_other() {
    let folder = Folder::new("exports");
    for file in [LOGIN, DISCOVERY, "f10-conn-refused.pcapng", "c-login-tls-keylog.pcapng"] {
        let (csv, jsonl, json) = (folder.path("rows.csv"), folder.path("rows.jsonl"), folder.path("report.json"));
        let shown = check(&["analyze", &path(file), "--csv", &csv, "--jsonl", &jsonl, "--json", &json], 0, &[]);
        let rows = rows(&std::fs::read_to_string(jsonl).unwrap());
        let table = std::fs::read(csv).unwrap();
        assert!(table.starts_with(&[0xef, 0xbb, 0xbf]), "{file}: a byte order mark, which the reader below takes off");
        let cells = cells(&table, b',');
        let report: Json = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
        assert_eq!(cells[0].join(","), CSV_COLUMNS);
        assert_eq!(cells.len(), rows.len() + 1, "{file}");
        assert_eq!(report["capture"]["rows"], rows.len(), "{file}");
        assert!(!stdout(&shown).is_empty());
        for name in [
            "schema_version",
            "tool",
            "inputs",
            "capture",
            "names",
            "flows",
            "tls_sessions",
            "logins",
            "findings",
            "stats",
        ] {
            assert!(!report[name].is_null(), "{file}: no {name} in the report");
        }
        for (row, cells) in rows.iter().zip(&cells[1..]) {
            let fields = match row["kind"].as_str().unwrap() {
                "sip" => &OF_SIP[..],
                "dns" => &OF_DNS,
                _ => &[],
            };
            for name in ALWAYS.iter().chain(fields) {
                assert!(!row[name].is_null(), "{file}: no {name} in {row}");
            }
            for (column, name) in
                [(0, "row"), (1, "time"), (5, "frame"), (11, "kind"), (12, "summary"), (18, "call_id"), (21, "status")]
            {
                let value = row[name].as_str().map_or_else(|| row[name].to_string(), str::to_owned);
                let cell = cells[column].trim_start_matches('\'');
                assert_eq!(cell, if row[name].is_null() { "" } else { &value }, "{file}: {name} of {row}");
            }
        }
    }
}

#[test]
fn nothing_else_goes_to_standard_output() {
    let login = path(LOGIN);
    let output = check(&["analyze", &login, "--csv", "-"], 0, &[]);
    assert!(output.stdout.starts_with("\u{feff}row,time".as_bytes()) && output.stderr.is_empty());
    let table = cells(&output.stdout, b',');
    assert!(table.len() > 50 && table.iter().all(|row| row.len() == 38));
    let lines = output.stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    assert!(lines.into_iter().all(|line| line.ends_with(b"\r")), "lines end with CRLF");
    let plain = check(&["analyze", &login, "--csv", "-", "--csv-dialect", "plain"], 0, &[]);
    assert!(plain.stdout.starts_with(b"row,time"));
    assert_eq!(cells(&plain.stdout, b',').len(), table.len());
    let semicolons = check(&["analyze", &login, "--csv", "-", "--csv-dialect", "excel-semicolon"], 0, &[]);
    assert!(cells(&semicolons.stdout, b';').iter().all(|row| row.len() == 38));
    let report = check(&["analyze", &login, "--json", "-"], 0, &[]);
    assert!(serde_json::from_slice::<Json>(&report.stdout).is_ok());
}

#[test]
fn raw_messages_are_the_bytes_of_the_capture() {
    let lines = rows(&jsonl_of(&[&path(LOGIN), "--raw"]));
    let raw: Vec<_> = lines.iter().filter_map(|row| row["raw"].as_str()).collect();
    assert_eq!(raw.len(), 39);
    assert!(raw.iter().all(|text| text.contains("\r\n\r\n")));
    let output = run(&["analyze", &path(LOGIN), "--raw"]);
    assert_eq!(output.status.code(), Some(2), "--raw asks for --jsonl");
}

#[test]
fn an_export_never_overwrites_an_input() {
    let folder = Folder::new("overwrite");
    let input = folder.write("input.pcapng", &bytes(LOGIN));
    let other_name = folder.path("./input.pcapng");
    for option in ["--csv", "--jsonl", "--json"] {
        for output in [&input, &other_name] {
            check(&["analyze", &input, option, output], 2, &["input.pcapng"]);
            assert_eq!(std::fs::read(&input).unwrap(), bytes(LOGIN), "{option} {output}");
        }
    }
    // Two exports cannot share a file, either.
    let shared = folder.path("shared");
    check(&["analyze", &input, "--csv", &shared, "--jsonl", &shared], 2, &["shared"]);
}

#[cfg(unix)]
#[test]
fn an_export_never_overwrites_an_input_by_another_name() {
    let folder = Folder::new("links");
    let input = folder.write("input.pcapng", &bytes(LOGIN));
    let (hard, soft) = (folder.path("hard"), folder.path("soft"));
    std::fs::hard_link(&input, &hard).unwrap();
    std::os::unix::fs::symlink(&input, &soft).unwrap();
    for link in [&soft, &hard] {
        check(&["analyze", &input, "--csv", link], 2, &[]);
        assert_eq!(std::fs::read(&input).unwrap(), bytes(LOGIN), "{link}");
    }
}

// Filters and single rows.

/// What a filter asks of a row.
type Passes = fn(&Json) -> bool;

#[test]
fn filters_pick_rows() {
    let login = path(LOGIN);
    let all = rows(&jsonl_of(&[&login]));
    let cases: [(&str, Passes); 9] = [
        ("sip", |row| row["kind"] == "sip"),
        ("dns or tcp", |row| row["kind"] == "dns" || row["kind"] == "tcp"),
        ("sip and status >= 400", |row| row["status"].as_u64().is_some_and(|status| status >= 400)),
        ("status", |row| !row["status"].is_null()),
        ("method == REGISTER and not status", |row| row["method"] == "REGISTER" && row["status"].is_null()),
        ("from contains \"ALICE\"", |row| row["from"].as_str().is_some_and(|from| from.contains("alice"))),
        ("(dns || sip) && direction == out", |row| {
            (row["kind"] == "dns" || row["kind"] == "sip") && row["direction"] == "out"
        }),
        ("dns_rcode == nxdomain", |row| row["dns_rcode"] == "NXDOMAIN"),
        ("dst_port == 5060", |row| row["dst_port"] == 5060),
    ];
    for (filter, passes) in cases {
        let picked = rows(&jsonl_of(&[&login, "-Y", filter]));
        let expected: Vec<_> = all.iter().filter(|row| passes(row)).cloned().collect();
        assert!(!picked.is_empty(), "{filter} picks nothing");
        assert_eq!(picked, expected, "{filter}: rows keep their numbers");
    }
    let shown = stdout(&check(&["analyze", &login, "-Y", "tcp"], 0, &[]));
    assert!(!shown.contains("REGISTER"));
    let table = cells(&check(&["analyze", &login, "-Y", "tcp", "--csv", "-"], 0, &[]).stdout, b',');
    assert_eq!(table.len() - 1, all.iter().filter(|row| row["kind"] == "tcp").count());
}

#[test]
fn a_wrong_filter_is_refused_with_the_place() {
    let login = path(LOGIN);
    for (filter, place) in [
        ("sip and", "character 8"),
        ("sip and nonsense == 1", "character 9"),
        ("status >=", "character 10"),
        ("(sip", "character 5"),
        ("sip sip", "character 5"),
        ("", "character 1"),
    ] {
        let output = check(&["analyze", &login, "-Y", filter], 2, &[place]);
        assert!(output.stdout.is_empty(), "{filter}");
    }
    let folder = Folder::new("filter");
    let csv = folder.path("rows.csv");
    check(&["analyze", &login, "-Y", "nonsense", "--csv", &csv], 2, &["nonsense"]);
    assert!(!Path::new(&csv).exists(), "nothing is written where the filter is wrong");
}

#[test]
fn one_row_is_shown_in_full() {
    let login = path(LOGIN);
    let all = rows(&jsonl_of(&[&login, "--raw"]));
    let message = all.iter().find(|row| row["body_bytes"].as_u64() > Some(0)).unwrap();
    let number = message["row"].to_string();
    let shown = stdout(&check(&["show", &login, "--row", &number], 0, &[]));
    let (head, body) = message["raw"].as_str().unwrap().split_once("\r\n\r\n").unwrap();
    for line in head.lines() {
        assert!(shown.contains(line), "{line} is not shown");
    }
    // The body is laid out an element a line: every value and every text of it is there.
    let values = body.split('"').skip(1).step_by(2);
    let texts = body.split('>').filter_map(|rest| rest.split_once('<')).map(|(text, _)| text.trim());
    let mut seen = 0;
    for part in values.chain(texts).filter(|part| !part.is_empty() && !part.starts_with("http")) {
        assert!(shown.contains(part), "{part} is not shown");
        seen += 1;
    }
    assert!(seen > 1, "{seen} values in the body");
    let question = all.iter().find(|row| row["kind"] == "dns").unwrap();
    let shown = stdout(&check(&["show", &login, "--row", &question["row"].to_string()], 0, &[]));
    assert!(shown.contains(question["dns_name"].as_str().unwrap()));
    check(&["show", &login, "--row", "0"], 2, &["0"]);
    check(&["show", &login, "--row", "99999"], 2, &["99999"]);
    check(&["show", &login], 2, &["--row"]);
}

// Explanations.

/// What `explain` says of these words, in one line.
#[track_caller]
fn check_explained(words: &[&str], said: &[&str]) {
    let output = check(&[&["explain"], words].concat(), 0, &[]);
    let text = stdout(&output).split_whitespace().collect::<Vec<_>>().join(" ");
    for said in said {
        assert!(text.contains(said), "{words:?}: {said:?} is not in {text:?}");
    }
    assert!(output.stderr.is_empty(), "{words:?}");
}

#[test]
fn codes_are_explained() {
    for (word, said) in [
        ("dns-no-records", &["Seen", "Matters", "Do"][..]),
        ("register", &["step register:", "SIP 404 the address is unknown", "SIP 200 the user is registered"]),
        ("dns_rcode", &["field dns_rcode", "response code"]),
        ("4005", &["ms-diagnostics 4005 (user services)", "not enabled for SIP", "30061"]),
        ("1015", &["Probably the domain of the sender"]),
        ("ms-diagnostics:4999", &["user services", "registration, users, contacts"]),
        (
            "403",
            &["SIP status 403 Forbidden", "HTTP status 403 Forbidden", "location-profile: the user is not enabled"],
        ),
        ("http:401", &["HTTP status 401", "web-ticket: the first ones belong to Negotiate or NTLM"]),
        ("489", &["SIP status 489 Bad Event"]),
        ("tls:48", &["TLS alert 48 unknown_ca", "not trusted", "Do Install the root certificate"]),
        ("UNKNOWN-CA", &["TLS alert 48 unknown_ca"]),
        ("0x80090322", &["SEC_E_WRONG_PRINCIPAL", "does not have the name"]),
        ("80090322", &["0x80090322"]),
        ("-2146893022", &["0x80090322 SEC_E_WRONG_PRINCIPAL"]),
        ("SEC_E_WRONG_PRINCIPAL", &["0x80090322"]),
        ("0x80ef0193", &["HRESULT 0x80ef0193", "Carries SIP status 403 Forbidden"]),
        ("0x8007274D", &["Carries Winsock error 10061 WSAECONNREFUSED", "nothing listens"]),
        ("winsock:10054", &["WSAECONNRESET", "reset the connection"]),
        ("WSAHOST_NOT_FOUND", &["11001"]),
        ("krb:7", &["KDC_ERR_S_PRINCIPAL_UNKNOWN", "setspn"]),
        ("PREAUTH_REQUIRED", &["Kerberos error 25", "normal"]),
        ("NXDOMAIN", &["DNS response code 3", "next name"]),
        ("event:14428", &["LS Protocol Stack"]),
        ("rejected", &["registration event rejected", "disabled"]),
    ] {
        check_explained(&[word], said);
    }
    check_explained(&["kerberos", "7"], &["Kerberos error 7"]);
    check_explained(&["sip", "404", "4003"], &["SIP status 404 Not Found", "ms-diagnostics 4003"]);
}

#[test]
fn tables_are_listed_a_line_an_entry() {
    for (table, lines, said) in [
        ("findings", 10, "dns-no-records"),
        ("fields", 40, "dns_rcode"),
        ("steps", 19, "register"),
        ("diagnostics", 70, "4005  user services"),
        ("sip", 75, "489  Bad Event"),
        ("http", 25, "407  Proxy Authentication Required"),
        ("alerts", 37, "48  unknown_ca"),
        ("hresults", 120, "0x800b0109  CERT_E_UNTRUSTEDROOT"),
        ("winsock", 60, "10060  WSAETIMEDOUT"),
        ("kerberos", 68, "37  KRB_AP_ERR_SKEW"),
        ("events", 9, "30061  LS User Replicator"),
    ] {
        let text = stdout(&check(&["explain", table], 0, &[]));
        assert!(text.lines().count() >= lines, "{table} has {} lines", text.lines().count());
        assert!(text.lines().any(|line| line.contains(said)), "{table}: {said}");
    }
}

#[test]
fn an_unknown_word_gets_the_nearest_known_ones() {
    check(&["explain", "unknown_cs"], 2, &["`unknown_cs`", "did you mean `unknown_ca`"]);
    check(&["explain", "SEC_E_WRONG_PRINCIPLE"], 2, &["`SEC_E_WRONG_PRINCIPAL`"]);
    check(&["explain", "sip:9999"], 2, &["`sip:9999`", "diagnostics"]);
    check(&["explain"], 2, &["WORD"]);
    let output = check(&["explain", "sip:403", "no-such-thing"], 2, &["`no-such-thing`"]);
    assert!(stdout(&output).contains("Forbidden"), "the known ones are explained all the same");
}

// Terminals, pipes and spreadsheets.

#[test]
fn a_closed_pipe_is_quiet() {
    let login = path("g15-port-reuse-tcp.pcapng");
    for arguments in [
        &["analyze", &login][..],
        &["analyze", &login, "--csv", "-"],
        &["analyze", &login, "--jsonl", "-", "--raw"],
        &["analyze", &login, "--json", "-"],
        &["show", &login, "--row", "20"],
        &["--help"],
        &["explain", "findings"],
        &["explain", "hresults"],
        &["explain", "403"],
    ] {
        let mut child = program().args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut errors = String::new();
        child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        let status = child.wait().unwrap();
        assert!(errors.is_empty(), "{arguments:?}: {errors}");
        assert_eq!(status.code(), Some(0), "{arguments:?}");
    }
}

/// A capture of some 20 MB: requests of many clients in turn, each a row.
fn long() -> Vec<u8> {
    let mut conversations: Vec<_> = (0..50).map(|number| Conversation::new(number, 5060)).collect();
    let mut packets: Vec<_> = conversations.iter().flat_map(Conversation::open).collect();
    let body = "b".repeat(1000);
    for (number, turn) in (0..16_000).zip((0..conversations.len()).cycle()) {
        packets.push(conversations[turn].send(request(number, &body).as_bytes()));
    }
    packet::pcap(&packets)
}

/// Waits for the program's end; one that goes on for long is ended, and the test fails.
#[track_caller]
fn ends_soon(mut child: Child) -> Output {
    for _ in 0..4000 {
        if child.try_wait().unwrap().is_some() {
            return child.wait_with_output().unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    panic!("the program goes on and on");
}

#[test]
fn a_pipe_that_closes_while_lanes_work_ends_them() {
    let folder = Folder::new("pipe");
    let capture = long();
    assert!(capture.len() > 18 << 20, "{} bytes", capture.len());
    let file = folder.write("long.pcap", &capture);
    let capture = Arc::new(capture);
    for taken in [1, 70_000, 300_000, 2_000_000] {
        for input in [&file, "-"] {
            let mut command = program();
            command.args(["analyze", input, "--csv", "-", "--lanes", "2"]);
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            // What is piped in does not end by itself: the program has no other reason to end.
            let (mut stdin, capture) = (child.stdin.take().unwrap(), capture.clone());
            let writer = (input == "-").then(|| std::thread::spawn(move || (stdin.write_all(&capture), stdin)));
            let mut csv = vec![0; taken];
            child.stdout.take().unwrap().read_exact(&mut csv).unwrap();
            let output = ends_soon(child);
            assert!(output.stderr.is_empty(), "{input} after {taken} bytes: {}", stderr(&output));
            assert_eq!(output.status.code(), Some(0), "{input} after {taken} bytes");
            drop(writer.map(|writer| writer.join().unwrap()));
        }
    }
}

/// A capture whose SIP texts would steer a terminal and a spreadsheet.
fn spiteful() -> Vec<u8> {
    let mut conversation = Conversation::new(0, 5060);
    let mut packets = conversation.open().to_vec();
    let message = |request_line: &str, from: &str| {
        format!(
            "{request_line}\r\nFrom: {from}\r\nTo: <sip:\u{1b}[2Jann\u{9b}31m@example.test>\r\n\
             Call-ID: +1\u{7}\r\nCSeq: 1 SERVICE\r\nEvent: @SUM(1)\r\nX: \u{1b}]0;title\u{7}\u{202e}\r\n\
             Content-Length: 9\r\n\r\n\u{1b}[31mred\n"
        )
    };
    let one = message("SERVICE sip:\u{1b}[2J@example.test SIP/2.0", "\"=cmd|' /C calc'!A0\" <=cmd|' /C calc'!A0>");
    let two = message("SERVICE sip:b SIP/2.0", "-2+3");
    for text in [one, two] {
        packets.push(conversation.send(text.as_bytes()));
    }
    let answer = "SIP/2.0 200 =HYPERLINK(\"x\")\u{1b}[5m\r\nFrom: \t=1\r\nCall-ID: +1\u{7}\r\nCSeq: 1 SERVICE\r\nContent-Length: 0\r\n\r\n";
    packets.push(conversation.answer(answer.as_bytes()));
    let name = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x08=1+\x1b[2J\x07\0\0\x01\0\x01";
    let ends = (packet::address(9), packet::address(2));
    packets.push(packet::ipv4(ends, 17, (0, 0), &packet::datagram((4000, 53), name)));
    packet::pcap(&packets)
}

fn controls(text: &str) -> Vec<char> {
    let steers = |char: &char| char.is_control() && *char != '\n' || matches!(char, '\u{202a}'..='\u{202e}');
    text.chars().filter(steers).collect()
}

#[test]
fn nothing_in_a_capture_steers_the_terminal() {
    let folder = Folder::new("escapes");
    let input = folder.write("spiteful.pcap", &spiteful());
    let shown = stdout(&check(&["analyze", &input, "--color", "never"], 0, &[]));
    assert!(shown.contains("200") && shown.contains("SERVICE"), "{shown}");
    assert_eq!(controls(&shown), [], "{shown:?}");
    let total = rows(&jsonl_of(&[&input])).len();
    for row in 1..=total {
        let shown = stdout(&check(&["show", &input, "--row", &row.to_string(), "--color", "never"], 0, &[]));
        assert_eq!(controls(&shown), [], "row {row}: {shown:?}");
    }
    // The colours are lynccap's own.
    let coloured = stdout(&check(&["analyze", &input, "--color", "always"], 0, &[]));
    assert!(coloured.contains("\u{1b}[") && !coloured.contains("\u{1b}[2J") && !coloured.contains("\u{1b}]0"));
    // In JSON they are escapes, of the same value.
    let lines = jsonl_of(&[&input, "--raw"]);
    assert_eq!(controls(&lines), [], "{lines:?}");
    let raw = rows(&lines).iter().any(|row| row["raw"].as_str().is_some_and(|raw| raw.contains("[2Jann\u{9b}31m")));
    assert!(raw && lines.contains("ann\\u009b31m") && lines.contains("\\u202e"), "{lines}");
    let report = stdout(&check(&["analyze", &input, "--json", "-"], 0, &[]));
    assert_eq!(controls(&report), [], "{report:?}");
    // Nor does a file's name.
    let odd = folder.write("\u{1b}[2Jodd", b"no capture at all, but long enough");
    let said = stderr(&check(&["analyze", &odd], 2, &[]));
    assert_eq!(controls(&said), [], "{said:?}");
}

/// What the program writes to a terminal; `None` where there is no `script` that makes one.
fn on_a_terminal(arguments: &[&str]) -> Option<String> {
    if !cfg!(target_os = "linux") || Command::new("script").arg("--version").output().is_err() {
        eprintln!("skipped: there is no `script` of util-linux");
        return None;
    }
    let program = program().get_program().to_str().unwrap().to_owned();
    let words: Vec<String> = [&[program.as_str()], arguments].concat().iter().map(|word| format!("'{word}'")).collect();
    let output = Command::new("script").args(["-qec", &words.join(" "), "/dev/null"]).stdin(Stdio::null()).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    // The terminal ends lines its way.
    Some(stdout(&output).replace("\r\r\n", "\n").replace("\r\n", "\n"))
}

#[test]
fn exports_and_bytes_steer_no_terminal() {
    let folder = Folder::new("terminal");
    let input = folder.write("spiteful.pcap", &spiteful());
    let csv = ["analyze", &input, "--no-progress", "--csv", "-", "--csv-dialect"];
    let raw = ["follow", &input, "--no-progress", "--format", "raw", "--flow", "1"];
    let cases = [
        [&csv[..], &["plain"]].concat(),
        [&csv[..], &["excel"]].concat(),
        [&csv[..], &["excel-semicolon"]].concat(),
        raw.to_vec(),
    ];
    for arguments in cases {
        let Some(shown) = on_a_terminal(&arguments) else { return };
        let steering: Vec<char> = controls(&shown).into_iter().filter(|char| *char != '\t').collect();
        assert_eq!(steering, [], "{arguments:?}: {shown:?}");
        assert!(shown.contains("ann") && shown.contains("31m"), "{arguments:?}: {shown:?}");
    }
    // A pipe gets what the capture has.
    for arguments in [raw.to_vec(), [&csv[..], &["plain"]].concat()] {
        let piped = stdout(&check(&arguments, 0, &[]));
        assert!(piped.contains("\u{1b}[2Jann\u{9b}31m"), "{arguments:?}: {piped:?}");
    }
}

#[test]
fn no_cell_is_a_formula() {
    let folder = Folder::new("formulas");
    let input = folder.write("spiteful.pcap", &spiteful());
    let numbers = ["elapsed_s", "delta_s", "rtt_ms", "response_ms"];
    let table = cells(&check(&["analyze", &input, "--csv", "-"], 0, &[]).stdout, b',');
    let names = &table[0];
    for row in &table[1..] {
        for (cell, name) in row.iter().zip(names).filter(|(_, name)| !numbers.contains(&name.as_str())) {
            let begins = cell.trim_start_matches(' ').chars().next();
            assert!(!begins.is_some_and(|first| "=+-@\t\r".contains(first)), "{name}: {cell:?}");
            assert!(!cell.contains('\u{1b}') && !cell.contains('\0'), "{name}: {cell:?}");
        }
    }
    let from = names.iter().position(|name| name == "from").unwrap();
    assert!(table.iter().any(|row| row[from] == "'=cmd|' /C calc'!A0"), "the apostrophe stands before it");
    let plain = cells(&check(&["analyze", &input, "--csv", "-", "--csv-dialect", "plain"], 0, &[]).stdout, b',');
    assert!(plain.iter().any(|row| row[from] == "=cmd|' /C calc'!A0"), "programs get it as it is");
}

#[test]
fn colours_are_as_asked() {
    let login = path(LOGIN);
    let coloured = |command: &mut Command| command.output().unwrap().stdout.contains(&0x1b);
    assert!(!coloured(program().args(["analyze", &login])), "a pipe gets no colours");
    assert!(coloured(program().args(["analyze", &login, "--color", "always"])));
    assert!(!coloured(program().args(["analyze", &login, "--color", "never"]).env("CLICOLOR_FORCE", "1")));
    assert!(!coloured(program().args(["analyze", &login]).env("NO_COLOR", "1").env("CLICOLOR_FORCE", "1")), "NO_COLOR");
}

#[test]
fn times_are_shown_as_asked() {
    let discovery = path(DISCOVERY);
    for (format, first) in [("utc", "07:45:04.115837"), ("relative", "0.000"), ("epoch", "1795419904.115837")] {
        let shown = stdout(&check(&["analyze", &discovery, "-t", format], 0, &[]));
        assert!(shown.contains(first), "{format}: {shown}");
    }
    let shown = program().args(["analyze", &discovery, "-t", "local"]).env("TZ", "America/New_York").output().unwrap();
    assert!(stdout(&shown).contains("02:45:04.115837"), "{}", stdout(&shown));
    let exported =
        program().args(["analyze", &discovery, "-t", "local", "--jsonl", "-"]).env("TZ", "America/New_York").output();
    assert!(stdout(&exported.unwrap()).contains("2026-11-23T07:45:04.115837"), "exports carry UTC");
}

#[test]
fn keys_that_open_nothing_are_told() {
    let (keys, plain) = (keys_of("c-login-tls-keylog"), path("b-login-tcp.pcapng"));
    let told = |arguments: &[&str]| String::from_utf8(run(arguments).stderr).unwrap();
    let nothing = told(&["analyze", &plain, "-k", &keys, "-q"]);
    assert!(nothing.contains("c-login-tls-keylog.keys: nothing in the capture is read with it"), "{nothing}");
    assert_eq!(told(&["analyze", &plain, "-q"]), "");
    // Secrets in the capture were not given by anybody.
    let with_secrets = common::folder().join("scenarios/tls-untrusted-certificate.pcapng");
    assert_eq!(told(&["analyze", with_secrets.to_str().unwrap(), "-q"]), "");
    assert_eq!(told(&["analyze", &path("c-login-tls-keylog.pcapng"), "-k", &keys, "-q"]), "");
}

/// Whether a row is one that an expression picks.
type Picks = fn(&Json) -> bool;

#[test]
fn words_of_snooper_pick_rows() {
    let login = path(LOGIN);
    let all = rows(&jsonl_of(&[&login]));
    let cases: [(&str, Picks); 4] = [
        ("from:alice direction:in 401", |row| {
            row["status"] == 401
                && row["direction"] == "in"
                && row["from"].as_str().is_some_and(|from| from.contains("alice"))
        }),
        ("method:REGISTER", |row| row["method"] == "REGISTER"),
        ("direction:none", |row| row["kind"] != "sip"),
        ("sip 404", |row| row["status"] == 404),
    ];
    for (filter, passes) in cases {
        let picked = rows(&jsonl_of(&[&login, "-Y", filter]));
        let expected: Vec<_> = all.iter().filter(|row| passes(row)).cloned().collect();
        assert!(!picked.is_empty(), "{filter} picks nothing");
        assert_eq!(picked, expected, "{filter}");
    }
    let text = rows(&jsonl_of(&[&login, "-Y", "\"vnd-microsoft-roaming-contacts\""]));
    assert!(text.iter().any(|row| row["event"].as_str().is_some_and(|event| event.contains("roaming-contacts"))));
}

#[test]
fn a_match_brings_its_dialog() {
    let login = path(LOGIN);
    let all = rows(&jsonl_of(&[&login]));
    let refused = all.iter().find(|row| row["status"] == 404).unwrap();
    let expected: Vec<_> = all.iter().filter(|row| row["call_id"] == refused["call_id"]).cloned().collect();
    assert!(expected.len() > 1);
    assert_eq!(rows(&jsonl_of(&[&login, "-Y", "404", "--dialog"])), expected);
    check(&["analyze", &login, "--dialog"], 2, &["--filter"]);
    check(&["analyze", "-", "-Y", "404", "--dialog"], 2, &["twice"]);
}

#[test]
fn errors_are_shown_with_what_they_mean() {
    let capture = path("f2-forbidden-403.pcapng");
    let keys = keys_of("f2-forbidden-403");
    let shown = stdout(&check(&["analyze", &capture, "-k", &keys, "--errors"], 0, &[]));
    for part in ["403 Forbidden", "ms-diagnostics 4003", "finding: sip-rejected"] {
        assert!(shown.contains(part), "{part} is not shown");
    }
    let timeline: Vec<&str> = shown.lines().take_while(|line| !line.starts_with("Capture")).collect();
    for normal in ["NXDOMAIN", "401 Unauthorized", "200 OK"] {
        assert!(!timeline.iter().any(|line| line.contains(normal)), "{normal} is no failure");
    }
    let healthy = rows(&jsonl_of(&[&path("login.pcapng"), "-k", &keys_of("login"), "--errors"]));
    assert!(healthy.iter().all(|row| row["kind"] == "dns"), "only the look-ups of the first, failed sign-in");
}

/// The rows that failed, with what they mean, of the capture of a scenario.
fn errors_of(scenario: &str) -> String {
    let capture = common::folder().join(format!("scenarios/{scenario}.pcapng"));
    let shown = stdout(&check(&["analyze", capture.to_str().unwrap(), "--errors"], 0, &[]));
    shown.lines().take_while(|line| !line.starts_with("Capture")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_status_means_something_only_for_the_service_that_was_asked() {
    let shown = errors_of("healthy-other-page");
    assert!(shown.contains("404 Not Found: there is no such page"), "{shown}");
    assert!(!shown.contains("certificate service"), "{shown}");
    let shown = errors_of("user-not-found.2.not");
    assert!(shown.contains("404 Not Found: the server that answers is no autodiscover service"), "{shown}");
}

#[test]
fn a_reset_at_sign_out_is_no_failure() {
    for scenario in ["tcp-reset.not", "healthy-cut-off"] {
        assert_eq!(errors_of(scenario), "");
    }
    assert!(errors_of("tcp-reset").contains("connection reset by the server"));
    assert!(errors_of("tcp-reset.2.not").contains("connection reset by the server"), "it is no connection of SIP");
}

#[test]
fn a_ladder_shows_one_sign_in_or_one_call_id() {
    let (login, keys) = (path("login.pcapng"), keys_of("login"));
    let ladder = |more: &[&str]| stdout(&check(&[&["ladder", &login, "-k", &keys], more].concat(), 0, &[]));
    let second = ladder(&["--login", "2"]);
    let head = second.lines().next().unwrap();
    assert!(head.contains("10.77.0.21") && head.contains("pool01.ucsandbox.example"), "{head}");
    assert!(second.lines().any(|line| line.contains("REGISTER sip:ucsandbox.example (CSeq 4)") && line.contains('▶')));
    assert!(second.lines().any(|line| line.contains("200 OK (CSeq 4 REGISTER)") && line.contains('◀')));
    let all = rows(&jsonl_of(&[&login, "-k", &keys]));
    let call_id = all.iter().find(|row| row["method"] == "REGISTER").unwrap()["call_id"].as_str().unwrap();
    let of_call = all.iter().filter(|row| row["call_id"] == call_id).count();
    assert_eq!(ladder(&["--call-id", &call_id[..8]]).lines().count(), of_call + 1);
    check(&["ladder", &login, "-k", &keys, "--login", "99"], 2, &["no sign-in 99"]);
    check(&["ladder", &login, "--call-id", "nothing"], 2, &["nothing"]);
}

/// The example of the README: the beginning and the sign-ins of the real output on 132 columns.
fn readme_example() -> String {
    let mut command = program();
    command.args([
        "analyze",
        "captures/login.pcapng",
        "-k",
        "captures/login.keys",
        "--color",
        "never",
        "--no-progress",
    ]);
    let output = command.env("COLUMNS", "132").current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let real = stdout(&output);
    let lines: Vec<&str> = real.lines().collect();
    let place = |start: &str| lines.iter().position(|line| line.starts_with(start)).unwrap();
    let (connected, summary) = (place("   15 "), place("Capture"));
    let parts = [&lines[..7], &["  …"], &lines[connected..connected + 13], &["  …"], &lines[summary..]];
    let shown: Vec<&str> = parts.concat().into_iter().map(str::trim_end).collect();
    let command = "$ lynccap analyze captures/login.pcapng -k captures/login.keys";
    format!("```text\n{command}\n{}\n```", shown.join("\n").trim_end())
}

#[test]
fn the_readme_shows_real_output() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
    let example = readme_example();
    let start = readme.find("```text\n$ lynccap analyze").expect("the README has an example");
    let end = start + readme[start..].find("\n```").unwrap() + 4;
    if std::env::var_os("LYNCCAP_BLESS").is_some() {
        std::fs::write(&path, [&readme[..start], &example, &readme[end..]].concat()).unwrap();
        return;
    }
    assert_eq!(&readme[start..end], example, "LYNCCAP_BLESS=1 writes it anew");
}
