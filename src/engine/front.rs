//! The first part of the engine: packets in, the frames that are worth decoding out.
//!
//! Counts every packet, asks the sieve, decodes headers, puts IP datagrams together, and says when it is time
//! to look for flows that stayed silent. It is one, however many lanes follow: what it decides depends on the
//! order of packets only.

use crate::crypto::KeyStore;
use crate::engine::sieve::{HostSource, Sieve, Verdict};
use crate::flow::fragments::Fragments;
use crate::model::{At, Counter, Limits, Packet, Ports, Span, Stats, Timestamp};
use crate::wire::ip::{self, Body, Fragment, Unusable};
use crate::wire::packet::{self, Frame};

/// Capture time between two looks for flows that stayed silent.
const SWEEP: Span = Span::from_secs(1);

/// Most cut packets that are remembered, for the finding that cites them.
const MOST_CUT: usize = 16;

/// Chooses what is decoded.
pub struct Front {
    sieve: Sieve,
    fragments: Fragments,
    /// The payload of the datagram that was put together last.
    whole: Vec<u8>,
    limits: Limits,
    without_sieve: bool,
    swept: Option<Timestamp>,
    now: Timestamp,
    /// The packet seen last.
    pub last: Option<At>,
    /// Packets of wanted flows that the snap length cut, the first ones.
    pub cut: Vec<At>,
    /// What it counted.
    pub stats: Stats,
}

impl Front {
    /// Nothing was seen; `watch` are names whose addresses ask for a flow.
    pub fn new(ports: Ports, watch: &[String], limits: &Limits, without_sieve: bool) -> Self {
        Self {
            sieve: Sieve::new(ports, watch, limits),
            fragments: Fragments::default(),
            whole: Vec::new(),
            limits: limits.clone(),
            without_sieve,
            swept: None,
            now: Timestamp::from_nanos(i64::MIN),
            last: None,
            cut: Vec::new(),
            stats: Stats::default(),
        }
    }

    /// The newest time of all packets.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Notes that something happened then; whether it is time to look for flows that stayed silent.
    pub fn saw(&mut self, at: At) -> bool {
        self.last = Some(at);
        self.now = self.now.max(at.time);
        let due = self.swept.is_none_or(|swept| at.time.since(swept) >= SWEEP);
        if due {
            self.swept = Some(at.time);
        }
        due
    }

    /// What of a packet is worth decoding.
    pub fn admit<'s>(
        &'s mut self,
        packet: &Packet<'s>,
        keys: &KeyStore,
        hosts: &mut impl HostSource,
    ) -> Option<Frame<'s>> {
        self.stats.count(Counter::Packets);
        self.stats.add(Counter::Bytes, packet.data.len() as u64);
        let verdict = self.sieve.judge(packet, keys, hosts);
        if verdict == Verdict::Drop && !self.without_sieve {
            self.stats.count(Counter::Sieved);
            return None;
        }
        let wanted = verdict == Verdict::Keep;
        if wanted && packet.wire_len as usize > packet.data.len() {
            self.stats.count(Counter::SnapCut);
            if self.cut.len() < MOST_CUT {
                self.cut.push(packet.at);
            }
        }
        match packet::decode(packet, wanted) {
            Ok(Frame { body: Body::Other, .. }) => None,
            Ok(Frame { body: Body::Fragment(fragment), .. }) if fragment.payload.is_empty() => None,
            Ok(frame) => match frame.body {
                Body::Fragment(fragment) => self.fragment(&frame, &fragment),
                _ => Some(frame),
            },
            Err(unusable) => {
                self.stats.count(cause(&unusable));
                None
            }
        }
    }

    /// Takes a fragment; returns the datagram that it completes.
    fn fragment<'s>(&'s mut self, frame: &Frame<'s>, fragment: &Fragment<'s>) -> Option<Frame<'s>> {
        let (when, ends) = ((frame.point, frame.at.time), (frame.src, frame.dst));
        let whole = self.fragments.push(when, ends, fragment, &self.limits, &mut self.stats)?;
        self.whole = whole.payload;
        match ip::decode_payload(frame.src, frame.dst, whole.protocol, &self.whole) {
            Ok(ip::Decoded { body: Body::Fragment(_) | Body::Other, .. }) => None,
            Ok(ip::Decoded { src, dst, body }) => Some(Frame { src, dst, body, ..*frame }),
            Err(unusable) => {
                self.stats.count(cause(&unusable));
                None
            }
        }
    }

    /// No packet follows.
    pub fn finish(&mut self) {
        self.fragments.finish(&mut self.stats);
    }
}

const fn cause(unusable: &Unusable) -> Counter {
    match unusable {
        Unusable::NotIp => Counter::NotIp,
        Unusable::LinkUnknown => Counter::LinkUnknown,
        Unusable::Malformed(_) => Counter::Malformed,
    }
}
