//! Kerberos and DHCP through the whole engine: rows, fields, times, and what is left out.
#![expect(clippy::indexing_slicing, reason = "a test that indexes out of bounds fails, as it should")]

mod common;

use common::packet::{self, address};
use common::{Conversation, Told, check_same, tell_raw};
use lynccap::engine::Options;
use lynccap::model::{Counter, Direction, Span};
use lynccap::story::Row;
use lynccap::story::fields::{self, Value};
use lynccap::story::summary::summary;

/// An element of DER.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82, length[0], length[1]][..], content].concat()
}

fn sequence(fields: &[(u8, Vec<u8>)]) -> Vec<u8> {
    der(0x30, &fields.iter().flat_map(|(number, content)| der(0xa0 | number, content)).collect::<Vec<_>>())
}

fn int(number: u8) -> Vec<u8> {
    vec![2, 1, number]
}

fn name(parts: &[&str]) -> Vec<u8> {
    let strings: Vec<u8> = parts.iter().flat_map(|part| der(0x1b, part.as_bytes())).collect();
    sequence(&[(0, int(2)), (1, der(0x30, &strings))])
}

const POOL: &[&str] = &["sip", "pool01.ex.test"];

fn tgs_request() -> Vec<u8> {
    let body = sequence(&[
        (0, vec![3, 5, 0, 0x40, 0x81, 0, 0]),
        (2, der(0x1b, b"EX.TEST")),
        (3, name(POOL)),
        (5, der(0x18, b"20370913024805Z")),
        (7, int(9)),
        (8, der(0x30, &[int(18), int(23)].concat())),
    ]);
    der(0x6c, &sequence(&[(1, int(5)), (2, int(12)), (4, body)]))
}

fn tgs_answer() -> Vec<u8> {
    let encrypted = sequence(&[(0, int(18)), (1, int(3)), (2, der(4, &[0x77; 900]))]);
    let ticket = sequence(&[(0, int(5)), (1, der(0x1b, b"EX.TEST")), (2, name(POOL)), (3, encrypted.clone())]);
    let fields = [
        (0, int(5)),
        (1, int(13)),
        (3, der(0x1b, b"EX.TEST")),
        (4, name(&["ann"])),
        (5, der(0x61, &ticket)),
        (6, encrypted),
    ];
    der(0x6d, &sequence(&fields))
}

fn error() -> Vec<u8> {
    let fields = [
        (0, int(5)),
        (1, int(30)),
        (4, der(0x18, b"20260102030405Z")),
        (5, int(0)),
        (6, int(7)),
        (9, der(0x1b, b"EX.TEST")),
        (10, name(POOL)),
    ];
    der(0x7e, &sequence(&fields))
}

fn udp(ends: (std::net::Ipv4Addr, std::net::Ipv4Addr), ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    packet::ipv4(ends, 17, (0, 0), &packet::datagram(ports, payload))
}

/// Packets, 20 ms apart; the sieve changes no row.
#[track_caller]
fn tell(packets: &[Vec<u8>]) -> Told {
    let told = tell_raw(packets, Options::default());
    let unsieved = tell_raw(packets, Options { without_sieve: true, ..Options::default() });
    check_same("the sieve", &told.rows.iter().collect::<Vec<_>>(), &unsieved.rows.iter().collect::<Vec<_>>(), &[]);
    told
}

fn value<'a>(row: &'a Row, field: &str) -> Option<Value<'a>> {
    (fields::find(field).unwrap().value)(row)
}

#[track_caller]
fn check_rows(told: &Told, kind: &str, expected: &[&str]) {
    let rows: Vec<_> = told.rows.iter().filter(|row| row.kind() == kind).map(summary).collect();
    assert_eq!(rows, expected);
}

#[test]
fn tickets_over_udp() {
    let (client, kdc) = (address(2), address(1));
    let (out, back) = ((client, kdc), (kdc, client));
    // The request is sent again, and answered once.
    let told = tell(&[
        udp(out, (50_000, 88), &tgs_request()),
        udp(out, (50_000, 88), &tgs_request()),
        udp(back, (88, 50_000), &error()),
        udp(back, (88, 50_000), b"no Kerberos"),
        udp(back, (88, 50_000), b"nor this"),
    ]);
    let request = "TGS-REQ for sip/pool01.ex.test";
    let expected = [request, request, "KRB-ERROR KDC_ERR_S_PRINCIPAL_UNKNOWN (7) for sip/pool01.ex.test"];
    check_rows(&told, "kerberos", &expected);
    check_rows(&told, "defect", &["Kerberos: no Kerberos message (at byte 0)"]);
    let answer = &told.rows[2];
    assert_eq!(answer.direction, Direction::In);
    assert_eq!(value(answer, "response_time"), Some(Value::Seconds(Span::from_millis(40))));
    for (field, expected) in [
        ("kind", "kerberos"),
        ("kerberos_type", "KRB-ERROR"),
        ("kerberos_service", "sip/pool01.ex.test"),
        ("kerberos_realm", "EX.TEST"),
        ("kerberos_error", "KDC_ERR_S_PRINCIPAL_UNKNOWN"),
    ] {
        assert_eq!(value(answer, field), Some(Value::Text(expected.into())), "{field}");
    }
    assert_eq!(value(answer, "kerberos_client"), None);
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&u32::try_from(message.len()).unwrap().to_be_bytes()[..], message].concat()
}

