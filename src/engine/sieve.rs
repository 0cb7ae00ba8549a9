//! Which packets are worth decoding: a look at the headers and the first bytes of payload.
//!
//! In: packets in order. Out: keep, let through, or drop. Allocates nothing for a packet it drops.
//! It reads DNS answers itself, before it judges the next packet, so that the addresses behind
//! watched names are known when the connection to them begins. What it cannot judge goes through.

use std::collections::HashSet;
use std::net::IpAddr;

use crate::model::dns::{DnsMessage, RecordData};
use crate::model::{Limits, LinkType, Packet, Ports, Recent};
use crate::session;
use crate::wire::dns;
use crate::wire::ip;
use crate::wire::link::{self, Network};
use crate::wire::sip::Likeness;

/// What to do with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A port, an address or the user asks for its flow.
    Keep,
    /// Nothing asks for it so far, but the decoders must see it to tell.
    Through,
    /// Of no interest.
    Drop,
}

/// First labels of names that a sign-in looks up, whatever the domain (the client's discovery order
/// and the web services' names).
const WATCHED_PREFIXES: [&str; 13] = [
    "lyncdiscoverinternal.",
    "lyncdiscover.",
    "_sipinternaltls._tcp.",
    "_sipinternal._tcp.",
    "_sip._tls.",
    "_sip._tcp.",
    "_sipfederationtls._tcp.",
    "sipinternal.",
    "sip.",
    "sipexternal.",
    "ucupdates-r2.",
    "ucupdates.",
    "_ntp._udp.",
];

/// Ends of names that belong to the hosted service.
const WATCHED_SUFFIXES: [&str; 4] = [".online.lync.com", ".infra.lync.com", ".lync.com", "login.microsoftonline.com"];

/// Packets of an undecided TCP flow that go through before it is dropped.
const MOST_UNDECIDED: u8 = 8;

/// A start line cut before its first blank is no longer than this.
const LONGEST_TOKEN: usize = 64;

/// A conversation, the same for both directions.
type FlowHash = u64;

/// Judges packets.
pub struct Sieve {
    ports: Ports,
    names: HashSet<String, foldhash::fast::RandomState>,
    addresses: HashSet<IpAddr, foldhash::fast::RandomState>,
    most_names: usize,
    /// Flows that are kept.
    kept: Recent<FlowHash, ()>,
    /// Flows whose first payload has not been judged, and how many more of their packets go through.
    undecided: Recent<FlowHash, u8>,
    hasher: foldhash::fast::RandomState,
}

impl Sieve {
    /// A sieve that has seen nothing; `watch` are names whose addresses ask for a flow.
    pub fn new(ports: Ports, watch: &[String], limits: &Limits) -> Self {
        Self {
            ports,
            names: watch.iter().map(|name| name.trim_end_matches('.').to_ascii_lowercase()).collect(),
            addresses: HashSet::default(),
            most_names: limits.remembered,
            kept: Recent::new(limits.flows),
            undecided: Recent::new(limits.flows),
            hasher: foldhash::fast::RandomState::default(),
        }
    }

    /// Judges the next packet.
    pub fn judge(&mut self, packet: &Packet<'_>) -> Verdict {
        let Some(network) = network_header(packet.link, packet.data) else { return Verdict::Through };
        let Some(headers) = Headers::read(network) else { return Verdict::Through };
        match headers.protocol {
            Protocol::Udp => self.judge_datagram(&headers),
            Protocol::Tcp => self.judge_segment(&headers),
            Protocol::Other => Verdict::Drop,
        }
    }

    fn judge_datagram(&mut self, headers: &Headers<'_>) -> Verdict {
        if self.ports.asks(headers.src_port) || self.ports.asks(headers.dst_port) {
            if self.ports.kind(headers.src_port) == Some(crate::model::DecodeAs::Dns) {
                self.learn(headers.payload);
            }
            return Verdict::Keep;
        }
        if headers.is_tunnel() {
            return Verdict::Through;
        }
        if self.asks_address(headers) {
            return Verdict::Keep;
        }
        let flow = self.flow(headers);
        if self.kept.get_mut(&flow).is_some() {
            return Verdict::Through;
        }
        if is_recognised(headers.payload) {
            self.kept.insert(flow, ());
            return Verdict::Through;
        }
        Verdict::Drop
    }

