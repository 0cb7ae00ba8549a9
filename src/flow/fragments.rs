//! IP fragments in, whole datagrams out (RFC 791 §3.2, RFC 8200 §4.5).
//!
//! Any order, duplicated, overlapping: the byte captured first wins. Bounded in datagrams, bytes and
//! age; what is dropped is counted. Never looks inside the payload.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;

use crate::model::{Counter, Limits, PointNo, Stats, Timestamp};
use crate::wire::ip::Fragment;

/// Longest payload that a datagram can have.
const LONGEST_DATAGRAM: u32 = 65_535;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    point: PointNo,
    src: IpAddr,
    dst: IpAddr,
    protocol: u8,
    id: u32,
}

#[derive(Debug)]
struct Partial {
    began: Timestamp,
    serial: u64,
    parts: BTreeMap<u32, Box<[u8]>>,
    held: usize,
    total: Option<u32>,
}

/// Datagrams under way.
#[derive(Debug, Default)]
pub struct Fragments {
    partials: HashMap<Key, Partial, foldhash::fast::RandomState>,
    order: VecDeque<(u64, Key)>,
    serial: u64,
    held: usize,
}

/// A datagram that is whole now.
#[derive(Debug, PartialEq, Eq)]
pub struct Whole {
    /// Protocol above IP.
    pub protocol: u8,
    /// Its payload.
    pub payload: Vec<u8>,
}

impl Fragments {
    /// Takes a fragment; returns the datagram that it completes.
    pub fn push(
        &mut self,
        (point, time): (PointNo, Timestamp),
        (src, dst): (IpAddr, IpAddr),
        fragment: &Fragment<'_>,
        limits: &Limits,
        stats: &mut Stats,
    ) -> Option<Whole> {
        stats.count(Counter::Fragments);
        self.expire(time, limits, stats);
        let end = fragment.offset.saturating_add(u32::try_from(fragment.payload.len()).ok()?);
        if end > LONGEST_DATAGRAM || (fragment.payload.is_empty() && fragment.more) {
            return None;
        }
        let key = Key { point, src, dst, protocol: fragment.protocol, id: fragment.id };
        let partial = self.partials.entry(key).or_insert_with(|| {
            self.serial += 1;
            self.order.push_back((self.serial, key));
            Partial { began: time, serial: self.serial, parts: BTreeMap::new(), held: 0, total: None }
        });
        if !fragment.more {
            partial.total.get_or_insert(end);
        }
        let added = partial.insert(fragment.offset, fragment.payload);
        self.held += added;
        if partial.is_whole() {
            let partial = self.remove(key)?;
            return Some(Whole { protocol: fragment.protocol, payload: partial.join() });
        }
        while self.partials.len() > limits.fragment_datagrams || self.held > limits.fragment_bytes {
            stats.count(Counter::FragmentsBound);
            self.drop_oldest();
        }
        None
    }

    /// Drops what has waited too long.
    fn expire(&mut self, now: Timestamp, limits: &Limits, stats: &mut Stats) {
        while let Some((serial, key)) = self.order.front().copied() {
            match self.partials.get(&key).filter(|partial| partial.serial == serial) {
                Some(partial) if now.since(partial.began) <= limits.fragment_age => return,
                Some(_) => {
                    stats.count(Counter::FragmentsIncomplete);
                    self.drop_oldest();
                }
                None => {
                    self.order.pop_front(); // completed since
                }
            }
        }
    }

    fn drop_oldest(&mut self) {
        while let Some((serial, key)) = self.order.pop_front() {
            if self.partials.get(&key).is_some_and(|partial| partial.serial == serial) {
                self.remove(key);
                return;
            }
        }
    }

    fn remove(&mut self, key: Key) -> Option<Partial> {
        let partial = self.partials.remove(&key)?;
        self.held = self.held.saturating_sub(partial.held);
        Some(partial)
    }

    /// Counts what is incomplete at the end.
    pub fn finish(&mut self, stats: &mut Stats) {
        stats.add(Counter::FragmentsIncomplete, self.partials.len() as u64);
        *self = Self::default();
    }
}

impl Partial {
    /// Keeps the parts of `payload` that are not there yet; returns how many bytes that were.
    fn insert(&mut self, offset: u32, payload: &[u8]) -> usize {
        let before = self.held;
        let mut from = offset;
        let end = offset + u32::try_from(payload.len()).unwrap_or(0);
        while from < end {
            let previous = self.parts.range(..=from).next_back().map(|(&start, part)| start + length(part));
            if let Some(previous_end) = previous.filter(|&previous_end| previous_end > from) {
                from = previous_end;
                continue;
            }
            let next = self.parts.range(from..).next().map_or(end, |(&start, _)| start).min(end);
            let piece = payload.get((from - offset) as usize..(next - offset) as usize).unwrap_or_default();
            self.held += piece.len();
            self.parts.insert(from, piece.into());
            from = next;
        }
        self.held - before
    }

