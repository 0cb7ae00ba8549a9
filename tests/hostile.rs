//! Damaged captures and hostile traffic: nothing panics, everything ends, rows stay in order, what lies
//! before a damage is told as ever, and what is dropped for a bound is counted.
#![expect(clippy::indexing_slicing, reason = "a test that indexes out of bounds fails, as it should")]

mod common;

use std::sync::mpsc;
use std::time::Duration;

use common::packet::{self, ACK, FIN, RST, SYN};
use common::{
    Capture, Conversation, End, Feed, Keys, Owned, Random, Told, captures, check_same, packets, request, small, tell,
    tell_raw, tls_captures,
};
use lynccap::engine::Options;
use lynccap::model::tls::TlsEvent;
use lynccap::model::{Counter, Limits, LinkType, Message, Span, TcpEvent, Timestamp};
use lynccap::story::Row;

fn all_captures() -> Vec<Capture> {
    captures().into_iter().chain(tls_captures()).collect()
}

/// Every capture without keys, and once more with those that open it, so that what is damaged also
/// reaches ciphers and what stands behind them.
fn with_and_without_keys() -> Vec<(Capture, Options)> {
    let mut all = Vec::new();
    for capture in all_captures() {
        let keys = capture.keys();
        if !keys.is_empty() {
            all.push((capture.clone(), Options { keys: keys.store(), ..small() }));
        }
        all.push((capture, small()));
    }
    all
}

/// Captures that an RSA key opens, with that key alone: few, as they take long.
fn with_rsa_keys() -> Vec<(Capture, Options)> {
    let key = common::folder().join("tls/rsa.pem");
    let all = tls_captures().into_iter().filter(|capture| capture.file.contains("-rsa-")).step_by(8);
    let keys = || Keys::default().rsa_file(&key).store();
    all.map(|capture| (capture, Options { keys: keys(), ..small() })).collect()
}

/// How far apart places must be so that there are at most `most` of them.
fn stride(length: usize, most: usize) -> usize {
    length.div_ceil(most).max(1)
}

// Damaged captures.

/// Packets between a place and the end of a capture within which rows may be told later than they
/// happened: a message behind a hole is told once the hole is filled or given up.
const MARGIN: u64 = 32;

/// The rows of a capture cut after packet `upto` that must be the same as those of the whole one.
///
/// Not compared are rows that say how something stood at the end: an attempt to connect that nothing
/// answered (yet), bytes missing (so far), a message or a look-up that is incomplete (so far), how much a
/// TLS session carried (so far). Nor are
/// the numbers of rows, which those rows shift, and what a later packet decides: to which sign-in and
/// step a row belongs, and which findings cite it.
fn settled(told: &Told, upto: u64) -> Vec<&Row> {
    let is_settled = |row: &&Row| match &row.message {
        Message::Lost(_) | Message::Defect(_) => false,
        Message::Sip(message) => message.complete,
        Message::Tcp(event) => !matches!(event, TcpEvent::Unanswered { .. }),
        Message::Tls(event) => !matches!(**event, TlsEvent::Closed { .. }),
        _ => true,
    };
    told.rows.iter().filter(|row| row.at.frame.0 + MARGIN <= upto).filter(is_settled).collect()
}

const DECIDED_LATER: [&str; 4] = ["row", "login", "step", "findings"];

#[test]
fn what_lies_before_a_cut_stays() {
    for (capture, options) in with_and_without_keys() {
        let packets = packets(&capture.bytes()).0;
        let whole = tell(&packets, options.clone());
        for upto in (0..packets.len()).step_by(stride(packets.len(), 20)).chain([packets.len()]) {
            let cut = tell(&packets[..upto], options.clone());
            assert_eq!(cut.count(Counter::Packets), upto as u64);
            let what = format!("{} cut after packet {upto}", capture.file);
            let upto = upto as u64;
            check_same(&what, &settled(&cut, upto), &settled(&whole, upto), &DECIDED_LATER);
        }
    }
}

#[test]
fn a_small_capture_may_be_cut_after_each_packet() {
    for file in ["b-login-tcp.pcapng", "g06b-midstream-tcp.pcapng", "f10-conn-refused.pcapng"] {
        let packets = packets(&common::capture(file).bytes()).0;
        let whole = tell(&packets, small());
        for upto in 0..=packets.len() {
            let cut = tell(&packets[..upto], small());
            let what = format!("{file} cut after packet {upto}");
            let upto = upto as u64;
            check_same(&what, &settled(&cut, upto), &settled(&whole, upto), &DECIDED_LATER);
        }
    }
}

/// Where records end: after the header, and after each record or block.
fn boundaries(bytes: &[u8]) -> Vec<usize> {
    let word = |at: usize, big: bool| {
        let raw = *bytes[at..].first_chunk::<4>().unwrap();
        usize::try_from(if big { u32::from_be_bytes(raw) } else { u32::from_le_bytes(raw) }).unwrap()
    };
    let (mut ends, mut at) = (Vec::new(), 0);
    if bytes.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) {
        let mut big = false;
        while at < bytes.len() {
            if bytes[at..].starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) {
                big = bytes[at + 8] == 0x1a;
            }
            at += word(at + 4, big);
            ends.push(at);
        }
    } else {
        let big = bytes[0] == 0xa1;
        at = 24;
        ends.push(at);
        while at + 16 <= bytes.len() {
            at += 16 + word(at + 8, big);
            ends.push(at);
        }
    }
    ends.retain(|&end| end <= bytes.len());
    ends
}

/// Analyses bytes that may be anything; every engine must survive them.
fn survive(bytes: &[u8], options: &Options) -> (Told, End) {
    let (packets, end) = packets(bytes);
    (tell(&packets, options.clone()), end)
}

