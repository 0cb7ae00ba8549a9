//! Orders the bytes of one direction of a TCP connection.
//!
//! In: segments at 64-bit stream offsets. Out: bytes in order, each once. The copy captured first
//! wins. Bounded in bytes and segments; when a hole is given up is decided outside ([`super::tcp`]).

use std::collections::BTreeMap;

use crate::model::At;

/// Bytes that wait for earlier ones.
#[derive(Debug)]
pub struct Waiting {
    /// The packet that carried them.
    pub at: At,
    /// The bytes.
    pub bytes: Box<[u8]>,
}

/// Memory of a waiting segment besides its bytes: its place in the tree, and the allocation.
const SEGMENT_COST: usize = 96;

/// What became of a segment.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<'a> {
    /// These of its bytes come next in the stream; then call [`Assembler::next_waiting`] until it ends.
    InOrder(&'a [u8]),
    /// It waits for earlier bytes, with so many new ones.
    Waits(usize),
    /// All its bytes had been seen.
    Seen,
}

/// The bytes of one direction, in order.
#[derive(Debug, Default)]
pub struct Assembler {
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
    held: usize,
}

impl Assembler {
    /// Offset of the next byte of the stream.
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// Bytes that wait.
    pub const fn held(&self) -> usize {
        self.held
    }

    /// About how many bytes of memory what waits takes.
    pub fn cost(&self) -> usize {
        self.held + self.waiting.len() * SEGMENT_COST
    }

    /// Segments that wait.
    pub fn segments(&self) -> usize {
        self.waiting.len()
    }

    /// Where the first waiting byte stands: the end of the hole. `None` where nothing waits.
    pub fn hole_end(&self) -> Option<u64> {
        self.waiting.first_key_value().map(|(&offset, _)| offset)
    }

    /// The packet since which the first hole has been waited for.
    pub fn waits_since(&self) -> Option<At> {
        self.waiting.first_key_value().map(|(_, waiting)| waiting.at)
    }

    /// Takes the bytes that stand at `offset`.
    pub fn insert<'a>(&mut self, at: At, offset: u64, bytes: &'a [u8]) -> Taken<'a> {
        let seen = usize::try_from(self.next.saturating_sub(offset)).unwrap_or(usize::MAX);
        let Some(fresh) = bytes.get(seen..).filter(|fresh| !fresh.is_empty()) else { return Taken::Seen };
        let offset = offset.max(self.next);
        if offset > self.next {
            return match self.keep(at, offset, fresh) {
                0 => Taken::Seen,
                kept => Taken::Waits(kept),
            };
        }
        // In order up to where the first waiting segment begins; what lies beyond it waits, too,
        // in the gaps between waiting segments.
        let room = self.hole_end().map_or(usize::MAX, |end| usize::try_from(end - offset).unwrap_or(usize::MAX));
        let (now, later) = fresh.split_at(room.min(fresh.len()));
        if !later.is_empty() {
            self.keep(at, offset + now.len() as u64, later);
        }
        self.next += now.len() as u64;
        Taken::InOrder(now)
    }

    /// Takes the waiting bytes that come next.
    pub fn next_waiting(&mut self) -> Option<Waiting> {
        let entry = self.waiting.first_entry().filter(|entry| *entry.key() == self.next)?;
        let waiting = entry.remove();
        self.held -= waiting.bytes.len();
        self.next += waiting.bytes.len() as u64;
        Some(waiting)
    }

    /// Gives the hole up to `end` up: the next byte of the stream is the one there.
    /// Returns the size of the hole; `end` beyond the first waiting byte is taken as that.
    pub fn skip_to(&mut self, end: u64) -> u64 {
        let end = self.hole_end().map_or(end, |hole_end| end.min(hole_end));
        let size = end.saturating_sub(self.next);
        self.next = self.next.max(end);
        size
    }

    /// Keeps what is not waiting yet; returns how many bytes that was.
    fn keep(&mut self, at: At, offset: u64, bytes: &[u8]) -> usize {
        let before = self.held;
        let end = offset + bytes.len() as u64;
        let mut from = offset;
        while from < end {
            let previous = self.waiting.range(..=from).next_back();
            let previous_end = previous.map_or(0, |(&start, waiting)| start + waiting.bytes.len() as u64);
            if previous_end > from {
                from = previous_end;
                continue;
            }
            let piece_end = self.waiting.range(from..).next().map_or(end, |(&start, _)| start.min(end));
            let (_, tail) = bytes.split_at(index(from - offset).min(bytes.len()));
            let piece: Box<[u8]> = tail.get(..index(piece_end - from)).unwrap_or(tail).into();
            self.held += piece.len();
            self.waiting.insert(from, Waiting { at, bytes: piece });
            from = piece_end;
        }
        self.held - before
    }
}

