//! Kerberos over UDP, and over TCP with a length of four bytes before each message (RFC 4120 §7.2).
//!
//! In: datagrams, or a stream cut anywhere. Out: messages, and what was wrong with them. Content alone
//! never makes a flow Kerberos: a port must say so. Behind a hole the stream goes on where the bytes of
//! a segment begin like a message.

use std::borrow::Cow;

use crate::model::sip::Carrier;
use crate::model::{At, Both, DecodeAs, Defect, Direction, Loss, LossCause, Message};
use crate::session::datagrams::Datagrams;
use crate::session::{Decoder, Output, Probe};
use crate::wire::kerberos::{self, Parsed};
use crate::wire::sip::Likeness;

/// The entry in [`crate::session::PROBES`].
pub static PROBE: Probe = Probe {
    name: "kerberos",
    kinds: &[DecodeAs::Kerberos],
    begins: |_| Likeness::No,
    keeps: true,
    decoder: |carrier, _| match carrier {
        Carrier::Udp => Box::new(datagrams()),
        Carrier::Tcp | Carrier::Tls => Box::new(Stream::default()),
    },
};

/// Longest message on a stream. Tickets of users in a thousand groups stay below 64 KiB.
const LONGEST: usize = 1 << 20;

/// Tells a message; returns whether the bytes were one.
fn tell(span: (At, At), direction: Direction, bytes: &[u8], out: &mut Output<'_>) -> Result<(), Defect> {
    let Parsed { message, defect } = kerberos::parse(bytes)?;
    out.tell(span, direction, Message::Kerberos(Box::new(message)));
    if let Some(defect) = defect {
        out.defect(span.1, direction, defect);
    }
    Ok(())
}

/// One message a datagram. That something is no Kerberos is told once.
fn datagrams() -> impl Decoder {
    let mut told = false;
    Datagrams(move |at, direction, bytes: &[u8], out: &mut Output<'_>| {
        if let Err(defect) = tell((at, at), direction, bytes, out)
            && !std::mem::replace(&mut told, true)
        {
            out.defect(at, direction, Defect { skipped: bytes.len() as u64, ..defect });
        }
    })
}

/// Messages with their lengths.
#[derive(Default)]
struct Stream {
    halves: Both<Half>,
}

#[derive(Default)]
struct Half {
    /// From the length of a message that is not complete.
    bytes: Vec<u8>,
    began: Option<At>,
    /// Nothing tells where the next message begins.
    lost: bool,
}

/// Length of the message in front, without that of its length; `None` where there is none or it is no
/// message's.
fn length(bytes: &[u8]) -> Option<usize> {
    let length = bytes.first_chunk::<4>().map(|length| u32::from_be_bytes(*length))?;
    usize::try_from(length).ok().filter(|&length| length <= LONGEST)
}

/// Whether bytes begin with a length and a message that has it.
fn begins(bytes: &[u8]) -> bool {
    let message = bytes.get(4..).unwrap_or_default();
    kerberos::begins(message).is_some() && length(bytes).is_some_and(|length| kerberos::whole_length(message) == length)
}

impl Half {
    fn data(&mut self, at: At, direction: Direction, bytes: &[u8], out: &mut Output<'_>) {
        if self.lost && !begins(bytes) {
            return;
        }
        self.lost = false;
        self.bytes.extend_from_slice(bytes);
        let (mut used, mut wrong) = (0, None);
        while let Some(rest) = self.bytes.get(used..).filter(|rest| rest.len() >= 4 && wrong.is_none()) {
            let Some(length) = length(rest) else {
                wrong = Some(Defect::new("Kerberos", 0, "a message of more than 1 MiB"));
                break;
            };
            let Some(message) = rest.get(4..4 + length) else { break };
            wrong = tell((self.began.take().unwrap_or(at), at), direction, message, out).err();
            used += 4 + length;
        }
        if let Some(defect) = wrong {
            self.lose(at, direction, defect, out);
        } else {
            self.bytes.drain(..used);
        }
        if !self.bytes.is_empty() {
            self.began.get_or_insert(at);
        }
    }

    fn lose(&mut self, at: At, direction: Direction, defect: Defect, out: &mut Output<'_>) {
        let skipped = std::mem::take(&mut self.bytes).len() as u64;
        (self.lost, self.began) = (true, None);
        out.defect(at, direction, Defect { skipped, ..defect });
    }

    /// Tells what is held of a message as far as it is there.
    fn give_up(&mut self, at: At, direction: Direction, out: &mut Output<'_>) {
        let bytes = std::mem::take(&mut self.bytes);
        let began = self.began.take().unwrap_or(at);
        let message = bytes.get(4..).unwrap_or_default();
        if !bytes.is_empty() && tell((began, at), direction, message, out).is_err() {
            let what = format!("the stream ends {} bytes into a message", bytes.len());
            out.defect(at, direction, Defect::new("Kerberos", 0, what));
        }
    }
}

impl Decoder for Stream {
    fn data(&mut self, at: At, direction: Direction, bytes: Cow<'_, [u8]>, out: &mut Output<'_>) {
        self.halves.of_mut(direction).data(at, direction, &bytes, out);
    }

    fn gap(&mut self, at: At, direction: Direction, _: Loss, out: &mut Output<'_>) {
        let half = self.halves.of_mut(direction);
        half.give_up(at, direction, out);
        half.lost = true;
    }

    fn finish(&mut self, at: At, direction: Direction, out: &mut Output<'_>) {
        self.halves.of_mut(direction).give_up(at, direction, out);
    }

    fn held(&self) -> usize {
        self.halves.out.bytes.len() + self.halves.r#in.bytes.len()
    }

    fn relieve(&mut self, at: At, out: &mut Output<'_>) {
        for direction in Direction::BOTH {
            self.gap(at, direction, Loss { bytes: 0, cause: LossCause::Bound }, out);
        }
    }
}