#[test]
fn captures_may_be_cut_anywhere() {
    for (capture, options) in with_and_without_keys() {
        let bytes = capture.bytes();
        let ends = boundaries(&bytes);
        let every = if bytes.len() < 2500 { 1 } else { stride(bytes.len(), 16) };
        let near = ends.iter().step_by(stride(ends.len(), 8)).flat_map(|&end| [end - 1, end, end + 1, end + 12]);
        for length in (0..bytes.len()).step_by(every).chain(near.filter(|&near| near <= bytes.len())) {
            let what = format!("{} cut to {length} bytes", capture.file);
            let (told, end) = survive(&bytes[..length], &options);
            match end {
                End::NotACapture(_) => assert!(length < 24, "{what}: no capture?"),
                End::Whole => assert!(ends.contains(&length), "{what}: taken for whole"),
                End::Damaged(said) => {
                    assert!(!ends.contains(&length), "{what}: {said}");
                    assert!(said.contains("byte"), "{what}: {said}");
                }
            }
            assert!(told.count(Counter::Packets) <= ends.len() as u64);
        }
    }
}

#[test]
fn a_capture_of_headers_only_is_empty() {
    for capture in all_captures() {
        let bytes = capture.bytes();
        let ends = boundaries(&bytes);
        // A pcapng file has an interface block behind its section header.
        let headers = if bytes[0] == 0x0a { ends[1] } else { ends[0] };
        let (told, end) = survive(&bytes[..headers], &small());
        assert!(matches!(end, End::Whole), "{}: {end:?}", capture.file);
        assert_eq!((told.count(Counter::Packets), told.rows.len()), (0, 0), "{}", capture.file);
    }
}

#[test]
fn bytes_may_be_flipped() {
    for (seed, (capture, options)) in (1..).zip(with_and_without_keys()) {
        let bytes = capture.bytes();
        let ends = boundaries(&bytes);
        let mut random = Random::new(seed);
        let rounds = if bytes.len() > 500_000 { 4 } else { 8 };
        for round in 0..rounds {
            let mut damaged = bytes.clone();
            for _ in 0..1 << round {
                // Anywhere, or within the first bytes of a record, where headers are.
                let record = ends[random.below(ends.len())];
                let place = if round % 2 == 0 { random.below(damaged.len()) } else { record + random.below(96) };
                if let Some(byte) = damaged.get_mut(place) {
                    *byte ^= random.byte().max(1);
                }
            }
            survive(&damaged, &options);
        }
    }
}

/// Damages what is inside of packets only, so that all of it reaches the decoders.
#[test]
fn packets_may_be_damaged() {
    for (seed, (capture, options)) in (1000..).zip(with_and_without_keys().into_iter().chain(with_rsa_keys())) {
        let whole = packets(&capture.bytes()).0;
        let mut random = Random::new(seed);
        for part in [64, 8, 1] {
            let mut damaged: Vec<Owned> = whole.clone();
            for packet in &mut damaged {
                if random.below(part) > 0 {
                    continue;
                }
                let length = packet.data.len().max(1);
                let place = random.below(length);
                match random.below(4) {
                    0 => packet.data.truncate(place),
                    1 => packet.data.extend_from_within(..place.min(packet.data.len())),
                    _ => packet.data.iter_mut().skip(place).take(2).for_each(|byte| *byte = random.byte()),
                }
            }
            let told = tell(&damaged, options.clone());
            assert_eq!(told.count(Counter::Packets), whole.len() as u64);
        }
    }
}

#[test]
fn packets_may_be_missing_doubled_or_shuffled() {
    for (seed, (capture, options)) in (2000..).zip(with_and_without_keys()) {
        let whole = packets(&capture.bytes()).0;
        let mut random = Random::new(seed);
        let thinned: Vec<&Owned> = whole.iter().filter(|_| random.below(8) > 0).collect();
        tell(thinned, options.clone());
        let doubled = whole.iter().flat_map(|packet| [packet, packet]);
        let doubled = tell(doubled, options.clone());
        let messages = tell(&whole, options.clone()).of_kind("sip");
        assert_eq!(doubled.of_kind("sip"), messages, "{}: every packet twice", capture.file);
        let mut shuffled: Vec<&Owned> = whole.iter().collect();
        for index in 0..shuffled.len() {
            let other = index + random.below((shuffled.len() - index).min(64));
            shuffled.swap(index, other);
        }
        tell(shuffled, options.clone());
        tell(whole.iter().rev(), options);
    }
}

#[test]
fn blocks_may_be_missing() {
    for (seed, (capture, options)) in (3000..).zip(with_and_without_keys()) {
        let bytes = capture.bytes();
        let ends = boundaries(&bytes);
        let mut random = Random::new(seed);
        for _ in 0..3 {
            let (mut left, mut from) = (Vec::new(), 0);
            for &end in &ends {
                if random.below(8) > 0 {
                    left.extend_from_slice(&bytes[from..end]);
                }
                from = end;
            }
            survive(&left, &options);
        }
    }
}

#[test]
fn captures_may_stand_one_behind_the_other() {
    let captures = all_captures();
    for pair in captures.windows(2).step_by(5) {
        let (one, other) = (pair[0].bytes(), pair[1].bytes());
        let (before, ended) = packets(&one);
        // With the keys of both: the sessions of both are opened, on the same addresses.
        let logs = pair.iter().flat_map(Capture::key_logs);
        let keys = logs.fold(Keys::default(), |keys, path| keys.log_file(&path));
        let options = Options { keys: keys.store(), ..small() };
        let (told, end) = survive(&[one.as_slice(), &other].concat(), &options);
        let what = format!("{} and {}", pair[0].file, pair[1].file);
        let both_pcapng = one[0] == 0x0a && other[0] == 0x0a;
        if both_pcapng {
            // A second section is what pcapng files are made to go on with.
            assert!(matches!(end, End::Whole), "{what}: {end:?}");
            let sum = before.len() + packets(&other).0.len();
            assert_eq!(told.count(Counter::Packets), sum as u64, "{what}");
        } else {
            assert!(matches!((&end, &ended), (End::Damaged(_), _)), "{what}: {end:?}");
            assert!(told.count(Counter::Packets) + 1 >= before.len() as u64, "{what}");
        }
    }
}

