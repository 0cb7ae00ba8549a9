//! The result is the same for any number of lanes, byte for byte: one lane works without threads, two and eight
//! with them.

mod common;

use std::path::Path;

use common::trace_log::{PLAIN, client_log, messages};
use common::{
    Capture, Conversation, Owned, Scratch, capture, captures, packet, packets, pcap_of, request, run_in, tls_captures,
};
use lynccap::model::{LinkType, Span, Timestamp};

/// What the program writes about inputs, with that many lanes.
fn exports(scratch: &Scratch, inputs: &[&str], lanes: usize) -> [Vec<u8>; 5] {
    let lanes = lanes.to_string();
    let outputs = ["rows.csv", "rows.jsonl", "all.json"].map(|name| scratch.file(name));
    let [csv, jsonl, json] = &outputs;
    let mut arguments = vec!["analyze", "--lanes", &lanes, "--csv", csv, "--jsonl", jsonl, "--json", json];
    arguments.extend(inputs);
    let shown = run_in(scratch.path(), &arguments);
    assert!(
        shown.status.code().is_some_and(|code| code == 0 || code == 3),
        "{}",
        String::from_utf8_lossy(&shown.stderr)
    );
    let [csv, jsonl, json] = outputs.map(|path| std::fs::read(path).unwrap());
    [shown.stdout, shown.stderr, csv, jsonl, json]
}

#[track_caller]
fn check(scratch: &Scratch, inputs: &[&str], numbers: &[usize]) -> [Vec<u8>; 5] {
    let one = exports(scratch, inputs, 1);
    for &lanes in numbers {
        let many = exports(scratch, inputs, lanes);
        for ((what, one), many) in
            ["the screen", "what is complained of", "CSV", "JSON lines", "JSON"].iter().zip(&one).zip(&many)
        {
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
        check(&scratch, &arguments.iter().map(String::as_str).collect::<Vec<_>>(), &[2, 8]);
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

/// The SYN or the request of a connection that no sign-in asks for: there the sieve looks for news of the story. Or a
/// SYN to a SIP server that nothing answers.
fn hello(number: u32) -> Vec<u8> {
    let ends = (packet::address(0xa0_0000 + number / 2), packet::address(0xb0_0000));
    let (flags, payload) =
        if number.is_multiple_of(2) { (2, "") } else { (16, "GET / HTTP/1.1\r\nHost: news.test\r\n\r\n") };
    let segment = packet::segment((50_000, 80), number % 2, 1, flags, payload.as_bytes());
    ethernet(&packet::ipv4(ends, 6, (0, 0), &segment))
}

fn ethernet(ip: &[u8]) -> Vec<u8> {
    [&[2; 12][..], &[8, 0], ip].concat()
}

#[test]
fn a_crowd_gives_the_same() {
    let scratch = Scratch::new("lanes-crowd");
    let is_ethernet = |capture: &Capture| packets(&capture.bytes()).0.iter().all(|one| one.link == LinkType::ETHERNET);
    let files: Vec<Capture> = captures().into_iter().filter(is_ethernet).collect();
    let packets = crowd(&files, 3);
    assert!(packets.len() > 8 * 1024, "{} packets are too few for all lanes", packets.len());
    let file = scratch.write("crowd.pcap", pcap_of(&packets));
    let mut arguments: Vec<String> = files.iter().flat_map(arguments).collect();
    arguments.retain(|argument| !files.iter().any(|file| file.path.to_str() == Some(argument)));
    arguments.push(file);
    let [_, _, csv, ..] = check(&scratch, &arguments.iter().map(String::as_str).collect::<Vec<_>>(), &[2, 3, 8]);
    let rows = csv.split(|byte| *byte == b'\n').count();
    assert!(rows > 2000, "{rows} lines");
}

#[test]
fn two_busy_addresses_give_the_same() {
    // All of it is one lane's, which must have room for more than its part: all connections are open at once.
    const CONNECTIONS: u32 = 5000;
    let scratch = Scratch::new("lanes-busy");
    let mut conversations: Vec<_> = (0..CONNECTIONS).map(|number| Conversation::new(number, 5060)).collect();
    let mut frames: Vec<Vec<u8>> = conversations.iter().flat_map(Conversation::open).collect();
    for (conversation, number) in conversations.iter_mut().zip(0..) {
        let whole = request(number, "what a connection carries");
        let (begin, end) = whole.split_at(40);
        frames.push(conversation.send(begin.as_bytes()));
        frames.push(conversation.send(end.as_bytes()));
    }
    let began = Timestamp::from_nanos(1_700_000_000_000_000_000);
    let owned = frames.into_iter().zip(0..).map(|(data, number)| Owned {
        time: began.after(Span::from_nanos(number * 100_000)),
        link: LinkType::RAW,
        wire_len: u32::try_from(data.len()).unwrap(),
        data,
    });
    let file = scratch.write("busy.pcap", pcap_of(&owned.collect::<Vec<_>>()));
    let [_, _, csv, ..] = check(&scratch, &[&file], &[2, 8]);
    let lines: Vec<&[u8]> = csv.split(|byte| *byte == b'\n').collect();
    let has =
        |word: &str| lines.iter().filter(|line| line.windows(word.len()).any(|part| part == word.as_bytes())).count();
    assert_eq!((has(",SERVICE,"), has("connected")), (CONNECTIONS as usize, CONNECTIONS as usize), "all are told");
}

#[test]
fn logs_and_captures_of_two_places_give_the_same() {
    let scratch = Scratch::new("lanes-logs");
    for name in ["b-login-tcp.pcapng", "e-login-tls13.pcapng"] {
        let login = capture(name);
        let file = login.path.to_str().unwrap();
        let again = scratch.write("again.pcap", pcap_of(&packets(&login.bytes()).0));
        let said = messages(&login);
        check(&scratch, &[file, &again], &[2, 8]);
        // Longer than the threads begin with.
        let mut log = Vec::new();
        for turn in 0..40 {
            let mut said = said.clone();
            for message in &mut said {
                message.client.set_port(20_000 + turn);
            }
            log.extend(client_log(&said, PLAIN));
        }
        let many = scratch.write("many.uccapilog", log);
        let log = scratch.write("client.uccapilog", client_log(&said, PLAIN));
        check(&scratch, &[&many], &[2, 8]);
        check(&scratch, &[file, &log], &[2, 8]);
    }
}
