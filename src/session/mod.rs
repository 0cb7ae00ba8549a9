//! Stream events in, observations out: the decoders of protocols above TCP and UDP.
//!
//! Content decides which decoder a stream gets ([`PROBES`]); a port says it only where content does
//! not. A flow is kept, and has rows, once something asks for it or a decoder finds it of interest;
//! until then what it tells waits. Never sees packets and never knows more than one flow, but for
//! the secrets with which sessions are resumed, which are kept by address pair.

pub mod content;
pub mod datagrams;
pub mod dhcp;
pub mod dns;
pub mod held;
pub mod http;
pub mod kerberos;
pub mod sip;
pub mod tls;

use std::borrow::Cow;

use crate::crypto::KeyStore;
use crate::model::dns::DnsMessage;
use crate::model::http::HttpMessage;
use crate::model::sip::{Carrier, SipMessage};
use crate::model::tls::TlsEvent;
use crate::model::{
    At, Change, Counter, DecodeAs, Defect, Direction, FlowKey, Limits, Loss, Message, Observation, Payload, Ports,
    Recent, Stats, StreamEvent, TcpEvent, TcpStep, Timestamp, TransportKind,
};
use crate::wire::sip::Likeness;
use content::Content;
use held::Spares;
use tls::Resumptions;
use tls::certificates::Certificates;

/// Most observations of a flow that wait for it to be kept: a handshake's steps are fewer.
const MOST_WAITING: usize = 16;

/// What a decoder works with and writes to.
#[expect(clippy::struct_excessive_bools, reason = "each is a question or an answer of its own")]
pub struct Output<'a> {
    /// The conversation.
    pub flow: FlowKey,
    /// Keys.
    pub keys: &'a KeyStore,
    /// Sessions that may be resumed.
    pub resumptions: &'a mut Resumptions,
    /// Exchanges of DHCP in which a phone asks; the answers are flows of their own.
    pub phones: &'a mut Recent<u32, ()>,
    /// Certificates that were read lately.
    pub certificates: &'a mut Certificates,
    /// Emptied buffers.
    pub spares: &'a mut Spares,
    /// Bounds.
    pub limits: &'a Limits,
    /// Counts.
    pub stats: &'a mut Stats,
    /// Where observations go.
    pub observations: &'a mut Vec<Observation>,
    /// The flow is of interest: it is kept from now on.
    pub keep: bool,
    /// The flow is of no interest, unless it is kept.
    pub ignore: bool,
    /// The bytes of this flow are asked for.
    pub followed: bool,
    /// The sizes of records that stay closed are asked for.
    pub measured: bool,
}

impl Output<'_> {
    /// Tells something that began in one packet and was complete with another.
    pub fn tell(&mut self, (began, at): (At, At), direction: Direction, message: Message) {
        self.observations.push(Observation { at, began, flow: Some(self.flow), direction, message });
    }

    /// Tells a DNS message.
    pub fn dns(&mut self, span: (At, At), direction: Direction, message: DnsMessage) {
        self.tell(span, direction, Message::Dns(Box::new(message)));
    }

    /// Tells a SIP message.
    pub fn sip(&mut self, span: (At, At), direction: Direction, message: SipMessage) {
        self.tell(span, direction, Message::Sip(Box::new(message)));
    }

    /// Tells an HTTP message.
    pub fn http(&mut self, span: (At, At), direction: Direction, message: HttpMessage) {
        self.tell(span, direction, Message::Http(Box::new(message)));
    }

    /// Tells a step of a TLS session.
    pub fn tls(&mut self, span: (At, At), direction: Direction, event: TlsEvent) {
        self.tell(span, direction, Message::Tls(Box::new(event)));
    }

    /// Tells bytes that are not what they should be.
    pub fn defect(&mut self, at: At, direction: Direction, defect: Defect) {
        self.tell((at, at), direction, Message::Defect(defect));
    }

    /// Tells bytes of a followed flow.
    pub fn payload(&mut self, at: At, direction: Direction, bytes: &[u8], decrypted: bool) {
        if self.followed {
            self.tell((at, at), direction, Message::Payload(Payload { bytes: bytes.to_vec(), decrypted }));
        }
    }
}

/// A decoder of one flow.
pub trait Decoder: Send {
    /// Takes the next bytes of a stream, or one datagram.
    fn data(&mut self, at: At, direction: Direction, bytes: Cow<'_, [u8]>, out: &mut Output<'_>);

