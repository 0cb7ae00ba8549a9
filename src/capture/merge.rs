//! Several inputs as one sequence of packets, by time.
//!
//! An input is opened when its first packet is due, so that a hundred ring-buffer files need one
//! buffer. An input that begins after another has ended goes on at the same capture point: its streams
//! continue. Inputs that overlap in time are capture points of their own.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::capture::Damage;
use crate::capture::buffer::Buffer;
use crate::capture::file::CaptureFile;
use crate::capture::open::{OpenError, Source};
use crate::model::{At, FrameNo, InputNo, Packet, PacketNo, PointNo, Span, Timestamp};

/// An input that may be open already.
pub struct Begun {
    /// Where it comes from.
    pub source: Source,
    /// Its bytes from the first on, where it is open.
    pub reader: Option<Box<dyn Read + Send>>,
    /// Which input it is.
    pub number: InputNo,
    /// What its clock is behind.
    pub offset: Span,
}

/// What comes next.
#[derive(Debug)]
pub enum Next<'a> {
    /// A packet.
    Packet(Packet<'a>),
    /// An input cannot be read on; the others can.
    Damaged(InputNo, Option<At>, Damage),
}

/// An input that has not begun, is being read, or has ended.
struct Input {
    source: Source,
    number: InputNo,
    offset: Span,
    /// Time of its first packet.
    begins: Timestamp,
    /// Open from the start where it cannot be opened again.
    file: Option<CaptureFile>,
}

/// An input being read.
struct Active {
    file: CaptureFile,
    number: InputNo,
    offset: Span,
    point: PointNo,
    frame: u64,
    /// Never before the time of an earlier packet, so that a clock stepping back does not reorder.
    due: Timestamp,
    last: Option<At>,
}

/// All inputs.
pub struct Inputs {
    waiting: Vec<Input>,
    active: Vec<Active>,
    /// Which of `active` holds the packet lent last.
    current: Option<usize>,
    /// Points whose input has ended, the latest last.
    free_points: Vec<PointNo>,
    points: u16,
    packets: PacketNo,
    any: bool,
    read: Arc<AtomicU64>,
    damages: Vec<(InputNo, Option<At>, Damage)>,
    key_logs: Vec<Vec<u8>>,
}

impl Inputs {
    /// Opens all inputs and reads the first packet of each.
    ///
    /// # Errors
    /// Where one cannot be opened or is no capture.
    pub fn open(sources: Vec<Source>) -> Result<Self, OpenError> {
        let begin = |(index, source)| Begun {
            source,
            reader: None,
            number: InputNo::new(index, false),
            offset: Span::default(),
        };
        Self::open_begun(sources.into_iter().enumerate().map(begin).collect(), Arc::default())
    }

    /// The same for inputs of which some are open; `read` counts the bytes that are read.
    ///
    /// # Errors
    /// Where one cannot be opened or is no capture.
    pub fn open_begun(sources: Vec<Begun>, read: Arc<AtomicU64>) -> Result<Self, OpenError> {
        let mut inputs = Self {
            waiting: Vec::new(),
            active: Vec::new(),
            current: None,
            free_points: Vec::new(),
            points: 0,
            packets: PacketNo::FIRST,
            any: false,
            read,
            damages: Vec::new(),
            key_logs: Vec::new(),
        };
        let several = sources.len() > 1;
        for Begun { source, reader, number, offset } in sources {
            let mut file = match reader {
                Some(reader) => CaptureFile::new(&source.to_string(), Buffer::new(reader))?,
                None => inputs.begin(&source)?,
            };
            match file.advance() {
                Ok(true) => {
                    let begins = file.time().unwrap_or_default().after(offset);
                    let reopen = several && source.is_repeatable();
                    let file = if reopen { None } else { Some(file) };
                    inputs.waiting.push(Input { source, number, offset, begins, file });
                }
                Ok(false) => inputs.key_logs.extend(file.take_key_logs()),
                Err(damage) => inputs.damages.push((number, None, damage)),
            }
        }
        if several {
            inputs.read.store(0, Ordering::Relaxed);
        }
        // The next one to begin stands last.
        inputs.waiting.sort_by_key(|input| std::cmp::Reverse((input.begins, input.number)));
        Ok(inputs)
    }

