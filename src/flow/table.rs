//! All flows at one time: frames in, the events of their flows out.
//!
//! Holds at most [`Limits::flows`] flows and [`Limits::reorder_total`] bytes that wait. Which side is
//! the client is decided at the first packet: who sent the SYN, else whose port is not a known
//! server's, else who was seen to send first.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use crate::flow::slab::{Kind, Slab};
use crate::flow::tcp::{Context, Events, TcpFlow};
use crate::model::{
    At, Change, Counter, Direction, FlowKey, FlowSlot, Limits, PointNo, Ports, Stats, StreamEvent, TcpEvent, TcpStep,
    Timestamp, TransportKind,
};
use crate::wire::ip::{Body, Datagram, IcmpError, Segment};
use crate::wire::packet::Frame;

/// Both ends in a fixed order, so that the two directions are one key; addresses in their bytes, which take least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct EndsKey {
    low: ([u8; 16], u16),
    high: ([u8; 16], u16),
    point: PointNo,
    v6: bool,
    transport: TransportKind,
}

impl EndsKey {
    fn new(point: PointNo, transport: TransportKind, src: SocketAddr, dst: SocketAddr) -> Self {
        let bits = |end: SocketAddr| match end.ip() {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()).to_be_bytes(), end.port()),
            IpAddr::V6(v6) => (v6.octets(), end.port()),
        };
        let (a, b) = (bits(src), bits(dst));
        Self { low: a.min(b), high: a.max(b), point, v6: src.is_ipv6(), transport }
    }
}

#[derive(Debug)]
struct Flow {
    key: FlowKey,
    wanted: bool,
    last: At,
    /// `None` for datagrams.
    tcp: Option<Box<TcpFlow>>,
}

/// The flows of one lane.
#[derive(Debug)]
pub struct FlowTable {
    index: HashMap<EndsKey, FlowSlot, foldhash::fast::RandomState>,
    flows: Slab<Flow>,
    ports: Ports,
    limits: Limits,
    held: usize,
    now: Timestamp,
    /// The capture has ended.
    ends: bool,
}

impl FlowTable {
    /// An empty table.
    pub fn new(ports: Ports, limits: Limits) -> Self {
        let now = Timestamp::from_nanos(i64::MIN);
        Self { index: HashMap::default(), flows: Slab::default(), ports, limits, held: 0, now, ends: false }
    }

