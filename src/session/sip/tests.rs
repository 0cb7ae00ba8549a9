//! Compressed connections through the real decoder, with an encoder that knows each layout.

use std::net::SocketAddr;

use super::*;
use crate::crypto::KeyStore;
use crate::model::sip::SipMessage;
use crate::model::{
    FlowKey, FrameNo, InputNo, Limits, LossCause, Message, Observation, PacketNo, PointNo, Recent, Stats, Timestamp,
    TransportKind,
};
use crate::session::held::Spares;
use crate::session::tls::Resumptions;
use crate::session::tls::certificates::Certificates;
use crate::wire::lz77::encoder::Encoder;

const QUESTION: &[u8] = b"NEGOTIATE sip:192.0.2.10:5061 SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.55:50123\r\n\
    CSeq: 1 NEGOTIATE\r\nCall-ID: 0f3a\r\nFrom: <sip:192.0.2.55:50123>;tag=9c\r\nTo: <sip:192.0.2.10:5061>\r\n\
    Compression: LZ77-8K\r\nMax-Forwards: 0\r\nContent-Length: 0\r\n\r\n";
const AGREED: &[u8] = b"SIP/2.0 200 OK\r\nCompression: LZ77-8K\r\nFrom: <sip:192.0.2.55:50123>;tag=9c\r\n\
    To: <sip:192.0.2.10:5061>;tag=D7\r\nCall-ID: 0f3a\r\nCSeq: 1 NEGOTIATE\r\nContent-Length: 0\r\n\r\n";

/// How a sender writes the header: flags, length of the plain bytes, length of the payload.
type Header = fn(u8, u16, u16) -> Vec<u8>;

const HEADERS: [Header; 3] = [
    |flags, plain, payload| [&[flags << 4, 0][..], &plain.to_be_bytes(), &payload.to_be_bytes()].concat(),
    |flags, _, payload| [&[flags << 4, 0][..], &u32::from(payload).to_be_bytes()].concat(),
    |flags, plain, payload| [&[flags << 4, 0][..], &payload.to_be_bytes(), &plain.to_be_bytes()].concat(),
];

/// One direction's sender.
struct Sender {
    header: Header,
    encoder: Encoder,
}

impl Sender {
    fn new(header: Header) -> Self {
        Self { header, encoder: Encoder::default() }
    }

    fn packet(&self, flags: u8, plain: &[u8], payload: &[u8]) -> Vec<u8> {
        let length = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap();
        [(self.header)(flags, length(plain), length(payload)), payload.to_vec()].concat()
    }

    fn compressed(&mut self, plain: &[u8]) -> Vec<u8> {
        let (at_front, payload) = self.encoder.compress(plain);
        self.packet(if at_front { 6 } else { 2 }, plain, &payload)
    }

    fn flushed(&mut self, plain: &[u8]) -> Vec<u8> {
        self.encoder.clear();
        self.packet(8, plain, plain)
    }
}

