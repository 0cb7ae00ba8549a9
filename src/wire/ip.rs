//! IP, TCP, UDP and ICMP headers, through the tunnels that mirror ports and hosts add.
//!
//! In: a network-layer packet. Out: addresses, and a TCP segment, a datagram, an ICMP error with the
//! header it quotes, or an IP fragment. Checksums are not looked at (offloading makes them wrong),
//! lengths beyond the captured bytes are cut and told, padding and frame check sequences fall away.
//! Tunnels: IP in IP, GRE (RFC 2784, 2890), ERSPAN I to III, VXLAN (RFC 7348), GENEVE (RFC 8926).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use etherparse::{LaxIpSlice, TcpSlice};

use crate::model::{Defect, TransportKind};
use crate::wire::bytes::Reader;
use crate::wire::link::{self, Network};

/// How many tunnels may be nested. Three are seen in the field; a loop of headers ends here.
pub const DEEPEST_TUNNEL: usize = 8;

const ICMP: u8 = 1;
const IPV4_IN_IP: u8 = 4;
const TCP: u8 = 6;
const UDP: u8 = 17;
const IPV6_IN_IP: u8 = 41;
const GRE: u8 = 47;
const ICMPV6: u8 = 58;
const ETHERNET_IN_IP: u8 = 143;

/// UDP ports whose datagrams may be tunnels.
pub const UDP_TUNNEL_PORTS: [u16; 3] = [4789, 8472, GENEVE_PORT];
const VXLAN_PORTS: [u16; 2] = [4789, 8472];
const GENEVE_PORT: u16 = 6081;

/// What a packet is, addresses apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// TCP.
    Tcp(Segment<'a>),
    /// UDP.
    Udp(Datagram<'a>),
    /// An ICMP or `ICMPv6` error about a packet.
    Icmp(IcmpError),
    /// Part of an IP datagram.
    Fragment(Fragment<'a>),
    /// Any other protocol above IP.
    Other,
}

/// A TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Sender's port.
    pub src_port: u16,
    /// Receiver's port.
    pub dst_port: u16,
    /// Sequence number of the first byte (or of SYN).
    pub seq: u32,
    /// Acknowledgment number, where ACK is set.
    pub ack: Option<u32>,
    /// SYN.
    pub syn: bool,
    /// FIN.
    pub fin: bool,
    /// RST.
    pub rst: bool,
    /// The captured part of the payload.
    pub payload: &'a [u8],
    /// Bytes of payload that the snap length cut.
    pub cut: u32,
}

/// A UDP datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Sender's port.
    pub src_port: u16,
    /// Receiver's port.
    pub dst_port: u16,
    /// The captured part of the payload.
    pub payload: &'a [u8],
    /// Bytes of payload that the snap length cut.
    pub cut: u32,
}

/// An ICMP error and the packet that it is about, which went from `src` to `dst`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// ICMP type.
    pub icmp_type: u8,
    /// ICMP code.
    pub icmp_code: u8,
    /// Whether it is `ICMPv6`.
    pub v6: bool,
    /// Protocol of the quoted packet.
    pub transport: TransportKind,
    /// Its sender.
    pub src: SocketAddr,
    /// Its receiver.
    pub dst: SocketAddr,
}

/// Part of an IP datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// Identification; 16 bits for IPv4.
    pub id: u32,
    /// Protocol above IP.
    pub protocol: u8,
    /// Where the bytes belong, from the start of the datagram's payload.
    pub offset: u32,
    /// Whether more follow.
    pub more: bool,
    /// The captured bytes.
    pub payload: &'a [u8],
}

/// A decoded packet: innermost addresses and what is between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// Sender.
    pub src: IpAddr,
    /// Receiver.
    pub dst: IpAddr,
    /// What it is.
    pub body: Body<'a>,
}

/// Why there is nothing to decode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// Another network protocol than IP.
    NotIp,
    /// A link type that is not decoded.
    LinkUnknown,
    /// Headers that cannot be read.
    Malformed(Defect),
}

impl From<Defect> for Unusable {
    fn from(defect: Defect) -> Self {
        Self::Malformed(defect)
    }
}