    fn judge_segment(&mut self, headers: &Headers<'_>) -> Verdict {
        if self.ports.asks(headers.src_port) || self.ports.asks(headers.dst_port) {
            return Verdict::Keep;
        }
        if self.asks_address(headers) {
            return Verdict::Keep;
        }
        let flow = self.flow(headers);
        if headers.syn {
            self.kept.remove(&flow);
            self.undecided.insert(flow, MOST_UNDECIDED);
            return Verdict::Through;
        }
        if !self.kept.is_empty() && self.kept.get_mut(&flow).is_some() {
            return Verdict::Through;
        }
        if is_recognised(headers.payload) {
            self.undecided.remove(&flow);
            self.kept.insert(flow, ());
            return Verdict::Through;
        }
        self.judge_undecided(headers, flow)
    }

    /// A flow that has just begun gets a few packets to show what it is: they may be out of order.
    fn judge_undecided(&mut self, headers: &Headers<'_>, flow: FlowHash) -> Verdict {
        let Some(left) = self.undecided.get_mut(&flow) else { return Verdict::Drop };
        if headers.payload.is_empty() {
            return Verdict::Through;
        }
        *left = left.saturating_sub(1);
        if *left == 0 {
            self.undecided.remove(&flow);
        }
        Verdict::Through
    }

    fn asks_address(&self, headers: &Headers<'_>) -> bool {
        !self.addresses.is_empty()
            && (self.addresses.contains(&headers.src()) || self.addresses.contains(&headers.dst()))
    }

    fn flow(&self, headers: &Headers<'_>) -> FlowHash {
        use std::hash::BuildHasher;
        let one = self.hasher.hash_one((headers.src, headers.src_port));
        let other = self.hasher.hash_one((headers.dst, headers.dst_port));
        one.wrapping_add(other) ^ u64::from(headers.protocol == Protocol::Udp)
    }

    /// Reads a DNS answer for the addresses and targets of watched names.
    fn learn(&mut self, payload: &[u8]) {
        if payload.get(2).is_none_or(|flags| flags & 0x80 == 0) {
            return;
        }
        if let Ok(parsed) = dns::parse(payload) {
            self.learn_message(&parsed.message);
        }
    }

    fn learn_message(&mut self, message: &DnsMessage) {
        if self.names.len() + self.addresses.len() >= self.most_names {
            return;
        }
        // Records may stand in any order: aliases first, then addresses.
        for _ in 0..2 {
            for record in message.records() {
                if !self.watches(&record.name) {
                    continue;
                }
                match &record.data {
                    RecordData::Name(target) | RecordData::Srv { target, .. } => {
                        self.names.insert(target.to_ascii_lowercase());
                    }
                    RecordData::A(address) => _ = self.addresses.insert(IpAddr::V4(*address)),
                    RecordData::Aaaa(address) => _ = self.addresses.insert(IpAddr::V6(*address)),
                    _ => {}
                }
            }
        }
    }

    fn watches(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        WATCHED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            || WATCHED_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
            || self.names.contains(&name)
    }
}

/// Whether payload begins like something that is decoded on any port.
fn is_recognised(payload: &[u8]) -> bool {
    // The first byte decides for nearly all: no probe begins with what TLS data or media begin with.
    if !payload.first().is_some_and(|&byte| byte.is_ascii_graphic() || matches!(byte, b'\r' | b'\n')) {
        return false;
    }
    session::PROBES.iter().any(|probe| match (probe.begins)(payload) {
        Likeness::Yes => true,
        Likeness::Unsure => payload.len() <= LONGEST_TOKEN,
        Likeness::No => false,
    })
}

