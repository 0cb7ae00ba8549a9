//! The composition of all layers: packets in, rows and a report out.
//!
//! [`Engine::push`] takes packets in order, [`Engine::observe`] what trace logs say, [`Engine::advance`] lets time pass where none come,
//! [`Engine::next_row`] hands out finished rows, [`Engine::finish`] ends. Opens nothing, prints nothing,
//! reads no clock.

pub mod join;
pub mod lane;
pub mod sieve;

use std::sync::Arc;

use crate::crypto::KeyStore;
use crate::findings::{self, Cited, Finding};
use crate::model::{
    At, Counter, Direction, FlowKey, Limits, Message, Observation, Packet, Payload, Ports, Stats, Timestamp,
};
use crate::story::login::Login;
use crate::story::login::tracker::AttemptNo;
use crate::story::row::LogCopy;
use crate::story::{Damage, Report, Row, Story};
use join::Seen;
use join::seam::InLog;
use lane::{Lane, Sweep};
use sieve::{Sieve, Verdict};

/// How the engine works.
#[derive(Clone, Default)]
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
}

/// Everything from packets to rows.
pub struct Engine {
    sieve: Sieve,
    lane: Lane,
    keys: Arc<KeyStore>,
    story: Story,
    cited: Cited,
    observations: Vec<Observation>,
    stats: Stats,
    sweep: Sweep,
    without_sieve: bool,
    followed: Option<FlowKey>,
}

impl Engine {
    /// An engine that has seen nothing.
    pub fn new(options: Options) -> Self {
        let Options { ports, limits, watch, keys, followed, without_sieve } = options;
        Self {
            sieve: Sieve::new(ports.clone(), &watch, &limits),
            lane: Lane::new(ports.clone(), limits.clone(), keys.clone(), followed),
            story: Story::new(limits, ports, keys.clone()),
            cited: Cited::default(),
            keys,
            observations: Vec::new(),
            stats: Stats::default(),
            sweep: Sweep::default(),
            without_sieve,
            followed,
        }
    }

    /// Names the inputs.
    pub fn name_inputs(&mut self, names: &[String]) {
        self.story.name_inputs(names);
    }

    /// Nobody will ask what the bodies of sign-ins say.
    pub fn leave_bodies_unread(&mut self) {
        self.story.leave_bodies_unread();
    }

    /// An input cannot be read on.
    pub fn damaged(&mut self, damage: Damage) {
        self.story.damaged(damage);
    }

    /// Takes the next packet.
    pub fn push(&mut self, packet: &Packet<'_>) {
        self.stats.count(Counter::Packets);
        self.stats.add(Counter::Bytes, packet.data.len() as u64);
        self.story.saw(packet.at);
        self.sweep(packet.at.time);
        let verdict = self.sieve.judge(packet, &self.keys);
        if verdict == Verdict::Drop && !self.without_sieve {
            self.stats.count(Counter::Sieved);
            return;
        }
        let wanted = verdict == Verdict::Keep;
        if wanted && packet.wire_len as usize > packet.data.len() {
            self.stats.count(Counter::SnapCut);
            self.story.saw_cut(packet.at);
        }
        self.lane.push(packet, wanted, &mut self.observations);
        self.tell();
    }

    /// Takes what a trace log says, in the order of time among the packets.
    pub fn observe(&mut self, observation: Observation) {
        self.story.saw(observation.at);
        self.sweep(observation.at.time);
        if let (Message::Sip(message), Some(_)) = (&observation.message, self.followed)
            && observation.flow == self.followed
        {
            let payload = Payload { bytes: message.raw.to_vec(), decrypted: false };
            self.observations.push(Observation { message: Message::Payload(payload), ..observation.clone() });
        }
        self.observations.push(observation);
        self.tell();
    }

    /// Takes a message of a trace log that has its place in packets that were pushed.
    pub fn observe_placed(&mut self, observation: Observation, in_log: InLog) {
        let InLog { input, line, seen } = in_log;
        let copy = LogCopy { input, line, differs: seen == Seen::Different };
        if seen == Seen::Closed || !self.story.note_copy(&observation, copy) {
            self.story.push_copy(observation, copy);
        }
    }

    /// Adds what the reader of an input counted.
    pub fn count(&mut self, counted: &Stats) {
        self.stats.merge(counted);
    }

    /// Lets capture time pass where no packet comes.
    pub fn advance(&mut self, now: Timestamp) {
        self.lane.advance(now, &mut self.observations);
        self.tell();
        self.story.advance(now);
    }

    /// The next row that is final, in order, with the findings that cite it as far as they are known.
    pub fn next_row(&mut self) -> Option<Row> {
        let mut row = self.story.next_row()?;
        if let Some(login) = self.story.login_of(&row) {
            row.findings = self.cited.of(&row, login);
        }
        Some(row)
    }

    /// The next sign-in that is over, and what is wrong with it; at the end, once the last row has left,
    /// all that are left.
    pub fn next_login(&mut self) -> Option<(Login, Vec<Finding>)> {
        let login = self.story.next_login()?;
        let found = findings::check_login(&login);
        Some((login, found))
    }

    /// Ends all flows. [`Engine::next_row`] then hands out the rest of the rows.
    pub fn finish(&mut self) {
        self.lane.finish(&mut self.observations);
        self.tell();
        self.story.finish();
    }

    /// What the capture as a whole says; after [`Engine::finish`] and the last sign-in.
    pub fn report(&mut self) -> Report {
        let mut stats = self.stats.clone();
        stats.merge(&self.lane.stats);
        let mut report = self.story.report(stats);
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
    pub const fn authentication(&self) -> &crate::story::authentication::Tracker {
        self.story.authentication()
    }

    /// From now on these keys count. Sessions that began before may stay closed, unless their records wait
    /// ([`Limits::key_wait`]): then those are told with the next packet or [`Engine::advance`].
    pub fn set_keys(&mut self, keys: Arc<KeyStore>) {
        self.lane.set_keys(keys.clone());
        self.story.set_keys(keys.clone());
        self.keys = keys;
    }

    /// A sign-in that is not over, by the attempt that a row names.
    pub fn open_login(&self, attempt: AttemptNo) -> Option<&Login> {
        self.story.open_login(attempt)
    }

    /// Bytes of the followed flow that came since the last call.
    pub fn take_payloads(&mut self) -> Vec<(At, Direction, Payload)> {
        self.story.take_payloads()
    }

    fn sweep(&mut self, now: Timestamp) {
        if self.sweep.is_due(now) {
            self.lane.advance(now, &mut self.observations);
            self.tell();
            self.story.advance(now);
        }
    }

    fn tell(&mut self) {
        if self.observations.is_empty() {
            return;
        }
        for observation in self.observations.drain(..) {
            self.story.push(observation);
        }
        for (host, addresses) in self.story.take_hosts() {
            self.sieve.watch(&host, &addresses);
        }
    }
}
