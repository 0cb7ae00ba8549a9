//! SIP compression (MS-SIPCOMP): from compressed packets to the bytes of a SIP stream.
//!
//! In: what follows a NEGOTIATE that was answered with `Compression: LZ77-8K`, cut anywhere. Out:
//! plain bytes, given to the half of the stream that they belong to. The layout of the packet header
//! is not documented well enough to be relied upon: [`LAYOUTS`] are candidates, and the packets
//! themselves rule out those that do not fit. After a hole, or a packet that contradicts its state, a
//! direction goes on with the next packet that needs no history.

use crate::model::sip::{HeaderName, SipMessage, StartLine};
use crate::model::{At, Both, Counter, Defect, Direction, Loss, LossCause, Message};
use crate::session::Output;
use crate::session::held::Held;
use crate::session::sip::{Half, Place, Step, after_line_ends, begins};
use crate::wire::lz77::{HISTORY, History};
use crate::wire::sip::{Likeness, begins_known};

/// The one algorithm that is negotiated.
const ALGORITHM: &str = "LZ77-8K";
/// Bytes before the payload of a packet, in every layout.
const HEADER: usize = 6;
/// Packets that must fit before any is told.
const ENOUGH: u32 = 2;
/// Bytes within which a known method ends.
const LONGEST_METHOD: usize = 16;
const KEEP_ALIVE: &[u8] = b"\r\n\r\n";

/// Where the header has its lengths, as big-endian numbers.
struct Layout {
    /// Length of the plain bytes, two bytes, where it is told.
    plain: Option<usize>,
    /// Length of the payload: where, and in how many bytes.
    payload: (usize, usize),
}

/// Candidates. What is common to them: six bytes in all, of which the first four bits are the flags.
static LAYOUTS: [Layout; 3] = [
    Layout { plain: Some(2), payload: (4, 2) },
    Layout { plain: None, payload: (2, 4) },
    Layout { plain: Some(4), payload: (2, 2) },
];

impl Layout {
    /// Lengths of the payload and of the plain bytes; `None` where no sender can mean them. A packet
    /// has at most as many bytes as the history, and is not compressed where that makes it longer.
    /// Text that is taken for a header therefore has lengths that are too large.
    fn lengths(&self, header: [u8; HEADER]) -> Option<(usize, Option<usize>)> {
        let number =
            |at, width| header.iter().skip(at).take(width).fold(0, |number, &byte| number << 8 | usize::from(byte));
        let payload = number(self.payload.0, self.payload.1);
        let plain = self.plain.map(|at| number(at, 2));
        let is_length = |length| (1..=HISTORY).contains(&length);
        (is_length(payload) && plain.is_none_or(is_length)).then_some((payload, plain))
    }
}

/// What the flags of a packet say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `PACKET_FLUSHED`: the history is cleared, the payload is plain.
    Flushed,
    /// `PACKET_AT_FRONT` and `PACKET_COMPRESSED`: the history is cleared first.
    AtFront,
    /// `PACKET_COMPRESSED`.
    Compressed,
    /// No flag: the payload is plain.
    Plain,
    /// Flags that exclude each other.
    Inconsistent,
}

impl Kind {
    fn of(header: [u8; HEADER]) -> Self {
        match header[0] >> 4 {
            0x8 => Self::Flushed,
            0x6 => Self::AtFront,
            0x2 => Self::Compressed,
            0x0 => Self::Plain,
            _ => Self::Inconsistent,
        }
    }

    const fn begins_anew(self) -> bool {
        matches!(self, Self::Flushed | Self::AtFront)
    }
}

/// What a message says about compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// It is asked for.
    Asked,
    /// It was agreed to.
    Agreed,
    /// It was refused.
    Refused,
}

/// What `message` says about compression.
pub(super) fn signal(message: &SipMessage) -> Option<Signal> {
    if message.method()? != "NEGOTIATE" {
        return None;
    }
    let names_it = message.header(HeaderName::Compression).is_some_and(|value| value.eq_ignore_ascii_case(ALGORITHM));
    match message.start {
        StartLine::Request { .. } => names_it.then_some(Signal::Asked),
        StartLine::Response { status: Some(200), .. } if names_it => Some(Signal::Agreed),
        StartLine::Response { status: Some(100..200), .. } => None,
        StartLine::Response { .. } => Some(Signal::Refused),
    }
}

/// Where a direction stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// The next packet begins where the last one ended, and the history is known.
    #[default]
    InStep,
    /// It does, but the history is not known.
    HistoryLost,
    /// Nothing tells where the next packet begins, but that most begin with what one record carries.
    PlaceLost,
}

/// One direction.
#[derive(Default)]
struct Lane {
    /// From the start of a packet that is not complete.
    held: Held,
    history: History,
    state: State,
    /// A packet was read.
    begun: bool,
    /// Bytes passed over, and where that began.
    lost: Option<(At, u64)>,
    finished: bool,
}

