//! SIP over datagrams and streams (RFC 3261 §18.3): where messages begin and end.
//!
//! In: datagrams, or bytes of a stream, cut anywhere. Out: messages with their exact bytes,
//! incomplete ones where bytes are missing, and what belongs to no message. On a stream
//! `Content-Length` ends a message; where it contradicts what follows, the next start line does.
//! Keep-alives (CRLF CRLF) are counted. Where the two sides agree on compression, what follows is
//! decompressed first. Cannot tell whether its bytes came through TLS.

mod compression;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::model::sip::{Carrier, HeaderField, HeaderName, Raw};
use crate::model::{At, Both, Counter, DecodeAs, Defect, Direction, Loss};
use crate::session::held::{self, Held};
use crate::session::{Decoder, Output, Probe};
use crate::wire::sip::{self, Head, HeadReader, Likeness, Reading};
use compression::{Compression, Signal};

/// The entry in [`crate::session::PROBES`].
pub static PROBE: Probe = Probe {
    name: "sip",
    kinds: &[DecodeAs::Sip],
    begins,
    keeps: true,
    decoder: |carrier, _| match carrier {
        Carrier::Udp => Box::new(Datagrams),
        Carrier::Tcp | Carrier::Tls => Box::new(Stream::new(carrier)),
    },
};

/// Whether bytes begin a message, behind any number of keep-alives.
fn begins(bytes: &[u8]) -> Likeness {
    sip::begins(after_line_ends(bytes))
}

fn after_line_ends(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
    bytes.get(end..).unwrap_or_default()
}

/// One message a datagram.
struct Datagrams;

impl Decoder for Datagrams {
    fn data(&mut self, at: At, direction: Direction, bytes: Cow<'_, [u8]>, out: &mut Output<'_>) {
        let bytes = after_line_ends(&bytes);
        if bytes.iter().all(|&byte| byte == 0) {
            out.stats.count(Counter::SipKeepAlive);
            return;
        }
        let Some(mut head) = sip::parse_head(bytes) else {
            out.stats.add(Counter::SipSkippedBytes, bytes.len() as u64);
            let skipped = bytes.len() as u64;
            let defect = Defect { skipped, ..Defect::new("SIP", 0, "a datagram that is no SIP message") };
            return out.defect(at, direction, defect);
        };
        let head_end = head.length.unwrap_or(bytes.len());
        let body = bytes.len() - head_end;
        let claimed = head.content_length.unwrap_or(body);
        if claimed > body {
            let what = format!("Content-Length is {claimed}, the datagram has {body} bytes of body");
            head.defects.push(Defect::new("SIP", head_end, what));
        } else if claimed < body {
            let what = format!("{} bytes after the body that Content-Length tells", body - claimed);
            head.defects.push(Defect::new("SIP", head_end + claimed, what));
        }
        let raw = bytes.get(..head_end + claimed.min(body)).unwrap_or(bytes);
        let message = sip::message(raw.into(), head_end, head, Carrier::Udp, claimed <= body);
        out.sip((at, at), direction, message);
    }