    fn begin(&self, source: &Source) -> Result<CaptureFile, OpenError> {
        let reader = source.open(self.read.clone())?;
        CaptureFile::new(&source.to_string(), Buffer::new(reader))
    }

    /// Bytes read of the files so far.
    pub fn read_bytes(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Key logs found since the last call.
    pub fn take_key_logs(&mut self) -> Vec<Vec<u8>> {
        for file in self.waiting.iter_mut().filter_map(|input| input.file.as_mut()) {
            self.key_logs.extend(file.take_key_logs());
        }
        for active in &mut self.active {
            self.key_logs.extend(active.file.take_key_logs());
        }
        std::mem::take(&mut self.key_logs)
    }

    /// When the next packet of all inputs comes; `None` where none does.
    pub fn due(&mut self) -> Option<Timestamp> {
        if let Some(index) = self.current.take() {
            self.step(index);
        }
        self.activate_due();
        let due = self.active.iter().map(|active| active.due).min();
        if self.damages.is_empty() { due } else { Some(Timestamp::from_nanos(i64::MIN)) }
    }

    /// The next packet of all inputs, or a damage; `None` at the end.
    pub fn advance(&mut self) -> Option<Next<'_>> {
        if let Some(index) = self.current.take() {
            self.step(index);
        }
        if let Some((number, last, damage)) = self.damages.pop() {
            return Some(Next::Damaged(number, last, damage));
        }
        if !self.waiting.is_empty() {
            self.activate_due();
            if let Some((number, last, damage)) = self.damages.pop() {
                return Some(Next::Damaged(number, last, damage));
            }
        }
        let index = match &*self.active {
            [_] => 0,
            active => active.iter().enumerate().min_by_key(|(_, active)| (active.due, active.number))?.0,
        };
        self.current = Some(index);
        let packet_no = if self.any { self.packets.next() } else { PacketNo::FIRST };
        (self.any, self.packets) = (true, packet_no);
        let active = self.active.get_mut(index)?;
        active.frame += 1;
        let record = active.file.record()?;
        let at = At {
            time: record.time.after(active.offset),
            packet: packet_no,
            frame: FrameNo(active.frame),
            input: active.number,
        };
        active.last = Some(at);
        Some(Next::Packet(Packet {
            at,
            point: active.point,
            link: record.link,
            wire_len: record.wire_len,
            data: record.data,
        }))
    }

    /// Moves an input on; ends it where nothing follows.
    fn step(&mut self, index: usize) {
        let Some(active) = self.active.get_mut(index) else { return };
        let ended = match active.file.advance() {
            Ok(true) => {
                active.due = active.due.max(active.file.time().unwrap_or_default().after(active.offset));
                false
            }
            Ok(false) => true,
            Err(damage) => {
                self.damages.push((active.number, active.last, damage));
                true
            }
        };
        if ended {
            let mut active = self.active.remove(index);
            self.key_logs.extend(active.file.take_key_logs());
            self.free_points.push(active.point);
        }
    }

    /// Begins the inputs whose first packet is due.
    fn activate_due(&mut self) {
        while !self.waiting.is_empty() {
            let earliest = self.active.iter().map(|active| active.due).min();
            let due = self.waiting.last().is_some_and(|input| earliest.is_none_or(|earliest| input.begins < earliest));
            let Some(mut input) = self.waiting.pop_if(|_| due) else { return };
            let file = match input.file.take() {
                Some(file) => Ok(file),
                None => self
                    .begin(&input.source)
                    .map_err(|error| error.to_string())
                    .and_then(|mut file| file.advance().map(|_| file).map_err(|damage| damage.to_string())),
            };
            match file {
                Ok(file) => {
                    let point = self.free_points.pop().unwrap_or_else(|| {
                        self.points += 1;
                        PointNo(self.points - 1)
                    });
                    let due = file.time().map_or(input.begins, |time| time.after(input.offset));
                    self.active.push(Active {
                        file,
                        number: input.number,
                        offset: input.offset,
                        point,
                        frame: 0,
                        due,
                        last: None,
                    });
                }
                Err(error) => {
                    let damage = Damage::Read { offset: 0, error: std::io::Error::other(error) };
                    self.damages.push((input.number, None, damage));
                }
            }
        }
    }
}