#[test]
fn anything_may_be_no_capture() {
    let mut random = Random::new(4000);
    let heads: [&[u8]; 5] =
        [b"", &[0xd4, 0xc3, 0xb2, 0xa1], &[0xa1, 0xb2, 0x3c, 0x4d], &[0x0a, 0x0d, 0x0d, 0x0a], b"GMBU"];
    for round in 0..2000 {
        let mut bytes = heads[round % heads.len()].to_vec();
        bytes.extend((0..random.below(300)).map(|_| random.byte()));
        if round % 3 == 0 && bytes.len() > 24 {
            bytes[8..12].copy_from_slice(&0x1a2b_3c4d_u32.to_le_bytes());
            bytes[4..8].copy_from_slice(&28_u32.to_le_bytes());
        }
        survive(&bytes, &small());
    }
}

/// Damages encrypted records only, under headers that stay good, so that all of it reaches the ciphers.
#[test]
fn records_may_be_anything() {
    let all = with_and_without_keys().into_iter().filter(|(_, options)| !options.keys.is_empty());
    for (seed, (capture, options)) in (5000..).zip(all.chain(with_rsa_keys())) {
        let whole = packets(&capture.bytes()).0;
        let messages = tell(&whole, options.clone()).of_kind("sip");
        let mut random = Random::new(seed);
        for part in [16, 2] {
            let mut damaged = whole.clone();
            for packet in &mut damaged {
                // A header of a record, wherever it stands behind the headers of the packet.
                let headers = (40..packet.data.len().saturating_sub(8))
                    .filter(|&at| matches!(packet.data[at..at + 3], [20..=23, 3, 0..=4]) && random.below(part) == 0);
                for at in headers.collect::<Vec<_>>() {
                    let body = &mut packet.data[at + 5..];
                    match random.below(5) {
                        0 => body.fill(0),
                        1 => body.iter_mut().for_each(|byte| *byte = random.byte()),
                        2 => body.reverse(),
                        3 => packet.data[at + 3..at + 5].copy_from_slice(&[random.byte() & 0x4f, random.byte()]),
                        _ => packet.data[at] = 20 + random.byte() % 5,
                    }
                }
            }
            let told = tell(&damaged, options.clone());
            // What fails its check is not shown; no more can come of it than was there.
            let came = told.of_kind("sip");
            assert!(came <= messages, "{}: {came} messages of {messages}", capture.file);
        }
    }
}

/// Records without end that no key opens: after a hole each is tried with many numbers, but not for ever.
#[test]
fn records_that_never_open_cost_no_more_than_a_few() {
    for file in ["tls13-aes256-gcm-sha384.pcap", "tls12-rsa-aes256-cbc-sha256.pcap", "tls12-dhe-aes128-ccm-8.pcap"] {
        let capture = tls_captures().into_iter().find(|capture| capture.file == file).unwrap();
        must_end(file, move || {
            let options = Options { keys: capture.keys().store(), ..small() };
            let packets = packets(&capture.bytes()).0;
            let half = packets.len() / 2;
            let mut feed = Feed::new(options);
            for packet in &packets[..half] {
                feed.push(packet.time, packet.link, &packet.data);
            }
            // The stream of the client goes on behind a hole with what looks like records.
            let is_client = |packet: &&Owned| packet.data.len() > 60 && packet.data[36..38] == [0x13, 0xc5];
            let last = packets[..half].iter().rfind(is_client).unwrap();
            let header = &last.data[..54];
            let seq = u32::from_be_bytes(*header[38..].first_chunk().unwrap()) + 50_000;
            let mut random = Random::new(6000);
            for number in 0..1500_u32 {
                let mut data = header.to_vec();
                data[16..18].copy_from_slice(&(40 + 1400_u16).to_be_bytes());
                data[46] = 0x50;
                data[38..42].copy_from_slice(&(seq + number * 1400).to_be_bytes());
                for _ in 0..14 {
                    data.extend([23, 3, 3, 0, 95]);
                    data.extend((0..95).map(|_| random.byte()));
                }
                let time = Timestamp::from_nanos(last.time.as_nanos() + i64::from(number) * 20_000_000);
                feed.push(time, last.link, &data);
            }
            feed.finish()
        });
    }
}

// Hostile traffic.

/// Runs `job` and gives it far more time than it needs. What takes longer does not end, or takes
/// time with the square of its input.
#[track_caller]
fn must_end<T: Send + 'static>(what: &str, job: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, wait) = mpsc::channel();
    let worker = std::thread::spawn(move || done.send(job()));
    let result = wait.recv_timeout(Duration::from_secs(40));
    match result {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Disconnected) => std::panic::resume_unwind(worker.join().unwrap_err()),
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{what} does not end"),
    }
}

/// Traffic under way: raw IP packets, one millisecond apart.
struct Traffic {
    feed: Feed,
    now: Timestamp,
}

impl Traffic {
    fn new() -> Self {
        Self { feed: Feed::new(small()), now: Timestamp::new(1_700_000_000, 0) }
    }

    fn push(&mut self, packet: &[u8]) {
        self.now = Timestamp::from_nanos(self.now.as_nanos() + 1_000_000);
        self.feed.push(self.now, LinkType::RAW, packet);
    }

    fn open(&mut self, conversation: &Conversation) {
        conversation.open().iter().for_each(|packet| self.push(packet));
    }

    fn wait(&mut self, span: Span) {
        self.now = Timestamp::from_nanos(self.now.as_nanos() + span.as_nanos());
    }
}

