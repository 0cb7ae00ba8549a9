//! Reads pcap and pcapng from a stream of bytes, packet by packet.

use std::ops::Range;

use crate::capture::Damage;
use crate::capture::buffer::Buffer;
use crate::capture::open::{OpenError, what_it_is};
use crate::model::{LinkType, Timestamp};
use crate::wire::pcap::{self, ByteOrder, FileHeader};
use crate::wire::pcapng::{self, Block, Interface};

/// One packet as the file has it.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Capture time.
    pub time: Timestamp,
    /// Link type.
    pub link: LinkType,
    /// Length on the wire in bytes.
    pub wire_len: u32,
    /// The captured bytes.
    pub data: &'a [u8],
}

enum Format {
    Pcap(FileHeader),
    Pcapng { order: ByteOrder, interfaces: Vec<Interface> },
}

/// Where the current packet lies in the window.
struct Current {
    time: Timestamp,
    link: LinkType,
    wire_len: u32,
    data: Range<usize>,
}

/// A capture being read.
pub struct CaptureFile {
    buffer: Buffer,
    format: Format,
    /// The current packet, or the one before the end.
    current: Current,
    /// How much of the window the current packet takes; 0 where there is none.
    used: usize,
    key_logs: Vec<Vec<u8>>,
}

/// Whether bytes begin a capture.
pub fn is_capture(head: &[u8]) -> bool {
    pcap::file_header(head).is_some() || head.starts_with(&pcapng::SECTION_HEADER.to_be_bytes())
}

/// Most interfaces of a section that are believed.
const MOST_INTERFACES: usize = 65_536;

impl CaptureFile {
    /// Reads the beginning; `name` is for the error.
    ///
    /// # Errors
    /// Where it is no capture.
    pub fn new(name: &str, mut buffer: Buffer) -> Result<Self, OpenError> {
        buffer.fill(pcap::FILE_HEADER).map_err(|error| OpenError::Io { source_name: name.to_owned(), error })?;
        let window = buffer.window();
        let format = if let Some(header) = pcap::file_header(window) {
            buffer.consume(pcap::FILE_HEADER);
            Format::Pcap(header)
        } else if window.starts_with(&pcapng::SECTION_HEADER.to_be_bytes()) {
            Format::Pcapng { order: ByteOrder::Little, interfaces: Vec::new() }
        } else {
            let what = what_it_is(window).to_owned();
            return Err(OpenError::NotACapture { source_name: name.to_owned(), what });
        };
        let current = Current { time: Timestamp::from_nanos(0), link: LinkType(u16::MAX), wire_len: 0, data: 0..0 };
        Ok(Self { buffer, format, current, used: 0, key_logs: Vec::new() })
    }

    /// Moves on to the next packet; `false` at the end.
    ///
    /// # Errors
    /// Where the file cannot be read on. Nothing follows a damage.
    pub fn advance(&mut self) -> Result<bool, Damage> {
        self.buffer.consume(std::mem::take(&mut self.used));
        match &self.format {
            Format::Pcap(header) => {
                let header = *header;
                self.next_record(&header)?;
            }
            Format::Pcapng { .. } => self.next_block()?,
        }
        Ok(self.used > 0)
    }

    /// The current packet.
    pub fn record(&self) -> Option<Record<'_>> {
        let Current { time, link, wire_len, data } = &self.current;
        let data = self.buffer.window().get(data.clone()).filter(|_| self.used > 0)?;
        Some(Record { time: *time, link: *link, wire_len: *wire_len, data })
    }

    /// Time of the current packet.
    pub fn time(&self) -> Option<Timestamp> {
        (self.used > 0).then_some(self.current.time)
    }

    /// Whether the format has a place for key logs.
    pub const fn can_hold_secrets(&self) -> bool {
        matches!(self.format, Format::Pcapng { .. })
    }

    /// Key logs found since the last call (pcapng decryption secrets blocks).
    pub fn take_key_logs(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.key_logs)
    }

    /// Makes sure of `need` bytes; `false` at the end of the file.
    fn need(&mut self, need: usize) -> Result<bool, Damage> {
        if self.buffer.window().len() >= need {
            return Ok(true); // as nearly always
        }
        let offset = self.buffer.offset();
        self.buffer.fill(need).map_err(|error| Damage::Read { offset, error })?;
        let have = self.buffer.window().len();
        if have >= need {
            Ok(true)
        } else if have == 0 {
            Ok(false)
        } else {
            Err(Damage::CutOff { offset })
        }
    }

    fn next_record(&mut self, file: &FileHeader) -> Result<(), Damage> {
        if !self.need(file.record_header)? {
            return Ok(());
        }
        let header = pcap::record_header(file, self.buffer.window())
            .map_err(|defect| Damage::Defect { offset: self.buffer.offset(), defect })?;
        let used = file.record_header + header.captured;
        self.need(used)?;
        let data = file.record_header..used;
        self.current = Current { time: header.time, link: file.link, wire_len: header.wire_len, data };
        self.used = used;
        Ok(())
    }

    fn next_block(&mut self) -> Result<(), Damage> {
        loop {
            if !self.need(12)? {
                return Ok(());
            }
            let offset = self.buffer.offset();
            let damage = |defect| Damage::Defect { offset, defect };
            let Format::Pcapng { order, .. } = &self.format else { return Ok(()) };
            let Some(header) = pcapng::block_header(self.buffer.window(), *order) else { return Ok(()) };
            let (kind, length, block_order) = header.map_err(damage)?;
            self.need(length)?;
            let Format::Pcapng { order, interfaces } = &mut self.format else { return Ok(()) };
            if kind == pcapng::SECTION_HEADER {
                *order = block_order;
                interfaces.clear();
            }
            let window = self.buffer.window();
            let bytes = window.get(..length).unwrap_or_default();
            match pcapng::block(bytes, kind, *order, interfaces).map_err(damage)? {
                Block::Packet(packet) => {
                    let start = (packet.data.as_ptr() as usize).saturating_sub(window.as_ptr() as usize);
                    let interface = interfaces.get(packet.interface as usize);
                    let link = interface.map_or(LinkType(u16::MAX), |interface| interface.link);
                    self.current = Current {
                        // Where a packet has none, that of the one before.
                        time: packet.time.unwrap_or(self.current.time),
                        link,
                        wire_len: packet.wire_len,
                        data: start..start + packet.data.len(),
                    };
                    self.used = length;
                    return Ok(());
                }
                Block::Interface(interface) if interfaces.len() < MOST_INTERFACES => interfaces.push(interface),
                Block::KeyLog(lines) => self.key_logs.push(lines.to_vec()),
                Block::Interface(_) | Block::Other => {}
            }
            self.buffer.consume(length);
        }
    }
}
