//! Which TLS records carry which messages, by nothing but their sizes.
//!
//! In: the sizes of messages of one direction as a log tells them, and what the records of that direction may
//! hold. Out: for each message the records in which it begins and ends. Records are cut anywhere: a message may
//! span several, several may share one, a record of four bytes is a keep-alive. Messages and records may be missing
//! on either side; a place counts only where enough sizes fit one behind the other.

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

/// No SIP message is shorter: a record that cannot hold more is a keep-alive, or an empty one.
const SHORTEST: u64 = 64;
/// Messages that must fit one behind the other for a place to count, where there are as many.
const ENOUGH: usize = 2;
/// Records behind a place that are tried for the next message before it counts as missing in the capture.
const MOST_TRIED: usize = 512;

/// Finds the records of each message; `None` for those that have none. `fits` says whether a message may end in a
/// record by other evidence, such as time.
pub fn align(messages: &[u64], records: &[Room], fits: impl Fn(usize, usize) -> bool) -> Vec<Option<Carried>> {
    let mut found = vec![None; messages.len()];
    let (mut message, mut record) = (0_usize, 0_usize);
    while message < messages.len() {
        let runs = record..records.len().min(record.saturating_add(MOST_TRIED));
        let best = runs
            .map(|start| run(messages, records, (message, start), &fits))
            .find(|run| run.len() >= ENOUGH.min(messages.len() - message));
        match best.filter(|run| !run.is_empty()) {
            Some(run) => {
                record = run.last().map_or(record, |carried| carried.last + 1);
                for carried in run {
                    if let Some(place) = found.get_mut(message) {
                        *place = Some(carried);
                    }
                    message += 1;
                }
            }
            None => message += 1,
        }
    }
    found
}

/// Messages that fit one behind the other from a record on. The last one must end where a record ends: what goes
/// on within a record has no end of its own to be seen.
fn run(
    messages: &[u64],
    records: &[Room],
    (first, start): (usize, usize),
    fits: &impl Fn(usize, usize) -> bool,
) -> Vec<Carried> {
    let (mut found, mut sure) = (Vec::new(), 0);
    let mut place = Place { record: start, left: None };
    for (index, &size) in messages.iter().enumerate().skip(first) {
        let Some((carried, next)) = place.take(size, records).filter(|(carried, _)| fits(index, carried.last)) else {
            break;
        };
        found.push(carried);
        if next.left.is_none() {
            sure = found.len();
        }
        place = next;
    }
    found.truncate(sure);
    found
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
            None => {
                // Keep-alives stand between messages.
                while records.get(record)?.most < SHORTEST && size >= SHORTEST && !joins(records, record, size) {
                    record += 1;
                }
                *records.get(record)?
            }
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

/// Whether a small record is the first of a message that goes on in the next: TLS 1.0 sends the first byte alone,
/// against attacks on its chained blocks.
fn joins(records: &[Room], record: usize, size: u64) -> bool {
    let small = records.get(record).is_some_and(|room| room.least <= 1);
    small && records.get(record + 1).is_some_and(|next| next.least < size && next.most + 1 >= size)
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
        let found: Vec<_> = align(messages, records, |_, _| true);
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
        check(&[500, 600, 700, 800], &exact(&[500, 700, 800]), &[None, None, Some((1, 1)), Some((2, 2))]);
        check(&[500, 700, 800], &exact(&[500, 600, 700, 800]), &[None, Some((2, 2)), Some((3, 3))]);
        // Blocks.
        let blocks: Vec<Room> = [496, 688].map(|least| Room { least, most: least + 15 }).into();
        check(&[500, 700], &blocks, &[Some((0, 0)), Some((1, 1))]);
        check(&[100], &[], &[None]);
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
            let found = align(&messages, &exact(&records), |_, _| true);
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
