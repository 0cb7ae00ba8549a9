//! Memory keeps to its bound whatever the traffic: floods of many times the bound, each in a process of
//! its own that measures itself.
#![cfg(target_os = "linux")]

mod common;

use std::process::Command;

use common::packet::{self, ACK, SYN};
use common::{Conversation, Feed, request, small};
use lynccap::model::{LinkType, Timestamp};

/// Set where a test is to measure itself.
const MEASURES: &str = "LYNCCAP_TEST_MEASURES";

/// How far above the 4 MiB of [`small`] the process may go: the allocator's slack, and what is held
/// without being counted because it cannot be much.
const ROOM_KIB: usize = 24 << 10;

/// Most memory that the process ever held, in KiB.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

struct Traffic {
    feed: Feed,
    now: i64,
}

impl Traffic {
    fn push(&mut self, packet: &[u8]) {
        self.now += 100_000;
        self.feed.push(Timestamp::from_nanos(self.now), LinkType::RAW, packet);
    }

    fn open(&mut self, conversation: &Conversation) {
        conversation.open().iter().for_each(|packet| self.push(packet));
    }
}

/// Runs `generate` in a process of its own, the test of that name once more, which measures itself.
#[track_caller]
fn check(test: &str, generate: impl FnOnce(&mut Traffic)) {
    if std::env::var_os(MEASURES).is_none() {
        let program = std::env::current_exe().unwrap();
        let output = Command::new(program).args([test, "--exact", "--nocapture"]).env(MEASURES, "1").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "no test is called {test}");
        return;
    }
    let before = peak();
    let mut traffic = Traffic { feed: Feed::new(small()).without_rows(), now: 1_700_000_000_000_000_000 };
    generate(&mut traffic);
    let running = peak() - before;
    traffic.feed.finish();
    let used = peak() - before;
    assert!(used <= ROOM_KIB, "{test}: {used} KiB, of them {running} KiB before the end; {ROOM_KIB} are allowed");
}

#[test]
fn syns_to_a_sip_port() {
    check("syns_to_a_sip_port", |traffic| {
        for number in 0..80_000 {
            let ends = (packet::address(0x20_0000 + number), packet::address(1));
            let segment = packet::segment((1025, 5061), number, 0, SYN, &[]);
            traffic.push(&packet::ipv4(ends, 6, (0, 0), &segment));
        }
    });
}

#[test]
fn connections_that_stay_silent() {
    check("connections_that_stay_silent", |traffic| {
        for number in 0..80_000 {
            traffic.open(&Conversation::new(number, 5061));
        }
    });
}

#[test]
fn registers_without_an_answer() {
    check("registers_without_an_answer", |traffic| {
        for number in 0..30_000 {
            let mut conversation = Conversation::new(number, 5060);
            traffic.open(&conversation);
            let message = request(number, "").replace("SERVICE", "REGISTER").replace("ann@", &format!("ann{number}@"));
            traffic.push(&conversation.send(message.as_bytes()));
        }
    });
}

#[test]
fn answers_for_watched_names() {
    check("answers_for_watched_names", |traffic| {
        for number in 0..40_000_u32 {
            let name = format!("lyncdiscover.d{number}.test");
            let labels =
                name.split('.').map(|label| [&[u8::try_from(label.len()).unwrap()], label.as_bytes()].concat());
            let question = [labels.collect::<Vec<_>>().concat(), vec![0, 0, 1, 0, 1]].concat();
            let address = [&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4][..], &number.to_be_bytes()].concat();
            let (client, server) = (packet::address(0x20_0000 + number), packet::address(1));
            let query = [&[0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], &question].concat();
            let answer = [&[0, 1, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0][..], &question, &address].concat();
            traffic.push(&packet::ipv4((client, server), 17, (0, 0), &packet::datagram((4000, 53), &query)));
            traffic.push(&packet::ipv4((server, client), 17, (0, 0), &packet::datagram((53, 4000), &answer)));
        }
    });
}

