//! Puts what logs say between the packets, in the second reading.
//!
//! In: observations of logs somewhat ahead of time, and the packets as they pass. Out: what has a place in a capture,
//! when its packet has passed; the rest by its corrected time. Holds no more than the logs are read ahead.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use crate::engine::join::survey::{self, Ends};
use crate::engine::join::{Joined, Placed, Seen};
use crate::model::{At, FlowKey, InputNo, Message, Observation, PacketNo, Span, Timestamp};

/// Where a message stands in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InLog {
    /// The log.
    pub input: InputNo,
    /// Its line.
    pub line: u64,
    /// What the capture shows of it.
    pub seen: Seen,
}

/// How far logs are read ahead of the captures at least.
const AHEAD: Span = Span::from_secs(5);

/// The seam between captures and logs.
pub struct Seam {
    joined: Joined,
    /// Connections of captures in which messages of logs have a place, by their ends.
    flows: HashMap<Ends, FlowKey>,
    /// Packets of the first reading that are asked for, and their numbers in this one.
    numbers: HashMap<PacketNo, PacketNo>,
    asked: HashSet<PacketNo>,
    /// The packet that passed last, as the first reading counts.
    passed: Option<PacketNo>,
    /// What waits for its packet.
    placed: BTreeMap<PacketNo, Vec<(Placed, Observation)>>,
    /// What waits for its time.
    waiting: VecDeque<Observation>,
}

impl Seam {
    /// A seam that follows the first reading.
    pub fn new(joined: Joined) -> Self {
        let mut asked = HashSet::new();
        let mut flows = HashMap::new();
        for placed in joined.places.values() {
            asked.extend([placed.flow.opened, placed.began.packet, placed.at.packet]);
            flows.insert((placed.flow.client, placed.flow.server), placed.flow);
        }
        let (numbers, placed, waiting) = (HashMap::new(), BTreeMap::new(), VecDeque::new());
        Self { joined, flows, numbers, asked, passed: None, placed, waiting }
    }

    /// How far ahead of the captures the logs must be read: as far as messages lie from where the clock puts them.
    pub fn ahead(&self) -> Span {
        let spreads = self.joined.clocks.iter().filter_map(|known| known.clock.spread());
        spreads.max().map_or(AHEAD, |spread| Span::from_nanos(AHEAD.as_nanos() + spread.as_nanos()))
    }

    /// Takes what a log says.
    pub fn take(&mut self, mut observation: Observation) {
        if let Some(placed) = self.place_of(&observation) {
            return self.placed.entry(placed.at.packet).or_default().push((placed, observation));
        }
        // On a connection that a capture shows it belongs there, though its packet is not in the capture.
        if let Some(flow) = observation.flow.and_then(|flow| self.flows.get(&(flow.client, flow.server))) {
            let opened = self.numbers.get(&flow.opened).copied();
            observation.flow = opened.map(|opened| FlowKey { opened, ..*flow }).or(observation.flow);
        }
        let place = self.waiting.partition_point(|other| other.at.time <= observation.at.time);
        self.waiting.insert(place, observation);
    }

    fn place_of(&self, observation: &Observation) -> Option<Placed> {
        let (Some(flow), Message::Sip(message)) = (observation.flow, &observation.message) else { return None };
        let at = observation.at;
        let by_line = self.joined.places.get(&(at.input, at.frame.0));
        let copied = || ((flow.client, flow.server), observation.direction, survey::content(message));
        by_line.or_else(|| self.joined.copies.get(&copied())).copied()
    }

    /// The next thing without a place whose time is before `due`.
    pub fn next_unplaced(&mut self, due: Option<Timestamp>) -> Option<Observation> {
        let first = self.waiting.front()?;
        if due.is_none_or(|due| first.at.time < due) { self.waiting.pop_front() } else { None }
    }

    /// A packet passed, which is `number` in this reading.
    pub fn pass(&mut self, number: PacketNo) {
        let passed = self.passed.map_or(PacketNo::FIRST, PacketNo::next);
        self.passed = Some(passed);
        if self.asked.contains(&passed) {
            self.numbers.insert(passed, number);
        }
    }

    /// What has its place in the packets that passed; at the `end` whatever waits.
    pub fn take_placed(&mut self, end: bool) -> Vec<(Observation, InLog)> {
        let mut due = Vec::new();
        while let Some(entry) = self.placed.first_entry() {
            if !end && self.passed.is_none_or(|passed| *entry.key() > passed) {
                break;
            }
            due.extend(entry.remove());
        }
        due.into_iter().map(|(placed, observation)| self.place(&placed, observation)).collect()
    }

    /// Gives a message of a log the packets that the capture has of it.
    fn place(&self, placed: &Placed, observation: Observation) -> (Observation, InLog) {
        let in_log = InLog { input: observation.at.input, line: observation.at.frame.0, seen: placed.seen };
        let renumber = |at: At| At { packet: self.numbers.get(&at.packet).copied().unwrap_or(at.packet), ..at };
        let opened = self.numbers.get(&placed.flow.opened).copied().unwrap_or(placed.flow.opened);
        let flow = Some(FlowKey { opened, ..placed.flow });
        (Observation { at: renumber(placed.at), began: renumber(placed.began), flow, ..observation }, in_log)
    }
}
