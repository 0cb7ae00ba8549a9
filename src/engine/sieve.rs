//! Which packets are worth decoding: a look at the headers and the first bytes of payload.
//!
//! In: packets in order. Out: keep, let through, or drop. Allocates nothing for a packet it drops.
//! It reads DNS answers itself, before it judges the next packet, so that the addresses behind
//! watched names are known when the connection to them begins. What it cannot judge goes through.
//! Where a flow begins, it asks for the hosts that sign-ins were told to go to so far ([`HostSource`]): only
//! then, so that its verdicts do not depend on how far the decoders lag behind.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use crate::crypto::KeyStore;
use crate::model::dns::{DnsMessage, RecordData};
use crate::model::watch::is_watched;
use crate::model::{Limits, LinkType, Packet, PointNo, Ports, Recent};
use crate::session;
use crate::wire::dns;
use crate::wire::http;
use crate::wire::ip;
use crate::wire::link::{self, Network};
use crate::wire::sip::Likeness;
use crate::wire::tls;

/// A host, and the addresses that are known for it.
pub type Host = (Arc<str>, Vec<IpAddr>);

/// Who knows where sign-ins were told to go.
pub trait HostSource {
    /// The hosts that all packets before this one tell of, without those of the last call.
    fn take_hosts(&mut self) -> Vec<Host>;
}

/// Nobody does.
pub struct NoHosts;

impl HostSource for NoHosts {
    fn take_hosts(&mut self) -> Vec<Host> {
        Vec::new()
    }
}

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

/// Packets of an undecided TCP flow that go through before it is dropped.
const MOST_UNDECIDED: u8 = 8;

/// A start line cut before its first blank is no longer than this.
const LONGEST_TOKEN: usize = 64;

/// A conversation, the same for both directions.
type FlowHash = u64;

/// Longest client hello that is put together from segments.
const LONGEST_HELLO: usize = 16 << 10;

/// A flow that has shown too little.
struct Undecided {
    /// How many more of its packets go through.
    left: u8,
    /// The beginning of a client hello, and the sequence number behind it.
    hello: Vec<u8>,
    next: u32,
}

/// Addresses that ask for a flow. Those of most packets do not, which one bit tells.
struct Addresses {
    known: HashSet<IpAddr, foldhash::fast::RandomState>,
    /// For each value of [`Self::place`], whether an address has it.
    places: [u64; 64],
}

impl Addresses {
    fn new() -> Self {
        Self { known: HashSet::default(), places: [0; 64] }
    }

    fn len(&self) -> usize {
        self.known.len()
    }

    /// Six bits each: which word, and which bit of it.
    fn place(address: IpAddr) -> (usize, u32) {
        let bits = match address {
            IpAddr::V4(address) => address.to_bits(),
            IpAddr::V6(address) => {
                address.segments().iter().fold(0_u32, |bits, part| bits.rotate_left(5) ^ u32::from(*part))
            }
        };
        let bits = bits ^ bits >> 12 ^ bits >> 24;
        ((bits >> 6 & 63) as usize, bits & 63)
    }

    fn insert(&mut self, address: IpAddr) {
        let (word, bit) = Self::place(address);
        if let Some(word) = self.places.get_mut(word) {
            *word |= 1 << bit;
        }
        self.known.insert(address);
    }

    fn has(&self, address: IpAddr) -> bool {
        let (word, bit) = Self::place(address);
        self.places.get(word).is_some_and(|word| word >> bit & 1 == 1) && self.known.contains(&address)
    }
}

/// Judges packets.
pub struct Sieve {
    ports: Ports,
    names: HashSet<String, foldhash::fast::RandomState>,
    addresses: Addresses,
    most_names: usize,
    /// Flows that are kept, and how.
    kept: Recent<FlowHash, Verdict>,
    /// Flows whose first payload has not been judged.
    undecided: Recent<FlowHash, Undecided>,
    hasher: foldhash::fast::RandomState,
}