/// Runs traffic; every cause in `counted` must have been counted.
#[track_caller]
fn check(what: &'static str, counted: &[Counter], generate: impl FnOnce(&mut Traffic) + Send + 'static) -> Told {
    let told = must_end(what, move || {
        let mut traffic = Traffic::new();
        generate(&mut traffic);
        traffic.feed.finish()
    });
    for &counter in counted {
        assert!(told.count(counter) > 0, "{what}: {counter:?} is not counted");
    }
    told
}

fn complete(told: &Told) -> usize {
    let is_complete = |row: &&Row| matches!(&row.message, Message::Sip(message) if message.complete);
    told.rows.iter().filter(is_complete).count()
}

#[test]
fn syn_floods_are_told_and_end() {
    const SYNS: u32 = 20_000;
    let syn = |number: u32, port: u16| {
        let ends = (packet::address(0x20_0000 + number), packet::address(1));
        packet::ipv4(ends, 6, (0, 0), &packet::segment((1025, port), number, 0, SYN, &[]))
    };
    let told = check("SYNs to a SIP port", &[Counter::Forgotten], move |traffic| {
        (0..SYNS).for_each(|number| traffic.push(&syn(number, 5061)));
        // A capture that ends right behind them would say nothing of an answer.
        traffic.wait(Span::from_secs(60));
        traffic.push(&syn(SYNS, 9999));
    });
    let unanswered = told.rows.iter().filter(|row| common::is_unanswered(row)).count();
    assert_eq!(unanswered, SYNS as usize, "each attempt is told once");
    let told = check("SYNs to any port", &[], move |traffic| {
        (0..SYNS).for_each(|number| traffic.push(&syn(number, 9999)));
    });
    assert_eq!(told.rows.len(), 0);
}

#[test]
fn connections_beyond_the_bound_are_counted() {
    let told = check("connections that never end", &[Counter::FlowsEvicted], |traffic| {
        for number in 0..4000 {
            let mut conversation = Conversation::new(number, 5060);
            traffic.open(&conversation);
            traffic.push(&conversation.send(request(number, "").as_bytes()));
        }
    });
    assert_eq!(complete(&told), 4000);
}

#[test]
fn holes_beyond_the_bound_are_given_up() {
    let counted = [Counter::ReorderBound, Counter::LostBytes, Counter::OutOfOrder];
    let told = check("every second segment of a stream", &counted, |traffic| {
        let mut conversation = Conversation::new(0, 5060);
        traffic.open(&conversation);
        for number in 0..20_000 {
            traffic.push(&conversation.send(request(number, "").as_bytes()));
            conversation.lose(1);
        }
    });
    assert!(complete(&told) > 19_000, "{} messages between holes", complete(&told));
    check("a hole in each of many streams", &[Counter::ReorderBound], |traffic| {
        for number in 0..1500 {
            let mut conversation = Conversation::new(number, 5060);
            traffic.open(&conversation);
            conversation.lose(1);
            traffic.push(&conversation.send(&[b'x'; 1400]));
        }
    });
    check("segments backwards", &[Counter::OutOfOrder], |traffic| {
        let mut conversation = Conversation::new(0, 5060);
        traffic.open(&conversation);
        let mut segments: Vec<_> = (0..5000).map(|number| conversation.send(request(number, "").as_bytes())).collect();
        segments.reverse();
        for segment in &segments {
            traffic.push(segment);
        }
    });
    check("segments far outside of the window", &[Counter::OutOfWindow], |traffic| {
        let conversation = Conversation::new(0, 5060);
        traffic.open(&conversation);
        let mut random = Random::new(1);
        for _ in 0..5000 {
            let seq = u32::from_be_bytes([random.byte(), random.byte(), random.byte(), random.byte()]);
            let flags = ACK | [0, FIN, RST][random.below(3)];
            traffic.push(&conversation.raw(random.below(2) == 0, seq, random.byte().into(), flags, b"INVITE"));
        }
    });
}

#[test]
fn fragments_beyond_the_bounds_are_dropped() {
    let fragment = |number: u32, fragment: u16, payload: &[u8]| {
        let id = u16::try_from(number % 65_536).unwrap();
        packet::ipv4((packet::address(number / 65_536), packet::address(1)), 17, (id, fragment), payload)
    };
    let told = check("first fragments", &[Counter::Fragments, Counter::FragmentsBound], move |traffic| {
        (0..20_000).for_each(|number| traffic.push(&fragment(number, 0x2000, &[0; 64])));
    });
    let lost = told.count(Counter::FragmentsBound) + told.count(Counter::FragmentsIncomplete);
    assert_eq!(lost, 20_000, "each datagram is counted once");
    check("fragments that wait too long", &[Counter::FragmentsIncomplete], move |traffic| {
        for number in 0..100 {
            traffic.push(&fragment(number, 0x2000, &[0; 64]));
            traffic.wait(Span::from_secs(10));
        }
    });
    check("tiny fragments of one datagram", &[Counter::Fragments], move |traffic| {
        for round in 0..8191_u16 {
            traffic.push(&fragment(7, 0x2000 | (8191 - round), &[0x55; 8]));
        }
        traffic.push(&fragment(7, 8190, &[0x55; 8]));
        (0..8191).for_each(|_| traffic.push(&fragment(7, 0x2000 | 5, &[0x55; 8])));
    });
    check("fragments beyond the largest datagram", &[Counter::Fragments], move |traffic| {
        (0..2000).for_each(|number| traffic.push(&fragment(number, 0x3fff, &[0; 1400])));
    });
    // The last fragment says where the datagram ends; a second one says something else.
    check("fragments that contradict each other", &[Counter::Fragments], move |traffic| {
        let mut random = Random::new(2);
        for _ in 0..20_000 {
            let more = if random.below(4) == 0 { 0 } else { 0x2000 };
            let offset = u16::try_from(random.below(64)).unwrap();
            let payload = vec![random.byte(); random.below(200)];
            traffic.push(&fragment(0, more | offset, &payload));
        }
    });
}