    /// Takes a frame; tells what it makes happen. `now` is the newest time of all packets, of other lanes too.
    pub fn push<'a>(&mut self, frame: &Frame<'a>, now: Timestamp, stats: &mut Stats, out: &mut Events<'a>) {
        self.now = self.now.max(now);
        match &frame.body {
            Body::Tcp(segment) => self.segment(frame, segment, stats, out),
            Body::Udp(datagram) => self.datagram(frame, datagram, stats, out),
            Body::Icmp(error) => self.icmp(frame, error, stats, out),
            Body::Fragment(_) | Body::Other => {}
        }
    }

    fn segment<'a>(&mut self, frame: &Frame<'a>, segment: &Segment<'a>, stats: &mut Stats, out: &mut Events<'a>) {
        let src = SocketAddr::new(frame.src, segment.src_port);
        let dst = SocketAddr::new(frame.dst, segment.dst_port);
        let asked = self.ports.asks(segment.src_port) || self.ports.asks(segment.dst_port);
        let ends = EndsKey::new(frame.point, TransportKind::Tcp, src, dst);
        let mut slot = self.index.get(&ends).copied();
        if let Some(known) = slot {
            let reused = self.flows.get_mut(known).is_some_and(|flow| {
                let direction = direction(&flow.key, src);
                flow.tcp.as_mut().is_some_and(|tcp| tcp.is_reused_by(direction, segment))
            });
            if reused {
                self.forget(known, stats, out);
                slot = None;
            }
        }
        if slot.is_none() && segment.payload.is_empty() && !segment.syn {
            return; // tells nothing of a connection that is not known
        }
        let slot = slot.unwrap_or_else(|| {
            let from_client = if segment.syn { segment.ack.is_none() } else { self.is_client(src.port(), dst.port()) };
            let (client, server) = if from_client { (src, dst) } else { (dst, src) };
            let key =
                FlowKey { point: frame.point, transport: TransportKind::Tcp, client, server, opened: frame.at.packet };
            self.open(key, ends, frame, Some(Box::default()), stats, out)
        });
        let pressed = self.held > self.limits.reorder_total;
        let Some(flow) = self.flows.get_mut(slot) else { return };
        flow.wanted |= frame.wanted || asked;
        flow.last = frame.at;
        let direction = direction(&flow.key, src);
        let (key, wanted) = (flow.key, flow.wanted);
        let Some(tcp) = flow.tcp.as_mut() else { return };
        let held_before = tcp.held();
        let limits = &self.limits;
        tcp.push(
            direction,
            segment,
            &mut Context { at: frame.at, slot, flow: key, wanted, pressed, limits, stats, out },
        );
        self.held = (self.held + tcp.held()).saturating_sub(held_before);
        let kind = kind(tcp, wanted);
        self.flows.touch(slot, kind, self.now);
    }

    fn datagram<'a>(&mut self, frame: &Frame<'a>, datagram: &Datagram<'a>, stats: &mut Stats, out: &mut Events<'a>) {
        let src = SocketAddr::new(frame.src, datagram.src_port);
        let dst = SocketAddr::new(frame.dst, datagram.dst_port);
        let asked = self.ports.asks(datagram.src_port) || self.ports.asks(datagram.dst_port);
        let ends = EndsKey::new(frame.point, TransportKind::Udp, src, dst);
        let slot = self.index.get(&ends).copied().unwrap_or_else(|| {
            let (client, server) = if self.is_client(src.port(), dst.port()) { (src, dst) } else { (dst, src) };
            let key =
                FlowKey { point: frame.point, transport: TransportKind::Udp, client, server, opened: frame.at.packet };
            self.open(key, ends, frame, None, stats, out)
        });
        let Some(flow) = self.flows.get_mut(slot) else { return };
        flow.wanted |= frame.wanted || asked;
        flow.last = frame.at;
        let (flow, wanted) = (flow.key, flow.wanted);
        let change = Change::Data(direction(&flow, src), Cow::Borrowed(datagram.payload));
        out.push(StreamEvent { at: frame.at, slot, flow, wanted, change });
        self.flows.touch(slot, Kind::Transient, self.now);
    }

    /// An ICMP error belongs to the flow whose packet it quotes.
    fn icmp<'a>(&mut self, frame: &Frame<'a>, error: &IcmpError, stats: &mut Stats, out: &mut Events<'a>) {
        let ends = EndsKey::new(frame.point, error.transport, error.src, error.dst);
        let Some(&slot) = self.index.get(&ends) else { return };
        let Some(flow) = self.flows.get_mut(slot) else { return };
        let (at, key, wanted, limits) = (frame.at, flow.key, flow.wanted, &self.limits);
        match flow.tcp.as_mut() {
            Some(tcp) => {
                tcp.unreachable(
                    error,
                    &mut Context { at, slot, flow: key, wanted, pressed: false, limits, stats, out },
                );
            }
            None => {
                let IcmpError { icmp_type, icmp_code, v6, .. } = *error;
                let event = TcpEvent::Unreachable { icmp_type, icmp_code, v6 };
                let change = Change::Close(TcpStep { event, began: at });
                out.push(StreamEvent { at, slot, flow: key, wanted, change });
            }
        }
    }

    /// Lets capture time pass up to `now`: tells one unanswered attempt, or forgets one flow that
    /// stayed silent. `None` where nothing is due any more.
    pub fn advance<'a>(&mut self, now: Timestamp, stats: &mut Stats) -> Option<Events<'a>> {
        let mut out = Events::new();
        self.now = self.now.max(now);
        let due = |oldest: Option<(FlowSlot, Timestamp)>, age| {
            oldest.filter(|&(_, touched)| self.now.since(touched) >= age).map(|(slot, _)| slot)
        };
        if let Some(slot) = due(self.flows.oldest(Kind::Connecting), self.limits.syn_age) {
            self.tell_unanswered(slot, stats, &mut out);
            self.flows.touch(slot, Kind::Transient, self.now);
            return Some(out);
        }
        if let Some(slot) = due(self.flows.oldest(Kind::Waiting), self.limits.hole_age) {
            self.give_up_holes(slot, stats, &mut out);
            return Some(out);
        }
        let slot = due(self.flows.oldest(Kind::Transient), self.limits.transient_age)?;
        self.forget(slot, stats, &mut out);
        Some(out)
    }

    /// Ends one flow; `None` where none is left. `now` is the newest time of all packets.
    pub fn finish<'a>(&mut self, now: Timestamp, stats: &mut Stats) -> Option<Events<'a>> {
        self.ends = true;
        self.now = self.now.max(now);
        let mut out = Events::new();
        let slot = self.flows.any()?;
        self.forget(slot, stats, &mut out);
        Some(out)
    }

    fn is_client(&self, src_port: u16, dst_port: u16) -> bool {
        // Both ports of DHCP are known ones, and an answer to everybody begins a flow of its own.
        let answers = (src_port, dst_port) == (Ports::DHCP_SERVER, Ports::DHCP_CLIENT);
        !answers && (!self.ports.is_server(src_port) || self.ports.is_server(dst_port))
    }

    fn open(
        &mut self,
        key: FlowKey,
        ends: EndsKey,
        frame: &Frame<'_>,
        tcp: Option<Box<TcpFlow>>,
        stats: &mut Stats,
        out: &mut Events<'_>,
    ) -> FlowSlot {
        if self.flows.len() >= self.limits.flows {
            let kinds = [Kind::Transient, Kind::Connecting, Kind::Lasting, Kind::Waiting];
            if let Some((oldest, _)) = kinds.into_iter().find_map(|kind| self.flows.oldest(kind)) {
                stats.count(Counter::FlowsEvicted);
                self.forget(oldest, stats, out);
            }
        }
        let flow = Flow { key, wanted: frame.wanted, last: frame.at, tcp };
        let slot = self.flows.insert(flow, Kind::Transient, self.now);
        self.index.insert(ends, slot);
        slot
    }

    /// Gives up what a silent flow waits for.
    fn give_up_holes(&mut self, slot: FlowSlot, stats: &mut Stats, out: &mut Events<'_>) {
        let (now, limits) = (self.now, &self.limits);
        let Some(flow) = self.flows.get_mut(slot) else { return };
        let (at, key, wanted) = (flow.last, flow.key, flow.wanted);
        let Some(tcp) = flow.tcp.as_mut() else { return };
        let held_before = tcp.held();
        tcp.give_up(now, &mut Context { at, slot, flow: key, wanted, pressed: true, limits, stats, out });
        self.held = (self.held + tcp.held()).saturating_sub(held_before);
        let kind = kind(tcp, wanted);
        self.flows.touch(slot, kind, self.now);
    }

    fn tell_unanswered(&mut self, slot: FlowSlot, stats: &mut Stats, out: &mut Events<'_>) {
        let (now, limits) = (self.now, &self.limits);
        let Some(flow) = self.flows.get_mut(slot) else { return };
        let (at, key, wanted) = (flow.last, flow.key, flow.wanted);
        if let Some(tcp) = flow.tcp.as_mut() {
            tcp.unanswered(now, &mut Context { at, slot, flow: key, wanted, pressed: false, limits, stats, out });
        }
    }

    fn forget(&mut self, slot: FlowSlot, stats: &mut Stats, out: &mut Events<'_>) {
        let Some(mut flow) = self.flows.remove(slot) else { return };
        let FlowKey { point, transport, client, server, .. } = flow.key;
        let ends = EndsKey::new(point, transport, client, server);
        if self.index.get(&ends) == Some(&slot) {
            self.index.remove(&ends);
        }
        let (at, wanted) = (flow.last, flow.wanted);
        match flow.tcp.as_mut() {
            Some(tcp) => {
                self.held = self.held.saturating_sub(tcp.held());
                let limits = &self.limits;
                let context = &mut Context { at, slot, flow: flow.key, wanted, pressed: false, limits, stats, out };
                tcp.forget(self.now, self.ends, context);
            }
            None => out.push(StreamEvent { at, slot, flow: flow.key, wanted, change: Change::Forget }),
        }
    }
}

fn direction(key: &FlowKey, src: SocketAddr) -> Direction {
    if src == key.client { Direction::Out } else { Direction::In }
}

fn kind(tcp: &TcpFlow, wanted: bool) -> Kind {
    if tcp.is_connecting() {
        Kind::Connecting
    } else if tcp.held() > 0 {
        Kind::Waiting
    } else if tcp.has_ended() || !(wanted || tcp.has_carried()) {
        Kind::Transient
    } else {
        Kind::Lasting
    }
}
