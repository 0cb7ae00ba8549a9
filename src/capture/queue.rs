//! Packets between threads: taken in by one, taken out in batches by another.
//!
//! Bounded in packets and bytes. What does not fit is dropped and counted: whoever takes in never waits for whoever
//! takes out. Two buffers change places, so that neither allocates while packets come.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::Timestamp;

/// A packet in a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queued {
    /// Capture time.
    pub time: Timestamp,
    /// Which of the interfaces, counted from 0.
    pub interface: u16,
    /// Length on the wire in bytes.
    pub wire_len: u32,
    /// Position among the packets of all interfaces, counted from 1; 0 while it has none.
    pub frame: u64,
    start: usize,
    length: usize,
}

impl Queued {
    /// A packet of an interface that has no number.
    pub const fn new(time: Timestamp, interface: u16, wire_len: u32) -> Self {
        Self { time, interface, wire_len, frame: 0, start: 0, length: 0 }
    }

    /// The same with its number.
    #[must_use]
    pub const fn numbered(self, frame: u64) -> Self {
        Self { frame, ..self }
    }
}

/// Packets, one behind the other.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    packets: Vec<Queued>,
}

/// Room of an emptied batch that is kept whatever it was used for.
const KEPT_ROOM: usize = 1 << 20;

impl Batch {
    /// Adds a packet.
    pub fn push(&mut self, packet: Queued, data: &[u8]) {
        let (start, length) = (self.bytes.len(), data.len());
        self.bytes.extend_from_slice(data);
        self.packets.push(Queued { start, length, ..packet });
    }

    /// The packets, each with its bytes.
    pub fn packets(&self) -> impl Iterator<Item = (&Queued, &[u8])> {
        self.packets.iter().map(|packet| (packet, self.data(packet)))
    }

    fn data(&self, packet: &Queued) -> &[u8] {
        self.bytes.get(packet.start..packet.start + packet.length).unwrap_or_default()
    }

    /// How many packets there are.
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Puts packets in the order of their time; those of one time keep theirs.
    pub fn sort(&mut self) {
        self.packets.sort_by_key(|packet| packet.time);
    }

    /// Forgets the packets. Room that a burst needed is given back when a batch needs less.
    pub fn clear(&mut self) {
        if self.bytes.capacity() > KEPT_ROOM && self.bytes.len() < self.bytes.capacity() / 4 {
            self.bytes.shrink_to(self.bytes.len().max(KEPT_ROOM));
            self.packets.shrink_to(self.packets.len());
        }
        self.bytes.clear();
        self.packets.clear();
    }
}

#[derive(Debug, Default)]
struct State {
    batch: Batch,
    /// Packets that did not fit since the last batch was taken, by interface.
    dropped: Vec<(u16, u64)>,
    /// How many still put packets in.
    sources: usize,
    /// Sources that ended, and why where it was not asked for.
    ended: Vec<(u16, Option<String>)>,
}

/// The queue.
#[derive(Debug)]
pub struct Queue {
    state: Mutex<State>,
    came: Condvar,
    most_bytes: usize,
}

/// What came out of the queue besides packets.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Packets that did not fit, by interface.
    pub dropped: Vec<(u16, u64)>,
    /// Sources that ended, and why where it was not asked for.
    pub ended: Vec<(u16, Option<String>)>,
    /// Nothing follows.
    pub is_over: bool,
}

impl Queue {
    /// A queue that `sources` put packets in, holding about `most_bytes`.
    pub fn new(sources: usize, most_bytes: usize) -> Self {
        let state = Mutex::new(State { sources, ..State::default() });
        Self { state, came: Condvar::new(), most_bytes }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the queue for packets; they are seen on the other side when this goes.
    pub fn fill(&self) -> Filling<'_> {
        Filling { queue: self, state: Some(self.lock()) }
    }