    /// Bytes are missing; what follows comes after them.
    fn gap(&mut self, at: At, direction: Direction, loss: Loss, out: &mut Output<'_>);

    /// No byte of this direction can follow.
    fn finish(&mut self, at: At, direction: Direction, out: &mut Output<'_>);

    /// The stream is over; both directions are finished.
    fn end(&mut self, _at: At, _out: &mut Output<'_>) {}

    /// Bytes that are held for messages under way.
    fn held(&self) -> usize;

    /// Gives up what is held, for the bound on all flows.
    fn relieve(&mut self, at: At, out: &mut Output<'_>);

    /// Whether it wants to hear of time and of new keys.
    fn awaits_keys(&self) -> bool {
        false
    }

    /// Time passed, or keys came; `last` where nothing more comes and nothing can be waited for.
    fn advance(&mut self, _now: Timestamp, _last: bool, _out: &mut Output<'_>) {}
}

/// A protocol that a stream can carry.
pub struct Probe {
    /// Its name, as in `--decode-as`.
    pub name: &'static str,
    /// Ports of this kind carry it where content does not say otherwise.
    pub kinds: &'static [DecodeAs],
    /// Whether bytes begin a message of it.
    pub begins: fn(&[u8]) -> Likeness,
    /// Whether a flow with it is kept for that alone.
    pub keeps: bool,
    /// A decoder for a new stream, and what its port stands for.
    pub decoder: fn(Carrier, Option<DecodeAs>) -> Box<dyn Decoder>,
}

/// The protocols, in the order in which they are tried.
pub static PROBES: &[&Probe] = &[&sip::PROBE, &tls::PROBE, &http::PROBE, &dns::PROBE, &kerberos::PROBE, &dhcp::PROBE];

struct Session {
    flow: FlowKey,
    kept: bool,
    /// What was told before the flow was kept.
    waiting: Vec<Observation>,
    content: Content,
    held: usize,
    /// Stands among those that wait for keys.
    awaiting: bool,
}

/// The decoders of all flows of one lane.
pub struct Sessions {
    places: Vec<Option<Box<Session>>>,
    ports: Ports,
    shared: Shared,
    held: usize,
    /// Slots of flows that wait for keys, each with its flow.
    awaiting: Vec<(usize, FlowKey)>,
}

/// What the decoders of all flows have in common.
struct Shared {
    limits: Limits,
    resumptions: Resumptions,
    phones: Recent<u32, ()>,
    certificates: Certificates,
    spares: Spares,
    followed: Option<FlowKey>,
    measured: bool,
}

impl Shared {
    /// What the decoder of a flow works with, and writes to.
    fn output<'a>(
        &'a mut self,
        flow: FlowKey,
        keep: bool,
        keys: &'a KeyStore,
        stats: &'a mut Stats,
        observations: &'a mut Vec<Observation>,
    ) -> Output<'a> {
        Output {
            flow,
            keys,
            resumptions: &mut self.resumptions,
            phones: &mut self.phones,
            certificates: &mut self.certificates,
            spares: &mut self.spares,
            limits: &self.limits,
            stats,
            observations,
            keep,
            ignore: false,
            followed: self.followed == Some(flow),
            measured: self.measured,
        }
    }
}

/// Most flows that hear of time and of new keys; the records of others wait until their flow goes on or ends.
const MOST_AWAITING: usize = 4096;

impl Sessions {
    /// No sessions; `ports` say what content does not, `followed` is the flow whose bytes are asked for.
    pub fn new(ports: Ports, limits: Limits, followed: Option<FlowKey>) -> Self {
        let resumptions = Resumptions::new(limits.remembered);
        let phones = Recent::new(limits.remembered);
        let (certificates, spares) = (Certificates::default(), Spares::default());
        let shared = Shared { limits, resumptions, phones, certificates, spares, followed, measured: false };
        Self { places: Vec::new(), ports, shared, held: 0, awaiting: Vec::new() }
    }

    /// From now on the sizes of records that stay closed are told.
    pub const fn measure(&mut self) {
        self.shared.measured = true;
    }

    /// Takes an event of a flow.
    pub fn push(&mut self, event: StreamEvent<'_>, keys: &KeyStore, stats: &mut Stats, out: &mut Vec<Observation>) {
        let StreamEvent { at, slot, flow, wanted, change } = event;
        let index = slot.0 as usize;
        if self.places.len() <= index {
            self.places.resize_with(index + 1, || None);
        }
        let Some(place) = self.places.get_mut(index) else { return };
        let before = out.len();
        let mut output = self.shared.output(flow, wanted, keys, stats, out);
        if matches!(change, Change::Forget) {
            let Some(mut session) = place.take() else { return };
            self.held = self.held.saturating_sub(session.held);
            output.keep |= session.kept;
            session.content.advance(at.time, true, &mut output);
            session.forget(at, &mut output);
            let keep = output.keep;
            session.settle(keep, before, out);
            return;
        }
        let session = place.get_or_insert_with(|| Box::new(Session::new(&flow, &self.ports)));
        output.keep |= session.kept;
        session.change(at, change, &mut output);
        session.count_held(&mut self.held);
        if self.held > output.limits.pending_bytes && session.held > 0 {
            output.stats.count(Counter::PendingBound);
            session.content.relieve(at, &mut output);
            self.held -= session.held;
            session.held = 0;
        }
        let keep = output.keep;
        session.settle(keep, before, out);
        if session.content.awaits_keys() && !session.awaiting && self.awaiting.len() < MOST_AWAITING {
            session.awaiting = true;
            self.awaiting.push((index, flow));
        }
    }

    /// Lets capture time pass for sessions that wait for keys; also where keys came.
    pub fn advance(&mut self, now: Timestamp, keys: &KeyStore, stats: &mut Stats, out: &mut Vec<Observation>) {
        let awaiting = std::mem::take(&mut self.awaiting);
        for (index, flow) in awaiting {
            let Some(Some(session)) = self.places.get_mut(index) else { continue };
            let before = out.len();
            if session.flow != flow {
                continue; // the slot is another flow's by now
            }
            let mut output = self.shared.output(flow, session.kept, keys, stats, out);
            session.content.advance(now, false, &mut output);
            session.count_held(&mut self.held);
            let keep = output.keep;
            session.settle(keep, before, out);
            session.awaiting = session.content.awaits_keys();
            if session.awaiting {
                self.awaiting.push((index, flow));
            }
        }
    }
}

impl Session {
    fn new(flow: &FlowKey, ports: &Ports) -> Self {
        let carrier = if flow.transport == TransportKind::Udp { Carrier::Udp } else { Carrier::Tcp };
        let hint = ports.kind(flow.server.port()).or_else(|| ports.kind(flow.client.port()));
        Self {
            flow: *flow,
            kept: false,
            waiting: Vec::new(),
            content: Content::new(carrier, hint),
            held: 0,
            awaiting: false,
        }
    }

    /// Brings the sum of what all sessions hold up to date.
    fn count_held(&mut self, total: &mut usize) {
        let held = self.content.held();
        *total = (*total + held).saturating_sub(self.held);
        self.held = held;
    }

    fn change(&mut self, at: At, change: Change<'_>, out: &mut Output<'_>) {
        match change {
            Change::Open(step) => tell_step(at, step, out),
            Change::Close(step) => {
                // Both sides have finished: nothing can follow. After a reset late bytes may.
                if matches!(step.event, TcpEvent::Closed { .. }) {
                    self.content.end(at, out);
                }
                tell_step(at, step, out);
            }
            Change::Data(direction, bytes) => {
                out.payload(at, direction, &bytes, false);
                self.content.data(at, direction, bytes, out);
            }
            Change::Gap(direction, loss) => {
                self.content.gap(at, direction, loss, out);
                out.tell((at, at), direction, Message::Lost(loss));
            }
            Change::Finish(direction) => self.content.finish(at, direction, out),
            Change::Forget => {}
        }
    }

    fn forget(&mut self, at: At, out: &mut Output<'_>) {
        for direction in Direction::BOTH {
            self.content.finish(at, direction, out);
        }
        self.content.end(at, out);
    }

    /// What a flow tells goes out once it is kept, and waits until then.
    fn settle(&mut self, keep: bool, before: usize, out: &mut Vec<Observation>) {
        if !keep {
            let room = MOST_WAITING.saturating_sub(self.waiting.len());
            let told = out.drain(before..).take(room);
            // Of other traffic it is mostly one, that the connection was opened, and there are many connections.
            self.waiting.reserve_exact(told.len());
            self.waiting.extend(told);
        } else if !std::mem::replace(&mut self.kept, true) {
            out.splice(before..before, std::mem::take(&mut self.waiting));
        }
    }
}

/// Tells a step of a connection, or an ICMP error about a datagram.
fn tell_step(at: At, step: TcpStep, out: &mut Output<'_>) {
    let message = match (out.flow.transport, step.event) {
        (TransportKind::Udp, TcpEvent::Unreachable { icmp_type, icmp_code, v6 }) => {
            Message::Icmp { icmp_type, icmp_code, v6 }
        }
        (_, event) => Message::Tcp(event),
    };
    let direction = match step.event {
        TcpEvent::Open { .. } | TcpEvent::Refused { .. } | TcpEvent::Unreachable { .. } => Direction::In,
        TcpEvent::Unanswered { .. } => Direction::Out,
        TcpEvent::Reset { by, .. } | TcpEvent::Closed { by } => by,
    };
    out.tell((step.began, at), direction, message);
}