/// Reads on from the network layer to the innermost packet.
///
/// # Errors
/// Where no IP packet can be read.
pub fn decode(network: Network<'_>) -> Result<Decoded<'_>, Unusable> {
    decode_nested(network, 0)
}

fn decode_nested(network: Network<'_>, depth: usize) -> Result<Decoded<'_>, Unusable> {
    if depth > DEEPEST_TUNNEL {
        return Err(Defect::new("IP", 0, format!("more than {DEEPEST_TUNNEL} tunnels, one in another")).into());
    }
    match network {
        Network::Ip(bytes) => ip(bytes, depth),
        Network::Ethernet(bytes) => decode_nested(link::ethernet(bytes)?, depth + 1),
        Network::Erspan(bytes) => decode_nested(erspan(bytes)?, depth + 1),
        Network::Other => Err(Unusable::NotIp),
        Network::Unknown => Err(Unusable::LinkUnknown),
    }
}

fn ip(bytes: &[u8], depth: usize) -> Result<Decoded<'_>, Unusable> {
    // The error is large; the variant with the slice is what matters.
    let (slice, _) = LaxIpSlice::from_slice(bytes).map_err(|error| Defect::new("IP", 0, error.to_string()))?;
    let (src, dst) = (slice.source_addr(), slice.destination_addr());
    let payload = slice.payload();
    if payload.fragmented {
        let body = fragment(&slice).map_or(Body::Other, |fragment| {
            Body::Fragment(Fragment { protocol: payload.ip_number.0, payload: payload.payload, ..fragment })
        });
        return Ok(Decoded { src, dst, body });
    }
    let missing = missing_bytes(&slice, payload.payload.len());
    transport(src, dst, payload.ip_number.0, payload.payload, missing, depth)
}

/// Reads what an IP payload of a whole datagram is; used for reassembled fragments.
///
/// # Errors
/// Where the header above IP cannot be read.
pub fn decode_payload(src: IpAddr, dst: IpAddr, protocol: u8, payload: &[u8]) -> Result<Decoded<'_>, Unusable> {
    transport(src, dst, protocol, payload, 0, 1)
}

/// How many bytes the length field of the header says that the snap length cut.
fn missing_bytes(slice: &LaxIpSlice<'_>, have: usize) -> u32 {
    let claimed = match slice {
        LaxIpSlice::Ipv4(v4) => {
            let header = v4.header();
            usize::from(header.total_len()).saturating_sub(header.slice().len() + extension_len(v4))
        }
        LaxIpSlice::Ipv6(v6) => usize::from(v6.header().payload_length()).saturating_sub(v6.extensions().slice().len()),
    };
    u32::try_from(claimed.saturating_sub(have)).unwrap_or(u32::MAX)
}

fn extension_len(v4: &etherparse::LaxIpv4Slice<'_>) -> usize {
    v4.extensions().auth.map_or(0, |auth| auth.slice().len())
}

/// Identification, offset and flag of a fragment.
fn fragment<'a>(slice: &LaxIpSlice<'_>) -> Option<Fragment<'a>> {
    let (id, offset, more) = match slice {
        LaxIpSlice::Ipv4(v4) => {
            let header = v4.header();
            let offset = u32::from(header.fragments_offset().value()) * 8;
            (u32::from(header.identification()), offset, header.more_fragments())
        }
        LaxIpSlice::Ipv6(v6) => {
            let header = v6.extensions().clone().into_iter().find_map(|extension| match extension {
                etherparse::Ipv6ExtensionSlice::Fragment(header) => Some(header.to_header()),
                _ => None,
            })?;
            (header.identification, u32::from(header.fragment_offset.value()) * 8, header.more_fragments)
        }
    };
    Some(Fragment { id, offset, more, protocol: 0, payload: &[] })
}