/// A request or an answer with a body.
fn message(direction: Direction, number: u32, body: &str) -> Vec<u8> {
    let start = if direction == Direction::Out { "SERVICE sip:ann@ex.test SIP/2.0" } else { "SIP/2.0 200 OK" };
    format!(
        "{start}\r\nVia: SIP/2.0/TLS 192.0.2.55:50123\r\nFrom: <sip:ann@ex.test>;tag=1\r\nTo: <sip:ann@ex.test>\r\n\
         Call-ID: c{number}\r\nCSeq: {number} SERVICE\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A decoder with what it writes to.
struct Bench {
    stream: Stream,
    flow: FlowKey,
    keys: KeyStore,
    resumptions: Resumptions,
    phones: Recent<u32, ()>,
    certificates: Certificates,
    spares: Spares,
    limits: Limits,
    stats: Stats,
    observations: Vec<Observation>,
    at: At,
}

impl Bench {
    /// A connection whose two sides have agreed on compression.
    fn agreed() -> Self {
        let mut bench = Self::new();
        bench.data(Direction::Out, QUESTION);
        bench.data(Direction::In, AGREED);
        bench
    }

    fn new() -> Self {
        let end = |port| SocketAddr::from(([192, 0, 2, 1], port));
        let at = At { time: Timestamp::from_nanos(0), packet: PacketNo::FIRST, frame: FrameNo(1), input: InputNo(0) };
        let flow = FlowKey {
            point: PointNo(0),
            transport: TransportKind::Tcp,
            client: end(50123),
            server: end(5061),
            opened: at.packet,
        };
        let limits = Limits::default();
        Self {
            stream: Stream::new(Carrier::Tls),
            flow,
            keys: KeyStore::default(),
            resumptions: Resumptions::new(16),
            phones: Recent::new(16),
            certificates: Certificates::default(),
            spares: Spares::default(),
            limits,
            stats: Stats::default(),
            observations: Vec::new(),
            at,
        }
    }

    fn with(&mut self, job: impl FnOnce(&mut Stream, At, &mut Output<'_>)) {
        self.at.packet = self.at.packet.next();
        let mut out = Output {
            flow: self.flow,
            keys: &self.keys,
            resumptions: &mut self.resumptions,
            phones: &mut self.phones,
            certificates: &mut self.certificates,
            spares: &mut self.spares,
            limits: &self.limits,
            stats: &mut self.stats,
            observations: &mut self.observations,
            keep: true,
            ignore: false,
            followed: false,
            measured: false,
        };
        job(&mut self.stream, self.at, &mut out);
    }

    fn data(&mut self, direction: Direction, bytes: &[u8]) {
        self.with(|stream, at, out| stream.data(at, direction, bytes.into(), out));
        assert!(self.stream.held() < 64 << 10, "{} bytes are held", self.stream.held());
    }

    fn feed(&mut self, packets: &[(Direction, Vec<u8>)]) {
        for (direction, packet) in packets {
            self.data(*direction, packet);
        }
    }

    fn gap(&mut self, direction: Direction) {
        let loss = Loss { bytes: 0, cause: LossCause::NotCaptured };
        self.with(|stream, at, out| stream.gap(at, direction, loss, out));
    }

    /// Ends; returns the messages behind the negotiation and the defects.
    fn end(mut self) -> (Vec<SipMessage>, Vec<Defect>, Stats) {
        for direction in Direction::BOTH {
            self.with(|stream, at, out| stream.finish(at, direction, out));
        }
        self.with(Decoder::end);
        let (mut messages, mut defects) = (Vec::new(), Vec::new());
        for observation in self.observations {
            assert!(observation.began.packet <= observation.at.packet);
            match observation.message {
                Message::Sip(message) if message.method().is_some_and(|method| method == "NEGOTIATE") => {}
                Message::Sip(message) => messages.push(*message),
                Message::Defect(defect) => defects.push(defect),
                other => panic!("{other:?}"),
            }
        }
        (messages, defects, self.stats)
    }
}

/// Every message came, whole and out of compression, and nothing else.
#[track_caller]
fn check(what: &str, bench: Bench, expected: &[Vec<u8>]) {
    let (messages, defects, stats) = bench.end();
    assert_eq!(defects, [], "{what}");
    let raw: Vec<_> = messages.iter().map(|message| String::from_utf8_lossy(&message.raw)).collect();
    let expected: Vec<_> = expected.iter().map(|raw| String::from_utf8_lossy(raw)).collect();
    assert_eq!(raw, expected, "{what}");
    assert!(messages.iter().all(|message| message.complete && message.compressed), "{what}");
    assert_eq!(stats.get(Counter::SipCompressedUnread), 0, "{what}");
}

type Packets = Vec<(Direction, Vec<u8>)>;

/// Packets of a conversation in turns, with the messages that they carry.
fn conversation(header: Header) -> (Packets, Vec<Vec<u8>>) {
    let (mut out, mut back) = (Sender::new(header), Sender::new(header));
    let (mut packets, mut messages) = (Vec::new(), Vec::new());
    for number in 1..5 {
        let (question, answer) = (message(Direction::Out, number, "<a/>"), message(Direction::In, number, ""));
        let packet = if number == 3 { out.flushed(&question) } else { out.compressed(&question) };
        packets.push((Direction::Out, packet));
        packets.push((Direction::In, if number == 1 { back.flushed(&answer) } else { back.compressed(&answer) }));
        messages.extend([question, answer]);
    }
    (packets, messages)
}

#[test]
fn each_layout_is_recognised() {
    for (number, header) in HEADERS.into_iter().enumerate() {
        let (packets, messages) = conversation(header);
        let mut bench = Bench::agreed();
        bench.feed(&packets);
        check(&format!("layout {number}"), bench, &messages);
    }
}

#[test]
fn packets_are_cut_anywhere() {
    for header in HEADERS {
        let (packets, messages) = conversation(header);
        let longest = packets.iter().map(|(_, packet)| packet.len()).max().unwrap();
        for cut in 1..longest {
            let mut bench = Bench::agreed();
            for (direction, packet) in &packets {
                let (one, other) = packet.split_at(cut.min(packet.len()));
                bench.data(*direction, one);
                bench.data(*direction, other);
            }
            check(&format!("cut at {cut}"), bench, &messages);
        }
        let mut bench = Bench::agreed();
        for (direction, packet) in &packets {
            for &byte in packet {
                bench.data(*direction, &[byte]);
            }
        }
        check("byte by byte", bench, &messages);
    }
}

#[test]
fn plain_packets_do_not_tell_layouts_apart() {
    // Lengths are the same in all of them; the seventh is the first that is compressed.
    for header in HEADERS {
        let mut sender = Sender::new(header);
        let messages: Vec<_> = (1..9).map(|number| message(Direction::Out, number, "x")).collect();
        let mut bench = Bench::agreed();
        for (index, message) in messages.iter().enumerate() {
            let packet = if index < 6 { sender.flushed(message) } else { sender.compressed(message) };
            bench.data(Direction::Out, &packet);
        }
        check("six flushed packets", bench, &messages);
    }
}

#[test]
fn messages_and_packets_need_not_agree() {
    for header in HEADERS {
        let messages: Vec<_> =
            (1..4).map(|number| message(Direction::Out, number, &"<item n='1'/>".repeat(1200))).collect();
        let whole = messages.concat();
        let (mut one_by_one, mut at_once) = (Bench::agreed(), Bench::agreed());
        let mut sender = Sender::new(header);
        let packets: Vec<_> = whole.chunks(5000).map(|chunk| sender.compressed(chunk)).collect();
        for packet in &packets {
            one_by_one.data(Direction::Out, packet);
        }
        at_once.data(Direction::Out, &packets.concat());
        check("one message over several packets", one_by_one, &messages);
        check("all packets at once", at_once, &messages);
        let small: Vec<_> = (1..8).map(|number| message(Direction::In, number, "")).collect();
        let mut bench = Bench::agreed();
        let mut sender = Sender::new(header);
        bench.data(Direction::In, &sender.compressed(&small.concat()));
        bench.data(Direction::In, &[sender.flushed(&small.concat()), KEEP_ALIVE.to_vec()].concat());
        check("several messages in one packet", bench, &[small.clone(), small].concat());
    }
}

const KEEP_ALIVE: &[u8] = b"\r\n\r\n";

#[test]
fn what_stands_behind_the_negotiation_waits_for_its_answer() {
    let mut sender = Sender::new(HEADERS[0]);
    let (question, answer) = (message(Direction::Out, 1, ""), message(Direction::In, 1, ""));
    // The packets of the capture are out of order, and the answer shares one with what follows it.
    let mut bench = Bench::new();
    bench.data(Direction::Out, &[QUESTION, &sender.compressed(&question)].concat());
    let mut server = Sender::new(HEADERS[0]);
    bench.data(Direction::In, &[AGREED, &server.compressed(&answer)].concat());
    check("out of order", bench, &[question, answer]);
}

#[test]
fn an_answer_that_is_lost_shows_in_what_follows() {
    let (mut sender, mut server) = (Sender::new(HEADERS[2]), Sender::new(HEADERS[2]));
    let messages: Vec<_> = (1..3).map(|number| message(Direction::Out, number, "")).collect();
    let answer = message(Direction::In, 2, "");
    let mut bench = Bench::new();
    bench.data(Direction::Out, QUESTION);
    bench.data(Direction::Out, &sender.compressed(&messages[0]));
    bench.gap(Direction::In);
    bench.data(Direction::Out, &sender.compressed(&messages[1]));
    bench.data(Direction::In, &server.compressed(&answer));
    check("the answer is lost", bench, &[messages, vec![answer]].concat());
    // One that refused.
    let mut bench = Bench::new();
    let question = message(Direction::Out, 1, "x");
    bench.data(Direction::Out, &[QUESTION, &question].concat());
    bench.gap(Direction::In);
    let (messages, defects, _) = bench.end();
    assert_eq!((messages.len(), defects.len(), messages[0].compressed), (1, 0, false));
}

#[test]
fn one_packet_alone_is_told_at_the_end() {
    let question = message(Direction::Out, 1, "");
    let mut bench = Bench::agreed();
    bench.data(Direction::Out, &Sender::new(HEADERS[1]).compressed(&question));
    check("one packet", bench, &[question]);
}

#[test]
fn a_refusal_changes_nothing() {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let refused = [text(AGREED).replace("200 OK", "405 No"), text(AGREED).replace("LZ77-8K", "None"), text(AGREED)];
    for answer in refused {
        let mut bench = Bench::new();
        let (question, back) = (message(Direction::Out, 1, "x"), message(Direction::In, 1, ""));
        bench.data(Direction::Out, &[QUESTION, &question].concat());
        bench.data(Direction::In, answer.as_bytes());
        bench.data(Direction::In, &back);
        let (messages, defects, _) = bench.end();
        assert_eq!((messages.len(), defects.len()), (2, 0), "{answer}");
        assert!(messages.iter().all(|message| message.complete && !message.compressed), "{answer}");
    }
}

/// Loses some bytes; those of `tail` must come, and no rubbish.
#[track_caller]
fn check_resumed(what: &str, mut bench: Bench, tail: &[Vec<u8>], packets: &[Vec<u8>]) {
    for packet in packets {
        bench.data(Direction::Out, packet);
    }
    let (messages, defects, _) = bench.end();
    let messages: Vec<_> = messages.iter().map(|message| message.raw.to_vec()).collect();
    assert!(messages.ends_with(tail), "{what}: {} messages", messages.len());
    assert_eq!(messages.len(), 2 + tail.len(), "{what}: those before and those behind");
    assert!(defects.len() <= 2, "{what}: {defects:?}");
}

#[test]
fn a_direction_goes_on_behind_a_hole() {
    for header in HEADERS {
        let messages: Vec<_> = (1..9).map(|number| message(Direction::Out, number, "x")).collect();
        let start = || {
            let (mut bench, mut sender) = (Bench::agreed(), Sender::new(header));
            for message in &messages[..2] {
                bench.data(Direction::Out, &sender.compressed(message));
            }
            sender.compressed(&messages[2]); // is lost
            bench.gap(Direction::Out);
            (bench, sender)
        };
        let (bench, mut sender) = start();
        let unreadable = sender.compressed(&messages[3]);
        let packets = [unreadable[9..].to_vec(), sender.flushed(&messages[4]), sender.compressed(&messages[5])];
        check_resumed("flushed", bench, &messages[4..6], &packets);
        let (bench, mut sender) = start();
        let unreadable = sender.compressed(&messages[3]);
        sender.encoder.clear();
        let packets = [unreadable, sender.compressed(&messages[4]), sender.compressed(&messages[5])];
        check_resumed("at front", bench, &messages[4..6], &packets);
    }
}

#[test]
fn a_direction_goes_on_behind_an_inconsistent_packet() {
    for header in HEADERS {
        let messages: Vec<_> = (1..9).map(|number| message(Direction::Out, number, "x")).collect();
        for (what, flags) in [("flags that exclude each other", 0xa), ("a payload that is none", 2)] {
            for at_once in [false, true] {
                let (mut bench, mut sender) = (Bench::agreed(), Sender::new(header));
                for message in &messages[..2] {
                    bench.data(Direction::Out, &sender.compressed(message));
                }
                let bad = sender.packet(flags, &[0xff; 40], &[0xff; 30]);
                let useless = sender.compressed(&messages[3]);
                let packets = [bad, useless, sender.flushed(&messages[4]), sender.compressed(&messages[5])];
                let packets = if at_once { vec![packets.concat()] } else { packets.to_vec() };
                check_resumed(what, bench, &messages[4..6], &packets);
            }
        }
    }
}

#[track_caller]
fn check_unread(what: &str, parts: &[(Direction, Vec<u8>)]) {
    let mut bench = Bench::agreed();
    bench.feed(parts);
    let (messages, defects, stats) = bench.end();
    let bytes: usize = parts.iter().map(|(_, part)| part.len()).sum();
    assert_eq!((messages.len(), defects.len()), (0, 1), "{what}: {defects:?}");
    let expected = format!("compressed SIP, header layout not recognised: {bytes} bytes passed over");
    assert_eq!((defects[0].what.as_ref(), defects[0].skipped), (expected.as_str(), bytes as u64), "{what}");
    assert_eq!(stats.get(Counter::SipCompressedUnread), bytes as u64, "{what}");
}

#[test]
fn an_unknown_layout_is_told_once() {
    let messages: Vec<_> = (1..5).map(|number| message(Direction::Out, number, "x")).collect();
    let unknown: Header = |flags, _, payload| [&payload.to_le_bytes()[..], &[flags, 0, 0, 0, 0, 0]].concat();
    let mut sender = Sender::new(unknown);
    let packets: Vec<_> = messages.iter().map(|message| (Direction::Out, sender.compressed(message))).collect();
    check_unread("another layout", &packets);
    let other: Header =
        |flags, plain, payload| [&[flags << 4], &payload.to_le_bytes()[..], &plain.to_le_bytes(), &[0]].concat();
    let mut sender = Sender::new(other);
    let packets: Vec<_> = messages.iter().map(|message| (Direction::Out, sender.compressed(message))).collect();
    check_unread("one that passes for a method", &packets);
    check_unread("noise", &[(Direction::Out, vec![0xff; 3000]), (Direction::In, vec![0x17; 9000])]);
    check_unread("zeros", &[(Direction::In, vec![0; 20_000]), (Direction::In, vec![0; 20_000])]);
    check_unread("too short", &[(Direction::Out, vec![0x80, 0, 0])]);
    check_unread(
        "a packet that never ends",
        &[(Direction::Out, [&[0x20, 0, 0, 0, 0x1f, 0][..], &[0x80; 90]].concat())],
    );
    // Text that stands where a layout is expected, but is no SIP.
    check_unread("text", &[(Direction::Out, b"<html> ".repeat(5000))]);
}

#[test]
fn what_did_fit_is_told() {
    let (mut bench, first) = (Bench::agreed(), message(Direction::Out, 1, ""));
    bench.data(Direction::Out, &Sender::new(HEADERS[0]).compressed(&first));
    bench.data(Direction::Out, &[0xff; 100]);
    bench.data(Direction::In, &[0xff; 50]);
    let (messages, defects, _) = bench.end();
    assert_eq!((messages.len(), messages[0].raw.as_ref()), (1, first.as_slice()));
    assert_eq!(defects[0].what, "compressed SIP, header layout not recognised: 150 bytes passed over");
    assert_eq!(defects.len(), 1);
}

#[test]
fn noise_behind_good_packets_ends() {
    let mut seed = 7_u64;
    for header in HEADERS {
        let (packets, _) = conversation(header);
        for length in (1..600).step_by(7) {
            let mut bench = Bench::agreed();
            bench.feed(&packets);
            let noise = std::iter::repeat_with(|| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                seed.to_be_bytes()[0]
            });
            let noise: Vec<u8> = noise.take(length).collect();
            for part in noise.chunks(11) {
                bench.data(Direction::Out, part);
            }
            let (messages, defects, stats) = bench.end();
            assert_eq!(messages.len(), 8);
            assert!(defects.len() <= 2, "{defects:?}");
            assert!(stats.get(Counter::SipCompressedUnread) <= length as u64);
        }
    }
}

#[test]
fn what_is_held_can_be_given_up() {
    let (packets, messages) = conversation(HEADERS[0]);
    let mut bench = Bench::agreed();
    bench.feed(&packets);
    bench.data(Direction::Out, &packets[2].1[..12]);
    assert!(bench.stream.held() > 400, "the histories weigh");
    bench.with(Decoder::relieve);
    assert_eq!(bench.stream.held(), 0);
    bench.data(Direction::Out, &Sender::new(HEADERS[0]).flushed(&messages[0]));
    let (told, defects, _) = bench.end();
    assert_eq!((told.len(), defects.len()), (messages.len() + 1, 1));
}
