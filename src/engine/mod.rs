//! The composition of all layers: packets in, rows and a report out.
//!
//! [`Engine::push`] takes packets in order, [`Engine::observe`] what trace logs say, [`Engine::advance`] lets time pass where none come,
//! [`Engine::next_row`] hands out finished rows, [`Engine::finish`] ends. Opens nothing, prints nothing,
//! reads no clock.

pub mod front;
pub mod join;
pub mod lane;
pub mod lanes;
pub mod sieve;
pub mod upper;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::crypto::KeyStore;
use crate::findings::Finding;
use crate::model::{At, Direction, FlowKey, Limits, Message, Observation, Packet, Payload, Ports, Stats, Timestamp};
use crate::story::authentication::Tracker;
use crate::story::login::Login;
use crate::story::login::tracker::AttemptNo;
use crate::story::{Asked, Damage, Report, Row, Story};
use crate::wire::packet::Frame;
use front::Front;
use join::seam::InLog;
use lane::Lane;
use lanes::Lanes;
use sieve::{Host, HostSource};
use upper::{Told, Upper};

/// How the engine works.
#[derive(Clone)]
pub struct Options {
    /// Ports and what they carry.
    pub ports: Ports,
    /// Bounds.
    pub limits: Limits,
    /// More names whose addresses are watched.
    pub watch: Vec<String>,
    /// Keys to decrypt with.
    pub keys: Arc<KeyStore>,
    /// The flow whose bytes are asked for.
    pub followed: Option<FlowKey>,
    /// Lets every packet through to the decoders; for testing the sieve.
    pub without_sieve: bool,
    /// How many lanes decode. One works without threads, and tells all that a packet shows before the next; more
    /// tell the same some packets later, unless a bound on all flows together is reached: each has its part of it.
    pub lanes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ports: Ports::default(),
            limits: Limits::default(),
            watch: Vec::new(),
            keys: Arc::default(),
            followed: None,
            without_sieve: false,
            lanes: 1,
        }
    }
}

/// Everything from packets to rows.
pub struct Engine {
    front: Front,
    work: Work,
    keys: Arc<KeyStore>,
    followed: Option<FlowKey>,
    /// What the readers of inputs counted.
    counted: Stats,
    /// Something happened since nothing was left to tell: most packets are dropped, and change nothing.
    fresh: bool,
    /// What has left, where one kind was asked for and the other came.
    rows: VecDeque<Box<Row>>,
    logins: VecDeque<(Login, Vec<Finding>)>,
}

/// What follows the front.
enum Work {
    /// One lane and the story, in step with the packets.
    One(Box<One>),
    /// Several lanes, and the story behind them.
    Many(Box<Lanes>),
}

/// One lane and the story.
struct One {
    lane: Lane,
    upper: Upper,
    observations: Vec<Observation>,
}

impl One {
    /// Whether the frame shows something.
    fn push(&mut self, frame: &Frame<'_>, now: Timestamp) -> bool {
        self.lane.push(frame, now, &mut self.observations);
        let shows = !self.observations.is_empty();
        self.upper.take(frame.at, &mut self.observations);
        shows
    }

    fn sweep(&mut self, now: Timestamp) {
        self.lane.advance(now, &mut self.observations);
        self.upper.sweep(now, &mut self.observations);
    }

    fn finish(&mut self, last: Option<At>, now: Timestamp) {
        self.lane.finish(now, &mut self.observations);
        self.upper.finish(last, &mut self.observations);
    }
}

impl Work {
    /// Looks into the story, when all that was pushed is done.
    fn upper<T>(&mut self, look: impl FnOnce(&mut Upper) -> T) -> T {
        match self {
            Self::One(one) => look(&mut one.upper),
            Self::Many(lanes) => look(&mut lanes.upper()),
        }
    }

    /// Looks into each lane, when all that was pushed is done.
    fn each_lane(&mut self, mut look: impl FnMut(&mut Lane)) {
        match self {
            Self::One(one) => look(&mut one.lane),
            Self::Many(lanes) => lanes.lanes().for_each(|mut lane| look(&mut lane)),
        }
    }