impl Sieve {
    /// A sieve that has seen nothing; `watch` are names whose addresses ask for a flow.
    pub fn new(ports: Ports, watch: &[String], limits: &Limits) -> Self {
        Self {
            ports,
            names: watch.iter().map(|name| name.trim_end_matches('.').to_ascii_lowercase()).collect(),
            addresses: Addresses::new(),
            most_names: limits.remembered,
            kept: Recent::new(limits.flows),
            undecided: Recent::new(limits.flows),
            hasher: foldhash::fast::RandomState::default(),
        }
    }

    /// From now on the hosts that sign-ins were told to go to ask for a flow, and so do their addresses.
    fn hear(&mut self, hosts: &mut impl HostSource) {
        for (name, addresses) in hosts.take_hosts() {
            if self.names.len() < self.most_names {
                self.names.insert(name.trim_end_matches('.').to_ascii_lowercase());
            }
            for address in addresses {
                if self.addresses.len() < self.most_names {
                    self.addresses.insert(address);
                }
            }
        }
    }

    /// Judges the next packet.
    pub fn judge(&mut self, packet: &Packet<'_>, keys: &KeyStore, hosts: &mut impl HostSource) -> Verdict {
        let Some(network) = network_header(packet.link, packet.data) else { return Verdict::Through };
        let Some(headers) = Headers::read(network) else { return Verdict::Through };
        match headers.protocol {
            Protocol::Udp => self.judge_datagram(&headers, packet.point, hosts),
            Protocol::Tcp => self.judge_segment(&headers, packet.point, keys, hosts),
            Protocol::Other => Verdict::Drop,
        }
    }

    fn judge_datagram(&mut self, headers: &Headers<'_>, point: PointNo, hosts: &mut impl HostSource) -> Verdict {
        if self.ports.asks(headers.src_port) || self.ports.asks(headers.dst_port) {
            if self.ports.kind(headers.src_port) == Some(crate::model::DecodeAs::Dns) {
                self.learn(headers.payload, hosts);
            }
            return Verdict::Keep;
        }
        if headers.is_tunnel() {
            return Verdict::Through;
        }
        if self.asks_address(headers) {
            return Verdict::Keep;
        }
        let flow = self.flow(headers, point);
        if let Some(&mut verdict) = self.kept.get_mut(&flow) {
            return verdict;
        }
        if self.judge_text(headers.payload, hosts) == Likely::Yes {
            self.kept.insert(flow, Verdict::Through);
            return Verdict::Through;
        }
        Verdict::Drop
    }

    fn judge_segment(
        &mut self,
        headers: &Headers<'_>,
        point: PointNo,
        keys: &KeyStore,
        hosts: &mut impl HostSource,
    ) -> Verdict {
        if self.ports.asks(headers.src_port) || self.ports.asks(headers.dst_port) {
            return Verdict::Keep;
        }
        if headers.syn {
            self.hear(hosts);
        }
        if self.asks_address(headers) {
            return Verdict::Keep;
        }
        let flow = self.flow(headers, point);
        if headers.syn {
            if let Some(&mut verdict) = self.kept.get_mut(&flow) {
                return verdict; // its ports used again, or the handshake captured late
            }
            self.undecided.insert(flow, Undecided { left: MOST_UNDECIDED, hello: Vec::new(), next: 0 });
            return Verdict::Through;
        }
        if !self.kept.is_empty()
            && let Some(&mut verdict) = self.kept.get_mut(&flow)
        {
            return verdict;
        }
        if headers.payload.is_empty() {
            return if self.undecided.peek(&flow).is_some() { Verdict::Through } else { Verdict::Drop };
        }
        let likely = match self.hello_so_far(headers, flow) {
            Some(hello) => self.judge_hello(&hello, headers, keys, hosts),
            None => self.judge_payload(headers, keys, hosts),
        };
        match likely {
            Likely::Wanted => self.keep(flow, Verdict::Keep),
            Likely::Yes => self.keep(flow, Verdict::Through),
            Likely::Unsure => self.judge_undecided(headers, flow, Verdict::Through),
            Likely::No => self.judge_undecided(headers, flow, Verdict::Drop),
        }
    }

