//! The half that sees the whole capture: observations in, rows and a report out.
//!
//! Pairs requests with responses and queries with answers, ties connections to the look-ups that led
//! to them, numbers flows and rows, and holds rows until they can no longer change. Needs no
//! packets: a test can tell it a story directly.

pub mod authentication;
pub mod fields;
pub mod filter;
pub mod login;
pub mod names;
pub mod narrate;
pub mod queue;
pub mod report;
pub mod row;
pub mod sightings;
pub mod steps;
pub mod summary;
pub mod transactions;

use std::net::IpAddr;
use std::sync::Arc;

use crate::crypto::KeyStore;
use crate::model::sip::HeaderName;
use crate::model::tls::{TlsEvent, TlsSession};
use crate::model::{
    At, Counter, Direction, FlowKey, Limits, Message, Observation, PacketNo, Payload, Ports, Recent, Stats, TcpEvent,
    Timestamp, TransportKind,
};
use authentication::Tracker;
use authentication::tls_dsk::Flight;
use login::Login;
use login::tracker::AttemptNo;
use login::tracker::Logins;
use names::Names;
use queue::Queue;
use sightings::Sightings;
use transactions::Transactions;

pub use report::{Damage, FlowReport, PointPair, Report};
pub use row::{AlsoSeen, LogCopy, Mark, Row, RowFlow, RowId};

/// What of SIP messages rows keep until they leave: the rest gives its memory to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// What the summary tells, and the first header field of each of these names.
    Fields(&'static [HeaderName]),
    /// All but their bodies.
    Head,
    /// Everything.
    Whole,
}

/// What is asked of SIP messages. No body is left unread where it decides how a step of a sign-in went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Sign-ins tell what bodies say.
    pub told: bool,
    /// What rows keep.
    pub kept: Kept,
}

impl Asked {
    /// All that can be asked.
    pub const ALL: Self = Self { told: true, kept: Kept::Whole };

    /// Nothing but rows and their summaries.
    pub const LEAST: Self = Self { told: false, kept: Kept::Fields(&[]) };

    /// What either asks.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        let kept = match (self.kept, other.kept) {
            (Kept::Whole, _) | (_, Kept::Whole) => Kept::Whole,
            (Kept::Fields(&[]), kept) | (kept, Kept::Fields(&[])) => kept,
            _ => Kept::Head,
        };
        Self { told: self.told || other.told, kept }
    }
}

/// Builds the story of a capture.
pub struct Story {
    limits: Limits,
    asked: Asked,
    inputs: Vec<Arc<str>>,
    names: Names,
    transactions: Transactions,
    keys: Arc<KeyStore>,
    authentication: Tracker,
    logins: Logins,
    flows: Recent<FlowKey, Box<FlowReport>>,
    flow_count: u32,
    row_count: u64,
    sightings: Sightings,
    queue: Queue,
    first: Option<At>,
    last: Option<At>,
    /// When time was last let pass, where nothing has been closed since.
    now: Option<Timestamp>,
    /// Time that was let pass since the last packet.
    passed: Option<Timestamp>,
    damages: Vec<Damage>,
    cut: Vec<At>,
    losses: Vec<At>,
    differences: Vec<(At, LogCopy)>,
    tls_sessions: Vec<(RowFlow, TlsSession)>,
    payloads: Vec<(At, Direction, Payload)>,
    inner_sessions: Vec<(RowFlow, At, Flight)>,
    cited: Vec<(PacketNo, u64)>,
    forgotten: u64,
}

/// Most packets that a finding about the capture cites.
const MOST_CITED: usize = 16;

impl Story {
    /// A story in which nothing has happened.
    pub fn new(limits: Limits, ports: Ports, keys: Arc<KeyStore>) -> Self {
        Self {
            keys,
            authentication: Tracker::new(&limits),
            logins: Logins::new(ports, &limits),
            inputs: Vec::new(),
            names: Names::new(&limits),
            transactions: Transactions::new(limits.remembered),
            flows: Recent::new(limits.remembered),
            flow_count: 0,
            row_count: 0,
            sightings: Sightings::new(limits.remembered),
            queue: Queue::new(&limits),
            first: None,
            last: None,
            now: None,
            passed: None,
            damages: Vec::new(),
            cut: Vec::new(),
            losses: Vec::new(),
            differences: Vec::new(),
            tls_sessions: Vec::new(),
            payloads: Vec::new(),
            inner_sessions: Vec::new(),
            cited: Vec::new(),
            forgotten: 0,
            asked: Asked::ALL,
            limits,
        }
    }

