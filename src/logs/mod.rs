//! Trace logs to observations: what clients (`.uccapilog`) and servers (`OCSLogger`, Centralized Logging) write.
//!
//! In: bytes of a log. Out: records with the time that is written in them, and, once conversations are told
//! apart, observations as the decoders of packets tell them. What a file is, its content tells, never its name.
//! Memory is constant whatever the size. Wording that is not documented is read with tolerance; a record that
//! cannot be understood is counted, never an error.

mod block;
mod conversations;
mod event;
mod lines;
mod merge;
mod message;
mod prefix;
mod reader;
mod utf16;
mod zone;

pub use event::{Ends, Peer};
pub use merge::{LogInput, Logs};
pub use prefix::Civil;
pub use reader::{LogReader, Next, Record, What};
pub use utf16::Encoding;
pub use zone::Zone;

use memchr::memchr;

use crate::wire::pcap::file_header;
use crate::wire::pcapng;

/// Which kind of log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// A client's `.uccapilog`.
    Client,
    /// Text of `OCSLogger`, as Snooper reads it.
    OcsLogger,
    /// The same from Centralized Logging, of several servers.
    Centralized,
    /// A binary event trace, which cannot be read.
    Etl,
}

impl Format {
    /// What to do with a file that is recognised and cannot be read.
    pub const fn advice(self) -> Option<&'static str> {
        match self {
            Self::Etl => Some(
                "a binary event trace (ETL); convert it to text first: OCSLogger's \"Analyze Log Files\" or \
                 Search-CsClsLogging on the server; of a client take the .uccapilog beside it",
            ),
            Self::Client | Self::OcsLogger | Self::Centralized => None,
        }
    }
}

/// What the beginning of a log tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// Which kind it is.
    pub format: Format,
    /// How its characters are written.
    pub encoding: Encoding,
    /// The time of the first record that begins in it; `None` of a binary trace.
    pub time: Option<Civil>,
    /// It begins in the middle of a record.
    pub inside: bool,
}

/// Bytes of a file to look at: a file that begins in the middle of a record may show its first prefix late.
pub const HEAD: usize = 256 << 10;
/// Most lines before the first prefix of a file that begins in the middle of a record of unknown kind.
const MOST_LINES: usize = 64;
/// Prefixes that must follow in such a file.
const LEAST_PREFIXES: usize = 3;

/// Which kind of log begins with these bytes, up to [`HEAD`] of them; `None` where it is none.
pub fn recognise(head: &[u8]) -> Option<Format> {
    look(head).map(|beginning| beginning.format)
}

/// What the first bytes of a file, up to [`HEAD`] of them, tell of it; `None` where it is no log.
pub fn look(head: &[u8]) -> Option<Beginning> {
    let head = head.get(..HEAD).unwrap_or(head);
    let encoding = Encoding::of(head);
    if is_etl(head) {
        return Some(Beginning { format: Format::Etl, encoding, time: None, inside: false });
    }
    if file_header(head).is_some() || head.starts_with(&pcapng::SECTION_HEADER.to_be_bytes()) {
        return None;
    }
    let text = encoding.decode_head(head);
    // A log is text.
    if memchr(0, text.get(..4096).unwrap_or(&text)).is_some() {
        return None;
    }
    let (format, time, inside) = first_record(&text)?;
    Some(Beginning { format, encoding, time: Some(time), inside })
}

/// The first prefix in a text, and whether something of a record stands before it.
fn first_record(text: &[u8]) -> Option<(Format, Civil, bool)> {
    let mut lines = text.split_inclusive(|&byte| byte == b'\n').enumerate();
    let mut before = false;
    let mut ended = false;
    let (index, line, found) = lines.by_ref().find_map(|(index, line)| {
        let found = prefix::client(line).or_else(|| prefix::server(line));
        if found.is_none() {
            before |= !line.trim_ascii().is_empty();
            ended |= line.starts_with(reader::END_RECORD);
        }
        found.map(|found| (index, line, found))
    })?;
    let format = match &found.server {
        None => Format::Client,
        Some(server) if server.centralized => Format::Centralized,
        Some(_) => Format::OcsLogger,
    };
    let told = line.get(found.text_at..).unwrap_or_default();
    let closes = ended || found.server.is_none() && reader::is_end(told);
    let same = |line: &[u8]| {
        if found.server.is_none() { prefix::client(line).is_some() } else { prefix::server(line).is_some() }
    };
    let more = lines.filter(|(_, line)| same(line)).take(LEAST_PREFIXES).count();
    // What stands before the first prefix is to be the end of a record or the rest of one line, or the file to go on
    // as a log does.
    let goes_on = match index {
        0 | 1 => more > 0,
        2..MOST_LINES => more >= LEAST_PREFIXES,
        _ => false,
    };
    let is_log = !before || closes || goes_on && !is_markup(text);
    is_log.then_some((format, found.time, before || closes))
}

/// Whether a text is a document of its own that may quote a log.
fn is_markup(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let begins = |mark: &str| text.get(..mark.len()).is_some_and(|word| word.eq_ignore_ascii_case(mark.as_bytes()));
    ["<?xml", "<!doctype", "<html", "{", "# "].iter().any(|mark| begins(mark))
}

/// Bytes of the header of an ETL buffer (`WMI_BUFFER_HEADER`, 64-bit and 32-bit alike).
const ETL_BUFFER_HEADER: usize = 72;

/// Whether bytes begin an event trace: a buffer header whose sizes agree, and behind it the header event with its
/// marker (`SYSTEM_TRACE_HEADER`: version 1 or 2, `Flags` 0xC0 in the last byte).
fn is_etl(head: &[u8]) -> bool {
    let word = |at: usize| {
        head.get(at..at + 4).and_then(|bytes| bytes.first_chunk::<4>()).map(|bytes| u32::from_le_bytes(*bytes))
    };
    let (Some(size), Some(saved), Some(current)) = (word(0), word(4), word(8)) else { return false };
    let sizes = size.is_power_of_two() && (1 << 10..=1 << 20).contains(&size) && saved <= size && current <= size;
    let marker = head.get(ETL_BUFFER_HEADER..ETL_BUFFER_HEADER + 4);
    sizes && matches!(marker, Some([1 | 2, 0, _, 0xc0]))
}

/// For the fuzzer: any bytes, read as the log that they begin as, and as each kind of log.
pub fn fuzz(bytes: &[u8]) {
    let _ = look(bytes);
    event::fuzz(bytes);
    for format in [Format::Client, Format::OcsLogger] {
        reader::fuzz(bytes, format);
    }
}