    fn gap(&mut self, _: At, _: Direction, _: Loss, _: &mut Output<'_>) {}

    fn finish(&mut self, _: At, _: Direction, _: &mut Output<'_>) {}

    fn held(&self) -> usize {
        0
    }

    fn relieve(&mut self, _: At, _: &mut Output<'_>) {}
}

/// Whether the stream is compressed.
enum Negotiation {
    /// Not so far, or not at all.
    Plain,
    /// One side asked for it. What it sends before there is an answer waits.
    Asked { by: Direction, held: Held },
    /// Everything is.
    Agreed(Box<Compression>),
}

/// Most bytes that wait for an answer to NEGOTIATE. A client waits for it, too, and sends nothing.
const MOST_AWAITING: usize = 16 << 10;

/// Both directions of a stream.
pub struct Stream {
    halves: Both<Half>,
    negotiation: Negotiation,
}

impl Stream {
    /// A decoder of a new stream of that carrier.
    pub fn new(carrier: Carrier) -> Self {
        let halves = Both { out: Half::new(carrier), r#in: Half::new(carrier) };
        Self { halves, negotiation: Negotiation::Plain }
    }

    const fn half(&mut self, direction: Direction) -> &mut Half {
        self.halves.of_mut(direction)
    }

    /// Takes bytes that are not compressed.
    fn plain(&mut self, at: At, direction: Direction, bytes: &[u8], out: &mut Output<'_>) {
        let half = self.half(direction);
        half.data(at, direction, bytes, out);
        let Some(signal) = half.signal.take() else { return };
        let rest = half.held.take();
        match signal {
            Signal::Asked => {
                self.half(direction).listens = Listens::Nothing;
                self.half(direction.reverse()).listens = Listens::Answers;
                self.negotiation = Negotiation::Asked { by: direction, held: rest };
            }
            Signal::Agreed => self.begin_compression(direction, &rest, out),
            Signal::Refused => {
                self.stay_plain(out);
                self.replay(direction, &rest, out);
            }
        }
    }

    /// The answer went in `direction`; `rest` stands behind it.
    fn begin_compression(&mut self, direction: Direction, rest: &Held, out: &mut Output<'_>) {
        let agreed = Negotiation::Agreed(Box::default());
        let asked = std::mem::replace(&mut self.negotiation, agreed);
        for direction in Direction::BOTH {
            (self.half(direction).listens, self.half(direction).compressed) = (Listens::Nothing, true);
        }
        if let Negotiation::Asked { by, held } = asked {
            self.replay(by, &held, out);
        }
        self.replay(direction, rest, out);
    }

    /// There is no compression, and will be none: what waited for an answer is read.
    fn stay_plain(&mut self, out: &mut Output<'_>) {
        for direction in Direction::BOTH {
            (self.half(direction).listens, self.half(direction).compressed) = (Listens::Nothing, false);
        }
        if let Negotiation::Asked { by, held } = std::mem::replace(&mut self.negotiation, Negotiation::Plain) {
            self.replay(by, &held, out);
        }
    }

    /// Takes bytes that waited.
    fn replay(&mut self, direction: Direction, held: &Held, out: &mut Output<'_>) {
        for (at, piece) in held.pieces() {
            self.data(at, direction, piece.into(), out);
        }
    }
}

impl Decoder for Stream {
    fn data(&mut self, at: At, direction: Direction, bytes: Cow<'_, [u8]>, out: &mut Output<'_>) {
        match &mut self.negotiation {
            Negotiation::Asked { by, held } if *by == direction => {
                held.push(&bytes, at);
                if held.bytes.len() > MOST_AWAITING {
                    self.stay_plain(out);
                }
            }
            Negotiation::Agreed(compression) => {
                compression.data(at, direction, &bytes, &mut self.halves, out);
                if let Some(waiting) = compression.take_uncompressed() {
                    self.stay_plain(out);
                    for (direction, held) in &waiting {
                        self.replay(*direction, held, out);
                    }
                }
            }
            Negotiation::Plain | Negotiation::Asked { .. } => self.plain(at, direction, &bytes, out),
        }
    }

    fn gap(&mut self, _: At, direction: Direction, loss: Loss, out: &mut Output<'_>) {
        match &self.negotiation {
            // The answer is what is missing; that it agreed shows in what follows the question.
            Negotiation::Asked { by, held }
                if *by != direction && compression::is_uncompressed(&held.bytes) == Likeness::No =>
            {
                self.begin_compression(direction, &Held::default(), out);
            }
            Negotiation::Asked { .. } => self.stay_plain(out),
            Negotiation::Agreed(_) | Negotiation::Plain => {}
        }
        match &mut self.negotiation {
            Negotiation::Agreed(compression) => compression.gap(direction, loss, &mut self.halves, out),
            _ => self.half(direction).gap(direction, loss, out),
        }
    }

    fn finish(&mut self, at: At, direction: Direction, out: &mut Output<'_>) {
        match &mut self.negotiation {
            Negotiation::Agreed(compression) => compression.finish(at, direction, &mut self.halves, out),
            Negotiation::Asked { .. } => self.stay_plain(out),
            Negotiation::Plain => {}
        }
        self.half(direction).finish(direction, out);
    }

    fn end(&mut self, at: At, out: &mut Output<'_>) {
        if let Negotiation::Agreed(compression) = &mut self.negotiation {
            compression.end(at, out);
        }
    }

    fn held(&self) -> usize {
        let waiting = match &self.negotiation {
            Negotiation::Plain => 0,
            Negotiation::Asked { held, .. } => held.cost(),
            Negotiation::Agreed(compression) => compression.held(),
        };
        self.halves.out.cost() + self.halves.r#in.cost() + waiting
    }

    fn relieve(&mut self, _: At, out: &mut Output<'_>) {
        match &mut self.negotiation {
            Negotiation::Agreed(compression) => compression.relieve(&mut self.halves, out),
            Negotiation::Asked { .. } => self.stay_plain(out),
            Negotiation::Plain => {}
        }
        for direction in Direction::BOTH {
            self.half(direction).give_up(direction, out);
        }
    }
}

/// Which messages about compression stop the reading of a half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listens {
    /// A question, and an agreement whose question is not there.
    All,
    /// Answers.
    Answers,
    /// None: compression is negotiated once.
    Nothing,
}

impl Listens {
    fn to(self, signal: Signal) -> bool {
        match self {
            Self::All => signal != Signal::Refused,
            Self::Answers => signal != Signal::Asked,
            Self::Nothing => false,
        }
    }
}

/// The message that the held bytes begin, as far as it is known.
#[derive(Default)]
struct Pending {
    /// What was read of the head, where it is not whole.
    reader: Option<Box<HeadReader>>,
    /// The head, and the body that is waited for.
    begun: Option<Box<Begun>>,
}

/// A message whose head is there.
struct Begun {
    head: Head,
    head_end: usize,
    /// Length of the whole.
    total: usize,
}

/// One direction of a stream.
struct Half {
    carrier: Carrier,
    /// Bytes from the start of a message that is not complete.
    held: Held,
    pending: Pending,
    /// Bytes to pass over: the rest of a body that is not kept.
    skip: usize,
    /// Bytes passed over since the last message, and where they began.
    rubbish: Option<(At, u64)>,
    /// The bytes passed over are known to be missing their beginning.
    headless: bool,
    /// Whether rubbish is to be expected: the stream was joined in the middle, or bytes are missing.
    adrift: bool,
    /// Whether the bytes came out of compression.
    compressed: bool,
    listens: Listens,
    /// What the last message said about compression, if the half listens to it: what stands behind
    /// the message is not read.
    signal: Option<Signal>,
}

/// What to do at a place in the stream.
enum Step {
    /// So many bytes are done with.
    Used(usize),
    /// More bytes are needed.
    Wait,
}

impl Half {
    fn new(carrier: Carrier) -> Self {
        Self {
            carrier,
            held: Held::default(),
            pending: Pending::default(),
            skip: 0,
            rubbish: None,
            headless: false,
            adrift: false,
            compressed: false,
            listens: Listens::All,
            signal: None,
        }
    }

    /// About how many bytes of memory it takes.
    fn cost(&self) -> usize {
        let begun = self.pending.begun.as_ref();
        let fields = begun.map_or(0, |begun| begun.head.headers.len());
        let reader = self.pending.reader.as_ref().map_or(0, |reader| reader.cost());
        let made = begun.filter(|begun| begun.total == self.held.bytes.capacity());
        let room = made.map_or(0, |begun| begun.total.saturating_sub(self.held.bytes.len()));
        self.held.cost() + room + fields * size_of::<HeaderField>() + reader
    }

    fn data(&mut self, at: At, direction: Direction, mut bytes: &[u8], out: &mut Output<'_>) {
        if let Some(total) = self.pending.begun.as_ref().map(|begun| begun.total) {
            let missing = total.saturating_sub(self.held.bytes.len());
            let (last, after) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
            self.held.push(last, at);
            if self.held.bytes.len() < total {
                return self.make_room(self.held.bytes.len(), out);
            }
            bytes = after;
            // The message ends where it says: what is held is the message.
            if (after.is_empty() || begins(after) != Likeness::No)
                && let Some(begun) = self.pending.begun.take()
            {
                let Begun { head, head_end, .. } = *begun;
                let span = held::span(&self.held.marks, 0, total).unwrap_or((at, at));
                let raw = self.held.take().into_bytes(out.spares);
                self.deliver((raw.into(), head_end), span, direction, head, true, out);
            }
        }
        if self.held.bytes.is_empty() {
            // Whole messages in one packet are read where they lie.
            let used = self.read(bytes, 0, &[(bytes.len(), at)], direction, out);
            let left = bytes.get(used..).unwrap_or_default();
            self.make_room(left.len(), out);
            self.held.begin(left, at, out.spares);
        } else {
            self.held.push(bytes, at);
            let held = self.held.take();
            let used = self.read(&held.bytes, 0, &held.marks, direction, out);
            self.held = held.behind(used, out.spares);
            self.make_room(self.held.bytes.len(), out);
        }
    }

    /// Makes room for the message that waits for its body, of which so much is there. A length alone gets little: it may
    /// be a lie, and thousands of connections may tell it.
    fn make_room(&mut self, there: usize, out: &mut Output<'_>) {
        if let Some(begun) = self.pending.begun.as_ref().filter(|begun| begun.total <= SURE_ROOM.max(2 * there)) {
            self.held.fit(begun.total, out.spares);
        }
    }

    /// Reads messages from `from` on; returns up to where the bytes are done with.
    fn read(
        &mut self,
        bytes: &[u8],
        mut from: usize,
        marks: &[(usize, At)],
        direction: Direction,
        out: &mut Output<'_>,
    ) -> usize {
        while let Some(rest) = bytes.get(from..).filter(|rest| !rest.is_empty() && self.signal.is_none()) {
            match self.step(&Place { rest, from, marks, direction }, out) {
                Step::Used(used) => from += used.max(1),
                Step::Wait => break,
            }
        }
        from.min(bytes.len())
    }

    fn step(&mut self, here: &Place<'_>, out: &mut Output<'_>) -> Step {
        // Of a message that was begun, the start line is known.
        if self.pending.begun.is_some() || self.pending.reader.as_ref().is_some_and(|reader| reader.has_start()) {
            return self.message(here, out);
        }
        if self.skip > 0 {
            let used = self.skip.min(here.rest.len());
            self.skip -= used;
            return Step::Used(used);
        }
        let line_ends = here.rest.len() - after_line_ends(here.rest).len();
        if line_ends > 0 {
            out.stats.add(Counter::SipKeepAlive, u64::from(line_ends >= 4 && !self.adrift));
            return Step::Used(line_ends);
        }
        // Where the place in the stream is lost, half a line must not pass for a start line.
        let likeness = match self.adrift {
            true if self.is_torn(here.rest) => Likeness::No,
            true if sip::find_start(here.rest, 0) == Some(0) => Likeness::Yes,
            true => Likeness::No,
            false => sip::begins(here.rest),
        };
        match likeness {
            Likeness::Yes => self.message(here, out),
            Likeness::Unsure => Step::Wait,
            Likeness::No => self.pass_over(here, out),
        }
    }

    /// Whether what stands right behind a hole may be a method without its beginning.
    fn is_torn(&self, bytes: &[u8]) -> bool {
        self.headless && self.rubbish.is_none() && !sip::begins_known(bytes)
    }

    /// Passes over bytes up to the next start line, or to the last line, which may become one.
    fn pass_over(&mut self, here: &Place<'_>, out: &mut Output<'_>) -> Step {
        let torn = if self.is_torn(here.rest) { memchr::memchr(b'\n', here.rest).map_or(0, |end| end + 1) } else { 0 };
        let used = sip::find_start(here.rest, torn).filter(|&start| start > 0).unwrap_or_else(|| {
            let last_line = memchr::memrchr(b'\n', here.rest).map_or(0, |end| end + 1);
            if here.rest.len() - last_line > sip::LONGEST_START { here.rest.len() } else { last_line }
        });
        self.adrift = true;
        self.pending = Pending::default();
        if used == 0 {
            return Step::Wait;
        }
        let (_, bytes) = self.rubbish.get_or_insert((here.began(), 0));
        *bytes += used as u64;
        out.stats.add(Counter::SipSkippedBytes, used as u64);
        Step::Used(used)
    }

    /// Reads the message that `here` begins, if enough of it is there.
    fn message(&mut self, here: &Place<'_>, out: &mut Output<'_>) -> Step {
        self.tell_rubbish(here.direction, out);
        let Begun { mut head, head_end, total } = match self.pending.begun.take() {
            Some(begun) => *begun,
            None => match self.head(here, out) {
                Ok(mut head) => {
                    let head_end = head.length.unwrap_or(here.rest.len());
                    let total = expected_length(here.rest, head_end, &mut head);
                    Begun { head, head_end, total }
                }
                Err(step) => return step,
            },
        };
        if total.saturating_sub(head_end) > out.limits.sip_body {
            return self.oversized_body(here, (head_end, total), head, out);
        }
        if here.rest.len() < total {
            self.pending.begun = Some(Box::new(Begun { head, head_end, total }));
            return Step::Wait;
        }
        // What stands behind an agreement on compression looks like no message, and is none.
        let may_be_compressed =
            self.listens != Listens::Nothing && head.headers.first(HeaderName::Compression).is_some();
        let total = if may_be_compressed { total } else { settle_length(here.rest, head_end, total, &mut head) };
        self.deliver_from(here, (head_end, total), head, true, out);
        Step::Used(total)
    }

    /// Reads the head that `here` begins; what else to do where it is not whole, or none.
    fn head(&mut self, here: &Place<'_>, out: &mut Output<'_>) -> Result<Head, Step> {
        let window = here.rest.get(..out.limits.sip_head).unwrap_or(here.rest);
        let mut begun = self.pending.reader.take();
        let mut new = HeadReader::default();
        match begun.as_deref_mut().unwrap_or(&mut new).read(window, false) {
            Reading::Done(head) => Ok(head),
            Reading::Cut if window.len() == here.rest.len() => {
                self.pending.reader = begun.or_else(|| Some(Box::new(new)));
                Err(Step::Wait)
            }
            Reading::Cut => Err(self.oversized_head(here, out)),
            // `begins` took the line for a start line by its beginning; whole, it is none.
            Reading::NoHead => Err(Step::Used(memchr::memchr(b'\n', here.rest).map_or(here.rest.len(), |end| end + 1))),
        }
    }

    fn oversized_head(&mut self, here: &Place<'_>, out: &mut Output<'_>) -> Step {
        let what = format!("a head of more than {} bytes", out.limits.sip_head);
        out.defect(here.began(), here.direction, Defect::new("SIP", 0, what));
        self.pending = Pending::default();
        self.adrift = true;
        // All of it goes, or it would be searched again for every line.
        out.stats.add(Counter::SipSkippedBytes, here.rest.len() as u64);
        Step::Used(here.rest.len())
    }

    /// Keeps the head of a message whose body is over the bound.
    fn oversized_body(
        &mut self,
        here: &Place<'_>,
        (head_end, total): (usize, usize),
        mut head: Head,
        out: &mut Output<'_>,
    ) -> Step {
        out.stats.count(Counter::SipBodySkipped);
        let body = total - head_end;
        head.defects.push(Defect::new("SIP", head_end, format!("a body of {body} bytes is not kept")));
        self.deliver_from(here, (head_end, head_end), head, false, out);
        // Where the next message begins before the body can be over, the length was wrong.
        match sip::find_start(here.rest, head_end) {
            Some(next) if next < total => Step::Used(next),
            _ => {
                let used = here.rest.len().min(total);
                self.skip = total - used;
                if self.skip > LARGEST_SKIP {
                    (self.skip, self.adrift) = (0, true);
                }
                Step::Used(used)
            }
        }
    }

    /// Delivers the first `total` bytes from `here` on.
    fn deliver_from(
        &mut self,
        here: &Place<'_>,
        (head_end, total): (usize, usize),
        head: Head,
        complete: bool,
        out: &mut Output<'_>,
    ) {
        let raw = here.rest.get(..total).unwrap_or(here.rest);
        self.deliver((raw.into(), head_end), here.span(raw.len()), here.direction, head, complete, out);
    }

    fn deliver(
        &mut self,
        (raw, head_end): (Raw, usize),
        span: (At, At),
        direction: Direction,
        head: Head,
        complete: bool,
        out: &mut Output<'_>,
    ) {
        let mut message = sip::message(raw, head_end, head, self.carrier, complete);
        message.compressed = self.compressed;
        if self.listens != Listens::Nothing && complete {
            self.signal = compression::signal(&message).filter(|&signal| self.listens.to(signal));
        }
        out.sip(span, direction, message);
        self.pending = Pending::default();
        self.adrift = false;
    }

    fn tell_rubbish(&mut self, direction: Direction, out: &mut Output<'_>) {
        if let Some((at, skipped)) = self.rubbish.take() {
            let what = if std::mem::take(&mut self.headless) {
                format!("{skipped} bytes of a message whose beginning is missing")
            } else {
                format!("{skipped} bytes that belong to no SIP message")
            };
            out.defect(at, direction, Defect { skipped, ..Defect::new("SIP", 0, what) });
        }
    }

    /// Delivers what is held as far as it is there.
    fn give_up(&mut self, direction: Direction, out: &mut Output<'_>) {
        let listens = std::mem::replace(&mut self.listens, Listens::Nothing);
        let Held { bytes, marks } = self.held.take();
        let mut from = 0;
        while let Some(rest) = bytes.get(from..).filter(|rest| !rest.is_empty() && self.skip == 0) {
            let here = Place { rest, from, marks: &marks, direction };
            let begun = self.pending.begun.as_ref();
            let head_end = begun.map_or(rest.len(), |begun| begun.head_end);
            let Some(mut head) = rest.get(..head_end).and_then(sip::parse_head) else {
                out.stats.add(Counter::SipSkippedBytes, rest.len() as u64);
                break;
            };
            // A Content-Length that is too large swallows the messages behind.
            let Some(next) = begun.and_then(|_| sip::find_start(rest, head_end)) else {
                self.deliver_from(&here, (head_end, rest.len()), head, false, out);
                break;
            };
            let what = format!("Content-Length says more, but the next message begins after {} bytes", next - head_end);
            head.defects.push(Defect::new("SIP", head_end, what));
            self.deliver_from(&here, (head_end, next), head, true, out);
            from = self.read(&bytes, from + next, &marks, direction, out);
        }
        self.listens = listens;
        self.pending = Pending::default();
    }

    fn gap(&mut self, direction: Direction, loss: Loss, out: &mut Output<'_>) {
        let missing = usize::try_from(loss.bytes).unwrap_or(usize::MAX);
        let begun = self.pending.begun.as_ref();
        let body_left = begun.map_or(0, |begun| begun.total.saturating_sub(self.held.bytes.len()));
        let left = if self.skip > 0 { self.skip } else { body_left };
        self.give_up(direction, out);
        // A hole within a body whose length is known does not lose the place.
        let in_body = loss.bytes > 0 && missing <= left;
        self.skip = if in_body { left - missing } else { 0 };
        (self.adrift, self.headless) = (!in_body, !in_body);
    }

    fn finish(&mut self, direction: Direction, out: &mut Output<'_>) {
        self.give_up(direction, out);
        self.tell_rubbish(direction, out);
    }
}

/// Room that is made for a message before half of it is there.
const SURE_ROOM: usize = 2 << 10;

/// A body that claims more than this is not passed over by its length: the length is wrong.
const LARGEST_SKIP: usize = 1 << 30;

/// A place in the bytes being read.
struct Place<'a> {
    rest: &'a [u8],
    from: usize,
    marks: &'a [(usize, At)],
    direction: Direction,
}

impl Place<'_> {
    /// The packet with the byte at this place.
    fn began(&self) -> At {
        self.span(1).0
    }

    /// The packet with the first of `length` bytes from here, and the one that completed them.
    fn span(&self, length: usize) -> (At, At) {
        held::span(self.marks, self.from, length).unwrap_or((NOWHERE, NOWHERE))
    }
}

/// Stands where there are no marks, which is where there are no bytes.
const NOWHERE: At = At {
    time: crate::model::Timestamp::from_nanos(0),
    packet: crate::model::PacketNo::FIRST,
    frame: crate::model::FrameNo(0),
    input: crate::model::InputNo(0),
};

/// Length of the whole message by its head.
fn expected_length(bytes: &[u8], head_end: usize, head: &mut Head) -> usize {
    if let Some(length) = head.content_length {
        return head_end.saturating_add(length);
    }
    head.defects.push(Defect::new("SIP", 0, "no Content-Length, which a stream needs"));
    let after = bytes.get(head_end..).unwrap_or_default();
    if begins(after) == Likeness::No {
        return sip::find_start(bytes, head_end).unwrap_or(bytes.len());
    }
    head_end
}

/// Length of the message by what follows it: where that is neither a message nor a keep-alive, the
/// next start line tells the end, and `Content-Length` was wrong.
fn settle_length(bytes: &[u8], head_end: usize, total: usize, head: &mut Head) -> usize {
    let after = bytes.get(total..).unwrap_or_default();
    if after.is_empty() || begins(after) != Likeness::No {
        return total;
    }
    let Some(next) = sip::find_start(bytes, head_end) else { return total };
    let what = format!(
        "Content-Length says {}, but the next message begins after {} bytes",
        total - head_end,
        next - head_end
    );
    head.defects.push(Defect::new("SIP", head_end, what));
    next
}
