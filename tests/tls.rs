//! Every kind of TLS in `captures/tls` (`cases.jsonl` describes them): what keys open comes out as it was
//! sent, what they do not open stays closed and is named, and holes and damaged records cost the
//! messages in them and no others.
#![expect(clippy::indexing_slicing, reason = "a test that indexes out of bounds fails, as it should")]

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use common::{
    Capture, Conversation, Keys, Owned, Scratch, Told, flows, folder, follow, packets, pcap_of, run_in, tally, tell,
    tls_captures,
};
use lynccap::crypto::{KeyStore, RsaKey};
use lynccap::engine::Options;
use lynccap::model::tls::NotOpened;
use lynccap::model::{Direction, LinkType, Message, Timestamp};
use lynccap::wire::tls as wire;
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

/// A line of `cases.jsonl` and its capture.
struct Case {
    said: Json,
    capture: Capture,
    packets: Vec<Owned>,
}

impl Case {
    fn name(&self) -> &str {
        self.said["name"].as_str().unwrap()
    }

    /// Whether `property` of it is `text` or begins with it.
    fn is(&self, property: &str, text: &str) -> bool {
        self.said[property].as_str().is_some_and(|value| value.starts_with(text))
    }

    /// Camellia-GCM is left out by design.
    fn is_unsupported(&self) -> bool {
        self.said["suite"].as_str().unwrap().contains("CAMELLIA_128_GCM")
    }

    fn key_log(&self) -> Vec<u8> {
        std::fs::read(self.capture.beside("keys").unwrap()).unwrap()
    }

    fn keys(&self) -> Keys {
        self.capture.keys()
    }

    /// One connection: no handshake in mid-stream, no keys that change.
    fn is_simple(&self) -> bool {
        let note = self.said["note"].as_str().unwrap();
        let ports = self.said["connections"].as_array().unwrap().len();
        ports == 1 && !["mid-stream", "updates"].iter().any(|word| note.contains(word)) && !self.is_unsupported()
    }
}

const NOTHING: [Vec<u8>; 2] = [Vec::new(), Vec::new()];

fn cases() -> Vec<Case> {
    let lines = std::fs::read_to_string(folder().join("tls/cases.jsonl")).unwrap();
    let captures = tls_captures();
    let case = |line: &str| {
        let said: Json = serde_json::from_str(line).unwrap();
        let capture = captures.iter().find(|capture| said["file"] == capture.file.as_str()).unwrap().clone();
        let packets = packets(&capture.bytes()).0;
        Case { said, capture, packets }
    };
    let cases: Vec<_> = lines.lines().map(case).collect();
    assert_eq!(cases.len(), captures.len(), "captures without a case");
    cases
}

#[track_caller]
fn case(name: &str) -> Case {
    cases().into_iter().find(|case| case.name() == name).unwrap_or_else(|| panic!("no case {name}"))
}

fn tls_file(name: &str) -> PathBuf {
    folder().join("tls").join(name)
}

/// The key of every RSA certificate there.
fn server_key() -> Keys {
    Keys::default().rsa_file(&tls_file("rsa.pem"))
}