    /// The client hello that this segment goes on with, as far as it is there.
    fn hello_so_far(&mut self, headers: &Headers<'_>, flow: FlowHash) -> Option<Vec<u8>> {
        let undecided = self.undecided.get_mut(&flow)?;
        let goes_on = !undecided.hello.is_empty() && undecided.next == headers.seq;
        if !goes_on || undecided.hello.len() + headers.payload.len() > LONGEST_HELLO {
            return None;
        }
        undecided.hello.extend_from_slice(headers.payload);
        undecided.next = headers.seq.wrapping_add(length(headers.payload));
        Some(undecided.hello.clone())
    }

    fn keep(&mut self, flow: FlowHash, verdict: Verdict) -> Verdict {
        self.undecided.remove(&flow);
        self.kept.insert(flow, verdict);
        verdict
    }

    /// A flow that has just begun gets a few packets to show what it is: they may be out of order.
    fn judge_undecided(&mut self, headers: &Headers<'_>, flow: FlowHash, otherwise: Verdict) -> Verdict {
        let Some(undecided) = self.undecided.get_mut(&flow) else { return otherwise };
        if undecided.hello.is_empty() && tls::begins(headers.payload) == Likeness::Yes {
            undecided.hello = headers.payload.to_vec();
            undecided.next = headers.seq.wrapping_add(length(headers.payload));
            return Verdict::Through;
        }
        if !undecided.hello.is_empty() && undecided.next == headers.seq.wrapping_add(length(headers.payload)) {
            return Verdict::Through; // the hello went on, and is not over
        }
        undecided.left = undecided.left.saturating_sub(1);
        if undecided.left == 0 {
            self.undecided.remove(&flow);
        }
        Verdict::Through
    }

    fn asks_address(&self, headers: &Headers<'_>) -> bool {
        self.addresses.has(headers.src) || self.addresses.has(headers.dst)
    }

