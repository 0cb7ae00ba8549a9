//! One TCP connection as a passive observer sees it (RFC 9293).
//!
//! In: its segments. Out: stream events. Sequence numbers become 64-bit stream offsets, so that they
//! wrap where the connection does. A hole is given up when the receiver acknowledged it and nothing
//! filled it for a moment, when it is old, or when a bound is reached; what follows is delivered.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::flow::assembler::{Assembler, Taken};
use crate::model::{
    At, Both, Change, Counter, Direction, FlowKey, FlowSlot, Limits, Loss, LossCause, Span, Stats, StreamEvent,
    TcpEvent, TcpStep, Timestamp,
};
use crate::wire::ip::{IcmpError, Segment};

/// What one packet makes happen; most make one thing or none.
pub type Events<'a> = SmallVec<[StreamEvent<'a>; 2]>;

/// Farthest ahead of the stream that a segment is believed: more than any window, and than any burst
/// that a capture loses.
const FARTHEST_AHEAD: i64 = 1 << 28;
/// A reset counts if it stands this close to where the stream is (RFC 5961 asks for the window).
const RESET_WINDOW: std::ops::RangeInclusive<i64> = -(1 << 16)..=1 << 20;
/// A SYN of the same connection may stand so far before the first byte that was seen.
const LATE_SYN: i64 = 1 << 20;
/// So many SYNs without an answer are told, however soon the capture ends.
const ENOUGH_SYNS: u32 = 3;
/// A reset within this time answers the bytes before it.
const AT_ONCE: Span = Span::from_secs(2);
/// SYNs closer together than this are one SYN captured twice.
const SAME_SYN: Span = Span::from_millis(50);

/// What a segment's handling needs besides the segment.
#[derive(Debug)]
pub struct Context<'c, 'a> {
    /// The segment's packet.
    pub at: At,
    /// Where the flow stands.
    pub slot: FlowSlot,
    /// The flow.
    pub flow: FlowKey,
    /// Whether something asks for it.
    pub wanted: bool,
    /// Whether all holes must be given up, for a bound on all flows.
    pub pressed: bool,
    /// Bounds.
    pub limits: &'c Limits,
    /// Counts.
    pub stats: &'c mut Stats,
    /// Where events go.
    pub out: &'c mut Events<'a>,
}

impl<'a> Context<'_, 'a> {
    fn emit(&mut self, at: At, change: Change<'a>) {
        self.out.push(StreamEvent { at, slot: self.slot, flow: self.flow, wanted: self.wanted, change });
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Begun before the capture, or nothing but late packets so far.
    Unknown,
    /// SYNs without an answer.
    Connecting { first: At, last: At, syns: u32, told: bool },
    /// Answered.
    Open,
    /// Ended: closed by both sides, reset, refused or unreachable.
    Ended,
}

/// One direction.
#[derive(Debug, Default)]
struct Half {
    /// Sequence number of stream offset 0.
    base: Option<u32>,
    bytes: Assembler,
    /// Offset up to which the receiver acknowledged.
    acked: i64,
    /// Offset of the FIN.
    fin: Option<(i64, At)>,
    finished: bool,
}

impl Half {
    /// Stream offset of a sequence number; negative before the first byte.
    fn offset(&self, seq: u32) -> Option<i64> {
        let next = i64::try_from(self.bytes.next()).unwrap_or(i64::MAX);
        let expected = self.base?.wrapping_add(low_half(self.bytes.next()));
        Some(next.saturating_add(i64::from(seq.wrapping_sub(expected).cast_signed())))
    }

    fn next(&self) -> i64 {
        i64::try_from(self.bytes.next()).unwrap_or(i64::MAX)
    }
}

/// A TCP connection.
#[derive(Debug)]
pub struct TcpFlow {
    halves: Both<Half>,
    state: State,
    first_fin: Option<Direction>,
    carried: bool,
    /// Who sent the last bytes, when, and how long nothing had been sent before.
    active: Option<(Direction, Timestamp, Span)>,
}

impl Default for TcpFlow {
    fn default() -> Self {
        Self { halves: Both::default(), state: State::Unknown, first_fin: None, carried: false, active: None }
    }
}

