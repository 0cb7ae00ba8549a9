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

/// Emptied buffers, for whatever holds bytes next: a flow that holds nothing takes no memory.
#[derive(Debug, Default)]
pub struct Spares {
    bytes: Vec<Vec<u8>>,
    marks: Vec<Vec<(usize, At)>>,
}

/// Buffers in use at one time: of TLS, a record's plaintext, and what the plaintext carries.
const MOST_SPARES: usize = 4;

/// Room of an emptied buffer that is kept, and of one that is made before its bytes are there.
const LARGEST_SPARE: usize = 64 << 10;

impl Spares {
    /// An empty buffer.
    #[must_use]
    pub fn take(&mut self) -> Held {
        Held { bytes: self.bytes.pop().unwrap_or_default(), marks: self.marks.pop().unwrap_or_default() }
    }

    /// Takes a buffer that is not needed any more.
    pub fn give(&mut self, spare: Held) {
        keep(&mut self.bytes, spare.bytes);
        keep(&mut self.marks, spare.marks);
    }
}

fn keep<T>(spares: &mut Vec<Vec<T>>, mut spare: Vec<T>) {
    if spares.len() < MOST_SPARES && (1..=LARGEST_SPARE / size_of::<T>()).contains(&spare.capacity()) {
        spare.clear();
        spares.push(spare);
    }
}

impl Held {
    /// Makes room for a message of so many bytes and no more, where that is not much: the buffer can become the message.
    pub fn fit(&mut self, total: usize, spares: &mut Spares) {
        if self.bytes.capacity() != total && (self.bytes.len()..=LARGEST_SPARE).contains(&total) {
            let mut bytes = Vec::with_capacity(total);
            bytes.extend_from_slice(&self.bytes);
            keep(&mut spares.bytes, std::mem::replace(&mut self.bytes, bytes));
            if self.marks.capacity() == 0 {
                self.marks = spares.marks.pop().unwrap_or_default();
            }
        }
    }

    /// The bytes as a vector without room: the buffer, where it was made to fit them, or else a copy.
    #[must_use]
    pub fn into_bytes(mut self, spares: &mut Spares) -> Vec<u8> {
        let is_full = self.bytes.len() == self.bytes.capacity();
        let bytes = if is_full { std::mem::take(&mut self.bytes) } else { self.bytes.clone() };
        spares.give(self);
        bytes
    }

    /// Holds bytes, if there are any, where nothing was held.
    pub fn begin(&mut self, bytes: &[u8], at: At, spares: &mut Spares) {
        if !bytes.is_empty() && self.bytes.capacity() == 0 {
            *self = spares.take();
        }
        self.push(bytes, at);
    }

    /// What is left behind the first bytes.
    #[must_use]
    pub fn behind(mut self, used: usize, spares: &mut Spares) -> Self {
        if used < self.bytes.len() {
            self.drop_front(used);
            return self;
        }
        spares.give(self);
        Self::default()
    }

    /// Adds bytes behind the others.
    pub fn push(&mut self, bytes: &[u8], at: At) {
        if !bytes.is_empty() {
            self.bytes.extend_from_slice(bytes);
            self.marks.push((self.bytes.len(), at));
        }
    }

    /// Drops the first bytes.
    fn drop_front(&mut self, used: usize) {
        if used == 0 {
            return;
        }
        self.bytes.drain(..used.min(self.bytes.len()));
        self.marks.retain(|&(end, _)| end > used);
        self.marks.iter_mut().for_each(|(end, _)| *end -= used);
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