    /// Whether the frame may show something.
    fn push(&mut self, frame: &Frame<'_>, now: Timestamp) -> bool {
        match self {
            Self::One(one) => one.push(frame, now),
            Self::Many(lanes) => {
                lanes.push(frame, now);
                true
            }
        }
    }

    fn sweep(&mut self, now: Timestamp) {
        match self {
            Self::One(one) => one.sweep(now),
            Self::Many(lanes) => lanes.sweep(now),
        }
    }

    fn observe(&mut self, observation: Observation) {
        match self {
            Self::One(one) => one.upper.observe(observation),
            Self::Many(lanes) => lanes.observe(observation),
        }
    }

    fn observe_placed(&mut self, observation: Observation, in_log: InLog) {
        match self {
            Self::One(one) => one.upper.observe_placed(observation, in_log),
            Self::Many(lanes) => lanes.observe_placed(observation, in_log),
        }
    }

    fn finish(&mut self, last: Option<At>, now: Timestamp) {
        match self {
            Self::One(one) => one.finish(last, now),
            Self::Many(lanes) => lanes.finish(last, now),
        }
    }

    fn next_told(&mut self) -> Option<Told> {
        match self {
            Self::One(one) => one.upper.next_told(),
            Self::Many(lanes) => lanes.next_told(),
        }
    }
}

impl HostSource for Work {
    fn take_hosts(&mut self) -> Vec<Host> {
        match self {
            Self::One(one) => one.upper.take_hosts(),
            Self::Many(lanes) => lanes.take_hosts(),
        }
    }
}

impl Engine {
    /// An engine that has seen nothing.
    pub fn new(options: Options) -> Self {
        let Options { ports, limits, watch, keys, followed, without_sieve, lanes } = options;
        let front = Front::new(ports.clone(), &watch, &limits, without_sieve);
        let lane = |limits| Lane::new(ports.clone(), limits, keys.clone(), followed);
        let upper = Upper::new(Story::new(limits.clone(), ports.clone(), keys.clone()));
        let work = if lanes > 1 {
            let lanes = (0..lanes).map(|_| lane(limits.share(lanes))).collect();
            Work::Many(Box::new(Lanes::new(lanes, upper, ports.clone(), &limits)))
        } else {
            Work::One(Box::new(One { lane: lane(limits), upper, observations: Vec::new() }))
        };
        let (rows, logins, counted) = (VecDeque::new(), VecDeque::new(), Stats::default());
        Self { front, work, keys: keys.clone(), followed, counted, fresh: false, rows, logins }
    }

    /// Names the inputs.
    pub fn name_inputs(&mut self, names: &[String]) {
        self.work.upper(|upper| upper.story.name_inputs(names));
    }

    /// What is asked of SIP messages; before the first packet.
    pub fn set_asked(&mut self, asked: Asked) {
        self.work.upper(|upper| upper.story.set_asked(asked));
    }

    /// An input cannot be read on.
    pub fn damaged(&mut self, damage: Damage) {
        self.work.upper(|upper| upper.story.damaged(damage));
    }

    /// Takes the next packet.
    pub fn push(&mut self, packet: &Packet<'_>) {
        self.saw(packet.at);
        let now = self.front.now();
        let Some(frame) = self.front.admit(packet, &self.keys, &mut self.work) else { return };
        self.fresh |= self.work.push(&frame, now);
    }

    /// Takes what a trace log says, in the order of time among the packets.
    pub fn observe(&mut self, observation: Observation) {
        self.saw(observation.at);
        self.fresh = true;
        if let (Message::Sip(message), Some(_)) = (&observation.message, self.followed)
            && observation.flow == self.followed
        {
            let payload = Payload { bytes: message.raw.to_vec(), decrypted: false };
            self.work.observe(Observation { message: Message::Payload(payload), ..observation.clone() });
        }
        self.work.observe(observation);
    }

    /// Takes a message of a trace log that has its place in packets that were pushed.
    pub fn observe_placed(&mut self, observation: Observation, in_log: InLog) {
        self.fresh = true;
        self.work.observe_placed(observation, in_log);
    }

    /// Adds what the reader of an input counted.
    pub fn count(&mut self, counted: &Stats) {
        self.counted.merge(counted);
    }

    /// Lets capture time pass where no packet comes.
    pub fn advance(&mut self, now: Timestamp) {
        self.fresh = true;
        self.work.sweep(now);
    }

