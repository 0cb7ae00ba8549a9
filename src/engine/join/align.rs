//! Which TLS records carry which messages, by nothing but their sizes.
//!
//! In: the sizes of messages of one direction as a log tells them, and what the records of that direction may
//! hold. Out: for each message the records in which it begins and ends. Records are cut anywhere: a message may
//! span several, several may share one, a record of four bytes is a keep-alive. Messages and records may be missing
//! on either side; a place counts only where enough sizes fit one behind the other.

use std::ops::Range;

/// What a record may hold, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// At least.
    pub least: u64,
    /// At most.
    pub most: u64,
}

/// The records in which a message begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Where it begins.
    pub first: usize,
    /// Where it ends.
    pub last: usize,
}

/// What other evidence, such as time, says of a message that ends in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It cannot.
    No,
    /// It can, if the sizes fit too.
    Near,
    /// It does, even where nothing but the order speaks for it too.
    Close,
}

/// No SIP message is shorter: a record that cannot hold more is a keep-alive, or an empty one.
const SHORTEST: u64 = 64;
/// Messages that may share records before an end must be common to both.
const MOST_SHARED: usize = 64;
/// Places that are tried, for all messages of one direction together.
const MOST_TRIED: usize = 1 << 24;

/// What a common end is worth where the record's size is known to the byte.
const EXACT: i64 = 8;
/// What it is worth where the record may hold a few bytes more or less.
const ROUGH: i64 = 5;
/// What each further message is worth that ends within the same records.
const SHARED: i64 = 1;
/// What it costs to leave messages, records or both out: two ends where sizes are rough make up for it, or one
/// where they are exact.
const GAP: i64 = 7;

/// Finds the records of each message; `None` for those that have none. `fits` says what else speaks for a message to
/// end in a record.
///
/// Of all ways to go through messages and records in order, the one with most common ends and fewest gaps. Messages
/// in a gap follow from its ends on, as long as they are close.
pub fn align(messages: &[u64], records: &[Room], fits: impl Fn(usize, usize) -> Fit) -> Vec<Option<Carried>> {
    let ways = Ways::through(messages, records, &fits);
    let mut found = vec![None; messages.len()];
    let mut next = ways.best;
    let mut after = (messages.len(), records.len());
    while let Some(way) = next.and_then(|index| ways.runs.get(index)) {
        let run = run(messages, records, (way.message, way.record), &fits).unwrap_or_default();
        let end = (way.message + run.len(), run.last().map_or(way.record, |carried| carried.last + 1));
        for (place, carried) in found.iter_mut().skip(way.message).zip(run) {
            *place = Some(carried);
        }
        fill(&mut found, messages, records, (end.0..after.0, end.1..after.1), &fits);
        after = (way.message, way.record);
        next = way.before;
    }
    found
}

/// Goes from both ends into a gap, as long as what is there is close.
fn fill(
    found: &mut [Option<Carried>],
    messages: &[u64],
    records: &[Room],
    (gap, of_records): (Range<usize>, Range<usize>),
    fits: &impl Fn(usize, usize) -> Fit,
) {
    let (Some(sizes), Some(rooms)) = (messages.get(gap.clone()), records.get(of_records.clone())) else { return };
    let (mut sizes, mut rooms) = (sizes.to_vec(), rooms.to_vec());
    for backward in [false, true] {
        for (index, carried) in follow(&sizes, &rooms).enumerate() {
            let (message, carried) = if backward {
                let (first, last) = (of_records.end - 1 - carried.last, of_records.end - 1 - carried.first);
                (gap.end - 1 - index, Carried { first, last })
            } else {
                let (first, last) = (of_records.start + carried.first, of_records.start + carried.last);
                (gap.start + index, Carried { first, last })
            };
            let Some(place) = found.get_mut(message).filter(|place| place.is_none()) else { break };
            if fits(message, carried.last) != Fit::Close {
                break;
            }
            *place = Some(carried);
        }
        sizes.reverse();
        rooms.reverse();
    }
}

/// Where messages lie that begin where records do, as long as there are records.
fn follow(sizes: &[u64], rooms: &[Room]) -> impl Iterator<Item = Carried> {
    let mut place = Place { record: 0, left: None };
    sizes.iter().map_while(move |&size| {
        while place.left.is_none() && is_small(rooms, place.record) {
            place.record += 1;
        }
        let (carried, next) = place.take(size, rooms)?;
        place = next;
        Some(carried)
    })
}

/// A run of messages that begins where a record begins, and the best way that leads to it.
struct Way {
    message: usize,
    record: usize,
    before: Option<usize>,
}

