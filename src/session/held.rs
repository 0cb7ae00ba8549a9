//! Bytes of a stream that wait to be whole, with the packets that brought them.

use crate::model::At;

/// Held bytes, and which packet brought them up to which offset.
#[derive(Debug, Default)]
pub struct Held {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// End offset and packet of each piece.
    pub marks: Vec<(usize, At)>,
}

/// Room of an emptied buffer that is given back.
const LARGEST_IDLE: usize = 16 << 10;

impl Held {
    /// Adds bytes behind the others.
    pub fn push(&mut self, bytes: &[u8], at: At) {
        if !bytes.is_empty() {
            self.bytes.extend_from_slice(bytes);
            self.marks.push((self.bytes.len(), at));
        }
    }

    /// Drops the first bytes.
    pub fn drop_front(&mut self, used: usize) {
        if used == 0 {
            return;
        }
        self.bytes.drain(..used.min(self.bytes.len()));
        self.marks.retain(|&(end, _)| end > used);
        self.marks.iter_mut().for_each(|(end, _)| *end -= used);
        if self.bytes.is_empty() && self.bytes.capacity() > LARGEST_IDLE {
            self.bytes = Vec::new();
        }
    }

    /// The pieces, each with the packet that brought it.
    pub fn pieces(&self) -> impl Iterator<Item = (At, &[u8])> {
        let starts = std::iter::once(0).chain(self.marks.iter().map(|&(end, _)| end));
        starts.zip(&self.marks).filter_map(|(start, &(end, at))| Some((at, self.bytes.get(start..end)?)))
    }

    /// About how many bytes of memory it takes.
    pub fn cost(&self) -> usize {
        self.bytes.len() + self.marks.len() * size_of::<(usize, At)>()
    }

    /// Takes everything out.
    #[must_use]
    pub fn take(&mut self) -> Self {
        std::mem::take(self)
    }
}

/// The packet with the first of `length` bytes from `start`, and the one that completed them.
/// `None` where there are no marks, which is where there are no bytes.
pub fn span(marks: &[(usize, At)], start: usize, length: usize) -> Option<(At, At)> {
    let end = start + length.max(1);
    let first = marks.partition_point(|&(mark_end, _)| mark_end <= start);
    let last = marks.partition_point(|&(mark_end, _)| mark_end < end);
    let covering = marks.get(first..=last.max(first)).or(marks.get(first..))?;
    let &(_, began) = covering.first()?;
    Some((began, covering.iter().fold(began, |latest, &(_, at)| latest.later(at))))
}