#[test]
fn a_stream_may_come_byte_by_byte() {
    let told = check("one byte a segment", &[], |traffic| {
        let mut conversation = Conversation::new(0, 5060);
        traffic.open(&conversation);
        for number in 0..40 {
            for byte in request(number, "body\r\n\r\nSIP/").bytes() {
                traffic.push(&conversation.send(&[byte]));
            }
        }
    });
    assert_eq!((complete(&told), told.of_kind("defect")), (40, 0));
    // Kept for long, byte by byte: the packets that brought a message must not outweigh it.
    let told = check("one byte a segment of a long body", &[], |traffic| {
        let mut conversation = Conversation::new(0, 5060);
        traffic.open(&conversation);
        let message = request(1, &"x".repeat(20_000));
        message.bytes().for_each(|byte| traffic.push(&conversation.send(&[byte])));
    });
    assert_eq!(complete(&told), 1);
}

#[test]
fn overlapping_garbage_ends() {
    for seed in 0..4 {
        check("segments that overlap", &[Counter::Retransmitted], move |traffic| {
            let mut random = Random::new(seed + 77);
            let mut conversation = Conversation::new(0, 5060);
            traffic.open(&conversation);
            traffic.push(&conversation.send(request(0, "").as_bytes()));
            let (base, mut acked) = (conversation.seq(), 0);
            for _ in 0..8000 {
                let place = u32::try_from(random.below(4000)).unwrap() + acked;
                let length = random.below(300);
                let payload: Vec<u8> = match random.below(3) {
                    0 => (0..length).map(|_| random.byte()).collect(),
                    1 => request(place, "").into_bytes(),
                    _ => b"INVITE sip:a SIP/2.0\r\nl: 9\r\n\r\n".repeat(length / 30 + 1),
                };
                traffic.push(&conversation.raw(true, base.wrapping_add(place), 5000, ACK, &payload));
                acked += u32::try_from(random.below(40)).unwrap();
                let ack = base.wrapping_add(acked);
                traffic.push(&conversation.raw(false, 5000, ack, ACK, &[]));
            }
        });
    }
}

/// Sends text on one connection in segments of 1,400 bytes.
fn stream(traffic: &mut Traffic, number: u32, text: &[u8]) {
    let mut conversation = Conversation::new(number, 5060);
    traffic.open(&conversation);
    for part in text.chunks(1400) {
        traffic.push(&conversation.send(part));
    }
}

#[test]
fn heads_without_end_are_given_up() {
    let skipped = [Counter::SipSkippedBytes];
    let told = check("a head without end", &skipped, |traffic| {
        let line = format!("X-Long: {}\r\n", "y".repeat(80));
        stream(traffic, 0, format!("REGISTER sip:a SIP/2.0\r\n{}", line.repeat(20_000)).as_bytes());
    });
    assert!(told.of_kind("defect") > 0 && complete(&told) == 0);
    check("a line without end", &[], |traffic| {
        stream(traffic, 0, format!("REGISTER sip:a{}", "x".repeat(1_000_000)).as_bytes());
    });
    check("start lines without end", &skipped, |traffic| {
        stream(traffic, 0, "REGISTER sip:a SIP/2.0\r\n".repeat(40_000).as_bytes());
    });
    check("a start line that never ends", &[], |traffic| {
        stream(traffic, 0, "REGISTER sip:a SIP/".repeat(20_000).as_bytes());
    });
    // Garbage behind the head of a first message, with what start lines are looked for by.
    let told = check("the version again and again", &skipped, |traffic| {
        let rubbish = format!("{}\r\n{}", request(0, ""), format!("{}\n", "SIP/".repeat(16_000)).repeat(8));
        stream(traffic, 0, rubbish.as_bytes());
    });
    assert_eq!(complete(&told), 1);
}

/// Each line is the beginning of a head that does not end within its bound, which is large here.
#[test]
fn heads_without_end_are_searched_once() {
    let told = must_end("start lines without end, with large bounds", || {
        let mut traffic = Traffic { feed: Feed::new(Options::default()), ..Traffic::new() };
        stream(&mut traffic, 0, "REGISTER sip:a SIP/2.0\r\n".repeat(200_000).as_bytes());
        traffic.feed.finish()
    });
    assert!(told.count(Counter::SipSkippedBytes) > 0);
}

/// A body of nothing but what start lines are looked for by: looking must not begin anew at each.
#[test]
fn bodies_are_searched_once() {
    let told = check("the version again and again in a body", &[], |traffic| {
        let message = request(0, &"SIP/".repeat(31_000));
        stream(traffic, 0, format!("{message}rubbish\r\n").as_bytes());
    });
    assert_eq!(complete(&told), 1);
}

#[test]
fn headers_may_be_anything() {
    check("heads of junk lines", &[], |traffic| {
        for number in 0..20 {
            stream(traffic, number, format!("REGISTER sip:a SIP/2.0\r\n{}\r\n", "j\r\n".repeat(15_000)).as_bytes());
        }
    });
    check("heads of empty fields", &[], |traffic| {
        for number in 0..20 {
            stream(traffic, number, format!("REGISTER sip:a SIP/2.0\r\n{}\r\n", "l:\r\n".repeat(15_000)).as_bytes());
        }
    });
    check("folds", &[], |traffic| {
        for number in 0..20 {
            let folds = format!("SERVICE sip:a SIP/2.0\r\nFrom: a{}\r\n\r\n", "\r\n b".repeat(15_000));
            stream(traffic, number, folds.as_bytes());
        }
    });
    check("brackets", &[], |traffic| {
        for number in 0..20 {
            let from = format!("SERVICE sip:a SIP/2.0\r\nFrom: {}\r\n\r\n", "\"<;\\".repeat(10_000));
            stream(traffic, number, from.as_bytes());
        }
    });
}

