//! A first reading: what captures and logs hold, without telling it.
//!
//! In: the packets of captures, the observations of logs. Out: for each connection the messages that can be read and
//! the sizes of records that cannot, and the messages of each log by connection. Bounded: what is beyond is left out,
//! and simply stands beside the rest.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher as _;
use std::net::SocketAddr;

use crate::engine::Options;
use crate::engine::front::Front;
use crate::engine::join::align::Room;
use crate::engine::lane::Lane;
use crate::engine::sieve::NoHosts;
use crate::model::sip::{HeaderName, SipMessage};
use crate::model::{At, Both, Direction, FlowKey, Message, Observation, Packet};

/// Most messages and records that are surveyed, of all inputs together: about 100 MB.
const MOST_SURVEYED: usize = 1 << 20;

/// A message that can be read in a capture.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    /// Who and what it is: direction, Call-ID, `CSeq`, method or status.
    pub identity: u64,
    /// What it says, line ends and blanks before them apart.
    pub content: u64,
    /// The packet in which it begins.
    pub began: At,
    /// The packet that completes it.
    pub at: At,
}

/// A record that cannot be read.
#[derive(Clone, Copy, Debug)]
pub struct Closed {
    /// What it may hold.
    pub room: Room,
    /// The packet in which it begins.
    pub began: At,
    /// The packet that completes it.
    pub at: At,
}

/// One direction of a connection.
#[derive(Clone, Debug, Default)]
pub struct Half {
    /// Messages, in order.
    pub read: Vec<Read>,
    /// Records, in order.
    pub closed: Vec<Closed>,
}

/// A connection of a capture.
#[derive(Clone, Debug)]
pub struct Captured {
    /// Its ends.
    pub flow: FlowKey,
    /// What was said on it.
    pub halves: Both<Half>,
}

/// A message of a log.
#[derive(Clone, Copy, Debug)]
pub struct Logged {
    /// Where it stands: the line, and the time as the log has it.
    pub at: At,
    /// Who and what it is.
    pub identity: u64,
    /// What it says.
    pub content: u64,
    /// Its length in bytes.
    pub size: u64,
}

/// Client and server of a connection.
pub type Ends = (SocketAddr, SocketAddr);

/// What the inputs hold.
pub struct Survey {
    front: Front,
    lane: Lane,
    options: Options,
    observations: Vec<Observation>,
    room: usize,
    /// Connections of captures.
    pub captured: Vec<Captured>,
    by_flow: HashMap<FlowKey, usize, foldhash::fast::RandomState>,
    /// Messages of logs, by connection, in order.
    pub logged: BTreeMap<Ends, Both<Vec<Logged>>>,
}

impl Survey {
    /// Nothing so far.
    pub fn new(options: Options) -> Self {
        let Options { ports, limits, watch, keys, .. } = options.clone();
        let mut lane = Lane::new(ports.clone(), limits.clone(), keys, None);
        lane.measure();
        Self {
            front: Front::new(ports, &watch, &limits, false),
            lane,
            options,
            observations: Vec::new(),
            room: MOST_SURVEYED,
            captured: Vec::new(),
            by_flow: HashMap::default(),
            logged: BTreeMap::new(),
        }
    }

    /// Takes the next packet of the captures.
    pub fn push(&mut self, packet: &Packet<'_>) {
        if self.front.saw(packet.at) {
            self.lane.advance(self.front.now(), &mut self.observations);
        }
        let now = self.front.now();
        if let Some(frame) = self.front.admit(packet, &self.options.keys, &mut NoHosts) {
            self.lane.push(&frame, now, &mut self.observations);
        }
        self.take();
    }

    /// The captures are read.
    pub fn finish(&mut self) {
        self.lane.finish(self.front.now(), &mut self.observations);
        self.take();
    }

    /// Takes what a log says.
    pub fn observe(&mut self, observation: &Observation) {
        let (Some(flow), Message::Sip(message)) = (observation.flow, &observation.message) else { return };
        if self.room == 0 {
            return;
        }
        self.room -= 1;
        let logged = Logged {
            at: observation.at,
            identity: identity(observation.direction, message),
            content: content(message),
            size: message.raw.len() as u64,
        };
        self.logged.entry((flow.client, flow.server)).or_default().of_mut(observation.direction).push(logged);
    }

    fn take(&mut self) {
        for observation in std::mem::take(&mut self.observations) {
            let Observation { at, began, flow: Some(flow), direction, message } = observation else { continue };
            if self.room == 0 {
                return;
            }
            match message {
                Message::Sip(message) => {
                    let (identity, content) = (identity(direction, &message), content(&message));
                    self.half(flow, direction).read.push(Read { identity, content, began, at });
                }
                Message::Ciphertext(record) => {
                    let room = Room { least: record.least.into(), most: record.most.into() };
                    self.half(flow, direction).closed.push(Closed { room, began, at });
                }
                _ => continue,
            }
            self.room -= 1;
        }
    }

    fn half(&mut self, flow: FlowKey, direction: Direction) -> &mut Half {
        let index = *self.by_flow.entry(flow).or_insert_with(|| {
            self.captured.push(Captured { flow, halves: Both::default() });
            self.captured.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "the index was made just above")]
        self.captured[index].halves.of_mut(direction)
    }
}

/// Hashes that the two readings of one run share.
fn hasher() -> foldhash::quality::FixedState {
    foldhash::quality::FixedState::default()
}

/// Who and what a message is: the same at every place of its way.
pub fn identity(direction: Direction, message: &SipMessage) -> u64 {
    let call_id = message.header(HeaderName::CallId).unwrap_or_default();
    let number = message.cseq.map(|cseq| cseq.number);
    hasher().hash_one((direction, &*call_id, number, message.method().as_deref(), message.status()))
}

/// What a message says. A log has lines, so their ends and the blanks before them do not count.
pub fn content(message: &SipMessage) -> u64 {
    let text = String::from_utf8_lossy(&message.raw);
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    hasher().hash_one(lines)
}