impl TcpFlow {
    const fn half(&mut self, direction: Direction) -> &mut Half {
        self.halves.of_mut(direction)
    }

    /// About how many bytes of memory what waits for earlier bytes takes.
    pub fn held(&self) -> usize {
        self.halves.out.bytes.cost() + self.halves.r#in.bytes.cost()
    }

    /// Whether it waits for the answer to its SYN.
    pub const fn is_connecting(&self) -> bool {
        matches!(self.state, State::Connecting { .. })
    }

    /// Whether it has ended.
    pub const fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Whether it carried any payload.
    pub const fn has_carried(&self) -> bool {
        self.carried
    }

    /// Whether a segment belongs to another connection that uses the same ports again.
    pub fn is_reused_by(&mut self, direction: Direction, segment: &Segment<'_>) -> bool {
        let ended = self.has_ended();
        let Some(offset) = self.half(direction).offset(segment.seq) else { return false };
        if segment.syn {
            let behind = -LATE_SYN..=0;
            return if ended { offset + 1 != 0 } else { !behind.contains(&(offset + 1)) };
        }
        let next = self.half(direction).next();
        ended && !segment.payload.is_empty() && (offset - next).abs() > LATE_SYN
    }

    /// Gives up what it waits for.
    pub fn give_up(&mut self, now: Timestamp, context: &mut Context<'_, '_>) {
        for direction in Direction::BOTH {
            self.give_up_holes(direction, now, context);
            self.finish_direction(direction, context);
        }
    }