    /// What is asked of SIP messages; all, where that is not said.
    pub fn set_asked(&mut self, asked: Asked) {
        self.asked = asked;
        self.logins.set_asked(asked);
    }

    /// Names the inputs; rows name theirs where there are several.
    pub fn name_inputs(&mut self, inputs: &[String]) {
        self.inputs = inputs.iter().map(|name| name.as_str().into()).collect();
    }

    /// A packet was read, whatever is in it: time passes.
    pub fn saw(&mut self, at: At) {
        self.first.get_or_insert(at);
        (self.last, self.passed) = (Some(at), None);
    }

    /// Capture time passed.
    pub fn advance(&mut self, now: Timestamp) {
        self.now = Some(now);
        self.passed = Some(now);
    }

    /// The newest time that is known: of a packet, or let pass without one.
    fn clock(&self) -> Option<Timestamp> {
        self.passed.or(self.last.map(|last| last.time))
    }

    /// Packets of wanted flows were cut by the snap length: the first ones.
    pub fn saw_cut(&mut self, cut: Vec<At>) {
        self.cut = cut;
    }

    /// An input cannot be read on.
    pub fn damaged(&mut self, damage: Damage) {
        self.damages.push(damage);
    }

    /// Notes that a message of a packet that was pushed stands in a trace log, too; `false` where there is no such row.
    pub fn note_copy(&mut self, observation: &Observation, copy: LogCopy) -> bool {
        let Message::Sip(logged) = &observation.message else { return false };
        let same = |row: &Row| match &row.message {
            Message::Sip(message) => {
                row.copy.is_none()
                    && row.direction == observation.direction
                    && message.status() == logged.status()
                    && message.cseq.map(|cseq| cseq.number) == logged.cseq.map(|cseq| cseq.number)
                    && message.method() == logged.method()
                    && steps::call_id(message) == steps::call_id(logged)
            }
            _ => false,
        };
        let Some(row) = self.queue.find_mut(observation.at.packet, same) else { return false };
        row.copy = Some(copy);
        if copy.differs && self.differences.len() < self.limits.remembered {
            self.differences.push((row.at, copy));
        }
        true
    }

    /// Takes a message of a trace log that a capture has only as records that stay closed.
    pub fn push_copy(&mut self, observation: Observation, copy: LogCopy) {
        self.push_row(observation, Some(copy));
    }

    /// Takes an observation.
    pub fn push(&mut self, observation: Observation) {
        self.push_row(observation, None);
    }

    fn push_row(&mut self, observation: Observation, copy: Option<LogCopy>) {
        let Observation { at, began, flow, direction, message } = observation;
        let message = match message {
            Message::Payload(payload) => return self.payloads.push((at, direction, payload)),
            Message::TlsSession(session) => return self.tls_session(flow, *session),
            Message::Ciphertext(_) => return,
            message => message,
        };
        let input = (self.inputs.len() > 1).then(|| self.inputs.get(at.input.index()).cloned()).flatten();
        self.row_count += 1;
        let id = RowId(self.row_count);
        let mut row = Box::new(Row { id, at, began, input, direction, message, copy, ..Row::new(at) });
        if let Some(key) = flow {
            let (flow, begins) = self.flow(key, &row);
            (row.flow, row.begins) = (Some(flow), begins);
            self.relate(key, &mut row);
        }
        if matches!(row.message, Message::Lost(_)) && self.losses.len() < MOST_CITED {
            self.losses.push(at);
        }
        row.attempt = self.logins.row(&row);
        row.elapsed = at.time.since(self.first.map_or(at.time, |first| first.time));
        // What is told of a row, and when, must not depend on what others ask of it.
        let weight = row.weight();
        // A copy of the message in another capture is told by all of it. Where few rows wait, they may stay as they are.
        if self.inputs.len() < 2 && self.queue.is_long() {
            row.keep(self.asked.kept);
        }
        self.queue.push(row, weight);
    }

    /// Keeps a TLS session for the report.
    fn tls_session(&mut self, flow: Option<FlowKey>, session: TlsSession) {
        let Some(key) = flow else { return };
        if self.tls_sessions.len() >= self.limits.remembered {
            self.forgotten += 1;
            return;
        }
        let number = self.flows.peek(&key).map_or(0, |report| report.number);
        self.tls_sessions.push((RowFlow { number, key }, session));
    }