/// What is above IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Tcp,
    Udp,
    Other,
}

/// The headers of a packet, as far as they are needed here.
struct Headers<'a> {
    src: &'a [u8],
    dst: &'a [u8],
    protocol: Protocol,
    src_port: u16,
    dst_port: u16,
    syn: bool,
    payload: &'a [u8],
}

/// Where the IP header begins, for the usual link types; `None` where that takes a real decoder.
fn network_header(link: LinkType, data: &[u8]) -> Option<&[u8]> {
    match link {
        LinkType::ETHERNET => match data.get(12..14)? {
            [0x08, 0x00] | [0x86, 0xdd] => data.get(14..),
            [0x81, 0x00] if matches!(data.get(16..18)?, [0x08, 0x00] | [0x86, 0xdd]) => data.get(18..),
            _ => None,
        },
        _ => match link::peel(link, data) {
            Ok(Network::Ip(ip)) => Some(ip),
            _ => None,
        },
    }
}

impl<'a> Headers<'a> {
    /// Reads the headers; `None` where the packet must go through: a fragment, an ICMP error, a
    /// tunnel, or headers that are cut or unusual.
    fn read(ip: &'a [u8]) -> Option<Self> {
        let (src, dst, number, transport) = match ip.first()? >> 4 {
            4 => {
                let header = ip.first_chunk::<20>()?;
                let fragmented = u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0;
                let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
                let end = if total == 0 { ip.len() } else { total.min(ip.len()) };
                let transport = ip.get(usize::from(header[0] & 0xf) * 4..end).filter(|_| !fragmented)?;
                (ip.get(12..16)?, ip.get(16..20)?, header[9], transport)
            }
            6 => {
                let header = ip.first_chunk::<40>()?;
                let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
                let payload = ip.get(40..)?;
                let payload = if length == 0 { payload } else { payload.get(..length).unwrap_or(payload) };
                (ip.get(8..24)?, ip.get(24..40)?, header[6], payload)
            }
            _ => return None,
        };
        match number {
            6 => {
                let header = transport.first_chunk::<20>()?;
                Some(Self {
                    src,
                    dst,
                    protocol: Protocol::Tcp,
                    src_port: u16::from_be_bytes([header[0], header[1]]),
                    dst_port: u16::from_be_bytes([header[2], header[3]]),
                    syn: header[13] & 0x02 != 0,
                    payload: transport.get(usize::from(header[12] >> 4) * 4..).unwrap_or_default(),
                })
            }
            17 => {
                let header = transport.first_chunk::<8>()?;
                Some(Self {
                    src,
                    dst,
                    protocol: Protocol::Udp,
                    src_port: u16::from_be_bytes([header[0], header[1]]),
                    dst_port: u16::from_be_bytes([header[2], header[3]]),
                    syn: false,
                    payload: transport.get(8..).unwrap_or_default(),
                })
            }
            // IGMP, EGP, OSPF, PIM, VRRP, SCTP: nothing of ours can be inside.
            2 | 8 | 89 | 103 | 112 | 132 => {
                Some(Self { src, dst, protocol: Protocol::Other, src_port: 0, dst_port: 0, syn: false, payload: &[] })
            }
            _ => None,
        }
    }

    fn is_tunnel(&self) -> bool {
        ip::UDP_TUNNEL_PORTS.contains(&self.dst_port)
    }

    fn src(&self) -> IpAddr {
        address(self.src)
    }

    fn dst(&self) -> IpAddr {
        address(self.dst)
    }
}

/// An address of four or sixteen bytes.
fn address(bytes: &[u8]) -> IpAddr {
    match (bytes.first_chunk::<16>(), bytes.first_chunk::<4>()) {
        (Some(v6), _) => IpAddr::from(*v6),
        (None, Some(v4)) => IpAddr::from(*v4),
        (None, None) => IpAddr::from([0; 4]),
    }
}
