//! What the capture as a whole says.

use crate::model::tls::{KeySource, TlsEvent, TlsSession};
use crate::model::{At, Direction, FlowKey, InputNo, Message, PacketNo, Span, Stats, TcpEvent};
use crate::story::authentication::tls_dsk::Flight;
use crate::story::names::{Lookup, Origin};
use crate::story::row::{LogCopy, Row, RowFlow};
use crate::story::transactions::Unanswered;

/// How the clock of a trace log stands to that of the captures.
#[derive(Clone, Debug)]
pub struct ClockReport {
    /// The log.
    pub name: String,
    /// Messages in it, and how many of them are in a capture.
    pub messages: usize,
    /// Those that are in a capture.
    pub matched: usize,
    /// The zone that its times are in, in minutes east of UTC.
    pub zone: i64,
    /// How far its clock is ahead.
    pub ahead: Span,
    /// Between the ninth tenth of the differences and the first.
    pub spread: Span,
}

/// What two places of capture have in common.
#[derive(Clone, Debug)]
pub struct PointPair {
    /// An input of each.
    pub inputs: [String; 2],
    /// SIP messages that were seen at both.
    pub messages: u64,
    /// Those of them that differ in a header field or elsewhere.
    pub changed: u64,
    /// How far the clock of the second is ahead, by the medians of both directions; `None` where messages went one
    /// way only.
    pub ahead: Option<Span>,
    /// Median time of a message between both.
    pub transit: Option<Span>,
}

/// An input that could not be read to its end.
#[derive(Clone, Debug)]
pub struct Damage {
    /// Which input.
    pub input: InputNo,
    /// Its name.
    pub name: String,
    /// The last packet that could be read, where there is one.
    pub after: Option<At>,
    /// What is wrong, and where.
    pub what: String,
}

/// One conversation.
#[derive(Clone, Debug)]
pub struct FlowReport {
    /// Its number, as rows cite it.
    pub number: u32,
    /// Its ends.
    pub key: FlowKey,
    /// Its first packet that is in a row.
    pub first: At,
    /// Its last.
    pub last: At,
    /// How its client came to know its server.
    pub origin: Option<Origin>,
    /// How the connection was opened.
    pub opened: Option<TcpEvent>,
    /// How it ended.
    pub ended: Option<TcpEvent>,
    /// SIP messages that left the client, and that reached it.
    pub sip: [u64; 2],
    /// Messages of TLS handshakes that left the client, and that reached it.
    pub handshake: [u64; 2],
    /// Other rows.
    pub others: u64,
    /// Bytes that the capture does not have.
    pub lost_bytes: u64,
}

impl FlowReport {
    /// A flow of which nothing is known.
    pub fn new(number: u32, key: FlowKey, first: At, origin: Option<Origin>) -> Self {
        Self {
            number,
            key,
            first,
            last: first,
            origin,
            opened: None,
            ended: None,
            sip: [0; 2],
            handshake: [0; 2],
            others: 0,
            lost_bytes: 0,
        }
    }

    /// Notes what a row of it says.
    pub fn note(&mut self, row: &Row) {
        self.first = self.first.earlier(row.began);
        self.last = self.last.later(row.at);
        let told = match &row.message {
            Message::Tcp(event) => Some(*event),
            Message::Log(event) => event.tcp(),
            _ => None,
        };
        match told {
            Some(event @ TcpEvent::Open { .. }) => self.opened = Some(event),
            Some(event) => self.ended = Some(event),
            None => {}
        }
        match (&row.message, row.direction) {
            (Message::Tcp(_), _) => {}
            (Message::Sip(_), Direction::Out) => self.sip[0] += 1,
            (Message::Sip(_), Direction::In) => self.sip[1] += 1,
            (Message::Tls(event), _) if matches!(**event, TlsEvent::ClientHello(_)) => self.handshake[0] += 1,
            (Message::Tls(event), _) if matches!(**event, TlsEvent::ServerHello(_)) => self.handshake[1] += 1,
            (Message::Lost(loss), _) => self.lost_bytes = self.lost_bytes.saturating_add(loss.bytes),
            _ => self.others += 1,
        }
    }
}

/// The report.
#[derive(Clone, Debug)]
pub struct Report {
    /// Names of the inputs.
    pub inputs: Vec<String>,
    /// First packet.
    pub first: Option<At>,
    /// Last packet.
    pub last: Option<At>,
    /// Rows of the timeline.
    pub rows: u64,
    /// Look-ups, in the order in which they were asked.
    pub lookups: Vec<Lookup>,
    /// Conversations, by number.
    pub flows: Vec<Box<FlowReport>>,
    /// Requests without a final response.
    pub unanswered: Vec<Unanswered>,
    /// Inputs that could not be read to their end.
    pub damages: Vec<Damage>,
    /// Packets of wanted flows that the snap length cut; the first ones.
    pub cut: Vec<At>,
    /// Where bytes are missing; the first places.
    pub losses: Vec<At>,
    /// Messages of which a trace log says something else than the capture.
    pub differences: Vec<(At, LogCopy)>,
    /// How the clock of each log stands to those of the captures.
    pub clocks: Vec<ClockReport>,
    /// What each two places of capture have in common.
    pub points: Vec<PointPair>,
    /// TLS sessions, each with its flow.
    pub tls_sessions: Vec<(RowFlow, TlsSession)>,
    /// TLS sessions inside TLS-DSK authentication: flow, the message that completed the key exchange, its flight.
    pub inner_sessions: Vec<(RowFlow, At, Flight)>,
    /// Where the passwords stand that NTLM answers proved.
    pub proven: Vec<KeySource>,
    /// Key files that opened nothing.
    pub unused_keys: Vec<String>,
    /// Row numbers of packets that findings may cite, by packet.
    pub cited: Vec<(PacketNo, u64)>,
    /// Counts.
    pub stats: Stats,
}

impl Report {
    /// Whether a session that no key opens is told by a trace log: its flow has messages all the same.
    pub fn is_told_by_log(&self, flow: &RowFlow) -> bool {
        let found = self.flows.binary_search_by_key(&flow.number, |report| report.number);
        found.ok().and_then(|index| self.flows.get(index)).is_some_and(|report| report.sip != [0, 0])
    }

    /// The first row that a packet completed, among those that findings may cite.
    pub fn row_of(&self, at: At) -> Option<u64> {
        let index = self.cited.binary_search_by_key(&at.packet, |&(packet, _)| packet).ok()?;
        self.cited.get(index).map(|&(_, row)| row)
    }
}