    fn is_whole(&self) -> bool {
        self.total.is_some_and(|total| self.held >= total as usize && self.contiguous() >= total)
    }

    fn contiguous(&self) -> u32 {
        self.parts
            .iter()
            .try_fold(0, |end, (&start, part)| if start == end { Ok(end + length(part)) } else { Err(end) })
            .unwrap_or_else(|end| end)
    }

    fn join(self) -> Vec<u8> {
        let total = self.total.unwrap_or(0) as usize;
        let mut payload = self.parts.into_values().collect::<Vec<_>>().concat();
        payload.truncate(total);
        payload
    }
}

fn length(part: &[u8]) -> u32 {
    u32::try_from(part.len()).unwrap_or(LONGEST_DATAGRAM)
}

/// For the fuzzer: three bytes a fragment, against a plain picture of the datagram.
pub fn fuzz(input: &[u8]) {
    let text: Vec<u8> = (0..=255).collect();
    let (mut partial, mut seen) = (
        Partial { began: Timestamp::default(), serial: 0, parts: BTreeMap::new(), held: 0, total: Some(128) },
        [false; 512],
    );
    for &[at, len] in input.as_chunks::<2>().0 {
        let payload = text.get(usize::from(at)..).unwrap_or_default();
        let payload = payload.get(..usize::from(len)).unwrap_or(payload);
        partial.insert(u32::from(at), payload);
        seen.iter_mut().skip(usize::from(at)).take(payload.len()).for_each(|byte| *byte = true);
        assert_eq!(partial.held, seen.iter().filter(|&&byte| byte).count());
        assert_eq!(partial.is_whole(), seen.iter().take(128).all(|&byte| byte));
    }
    if partial.is_whole() {
        assert_eq!(partial.join(), text.get(..128).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ENDS: (IpAddr, IpAddr) =
        (IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), IpAddr::V4(std::net::Ipv4Addr::BROADCAST));

    fn push(fragments: &mut Fragments, seconds: i64, id: u32, part: (u32, &[u8], bool)) -> Option<Vec<u8>> {
        let (offset, payload, more) = part;
        let fragment = Fragment { id, protocol: 17, offset, more, payload };
        let when = (PointNo(0), Timestamp::new(seconds, 0));
        fragments.push(when, ENDS, &fragment, &Limits::default(), &mut Stats::default()).map(|whole| whole.payload)
    }

    #[track_caller]
    fn check(parts: &[(u32, &[u8], bool)], expected: &[u8]) {
        let mut fragments = Fragments::default();
        let (last, first) = parts.split_last().unwrap();
        for &part in first {
            assert_eq!(push(&mut fragments, 0, 1, part), None, "{part:?}");
        }
        assert_eq!(push(&mut fragments, 0, 1, *last).as_deref(), Some(expected));
        assert_eq!((fragments.held, fragments.partials.len()), (0, 0));
    }

    #[test]
    fn any_order_makes_the_datagram() {
        check(&[(0, b"abcdefgh", true), (8, b"ij", false)], b"abcdefghij");
        check(&[(8, b"ij", false), (0, b"abcdefgh", true)], b"abcdefghij");
        check(&[(0, b"abcdefgh", true), (0, b"ABCDEFGH", true), (8, b"ij", false)], b"abcdefghij");
        check(&[(8, b"ijklmnop", true), (16, b"q", false), (0, b"abcdefghIJ", true)], b"abcdefghijklmnopq");
    }

    #[test]
    fn old_datagrams_go_and_the_bound_holds() {
        let mut fragments = Fragments::default();
        assert_eq!(push(&mut fragments, 0, 1, (0, b"abcdefgh", true)), None);
        assert_eq!(push(&mut fragments, 60, 2, (0, b"abcdefgh", true)), None);
        assert_eq!(fragments.partials.len(), 1);
        for id in 0..10_000 {
            push(&mut fragments, 60, id, (0, b"abcdefgh", true));
        }
        assert_eq!(fragments.partials.len(), Limits::default().fragment_datagrams);
        assert!(push(&mut fragments, 60, 7, (65_530, b"0123456789", false)).is_none(), "longer than IP allows");
    }

    proptest! {
        #[test]
        fn any_fragments_match_the_picture(input in proptest::collection::vec(any::<u8>(), 0..64)) {
            fuzz(&input);
        }
    }
}
