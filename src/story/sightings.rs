//! A message that was captured at two places is one message.
//!
//! In come rows of SIP messages in their order; out go, for a message that another point had before, where that
//! was and what differs, and how the clocks of both captures stand to each other. Messages of one point are never
//! held to be the same, nor are those of trace logs.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher as _;
use std::sync::Arc;

use crate::model::sip::{HeaderName, SipMessage, StartLine};
use crate::model::{At, Direction, InputNo, Message, PointNo, Recent, Span};
use crate::story::login::tracker::AttemptNo;
use crate::story::report::PointPair;
use crate::story::row::{AlsoSeen, Row};
use crate::story::transactions::bounded;
use crate::wire::sip::parameter;

/// Most header fields of a message that are compared by name; the rest is compared as one.
const MOST_FIELDS: usize = 64;
/// Most header names that are told apart, and their longest: about all that are registered, several times over.
const MOST_NAMES: usize = 1024;
const LONGEST_NAME: usize = 64;
/// Most sightings of equal messages that wait for another point's: a message sent again and again.
const MOST_SIGHTINGS: usize = 4;
/// Most points at which one message is recognised.
const MOST_POINTS: usize = 8;
/// Most pairs of points, and most delays of a pair in one direction; then the oldest delays are written over.
const MOST_PAIRS: usize = 64;
const MOST_DELAYS: usize = 4096;
/// Messages are remembered in this part of what is: each is bigger, and waits only as long as clocks differ.
const PART: usize = 4;

/// A header field, or another part of a message, and a hash of what stands there.
type Part = (u16, u32);

const START_LINE: u16 = 0;
const BODY: u16 = 1;
const OTHERS: u16 = 2;

#[derive(Debug)]
struct Sighting {
    row: u64,
    at: At,
    point: PointNo,
    direction: Direction,
    attempt: Option<AttemptNo>,
    parts: Box<[Part]>,
    /// Points that had the message, too.
    others: Vec<PointNo>,
}

/// The header names that occurred, by number.
struct HeaderNames {
    names: Vec<Arc<str>>,
    numbers: HashMap<Box<str>, u16, foldhash::fast::RandomState>,
}

impl HeaderNames {
    fn new() -> Self {
        let names = ["start line", "body", "other header fields"].map(Arc::from).to_vec();
        Self { names, numbers: HashMap::default() }
    }

    fn number(&mut self, name: &str) -> u16 {
        let lower = name.to_ascii_lowercase();
        if let Some(&number) = self.numbers.get(lower.as_str()) {
            return number;
        }
        if self.names.len() >= MOST_NAMES || name.len() > LONGEST_NAME {
            return OTHERS;
        }
        let number = u16::try_from(self.names.len()).unwrap_or(OTHERS);
        self.names.push(name.into());
        self.numbers.insert(lower.into(), number);
        number
    }
}

/// Clock readings of one point less those of another for the same messages, in nanoseconds.
#[derive(Default)]
struct Pair {
    inputs: Option<[InputNo; 2]>,
    messages: u64,
    changed: u64,
    /// Of messages that left the client, and that reached it.
    delays: [Delays; 2],
}

#[derive(Default)]
struct Delays {
    nanos: Vec<i64>,
    next: usize,
}

impl Delays {
    fn push(&mut self, delay: Span) {
        match self.nanos.get_mut(self.next) {
            Some(oldest) => *oldest = delay.as_nanos(),
            None => self.nanos.push(delay.as_nanos()),
        }
        self.next = (self.next + 1) % MOST_DELAYS;
    }

    fn median(&self) -> Option<i64> {
        let mut sorted = self.nanos.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied()
    }
}

/// What recognises messages of several points.
pub struct Sightings {
    known: Recent<Box<str>, Vec<Sighting>>,
    names: HeaderNames,
    hasher: foldhash::quality::RandomState,
    pairs: BTreeMap<(PointNo, PointNo), Pair>,
}

/// A message that another point had before.
pub struct Seen {
    /// Where, and what differs.
    pub also: AlsoSeen,
    /// The sign-in attempt that it belongs to there.
    pub attempt: Option<AttemptNo>,
}

