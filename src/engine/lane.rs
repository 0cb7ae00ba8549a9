//! The per-flow half of the engine: packets in, observations out.

use std::sync::Arc;

use crate::crypto::KeyStore;
use crate::flow::fragments::Fragments;
use crate::flow::table::FlowTable;
use crate::flow::tcp::Events;
use crate::model::{Counter, FlowKey, Limits, Observation, Packet, Ports, Span, Stats, Timestamp};
use crate::session::Sessions;
use crate::wire::ip::{self, Body, Fragment, Unusable};
use crate::wire::packet::{self, Frame};

/// Capture time between two looks for flows that stayed silent.
const SWEEP: Span = Span::from_secs(1);

/// When flows that stayed silent are looked for.
#[derive(Debug, Default)]
pub struct Sweep {
    last: Option<Timestamp>,
}

impl Sweep {
    /// Whether it is time again; if so it counts as done.
    pub fn is_due(&mut self, now: Timestamp) -> bool {
        let due = self.last.is_none_or(|last| now.since(last) >= SWEEP);
        if due {
            self.last = Some(now);
        }
        due
    }
}

/// Decoders and tables of the flows whose packets it is given.
pub struct Lane {
    fragments: Fragments,
    flows: FlowTable,
    sessions: Sessions,
    keys: Arc<KeyStore>,
    limits: Limits,
    /// What it counted.
    pub stats: Stats,
}

impl Lane {
    /// A lane that has seen nothing.
    pub fn new(ports: Ports, limits: Limits, keys: Arc<KeyStore>, followed: Option<FlowKey>) -> Self {
        Self {
            fragments: Fragments::default(),
            flows: FlowTable::new(ports.clone(), limits.clone()),
            sessions: Sessions::new(ports, limits.clone(), followed),
            keys,
            limits,
            stats: Stats::default(),
        }
    }

    /// From now on the sizes of TLS records that stay closed are told.
    pub const fn measure(&mut self) {
        self.sessions.measure();
    }

    /// From now on these keys count.
    pub fn set_keys(&mut self, keys: Arc<KeyStore>) {
        self.keys = keys;
    }

    /// Takes a packet; `wanted` where a port, an address or the user asks for its flow.
    pub fn push(&mut self, packet: &Packet<'_>, wanted: bool, out: &mut Vec<Observation>) {
        match packet::decode(packet, wanted) {
            Ok(Frame { body: Body::Fragment(fragment), .. }) if fragment.payload.is_empty() => {}
            Ok(frame) => match frame.body {
                Body::Fragment(fragment) => self.fragment(&frame, &fragment, out),
                _ => self.frame(&frame, out),
            },
            Err(unusable) => self.stats.count(cause(&unusable)),
        }
    }

    /// Takes a fragment, and the datagram that it completes.
    fn fragment(&mut self, frame: &Frame<'_>, fragment: &Fragment<'_>, out: &mut Vec<Observation>) {
        let (when, ends) = ((frame.point, frame.at.time), (frame.src, frame.dst));
        let whole = self.fragments.push(when, ends, fragment, &self.limits, &mut self.stats);
        let Some(whole) = whole else { return };
        match ip::decode_payload(frame.src, frame.dst, whole.protocol, &whole.payload) {
            Ok(ip::Decoded { src, dst, body }) => self.frame(&Frame { src, dst, body, ..*frame }, out),
            Err(unusable) => self.stats.count(cause(&unusable)),
        }
    }

    fn frame(&mut self, frame: &Frame<'_>, out: &mut Vec<Observation>) {
        let events = self.flows.push(frame, &mut self.stats);
        self.sessions(events, out);
    }

    /// Lets capture time pass.
    pub fn advance(&mut self, now: Timestamp, out: &mut Vec<Observation>) {
        while let Some(events) = self.flows.advance(now, &mut self.stats) {
            self.sessions(events, out);
        }
        self.sessions.advance(now, &self.keys, &mut self.stats, out);
    }

    /// Ends all flows.
    pub fn finish(&mut self, out: &mut Vec<Observation>) {
        self.fragments.finish(&mut self.stats);
        while let Some(events) = self.flows.finish(&mut self.stats) {
            self.sessions(events, out);
        }
    }

    fn sessions(&mut self, events: Events<'_>, out: &mut Vec<Observation>) {
        for event in events {
            self.sessions.push(event, &self.keys, &mut self.stats, out);
        }
    }
}

const fn cause(unusable: &Unusable) -> Counter {
    match unusable {
        Unusable::NotIp => Counter::NotIp,
        Unusable::LinkUnknown => Counter::LinkUnknown,
        Unusable::Malformed(_) => Counter::Malformed,
    }
}