/// Bytes of a connection whose layout was not recognised.
struct Unread {
    began: At,
    direction: Direction,
    bytes: u64,
}

enum Verdict {
    /// Packets are read, or the layout may yet be recognised.
    Reading,
    /// What follows is SIP that is not compressed.
    NotCompressed,
    /// No layout fits.
    Unread(Unread),
    /// That was told.
    Told,
}

/// What stands at a place.
enum Found {
    /// A packet of so many bytes, header included, and what it means.
    Packet { used: usize, kind: Kind, plain: Vec<u8> },
    /// More bytes are needed.
    Wait,
    /// No packet that can be read; its length, where the header tells one.
    Nothing { length: Option<usize> },
}

/// Plain bytes of a packet, and the packets that carried them.
type Plain = (Direction, (At, At), Vec<u8>);

/// Both directions of a compressed connection.
pub(super) struct Compression {
    /// Layouts that no packet has ruled out, a bit each.
    layouts: u8,
    /// Packets that fitted, up to [`ENOUGH`].
    fitted: u32,
    /// The first packet, until there are enough of them.
    first: Option<Plain>,
    lanes: Both<Lane>,
    verdict: Verdict,
}

impl Default for Compression {
    fn default() -> Self {
        Self {
            layouts: (1 << LAYOUTS.len()) - 1,
            fitted: 0,
            first: None,
            lanes: Both::default(),
            verdict: Verdict::Reading,
        }
    }
}

impl Compression {
    /// Takes the next bytes of one direction.
    pub(super) fn data(
        &mut self,
        at: At,
        direction: Direction,
        bytes: &[u8],
        halves: &mut Both<Half>,
        out: &mut Output<'_>,
    ) {
        if !matches!(self.verdict, Verdict::Reading) {
            return self.pass_unread(bytes.len(), out);
        }
        let lane = self.lanes.of_mut(direction);
        lane.held.push(bytes, at);
        let held = lane.held.take();
        let mut from = 0;
        while let Some(rest) = held.bytes.get(from..).filter(|rest| !rest.is_empty()) {
            match self.step(&Place { rest, from, marks: &held.marks, direction }, halves, out) {
                Step::Used(used) => from = (from + used.max(1)).min(held.bytes.len()),
                Step::Wait => break,
            }
        }
        self.lanes.of_mut(direction).held = held.behind(from, out.spares);
        if let Verdict::Unread(_) = self.verdict {
            self.pass_waiting(halves, out);
        }
    }

    /// Whether what follows turned out not to be compressed; then what waits, client's side first.
    pub(super) fn take_uncompressed(&mut self) -> Option<[(Direction, Held); 2]> {
        let uncompressed = matches!(self.verdict, Verdict::NotCompressed);
        uncompressed.then(|| Direction::BOTH.map(|direction| (direction, self.lanes.of_mut(direction).held.take())))
    }

    /// Bytes are missing.
    pub(super) fn gap(&mut self, direction: Direction, loss: Loss, halves: &mut Both<Half>, out: &mut Output<'_>) {
        let lane = self.lanes.of_mut(direction);
        let Held { bytes, marks } = lane.held.take();
        lane.state = State::PlaceLost;
        lane.history = History::default();
        if let Some(&(_, began)) = marks.first() {
            lane.pass_over(began, bytes.len(), out);
        }
        halves.of_mut(direction).gap(direction, loss, out);
    }

    /// No byte of this direction can follow.
    pub(super) fn finish(&mut self, at: At, direction: Direction, halves: &mut Both<Half>, out: &mut Output<'_>) {
        let lane = self.lanes.of_mut(direction);
        lane.finished = true;
        if let (Verdict::Reading, Some(&(_, began))) = (&self.verdict, lane.held.marks.first()) {
            if self.fitted == 0 && lane.state == State::InStep {
                self.verdict = Verdict::Unread(Unread { began, direction, bytes: 0 });
                self.pass_waiting(halves, out);
            } else {
                let bytes = lane.held.take().bytes.len();
                lane.pass_over(began, bytes, out);
            }
        }
        self.lanes.of_mut(direction).tell_lost(direction, out);
        if let Some(first) = self.first.take() {
            feed(first, halves, out);
        }
        if Direction::BOTH.into_iter().all(|direction| self.lanes.of(direction).finished) {
            self.end(at, out);
        }
    }

    /// The stream is over: what was not recognised is told once.
    pub(super) fn end(&mut self, at: At, out: &mut Output<'_>) {
        let Verdict::Unread(Unread { began, direction, bytes }) = self.verdict else { return };
        self.verdict = Verdict::Told;
        let what = format!("compressed SIP, header layout not recognised: {bytes} bytes passed over");
        let defect = Defect { skipped: bytes, ..Defect::new("SIP", 0, what) };
        out.tell((began, at), direction, Message::Defect(defect));
    }

