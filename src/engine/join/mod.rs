//! What captures and trace logs of the same sign-in have to do with each other.
//!
//! In: a first reading of all of them ([`Survey`]). Out: for each message of a log its packets, where a capture has
//! them, and how the log's clock stands to the captures'. A message that can be read in both is found by what it is;
//! one in TLS that stays closed by the sizes of the records, in order, and by time. What has no place stays where its
//! corrected time puts it.

pub mod align;
pub mod clock;
pub mod seam;
pub mod survey;

use std::collections::HashMap;

use crate::model::{At, Both, Direction, FlowKey, InputNo, Span, Timestamp};
use align::{Fit, Room};
use clock::Clock;
use survey::{Captured, Ends, Half, Logged};

pub use survey::Survey;

/// Where a message of a log is in a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The connection.
    pub flow: FlowKey,
    /// The packet in which it begins.
    pub began: At,
    /// The packet that completes it.
    pub at: At,
    /// What the capture itself shows of it.
    pub seen: Seen,
}

/// What a capture itself shows of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Records of that size; the log alone tells what is in them.
    Closed,
    /// The same message.
    Same,
    /// The message, but it says something else.
    Different,
}

/// How a log stands to the captures.
#[derive(Clone, Debug)]
pub struct LogClock {
    /// Which input.
    pub input: InputNo,
    /// Messages in it.
    pub messages: usize,
    /// Its clock.
    pub clock: Clock,
}

/// What the first reading shows.
#[derive(Clone, Debug, Default)]
pub struct Joined {
    /// Places of messages, by input and line.
    pub places: HashMap<(InputNo, u64), Placed, foldhash::fast::RandomState>,
    /// The same by what is said, where several files hold a message and either may be the one that is told.
    pub copies: HashMap<Copied, Placed, foldhash::fast::RandomState>,
    /// The clock of each log.
    pub clocks: Vec<LogClock>,
}

/// Connection, direction, and what a message says.
pub type Copied = (Ends, Direction, u64);

/// Most that a time may be away from where the clock puts it.
const TOLERANCE: Span = Span::from_secs(30);
/// A message is logged within this of its record, on a machine that is not overloaded.
const CLOSE: Span = Span::from_millis(100);

/// Finds the place of each message.
pub fn join(survey: &Survey) -> Joined {
    let mut joined = Joined::default();
    for (ends, logged) in &survey.logged {
        for captured in survey.captured.iter().filter(|captured| fits(*ends, &captured.flow)) {
            for direction in Direction::BOTH {
                match_read(logged.of(direction), captured, direction, &mut joined);
            }
        }
    }
    // Sizes alone may fit in several places: a first round shows the clock, a second one keeps to it.
    let mut clocks = clocks(survey, &joined);
    let first = match_closed(survey, &joined, &clocks);
    for (input, clock) in self::clocks(survey, &first) {
        let known = clocks.entry(input).or_default();
        if known.matches() == 0 {
            *known = clock.constant();
        }
    }
    let sized = match_closed(survey, &joined, &clocks);
    joined.places.extend(sized.places);
    for (ends, halves) in &survey.logged {
        for direction in Direction::BOTH {
            let placed = halves
                .of(direction)
                .iter()
                .filter_map(|logged| Some(((*ends, direction, logged.content), *joined.places.get(&key(logged))?)));
            joined.copies.extend(placed);
        }
    }
    let found = self::clocks(survey, &joined);
    joined.clocks =
        found.into_iter().map(|(input, clock)| LogClock { input, messages: count(survey, input), clock }).collect();
    joined.clocks.sort_by_key(|known| known.input);
    joined
}

/// Whether a connection of a log is one of a capture. A server's log does not know its own end, or has another
/// address than the one that clients connect to.
fn fits((client, server): Ends, flow: &FlowKey) -> bool {
    let unknown = server.ip().is_unspecified() || server.port() == 0;
    client == flow.client && (server == flow.server || unknown || server.port() == flow.server.port())
}

