//! Stream events in, observations out: the decoders of protocols above TCP and UDP.
//!
//! Content decides which decoder a stream gets ([`PROBES`]); a port says it only where content does
//! not. A flow is kept, and has rows, once something asks for it or a decoder recognised it; until
//! then nothing of it is told. Never sees packets and never knows more than one flow.

pub mod dns;
pub mod sip;

use std::borrow::Cow;

use crate::model::dns::DnsMessage;
use crate::model::sip::SipMessage;
use crate::model::{
    At, Change, Counter, DecodeAs, Defect, Direction, FlowKey, Limits, Loss, Message, Observation, Ports, Stats,
    StreamEvent, TcpEvent, TcpStep, TransportKind,
};
use crate::wire::sip::Likeness;

/// Most bytes of one direction that wait for the content to be recognised.
const LONGEST_PROBE: usize = 4096;
/// Most steps of a connection that wait for it to be recognised; there are only three before data.
const MOST_STEPS: usize = 4;

/// What a decoder writes to.
#[derive(Debug)]
pub struct Output<'a> {
    /// The conversation.
    pub flow: FlowKey,
    /// Bounds.
    pub limits: &'a Limits,
    /// Counts.
    pub stats: &'a mut Stats,
    /// Where observations go.
    pub observations: &'a mut Vec<Observation>,
}

