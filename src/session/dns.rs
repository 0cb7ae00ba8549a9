//! DNS over UDP and TCP (RFC 1035 §4.2), mDNS and LLMNR.
//!
//! In: datagrams, or a stream of messages with a two-byte length before each. Out: messages, and
//! what was wrong with them. Content alone never makes a flow DNS: a port must say so.

use std::borrow::Cow;

use crate::model::sip::Carrier;
use crate::model::{At, Both, DecodeAs, Defect, Direction, Loss};
use crate::session::datagrams::Datagrams;
use crate::session::{Decoder, Output, Probe};
use crate::wire::dns;
use crate::wire::sip::Likeness;

/// The entry in [`crate::session::PROBES`].
pub static PROBE: Probe = Probe {
    name: "dns",
    kinds: &[DecodeAs::Dns],
    begins: |_| Likeness::No,
    keeps: true,
    decoder: |carrier, _| match carrier {
        Carrier::Udp => Box::new(Datagrams(|at, direction, bytes: &[u8], out: &mut Output<'_>| {
            tell((at, at), direction, bytes, out);
        })),
        Carrier::Tcp | Carrier::Tls => Box::new(Stream::default()),
    },
};

fn tell(span: (At, At), direction: Direction, bytes: &[u8], out: &mut Output<'_>) {
    match dns::parse(bytes) {
        Ok(parsed) => {
            out.dns(span, direction, parsed.message);
            if let Some(defect) = parsed.defect {
                out.defect(span.1, direction, defect);
            }
        }
        Err(defect) => out.defect(span.1, direction, defect),
    }
}

/// Messages with their lengths, at most 65,537 bytes held a direction.
#[derive(Default)]
struct Stream {
    halves: Both<Half>,
}

#[derive(Default)]
struct Half {
    bytes: Vec<u8>,
    began: Option<At>,
    /// After a hole nothing tells where the next message begins.
    lost: bool,
}

impl Stream {
    const fn half(&mut self, direction: Direction) -> &mut Half {
        self.halves.of_mut(direction)
    }
}

impl Decoder for Stream {
    fn data(&mut self, at: At, direction: Direction, bytes: Cow<'_, [u8]>, out: &mut Output<'_>) {
        let half = self.half(direction);
        if half.lost {
            return;
        }
        half.bytes.extend_from_slice(&bytes);
        let mut rest = half.bytes.as_slice();
        while let Some((length, after)) = rest.split_first_chunk::<2>() {
            let Some((message, after)) = after.split_at_checked(usize::from(u16::from_be_bytes(*length))) else {
                break;
            };
            tell((half.began.take().unwrap_or(at), at), direction, message, out);
            rest = after;
        }
        let used = half.bytes.len() - rest.len();
        half.bytes.drain(..used);
        if !half.bytes.is_empty() {
            half.began.get_or_insert(at);
        }
    }

    fn gap(&mut self, at: At, direction: Direction, _: Loss, out: &mut Output<'_>) {
        self.finish(at, direction, out);
        self.half(direction).lost = true;
    }

    fn finish(&mut self, at: At, direction: Direction, out: &mut Output<'_>) {
        let half = self.half(direction);
        let bytes = std::mem::take(&mut half.bytes);
        if !bytes.is_empty() {
            let what = format!("the stream ends {} bytes into a message", bytes.len());
            out.defect(at, direction, Defect::new("DNS", 0, what));
        }
    }

    fn held(&self) -> usize {
        self.halves.out.bytes.len() + self.halves.r#in.bytes.len()
    }

    fn relieve(&mut self, at: At, out: &mut Output<'_>) {
        for direction in Direction::BOTH {
            self.gap(at, direction, Loss { bytes: 0, cause: crate::model::LossCause::Bound }, out);
        }
    }
}