#[test]
fn lengths_may_lie() {
    let message = |length: &str, body: &str| {
        format!(
            "SERVICE sip:a SIP/2.0\r\nCall-ID: a\r\nCSeq: 1 SERVICE\r\nFrom: a\r\nTo: b\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    for length in [
        "-1",
        "99999999999999999999999",
        "0x10",
        "1e3",
        "",
        "18446744073709551615",
        "4294967295",
        "9223372036854775807",
    ] {
        let text = [message(length, "body\r\n"), request(1, "next"), request(2, "last")].concat();
        let told = check("a length that is no length", &[], move |traffic| stream(traffic, 0, text.as_bytes()));
        let last =
            told.rows.iter().rfind(|row| matches!(&row.message, Message::Sip(message) if message.body() == b"last"));
        assert!(last.is_some(), "Content-Length {length}: the messages behind it are lost");
    }
    // One that reaches into the next message, one that ends before its body does.
    for length in ["10", "300", "0", "1"] {
        let text = [message(length, "body\r\n"), request(1, "next"), request(2, "last")].concat();
        let told = check("a wrong length", &[], move |traffic| stream(traffic, 0, text.as_bytes()));
        assert!(complete(&told) >= 2, "Content-Length {length}: {} messages", complete(&told));
    }
    let told = check("bodies too large", &[Counter::SipBodySkipped], |traffic| {
        let text = [request(0, &"z".repeat(400_000)), request(1, "")].concat();
        stream(traffic, 0, text.as_bytes());
    });
    assert_eq!((told.of_kind("sip"), complete(&told)), (2, 1), "the next message is found behind the body");
}

#[test]
fn messages_under_way_are_bounded() {
    let told = check("bodies that never come", &[Counter::PendingBound], |traffic| {
        for number in 0..60 {
            let whole = request(number, &"w".repeat(100_000));
            stream(traffic, number, &whole.as_bytes()[..60_000]);
        }
    });
    assert_eq!((told.of_kind("sip"), complete(&told)), (60, 0), "each is told as far as it is there");
}

#[test]
fn tiny_messages_come_out() {
    const TINY: &str = "A a SIP/2.0\r\nl:0\r\n\r\n";
    let told = check("100,000 tiny messages", &[], |traffic| stream(traffic, 0, TINY.repeat(100_000).as_bytes()));
    assert_eq!(told.of_kind("sip"), 100_000);
    let told = check("keep-alives", &[Counter::SipKeepAlive], |traffic| {
        stream(traffic, 0, "\r\n\r\n".repeat(100_000).as_bytes());
        stream(traffic, 1, request(1, "").as_bytes());
    });
    assert_eq!(complete(&told), 1);
}

#[test]
fn look_ups_may_be_anything() {
    let dns = |counts: [u16; 4], rest: &[u8]| {
        let mut bytes = vec![0x12, 0x34, 0x81, 0x80];
        for count in counts {
            bytes.extend(count.to_be_bytes());
        }
        bytes.extend(rest);
        bytes
    };
    let answer = |bytes: &[u8]| {
        packet::ipv4((packet::address(1), packet::address(2)), 17, (0, 0), &packet::datagram((53, 4000), bytes))
    };
    let mut cases = vec![
        dns([1, 0, 0, 0], &[0xc0, 12, 0, 1, 0, 1]),           // points to itself
        dns([1, 0, 0, 0], &[0xc0, 14, 0xc0, 12, 0, 1, 0, 1]), // a ring of two
        dns([1, 0, 0, 0], &[1, b'a', 0xc0, 12, 0, 1, 0, 1]),  // longer each time
        dns([1, 0, 0, 0], &[0xff, 0xff, 0, 1, 0, 1]),         // points behind the end
        dns([65_535, 65_535, 65_535, 65_535], &[0; 512]),     // promises
        dns([0, 1, 0, 0], &[0, 0, 1, 0, 1, 0, 0, 0, 0, 0xff, 0xff]), // data that is not there
        dns([1, 0, 0, 0], &[63; 600]),                        // a name too long
        dns([0, 0, 0, 0], &[]),
        Vec::new(),
    ];
    let pointers: Vec<u8> =
        (0..2000_u16).flat_map(|index| (0xc000 | (12 + index * 2).saturating_sub(2)).to_be_bytes()).collect();
    cases.push(dns([1000, 0, 0, 0], &pointers)); // a chain of pointers
    let mut random = Random::new(9);
    for _ in 0..3000 {
        let noise: Vec<u8> =
            (0..random.below(80)).map(|_| [0, 1, 0xc0, 12, 14, 33, random.byte()][random.below(7)]).collect();
        cases.push(dns([1, 2, 1, 1], &noise));
    }
    let count = cases.len();
    let told = check("look-ups", &[], move |traffic| cases.iter().for_each(|case| traffic.push(&answer(case))));
    assert!(told.of_kind("dns") + told.of_kind("defect") >= count, "each is told or called a defect");
    check("one question from everybody", &[Counter::Forgotten], move |traffic| {
        for number in 0..10_000 {
            let name = format!("\x06h{number:05}\x07example\0\0\x01\0\x01");
            let question = [&[0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], name.as_bytes()].concat();
            let ends = (packet::address(0x30_0000 + number), packet::address(2));
            traffic.push(&packet::ipv4(ends, 17, (0, 0), &packet::datagram((4000, 53), &question)));
        }
    });
    check("look-ups over TCP without end", &[], |traffic| {
        for number in 0..50 {
            let mut conversation = Conversation::new(number, 53);
            traffic.open(&conversation);
            traffic.push(&conversation.send(&[0xff, 0xff, 0, 1]));
            (0..30).for_each(|_| traffic.push(&conversation.send(&[0; 1400])));
        }
    });
}

#[test]
fn tickets_may_be_anything() {
    let told = check("Kerberos datagrams of nested elements", &[], |traffic| {
        let mut random = Random::new(31);
        for number in 0..4000_u16 {
            let tags = [0x30, 0x61, 0x6a, 0x6d, 0x7e, 0xa0, 0xa3, 0xa4, 0xa5, 0x1b, 0x02, 0x82, 0x84, 0, 1, 0xff];
            let mut bytes =
                vec![[0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f, 0x7e][random.below(7)], 0x82, 1, 0, 0x30, 0x81, 0xf0];
            bytes.extend((0..random.below(250)).map(|_| tags[random.below(tags.len())]));
            let ends = (packet::address(2), packet::address(1));
            traffic.push(&packet::ipv4(ends, 17, (0, 0), &packet::datagram((10_000 + number, 88), &bytes)));
        }
    });
    assert_eq!((told.of_kind("kerberos"), told.of_kind("defect")), (4000, 4000), "each as far as it can be read");
    check("Kerberos messages that never end", &[Counter::PendingBound], |traffic| {
        for number in 0..60 {
            let mut conversation = Conversation::new(number, 88);
            traffic.open(&conversation);
            traffic.push(&conversation.send(&[0, 0x0f, 0xff, 0xff, 0x6c, 0x83, 0x0f, 0xff, 0xfb, 0x30]));
            (0..200).for_each(|_| traffic.push(&conversation.send(&[0x30; 1400])));
        }
    });
    let told = check("a length beyond all bounds", &[], |traffic| {
        let mut conversation = Conversation::new(0, 88);
        traffic.open(&conversation);
        (0..2000).for_each(|_| traffic.push(&conversation.send(&[0xff; 1400])));
    });
    assert_eq!(told.of_kind("defect"), 1);
    check("a Kerberos message byte by byte", &[], |traffic| {
        let mut conversation = Conversation::new(0, 88);
        traffic.open(&conversation);
        traffic.push(&conversation.send(&[0, 1, 0, 0, 0x6c, 0x82, 0xff, 0xfc]));
        (0..65_532).for_each(|_| traffic.push(&conversation.send(&[0x30])));
    });
}

#[test]
fn leases_may_be_anything() {
    let told = check("DHCP options of any kind", &[Counter::DhcpOther], |traffic| {
        let mut random = Random::new(32);
        for _ in 0..4000 {
            let mut bytes = vec![0; 236];
            bytes[0] = 1 + random.byte() % 2;
            bytes.extend([99, 130, 83, 99, 52, 1, random.byte() % 4, 55, 1, 43]);
            let codes = [43, 120, 52, 60, 55, 53, 0, 255, 1, 2, 63, random.byte()];
            bytes.extend((0..random.below(300)).map(|_| codes[random.below(codes.len())]));
            bytes.truncate(bytes.len() - random.below(3) * random.below(120));
            let ends = (packet::address(2), packet::address(1));
            traffic.push(&packet::ipv4(ends, 17, (0, 0), &packet::datagram((68, 67), &bytes)));
        }
    });
    assert_eq!(told.of_kind("dhcp") as u64 + told.count(Counter::DhcpOther), 4000, "each is told or counted");
}

/// What asks for compression and agrees to it.
const NEGOTIATION: [&str; 2] = [
    "NEGOTIATE sip:a SIP/2.0\r\nCSeq: 1 NEGOTIATE\r\nCall-ID: n\r\nFrom: a\r\nTo: b\r\nCompression: LZ77-8K\r\nContent-Length: 0\r\n\r\n",
    "SIP/2.0 200 OK\r\nCSeq: 1 NEGOTIATE\r\nCall-ID: n\r\nFrom: a\r\nTo: b\r\nCompression: LZ77-8K\r\nContent-Length: 0\r\n\r\n",
];

fn negotiated(traffic: &mut Traffic, number: u32) -> Conversation {
    let mut conversation = Conversation::new(number, 5060);
    traffic.open(&conversation);
    traffic.push(&conversation.send(NEGOTIATION[0].as_bytes()));
    traffic.push(&conversation.answer(NEGOTIATION[1].as_bytes()));
    conversation
}

#[test]
fn compression_may_be_anything() {
    let told = check("noise for compressed packets", &[Counter::SipCompressedUnread], |traffic| {
        let mut random = Random::new(33);
        for number in 0..200 {
            let mut conversation = negotiated(traffic, number);
            for _ in 0..20 {
                let noise: Vec<u8> = (0..random.below(1400)).map(|_| random.byte()).collect();
                traffic.push(&if random.below(2) == 0 {
                    conversation.send(&noise)
                } else {
                    conversation.answer(&noise)
                });
            }
        }
    });
    assert!(told.of_kind("defect") <= 200, "once a connection: {}", told.of_kind("defect"));
    // Two packets that fix the layout, then what every step has to try to decompress.
    let flushed = |payload: &[u8]| {
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        [&[0x80, 0][..], &length, &length, payload].concat()
    };
    let told = check("headers without end behind a hole", &[Counter::SipCompressedUnread], move |traffic| {
        let mut conversation = negotiated(traffic, 0);
        for number in 0..2 {
            traffic.push(&conversation.send(&flushed(request(number, "").as_bytes())));
        }
        conversation.lose(10);
        for _ in 0..40_000 {
            traffic.push(&conversation.send(&[0x60, 0, 0x1f, 0xff, 0x1f, 0xff]));
        }
        traffic.push(&conversation.send(&flushed(request(9, "").as_bytes())));
    });
    assert!(complete(&told) >= 4);
    let told = check("the longest copies", &[], move |traffic| {
        let mut conversation = negotiated(traffic, 0);
        for number in 0..2 {
            traffic.push(&conversation.send(&flushed(request(number, "").as_bytes())));
        }
        // A literal and a copy(1, 8,191), again and again: six bytes become 8,192.
        let bomb = [0x60, 0, 0x20, 0, 0, 6, b'a', 0xf0, 0x7f, 0xfb, 0xff, 0xc0];
        (0..40).for_each(|_| traffic.push(&conversation.send(&bomb.repeat(100))));
    });
    assert_eq!(complete(&told), 4);
    let told = check("NEGOTIATE without end", &[], |traffic| {
        stream(traffic, 0, NEGOTIATION[0].repeat(5000).as_bytes());
        stream(traffic, 1, NEGOTIATION[0].replace("LZ77-8K", "None").repeat(5000).as_bytes());
    });
    assert_eq!(complete(&told), 10_000);
}

/// Puts a packet into a tunnel.
type Wrap<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;

#[test]
fn tunnels_within_tunnels_end() {
    let ends = (packet::address(1), packet::address(2));
    let inner = packet::ipv4(ends, 17, (0, 0), &packet::datagram((5060, 5060), request(1, "").as_bytes()));
    let nested = |depth: usize, wrap: Wrap<'_>| (0..depth).fold(inner.clone(), |bytes, _| wrap(&bytes));
    let ip_in_ip = |bytes: &[u8]| packet::ipv4(ends, 4, (0, 0), bytes);
    let gre = |bytes: &[u8]| packet::ipv4(ends, 47, (0, 0), &[&[0, 0, 8, 0][..], bytes].concat());
    let vxlan = |bytes: &[u8]| {
        let frame = [&[8, 0, 0, 0, 0, 0, 7, 0][..], &[0; 12], &[8, 0], bytes].concat();
        packet::ipv4(ends, 17, (0, 0), &packet::datagram((4000, 4789), &frame))
    };
    let wraps: [Wrap<'_>; 3] = [&ip_in_ip, &gre, &vxlan];
    for (kind, wrap) in wraps.iter().enumerate() {
        for (depth, messages) in [(1, 1), (3, 1), (100, 0), (1500, 0)] {
            let packet = nested(depth, wrap);
            let told = check("a tunnel", &[], move |traffic| traffic.push(&packet));
            assert_eq!(told.of_kind("sip"), messages, "{depth} tunnels of kind {kind}");
            // What is in a datagram of VXLAN's port and cannot be read may as well be no tunnel.
            let counted = told.count(Counter::Malformed) > 0 || kind == 2;
            assert!(counted || messages == 1, "{depth} tunnels of kind {kind} end in silence");
        }
    }
}

/// Any bytes as a packet of any link type.
#[test]
fn packets_may_be_noise() {
    let told = must_end("noise", || {
        let mut feed = Feed::new(small());
        let mut random = Random::new(5);
        for number in 0..60_000_i64 {
            let link = LinkType([0, 1, 9, 12, 50, 51, 101, 108, 113, 228, 229, 276, 147, 65_535][random.below(14)]);
            let mut data: Vec<u8> = (0..random.below(120)).map(|_| random.byte()).collect();
            if random.below(2) == 0 {
                // Headers that decoders like to read on from.
                for (place, byte) in data.iter_mut().enumerate() {
                    match place {
                        0 | 14 | 16 | 20 => *byte = [0x45, 0x60, 0x46, 0x4f][random.below(4)],
                        12 => *byte = [8, 0x81, 0x86, 0x88, 0x89][random.below(5)],
                        13 => *byte = [0, 0xdd, 0x47, 0x64, 0xbe][random.below(5)],
                        9 | 23 => *byte = [1, 4, 6, 17, 41, 44, 47, 51, 58][random.below(9)],
                        _ => {}
                    }
                }
            }
            // Time may step back, and stand anywhere.
            let time = if number % 1000 == 0 { random.next().cast_signed() } else { number * 1_000_000 };
            feed.push(Timestamp::from_nanos(time), link, &data);
        }
        feed.finish()
    });
    assert_eq!(told.count(Counter::Packets), 60_000);
}

#[test]
fn a_length_alone_takes_no_memory_from_others() {
    let count = 200;
    let mut packets = Vec::new();
    let mut conversations: Vec<_> = (0..count).map(|number| Conversation::new(number, 5060)).collect();
    let body = "x".repeat(60_000);
    let messages: Vec<_> = (1..=count).map(|number| request(number, &body)).collect();
    let head = messages[0].len() - body.len() - 10;
    for (conversation, message) in conversations.iter_mut().zip(&messages) {
        packets.extend(conversation.open());
        packets.push(conversation.send(&message.as_bytes()[..head]));
    }
    for (conversation, message) in conversations.iter_mut().zip(&messages) {
        let pieces = message.as_bytes()[head..].chunks(1400).map(|piece| conversation.send(piece));
        packets.extend(pieces.collect::<Vec<_>>());
    }
    let limits = Limits::within(16 << 20);
    assert!(limits.pending_bytes < 200 * body.len(), "what they claim is more than may be held");
    let told = tell_raw(&packets, Options { limits, ..Options::default() });
    assert_eq!((told.count(Counter::PendingBound), complete(&told)), (0, 200));
}

#[test]
fn a_start_line_that_is_none_costs_the_next_message_nothing() {
    let mut conversation = Conversation::new(0, 5060);
    let mut packets = conversation.open().to_vec();
    packets.push(conversation.send(request(1, "").as_bytes()));
    packets.push(conversation.send(format!("REGISTER sip:ex.test;{}", "p".repeat(700)).as_bytes()));
    packets.push(conversation.send(format!(" foo\r\n{}", request(2, "")).as_bytes()));
    packets.push(conversation.send(request(3, "").as_bytes()));
    assert_eq!(complete(&tell_raw(&packets, Options::default())), 3);
}
