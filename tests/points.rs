//! Captures of two places: a message that both have is one, their clocks are compared, sign-ins name each other.
#![expect(clippy::indexing_slicing, reason = "a test that indexes out of bounds fails, as it should")]

mod common;

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use common::{Owned, Scratch, Told, capture, packets, pcap_of, run_in, tell_files};
use lynccap::model::{Message, Span};
use lynccap::story::Row;
use serde_json::Value as Json;

const FILE: &str = "b-login-tcp.pcapng";
/// How far the second clock is ahead, and how long a packet takes.
const AHEAD: Span = Span::from_millis(2500);
const TRANSIT: Span = Span::from_millis(20);

fn original() -> Vec<Owned> {
    packets(&capture(FILE).bytes()).0
}

/// How many SIP messages the server of the capture recorded.
fn sent() -> usize {
    let truth = std::fs::read_to_string(capture(FILE).beside("truth.jsonl").unwrap()).unwrap();
    let truth = truth.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    truth.filter(|line| line["kind"] == "sip").count()
}

/// The address of the client.
fn client() -> [u8; 4] {
    let told = tell_files(&[&capture(FILE).path], capture(FILE).keys().options());
    let row = told.rows.iter().find(|row| row.kind() == "sip").expect("the capture has SIP");
    match row.flow.unwrap().key.client.ip() {
        IpAddr::V4(address) => Ipv4Addr::octets(&address),
        IpAddr::V6(_) => panic!("the client has an IPv4 address"),
    }
}

/// The capture as the server's side sees it.
fn seen_by_server(ahead: Span) -> Vec<Owned> {
    let client = client();
    let mut packets = original();
    for packet in &mut packets {
        let is_out = packet.data.get(26..30) == Some(&client);
        let transit = if is_out { TRANSIT } else { Span::from_nanos(-TRANSIT.as_nanos()) };
        packet.time = packet.time.after(ahead).after(transit);
    }
    packets
}

fn tell(scratch: &Scratch, files: [(&str, &[Owned]); 2]) -> Told {
    let paths = files.map(|(name, packets)| scratch.write(name, pcap_of(packets)));
    tell_files(&paths.each_ref().map(Path::new), capture(FILE).keys().options())
}

/// SIP rows of the file of that place in the order given.
fn sip(told: &Told, input: usize) -> Vec<&Row> {
    told.rows.iter().filter(|row| row.kind() == "sip" && row.at.input.index() == input).collect()
}

fn check_nothing(told: &Told) {
    assert!(told.rows.iter().any(|row| row.kind() == "sip"));
    assert!(told.rows.iter().all(|row| row.also_seen.is_none()));
    assert!(told.report.points.is_empty());
    assert!(!told.logins.is_empty() && told.logins.iter().all(|(login, _)| login.same_as.is_none()));
}

#[track_caller]
fn check_near(found: Option<Span>, expected: Span) {
    let found = found.expect("both directions are there");
    assert!((found.as_nanos() - expected.as_nanos()).abs() < 5_000_000, "{found:?}, expected {expected:?}");
}

#[test]
fn what_both_places_have_is_the_same() {
    let scratch = Scratch::new("points-same");
    let told = tell(&scratch, [("client.pcap", &original()), ("server.pcap", &seen_by_server(AHEAD))]);
    let (first, second) = (sip(&told, 0), sip(&told, 1));
    assert_eq!(first.len(), sent());
    assert_eq!(first.len(), second.len());
    for (one, other) in first.iter().zip(&second) {
        assert_eq!(one.also_seen, None);
        let also = other.also_seen.as_deref().expect("the other place has it");
        assert_eq!((also.row, also.at), (one.number, one.at));
        assert!(also.input.as_deref().is_some_and(|name| name.ends_with("client.pcap")));
        assert_eq!(also.delta, other.at.time.since(one.at.time));
        assert!(also.changed.is_empty(), "{:?}", also.changed);
        let (Message::Sip(one), Message::Sip(other)) = (&one.message, &other.message) else { panic!("no SIP") };
        assert_eq!(one.raw, other.raw);
    }
    let [pair] = &told.report.points[..] else { panic!("{} pairs", told.report.points.len()) };
    assert_eq!((pair.messages, pair.changed), (first.len() as u64, 0));
    assert!(pair.inputs[0].ends_with("client.pcap") && pair.inputs[1].ends_with("server.pcap"), "{:?}", pair.inputs);
    check_near(pair.ahead, AHEAD);
    check_near(pair.transit, TRANSIT);
}

