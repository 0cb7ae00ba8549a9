//! Between capturing and decoding: packets are put in order, numbered and written to the file of `-w`.
//!
//! Its own thread. Decoding gets what its queue has room for; the file gets everything.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::capture::live::{Counts, now};
use crate::capture::queue::{Batch, Queue, Queued};
use crate::cli::live::save_file::SaveFile;
use crate::cli::output;
use crate::export::pcapng::{Packet, Statistics};
use crate::model::{Span, Timestamp};

/// How long packets of several interfaces are held, so that they can be put in order: the system gathers those of
/// each for a twentieth of a second.
const HELD: Span = Span::from_millis(200);
/// How long it waits for packets before it looks at everything else.
const PATIENCE: Duration = Duration::from_millis(100);

/// When capturing ends by itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Until {
    /// Packets.
    pub packets: Option<u64>,
    /// Bytes, as they are written.
    pub bytes: Option<u64>,
    /// Seconds.
    pub seconds: Option<u64>,
}

/// What the collector and the rest of the program tell each other.
#[derive(Debug, Default)]
pub struct Shared {
    /// Capturing is to end.
    pub stop: AtomicBool,
    /// Packets that were captured.
    pub packets: AtomicU64,
    /// Packets dropped between capturing and the collector.
    pub queue_drops: AtomicU64,
    /// Packets that decoding had no room for.
    pub not_decoded: AtomicU64,
    /// Packets that are not in the file.
    pub unwritten: AtomicU64,
    /// Lines of key logs for the file.
    pub keys: Mutex<Vec<u8>>,
    /// Interfaces that ended by themselves, and why.
    pub ended: Mutex<Vec<(u16, String)>>,
}

impl Shared {
    /// Interfaces that ended by themselves since the last call.
    pub fn take_ended(&self) -> Vec<(u16, String)> {
        std::mem::take(&mut *self.ended.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Hands lines of key logs to the file.
    pub fn write_keys(&self, lines: &[u8]) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(lines);
    }
}

/// Bytes that a packet takes in the file besides its own.
const BLOCK: u64 = 32;

/// The collector.
pub struct Collector {
    /// Where packets come from.
    pub captured: Arc<Queue>,
    /// Where they go.
    pub decoding: Arc<Queue>,
    /// Counts of each interface.
    pub counts: Vec<Arc<Counts>>,
    /// The file.
    pub file: Option<SaveFile>,
    /// When it ends by itself.
    pub until: Until,
    /// What is told to and fro.
    pub shared: Arc<Shared>,
    /// When capturing began.
    pub began: Timestamp,
}

/// What it knows while it runs.
#[derive(Default)]
struct Progress {
    frame: u64,
    bytes: u64,
    /// Drops of each interface that no packet in the file tells yet, and all of them.
    drops: Vec<(u64, u64)>,
    /// The system's drops that were seen.
    seen: Vec<u64>,
    latest: Option<Timestamp>,
}

impl Collector {
    /// Runs until all interfaces have ended.
    pub fn run(mut self) {
        let count = self.counts.len();
        let mut progress = Progress { drops: vec![(0, 0); count], seen: vec![0; count], ..Progress::default() };
        let (mut batch, mut held) = (Batch::default(), Batch::default());
        loop {
            let taken = self.captured.take(&mut batch, PATIENCE);
            self.note_drops(&taken.dropped, &mut progress);
            if count > 1 {
                held = self.in_order(&held, &batch, taken.is_over, &mut progress);
            } else {
                self.pass_on(batch.packets(), &mut progress);
            }
            self.write(now());
            let ended = taken.ended.into_iter().filter_map(|(interface, why)| Some((interface, why?)));
            self.shared.ended.lock().unwrap_or_else(PoisonError::into_inner).extend(ended);
            self.look_at_clock();
            if taken.is_over && batch.is_empty() {
                break;
            }
        }
        self.finish(&progress);
    }

