//! The file of `-w`: everything that is captured, as pcapng that can be read at any moment.
//!
//! Blocks are handed to the system whole, many at a time, so that a file ends between blocks whenever its writer is
//! killed. Where the disk is full, the file is cut back to its last whole block, and writing is tried again.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp as Instant;
use jiff::tz::TimeZone;

use crate::cli::args::RingKind;
use crate::export::pcapng::{Blocks, Interface, Packet, Statistics};
use crate::model::{Span, Timestamp};

/// When another file begins, and how many are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ring {
    /// Bytes of a file.
    pub bytes: Option<u64>,
    /// Seconds of a file.
    pub seconds: Option<u64>,
    /// Files that are kept.
    pub files: Option<u64>,
}

impl Ring {
    /// What the options say; `None` where there are none. The last of a kind counts.
    pub fn new(options: &[(RingKind, u64)]) -> Option<Self> {
        let last = |kind| options.iter().rev().find(|(one, _)| *one == kind).map(|(_, value)| *value);
        let ring =
            Self { bytes: last(RingKind::FileSize), seconds: last(RingKind::Duration), files: last(RingKind::Files) };
        (!options.is_empty()).then_some(ring)
    }
}

/// What every file says at its beginning.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// The interfaces.
    pub interfaces: Vec<Interface>,
    /// What the user says about the capture.
    pub comment: Option<String>,
    /// Holds secrets: nobody else may read it.
    pub secret: bool,
}

/// Time between two tries to write where writing failed.
const RETRY: Span = Span::from_secs(1);
/// Bytes that are handed to the system at once, at least where so many are there.
const CHUNK: usize = 256 << 10;
/// Bytes of key logs that every file of a ring begins with; the newest count.
const MOST_KEYS: usize = 4 << 20;

/// The file.
pub struct SaveFile {
    path: PathBuf,
    ring: Option<Ring>,
    head: Head,
    keys: Vec<u8>,
    file: Option<File>,
    /// Length of what is whole.
    good: u64,
    began: Timestamp,
    number: u64,
    kept: VecDeque<PathBuf>,
    blocks: Blocks,
    waiting: u64,
    /// Packets that are not in it.
    lost: u64,
    /// When writing failed, and was last tried.
    failed: Option<Timestamp>,
    /// What is to be told.
    news: Vec<String>,
}

impl SaveFile {
    /// Makes the file, or the first of the ring.
    ///
    /// # Errors
    /// What the system says.
    pub fn create(path: &Path, ring: Option<Ring>, head: Head, keys: Vec<u8>, now: Timestamp) -> io::Result<Self> {
        let mut file = Self {
            path: path.to_owned(),
            ring,
            head,
            keys,
            file: None,
            good: 0,
            began: now,
            number: 0,
            kept: VecDeque::new(),
            blocks: Blocks::default(),
            waiting: 0,
            lost: 0,
            failed: None,
            news: Vec::new(),
        };
        file.open(now)?;
        Ok(file)
    }

    /// Packets that could not be written.
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// What happened to the file since the last call.
    pub fn take_news(&mut self) -> Vec<String> {
        std::mem::take(&mut self.news)
    }

    /// Begins the next file.
    fn open(&mut self, now: Timestamp) -> io::Result<()> {
        let path = if self.ring.is_some() { self.next_name(now) } else { self.path.clone() };
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        if self.head.secret {
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        let mut file = options.open(&path)?;
        let mut blocks = Blocks::default();
        let application = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
        blocks.section(application, std::env::consts::OS, self.head.comment.as_deref());
        self.head.interfaces.iter().for_each(|interface| blocks.interface(interface));
        if !self.keys.is_empty() {
            blocks.key_log(&self.keys);
        }
        file.write_all(blocks.bytes())?;
        self.good = blocks.bytes().len() as u64;
        (self.file, self.began) = (Some(file), now);
        if let Some(ring) = self.ring {
            self.kept.push_back(path);
            self.remove_oldest(ring);
        }
        Ok(())
    }

    /// `trace_00001_20261123072737.pcapng` for `trace.pcapng`, as dumpcap has it.
    fn next_name(&mut self, now: Timestamp) -> PathBuf {
        self.number += 1;
        let instant = Instant::from_nanosecond(i128::from(now.as_nanos())).unwrap_or_default();
        let time = instant.to_zoned(TimeZone::UTC).strftime("%Y%m%d%H%M%S").to_string();
        let part = |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned());
        let stem = part(self.path.file_stem()).unwrap_or_default();
        let extension = part(self.path.extension()).map(|text| format!(".{text}")).unwrap_or_default();
        self.path.with_file_name(format!("{stem}_{:05}_{time}{extension}", self.number))
    }

    fn remove_oldest(&mut self, ring: Ring) {
        let most = ring.files.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
        while self.kept.len() > most {
            let Some(oldest) = self.kept.pop_front() else { break };
            if let Err(error) = fs::remove_file(&oldest) {
                self.news.push(format!("{}: {error}", oldest.display()));
            }
        }
        // Where all are kept, their names need not be.
        if ring.files.is_none() {
            self.kept.clear();
        }
    }

