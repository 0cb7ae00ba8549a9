//! The sieve changes nothing but the time that an analysis takes: with and without it the rows are
//! the same, for every capture, with other traffic in between, and on ports that nothing asks for.
#![expect(clippy::indexing_slicing, reason = "a test that indexes out of bounds fails, as it should")]

mod common;

use std::collections::BTreeSet;

use common::packet::{ACK, FIN, address};
use common::{
    Conversation, Owned, Told, capture, captures, check_same, packet, packets, request, tell, tell_raw, tls_captures,
};
use lynccap::engine::Options;
use lynccap::model::{Counter, LinkType};
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
    let ends = (address(0xa0_0000 + flow), address(0xb0_0000));
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

/// Where nothing but its name or its address asks for a connection.
const OTHER_SERVER: u32 = 9;

/// The look-up of an address by the client of [`Conversation`].
fn look_up(name: &str, number: u32) -> [Vec<u8>; 2] {
    let [query, answer] = packet::dns(name, address(number));
    let (client, server) = (Conversation::new(0, 0).client.0, address(2));
    [
        packet::ipv4((client, server), 17, (0, 0), &packet::datagram((4000, 53), &query)),
        packet::ipv4((server, client), 17, (0, 0), &packet::datagram((53, 4000), &answer)),
    ]
}

/// What follows a length of so many bytes, and that length.
fn counted(bytes: usize, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&length[4 - bytes..], content].concat()
}

/// A client hello that shows that server name.
fn client_hello(name: &str) -> Vec<u8> {
    let names = counted(2, &[vec![0], counted(2, name.as_bytes())].concat());
    let extensions = counted(2, &[vec![0, 0], counted(2, &names)].concat());
    let hello = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0xc0, 0x30, 1, 0], &extensions].concat();
    let message = [vec![1], counted(3, &hello)].concat();
    [vec![22, 3, 1], counted(2, &message)].concat()
}

/// A connection to the other server, which shows that name.
fn go_to(port: u16, name: &str) -> Vec<Vec<u8>> {
    let mut conversation = Conversation::new(u32::from(port), port);
    conversation.server.0 = address(OTHER_SERVER);
    let mut packets = conversation.open().to_vec();
    packets.push(conversation.send(&client_hello(name)));
    packets
}

/// The ports of the other server whose connections are told, with one lane and with two.
fn reached(packets: &[Vec<u8>]) -> BTreeSet<u16> {
    let [one, two] = [1, 2].map(|lanes| {
        let rows = tell_raw(packets, Options { lanes, ..Options::default() }).rows;
        let servers = rows.iter().filter(|row| row.kind() == "tls").filter_map(|row| Some(row.flow?.key.server));
        servers
            .filter(|server| server.ip() == address(OTHER_SERVER))
            .map(|server| server.port())
            .collect::<BTreeSet<_>>()
    });
    assert_eq!(one, two, "one lane and two");
    one
}

/// A REGISTER and its answer, which names a host of the certificate service.
fn refused(conversation: &mut Conversation, (user, number): (&str, u32), host: &str) -> [Vec<u8>; 2] {
    let both = format!(
        "From: <sip:{user}@ex.test>;tag=1;epid=01\r\nTo: <sip:{user}@ex.test>\r\nCall-ID: {user}\r\n\
         CSeq: {number} REGISTER\r\nContent-Length: 0\r\n"
    );
    let request = format!("REGISTER sip:ex.test SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.2:10000\r\n{both}\r\n");
    let offer = format!(
        "WWW-Authenticate: TLS-DSK realm=\"SIP Communications Service\", targetname=\"pool.ex.test\", version=4, \
         sts-uri=\"https://{host}:443/CertProv/CertProvisioningService.svc\"\r\n"
    );
    let answer = format!("SIP/2.0 401 Unauthorized\r\n{both}{offer}\r\n");
    [conversation.send(request.as_bytes()), conversation.answer(answer.as_bytes())]
}

#[test]
fn a_host_told_again_and_again_leaves_room_for_others() {
    let mut first = Conversation::new(0, 5060);
    let mut second = Conversation::new(1, 5060);
    let mut packets = [first.open(), second.open()].concat();
    for number in 1..=1100 {
        packets.extend(refused(&mut first, ("ann", number), "certs.one.test"));
    }
    packets.extend(refused(&mut second, ("bob", 1), "certs.other.test"));
    // Nothing has asked for the hosts so far. Names of servers are known by what the connection shows …
    let shown = [packets.clone(), go_to(443, "certs.other.test"), go_to(12_345, "certs.one.test")].concat();
    assert_eq!(reached(&shown), [443, 12_345].into());
    // … or by the look-up.
    let looked_up = [packets.clone(), look_up("certs.other.test", OTHER_SERVER).to_vec(), go_to(12_345, "a.test")];
    assert_eq!(reached(&looked_up.concat()), [12_345].into());
    let untold = [packets, look_up("news.test", OTHER_SERVER).to_vec(), go_to(443, "news.test")].concat();
    assert!(reached(&untold).is_empty(), "nobody was told of that one");
}

#[test]
fn a_redirect_that_ends_with_its_connection_tells_where_to_go() {
    let mut web = Conversation::new(0, 80);
    web.server.0 = address(7);
    let mut packets = look_up("lyncdiscover.ex.test", 7).to_vec();
    packets.extend(web.open());
    packets.push(web.send(b"GET /?sipuri=ann@ex.test HTTP/1.1\r\nHost: lyncdiscover.ex.test\r\n\r\n"));
    // Without a length the answer goes on until the server says that nothing follows.
    let answer = b"HTTP/1.1 302 Found\r\nLocation: https://web.other.test/Autodiscover/\r\n\r\n";
    packets.push(web.answer(answer));
    let shows = go_to(12_345, "web.other.test");
    let looks_up = [look_up("web.other.test", OTHER_SERVER).to_vec(), go_to(443, "a.test")].concat();
    for then in [&shows, &looks_up] {
        assert!(reached(&[&packets[..], then].concat()).is_empty(), "the answer is not over");
    }
    let end = 5000 + u32::try_from(answer.len()).unwrap();
    packets.push(web.raw(false, end, web.seq(), FIN | ACK, &[]));
    assert_eq!(reached(&[&packets[..], &shows].concat()), [12_345].into());
    assert_eq!(reached(&[&packets[..], &looks_up].concat()), [443].into());
}

#[test]
fn a_host_is_watched_by_addresses_that_are_known_later() {
    let mut sip = Conversation::new(0, 5060);
    let mut packets = sip.open().to_vec();
    packets.extend(refused(&mut sip, ("ann", 1), "certs.one.test"));
    // The sieve itself reads no DNS over TCP.
    let mut names = Conversation::new(1, 53);
    packets.extend(names.open());
    let [query, answer] = packet::dns("certs.one.test", address(OTHER_SERVER)).map(|message| counted(2, &message));
    packets.extend([names.send(&query), names.answer(&answer)]);
    let then = go_to(9999, "a.test");
    assert!(reached(&[&packets[..], &then].concat()).is_empty(), "the host was told before its address was known");
    packets.push(sip.send(request(2, "").as_bytes()));
    assert_eq!(reached(&[&packets[..], &then].concat()), [9999].into());
}