    /// Whether something happened that may let a row or a sign-in leave, since nothing was left to tell.
    pub const fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// The next row that is final, in order, with the findings that cite it as far as they are known.
    pub fn next_row(&mut self) -> Option<Box<Row>> {
        if let Some(row) = self.rows.pop_front() {
            return Some(row);
        }
        while let Some(told) = self.next_told() {
            match told {
                Told::Row(row) => return Some(row),
                Told::Login(login, found) => self.logins.push_back((*login, found)),
            }
        }
        None
    }

    /// The next sign-in that is over, and what is wrong with it; at the end, once the last row has left,
    /// all that are left.
    pub fn next_login(&mut self) -> Option<(Login, Vec<Finding>)> {
        if self.logins.is_empty() && self.rows.is_empty() {
            match self.next_told() {
                Some(Told::Login(login, found)) => return Some((*login, found)),
                Some(Told::Row(row)) => self.rows.push_back(row),
                None => {}
            }
        }
        self.logins.pop_front()
    }

    fn next_told(&mut self) -> Option<Told> {
        let told = if self.fresh { self.work.next_told() } else { None };
        self.fresh = told.is_some();
        told
    }

    /// Ends all flows. [`Engine::next_row`] then hands out the rest of the rows.
    pub fn finish(&mut self) {
        self.front.finish();
        self.fresh = true;
        self.work.finish(self.front.last, self.front.now());
    }

    /// What the capture as a whole says; after [`Engine::finish`] and the last sign-in.
    pub fn report(&mut self) -> Report {
        let mut stats = self.counted.clone();
        stats.merge(&self.front.stats);
        self.work.each_lane(|lane| stats.merge(&lane.stats));
        let cut = std::mem::take(&mut self.front.cut);
        let mut report = self.work.upper(|upper| {
            upper.story.saw_cut(cut);
            upper.story.report(stats)
        });
        report.unused_keys = self.unused_keys(&report);
        report
    }

    /// Key files that opened nothing.
    fn unused_keys(&self, report: &Report) -> Vec<String> {
        let used = |name: &str| {
            let outer = report.tls_sessions.iter().filter_map(|(_, session)| session.opened.as_deref());
            let inner = report.inner_sessions.iter().filter_map(|(.., flight)| flight.opened.as_deref());
            let (line, rsa) = (format!(" of {name}"), format!("the RSA key {name}"));
            let is_of = |source: &str| {
                let source = source.trim_end_matches(')');
                source.ends_with(&line) || source.ends_with(&rsa)
            };
            outer.chain(inner).chain(report.proven.iter().map(|source| &**source)).any(is_of)
        };
        let files = self.keys.files().into_iter().filter(|file| !used(file));
        files.map(ToString::to_string).collect()
    }

    /// The security associations of SIP authentication.
    pub fn authentication<T>(&mut self, look: impl FnOnce(&Tracker) -> T) -> T {
        self.work.upper(|upper| look(upper.story.authentication()))
    }

    /// From now on these keys count. Sessions that began before may stay closed, unless their records wait
    /// ([`Limits::key_wait`]): then those are told with the next packet or [`Engine::advance`].
    pub fn set_keys(&mut self, keys: Arc<KeyStore>) {
        self.work.each_lane(|lane| lane.set_keys(keys.clone()));
        self.work.upper(|upper| upper.story.set_keys(keys.clone()));
        self.keys = keys;
    }

    /// Looks at a sign-in that is not over, by the attempt that a row names.
    pub fn open_login<T>(&mut self, attempt: AttemptNo, look: impl FnOnce(&Login) -> T) -> Option<T> {
        self.work.upper(|upper| upper.story.open_login(attempt).map(look))
    }

    /// Bytes of the followed flow that came since the last call.
    pub fn take_payloads(&mut self) -> Vec<(At, Direction, Payload)> {
        self.work.upper(|upper| upper.story.take_payloads())
    }

    /// Notes that something happened then, and looks for flows that stayed silent where it is time.
    fn saw(&mut self, at: At) {
        if self.front.last.is_none() {
            self.work.upper(|upper| upper.story.saw(at));
        }
        if self.front.saw(at) {
            self.advance(self.front.now());
        }
    }
}
