//! A source that falls silent: time passes by the clock of whoever captures, and what waits for time is told.

mod common;

use common::{Conversation, packet};
use lynccap::engine::{Engine, Options};
use lynccap::model::{At, FrameNo, InputNo, Limits, LinkType, Packet, PacketNo, PointNo, Span, Timestamp};

const BEGAN: i64 = 1_800_000_000;

fn push(engine: &mut Engine, number: PacketNo, time: Timestamp, data: &[u8]) {
    let at = At { time, packet: number, frame: FrameNo(number.get()), input: InputNo(0) };
    engine.push(&Packet { at, point: PointNo(0), link: LinkType::RAW, wire_len: 60, data });
}

#[test]
fn silence_tells_what_was_not_answered_and_ends_attempts() {
    let limits = Limits { row_age: Span::from_secs(1), ..Limits::default() };
    let mut engine = Engine::new(Options { limits, ..Options::default() });
    let [syn, ..] = Conversation::new(1, 5061).open();
    push(&mut engine, PacketNo::FIRST, Timestamp::new(BEGAN, 0), &syn);
    let mut told = Vec::new();
    for second in 1..120 {
        engine.advance(Timestamp::new(BEGAN + second, 0));
        told.extend(std::iter::from_fn(|| engine.next_row()).map(|row| (second, row.kind())));
        told.extend(std::iter::from_fn(|| engine.next_login()).map(|_| (second, "login")));
    }
    let seconds: Vec<_> = told.iter().map(|(second, _)| *second).collect();
    assert_eq!(told.iter().map(|(_, what)| *what).collect::<Vec<_>>(), ["tcp", "login"], "{seconds:?}");
    assert!((15..=18).contains(&seconds[0]) && (60..=80).contains(&seconds[1]), "{seconds:?}");
}

#[test]
fn a_row_leaves_though_nothing_follows() {
    let limits = Limits { row_age: Span::from_millis(800), ..Limits::default() };
    let mut engine = Engine::new(Options { limits, ..Options::default() });
    let query = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x03sip\x03lab\x04test\0\0\x01\0\x01";
    let ends = (packet::address(2), packet::address(3));
    let datagram = packet::ipv4(ends, 17, (0, 0x4000), &packet::datagram((40_000, 53), query));
    push(&mut engine, PacketNo::FIRST, Timestamp::new(BEGAN, 0), &datagram);
    engine.advance(Timestamp::new(BEGAN, 700_000_000));
    assert!(engine.next_row().is_none(), "something may come before it");
    engine.advance(Timestamp::new(BEGAN, 900_000_000));
    assert_eq!(engine.next_row().map(|row| row.kind()), Some("dns"));
}