/// The end of a run.
#[derive(Clone, Copy)]
struct End {
    record: usize,
    worth: i64,
    run: usize,
}

/// All runs that are worth something, and the last one of the best way.
struct Ways {
    runs: Vec<Way>,
    best: Option<usize>,
}

impl Ways {
    fn through(messages: &[u64], records: &[Room], fits: &impl Fn(usize, usize) -> Fit) -> Self {
        let mut runs = Vec::new();
        let mut best: Option<End> = None;
        // Ends of runs by the message that comes next, and the best of those that lie behind, by record.
        let mut ends: Vec<Vec<End>> = vec![Vec::new(); messages.len() + 1];
        let mut behind = Behind::new(records.len());
        let opening = records.iter().take_while(|room| room.most < SHORTEST).count();
        let most = (MOST_TRIED / messages.len().max(1)).max(64);
        for message in 0..messages.len() {
            let here = ends.get_mut(message).map(std::mem::take).unwrap_or_default();
            for end in &here {
                behind.add(*end);
            }
            // Where not all places can be tried, those behind the best way so far are.
            let from = if records.len() <= most { 0 } else { best.map_or(0, |end| end.record) };
            for record in (from..records.len()).take(most) {
                let Some(run) = run(messages, records, (message, record), fits) else { continue };
                let adjacent = here.iter().filter(|end| end.record == record).max_by_key(|end| end.worth).copied();
                let gap = behind.best(record).map(|end| End { worth: end.worth - GAP, ..end });
                let before = adjacent.into_iter().chain(gap).max_by_key(|end| end.worth).filter(|end| end.worth > -GAP);
                let first = if message == 0 && record <= opening { 0 } else { -GAP };
                let (count, last) = (run.len(), run.last().map_or(record, |carried| carried.last));
                let exact = records.get(last).is_some_and(|room| room.least == room.most);
                let worth = if exact { EXACT } else { ROUGH } + SHARED * i64::try_from(count - 1).unwrap_or(0);
                let (before, base) =
                    before.filter(|end| end.worth > first).map_or((None, first), |end| (Some(end.run), end.worth));
                let mut end = End { record: last + 1, worth: base + worth, run: runs.len() };
                runs.push(Way { message, record, before });
                let Some(ends) = ends.get_mut(message + count) else { continue };
                ends.push(end);
                // Keep-alives between messages are no gap.
                while is_small(records, end.record) && end.record <= last + MOST_SHARED {
                    end.record += 1;
                    ends.push(end);
                }
                if end.worth > best.map_or(0, |best| best.worth) {
                    best = Some(end);
                }
            }
        }
        Self { runs, best: best.map(|end| end.run) }
    }
}

/// The best end at or before each record: a tree of maxima over prefixes (Fenwick 1994).
struct Behind {
    tree: Vec<Option<End>>,
}

impl Behind {
    fn new(records: usize) -> Self {
        Self { tree: vec![None; records + 2] }
    }

    fn add(&mut self, end: End) {
        let mut index = end.record + 1;
        while let Some(node) = self.tree.get_mut(index) {
            if node.is_none_or(|node| node.worth < end.worth) {
                *node = Some(end);
            }
            index += index & index.wrapping_neg();
        }
    }

    fn best(&self, record: usize) -> Option<End> {
        let (mut index, mut best) = (record + 1, None::<End>);
        while index > 0 {
            let node = self.tree.get(index).copied().flatten();
            best = best.into_iter().chain(node).max_by_key(|end| end.worth);
            index &= index - 1;
        }
        best
    }
}

/// Messages one behind the other from the beginning of a record to the next end that both have; `None` where they
/// have none. What goes on within a record has no end of its own to be seen.
fn run(
    messages: &[u64],
    records: &[Room],
    (first, start): (usize, usize),
    fits: &impl Fn(usize, usize) -> Fit,
) -> Option<Vec<Carried>> {
    let mut found = Vec::new();
    let mut place = Place { record: start, left: None };
    for (index, &size) in messages.iter().enumerate().skip(first).take(MOST_SHARED) {
        let (carried, next) = place.take(size, records)?;
        if fits(index, carried.last) == Fit::No {
            return None;
        }
        found.push(carried);
        if next.left.is_none() {
            return Some(found);
        }
        place = next;
    }
    None
}

/// A place among the records: at the beginning of one, or with so much of it left.
#[derive(Clone, Copy, Debug)]
struct Place {
    record: usize,
    left: Option<Room>,
}