fn other_key() -> Keys {
    Keys::default().rsa_file(&tls_file("keys/other-rsa.pem"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn with_keys(keys: &Arc<KeyStore>) -> Options {
    Options { keys: keys.clone(), ..Options::default() }
}

fn reasons(told: &Told) -> Vec<String> {
    let sessions = told.report.tls_sessions.iter();
    sessions.filter_map(|(_, session)| session.not_opened.as_ref()).map(ToString::to_string).collect()
}

// What keys open.

/// Each connection gives, with those keys, exactly what was sent through it.
#[track_caller]
fn check_opened(case: &Case, keys: &Arc<KeyStore>) {
    let flows = flows(&case.packets);
    for connection in case.said["connections"].as_array().unwrap() {
        let port = u16::try_from(connection["client_port"].as_u64().unwrap()).unwrap();
        let what = format!("{}, port {port}", case.name());
        let (told, plaintext) = follow(&case.packets, flows[&port], keys);
        for (side, bytes) in ["c2s", "s2c"].iter().zip(&plaintext) {
            let length = &connection[&format!("{side}_len")];
            assert_eq!(*length, bytes.len(), "{what}, {side}: {:?}", reasons(&told));
            assert_eq!(connection[&format!("{side}_sha256")], hash(bytes).as_str(), "{what}, {side}");
        }
        let defects = told.of_kind("defect") + told.of_kind("loss");
        assert_eq!((reasons(&told), defects), (Vec::new(), 0), "{what}");
        for (_, session) in &told.report.tls_sessions {
            assert!(session.opened.is_some(), "{what}");
            assert_eq!((session.failed_records, session.unreadable_records), (0, 0), "{what}");
            let suite = session.suite.unwrap().to_string();
            // The last one, where a new handshake agreed on another.
            assert!(case.name().ends_with("renegotiate-suite") || case.said["suite"] == suite.as_str(), "{what}");
            assert_eq!(session.version.unwrap().to_string(), case.said["version"].as_str().unwrap(), "{what}");
        }
    }
}

/// Nothing comes out with those keys, and every session that stays closed says `why`.
#[track_caller]
fn check_closed(case: &Case, keys: &Arc<KeyStore>, why: &str) {
    for (port, flow) in flows(&case.packets) {
        let (told, plaintext) = follow(&case.packets, flow, keys);
        let what = format!("{}, port {port}", case.name());
        assert_eq!(plaintext, NOTHING, "{what}: plaintext from nowhere");
        assert_eq!(told.of_kind("sip"), 0, "{what}: messages from nowhere");
        let (sessions, reasons) = (&told.report.tls_sessions, reasons(&told));
        assert!(sessions.iter().all(|(_, session)| session.opened.is_none()), "{what}: called opened");
        assert_eq!(reasons.len(), sessions.len(), "{what}: closed without a reason: {reasons:?}");
        assert!(reasons.iter().all(|reason| reason.contains(why)), "{what}: {why:?} is not why: {reasons:?}");
        let rows = told.rows.iter().filter(|row| row.kind() == "tls");
        let rows = rows.filter(|row| lynccap::story::summary::summary(row).contains(why)).count();
        assert!(rows > 0, "{what}: no row says {why:?}");
    }
}

#[test]
fn key_logs_open_every_case() {
    for case in cases() {
        let keys = Keys::default().log("case.keys", &case.key_log()).store();
        if case.is_unsupported() {
            check_closed(&case, &keys, "TLS_RSA_WITH_CAMELLIA_128_GCM_SHA256 is not supported");
        } else {
            check_opened(&case, &keys);
        }
    }
}

/// All key logs in one, as an environment variable set for a machine makes them.
#[test]
fn a_key_log_may_hold_many_sessions() {
    let cases = cases();
    let all: Vec<u8> = cases.iter().flat_map(|case| [case.key_log(), b"\r\n".to_vec()].concat()).collect();
    let keys = server_key().log("all.keys", &all).store();
    cases.iter().filter(|case| !case.is_unsupported()).for_each(|case| check_opened(case, &keys));
}

#[test]
fn the_rsa_key_alone_opens_what_it_can() {
    let (keys, mut opened) = (server_key().store(), 0);
    for case in cases() {
        if case.is_unsupported() {
            check_closed(&case, &keys, "is not supported");
        } else if case.said["rsa_alone"] == true {
            check_opened(&case, &keys);
            opened += 1;
        } else if case.said["connections"].as_array().unwrap().len() > 1 && !case.is("kx", "TLS13") {
            // The second connection resumes what was not opened.
            check_closed(&case, &keys, "");
        } else {
            check_closed(&case, &keys, "an RSA key cannot open it; a key log can");
        }
    }
    assert!(opened > 40, "{opened}");
}

#[test]
fn secrets_in_the_capture_open_it() {
    let cases: Vec<_> = cases().into_iter().filter(|case| case.name().contains("dsb")).collect();
    for case in &cases {
        let secrets = case.capture.own_secrets();
        assert_eq!(secrets.len(), 1, "{}", case.name());
        check_opened(case, &Keys::default().log("the capture", &secrets[0]).store());
        let keys = run_in(&tls_file(""), &["keys", &case.capture.file]);
        let said = String::from_utf8(keys.stdout).unwrap();
        assert!(said.contains("opened with") && said.contains("of the capture"), "{said}");
    }
    assert_eq!(cases.len(), 2);
}

/// The program itself, with `follow`.
#[track_caller]
fn check_follow(name: &str, keys: &[&str]) {
    let case = case(name);
    let output = run_in(&tls_file(""), &[&["keys", &case.capture.file], keys].concat());
    let said = String::from_utf8(output.stdout).unwrap();
    let flow = |port: &Json| {
        let line = said.lines().find(|line| line.contains(&format!(":{port} ")));
        line.unwrap().split_whitespace().nth(1).unwrap().to_owned()
    };
    for connection in case.said["connections"].as_array().unwrap() {
        let flow = flow(&connection["client_port"]);
        for (way, side) in [("out", "c2s"), ("in", "s2c")] {
            let options = ["follow", &case.capture.file, "--flow", &flow, "--direction", way, "--format", "raw"];
            let output = run_in(&tls_file(""), &[&options, keys].concat());
            assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(connection[&format!("{side}_sha256")], hash(&output.stdout).as_str(), "{name} {way}");
        }
    }
}

#[test]
fn follow_gives_the_plaintext() {
    check_follow("tls13-aes256-gcm-sha384-psk-early-data", &["-k", "tls13-aes256-gcm-sha384-psk-early-data.keys"]);
    check_follow("tls12-rsa-aes128-gcm-sha256-id", &["--tls-key", "rsa.pem"]);
    check_follow("tls10-rsa-aes256-cbc-sha-ticket", &["--tls-key", "rsa.pem"]);
    check_follow("tls12-ecdhe-aes256-gcm-sha384-dsb-after", &[]);
}

/// The handshake messages of one side before anything is encrypted, each with its kind and body.
fn handshake(packets: &[Owned], out: bool) -> Vec<(u8, Vec<u8>)> {
    let (stream, records) = records(packets, out);
    let clear = records.iter().take_while(|record| record.kind == wire::content::HANDSHAKE);
    let bytes: Vec<u8> = clear.flat_map(|record| stream[record.bytes.clone()][5..].to_vec()).collect();
    let (mut messages, mut rest) = (Vec::new(), bytes.as_slice());
    while let Some((message, after)) = wire::take_handshake(rest) {
        messages.push((message.kind, message.body.to_vec()));
        rest = after;
    }
    messages
}

/// The lines that a key log may have instead of `CLIENT_RANDOM`.
#[test]
fn premaster_secrets_and_session_ids_open_too() {
    let bytes = std::fs::read(tls_file("rsa.pem")).unwrap();
    let key = RsaKey::parse(&bytes, None, "rsa.pem".into()).unwrap();
    for name in ["tls10-rsa-aes128-cbc-sha-noems", "tls12-rsa-aes256-gcm-sha384", "tls12-rsa-aes128-gcm-sha256-mtls"] {
        let case = case(name);
        let client = handshake(&case.packets, true);
        let find = |kind| &client.iter().find(|(known, _)| *known == kind).unwrap().1;
        let encrypted = wire::encrypted_premaster(find(wire::handshake::CLIENT_KEY_EXCHANGE), false).unwrap();
        let premaster = hex(key.decrypt(encrypted).unwrap().expose());
        let random = hex(&wire::client_hello(find(wire::handshake::CLIENT_HELLO)).unwrap().random);
        for line in
            [format!("RSA {} {premaster}", hex(&encrypted[..8])), format!("PMS_CLIENT_RANDOM {random} {premaster}")]
        {
            check_opened(&case, &Keys::default().log("case.keys", line.as_bytes()).store());
        }
    }
    let case = case("tls12-rsa-aes128-gcm-sha256-id");
    let server = handshake(&case.packets, false);
    let hello = wire::server_hello(&server[0].1).unwrap();
    let log = String::from_utf8(case.key_log()).unwrap();
    let master = log.lines().find(|line| line.starts_with("CLIENT_RANDOM")).unwrap().split(' ').nth(2).unwrap();
    let line = format!("RSA Session-ID:{} Master-Key:{master}", hex(&hello.session_id));
    check_opened(&case, &Keys::default().log("case.keys", line.as_bytes()).store());
}

// What keys do not open.

/// The key log with one bit of the `which` field (1: what it is found by, 2: the secret) altered in the
/// lines whose label begins with `label`.
fn altered(log: &[u8], label: &str, which: usize) -> Vec<u8> {
    let alter = |line: &str| {
        let mut fields: Vec<String> = line.split(' ').map(str::to_owned).collect();
        if line.starts_with(label)
            && let Some(field) = fields.get_mut(which)
        {
            let last = field.pop().unwrap().to_digit(16).unwrap();
            field.push(char::from_digit(last ^ 1, 16).unwrap());
        }
        fields.join(" ")
    };
    String::from_utf8(log.to_vec()).unwrap().lines().map(alter).collect::<Vec<_>>().join("\n").into_bytes()
}

#[test]
fn wrong_secrets_open_nothing() {
    for case in cases().iter().filter(|case| !case.is_unsupported()) {
        let keys = Keys::default().log("case.keys", &altered(&case.key_log(), "", 2)).store();
        check_closed(case, &keys, "does not fit");
    }
}

#[test]
fn secrets_of_others_open_nothing() {
    for case in cases().iter().filter(|case| !case.is_unsupported()) {
        let keys = Keys::default().log("case.keys", &altered(&case.key_log(), "", 1)).store();
        let resumed = case.said["resumed"].is_string() && !case.is("kx", "TLS13");
        check_closed(case, &keys, if resumed { "" } else { "the key log has no line for client random" });
    }
}

#[test]
fn another_rsa_key_opens_nothing() {
    let keys = other_key().store();
    for case in cases().iter().filter(|case| case.said["rsa_alone"] == true && case.said["resumed"].is_null()) {
        let why = if case.is_unsupported() { "not supported" } else { "the RSA key is for another certificate" };
        check_closed(case, &keys, why);
    }
}

/// One wrong secret of a session in TLS 1.3: the other direction can be read, and the loss is told.
#[test]
fn one_wrong_secret_closes_one_direction() {
    for (side, label) in ["CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"].iter().enumerate() {
        let case = case("tls13-aes256-gcm-sha384");
        let keys = Keys::default().log("case.keys", &altered(&case.key_log(), label, 2)).store();
        let (told, plaintext) = follow(&case.packets, flows(&case.packets)[&49201], &keys);
        assert!(plaintext[side].is_empty(), "{label}");
        let other = if side == 0 { "s2c_sha256" } else { "c2s_sha256" };
        assert_eq!(case.said[other], hash(&plaintext[1 - side]).as_str(), "{label}");
        assert!(told.of_kind("defect") > 0 || !reasons(&told).is_empty(), "{label}: in silence");
    }
}

/// The packets of one connection.
fn of_port(packets: &[Owned], port: u16) -> Vec<Owned> {
    let is_of = |packet: &&Owned| segment(packet).is_some_and(|segment| segment.client_port == port);
    packets.iter().filter(is_of).cloned().collect()
}

/// `keys`, the report and the rows say `why`, and nothing comes out.
#[track_caller]
fn check_reason(what: &str, packets: &[Owned], keys: &[&str], why: &str) {
    let folder = Scratch::new(&format!("tls-{}", what.replace(' ', "-")));
    folder.write("case.pcap", pcap_of(packets));
    let run = |command: &[&str]| {
        let output = run_in(folder.path(), &[command, keys].concat());
        assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let said = run(&["keys", "case.pcap"]);
    let line = said.lines().find(|line| line.trim_start().starts_with("closed"));
    assert!(line.is_some_and(|line| line.contains(why)), "{what}: {why:?} is not in\n{said}");
    let report: Json = serde_json::from_str(&run(&["analyze", "case.pcap", "--json", "-"])).unwrap();
    let sessions = report["tls_sessions"].as_array().unwrap();
    assert!(!sessions.is_empty(), "{what}: no session");
    for session in sessions {
        let reason = session["not_opened"].as_str().unwrap_or_default();
        assert!(reason.contains(why), "{what}: {why:?} is not why: {session}");
        assert_eq!((&session["decrypted"], &session["opened_with"]), (&Json::Bool(false), &Json::Null), "{what}");
    }
    let rows = run(&["analyze", "case.pcap", "--jsonl", "-"]);
    let rows: Vec<Json> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let not_opened = rows.iter().filter(|row| row["tls_event"] == "not-opened");
    let told = not_opened.filter(|row| row["summary"].as_str().unwrap().contains(why)).count();
    assert_eq!(told, sessions.len(), "{what}: once a session");
    assert!(rows.iter().all(|row| row["kind"] != "sip"), "{what}: messages from nowhere");
    let unknown = rows.iter().find(|row| row["tls_version"] == "0x0000");
    assert!(unknown.is_none(), "{what}: established with nothing known: {}", unknown.unwrap());
}

#[test]
fn every_reason_is_told() {
    let path = |name: &str| tls_file(name).to_str().unwrap().to_owned();
    let (rsa, other) = (path("rsa.pem"), path("keys/other-rsa.pem"));
    let log = |name: &str| path(&format!("{name}.keys"));
    let packets = |name: &str| case(name).packets;
    let (with_rsa, ephemeral) = ("tls12-rsa-aes128-cbc-sha", "tls12-ecdhe-aes128-gcm-sha256");
    let tls13 = "tls13-aes256-gcm-sha384";

    check_reason("no keys", &packets(with_rsa), &[], "no key: the server's RSA key or a key log can open it");
    check_reason("no keys, ephemeral", &packets(ephemeral), &[], "no key: a key log can open it");
    check_reason("no keys, TLS 1.3", &packets(tls13), &[], "no key: a key log can open it");
    let not_in_log = "the key log has no line for client random";
    for name in [with_rsa, ephemeral, tls13] {
        let keys = log("tls12-rsa-aes256-ccm-8");
        check_reason(&format!("not in key log, {name}"), &packets(name), &["-k", &keys], not_in_log);
    }
    for name in [ephemeral, tls13, "tls12-dhe-aes256-ccm", "tls12-ecdhe-ecdsa-aes128-ccm"] {
        check_reason(&format!("ephemeral, {name}"), &packets(name), &["--tls-key", &rsa], "ephemeral key exchange");
    }
    let certificate = "the RSA key is for another certificate";
    check_reason("other certificate", &packets(with_rsa), &["--tls-key", &other], certificate);

    // The capture begins behind the server's hello, and behind the whole handshake.
    let missing = "the handshake is not in the capture";
    for name in [with_rsa, ephemeral, tls13] {
        let packets = packets(name);
        let data: Vec<_> = (0..packets.len()).filter(|&index| has_payload(&packets[index])).collect();
        // Behind the client's hello and the server's flight, and in the middle of the dialogue.
        let server_done = data.iter().copied().find(|&index| index > data[0] && segment(&packets[index]).unwrap().out);
        for (place, from) in [("hellos", server_done.unwrap()), ("all", data[data.len() / 2])] {
            let what = format!("handshake missing, {name}, {place}");
            for keys in [&["--tls-key", &rsa][..], &["-k", &log(name)], &[]] {
                check_reason(&what, &packets[from..], keys, missing);
            }
        }
    }

    for name in ["tls12-rsa-aes128-gcm-sha256-id", "tls12-rsa-aes256-gcm-sha384-ticket"] {
        let resuming = of_port(&packets(name), 49202);
        let what = format!("resumed unknown, {name}");
        check_reason(&what, &resuming, &["--tls-key", &rsa], "resumed from a session that is not here");
    }
    let camellia = "tls12-rsa-camellia-128-gcm-sha256-gnutls";
    let unsupported = "TLS_RSA_WITH_CAMELLIA_128_GCM_SHA256 is not supported";
    check_reason("suite", &packets(camellia), &["--tls-key", &rsa], unsupported);
    check_reason("suite with a log", &packets(camellia), &["-k", &log(camellia)], unsupported);
    check_reason("ssl3", &ssl3(), &["--tls-key", &rsa], "SSLv3 is not decrypted");
    check_reason("ssl3 without keys", &ssl3(), &[], "SSLv3 is not decrypted");
}

#[test]
fn secrets_that_are_there_in_part_are_named() {
    let case = case("tls13-aes256-gcm-sha384");
    let log = String::from_utf8(case.key_log()).unwrap();
    let folder = Scratch::new("tls-parts");
    for (label, why) in [("CLIENT_", "no server secrets"), ("SERVER_", "no client secrets")] {
        let lines: Vec<_> = log.lines().filter(|line| line.starts_with(label)).collect();
        let (keys, capture) = (folder.write("part.keys", lines.join("\n")), case.capture.path.to_str().unwrap());
        let output = run_in(folder.path(), &["keys", capture, "-k", &keys]);
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains(why), "{label} only: {said}");
    }
}

/// A handshake of SSL 3.0, made by hand: hellos, a key exchange, and records that nobody can read.
fn ssl3() -> Vec<Owned> {
    let record = |kind: u8, body: &[u8]| {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&[kind, 3, 0], &length[..], body].concat()
    };
    let message = |kind: u8, body: &[u8]| {
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        record(22, &[&[kind], &length[1..], body].concat())
    };
    let client_hello = [&[3, 0], &[7; 32][..], &[0, 0, 4, 0, 0x2f, 0, 5, 1, 0]].concat();
    let server_hello = [&[3, 0], &[8; 32][..], &[0, 0, 0x2f, 0]].concat();
    let finish = [record(20, &[1]), record(22, &[9; 64])].concat();
    let mut conversation = Conversation::new(0, 5061);
    let mut raw = conversation.open().to_vec();
    raw.push(conversation.send(&message(1, &client_hello)));
    raw.push(conversation.answer(&[message(2, &server_hello), message(14, &[])].concat()));
    raw.push(conversation.send(&[message(16, &[5; 256]), finish.clone()].concat()));
    raw.push(conversation.answer(&finish));
    raw.push(conversation.send(&record(23, &[4; 200])));
    raw.push(conversation.answer(&record(23, &[4; 200])));
    let owned = |(second, data): (i64, Vec<u8>)| Owned {
        time: Timestamp::new(1_700_000_000 + second, 0),
        link: LinkType::RAW,
        wire_len: u32::try_from(data.len()).unwrap(),
        data,
    };
    (0..).zip(raw).map(owned).collect()
}

// Streams taken apart, for damaging them where it matters.

/// A TCP segment in an Ethernet frame or a raw IPv4 packet.
struct Segment {
    out: bool,
    client_port: u16,
    payload: Range<usize>,
}

fn segment(packet: &Owned) -> Option<Segment> {
    let (data, ip) = (&packet.data, if packet.link == LinkType::ETHERNET { 14 } else { 0 });
    let tcp = ip + usize::from(data.get(ip)? & 0xf) * 4;
    let end = ip + usize::from(u16::from_be_bytes([data[ip + 2], data[ip + 3]]));
    let port = |at: usize| u16::from_be_bytes([data[at], data[at + 1]]);
    let (from, to) = (port(tcp), port(tcp + 2));
    let out = to == 5061;
    Some(Segment {
        out,
        client_port: if out { from } else { to },
        payload: tcp + usize::from(data[tcp + 12] >> 4) * 4..end,
    })
}

fn has_payload(packet: &Owned) -> bool {
    segment(packet).is_some_and(|segment| !segment.payload.is_empty())
}

/// A record in the stream of one side.
struct Record {
    kind: u8,
    /// Where it lies in the stream.
    bytes: Range<usize>,
    /// Indices of the first and the last packet that carry it.
    packets: (usize, usize),
}

/// The stream of one side of the first connection, and its records.
fn records(packets: &[Owned], out: bool) -> (Vec<u8>, Vec<Record>) {
    let (mut stream, mut owners) = (Vec::new(), Vec::new());
    for (index, packet) in packets.iter().enumerate() {
        let Some(segment) = segment(packet).filter(|segment| segment.out == out && segment.client_port == 49201) else {
            continue;
        };
        stream.extend_from_slice(&packet.data[segment.payload.clone()]);
        owners.resize(stream.len(), index);
    }
    let (mut records, mut at) = (Vec::new(), 0);
    while let Some(header) = wire::record_header(&stream[at..]) {
        let bytes = at..at + 5 + header.length;
        records.push(Record { kind: header.kind, packets: (owners[at], owners[bytes.end - 1]), bytes: bytes.clone() });
        at = bytes.end;
    }
    (stream, records)
}

/// A message that came out whole.
struct Whole {
    out: bool,
    raw: Vec<u8>,
    /// Indices of the packets with which its first and last record are complete.
    packets: (usize, usize),
}

fn index_of(number: u64) -> usize {
    usize::try_from(number).unwrap() - 1
}

fn whole_messages(told: &Told) -> Vec<Whole> {
    let whole = told.rows.iter().filter_map(|row| match &row.message {
        Message::Sip(message) if message.complete => Some(Whole {
            out: row.direction == Direction::Out,
            raw: message.raw.to_vec(),
            packets: (index_of(row.began.packet.get()), index_of(row.at.packet.get())),
        }),
        _ => None,
    });
    whole.collect()
}

/// A case that was read undamaged.
struct Undamaged {
    keys: Arc<KeyStore>,
    messages: Vec<Whole>,
    /// Everything that the client sent, and the server.
    plaintext: [Vec<u8>; 2],
    records: [Vec<Record>; 2],
    /// Index of the packet with which the handshake is over.
    established: usize,
    case: Case,
}

fn undamaged(case: Case) -> Undamaged {
    let keys = case.keys().store();
    let (told, plaintext) = follow(&case.packets, flows(&case.packets)[&49201], &keys);
    let established = told
        .rows
        .iter()
        .find(|row| matches!(&row.message, Message::Tls(event) if ["established", "resumed"].contains(&event.name())));
    let established = index_of(established.unwrap().at.packet.get());
    let messages = whole_messages(&told);
    let records = [records(&case.packets, true).1, records(&case.packets, false).1];
    Undamaged { keys, messages, plaintext, records, established, case }
}

impl Undamaged {
    fn records(&self, out: bool) -> &[Record] {
        &self.records[usize::from(!out)]
    }

    /// Whether a record can only be read where the one before it is there: TLS 1.0 takes the end of that for
    /// its first block.
    fn is_chained(&self) -> bool {
        self.case.is("version", "TLSv1.0") && self.case.said["suite"].as_str().unwrap().contains("CBC")
    }

    fn is_rc4(&self) -> bool {
        self.case.said["suite"].as_str().unwrap().contains("RC4")
    }

    /// What is told of damaged packets: no message that was never sent, or not so often, and no piece of
    /// one that never was.
    #[track_caller]
    fn tell(&self, what: &str, packets: &[&Owned]) -> (Told, BTreeMap<(bool, Vec<u8>), usize>) {
        let told = tell(packets.iter().copied(), with_keys(&self.keys));
        let sent = tally(self.messages.iter().map(|message| (message.out, message.raw.clone())));
        let came = tally(whole_messages(&told).into_iter().map(|message| (message.out, message.raw)));
        for (message, count) in &came {
            let text = String::from_utf8_lossy(&message.1);
            assert!(sent.get(message).is_some_and(|sent| count <= sent), "{what}: never sent: {text}");
        }
        for row in &told.rows {
            let Message::Sip(message) = &row.message else { continue };
            let sent = &self.plaintext[usize::from(row.direction == Direction::In)];
            let text = String::from_utf8_lossy(&message.raw);
            assert!(memchr::memmem::find(sent, &message.raw).is_some(), "{what}: never sent so: {text}");
        }
        (told, came)
    }

    /// Every message must have come that none of the `hurt` records of its side carries.
    #[track_caller]
    fn check_others(&self, what: &str, out: bool, hurt: &[&Record], came: &BTreeMap<(bool, Vec<u8>), usize>) {
        let is_hurt = |message: &&Whole| {
            let (first, last) = message.packets;
            message.out == out && hurt.iter().any(|record| (first..=last).contains(&record.packets.1))
        };
        let must = tally(self.messages.iter().filter(|whole| !is_hurt(whole)).map(|whole| (whole.out, &whole.raw)));
        for ((out, raw), count) in must {
            let there = came.get(&(out, raw.clone())).copied().unwrap_or_default();
            let start = String::from_utf8_lossy(raw).lines().next().unwrap_or_default().to_owned();
            assert!(there >= count, "{what}: lost, though it is not damaged: {start}, from the client: {out}");
        }
    }
}

/// One packet is missing: messages that no record in it carries come out.
#[test]
fn a_missing_packet_costs_what_was_in_it() {
    let mut holes = 0;
    for case in cases().into_iter().filter(Case::is_simple) {
        let whole = undamaged(case);
        let packets = &whole.case.packets;
        for missing in whole.established + 1..packets.len() {
            let Some(segment) = segment(&packets[missing]).filter(|segment| !segment.payload.is_empty()) else {
                continue;
            };
            let what = format!("{} without packet {}", whole.case.name(), missing + 1);
            let left: Vec<_> = (0..packets.len()).filter(|&index| index != missing).collect();
            let left: Vec<_> = left.into_iter().map(|index| &packets[index]).collect();
            let (told, came) = whole.tell(&what, &left);
            let (mut hurt, mut chained, mut gone) = (Vec::new(), false, false);
            for record in whole.records(segment.out) {
                let is_in = (record.packets.0..=record.packets.1).contains(&missing);
                gone |= is_in && whole.is_rc4(); // nobody knows how many bytes of key stream went by
                if is_in || chained || gone {
                    hurt.push(record);
                }
                // Where its length or its end is missing, so is the first block of the next one.
                let ends = [record.packets.0, record.packets.1];
                chained = whole.is_chained() && is_in && ends.contains(&missing);
            }
            whole.check_others(&what, segment.out, &hurt, &came);
            assert!(told.of_kind("loss") > 0 || missing + 6 > packets.len(), "{what}: the hole is not told");
            holes += 1;
        }
    }
    assert!(holes > 500, "{holes}");
}

/// Any packet may be missing, also of a handshake: nothing is invented.
#[test]
fn any_packet_may_be_missing() {
    for case in cases().into_iter().filter(|case| !case.is_unsupported()) {
        let (keys, packets) = (case.keys().store(), &case.packets);
        let whole = tell(packets, with_keys(&keys));
        let sent = tally(whole_messages(&whole).into_iter().map(|message| (message.out, message.raw)));
        for missing in (0..packets.len()).filter(|&index| has_payload(&packets[index])) {
            let left = (0..packets.len()).filter(|&index| index != missing).map(|index| &packets[index]);
            let told = tell(left, with_keys(&keys));
            for (message, count) in tally(whole_messages(&told).into_iter().map(|whole| (whole.out, whole.raw))) {
                let text = String::from_utf8_lossy(&message.1);
                let sent = sent.get(&message).is_some_and(|&sent| count <= sent);
                assert!(sent, "{} without packet {}: never sent: {text}", case.name(), missing + 1);
            }
        }
    }
}

/// Behind a change of keys and a new handshake, a missing packet before them costs no more than elsewhere.
#[test]
fn holes_before_new_keys_are_overcome() {
    for name in ["tls13-aes128-gcm-sha256-key-update", "tls13-chacha20-poly1305-sha256-key-update"] {
        let whole = undamaged(case(name));
        let packets = &whole.case.packets;
        // The packet with the first message of the client, which is in one record with no other.
        let first = whole.messages.iter().find(|message| message.out).unwrap();
        let left: Vec<_> = (0..packets.len()).filter(|&index| index != first.packets.1).collect();
        let left: Vec<_> = left.into_iter().map(|index| &packets[index]).collect();
        let (_, came) = whole.tell(name, &left);
        let hurt: Vec<_> = whole.records(true).iter().filter(|record| record.packets.1 == first.packets.1).collect();
        whole.check_others(name, true, &hurt, &came);
    }
}

/// One byte of a record is altered: nothing of it is shown, it is told, and the others come out.
#[test]
fn an_altered_record_is_told_and_costs_itself() {
    let mut altered = 0;
    for case in cases().into_iter().filter(Case::is_simple) {
        let whole = undamaged(case);
        for out in [true, false] {
            for record in whole.records(out).iter().filter(|record| {
                record.kind == wire::content::APPLICATION_DATA
                    && record.packets.0 > whole.established
                    && record.bytes.len() > 120
            }) {
                let what = format!("{}, the record in packet {}", whole.case.name(), record.packets.1 + 1);
                // The middle of it, neither its header nor its last block.
                let mut packets = whole.case.packets.clone();
                let mut before = record.bytes.start + record.bytes.len() / 2;
                for packet in &mut packets {
                    let Some(segment) =
                        segment(packet).filter(|segment| segment.out == out && segment.client_port == 49201)
                    else {
                        continue;
                    };
                    if before < segment.payload.len() {
                        packet.data[segment.payload.start + before] ^= 0x10;
                        break;
                    }
                    before -= segment.payload.len();
                }
                let (told, came) = whole.tell(&what, &packets.iter().collect::<Vec<_>>());
                let carried = |message: &&Whole| {
                    message.out == out && (message.packets.0..=message.packets.1).contains(&record.packets.1)
                };
                for message in whole.messages.iter().filter(carried) {
                    assert!(!came.contains_key(&(out, message.raw.clone())), "{what}: shown though it is altered");
                }
                whole.check_others(&what, out, &[record], &came);
                assert!(told.of_kind("defect") > 0, "{what}: altered in silence");
                let failed: u64 = told.report.tls_sessions.iter().map(|(_, session)| session.failed_records).sum();
                assert_eq!(failed, 1, "{what}");
                altered += 1;
            }
        }
    }
    assert!(altered > 400, "{altered}");
}

/// Sessions that are resumed need what they resume, and nothing else.
#[test]
fn resumption_needs_the_first_connection() {
    let keys = server_key().store();
    let resumed = cases().into_iter().filter(|case| case.said["rsa_alone"] == true && case.said["resumed"].is_string());
    let mut count = 0;
    for case in resumed {
        let (told, _) = follow(&case.packets, flows(&case.packets)[&49202], &keys);
        let sources: Vec<_> =
            told.report.tls_sessions.iter().map(|(_, session)| session.opened.clone().unwrap()).collect();
        assert_eq!(&*sources[0], "the RSA key rsa.pem", "{}", case.name());
        assert!(sources[1].starts_with("the session it resumes (the RSA key rsa.pem"), "{}", sources[1]);
        let alone = of_port(&case.packets, 49202);
        let (told, plaintext) = follow(&alone, flows(&alone)[&49202], &keys);
        assert_eq!(plaintext, NOTHING, "{}", case.name());
        assert_eq!(told.report.tls_sessions[0].1.not_opened, Some(NotOpened::ResumedUnknown), "{}", case.name());
        // Another client's session is none to resume.
        let moved: Vec<_> = case.packets.iter().map(|packet| move_client(packet, 49201)).collect();
        let (_, plaintext) = follow(&moved, flows(&moved)[&49202], &keys);
        assert_eq!(plaintext, NOTHING, "{}: resumed from another client's", case.name());
        count += 1;
    }
    assert!(count >= 5, "{count}");
}

/// The packet with another address for the client, where it is of that port.
fn move_client(packet: &Owned, port: u16) -> Owned {
    let mut moved = packet.clone();
    if let Some(segment) = segment(packet).filter(|segment| segment.client_port == port) {
        // The last byte of the source or destination address.
        moved.data[14 + if segment.out { 15 } else { 19 }] ^= 0x40;
    }
    moved
}