    /// Passes on what nothing can come before any more; returns the rest.
    fn in_order(&mut self, held: &Batch, batch: &Batch, all: bool, progress: &mut Progress) -> Batch {
        let (mut ready, mut rest) = (Batch::default(), Batch::default());
        let now = now();
        for (packet, data) in held.packets().chain(batch.packets()) {
            // A packet from the future would be held for ever.
            let age = now.since(packet.time);
            let waits = !all && age < HELD && age > Span::from_nanos(-HELD.as_nanos());
            if waits { &mut rest } else { &mut ready }.push(*packet, data);
        }
        ready.sort();
        self.pass_on(ready.packets(), progress);
        rest
    }

    fn pass_on<'a>(&mut self, packets: impl Iterator<Item = (&'a Queued, &'a [u8])>, progress: &mut Progress) {
        let mut filling = None;
        let (mut passed, mut refused) = (0, 0);
        for (packet, data) in packets {
            if self.until.packets.is_some_and(|most| progress.frame >= most)
                || self.until.bytes.is_some_and(|most| progress.bytes >= most)
            {
                self.shared.stop.store(true, Ordering::Relaxed);
                break;
            }
            progress.frame += 1;
            progress.bytes += BLOCK + data.len().next_multiple_of(4) as u64;
            progress.latest = progress.latest.max(Some(packet.time));
            if let Some(file) = &mut self.file {
                let drops = progress.drops.get_mut(usize::from(packet.interface));
                let drops = drops.map(|(fresh, _)| std::mem::take(fresh)).unwrap_or_default();
                file.packet(&Packet {
                    interface: u32::from(packet.interface),
                    time: packet.time,
                    wire_len: packet.wire_len,
                    data,
                    drops,
                    comment: None,
                });
            }
            let filling = filling.get_or_insert_with(|| self.decoding.fill());
            refused += u64::from(!filling.push(packet.numbered(progress.frame), data));
            passed += 1;
        }
        self.shared.packets.fetch_add(passed, Ordering::Relaxed);
        self.shared.not_decoded.fetch_add(refused, Ordering::Relaxed);
        if self.until.packets.is_some_and(|most| progress.frame >= most) {
            self.shared.stop.store(true, Ordering::Relaxed);
        }
    }

    /// Adds up what was dropped: here, and by the system.
    fn note_drops(&self, dropped: &[(u16, u64)], progress: &mut Progress) {
        for &(interface, count) in dropped {
            self.shared.queue_drops.fetch_add(count, Ordering::Relaxed);
            if let Some((fresh, all)) = progress.drops.get_mut(usize::from(interface)) {
                *fresh += count;
                *all += count;
            }
        }
        let counted = self.counts.iter().zip(&mut progress.seen).zip(&mut progress.drops);
        for ((counts, seen), (fresh, all)) in counted {
            let drops = counts.system_drops.load(Ordering::Relaxed);
            let more = drops.saturating_sub(std::mem::replace(seen, drops));
            *fresh += more;
            *all += more;
        }
    }

    fn write(&mut self, now: Timestamp) {
        let Some(file) = &mut self.file else { return };
        let keys = std::mem::take(&mut *self.shared.keys.lock().unwrap_or_else(PoisonError::into_inner));
        if !keys.is_empty() {
            file.key_log(&keys);
        }
        file.flush(now);
        self.shared.unwritten.store(file.lost(), Ordering::Relaxed);
        file.take_news().iter().for_each(|news| output::complain(news));
    }

    fn look_at_clock(&self) {
        let over =
            |seconds: u64| now().since(self.began) >= Span::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        if self.until.seconds.is_some_and(over) {
            self.shared.stop.store(true, Ordering::Relaxed);
        }
    }

    fn finish(&mut self, progress: &Progress) {
        let ended = progress.latest.unwrap_or(self.began);
        if let Some(file) = &mut self.file {
            let statistics = self.counts.iter().zip(&progress.drops).map(|(counts, (_, drops))| Statistics {
                span: Some((self.began, ended)),
                received: counts.received.load(Ordering::Relaxed),
                interface_drops: counts.interface_drops.load(Ordering::Relaxed),
                system_drops: *drops,
            });
            file.finish(ended, &statistics.collect::<Vec<_>>());
        }
        self.write(ended);
        self.decoding.end(0, None);
    }
}
