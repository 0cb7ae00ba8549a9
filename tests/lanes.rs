//! The result is the same for any number of lanes, byte for byte: one lane works without threads, two and eight
//! with them.

mod common;

use std::path::Path;

use common::trace_log::{PLAIN, client_log, messages};
use common::{Capture, Owned, Scratch, capture, captures, packet, packets, pcap_of, run_in, tls_captures};
use lynccap::model::{LinkType, Span};

/// What the program writes about inputs, with that many lanes.
fn exports(scratch: &Scratch, inputs: &[&str], lanes: usize) -> [Vec<u8>; 3] {
    let lanes = lanes.to_string();
    let outputs = ["rows.csv", "all.json"].map(|name| scratch.file(name));
    let [csv, json] = &outputs;
    let mut arguments = vec!["analyze", "--lanes", &lanes, "--csv", csv, "--json", json];
    arguments.extend(inputs);
    let shown = run_in(scratch.path(), &arguments);
    assert!(
        shown.status.code().is_some_and(|code| code == 0 || code == 3),
        "{}",
        String::from_utf8_lossy(&shown.stderr)
    );
    let [csv, json] = outputs.map(|path| std::fs::read(path).unwrap());
    [shown.stdout, csv, json]
}

#[track_caller]
fn check(scratch: &Scratch, inputs: &[&str]) -> [Vec<u8>; 3] {
    let one = exports(scratch, inputs, 1);
    for lanes in [2, 8] {
        let many = exports(scratch, inputs, lanes);
        for ((what, one), many) in ["the screen", "CSV", "JSON"].iter().zip(&one).zip(&many) {
            let line = || {
                let lines = one.split(|byte| *byte == b'\n').zip(many.split(|byte| *byte == b'\n'));
                let (index, (one, many)) = lines.enumerate().find(|(_, (one, many))| one != many)?;
                Some((index + 1, String::from_utf8_lossy(one), String::from_utf8_lossy(many)))
            };
            assert!(one == many, "{inputs:?}: {what} with {lanes} lanes differs: {:#?}", line());
        }
    }
    one
}

/// A capture and its keys, as arguments.
fn arguments(capture: &Capture) -> Vec<String> {
    let file = |path: &Path| path.to_str().unwrap().to_owned();
    let keys = capture.key_logs().into_iter().flat_map(|path| ["-k".to_owned(), file(&path)]);
    keys.chain([file(&capture.path)]).collect()
}

#[test]
fn every_capture_gives_the_same() {
    let scratch = Scratch::new("lanes-captures");
    for capture in captures().into_iter().chain(tls_captures()) {
        let arguments = arguments(&capture);
        check(&scratch, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

/// Traffic of which every part goes through the lanes another way: all captures in turn packet by packet, so that many
/// connections are under way at once, more than the threads begin with, and with other traffic in between.
fn crowd(files: &[Capture], rounds: usize) -> Vec<Owned> {
    let all: Vec<Vec<Owned>> = files.iter().map(|file| packets(&file.bytes()).0).collect();
    let began = all.iter().flatten().map(|packet| packet.time).min().unwrap();
    let longest = all.iter().map(Vec::len).max().unwrap();
    let mut crowd = Vec::new();
    for number in 0..longest * rounds {
        for (index, packets) in all.iter().enumerate() {
            // Each round another way round, so that answers of one capture meet requests of the others.
            let turn = (number + index * number / longest * 7) % longest;
            let Some(packet) = packets.get(turn) else { continue };
            crowd.push(packet.clone());
            let data = hello(u32::try_from(crowd.len()).unwrap());
            let wire_len = u32::try_from(data.len()).unwrap();
            crowd.push(Owned { link: LinkType::ETHERNET, wire_len, data, ..packet.clone() });
        }
    }
    for (number, packet) in crowd.iter_mut().enumerate() {
        packet.time = began.after(Span::from_millis(i64::try_from(number).unwrap() * 3));
    }
    crowd
}

/// The SYN or the request of a connection that no sign-in asks for: there the sieve looks for news of the story.
fn hello(number: u32) -> Vec<u8> {
    let ends = (packet::address(0xa0_0000 + number / 2), packet::address(0xb0_0000));
    let (flags, payload) =
        if number.is_multiple_of(2) { (2, "") } else { (16, "GET / HTTP/1.1\r\nHost: news.test\r\n\r\n") };
    let segment = packet::segment((50_000, 80), number % 2, 1, flags, payload.as_bytes());
    let ethernet = [&[2; 12][..], &[8, 0]].concat();
    [ethernet, packet::ipv4(ends, 6, (0, 0), &segment)].concat()
}

#[test]
fn a_crowd_gives_the_same() {
    let scratch = Scratch::new("lanes-crowd");
    let ethernet = |capture: &Capture| packets(&capture.bytes()).0.iter().all(|one| one.link == LinkType::ETHERNET);
    let files: Vec<Capture> = captures().into_iter().filter(ethernet).collect();
    let packets = crowd(&files, 3);
    assert!(packets.len() > 8 * 1024, "{} packets are too few for all lanes", packets.len());
    let file = scratch.write("crowd.pcap", pcap_of(&packets));
    let mut arguments: Vec<String> = files.iter().flat_map(arguments).collect();
    arguments.retain(|argument| !files.iter().any(|file| file.path.to_str() == Some(argument)));
    arguments.push(file);
    let [_, csv, _] = check(&scratch, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let rows = csv.split(|byte| *byte == b'\n').count();
    assert!(rows > 2000, "{rows} lines");
}

#[test]
fn logs_and_captures_of_two_places_give_the_same() {
    let scratch = Scratch::new("lanes-logs");
    for name in ["b-login-tcp.pcapng", "e-login-tls13.pcapng"] {
        let login = capture(name);
        let file = login.path.to_str().unwrap();
        let again = scratch.write("again.pcap", pcap_of(&packets(&login.bytes()).0));
        let log = scratch.write("client.uccapilog", client_log(&messages(&login), PLAIN));
        check(&scratch, &[file, &again]);
        check(&scratch, &[&log]);
        check(&scratch, &[file, &log]);
    }
}