    /// Takes a segment that goes in `direction`.
    pub fn push<'a>(&mut self, direction: Direction, segment: &Segment<'a>, context: &mut Context<'_, 'a>) {
        if segment.rst {
            self.reset(direction, segment, context);
        } else {
            self.handshake(direction, segment, context);
            self.acknowledge(direction, segment);
            self.take_payload(direction, segment, context);
        }
        self.give_up(context.at.time, context);
    }

    /// SYN, the answer to it, and what shows that there was one.
    fn handshake(&mut self, direction: Direction, segment: &Segment<'_>, context: &mut Context<'_, '_>) {
        let at = context.at;
        if segment.syn {
            self.half(direction).base.get_or_insert(segment.seq.wrapping_add(1));
        }
        match (segment.syn, segment.ack.is_some(), self.state) {
            // After a refusal, or an ICMP error that was no last word, the client tries again.
            (true, false, State::Unknown | State::Ended) if !self.carried => {
                self.state = State::Connecting { first: at, last: at, syns: 1, told: false };
            }
            (true, false, State::Connecting { first, last, syns, told }) if at.time.since(last.time) >= SAME_SYN => {
                self.state = State::Connecting { first, last: at, syns: syns.saturating_add(1), told };
            }
            (true, true, State::Connecting { first, syns, .. }) => {
                self.state = State::Open;
                let event = TcpEvent::Open { answer_time: Some(at.time.since(first.time)), syns };
                context.emit(at, Change::Open(TcpStep { event, began: first }));
            }
            (true, true, State::Unknown | State::Ended) if !self.carried => {
                self.state = State::Open;
                let event = TcpEvent::Open { answer_time: None, syns: 0 };
                context.emit(at, Change::Open(TcpStep { event, began: at }));
            }
            (false, true, State::Connecting { first, syns, .. }) => {
                // The answer is not in the capture, but what only comes after it is.
                self.state = State::Open;
                let event = TcpEvent::Open { answer_time: None, syns };
                context.emit(at, Change::Open(TcpStep { event, began: first }));
            }
            (false, _, State::Unknown) if !segment.payload.is_empty() => self.state = State::Open,
            _ => {}
        }
    }

    /// Notes how far the sender of this segment has received the other direction.
    fn acknowledge(&mut self, direction: Direction, segment: &Segment<'_>) {
        let other = self.half(direction.reverse());
        if let Some(offset) = segment.ack.and_then(|ack| other.offset(ack))
            && offset > other.acked
            && offset - other.next() <= FARTHEST_AHEAD
        {
            other.acked = offset;
        }
    }

    fn take_payload<'a>(&mut self, direction: Direction, segment: &Segment<'a>, context: &mut Context<'_, 'a>) {
        let at = context.at;
        let start = segment.seq.wrapping_add(u32::from(segment.syn));
        if segment.payload.is_empty() && !segment.fin {
            return;
        }
        let half = self.half(direction);
        half.base.get_or_insert(start);
        let Some(offset) = half.offset(start) else { return };
        let length = i64::try_from(segment.payload.len()).unwrap_or(i64::MAX);
        if offset - half.next() > FARTHEST_AHEAD {
            context.stats.count(Counter::OutOfWindow);
            return;
        }
        if segment.fin {
            half.fin.get_or_insert((offset + length + i64::from(segment.cut), at));
            self.first_fin.get_or_insert(direction);
        }
        if segment.payload.is_empty() {
            return;
        }
        self.carried = true;
        let silence = self.active.map_or(Span::default(), |(_, last, _)| at.time.since(last));
        self.active = Some((direction, at.time, silence));
        let half = self.half(direction);
        // A probe repeats the last acknowledged byte, with any value (RFC 9293 §3.8.4).
        if length == 1 && offset + 1 == half.acked && !segment.fin {
            context.stats.count(Counter::TcpKeepAlive);
            return;
        }
        let unseen = usize::try_from(-offset).unwrap_or(0).min(segment.payload.len());
        let payload = segment.payload.get(unseen..).unwrap_or_default(); // before the first byte that was seen
        match half.bytes.insert(at, u64::try_from(offset.max(0)).unwrap_or(0), payload) {
            Taken::Seen => context.stats.count(Counter::Retransmitted),
            Taken::Waits(_) => context.stats.count(Counter::OutOfOrder),
            Taken::InOrder(bytes) => {
                context.emit(at, Change::Data(direction, Cow::Borrowed(bytes)));
                drain(half, direction, context);
            }
        }
    }

    /// Gives holes up that will not be filled any more.
    fn give_up_holes(&mut self, direction: Direction, now: Timestamp, context: &mut Context<'_, '_>) {
        let half = self.half(direction);
        while let Some(hole_end) = half.bytes.hole_end() {
            let Some(waits_since) = half.bytes.waits_since() else { return };
            let age = now.since(waits_since.time);
            let acked = half.acked >= i64::try_from(hole_end).unwrap_or(i64::MAX);
            let limits = context.limits;
            let full = context.pressed
                || half.bytes.cost() > limits.reorder_bytes
                || half.bytes.segments() > limits.reorder_segments;
            if !(full || age >= limits.hole_age || acked && age >= limits.acked_hole_age) {
                return;
            }
            let cause = match (full, acked) {
                (_, true) => LossCause::NotCaptured,
                (true, false) => LossCause::Bound,
                (false, false) => LossCause::NotSeen,
            };
            if full {
                context.stats.count(Counter::ReorderBound);
            }
            skip_hole(half, direction, (waits_since, hole_end, cause), context);
        }
    }

    /// Tells that a direction is complete, and the end of the connection where both are.
    fn finish_direction(&mut self, direction: Direction, context: &mut Context<'_, '_>) {
        let half = self.half(direction);
        let Some((_, at)) = half.fin.filter(|&(fin, _)| !half.finished && half.next() >= fin) else { return };
        half.finished = true;
        context.emit(at, Change::Finish(direction));
        if self.halves.out.finished && self.halves.r#in.finished && !self.has_ended() {
            self.state = State::Ended;
            let by = self.first_fin.unwrap_or(direction);
            context.emit(at, Change::Close(TcpStep { event: TcpEvent::Closed { by }, began: at }));
        }
    }

    fn reset(&mut self, direction: Direction, segment: &Segment<'_>, context: &mut Context<'_, '_>) {
        let at = context.at;
        if let State::Connecting { first, last, .. } = self.state {
            self.state = State::Ended;
            let event = match direction {
                Direction::In => TcpEvent::Refused { answer_time: at.time.since(last.time) },
                Direction::Out => TcpEvent::Reset { by: direction, idle: at.time.since(last.time) },
            };
            context.emit(at, Change::Close(TcpStep { event, began: first }));
            return;
        }
        let half = self.half(direction);
        let distance = half.offset(segment.seq).map_or(0, |offset| offset - half.next());
        if self.has_ended() {
            return;
        }
        if !RESET_WINDOW.contains(&distance) {
            context.stats.count(Counter::OutOfWindow);
            return;
        }
        self.state = State::Ended;
        let idle = self.idle(direction, at.time);
        context.emit(at, Change::Close(TcpStep { event: TcpEvent::Reset { by: direction, idle }, began: at }));
    }

    /// How long nothing was sent before a reset of that side. A reset that answers the first bytes after a
    /// silence ended what was silent before them.
    fn idle(&self, by: Direction, now: Timestamp) -> Span {
        let Some((sender, last, silence)) = self.active else { return Span::default() };
        let since = now.since(last);
        if sender != by && since < AT_ONCE { since.max(silence) } else { since }
    }

    /// Takes an ICMP error about a packet of the client: it decides an attempt to connect.
    pub fn unreachable(&mut self, error: &IcmpError, context: &mut Context<'_, '_>) {
        if let State::Connecting { first, .. } = self.state {
            self.state = State::Ended;
            let IcmpError { icmp_type, icmp_code, v6, .. } = *error;
            let event = TcpEvent::Unreachable { icmp_type, icmp_code, v6 };
            context.emit(context.at, Change::Close(TcpStep { event, began: first }));
        }
    }

    /// Tells that nothing answered, once; `now` is the time up to which nothing did.
    pub fn unanswered(&mut self, now: Timestamp, context: &mut Context<'_, '_>) {
        if let State::Connecting { first, last, syns, told: false } = self.state {
            self.state = State::Connecting { first, last, syns, told: true };
            let event = TcpEvent::Unanswered { syns, waited: now.since(first.time) };
            context.emit(last, Change::Close(TcpStep { event, began: first }));
        }
    }

    /// Whether an answer may have come after the end of the capture.
    pub fn is_undecided(&self, now: Timestamp, limits: &Limits) -> bool {
        match self.state {
            State::Connecting { last, syns, .. } => syns < ENOUGH_SYNS && now.since(last.time) < limits.syn_age,
            _ => false,
        }
    }

    /// Delivers what waits, tells what is missing, and ends; `ends` where the capture does.
    pub fn forget(&mut self, now: Timestamp, ends: bool, context: &mut Context<'_, '_>) {
        if !(ends && self.is_undecided(now, context.limits)) {
            self.unanswered(now, context);
        }
        for direction in Direction::BOTH {
            let half = self.half(direction);
            while let Some((hole_end, waits_since)) = half.bytes.hole_end().zip(half.bytes.waits_since()) {
                let acked = half.acked >= i64::try_from(hole_end).unwrap_or(i64::MAX);
                let cause = if acked { LossCause::NotCaptured } else { LossCause::NotSeen };
                skip_hole(half, direction, (waits_since, hole_end, cause), context);
            }
            // Acknowledged, but nothing of it was seen; a FIN takes one number, too.
            let missing = half.acked - half.next();
            if missing > 1 && half.base.is_some() {
                let loss = Loss { bytes: missing.unsigned_abs(), cause: LossCause::NotCaptured };
                half.bytes.skip_to(u64::try_from(half.acked).unwrap_or(0));
                context.stats.add(Counter::LostBytes, loss.bytes);
                context.emit(context.at, Change::Gap(direction, loss));
            }
            self.finish_direction(direction, context);
        }
        context.emit(context.at, Change::Forget);
    }
}

/// The low 32 bits: what a sequence number can say of an offset.
const fn low_half(offset: u64) -> u32 {
    (offset & 0xffff_ffff) as u32
}

/// Delivers what waited for the bytes that have come.
fn drain(half: &mut Half, direction: Direction, context: &mut Context<'_, '_>) {
    while let Some(waiting) = half.bytes.next_waiting() {
        context.emit(waiting.at, Change::Data(direction, Cow::Owned(waiting.bytes.into_vec())));
    }
}

/// Tells a hole and delivers what waits behind it.
fn skip_hole(half: &mut Half, direction: Direction, hole: (At, u64, LossCause), context: &mut Context<'_, '_>) {
    let (at, end, cause) = hole;
    let loss = Loss { bytes: half.bytes.skip_to(end), cause };
    context.stats.add(Counter::LostBytes, loss.bytes);
    context.emit(at, Change::Gap(direction, loss));
    drain(half, direction, context);
}