    /// Gives up what is held.
    pub(super) fn relieve(&mut self, halves: &mut Both<Half>, out: &mut Output<'_>) {
        for direction in Direction::BOTH {
            self.gap(direction, UNKNOWN, halves, out);
        }
        if let Some(first) = self.first.take() {
            feed(first, halves, out);
        }
    }

    /// About how many bytes of memory it takes.
    pub(super) fn held(&self) -> usize {
        let lanes = Direction::BOTH.map(|direction| self.lanes.of(direction));
        let first = self.first.as_ref().map_or(0, |(_, _, plain)| plain.len());
        lanes.iter().map(|lane| lane.held.cost() + lane.history.cost()).sum::<usize>() + first
    }

    fn step(&mut self, here: &Place<'_>, halves: &mut Both<Half>, out: &mut Output<'_>) -> Step {
        if !matches!(self.verdict, Verdict::Reading) {
            return Step::Wait;
        }
        let state = self.lanes.of(here.direction).state;
        if state != State::PlaceLost && here.rest.starts_with(KEEP_ALIVE) {
            out.stats.count(Counter::SipKeepAlive);
            return Step::Used(KEEP_ALIVE.len());
        }
        match self.open(here) {
            Found::Packet { used, kind, plain } => {
                self.deliver((here.direction, here.span(used), plain), kind, halves, out);
                Step::Used(used)
            }
            Found::Wait => Step::Wait,
            Found::Nothing { .. } if state == State::InStep && self.fitted < ENOUGH => self.decline(here),
            Found::Nothing { length } => self.pass_over(here, length, halves, out),
        }
    }

    /// Reads the packet at a place with the layouts that are left, and rules out those that do not fit.
    fn open(&mut self, here: &Place<'_>) -> Found {
        let Some((&header, behind)) = here.rest.split_first_chunk::<HEADER>() else { return Found::Wait };
        let kind = Kind::of(header);
        let is_first = self.fitted < ENOUGH;
        let lane = self.lanes.of_mut(here.direction);
        let (mut found, mut fit, mut wait, mut length) = (None, 0, 0, None);
        for (bit, layout) in LAYOUTS.iter().enumerate().filter(|(bit, _)| self.layouts >> bit & 1 == 1) {
            let Some((payload, plain)) = layout.lengths(header) else { continue };
            let Some(payload) = behind.get(..payload) else {
                wait |= 1 << bit;
                continue;
            };
            length = length.or(Some(HEADER + payload.len()));
            match &found {
                // One that tells the same fits as well: plain packets do not tell the layouts apart.
                Some((used, text)) => {
                    let same = HEADER + payload.len() == *used && plain.is_none_or(|plain| plain == Vec::len(text));
                    fit |= u8::from(same) << bit;
                }
                None => {
                    found = lane.read(kind, payload, plain, is_first).map(|text| (HEADER + payload.len(), text));
                    fit |= u8::from(found.is_some()) << bit;
                }
            }
        }
        let in_step = lane.state == State::InStep;
        if let Some((used, plain)) = found {
            self.layouts = fit;
            return Found::Packet { used, kind, plain };
        }
        if wait == 0 {
            return Found::Nothing { length };
        }
        if in_step {
            self.layouts = wait;
        }
        Found::Wait
    }

    /// No layout fits the first packets.
    fn decline(&mut self, here: &Place<'_>) -> Step {
        let likeness = if self.fitted == 0 { is_uncompressed(here.rest) } else { Likeness::No };
        match likeness {
            Likeness::Unsure => {}
            Likeness::Yes => self.verdict = Verdict::NotCompressed,
            Likeness::No => {
                let (began, direction) = (here.began(), here.direction);
                self.verdict = Verdict::Unread(Unread { began, direction, bytes: 0 });
            }
        }
        Step::Wait
    }

    /// Passes over a packet that cannot be read, or over what one record carries.
    fn pass_over(
        &mut self,
        here: &Place<'_>,
        length: Option<usize>,
        halves: &mut Both<Half>,
        out: &mut Output<'_>,
    ) -> Step {
        let lane = self.lanes.of_mut(here.direction);
        if lane.state == State::InStep {
            halves.of_mut(here.direction).gap(here.direction, UNKNOWN, out);
        }
        let length = length.filter(|_| lane.state != State::PlaceLost);
        lane.state = if length.is_some() { State::HistoryLost } else { State::PlaceLost };
        let used = length.unwrap_or_else(|| here.piece());
        lane.pass_over(here.began(), used, out);
        Step::Used(used)
    }

