//! What a stream carries: content decides, and a port where content does not.

use std::borrow::Cow;

use crate::model::sip::Carrier;
use crate::model::{At, DecodeAs, Direction, Loss, Timestamp};
use crate::session::{Decoder, Output, PROBES, Probe};
use crate::wire::sip::Likeness;

/// Most bytes of one direction that wait for the content to be recognised.
const LONGEST_PROBE: usize = 4096;

enum State {
    /// Not recognised so far; the first bytes of each direction.
    Unknown { out: Vec<u8>, r#in: Vec<u8> },
    /// Recognised.
    Known(Box<dyn Decoder>),
    /// Of no interest.
    Ignored,
}

/// The content of a stream: of a TCP connection, a datagram flow, or a TLS session.
pub struct Content {
    state: State,
    carrier: Carrier,
    hint: Option<DecodeAs>,
}

impl Content {
    /// A stream of which nothing was seen; `hint` is what its port stands for.
    pub fn new(carrier: Carrier, hint: Option<DecodeAs>) -> Self {
        Self { state: State::Unknown { out: Vec::new(), r#in: Vec::new() }, carrier, hint }
    }

    /// Takes the next bytes of one direction.
    pub fn data(&mut self, at: At, direction: Direction, bytes: Cow<'_, [u8]>, out: &mut Output<'_>) {
        if let State::Unknown { .. } = self.state {
            let Some((probe, first)) = self.recognise(direction, &bytes) else { return };
            out.keep |= probe.keeps;
            let mut decoder = (probe.decoder)(self.carrier, self.hint);
            for (direction, bytes) in first {
                decoder.data(at, direction, bytes.into(), out);
            }
            self.state = State::Known(decoder);
        }
        if let State::Known(decoder) = &mut self.state {
            decoder.data(at, direction, bytes, out);
        }
        if out.ignore && !out.keep {
            self.state = State::Ignored;
        }
    }

    /// Looks what the stream carries; returns what must be given to its decoder first.
    #[expect(clippy::type_complexity, reason = "the protocol, and the bytes of each direction that waited")]
    fn recognise(&mut self, direction: Direction, bytes: &[u8]) -> Option<(&'static Probe, Vec<(Direction, Vec<u8>)>)> {
        let State::Unknown { out, r#in } = &mut self.state else { return None };
        let waiting = match direction {
            Direction::Out => &mut *out,
            Direction::In => &mut *r#in,
        };
        let joined: Cow<'_, [u8]> =
            if waiting.is_empty() { bytes.into() } else { [waiting.as_slice(), bytes].concat().into() };
        let by_port = PROBES.iter().find(|probe| self.hint.is_some_and(|hint| probe.kinds.contains(&hint)));
        let (mut found, mut unsure) = (None, false);
        for probe in PROBES {
            match (probe.begins)(&joined) {
                Likeness::Yes => found = found.or(Some(probe)),
                Likeness::Unsure => unsure = true,
                Likeness::No => {}
            }
        }
        let whole = self.carrier == Carrier::Udp || joined.len() >= LONGEST_PROBE;
        if let Some(probe) = found.or(by_port.filter(|_| !unsure || whole)) {
            let first = [(Direction::Out, std::mem::take(out)), (Direction::In, std::mem::take(r#in))];
            return Some((probe, first.into_iter().filter(|(_, bytes)| !bytes.is_empty()).collect()));
        }
        if unsure && !whole {
            waiting.extend(bytes);
        } else {
            waiting.clear();
        }
        None
    }

    /// Bytes are missing.
    pub fn gap(&mut self, at: At, direction: Direction, loss: Loss, out: &mut Output<'_>) {
        match &mut self.state {
            State::Known(decoder) => decoder.gap(at, direction, loss, out),
            State::Unknown { .. } => self.forget_waiting(),
            State::Ignored => {}
        }
    }

    /// No byte of this direction can follow.
    pub fn finish(&mut self, at: At, direction: Direction, out: &mut Output<'_>) {
        if let State::Known(decoder) = &mut self.state {
            decoder.finish(at, direction, out);
        }
    }

    /// The stream is over; its decoder goes.
    pub fn end(&mut self, at: At, out: &mut Output<'_>) {
        if let State::Known(mut decoder) = std::mem::replace(&mut self.state, State::Ignored) {
            decoder.end(at, out);
            if decoder.awaits_keys() {
                self.state = State::Known(decoder);
            }
        }
    }

    /// Whether its decoder wants to hear of time and of new keys.
    pub fn awaits_keys(&self) -> bool {
        matches!(&self.state, State::Known(decoder) if decoder.awaits_keys())
    }

    /// Time passed, or keys came; `last` where nothing can be waited for any longer.
    pub fn advance(&mut self, now: Timestamp, last: bool, out: &mut Output<'_>) {
        if let State::Known(decoder) = &mut self.state
            && decoder.awaits_keys()
        {
            decoder.advance(now, last, out);
            if out.ignore && !out.keep {
                self.state = State::Ignored;
            }
        }
    }

    /// Bytes that are held.
    pub fn held(&self) -> usize {
        match &self.state {
            State::Unknown { out, r#in } => out.len() + r#in.len(),
            State::Known(decoder) => decoder.held(),
            State::Ignored => 0,
        }
    }

    /// Gives up what is held.
    pub fn relieve(&mut self, at: At, out: &mut Output<'_>) {
        match &mut self.state {
            State::Known(decoder) => decoder.relieve(at, out),
            State::Unknown { .. } => self.forget_waiting(),
            State::Ignored => {}
        }
    }

    fn forget_waiting(&mut self) {
        if let State::Unknown { out, r#in } = &mut self.state {
            out.clear();
            r#in.clear();
        }
    }
}
