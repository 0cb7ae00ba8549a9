//! Places for flows, numbered, with the flows of each kind in the order of their last packet.

use crate::model::{FlowSlot, Timestamp};

/// How long a flow may stay idle is decided by its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A SYN without an answer so far.
    Connecting,
    /// Ended, a datagram flow, or one that nothing asks for and that carried nothing.
    Transient,
    /// A connection that may stay silent for hours.
    Lasting,
    /// Bytes wait for earlier ones.
    Waiting,
}

const KINDS: usize = 4;
const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Entry<T> {
    value: Option<T>,
    kind: Kind,
    touched: Timestamp,
    before: u32,
    after: u32,
}

#[derive(Clone, Copy, Debug)]
struct List {
    oldest: u32,
    newest: u32,
}

/// Values at numbered places, linked by age.
#[derive(Debug)]
pub struct Slab<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
    lists: [List; KINDS],
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), free: Vec::new(), lists: [List { oldest: NONE, newest: NONE }; KINDS] }
    }
}

impl<T> Slab<T> {
    /// How many values there are.
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts a value in as the newest of its kind.
    pub fn insert(&mut self, value: T, kind: Kind, now: Timestamp) -> FlowSlot {
        let entry = Entry { value: Some(value), kind, touched: now, before: NONE, after: NONE };
        let index = match self.free.pop() {
            Some(index) => {
                if let Some(place) = self.entries.get_mut(index as usize) {
                    *place = entry;
                }
                index
            }
            None => {
                self.entries.push(entry);
                u32::try_from(self.entries.len() - 1).unwrap_or(NONE - 1)
            }
        };
        self.link(index, kind);
        FlowSlot(index)
    }

    /// The value at a place.
    pub fn get_mut(&mut self, slot: FlowSlot) -> Option<&mut T> {
        self.entries.get_mut(slot.0 as usize)?.value.as_mut()
    }

    /// Makes a value the newest of `kind`, which may be another than before.
    pub fn touch(&mut self, slot: FlowSlot, kind: Kind, now: Timestamp) {
        let Some(entry) = self.entries.get_mut(slot.0 as usize).filter(|entry| entry.value.is_some()) else { return };
        entry.touched = now;
        if entry.kind == kind && self.list(kind).newest == slot.0 {
            return;
        }
        self.unlink(slot.0);
        self.link(slot.0, kind);
    }

    /// The value of that kind that was not touched for longest, and when it was.
    pub fn oldest(&self, kind: Kind) -> Option<(FlowSlot, Timestamp)> {
        let index = self.list(kind).oldest;
        self.entries.get(index as usize).map(|entry| (FlowSlot(index), entry.touched))
    }

    /// Takes a value out; its place may be used again.
    pub fn remove(&mut self, slot: FlowSlot) -> Option<T> {
        let value = self.entries.get_mut(slot.0 as usize)?.value.take()?;
        self.unlink(slot.0);
        self.free.push(slot.0);
        Some(value)
    }

    /// Any place that is in use, for emptying.
    pub fn any(&self) -> Option<FlowSlot> {
        [Kind::Connecting, Kind::Transient, Kind::Lasting, Kind::Waiting]
            .into_iter()
            .find_map(|kind| Some(self.oldest(kind)?.0))
    }

    fn list(&self, kind: Kind) -> List {
        self.lists.get(kind as usize).copied().unwrap_or(List { oldest: NONE, newest: NONE })
    }

    fn link(&mut self, index: u32, kind: Kind) {
        let newest = self.list(kind).newest;
        if let Some(entry) = self.entries.get_mut(index as usize) {
            (entry.kind, entry.before, entry.after) = (kind, newest, NONE);
        }
        if let Some(before) = self.entries.get_mut(newest as usize) {
            before.after = index;
        }
        if let Some(list) = self.lists.get_mut(kind as usize) {
            list.newest = index;
            if list.oldest == NONE {
                list.oldest = index;
            }
        }
    }

    fn unlink(&mut self, index: u32) {
        let Some(entry) = self.entries.get(index as usize) else { return };
        let (kind, before, after) = (entry.kind, entry.before, entry.after);
        if let Some(entry) = self.entries.get_mut(before as usize) {
            entry.after = after;
        }
        if let Some(entry) = self.entries.get_mut(after as usize) {
            entry.before = before;
        }
        if let Some(list) = self.lists.get_mut(kind as usize) {
            if list.oldest == index {
                list.oldest = after;
            }
            if list.newest == index {
                list.newest = before;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::new(seconds, 0)
    }

    fn order(slab: &mut Slab<char>, kind: Kind) -> String {
        let mut text = String::new();
        while let Some((slot, _)) = slab.oldest(kind) {
            text.push(slab.remove(slot).unwrap());
        }
        text
    }

    #[test]
    fn the_one_idle_for_longest_comes_first() {
        let mut slab = Slab::default();
        let places = ['a', 'b', 'c', 'd'].map(|value| slab.insert(value, Kind::Lasting, at(0)));
        slab.touch(places[0], Kind::Lasting, at(1));
        slab.touch(places[2], Kind::Transient, at(2));
        slab.touch(places[3], Kind::Lasting, at(3));
        slab.remove(places[1]);
        assert_eq!(slab.oldest(Kind::Transient), Some((places[2], at(2))));
        let again = slab.insert('e', Kind::Lasting, at(4));
        assert_eq!(again, places[1], "a place is used again");
        assert_eq!(slab.len(), 4);
        assert_eq!(order(&mut slab, Kind::Lasting), "ade");
        assert_eq!(order(&mut slab, Kind::Transient), "c");
        assert!(slab.is_empty() && slab.any().is_none());
    }
}