impl Sightings {
    /// Nothing seen; `remembered` bounds what is held.
    pub fn new(remembered: usize) -> Self {
        Self {
            known: Recent::new(remembered / PART),
            names: HeaderNames::new(),
            hasher: foldhash::quality::RandomState::default(),
            pairs: BTreeMap::new(),
        }
    }

    /// How many messages were forgotten that another point may have had; 0 where no two points share any.
    pub fn forgotten(&self) -> u64 {
        if self.pairs.is_empty() { 0 } else { self.known.forgotten() }
    }

    /// Takes a row that has its number.
    pub fn row(&mut self, row: &Row) -> Option<Seen> {
        let Message::Sip(message) = &row.message else { return None };
        let flow = row.flow.filter(|flow| !flow.key.is_of_log() && !row.at.input.is_log())?;
        let (point, name) = (flow.key.point, name(message)?);
        let parts = self.parts(message);
        let Some(sightings) = self.known.get_mut(name.as_str()) else {
            self.known.insert(name.into(), vec![sighting(row, point, parts)]);
            return None;
        };
        let first = sightings
            .iter_mut()
            .find(|seen| seen.point != point && seen.others.len() < MOST_POINTS && !seen.others.contains(&point));
        let Some(first) = first else {
            if sightings.len() < MOST_SIGHTINGS {
                sightings.push(sighting(row, point, parts));
            }
            return None;
        };
        first.others.push(point);
        let changed = changed(&first.parts, &parts);
        let changed = changed.iter().filter_map(|&part| self.names.names.get(usize::from(part)).cloned()).collect();
        let also = AlsoSeen {
            row: first.row,
            at: first.at,
            point: first.point,
            input: None,
            delta: row.at.time.since(first.at.time),
            changed,
        };
        note(&mut self.pairs, row, point, first.direction, &also);
        Some(Seen { attempt: first.attempt, also })
    }

    /// The parts of a message by their numbers, values of one name in their order as one.
    fn parts(&mut self, message: &SipMessage) -> Box<[Part]> {
        let head = message.raw.iter().position(|&byte| byte == b'\r' || byte == b'\n').unwrap_or_default();
        let start = message.raw.get(..head).unwrap_or_default();
        let mut parts = BTreeMap::from([(START_LINE, self.hash(start)), (BODY, self.hash(message.body()))]);
        for (index, header) in message.headers().enumerate() {
            let number = if index < MOST_FIELDS { self.names.number(&header.name) } else { OTHERS };
            let before = parts.get(&number).copied().unwrap_or_default();
            parts.insert(number, self.hash((before, &*header.name.to_ascii_lowercase(), &*header.value)));
        }
        parts.into_iter().collect()
    }

    #[expect(clippy::cast_possible_truncation, reason = "half of a hash tells two values apart well enough")]
    fn hash(&self, value: impl std::hash::Hash) -> u32 {
        self.hasher.hash_one(value) as u32
    }

    /// What each two points have in common.
    pub fn take_pairs(&mut self, inputs: &[Arc<str>]) -> Vec<PointPair> {
        let name = |input: InputNo| inputs.get(input.index()).map(ToString::to_string).unwrap_or_default();
        let pairs = std::mem::take(&mut self.pairs).into_values();
        pairs.filter_map(|pair| Some(report(pair.inputs?.map(name), &pair))).collect()
    }
}

fn sighting(row: &Row, point: PointNo, parts: Box<[Part]>) -> Sighting {
    let (direction, attempt) = (row.direction, row.attempt.map(|(attempt, _)| attempt));
    Sighting { row: row.number, at: row.at, point, direction, attempt, parts, others: Vec::new() }
}

/// What stays the same of a message on its way: Call-ID, tag of `From` and `CSeq` name a request (RFC 3261 §8.2.2.2),
/// with the status its response.
fn name(message: &SipMessage) -> Option<String> {
    let (cseq, call_id) = (message.cseq?, message.header(HeaderName::CallId)?);
    let from = message.header(HeaderName::From);
    let tag = from.as_deref().and_then(|from| parameter(from, "tag")).unwrap_or_default();
    let what = match message.start {
        StartLine::Request { .. } => None,
        StartLine::Response { status, .. } => Some(status?),
    };
    let name = format!("{} {} {what:?} {tag} {call_id}", cseq.number, message.text(cseq.method));
    Some(bounded(&name).into_owned())
}