impl Output<'_> {
    /// Tells something that began in one packet and was complete with another.
    pub fn tell(&mut self, (began, at): (At, At), direction: Direction, message: Message) {
        self.observations.push(Observation { at, began, flow: Some(self.flow), direction, message });
    }

    /// Tells a DNS message of one packet.
    pub fn dns(&mut self, span: (At, At), direction: Direction, message: DnsMessage) {
        self.tell(span, direction, Message::Dns(Box::new(message)));
    }

    /// Tells a SIP message.
    pub fn sip(&mut self, span: (At, At), direction: Direction, message: SipMessage) {
        self.tell(span, direction, Message::Sip(Box::new(message)));
    }

    /// Tells bytes that are not what they should be.
    pub fn defect(&mut self, at: At, direction: Direction, defect: Defect) {
        self.tell((at, at), direction, Message::Defect(defect));
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

    /// Bytes that are held for messages under way.
    fn held(&self) -> usize;

    /// Gives up what is held, for the bound on all flows.
    fn relieve(&mut self, at: At, out: &mut Output<'_>);
}

/// A protocol that a stream can carry.
pub struct Probe {
    /// Its name, as in `--decode-as`.
    pub name: &'static str,
    /// Ports of this kind carry it where content does not say otherwise.
    pub kinds: &'static [DecodeAs],
    /// Whether bytes begin a message of it.
    pub begins: fn(&[u8]) -> Likeness,
    /// A decoder for a new stream.
    pub decoder: fn(TransportKind) -> Box<dyn Decoder>,
}

/// The protocols, in the order in which they are tried.
pub static PROBES: &[&Probe] = &[&sip::PROBE, &dns::PROBE];

/// What a flow carries, as far as that is known.
enum Content {
    /// Not recognised so far; the first bytes of each direction.
    Unknown { out: Vec<u8>, r#in: Vec<u8> },
    /// Recognised.
    Known(Box<dyn Decoder>),
}

struct Session {
    kept: bool,
    /// Steps of a connection that is not kept so far.
    steps: Vec<(At, TcpStep)>,
    content: Content,
    held: usize,
}

impl Default for Session {
    fn default() -> Self {
        let content = Content::Unknown { out: Vec::new(), r#in: Vec::new() };
        Self { kept: false, steps: Vec::new(), content, held: 0 }
    }
}

/// The decoders of all flows of one lane.
pub struct Sessions {
    places: Vec<Option<Box<Session>>>,
    ports: Ports,
    limits: Limits,
    held: usize,
}

impl Sessions {
    /// No sessions; `ports` say what content does not.
    pub fn new(ports: Ports, limits: Limits) -> Self {
        Self { places: Vec::new(), ports, limits, held: 0 }
    }

    /// Takes an event of a flow.
    pub fn push(&mut self, event: StreamEvent<'_>, stats: &mut Stats, out: &mut Vec<Observation>) {
        let StreamEvent { at, slot, flow, wanted, change } = event;
        let index = slot.0 as usize;
        if self.places.len() <= index {
            self.places.resize_with(index + 1, || None);
        }
        let Some(place) = self.places.get_mut(index) else { return };
        let mut output = Output { flow, limits: &self.limits, stats, observations: out };
        if matches!(change, Change::Forget) {
            if let Some(mut session) = place.take() {
                self.held = self.held.saturating_sub(session.held);
                for direction in Direction::BOTH {
                    session.finish(at, direction, &mut output);
                }
            }
            return;
        }
        let session = place.get_or_insert_default();
        if wanted {
            session.keep(&mut output);
        }
        match change {
            Change::Open(step) | Change::Close(step) => session.step(at, step, &mut output),
            Change::Data(direction, bytes) => session.data(at, direction, bytes, &self.ports, &mut output),
            Change::Gap(direction, loss) => session.gap(at, direction, loss, &mut output),
            Change::Finish(direction) => session.finish(at, direction, &mut output),
            Change::Forget => {}
        }
        let held = session.held();
        self.held = (self.held + held).saturating_sub(session.held);
        session.held = held;
        if self.held > self.limits.pending_bytes && held > 0 {
            output.stats.count(Counter::PendingBound);
            session.relieve(at, &mut output);
            self.held -= held;
            session.held = 0;
        }
    }
}

impl Session {
    /// From now on the flow has rows.
    fn keep(&mut self, out: &mut Output<'_>) {
        if !self.kept {
            self.kept = true;
            for (at, step) in std::mem::take(&mut self.steps) {
                tell_step(at, step, out);
            }
        }
    }

    fn step(&mut self, at: At, step: TcpStep, out: &mut Output<'_>) {
        if self.kept {
            tell_step(at, step, out);
        } else if self.steps.len() < MOST_STEPS {
            self.steps.push((at, step));
        }
    }

    fn data(&mut self, at: At, direction: Direction, bytes: Cow<'_, [u8]>, ports: &Ports, out: &mut Output<'_>) {
        if let Content::Known(decoder) = &mut self.content {
            return decoder.data(at, direction, bytes, out);
        }
        let Some((decoder, first)) = self.recognise(direction, &bytes, ports, &out.flow) else { return };
        self.content = Content::Known(decoder);
        self.keep(out);
        let Content::Known(decoder) = &mut self.content else { return };
        for (direction, bytes) in first {
            decoder.data(at, direction, bytes.into(), out);
        }
        decoder.data(at, direction, bytes, out);
    }

    /// Looks what the flow carries, with what waited for that.
    #[expect(clippy::type_complexity, reason = "the decoder, and what it must be given first")]
    fn recognise(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        ports: &Ports,
        flow: &FlowKey,
    ) -> Option<(Box<dyn Decoder>, Vec<(Direction, Vec<u8>)>)> {
        let Content::Unknown { out, r#in } = &mut self.content else { return None };
        let waiting = match direction {
            Direction::Out => &mut *out,
            Direction::In => &mut *r#in,
        };
        let joined: Cow<'_, [u8]> =
            if waiting.is_empty() { bytes.into() } else { [waiting.as_slice(), bytes].concat().into() };
        let kind = ports.kind(flow.server.port()).or_else(|| ports.kind(flow.client.port()));
        let by_port = PROBES.iter().find(|probe| kind.is_some_and(|kind| probe.kinds.contains(&kind)));
        let (mut found, mut unsure) = (None, false);
        for probe in PROBES {
            match (probe.begins)(&joined) {
                Likeness::Yes => found = found.or(Some(probe)),
                Likeness::Unsure => unsure = true,
                Likeness::No => {}
            }
        }
        let whole = flow.transport == TransportKind::Udp || joined.len() >= LONGEST_PROBE;
        let chosen = found.or(by_port.filter(|_| !unsure || whole));
        if let Some(probe) = chosen {
            let first = [(Direction::Out, std::mem::take(out)), (Direction::In, std::mem::take(r#in))];
            let first = first.into_iter().filter(|(_, bytes)| !bytes.is_empty()).collect();
            return Some(((probe.decoder)(flow.transport), first));
        }
        if unsure && !whole {
            waiting.extend(bytes);
        } else {
            waiting.clear();
        }
        None
    }

    fn gap(&mut self, at: At, direction: Direction, loss: Loss, out: &mut Output<'_>) {
        if let Content::Known(decoder) = &mut self.content {
            decoder.gap(at, direction, loss, out);
        } else if let Content::Unknown { out, r#in } = &mut self.content {
            out.clear();
            r#in.clear();
        }
        if self.kept {
            out.tell((at, at), direction, Message::Lost(loss));
        }
    }

    fn finish(&mut self, at: At, direction: Direction, out: &mut Output<'_>) {
        if let Content::Known(decoder) = &mut self.content {
            decoder.finish(at, direction, out);
        }
    }

    fn held(&self) -> usize {
        match &self.content {
            Content::Unknown { out, r#in } => out.len() + r#in.len(),
            Content::Known(decoder) => decoder.held(),
        }
    }

    fn relieve(&mut self, at: At, out: &mut Output<'_>) {
        match &mut self.content {
            Content::Unknown { out, r#in } => {
                out.clear();
                r#in.clear();
            }
            Content::Known(decoder) => decoder.relieve(at, out),
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
        TcpEvent::Reset { by } | TcpEvent::Closed { by } => by,
    };
    out.tell((step.began, at), direction, message);
}
