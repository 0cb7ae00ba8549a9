//! The sieve changes nothing but the time that an analysis takes: with and without it the rows are
//! the same, for every capture, with other traffic in between, and on ports that nothing asks for.
#![expect(clippy::indexing_slicing, reason = "a test that indexes out of bounds fails, as it should")]

mod common;

use common::{Conversation, Feed, Owned, Told, capture, captures, check_same, packet, packets, tell, tls_captures};
use lynccap::engine::Options;
use lynccap::model::{Counter, LinkType, Timestamp};
use lynccap::story::Row;

fn both_ways(packets: &[Owned]) -> (Told, Told) {
    let with = tell(packets, Options::default());
    let without = tell(packets, Options { without_sieve: true, ..Options::default() });
    (with, without)
}

#[track_caller]
fn check(what: &str, packets: &[Owned], except: &[&str]) -> Told {
    let (with, without) = both_ways(packets);
    check_same(what, &with.rows.iter().collect::<Vec<_>>(), &without.rows.iter().collect::<Vec<_>>(), except);
    with
}

#[test]
fn every_capture_gives_the_same_rows() {
    for capture in captures().into_iter().chain(tls_captures()) {
        check(&capture.file, &packets(&capture.bytes()).0, &[]);
    }
}

/// Packet `number` of traffic that nothing asks for: TLS records of an unknown name, media, a remote
/// shell, a file server, pings.
fn noise(number: usize) -> Vec<u8> {
    let flow = u32::try_from(number % 7).unwrap();
    let ends = (packet::address(0xa0_0000 + flow), packet::address(0xb0_0000));
    let seq = u32::try_from(number / 7).unwrap() * 24;
    let record = [&[0x17, 3, 3, 0, 19][..], &[0x5a; 19]].concat();
    let segment =
        |port, bytes: &[u8]| packet::ipv4(ends, 6, (0, 0), &packet::segment((50_000, port), seq, 1, 16, bytes));
    match flow {
        0 => segment(443, &record),
        1 => segment(22, b"SSH-2.0-OpenSSH_9.9 noise\n"),
        2 => segment(445, b"\0\0\0\x40\xfeSMB@\0 file server \0\0"),
        3 => packet::ipv4(ends, 17, (0, 0), &packet::datagram((50_002, 50_004), &[0x80; 172])),
        4 => packet::ipv4(ends, 1, (0, 0), &[8, 0, 0, 0, 1, 2, 3, 4]),
        5 => segment(9999, b"SIPHON=1 but no message\r\n"),
        _ => packet::ipv4(ends, 89, (0, 0), &[2; 44]),
    }
}

#[test]
fn other_traffic_is_passed_over() {
    for capture in captures() {
        let alone = packets(&capture.bytes()).0;
        let mut mixed = Vec::new();
        for (index, packet) in alone.iter().enumerate() {
            mixed.push(packet.clone());
            for number in [index * 2, index * 2 + 1] {
                let data = noise(number);
                let wire_len = u32::try_from(data.len()).unwrap();
                mixed.push(Owned { link: LinkType::RAW, wire_len, data, time: packet.time });
            }
        }
        let told = check(&capture.file, &mixed, &[]);
        assert!(told.count(Counter::Sieved) * 3 > mixed.len() as u64, "{}: the sieve is idle", capture.file);
        let quiet = tell(&alone, Options::default());
        let numbers = ["frame", "first_frame"];
        let (noisy, quiet): (Vec<&Row>, Vec<&Row>) = (told.rows.iter().collect(), quiet.rows.iter().collect());
        check_same(&capture.file, &noisy, &quiet, &numbers);
    }
}

/// Sends SIP on port 15060, which nothing asks for. Both captures have Ethernet and IPv4 without options.
fn moved(packets: &[Owned]) -> Vec<Owned> {
    let mut packets = packets.to_vec();
    for packet in packets.iter_mut().filter(|packet| packet.data.get(23) == Some(&6)) {
        for place in [34, 36] {
            if packet.data[place..place + 2] == 5060_u16.to_be_bytes() {
                packet.data[place..place + 2].copy_from_slice(&15_060_u16.to_be_bytes());
            }
        }
    }
    packets
}

