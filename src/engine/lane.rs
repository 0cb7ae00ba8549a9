//! The per-flow half of the engine: frames in, observations out.

use std::sync::Arc;

use crate::crypto::KeyStore;
use crate::flow::table::FlowTable;
use crate::flow::tcp::Events;
use crate::model::{FlowKey, Limits, Observation, Ports, Stats, Timestamp};
use crate::session::Sessions;
use crate::wire::packet::Frame;

/// Decoders and tables of the flows whose frames it is given.
pub struct Lane {
    flows: FlowTable,
    sessions: Sessions,
    keys: Arc<KeyStore>,
    /// What it counted.
    pub stats: Stats,
}

impl Lane {
    /// A lane that has seen nothing.
    pub fn new(ports: Ports, limits: Limits, keys: Arc<KeyStore>, followed: Option<FlowKey>) -> Self {
        Self {
            flows: FlowTable::new(ports.clone(), limits.clone()),
            sessions: Sessions::new(ports, limits, followed),
            keys,
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

    /// Takes a frame; `now` is the newest time of all packets so far, of other lanes too.
    pub fn push(&mut self, frame: &Frame<'_>, now: Timestamp, out: &mut Vec<Observation>) {
        let mut events = Events::new();
        self.flows.push(frame, now, &mut self.stats, &mut events);
        self.sessions(&mut events, out);
    }

    /// Lets capture time pass. What is told has no order among flows.
    pub fn advance(&mut self, now: Timestamp, out: &mut Vec<Observation>) {
        while let Some(mut events) = self.flows.advance(now, &mut self.stats) {
            self.sessions(&mut events, out);
        }
        self.sessions.advance(now, &self.keys, &mut self.stats, out);
    }

    /// Ends all flows. What is told has no order among them.
    pub fn finish(&mut self, now: Timestamp, out: &mut Vec<Observation>) {
        while let Some(mut events) = self.flows.finish(now, &mut self.stats) {
            self.sessions(&mut events, out);
        }
    }

    fn sessions(&mut self, events: &mut Events<'_>, out: &mut Vec<Observation>) {
        for event in events.drain(..) {
            self.sessions.push(event, &self.keys, &mut self.stats, out);
        }
    }
}