impl Place {
    /// Takes a message; `None` where no record ends with it and none has room to spare.
    fn take(self, size: u64, records: &[Room]) -> Option<(Carried, Self)> {
        let mut record = self.record;
        let mut room = match self.left {
            Some(left) => left,
            None => *records.get(record)?,
        };
        let first = record;
        loop {
            if size >= room.least && size <= room.most {
                let carried = Carried { first, last: record };
                return Some((carried, Self { record: record + 1, left: None }));
            }
            if size < room.least {
                // The rest of the record belongs to the next message.
                let left = Room { least: room.least - size, most: room.most - size };
                let carried = Carried { first, last: record };
                return Some((carried, Self { record, left: Some(left) }));
            }
            record += 1;
            let next = records.get(record)?;
            room = Room { least: room.least + next.least, most: room.most + next.most };
        }
    }
}

/// Whether a record holds no message, and perhaps a keep-alive. It may still be the beginning of one that goes on in
/// the next: TLS 1.0 sends the first byte alone, against attacks on its chained blocks.
fn is_small(records: &[Room], record: usize) -> bool {
    records.get(record).is_some_and(|room| room.most < SHORTEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn exact(sizes: &[u64]) -> Vec<Room> {
        sizes.iter().map(|&size| Room { least: size, most: size }).collect()
    }

    #[track_caller]
    fn check(messages: &[u64], records: &[Room], expected: &[Option<(usize, usize)>]) {
        let found: Vec<_> = align(messages, records, |_, _| Fit::Near);
        let found: Vec<_> =
            found.into_iter().map(|carried| carried.map(|carried| (carried.first, carried.last))).collect();
        assert_eq!(found, expected, "{messages:?} in {records:?}");
    }

    #[test]
    fn messages_and_records() {
        check(&[500, 700], &exact(&[500, 700]), &[Some((0, 0)), Some((1, 1))]);
        check(&[500, 700], &exact(&[300, 200, 700]), &[Some((0, 1)), Some((2, 2))]);
        check(&[500, 700], &exact(&[1200]), &[Some((0, 0)), Some((0, 0))]);
        check(&[500, 700], &exact(&[600, 600]), &[Some((0, 0)), Some((0, 1))]);
        check(&[500, 700], &exact(&[500, 4, 700]), &[Some((0, 0)), Some((2, 2))]);
        check(&[500, 700], &exact(&[1, 499, 700]), &[Some((0, 1)), Some((2, 2))]);
        // The capture, or the log, begins earlier.
        check(&[500, 700], &exact(&[900, 500, 700]), &[Some((1, 1)), Some((2, 2))]);
        check(&[333, 500, 700], &exact(&[500, 700]), &[None, Some((0, 0)), Some((1, 1))]);
        // A message that the capture lacks, and one that the log lacks.
        check(&[500, 600, 700, 800], &exact(&[500, 700, 800]), &[Some((0, 0)), None, Some((1, 1)), Some((2, 2))]);
        check(&[500, 700, 800], &exact(&[500, 600, 700, 800]), &[Some((0, 0)), Some((2, 2)), Some((3, 3))]);
        // Blocks.
        let blocks: Vec<Room> = [496, 688].map(|least| Room { least, most: least + 15 }).into();
        check(&[500, 700], &blocks, &[Some((0, 0)), Some((1, 1))]);
        check(&[100], &[], &[None]);
        // A small record that begins a message.
        check(&[900, 500, 700], &exact(&[900, 4, 21, 1179]), &[Some((0, 0)), Some((2, 3)), Some((3, 3))]);
    }

    proptest! {
        /// Messages cut into records anywhere are found again.
        #[test]
        fn cut_anywhere(messages in prop::collection::vec(200_u64..4000, 2..20), cuts in prop::collection::vec(100_u64..2000, 1..40)) {
            let total: u64 = messages.iter().sum();
            let (mut records, mut left) = (Vec::new(), total);
            for cut in cuts.iter().cycle() {
                let size = left.min(*cut);
                records.push(size);
                left -= size;
                if left == 0 {
                    break;
                }
            }
            let found = align(&messages, &exact(&records), |_, _| Fit::Near);
            let (mut end, mut ends, mut sum) = (0, Vec::new(), 0);
            for size in &records {
                sum += size;
                ends.push(sum);
            }
            for (size, carried) in messages.iter().zip(found) {
                let first = ends.iter().position(|&sum| sum > end).unwrap();
                end += size;
                let last = ends.iter().position(|&sum| sum >= end).unwrap();
                prop_assert_eq!(carried, Some(Carried { first, last }));
            }
        }
    }
}