#[test]
fn bodies_in_segments_of_one_byte() {
    check("bodies_in_segments_of_one_byte", |traffic| {
        for number in 0..16 {
            let mut conversation = Conversation::new(number, 5060);
            traffic.open(&conversation);
            let whole = request(number, &"w".repeat(100_000));
            let (head, body) = whole.as_bytes().split_at(400);
            traffic.push(&conversation.send(head));
            body.iter().take(40_000).for_each(|byte| traffic.push(&conversation.send(&[*byte])));
        }
    });
}

#[test]
fn single_bytes_behind_holes() {
    check("single_bytes_behind_holes", |traffic| {
        for number in 0..30 {
            let mut conversation = Conversation::new(number, 5060);
            traffic.open(&conversation);
            for _ in 0..8000 {
                conversation.lose(1);
                traffic.push(&conversation.send(b"x"));
            }
        }
    });
}

#[test]
fn tiny_fragments() {
    check("tiny_fragments", |traffic| {
        for number in 0..200_000_u32 {
            let [high, low, ..] = (number / 50).to_be_bytes()[2..] else { return };
            let id = u16::from_be_bytes([high, low]);
            let offset = u16::try_from(number % 50 * 2 + 2).unwrap();
            let ends = (packet::address(number / 3_276_800), packet::address(1));
            traffic.push(&packet::ipv4(ends, 17, (id, 0x2000 | offset), &[0; 8]));
        }
    });
}

#[test]
fn long_call_ids() {
    check("long_call_ids", |traffic| {
        let mut conversation = Conversation::new(0, 5060);
        traffic.open(&conversation);
        for number in 0..1200 {
            let long = format!("Call-ID: {}{number}\r\n", "i".repeat(39_000));
            let message = request(number, "").replace(&format!("Call-ID: call{number}\r\n"), &long);
            message.as_bytes().chunks(20_000).for_each(|part| traffic.push(&conversation.send(part)));
        }
        assert!(traffic.feed.released() > 1000, "messages are told");
    });
}

#[test]
fn heads_of_junk_lines() {
    check("heads_of_junk_lines", |traffic| {
        for number in 0..60 {
            let mut conversation = Conversation::new(number, 5060);
            traffic.open(&conversation);
            let text = format!("REGISTER sip:a SIP/2.0\r\n{}\r\n", "j\n".repeat(30_000));
            text.as_bytes().chunks(1400).for_each(|part| traffic.push(&conversation.send(part)));
        }
    });
}

#[test]
fn streams_of_an_unknown_kind() {
    check("streams_of_an_unknown_kind", |traffic| {
        for number in 0..4000 {
            let mut conversation = Conversation::new(number, 9999);
            traffic.open(&conversation);
            traffic.push(&conversation.send(format!("SUBSCRIBE sip:{}", "u".repeat(1300)).as_bytes()));
            traffic.push(&conversation.answer(b"SIP/2"));
        }
    });
}

#[test]
fn look_ups_with_many_records() {
    check("look_ups_with_many_records", |traffic| {
        // A name of 250 bytes, and a thousand records that point to it.
        let mut message = vec![0, 1, 0x81, 0x80, 0, 1, 3, 0xe8, 0, 0, 0, 0];
        (0..4).for_each(|_| message.extend([&[60_u8][..], &[0xf0; 60]].concat()));
        message.extend([0, 0, 1, 0, 1]);
        (0..1000).for_each(|_| message.extend([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 2, 0xc0, 12]));
        for number in 0..60 {
            let ends = (packet::address(3), packet::address(0x40_0000 + number));
            traffic.push(&packet::ipv4(ends, 17, (0, 0), &packet::datagram((53, 4000), &message)));
        }
    });
}

#[test]
fn rows_that_wait() {
    check("rows_that_wait", |traffic| {
        let mut conversation = Conversation::new(0, 5060);
        traffic.open(&conversation);
        for number in 0..20_000 {
            traffic.push(&conversation.send(request(number, "").as_bytes()));
            traffic.push(&conversation.raw(false, 5000, conversation.seq(), ACK, &[]));
        }
    });
}