#[test]
fn a_port_that_nothing_asks_for_changes_nothing() {
    // Without its look-ups nothing says that the server's address is of interest.
    let without_dns = |packets: &[Owned]| -> Vec<Owned> {
        packets.iter().filter(|packet| packet.data.get(23) != Some(&17)).cloned().collect()
    };
    // Begun in mid-stream, nothing tells who is the client but who is seen to send first, and the sieve
    // shows a stream only from its first recognised packet on. Whose sign-in it is follows from that.
    for (file, messages, except) in [
        ("b-login-tcp.pcapng", 39, &[][..]),
        ("g15-port-reuse-tcp.pcapng", 78, &[]),
        ("g06b-midstream-tcp.pcapng", 19, &["direction", "summary", "says", "login", "step"]),
    ] {
        let packets = moved(&packets(&capture(file).bytes()).0);
        for packets in [without_dns(&packets), packets] {
            let told = check(file, &packets, except);
            assert!(told.of_kind("sip") >= messages, "{file}: {} messages", told.of_kind("sip"));
        }
    }
}

/// A DNS message over TCP about the address of `certs.odd.test`; an answer where there is an address.
fn look_up(address: Option<[u8; 4]>) -> Vec<u8> {
    let question = b"\x05certs\x03odd\x04test\0\0\x01\0\x01";
    let answer = address.map(|address| [&b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04"[..], &address].concat());
    let flags = if address.is_some() { [0x81, 0x80] } else { [1, 0] };
    let head = [0x12, 0x34, flags[0], flags[1], 0, 1, 0, u8::from(address.is_some()), 0, 0, 0, 0];
    let message = [&head[..], question, &answer.unwrap_or_default()].concat();
    [&u16::try_from(message.len()).unwrap().to_be_bytes()[..], &message].concat()
}

#[test]
fn a_host_is_watched_by_addresses_that_are_known_later() {
    let message = |start: &str, cseq: &str, more: &str| {
        format!(
            "{start}\r\nVia: SIP/2.0/TCP 10.0.0.2:10000\r\nFrom: <sip:ann@odd.test>;tag=1;epid=e\r\n\
             To: <sip:ann@odd.test>\r\nCall-ID: c\r\nCSeq: {cseq}\r\n{more}Content-Length: 0\r\n\r\n"
        )
    };
    let offer = "WWW-Authenticate: TLS-DSK realm=\"r\", targetname=\"s\", version=4, \
                 sts-uri=\"https://certs.odd.test:9999/x.svc\"\r\n";
    let mut sip = Conversation::new(0, 5060);
    let mut packets = sip.open().to_vec();
    packets.push(sip.send(message("REGISTER sip:odd.test SIP/2.0", "1 REGISTER", "").as_bytes()));
    packets.push(sip.answer(message("SIP/2.0 401 Unauthorized", "1 REGISTER", offer).as_bytes()));
    // The sieve itself reads no DNS over TCP.
    let mut names = Conversation::new(1, 53);
    let web = (packet::address(77), 9999);
    packets.extend(names.open());
    packets.push(names.send(&look_up(None)));
    packets.push(names.answer(&look_up(Some(web.0.octets()))));
    packets.push(sip.send(message("OPTIONS sip:odd.test SIP/2.0", "2 OPTIONS", "").as_bytes()));
    let mut odd = Conversation::new(2, 9999);
    odd.server = web;
    packets.extend(odd.open());
    packets.push(odd.send(b"\x01\x02no protocol that is known"));
    let mut feed = Feed::new(Options::default());
    for (packet, number) in packets.iter().zip(0..) {
        feed.push(Timestamp::from_nanos(number * 10_000_000), LinkType::RAW, packet);
    }
    let told = feed.finish();
    let is_odd = |row: &&Row| row.flow.is_some_and(|flow| flow.key.server == web.into());
    assert_eq!(told.rows.iter().filter(is_odd).count(), 1, "the connection is told");
}