    fn deliver(&mut self, plain: Plain, kind: Kind, halves: &mut Both<Half>, out: &mut Output<'_>) {
        let lane = self.lanes.of_mut(plain.0);
        lane.begun = true;
        if kind.begins_anew() {
            lane.state = State::InStep;
            lane.tell_lost(plain.0, out);
        }
        self.fitted = ENOUGH.min(self.fitted + 1);
        if self.fitted < ENOUGH {
            self.first = Some(plain);
            return;
        }
        if let Some(first) = self.first.take() {
            feed(first, halves, out);
        }
        feed(plain, halves, out);
    }

    /// Counts what waits of a connection whose layout is not recognised, and lets it go. What did fit
    /// is told.
    fn pass_waiting(&mut self, halves: &mut Both<Half>, out: &mut Output<'_>) {
        if let Some(first) = self.first.take() {
            feed(first, halves, out);
        }
        let (mut bytes, mut lost) = (0, 0);
        for direction in Direction::BOTH {
            let lane = self.lanes.of_mut(direction);
            bytes += lane.held.take().bytes.len();
            lost += lane.lost.take().map_or(0, |(_, bytes)| bytes);
            lane.history = History::default();
        }
        if let Verdict::Unread(unread) = &mut self.verdict {
            unread.bytes += lost; // counted before
        }
        self.pass_unread(bytes, out);
    }

    fn pass_unread(&mut self, bytes: usize, out: &mut Output<'_>) {
        if let Verdict::Unread(unread) = &mut self.verdict {
            unread.bytes += bytes as u64;
            out.stats.add(Counter::SipCompressedUnread, bytes as u64);
        }
    }
}

impl Lane {
    /// The plain bytes of a packet; `None` where the payload is not what the header says.
    fn read(&mut self, kind: Kind, payload: &[u8], length: Option<usize>, is_first: bool) -> Option<Vec<u8>> {
        if kind.begins_anew() {
            self.history.clear();
        } else if self.state == State::PlaceLost {
            return None;
        }
        let position = self.history.position();
        let plain = match kind {
            Kind::Flushed | Kind::Plain => payload,
            Kind::Compressed if self.state == State::HistoryLost => return None,
            Kind::AtFront | Kind::Compressed => self.history.decompress(payload).ok()?,
            Kind::Inconsistent => return None,
        };
        let fits = length.is_none_or(|length| length == plain.len())
            && (!is_first || self.begun || begins_message(plain))
            && (self.state != State::PlaceLost || is_text(plain));
        let plain = fits.then(|| plain.to_vec());
        if plain.is_none() {
            self.history.take_back(position);
        }
        plain
    }

    fn pass_over(&mut self, began: At, bytes: usize, out: &mut Output<'_>) {
        out.stats.add(Counter::SipCompressedUnread, bytes as u64);
        self.lost.get_or_insert((began, 0)).1 += bytes as u64;
    }

    fn tell_lost(&mut self, direction: Direction, out: &mut Output<'_>) {
        if let Some((at, skipped)) = self.lost.take() {
            let what =
                format!("{skipped} bytes of compressed SIP that cannot be decompressed: what they refer to is missing");
            out.defect(at, direction, Defect { skipped, ..Defect::new("SIP", 0, what) });
        }
    }
}

impl Place<'_> {
    /// Bytes from here to where those of the next record begin.
    fn piece(&self) -> usize {
        let next = self.marks.iter().find(|&&(end, _)| end > self.from);
        next.map_or(self.rest.len(), |&(end, _)| end - self.from)
    }
}

/// A hole of unknown length.
const UNKNOWN: Loss = Loss { bytes: 0, cause: LossCause::NotSeen };

/// Whether bytes begin a message that is not compressed. Its method must be a known one: a header and
/// a start line in literals pass for a start line with another.
pub(super) fn is_uncompressed(bytes: &[u8]) -> Likeness {
    let bytes = after_line_ends(bytes);
    match begins(bytes) {
        _ if begins_known(bytes) => Likeness::Yes,
        Likeness::Unsure if bytes.len() <= LONGEST_METHOD => Likeness::Unsure,
        _ => Likeness::No,
    }
}

fn begins_message(plain: &[u8]) -> bool {
    after_line_ends(plain).is_empty() || begins(plain) != Likeness::No
}

fn is_text(plain: &[u8]) -> bool {
    plain.iter().all(|&byte| byte >= 0x20 || matches!(byte, b'\t' | b'\r' | b'\n'))
}

/// Gives plain bytes to their half. The first is of the packet in which theirs began.
fn feed((direction, (began, at), plain): Plain, halves: &mut Both<Half>, out: &mut Output<'_>) {
    let half = halves.of_mut(direction);
    let first = usize::from(began.packet != at.packet).min(plain.len());
    let (first, rest) = plain.split_at_checked(first).unwrap_or_default();
    for (at, bytes) in [(began, first), (at, rest)] {
        if !bytes.is_empty() {
            half.data(at, direction, bytes, out);
        }
    }
}