    fn flow(&self, headers: &Headers<'_>, point: PointNo) -> FlowHash {
        use std::hash::BuildHasher;
        let flow = match (headers.src, headers.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let end = |address: Ipv4Addr, port: u16| {
                    u64::from(address.to_bits()) << 32 | u64::from(point.0) << 16 | u64::from(port)
                };
                let (one, other) = (end(src, headers.src_port), end(dst, headers.dst_port));
                self.hasher.hash_one((one.min(other), one.max(other)))
            }
            (src, dst) => {
                let (one, other) = ((src, headers.src_port), (dst, headers.dst_port));
                self.hasher.hash_one((one.min(other), one.max(other), point))
            }
        };
        flow ^ u64::from(headers.protocol == Protocol::Udp)
    }

    /// Reads a DNS answer for the addresses and targets of watched names.
    fn learn(&mut self, payload: &[u8], hosts: &mut impl HostSource) {
        if payload.get(2).is_none_or(|flags| flags & 0x80 == 0) {
            return;
        }
        self.hear(hosts);
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
                    RecordData::A(address) => self.addresses.insert(IpAddr::V4(*address)),
                    RecordData::Aaaa(address) => self.addresses.insert(IpAddr::V6(*address)),
                    _ => {}
                }
            }
        }
    }

    fn watches(&self, name: &str) -> bool {
        is_watched(name) || (!self.names.is_empty() && self.names.contains(&name.to_ascii_lowercase()))
    }

    /// Judges a payload by how it begins.
    fn judge_payload(&mut self, headers: &Headers<'_>, keys: &KeyStore, hosts: &mut impl HostSource) -> Likely {
        let payload = headers.payload;
        match payload.first() {
            Some(22) => self.judge_hello(headers.payload, headers, keys, hosts),
            Some(byte) if byte.is_ascii_graphic() || matches!(byte, b'\r' | b'\n') => self.judge_text(payload, hosts),
            Some(128..) if tls::sslv2_length(payload).is_some() && !keys.is_empty() => Likely::Unsure,
            _ => Likely::No,
        }
    }

    /// A client hello is judged by its server name, and by whether there are keys for it.
    fn judge_hello(
        &mut self,
        payload: &[u8],
        headers: &Headers<'_>,
        keys: &KeyStore,
        hosts: &mut impl HostSource,
    ) -> Likely {
        if tls::begins(payload) == Likeness::No {
            return Likely::No;
        }
        let Some(message) = payload.get(tls::RECORD_HEADER..) else { return Likely::Unsure };
        let Some((message, _)) = tls::take_handshake(message) else { return Likely::Unsure }; // goes on in the next segment
        if message.kind != tls::handshake::CLIENT_HELLO {
            return Likely::Unsure;
        }
        let Some(hello) = tls::client_hello(message.body) else { return Likely::No };
        self.hear(hosts);
        if keys.knows_random(&hello.random) {
            // Sessions that resume this one have other randoms.
            if self.addresses.len() < self.most_names {
                self.addresses.insert(headers.dst);
            }
            return Likely::Wanted;
        }
        if hello.sni.as_deref().is_some_and(|name| self.watches(name)) {
            return Likely::Wanted;
        }
        // Whether an RSA key fits, the server's certificate tells; other secrets go by what comes later.
        if keys.needs_handshake() { Likely::Yes } else { Likely::No }
    }

    fn judge_text(&mut self, payload: &[u8], hosts: &mut impl HostSource) -> Likely {
        match (session::sip::PROBE.begins)(payload) {
            Likeness::Yes => return Likely::Yes,
            Likeness::Unsure if payload.len() <= LONGEST_TOKEN => return Likely::Unsure,
            _ => {}
        }
        if http::begins(payload) == Likeness::Yes {
            self.hear(hosts);
            let head = http::parse_head(payload);
            let host =
                head.as_ref().and_then(|head| head.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host")));
            return match host {
                Some((_, host)) if self.watches(host) => Likely::Wanted,
                Some(_) => Likely::No,
                None => Likely::Unsure,
            };
        }
        Likely::No
    }
}

/// What the beginning of a payload says of its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Likely {
    /// Of interest to the user: its name is watched, or there are keys for it.
    Wanted,
    /// Decoded on any port.
    Yes,
    /// Cannot be told from this packet.
    Unsure,
    /// Of no interest.
    No,
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
    src: IpAddr,
    dst: IpAddr,
    protocol: Protocol,
    src_port: u16,
    dst_port: u16,
    syn: bool,
    seq: u32,
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
                let (src, dst) = header.get(12..)?.split_first_chunk::<4>()?;
                (IpAddr::from(*src), IpAddr::from(*dst.first_chunk::<4>()?), header[9], transport)
            }
            6 => {
                let header = ip.first_chunk::<40>()?;
                let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
                let payload = ip.get(40..)?;
                let payload = if length == 0 { payload } else { payload.get(..length).unwrap_or(payload) };
                let (src, dst) = header.get(8..)?.split_first_chunk::<16>()?;
                (IpAddr::from(*src), IpAddr::from(*dst.first_chunk::<16>()?), header[6], payload)
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
                    seq: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
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
                    seq: 0,
                    payload: transport.get(8..).unwrap_or_default(),
                })
            }
            // IGMP, EGP, OSPF, PIM, VRRP, SCTP: nothing of ours can be inside.
            2 | 8 | 89 | 103 | 112 | 132 => Some(Self {
                src,
                dst,
                protocol: Protocol::Other,
                src_port: 0,
                dst_port: 0,
                syn: false,
                seq: 0,
                payload: &[],
            }),
            _ => None,
        }
    }

    fn is_tunnel(&self) -> bool {
        ip::UDP_TUNNEL_PORTS.contains(&self.dst_port)
    }
}

/// Length of a payload as sequence numbers count.
fn length(payload: &[u8]) -> u32 {
    u32::try_from(payload.len()).unwrap_or(u32::MAX)
}