    /// The security associations.
    pub const fn authentication(&self) -> &Tracker {
        &self.authentication
    }

    /// From now on these keys count, too.
    pub fn set_keys(&mut self, keys: Arc<KeyStore>) {
        self.keys = keys;
    }

    /// Bytes of the followed flow that came since the last call.
    pub fn take_payloads(&mut self) -> Vec<(At, Direction, Payload)> {
        std::mem::take(&mut self.payloads)
    }

    /// Notes what a row says of its flow; the first one tells how its server was found. Says whether the flow begins with
    /// the row, as far as is known.
    fn flow(&mut self, key: FlowKey, row: &Row) -> (RowFlow, bool) {
        if let Some(report) = self.flows.get_mut(&key) {
            report.note(row);
            return (RowFlow { number: report.number, key }, report.first == row.began);
        }
        self.flow_count += 1;
        // A log does not show how its client came to know the server.
        let looked_up = (!row.at.input.is_log()).then(|| self.names.origin(&key, row.began, self.flow_count));
        let mut report = FlowReport::new(self.flow_count, key, row.began, looked_up.flatten());
        report.note(row);
        let before = self.flows.forgotten();
        self.flows.insert(key, Box::new(report));
        self.forgotten += self.flows.forgotten() - before;
        (RowFlow { number: self.flow_count, key }, true)
    }

    /// Finds what belongs to a row: the query of an answer, the request of a response, the look-up
    /// that a connection followed.
    fn relate(&mut self, key: FlowKey, row: &mut Row) {
        match &row.message {
            Message::Dns(message) => {
                let (rtt, note) = self.names.message(&key, row.direction, row.at, message);
                (row.rtt, row.note) = (rtt, note);
            }
            Message::Sip(message) => {
                let (response_time, note) = self.transactions.message(&key, row.direction, row.at, message);
                (row.rtt, row.note) = (response_time, note);
                // Over UDP no row but these tells of a connection.
                if key.transport == TransportKind::Udp {
                    row.origin = self.flows.peek(&key).and_then(|report| report.origin.clone());
                }
                row.authentication = self.authentication.message(&key, message, &self.keys).map(Box::new);
                let flight = row.authentication.as_ref().and_then(|authentication| authentication.flight());
                if let Some(flight) = flight.filter(|flight| flight.opened.is_some() || flight.not_opened.is_some()) {
                    let number = row.flow.map_or(0, |flow| flow.number);
                    if self.inner_sessions.len() < self.limits.remembered {
                        let flight = Flight { authorities: Vec::new(), ..flight.clone() };
                        self.inner_sessions.push((RowFlow { number, key }, row.at, flight));
                    }
                }
            }
            Message::Icmp { .. } => self.names.unreachable(&key, row.at),
            Message::Tcp(event) => {
                let begins = !matches!(event, TcpEvent::Reset { .. } | TcpEvent::Closed { .. });
                if begins && key.transport == TransportKind::Tcp {
                    row.origin = self.flows.peek(&key).and_then(|report| report.origin.clone());
                }
            }
            Message::Http(message) => {
                row.rtt = self.transactions.http(&key, row.at, message);
                row.authentication = authentication::http::read(message).map(Box::new);
            }
            Message::Kerberos(message) => row.rtt = self.transactions.kerberos(&key, row.at, message),
            Message::Dhcp(_)
            | Message::Tls(_)
            | Message::TlsSession(_)
            | Message::Log(_)
            | Message::Payload(_)
            | Message::Ciphertext(_)
            | Message::Lost(_)
            | Message::Defect(_) => {}
        }
    }

    /// The next row that is final, in order; `cited` tells the findings that cite a row of a sign-in that is not over.
    pub fn next_row(&mut self, cited: impl FnOnce(&Row, &Login) -> Vec<&'static str>) -> Option<Box<Row>> {
        let mut row = self.queue.pop(self.clock())?;
        row.attempt = self.logins.place(&row);
        self.recognise(&mut row);
        if let Some((attempt, step)) = row.attempt {
            let (number, login) = self.logins.numbered(attempt, row.id, row.number);
            (row.login, row.step) = (number, number.map(|_| step.id()));
            row.findings = login.filter(|_| number.is_some()).map(|login| cited(&row, login)).unwrap_or_default();
        }
        let cited = match &row.message {
            Message::Lost(_) => true,
            Message::Tls(event) => matches!(**event, TlsEvent::ClientHello(_) | TlsEvent::NotOpened(_)),
            _ => row.begins && self.begins_its_flow(&row),
        };
        if cited && self.cited.len() < self.limits.remembered {
            self.cited.push((row.at.packet, row.number));
        }
        Some(row)
    }