#[test]
fn a_capture_that_is_behind_has_a_message_first() {
    let scratch = Scratch::new("points-behind");
    let behind = Span::from_nanos(-AHEAD.as_nanos());
    let told = tell(&scratch, [("client.pcap", &original()), ("server.pcap", &seen_by_server(behind))]);
    assert!(sip(&told, 1).iter().all(|row| row.also_seen.is_none()));
    assert!(sip(&told, 0).iter().all(|row| row.also_seen.as_deref().is_some_and(|also| also.delta > Span::default())));
    // The place whose packets begin first comes first.
    let [pair] = &told.report.points[..] else { panic!("{} pairs", told.report.points.len()) };
    assert!(pair.inputs[0].ends_with("server.pcap"));
    assert_eq!(pair.messages, sip(&told, 0).len() as u64);
    check_near(pair.ahead, AHEAD);
    check_near(pair.transit, TRANSIT);
    assert_eq!(told.logins.iter().filter(|(login, _)| login.same_as.is_some()).count(), 2);
}

/// Another byte at the end of the first place where that text stands, as a hop would rewrite it.
fn rewrite(packets: &mut [Owned], text: &[u8]) {
    let place = |packet: &Owned| packet.data.windows(text.len()).position(|window| window == text);
    let (packet, place) =
        packets.iter_mut().find_map(|packet| place(packet).map(|place| (packet, place))).expect("the text is there");
    packet.data[place + text.len() - 1] ^= 1;
}

#[test]
fn what_a_hop_changed_is_named() {
    let scratch = Scratch::new("points-changed");
    let mut packets = seen_by_server(AHEAD);
    rewrite(&mut packets, b"User-Agent: Purple/2");
    rewrite(&mut packets, b"branch=z9hG4bK097F8B89");
    rewrite(&mut packets, b"SIP/2.0 200 OK");
    let told = tell(&scratch, [("client.pcap", &original()), ("server.pcap", &packets)]);
    let also = sip(&told, 1).into_iter().map(|row| row.also_seen.as_deref().expect("the other place has it"));
    let mut named: Vec<&str> = also.flat_map(|also| &also.changed).map(|name| &**name).collect();
    named.sort_unstable();
    assert_eq!(named, ["User-Agent", "Via", "start line"]);
    assert_eq!(told.report.points[0].changed, 3);
}

#[test]
fn both_sign_ins_name_the_other() {
    let scratch = Scratch::new("points-logins");
    let told = tell(&scratch, [("client.pcap", &original()), ("server.pcap", &seen_by_server(AHEAD))]);
    let same: Vec<_> = told.logins.iter().filter_map(|(login, _)| Some((login.id, login.same_as.clone()?))).collect();
    assert_eq!(same.len(), 2, "{same:?}");
    for (id, other) in &same {
        assert!(same.iter().any(|(known, back)| *known == other.login && back.login == *id), "{same:?}");
        let (login, _) = told.logins.iter().find(|(login, _)| login.id == other.login).unwrap();
        assert!(login.client.is_ipv4() && login.registered.is_some());
    }

    scratch.write("client.pcap", pcap_of(&original()));
    scratch.write("server.pcap", pcap_of(&seen_by_server(AHEAD)));
    let arguments = ["analyze", "client.pcap", "server.pcap", "--json", "report.json", "--jsonl", "rows.jsonl"];
    let output = run_in(scratch.path(), &arguments);
    let screen = String::from_utf8_lossy(&output.stdout);
    for (id, other) in &same {
        assert!(screen.contains(&format!("same sign-in as {id}, seen at ")), "{other:?}: {screen}");
    }
    assert!(screen.contains("the clock of server.pcap is 2.50 s ahead of that of client.pcap"), "{screen}");
    let report = std::fs::read_to_string(scratch.file("report.json")).unwrap();
    let report: Json = serde_json::from_str(&report).unwrap();
    assert_eq!(report["points"][0]["messages"], sip(&told, 1).len());
    assert!((report["points"][0]["ahead_s"].as_f64().unwrap() - 2.5).abs() < 0.005);
    let ids = report["logins"].as_array().unwrap().iter().filter_map(|login| login["same_as"].as_u64()).count();
    assert_eq!(ids, 2);
    let rows = std::fs::read_to_string(scratch.file("rows.jsonl")).unwrap();
    let rows: Vec<Json> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen: Vec<_> = rows.iter().filter_map(|row| row.get("also_seen")).collect();
    assert_eq!(seen.len(), sip(&told, 1).len());
    assert!(seen.iter().all(|seen| seen["input"] == "client.pcap" && seen["changed"] == Json::Array(Vec::new())));
}

#[test]
fn one_capture_has_one_place() {
    check_nothing(&tell_files(&[&capture(FILE).path], capture(FILE).keys().options()));
}

#[test]
fn files_of_a_ring_are_one_place() {
    let packets = original();
    let (one, other) = packets.split_at(packets.len() / 2);
    check_nothing(&tell(&Scratch::new("points-ring"), [("1.pcap", one), ("2.pcap", other)]));
}