/// All messages of logs.
fn all(survey: &Survey) -> impl Iterator<Item = &Logged> {
    survey.logged.values().flat_map(|halves| halves.out.iter().chain(&halves.r#in))
}

fn count(survey: &Survey, input: InputNo) -> usize {
    all(survey).filter(|logged| logged.at.input == input).count()
}

/// The clock of each log, by the messages that have a place.
fn clocks(survey: &Survey, joined: &Joined) -> HashMap<InputNo, Clock> {
    let mut pairs: HashMap<InputNo, Vec<(Timestamp, Timestamp)>> = HashMap::new();
    for logged in all(survey) {
        let of_input = pairs.entry(logged.at.input).or_default();
        if let Some(placed) = joined.places.get(&key(logged)) {
            of_input.push((logged.at.time, placed.at.time));
        }
    }
    pairs.into_iter().map(|(input, pairs)| (input, Clock::new(pairs))).collect()
}

const fn key(logged: &Logged) -> (InputNo, u64) {
    (logged.at.input, logged.at.frame.0)
}

/// Pairs messages that can be read in both, each with the next of its kind.
fn match_read(logged: &[Logged], captured: &Captured, direction: Direction, joined: &mut Joined) {
    let mut waiting: HashMap<u64, std::collections::VecDeque<usize>> = HashMap::new();
    let read = &captured.halves.of(direction).read;
    for (index, read) in read.iter().enumerate() {
        waiting.entry(read.identity).or_default().push_back(index);
    }
    for message in logged.iter().filter(|message| !joined.places.contains_key(&key(message))).collect::<Vec<_>>() {
        let next = waiting.get_mut(&message.identity).and_then(std::collections::VecDeque::pop_front);
        let Some(found) = next.and_then(|index| read.get(index)) else { continue };
        let seen = if found.content == message.content { Seen::Same } else { Seen::Different };
        let placed = Placed { flow: captured.flow, began: found.began, at: found.at, seen };
        joined.places.insert(key(message), placed);
    }
}

/// Finds the records of messages that have no place so far.
fn match_closed(survey: &Survey, joined: &Joined, clocks: &HashMap<InputNo, Clock>) -> Joined {
    let mut out = Joined::default();
    for (ends, logged) in &survey.logged {
        let mut left: Both<Vec<Logged>> = Both::default();
        for direction in Direction::BOTH {
            let open = logged.of(direction).iter().filter(|message| !joined.places.contains_key(&key(message)));
            *left.of_mut(direction) = open.copied().collect();
        }
        for captured in survey.captured.iter().filter(|captured| fits(*ends, &captured.flow)) {
            for direction in Direction::BOTH {
                let messages = std::mem::take(left.of_mut(direction));
                let placed = place_in(&messages, captured, direction, clocks);
                *left.of_mut(direction) =
                    messages.into_iter().filter(|message| !placed.contains_key(&key(message))).collect();
                out.places.extend(placed);
            }
        }
    }
    out
}

fn place_in(
    messages: &[Logged],
    captured: &Captured,
    direction: Direction,
    clocks: &HashMap<InputNo, Clock>,
) -> HashMap<(InputNo, u64), Placed> {
    let Half { closed, .. } = captured.halves.of(direction);
    let sizes: Vec<u64> = messages.iter().map(|message| message.size).collect();
    let rooms: Vec<Room> = closed.iter().map(|record| record.room).collect();
    let in_time = |message: usize, record: usize| {
        let (Some(message), Some(record)) = (messages.get(message), closed.get(record)) else { return Fit::No };
        let correction = clocks.get(&message.at.input).and_then(|clock| clock.correction(message.at.time));
        match correction.map(|correction| away(message.at.time, correction, record.at.time)) {
            None => Fit::Near,
            Some(away) if away <= CLOSE => Fit::Close,
            Some(away) if away <= TOLERANCE => Fit::Near,
            Some(_) => Fit::No,
        }
    };
    let found = align::align(&sizes, &rooms, in_time);
    let places = messages.iter().zip(found).filter_map(|(message, carried)| {
        let carried = carried?;
        let records = closed.get(carried.first..=carried.last)?;
        let first = records.first()?;
        // Where packets came out of order the record that came last is not the last one.
        let at = records.iter().fold(first.at, |latest, record| latest.later(record.at));
        let placed = Placed { flow: captured.flow, began: first.began, at, seen: Seen::Closed };
        Some((key(message), placed))
    });
    places.collect()
}

/// How far a time of a log is from that of a record, once it is corrected.
fn away(logged: Timestamp, correction: Span, seen: Timestamp) -> Span {
    let away = seen.since(logged).as_nanos().saturating_sub(correction.as_nanos());
    Span::from_nanos(away.saturating_abs())
}