/// The parts, both in order, that only one message has or that differ.
fn changed(one: &[Part], other: &[Part]) -> Vec<u16> {
    let (one, other): (BTreeMap<_, _>, BTreeMap<_, _>) =
        (one.iter().copied().collect(), other.iter().copied().collect());
    let mut parts: Vec<u16> = one.keys().chain(other.keys()).copied().collect();
    parts.sort_unstable();
    parts.dedup();
    parts.retain(|part| one.get(part) != other.get(part));
    parts
}

/// Counts a message for its pair of points; the lower point is the first one.
fn note(pairs: &mut BTreeMap<(PointNo, PointNo), Pair>, row: &Row, point: PointNo, first: Direction, also: &AlsoSeen) {
    let swapped = point < also.point;
    let key = if swapped { (point, also.point) } else { (also.point, point) };
    if pairs.len() >= MOST_PAIRS && !pairs.contains_key(&key) {
        return;
    }
    let pair = pairs.entry(key).or_default();
    let inputs = if swapped { [row.at.input, also.at.input] } else { [also.at.input, row.at.input] };
    pair.inputs.get_or_insert(inputs);
    pair.messages += 1;
    pair.changed += u64::from(!also.changed.is_empty());
    let (delay, direction) = if swapped {
        (Span::from_nanos(also.delta.as_nanos().saturating_neg()), row.direction)
    } else {
        (also.delta, first)
    };
    let [out, back] = &mut pair.delays;
    if direction == Direction::Out { out.push(delay) } else { back.push(delay) }
}

/// Offset and transit time from both directions, as NTP has it (RFC 5905 §8).
fn report(inputs: [String; 2], pair: &Pair) -> PointPair {
    let [out, back] = &pair.delays;
    let both = out.median().zip(back.median());
    let half = |sum: i128| Span::from_nanos(i64::try_from(sum / 2).unwrap_or(i64::MAX));
    PointPair {
        inputs,
        messages: pair.messages,
        changed: pair.changed,
        ahead: both.map(|(out, back)| half(i128::from(out) + i128::from(back))),
        transit: both.map(|(out, back)| half((i128::from(out) - i128::from(back)).abs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(one: &[Part], other: &[Part], expected: &[u16]) {
        assert_eq!(changed(one, other), expected);
        assert_eq!(changed(other, one), expected);
    }

    #[test]
    fn added_and_other_parts_are_changed() {
        check(&[(0, 1), (3, 2)], &[(0, 1), (3, 2)], &[]);
        check(&[(0, 1), (3, 2)], &[(0, 1), (3, 2), (4, 9)], &[4]);
        check(&[(0, 1), (3, 2)], &[(0, 7), (4, 9)], &[0, 3, 4]);
        check(&[], &[(1, 1)], &[1]);
    }

    #[test]
    fn clocks_compare_where_messages_went_both_ways() {
        let mut pair = Pair::default();
        for millis in [2520, 2519, 9000] {
            pair.delays[0].push(Span::from_millis(millis));
        }
        let one_way = report(Default::default(), &pair);
        assert_eq!((one_way.ahead, one_way.transit), (None, None));
        pair.delays[1].push(Span::from_millis(2480));
        let both = report(Default::default(), &pair);
        assert_eq!((both.ahead, both.transit), (Some(Span::from_millis(2500)), Some(Span::from_millis(20))));
    }

    #[test]
    fn what_is_held_is_bounded() {
        let (mut delays, mut names) = (Delays::default(), HeaderNames::new());
        for number in 0..10_000 {
            delays.push(Span::from_nanos(number));
            names.number(&format!("X-{number}"));
        }
        assert_eq!(delays.nanos.len(), MOST_DELAYS);
        assert!(delays.nanos.iter().all(|&delay| delay >= 10_000 - 4096));
        assert_eq!((names.names.len(), names.number("X-9999")), (MOST_NAMES, OTHERS));
        assert_eq!(names.number("x-5"), names.number("X-5"));
    }
}