fn transport(
    src: IpAddr,
    dst: IpAddr,
    protocol: u8,
    payload: &[u8],
    missing: u32,
    depth: usize,
) -> Result<Decoded<'_>, Unusable> {
    let body = match protocol {
        TCP => Body::Tcp(tcp(payload, missing)?),
        UDP => {
            let datagram = udp(payload, missing)?;
            if let Some(inner) = udp_tunnel(&datagram, depth) {
                return Ok(inner);
            }
            Body::Udp(datagram)
        }
        ICMP | ICMPV6 => icmp(payload, protocol == ICMPV6).map_or(Body::Other, Body::Icmp),
        IPV4_IN_IP | IPV6_IN_IP => return decode_nested(Network::Ip(payload), depth + 1),
        ETHERNET_IN_IP => {
            return decode_nested(Network::Ethernet(payload.get(2..).unwrap_or_default()), depth + 1);
        }
        GRE => return decode_nested(gre(payload)?, depth + 1),
        _ => Body::Other,
    };
    Ok(Decoded { src, dst, body })
}

fn tcp(payload: &[u8], missing: u32) -> Result<Segment<'_>, Defect> {
    let slice = TcpSlice::from_slice(payload).map_err(|error| Defect::new("TCP", 0, error.to_string()))?;
    Ok(Segment {
        src_port: slice.source_port(),
        dst_port: slice.destination_port(),
        seq: slice.sequence_number(),
        ack: slice.ack().then(|| slice.acknowledgment_number()),
        syn: slice.syn(),
        fin: slice.fin(),
        rst: slice.rst(),
        payload: slice.payload(),
        cut: missing,
    })
}

fn udp(payload: &[u8], missing: u32) -> Result<Datagram<'_>, Defect> {
    let mut reader = Reader::new("UDP", payload);
    let (src_port, dst_port, length) = (reader.u16()?, reader.u16()?, usize::from(reader.u16()?));
    reader.take(2)?;
    let bytes = reader.rest();
    // A length of 0 is a jumbogram's or an offloaded send's (RFC 2675); a shorter one leaves padding behind.
    let claimed = if length == 0 { bytes.len() } else { length.saturating_sub(8) };
    let have = bytes.get(..claimed).unwrap_or(bytes);
    let cut = u32::try_from(claimed - have.len()).unwrap_or(u32::MAX).max(missing);
    Ok(Datagram { src_port, dst_port, payload: have, cut })
}

fn udp_tunnel<'a>(datagram: &Datagram<'a>, depth: usize) -> Option<Decoded<'a>> {
    let network = match datagram.dst_port {
        port if VXLAN_PORTS.contains(&port) => vxlan(datagram.payload)?,
        GENEVE_PORT => geneve(datagram.payload)?,
        _ => return None,
    };
    decode_nested(network, depth + 1).ok()
}

/// VXLAN: the "I" flag must be set, reserved bits are ignored (group policy and GPE use them).
fn vxlan(payload: &[u8]) -> Option<Network<'_>> {
    let (header, inner) = payload.split_first_chunk::<8>()?;
    (header[0] & 0x08 != 0 && header[7] == 0).then_some(Network::Ethernet(inner))
}

fn geneve(payload: &[u8]) -> Option<Network<'_>> {
    let (header, rest) = payload.split_first_chunk::<8>()?;
    let options = usize::from(header[0] & 0x3f) * 4;
    let kind = u16::from_be_bytes([header[2], header[3]]);
    let inner = rest.get(options..).filter(|_| header[0] >> 6 == 0)?;
    link::ether_type(kind, inner).ok()
}

fn gre(payload: &[u8]) -> Result<Network<'_>, Defect> {
    const ERSPAN_II: u16 = 0x88be;
    let mut reader = Reader::new("GRE", payload);
    let (flags, kind) = (reader.u16()?, reader.u16()?);
    if flags & 7 == 1 {
        // Version 1 (RFC 2637) carries PPP; key is always there, acknowledgment by its bit.
        reader.take(4)?;
        reader.take(if flags & 0x1000 != 0 { 4 } else { 0 } + if flags & 0x80 != 0 { 4 } else { 0 })?;
        return link::peel(crate::model::LinkType::PPP, reader.rest());
    }
    if flags & 0xc000 != 0 {
        reader.take(4)?; // checksum and offset
    }
    if flags & 0x2000 != 0 {
        reader.take(4)?; // key
    }
    let sequenced = flags & 0x1000 != 0;
    if sequenced {
        reader.take(4)?;
    }
    if kind == ERSPAN_II && !sequenced {
        return Ok(Network::Ethernet(reader.rest())); // type I has no header of its own
    }
    link::ether_type(kind, reader.rest())
}