    fn begins_its_flow(&self, row: &Row) -> bool {
        row.flow.and_then(|flow| self.flows.peek(&flow.key)).is_some_and(|flow| flow.first == row.began)
    }

    /// Notes where else a message was captured, and that its sign-in is the same there.
    fn recognise(&mut self, row: &mut Row) {
        if self.inputs.len() < 2 {
            return;
        }
        let Some(mut seen) = self.sightings.row(row) else { return };
        seen.also.input = self.inputs.get(seen.also.at.input.index()).cloned();
        if let (Some((attempt, _)), Some(there)) = (row.attempt, seen.attempt) {
            let name = |input: Option<&Arc<str>>| input.cloned().unwrap_or_default();
            self.logins.same(there, attempt, &name(row.input.as_ref()));
            self.logins.same(attempt, there, &name(seen.also.input.as_ref()));
        }
        row.also_seen = Some(Box::new(seen.also));
    }

    /// A sign-in that is not over.
    pub fn open_login(&self, attempt: AttemptNo) -> Option<&Login> {
        self.logins.login(attempt).filter(|login| login.id > 0)
    }

    /// The next sign-in that is over and whose rows have left; at the end, once the last row has left, all that
    /// are left.
    pub fn next_login(&mut self) -> Option<Login> {
        if self.queue.is_done() {
            self.logins.finish();
        } else if !self.queue.is_ready(self.clock())
            && let Some(now) = self.now.take()
        {
            self.logins.advance(now);
        }
        self.logins.next_closed()
    }

    /// Hosts that sign-ins were told to go to since the last call, each with the addresses that are known for it.
    pub fn take_hosts(&mut self) -> Vec<(Arc<str>, Vec<IpAddr>)> {
        let hosts = self.logins.take_hosts();
        if hosts.is_empty() {
            return Vec::new();
        }
        hosts.into_iter().map(|host| (host.clone(), self.names.addresses_of(&host))).collect()
    }

    /// No observation follows: all rows are final.
    pub fn finish(&mut self) {
        self.queue.finish();
    }

    fn take_cited(&mut self) -> Vec<(PacketNo, u64)> {
        let mut cited = std::mem::take(&mut self.cited);
        cited.sort_unstable();
        cited.dedup_by_key(|&mut (packet, _)| packet);
        cited
    }

    /// What the capture as a whole says.
    pub fn report(&mut self, mut stats: Stats) -> Report {
        stats.add(Counter::RowsLate, self.queue.late());
        let forgotten = self.forgotten + self.names.forgotten() + self.transactions.forgotten() + self.logins.dropped();
        let forgotten = forgotten + self.authentication.forgotten() + self.sightings.forgotten();
        stats.add(Counter::Forgotten, forgotten);
        let mut flows: Vec<_> = self.flows.drain().map(|(_, report)| report).collect();
        flows.sort_by_key(|report| report.number);
        Report {
            inputs: self.inputs.iter().map(ToString::to_string).collect(),
            first: self.first,
            last: self.last,
            rows: self.queue.released(),
            lookups: self.names.take_lookups(),
            flows,
            unanswered: self.transactions.take_unanswered(self.limits.remembered),
            damages: std::mem::take(&mut self.damages),
            cut: std::mem::take(&mut self.cut),
            losses: std::mem::take(&mut self.losses),
            differences: std::mem::take(&mut self.differences),
            clocks: Vec::new(),
            points: self.sightings.take_pairs(&self.inputs),
            tls_sessions: std::mem::take(&mut self.tls_sessions),
            inner_sessions: std::mem::take(&mut self.inner_sessions),
            proven: self.authentication.take_proven(),
            unused_keys: Vec::new(),
            cited: self.take_cited(),
            stats,
        }
    }
}

/// Orders things by the packet that completed them.
pub(crate) fn by_packet(at: At) -> PacketNo {
    at.packet
}