#[test]
fn tickets_over_tcp_cut_anywhere() {
    let (question, answer) = (framed(&tgs_request()), framed(&tgs_answer()));
    for size in [1, 3, 7, 300, 5000] {
        let mut conversation = Conversation::new(0, 88);
        let mut packets = conversation.open().to_vec();
        packets.extend(question.repeat(2).chunks(size).map(|part| conversation.send(part)));
        packets.extend(answer.repeat(2).chunks(size).map(|part| conversation.answer(part)));
        let told = tell(&packets);
        let (request, reply) = ("TGS-REQ for sip/pool01.ex.test", "TGS-REP for sip/pool01.ex.test by ann");
        check_rows(&told, "kerberos", &[request, request, reply, reply]);
        check_rows(&told, "defect", &[]);
        let kerberos = told.rows.iter().filter(|row| row.kind() == "kerberos");
        let answered = kerberos.filter(|row| value(row, "response_time").is_some());
        assert_eq!(answered.count(), 2, "segments of {size} bytes");
    }
}

#[test]
fn a_stream_goes_on_behind_a_hole() {
    let mut conversation = Conversation::new(0, 88);
    let mut packets = conversation.open().to_vec();
    packets.push(conversation.send(&framed(&tgs_request())[..60]));
    conversation.lose(100);
    packets.push(conversation.send(&[0x55; 40]));
    packets.push(conversation.send(&framed(&tgs_request())));
    let told = tell(&packets);
    assert_eq!((told.of_kind("kerberos"), told.of_kind("loss")), (2, 1), "the first as far as it is there");
    check_rows(&told, "defect", &["Kerberos: the message is cut (at byte 0)"]);
}

/// A DHCP message with those options.
fn dhcp(op: u8, options: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![0; 236];
    (bytes[0], bytes[1], bytes[2]) = (op, 1, 6);
    bytes[4..8].copy_from_slice(&[1, 2, 3, 4]);
    if op == 2 {
        bytes[16..20].copy_from_slice(&[10, 0, 0, 55]);
    }
    bytes.extend([99, 130, 83, 99]);
    bytes.extend(options.concat());
    bytes.push(255);
    bytes
}

#[test]
fn a_phone_asks_for_its_servers() {
    let everybody = std::net::Ipv4Addr::BROADCAST;
    let nobody = std::net::Ipv4Addr::UNSPECIFIED;
    let discover = dhcp(1, &[&[53, 1, 1, 60, 12], b"MS-UC-Client", &[55, 2, 43, 120]]);
    let parts = b"\x01\x0cMS-UC-Client\x02\x05https\x03\x0epool01.ex.test\x04\x03443\x05\x25/CertProv/CertProvisioningService.svc";
    let length = u8::try_from(parts.len()).unwrap();
    let offer = dhcp(2, &[&[53, 1, 2, 43, length], parts, &[120, 17], b"\0\x06pool01\x02ex\x04test\0"]);
    let other = dhcp(1, &[&[53, 1, 1, 55, 2, 1, 3]]);
    let told = tell(&[
        udp((nobody, everybody), (68, 67), &other),
        udp((nobody, everybody), (68, 67), &discover),
        udp((address(1), everybody), (67, 68), &offer),
        udp((address(1), everybody), (67, 68), b"no DHCP"),
    ]);
    let url = "https://pool01.ex.test:443/CertProv/CertProvisioningService.svc";
    let gives = format!("DHCPOFFER gives 10.0.0.55, SIP servers: pool01.ex.test, certificates: {url}");
    check_rows(&told, "dhcp", &["DHCPDISCOVER MS-UC-Client asks for option 43 and 120", &gives]);
    assert_eq!(told.rows.len(), 2, "others make no row");
    assert_eq!(told.count(Counter::DhcpOther), 2);
    let [discover, offer] = &told.rows[..] else { panic!("two rows") };
    assert_eq!((discover.direction, offer.direction), (Direction::Out, Direction::In));
    assert_eq!(value(offer, "src_ip"), Some(Value::Address([10, 0, 0, 1].into())));
    assert_eq!(value(discover, "dhcp_vendor_class"), Some(Value::Text("MS-UC-Client".into())));
    assert_eq!(value(offer, "dhcp_type"), Some(Value::Text("DHCPOFFER".into())));
    assert_eq!(value(offer, "dhcp_sip_servers"), Some(Value::Texts(vec!["pool01.ex.test"])));
    assert_eq!(value(offer, "dhcp_certificate_url"), Some(Value::Text(url.into())));
}

#[test]
fn errors_about_dhcp_find_it_in_any_lane() {
    const PHONES: u32 = 16;
    let server = address(1);
    let mut packets = Vec::new();
    for number in 0..PHONES {
        let phone = address(0x20 + number);
        let request =
            udp((phone, server), (68, 67), &dhcp(1, &[&[53, 1, 3, 60, 12], b"MS-UC-Client", &[55, 2, 43, 120]]));
        // Nobody listens there: the error quotes the IP header and the beginning of the datagram.
        let error = [&[3, 3, 0, 0, 0, 0, 0, 0], &request[..28]].concat();
        packets.push(request);
        packets.push(packet::ipv4((server, phone), 1, (0, 0), &error));
    }
    let one = tell(&packets);
    assert_eq!((one.of_kind("dhcp"), one.of_kind("icmp")), (PHONES as usize, PHONES as usize));
    for lanes in [2, 3, 8] {
        let many = tell_raw(&packets, Options { lanes, ..Options::default() });
        let (one, many): (Vec<&Row>, Vec<&Row>) = (one.rows.iter().collect(), many.rows.iter().collect());
        check_same(&format!("{lanes} lanes"), &one, &many, &[]);
    }
}