/// ERSPAN type II (8 bytes) and III (12 bytes, and 8 more where its O bit is set).
fn erspan(payload: &[u8]) -> Result<Network<'_>, Defect> {
    let mut reader = Reader::new("ERSPAN", payload);
    let first = reader.u8()?;
    if first >> 4 == 2 {
        reader.take(10)?;
        let extended = reader.u8()? & 1 == 1;
        reader.take(if extended { 8 } else { 0 })?;
    } else {
        reader.take(7)?;
    }
    Ok(Network::Ethernet(reader.rest()))
}

/// An error message and the flow of the packet it quotes; `None` for other ICMP messages.
fn icmp(payload: &[u8], v6: bool) -> Option<IcmpError> {
    let mut reader = Reader::new("ICMP", payload);
    let (icmp_type, icmp_code) = (reader.u8().ok()?, reader.u8().ok()?);
    let is_error = if v6 { matches!(icmp_type, 1 | 3 | 4) } else { matches!(icmp_type, 3 | 11 | 12) };
    if !is_error {
        return None;
    }
    reader.take(6).ok()?;
    let quoted = reader.rest();
    let (src, dst, protocol, ports) = quoted_header(quoted)?;
    let (src_port, rest) = ports.split_first_chunk::<2>()?;
    let dst_port = rest.first_chunk::<2>()?;
    let transport = match protocol {
        TCP => TransportKind::Tcp,
        UDP => TransportKind::Udp,
        _ => return None,
    };
    Some(IcmpError {
        icmp_type,
        icmp_code,
        v6,
        transport,
        src: SocketAddr::new(src, u16::from_be_bytes(*src_port)),
        dst: SocketAddr::new(dst, u16::from_be_bytes(*dst_port)),
    })
}