/// A distance within one segment.
fn index(distance: u64) -> usize {
    usize::try_from(distance).unwrap_or(usize::MAX)
}

/// For the fuzzer: two bytes a segment (offset, length), against a plain picture of the stream.
pub fn fuzz(input: &[u8]) {
    let text: Vec<u8> = (0..=255).collect();
    let (mut real, mut seen, mut out) = (Assembler::default(), [false; 256], Vec::new());
    for &[start, length] in input.as_chunks::<2>().0 {
        let bytes = text.get(usize::from(start)..).unwrap_or_default();
        let bytes = bytes.get(..usize::from(length)).unwrap_or(bytes);
        seen.iter_mut().skip(usize::from(start)).take(bytes.len()).for_each(|byte| *byte = true);
        if let Taken::InOrder(now) = real.insert(ANYWHERE, u64::from(start), bytes) {
            out.extend(now);
            while let Some(waiting) = real.next_waiting() {
                out.extend(&waiting.bytes);
            }
        }
        let expected = seen.iter().take_while(|&&byte| byte).count();
        assert_eq!(Some(out.as_slice()), text.get(..expected), "after {start}+{length}");
        assert_eq!(real.held, seen.iter().skip(expected).filter(|&&byte| byte).count());
    }
}

const ANYWHERE: At = At {
    time: crate::model::Timestamp::from_nanos(0),
    packet: crate::model::PacketNo::FIRST,
    frame: crate::model::FrameNo(1),
    input: crate::model::InputNo(0),
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Segments as (offset, text), then what must have come out in order and what still waits.
    #[track_caller]
    fn check(segments: &[(u64, &str)], expected: &str, held: usize) {
        let (mut assembler, mut out) = (Assembler::default(), String::new());
        for &(offset, text) in segments {
            if let Taken::InOrder(now) = assembler.insert(ANYWHERE, offset, text.as_bytes()) {
                out.push_str(std::str::from_utf8(now).unwrap());
                while let Some(waiting) = assembler.next_waiting() {
                    out.push_str(std::str::from_utf8(&waiting.bytes).unwrap());
                }
            }
        }
        assert_eq!((out.as_str(), assembler.held()), (expected, held));
    }

    #[test]
    fn segments_come_out_in_order() {
        check(&[(0, "abc"), (3, "def")], "abcdef", 0);
        check(&[(3, "def"), (0, "abc")], "abcdef", 0);
        check(&[(0, "abc"), (0, "XYZ"), (2, "Zd")], "abcd", 0);
        check(&[(6, "ghi"), (3, "def")], "", 6);
        check(&[(2, "cd"), (6, "gh"), (0, "ABCDEFGHIJ")], "ABcdEFghIJ", 0);
        check(&[(1, "b"), (3, "d"), (0, "ACC")], "AbCd", 0);
        check(&[(5, "f"), (4, "EFG")], "", 3);
        check(&[(0, "")], "", 0);
    }

    #[test]
    fn a_hole_is_given_up_no_further_than_what_waits() {
        let mut assembler = Assembler::default();
        assembler.insert(ANYWHERE, 10, b"klm");
        assert_eq!(assembler.skip_to(99), 10);
        assert_eq!(assembler.next_waiting().unwrap().bytes.as_ref(), b"klm");
        assert_eq!((assembler.next(), assembler.skip_to(15), assembler.skip_to(3)), (13, 2, 0));
    }

    proptest! {
        #[test]
        fn any_segments_match_the_picture(input in proptest::collection::vec(any::<u8>(), 0..80)) {
            fuzz(&input);
        }
    }
}