    /// A source ended, and why where it was not asked for.
    pub fn end(&self, interface: u16, why: Option<String>) {
        let mut state = self.lock();
        state.sources = state.sources.saturating_sub(1);
        state.ended.push((interface, why));
        drop(state);
        self.came.notify_one();
    }

    /// Takes all packets that are there into an empty batch; waits at most so long for the first.
    pub fn take(&self, batch: &mut Batch, patience: Duration) -> Taken {
        batch.clear();
        let waits = |state: &mut State| state.batch.is_empty() && state.ended.is_empty() && state.sources > 0;
        let waited = self.came.wait_timeout_while(self.lock(), patience, waits);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut state.batch, batch);
        let (dropped, ended) = (std::mem::take(&mut state.dropped), std::mem::take(&mut state.ended));
        Taken { dropped, ended, is_over: state.sources == 0 }
    }
}

/// Room of a packet besides its bytes.
const OVERHEAD: usize = size_of::<Queued>();

/// The queue, open for packets.
#[derive(Debug)]
pub struct Filling<'a> {
    queue: &'a Queue,
    state: Option<MutexGuard<'a, State>>,
}

impl Filling<'_> {
    /// Adds a packet; `false` where it did not fit and was dropped.
    pub fn push(&mut self, packet: Queued, data: &[u8]) -> bool {
        let Some(state) = &mut self.state else { return false };
        let used = state.batch.bytes.len() + state.batch.packets.len() * OVERHEAD;
        if used + data.len() + OVERHEAD > self.queue.most_bytes {
            match state.dropped.iter_mut().find(|(interface, _)| *interface == packet.interface) {
                Some((_, count)) => *count += 1,
                None => state.dropped.push((packet.interface, 1)),
            }
            return false;
        }
        state.batch.push(packet, data);
        true
    }
}

impl Drop for Filling<'_> {
    fn drop(&mut self) {
        self.state = None; // unlocked before the other side wakes
        self.queue.came.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(interface: u16, nanos: i64) -> Queued {
        Queued::new(Timestamp::from_nanos(nanos), interface, 3)
    }

    #[test]
    fn packets_come_out_as_they_went_in() {
        let queue = Queue::new(1, 1 << 16);
        let mut batch = Batch::default();
        assert_eq!(queue.take(&mut batch, Duration::ZERO), Taken::default());
        queue.fill().push(packet(0, 2), b"abc");
        queue.fill().push(packet(1, 1), b"");
        queue.take(&mut batch, Duration::ZERO);
        let seen: Vec<_> = batch.packets().map(|(packet, data)| (packet.interface, data)).collect();
        assert_eq!(seen, [(0, &b"abc"[..]), (1, b"")]);
        batch.sort();
        assert_eq!(batch.packets().next().unwrap().0.interface, 1);
        queue.end(0, Some("gone".to_owned()));
        let taken = queue.take(&mut batch, Duration::from_secs(60));
        assert!(taken.is_over && batch.is_empty());
        assert_eq!(taken.ended, [(0, Some("gone".to_owned()))]);
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let queue = Queue::new(1, 4 * (OVERHEAD + 100));
        for number in 0..10 {
            assert_eq!(queue.fill().push(packet(7, number), &[0; 100]), number < 4);
        }
        let mut batch = Batch::default();
        assert_eq!(queue.take(&mut batch, Duration::ZERO).dropped, [(7, 6)]);
        assert_eq!(batch.len(), 4);
        assert!(queue.fill().push(packet(7, 11), &[0; 100]), "there is room again");
    }

    #[test]
    fn a_sleeping_taker_is_woken() {
        let queue = Queue::new(1, 1 << 16);
        std::thread::scope(|scope| {
            let taker = scope.spawn(|| {
                let mut batch = Batch::default();
                while batch.is_empty() {
                    queue.take(&mut batch, Duration::from_secs(60));
                }
                batch.len()
            });
            queue.fill().push(packet(0, 1), b"x");
            assert_eq!(taker.join().unwrap(), 1);
        });
    }
}