/// Addresses, protocol and what follows of a quoted header, of which only the beginning need be there.
fn quoted_header(quoted: &[u8]) -> Option<(IpAddr, IpAddr, u8, &[u8])> {
    match quoted.first()? >> 4 {
        4 => {
            let header = quoted.first_chunk::<20>()?;
            let address = |at: usize| Some(Ipv4Addr::from(*header.get(at..)?.first_chunk::<4>()?));
            let length = usize::from(header[0] & 0xf) * 4;
            Some((address(12)?.into(), address(16)?.into(), header[9], quoted.get(length.max(20)..)?))
        }
        6 => {
            let header = quoted.first_chunk::<40>()?;
            let address = |at: usize| Some(Ipv6Addr::from(*header.get(at..)?.first_chunk::<16>()?));
            Some((address(8)?.into(), address(24)?.into(), header[6], quoted.get(40..)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An IPv4 header of 20 bytes in front of `payload`.
    fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
        let [high, low] = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
        let header = [0x45, 0, high, low, 0, 1, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
        [&header[..], payload].concat()
    }

    fn udp_bytes(src: u16, dst: u16, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(8 + payload.len()).unwrap();
        [&src.to_be_bytes()[..], &dst.to_be_bytes(), &length.to_be_bytes(), &[0, 0], payload].concat()
    }

    fn frame(ip: &[u8]) -> Vec<u8> {
        [&[0; 12][..], &[8, 0], ip].concat()
    }

    #[track_caller]
    fn check_datagram(packet: &[u8], expected: &[u8]) {
        let decoded = decode(Network::Ip(packet)).unwrap();
        let Body::Udp(datagram) = decoded.body else { panic!("{decoded:?}") };
        assert_eq!((datagram.dst_port, datagram.payload, datagram.cut), (53, expected, 0));
        for length in 0..packet.len() {
            let _ = decode(Network::Ip(&packet[..length]));
        }
    }

    #[test]
    fn tunnels_come_off() {
        let inner = ipv4(UDP, &udp_bytes(1, 53, b"dns"));
        check_datagram(&inner, b"dns");
        check_datagram(&[&inner[..], b"padding"].concat(), b"dns");
        check_datagram(&ipv4(IPV4_IN_IP, &inner), b"dns");
        check_datagram(&ipv4(GRE, &[&[0, 0, 8, 0], &inner[..]].concat()), b"dns");
        check_datagram(&ipv4(GRE, &[&[0x30, 0, 8, 0, 0, 0, 0, 1, 0, 0, 0, 2], &inner[..]].concat()), b"dns");
        check_datagram(&ipv4(GRE, &[&[0, 0, 0x88, 0xbe], &frame(&inner)[..]].concat()), b"dns");
        let two = [&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 0, 0, 0, 0, 0], &frame(&inner)[..]].concat();
        check_datagram(&ipv4(GRE, &two), b"dns");
        let three =
            [&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &frame(&inner)[..]].concat();
        check_datagram(&ipv4(GRE, &three), b"dns");
        let vxlan = [&[8, 0, 0, 0, 0, 0, 7, 0], &frame(&inner)[..]].concat();
        check_datagram(&ipv4(UDP, &udp_bytes(9, 4789, &vxlan)), b"dns");
        let geneve = [&[1, 0, 0x65, 0x58, 0, 0, 7, 0, 1, 2, 3, 4], &frame(&inner)[..]].concat();
        check_datagram(&ipv4(UDP, &udp_bytes(9, 6081, &geneve)), b"dns");
    }

    #[test]
    fn tunnels_end() {
        let mut packet = ipv4(UDP, &udp_bytes(1, 53, b"dns"));
        for _ in 0..=DEEPEST_TUNNEL {
            packet = ipv4(IPV4_IN_IP, &packet);
        }
        assert!(matches!(decode(Network::Ip(&packet)), Err(Unusable::Malformed(_))));
    }

    #[test]
    fn a_snap_length_is_told() {
        let packet = ipv4(UDP, &udp_bytes(1, 53, b"longer"));
        let Body::Udp(datagram) = decode(Network::Ip(&packet[..packet.len() - 4])).unwrap().body else { panic!() };
        assert_eq!((datagram.payload, datagram.cut), (&b"lo"[..], 4));
        let segment = [&[0, 1, 0, 2, 0, 0, 0, 9, 0, 0, 0, 0, 0x50, 0x10, 0, 0, 0, 0, 0, 0], &b"abcdef"[..]].concat();
        let packet = ipv4(TCP, &segment);
        let Body::Tcp(segment) = decode(Network::Ip(&packet[..packet.len() - 2])).unwrap().body else { panic!() };
        assert_eq!((segment.seq, segment.ack, segment.payload, segment.cut), (9, Some(0), &b"abcd"[..], 2));
    }

    #[test]
    fn an_icmp_error_names_the_flow_it_is_about() {
        let quoted = ipv4(TCP, &[0x9c, 0x40, 0x13, 0xc5, 0, 0, 0, 1]);
        let packet = ipv4(ICMP, &[&[3, 13, 0, 0, 0, 0, 0, 0], &quoted[..]].concat());
        let Body::Icmp(error) = decode(Network::Ip(&packet)).unwrap().body else { panic!() };
        assert_eq!((error.icmp_type, error.icmp_code), (3, 13));
        assert_eq!((error.src.port(), error.dst.to_string().as_str()), (40000, "192.0.2.2:5061"));
        let echo = ipv4(ICMP, &[8, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(decode(Network::Ip(&echo)).unwrap().body, Body::Other);
    }

    #[test]
    fn fragments_say_where_they_belong() {
        let mut packet = ipv4(UDP, b"sixteen bytes !!");
        packet[6..8].copy_from_slice(&0x2002_u16.to_be_bytes());
        let Body::Fragment(fragment) = decode(Network::Ip(&packet)).unwrap().body else { panic!() };
        assert_eq!((fragment.id, fragment.offset, fragment.more, fragment.payload.len()), (1, 16, true, 16));
    }
}