    /// Takes a packet. It is in the file after [`SaveFile::flush`].
    pub fn packet(&mut self, packet: &Packet<'_>) {
        let full = self.good + self.blocks.bytes().len() as u64;
        let ring = self.ring.unwrap_or_default();
        let aged = ring.seconds.is_some_and(|seconds| {
            packet.time.since(self.began) >= Span::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX))
        });
        if ring.bytes.is_some_and(|bytes| full >= bytes) || aged {
            self.flush(packet.time);
            if let Err(error) = self.open(packet.time) {
                self.fail(&error, packet.time);
            }
        }
        self.blocks.packet(packet);
        self.waiting += 1;
        if self.blocks.bytes().len() >= CHUNK {
            self.flush(packet.time);
        }
    }

    /// Takes lines of key logs.
    pub fn key_log(&mut self, lines: &[u8]) {
        self.blocks.key_log(lines);
        if self.ring.is_some() {
            self.keys.extend_from_slice(lines);
            let surplus = self.keys.len().saturating_sub(MOST_KEYS);
            let whole = self.keys.iter().skip(surplus).position(|&byte| byte == b'\n').map_or(0, |place| place + 1);
            if surplus > 0 {
                self.keys.drain(..surplus + whole);
            }
        }
    }

    /// Hands on what was taken.
    pub fn flush(&mut self, now: Timestamp) {
        if self.blocks.bytes().is_empty() {
            return;
        }
        if self.failed.is_some_and(|failed| now.since(failed) < RETRY && now >= failed) {
            self.lost += self.waiting;
        } else if let Err(error) = self.write(now) {
            self.fail(&error, now);
            self.write_what_fits();
            self.lost += self.waiting;
        } else if self.failed.take().is_some() {
            let (path, lost) = (self.path.display(), self.lost);
            self.news.push(format!("{path}: written again; {lost} packets are not in it"));
        }
        self.blocks.clear();
        self.waiting = 0;
    }

    fn write(&mut self, now: Timestamp) -> io::Result<()> {
        if self.file.is_none() {
            self.open(now)?;
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(self.blocks.bytes())?;
        self.good += self.blocks.bytes().len() as u64;
        Ok(())
    }

    /// Writes block by block until no more fit.
    fn write_what_fits(&mut self) {
        let Some(file) = &mut self.file else { return };
        for (block, is_packet) in self.blocks.each() {
            if file.write_all(block).is_err() {
                break;
            }
            self.good += block.len() as u64;
            self.waiting -= u64::from(is_packet);
        }
        self.cut_back();
    }

    /// Cuts the file back to what is whole.
    fn cut_back(&mut self) {
        if let Some(file) = &mut self.file {
            let _ = file.set_len(self.good).and_then(|()| file.seek(SeekFrom::Start(self.good)));
        }
    }

    fn fail(&mut self, error: &io::Error, now: Timestamp) {
        self.cut_back();
        if self.failed.replace(now).is_none() {
            let path = self.path.display();
            self.news.push(format!("{path}: {error}; capturing goes on, what fits no more is not in the file"));
        }
    }

    /// Writes what was captured and dropped on each interface, and ends.
    pub fn finish(&mut self, now: Timestamp, statistics: &[Statistics]) {
        for (number, statistics) in statistics.iter().enumerate() {
            self.blocks.statistics(u32::try_from(number).unwrap_or(u32::MAX), now, statistics);
        }
        self.failed = self.failed.map(|_| Timestamp::from_nanos(0)); // a last try
        self.flush(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(data: &[u8], seconds: i64) -> Packet<'_> {
        let time = Timestamp::new(seconds, 0);
        Packet { interface: 0, time, wire_len: 60, data, drops: 0, comment: None }
    }

    #[test]
    fn a_ring_keeps_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace.pcapng");
        let ring = Ring::new(&[(RingKind::FileSize, 1000), (RingKind::Files, 2)]);
        let mut file = SaveFile::create(&path, ring, Head::default(), Vec::new(), Timestamp::new(0, 0)).unwrap();
        for second in 0..40 {
            file.packet(&packet(&[7; 100], second));
        }
        file.finish(Timestamp::new(40, 0), &[]);
        let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names.len(), 2);
        // 36 bytes of header and 132 a packet: the eighth packet finds 960 bytes, the ninth begins the next file.
        assert!(names.iter().all(|name| name.to_str().unwrap().starts_with("trace_0000")), "{names:?}");
        assert_eq!(file.lost(), 0);
        assert_eq!(Ring::new(&[]), None);
    }

    #[test]
    fn time_begins_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        let ring = Ring::new(&[(RingKind::Duration, 10)]);
        let mut file = SaveFile::create(&path, ring, Head::default(), Vec::new(), Timestamp::new(0, 0)).unwrap();
        for second in [0, 9, 10, 19, 20] {
            file.packet(&packet(b"x", second));
        }
        file.finish(Timestamp::new(20, 0), &[]);
        assert!(folder.path().join("t_00001_19700101000000").exists());
        assert!(folder.path().join("t_00003_19700101000020").exists());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_once_and_counted() {
        let mut file =
            SaveFile::create(Path::new("/dev/null"), None, Head::default(), Vec::new(), Timestamp::new(0, 0)).unwrap();
        file.file = Some(OpenOptions::new().write(true).open("/dev/full").unwrap());
        for second in 0..5 {
            file.packet(&packet(b"x", second));
            file.flush(Timestamp::new(second, 0));
        }
        assert_eq!(file.lost(), 5);
        assert_eq!(file.take_news().len(), 1);
        file.file = Some(OpenOptions::new().write(true).open("/dev/null").unwrap());
        file.packet(&packet(b"x", 9));
        file.flush(Timestamp::new(9, 0));
        assert_eq!((file.lost(), file.take_news().len()), (5, 1), "there is room again");
    }
}
