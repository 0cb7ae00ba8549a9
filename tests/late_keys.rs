//! A key log that grows: records wait for their keys, and what they say is the same as with keys from the start.

mod common;

use std::sync::Arc;

use common::{Capture, Owned, capture, captures, check_same, packets, tls_captures};
use lynccap::crypto::KeyStore;
use lynccap::engine::{Engine, Options};
use lynccap::model::tls::{NotOpened, TlsEvent};
use lynccap::model::{At, Direction, FrameNo, InputNo, Limits, Message, Packet, PacketNo, PointNo, Span};
use lynccap::story::Row;

/// A key log without lines.
fn no_lines() -> KeyStore {
    let mut store = KeyStore::default();
    store.add_key_log("keys".into());
    store
}

fn limits(wait: i64) -> Limits {
    Limits { key_wait: Span::from_secs(wait), ..Limits::default() }
}

/// Rows of packets where the keys come after `after` of them; `None` for never.
fn rows(packets: &[Owned], limits: &Limits, keys: &Arc<KeyStore>, after: Option<usize>) -> Vec<Row> {
    let first = if after == Some(0) { keys.clone() } else { Arc::new(no_lines()) };
    let mut engine = Engine::new(Options { limits: limits.clone(), keys: first, ..Options::default() });
    let (mut rows, mut number) = (Vec::new(), PacketNo::FIRST);
    for (index, packet) in packets.iter().enumerate() {
        if after == Some(index) {
            engine.set_keys(keys.clone());
        }
        let at = At { time: packet.time, packet: number, frame: FrameNo(number.get()), input: InputNo(0) };
        let (point, link, wire_len) = (PointNo(0), packet.link, packet.wire_len);
        engine.push(&Packet { at, point, link, wire_len, data: &packet.data });
        number = number.next();
        rows.extend(std::iter::from_fn(|| engine.next_row()));
    }
    if after.is_some_and(|after| after >= packets.len()) {
        engine.set_keys(keys.clone());
    }
    engine.finish();
    rows.extend(std::iter::from_fn(|| engine.next_row()));
    rows.into_iter().map(|row| *row).collect()
}

/// What a row may say otherwise: where it stands, and what was known when it left.
const MAY_DIFFER: [&str; 4] = ["row", "login", "step", "flow"];

#[track_caller]
fn check(capture: &Capture, limits: &Limits, keys: &Arc<KeyStore>, [one, other]: [Option<usize>; 2]) {
    let (packets, _) = packets(&capture.bytes());
    let other_limits = if other == Some(0) || other.is_none() { Limits::default() } else { limits.clone() };
    let mut told = [rows(&packets, limits, keys, one), rows(&packets, &other_limits, keys, other)];
    for rows in &mut told {
        // What a message asks for is watched from then on: connections to a server that it names.
        rows.retain(|row| matches!(row.kind(), "sip" | "tls"));
        // A row that waited for keys longer than rows wait stands behind later ones.
        rows.sort_by_key(|row| (row.at.packet, row.kind(), row.direction == Direction::In));
    }
    let [one, other] = told.each_ref().map(|rows| rows.iter().collect::<Vec<_>>());
    check_same(capture.name(), &one, &other, &MAY_DIFFER);
}

/// Captures whose keys are in a log beside them. Early data does not wait.
fn with_log() -> Vec<Capture> {
    let all = captures().into_iter().chain(tls_captures());
    all.filter(|capture| capture.beside("keys").is_some() && !capture.name().contains("early-data")).collect()
}

#[test]
fn keys_that_come_late_open_the_same() {
    let mut waited = 0;
    for capture in with_log() {
        let keys = capture.keys().store();
        let (packets, _) = packets(&capture.bytes());
        for after in [packets.len() / 2, packets.len()] {
            check(&capture, &limits(1_000_000), &keys, [Some(after), Some(0)]);
        }
        waited += 1;
    }
    assert!(waited > 20, "only {waited} captures");
}

#[test]
fn without_keys_nothing_is_lost_by_waiting() {
    for capture in with_log() {
        let nothing = Arc::new(no_lines());
        check(&capture, &limits(5), &nothing, [None, None]);
        let small = Limits { key_wait_bytes: 3000, ..limits(1_000_000) };
        check(&capture, &small, &nothing, [None, None]);
    }
}

#[test]
fn keys_after_the_time_are_told_as_late() {
    let capture = capture("c-login-tls-keylog.pcapng");
    let (packets, _) = packets(&capture.bytes());
    let last = packets.len() - 2;
    assert!(packets[last].time.since(packets[last / 2].time) > Span::from_secs(6), "there is time to be late");
    let told = rows(&packets, &limits(5), &capture.keys().store(), Some(last));
    let whys: Vec<_> = told.iter().filter_map(why).collect();
    assert!(matches!(whys[..], [NotOpened::NotInKeyLog { .. }, NotOpened::KeysLate]), "{whys:?}");
    assert_eq!(told.iter().filter(|row| row.kind() == "sip").count(), 0);
}

#[test]
fn damaged_sessions_wait_and_end() {
    let mut random = common::Random::new(7);
    for file in ["c-login-tls-keylog.pcapng", "e-login-tls13.pcapng"] {
        let capture = capture(file);
        let keys = capture.keys().store();
        let (whole, _) = packets(&capture.bytes());
        for _ in 0..60 {
            let mut damaged = whole.clone();
            for _ in 0..random.below(20) {
                let index = random.below(damaged.len());
                match random.below(3) {
                    0 => drop(damaged.remove(index)),
                    1 => {
                        let next = (index + 1).min(damaged.len() - 1);
                        damaged.swap(index, next);
                    }
                    _ => {
                        let place = random.below(damaged[index].data.len());
                        damaged[index].data[place] ^= random.byte();
                    }
                }
            }
            let after = random.below(damaged.len() + 1);
            let limits = Limits { key_wait_bytes: 1 << random.below(20), ..limits([1, 2, 5, 8][random.below(4)]) };
            let told = rows(&damaged, &limits, &keys, Some(after));
            assert!((1..4 * whole.len()).contains(&told.len()), "{file}: {} rows", told.len());
        }
    }
}

fn why(row: &Row) -> Option<&NotOpened> {
    let Message::Tls(event) = &row.message else { return None };
    if let TlsEvent::NotOpened(why) = &**event { Some(why) } else { None }
}
