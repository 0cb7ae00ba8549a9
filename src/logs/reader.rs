//! Records of a log, one by one, in constant memory.
//!
//! A client writes a SIP message as three records: a line that says where it goes, the message itself behind a
//! prefix of its own, and a line that begins `End of`. A server writes fields between `$$begin_record` and
//! `$$end_record`. All else is text up to the next prefix. Lines are looked at by their first bytes only, unless
//! they begin a record. What a body quotes is not taken for a record: it was written before the body was.

use std::hash::BuildHasher as _;
use std::io::{self, Read};
use std::ops::Range;

use crate::logs::block;
use crate::logs::event::{self, Ends, Peer};
use crate::logs::lines::{Line, Lines};
use crate::logs::message;
use crate::logs::prefix::{self, Civil, Prefix};
use crate::logs::{Encoding, Format};
use crate::model::sip::SipMessage;
use crate::model::{Counter, LogEvent, Stats};
use crate::wire::sip::{self, Likeness};

/// What follows a server's record.
pub const END_RECORD: &[u8] = b"$$end_record";
const BEGIN_RECORD: &[u8] = b"$$begin_record";
/// Messages announced and not begun: a thread may write between the two lines of another.
const MOST_ANNOUNCED: usize = 8;

/// A record worth telling.
#[derive(Clone, Debug)]
pub struct Record {
    /// When it was written.
    pub time: Civil,
    /// The line with which it begins, counted from 1.
    pub line: u64,
    /// In which of the readers that follow each other, counted from 0.
    pub part: usize,
    /// The server that wrote it, `pool\machine`, where the log names it.
    pub machine: Option<Box<str>>,
    /// A number for its bytes, the same for the same bytes.
    pub hash: u64,
    /// Where the conversation ends.
    pub ends: Ends,
    /// What it is.
    pub what: What,
}

/// What a record is.
#[derive(Clone, Debug)]
pub enum What {
    /// A SIP message, and whether it was sent by the machine that logs; `None` where its first line is missing.
    Sip(Option<bool>, Box<SipMessage>),
    /// Something else.
    Event(Box<LogEvent>),
}

/// What comes next.
#[derive(Debug)]
pub enum Next {
    /// A record.
    Record(Box<Record>),
    /// The bytes end within a record, which may go on in another file: [`LogReader::follow`] or
    /// [`LogReader::close`].
    Open,
    /// Nothing follows.
    End,
}

/// A message that is announced, or that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Announced {
    sent: bool,
    ends: Ends,
    count: Option<usize>,
    thread: (u32, u32),
}

/// Where a record began.
#[derive(Clone, Debug)]
struct Begun {
    prefix: Prefix,
    line: u64,
    part: usize,
}

/// The record that the window holds from its mark on.
enum Open {
    /// None so far: what stands before the first prefix.
    Nothing,
    /// The rest of one that is cut.
    Rest,
    /// Text of a client or a server; a message may begin on its second line.
    Text(Begun, Option<Announced>),
    /// A message of a client.
    Message(Message),
    /// Fields of a server.
    Fields(Begun),
}

/// A message of a client under way.
struct Message {
    begun: Begun,
    announced: Option<Announced>,
    text_at: usize,
    /// Bytes so far, with CRLF at the ends of lines.
    size: usize,
    /// Bytes that it has by what the log or its head says, once that was asked; 0 where nothing says it.
    expected: Option<usize>,
}

/// Reads a log.
pub struct LogReader {
    lines: Lines,
    client: bool,
    most: usize,
    part: usize,
    closed: bool,
    ended: bool,
    open: Open,
    announced: Vec<Announced>,
    ready: Option<Box<Record>>,
    last: Civil,
    stats: Stats,
}

impl LogReader {
    /// A reader of a log, whose records have at most `most` bytes.
    pub fn new(reader: Box<dyn Read + Send>, (format, encoding): (Format, Encoding), most: usize) -> Self {
        Self {
            lines: Lines::new(encoding.decode(reader)),
            client: format == Format::Client,
            most,
            part: 0,
            closed: false,
            ended: false,
            open: Open::Nothing,
            announced: Vec::new(),
            ready: None,
            last: Civil::default(),
            stats: Stats::default(),
        }
    }

    /// Counts of what was read since the last call.
    pub fn take_stats(&mut self) -> Stats {
        std::mem::take(&mut self.stats)
    }

    /// The time of the last record that began.
    pub const fn last(&self) -> Civil {
        self.last
    }

    /// The log goes on in another file.
    pub fn follow(&mut self, reader: Box<dyn Read + Send>, encoding: Encoding) {
        self.part += 1;
        self.lines.follow(encoding.decode(reader));
    }

    /// The log does not go on.
    pub const fn close(&mut self) {
        self.closed = true;
        self.lines.close();
    }

    /// What comes next.
    ///
    /// # Errors
    /// What the reader says; the log counts as closed then.
    pub fn advance(&mut self) -> io::Result<Next> {
        loop {
            if let Some(record) = self.ready.take() {
                return Ok(Next::Record(record));
            }
            if self.ended {
                return Ok(Next::End);
            }
            let line = self.lines.advance(self.most).inspect_err(|_| self.close())?;
            match line {
                Line::Whole(range) => self.line(range),
                Line::TooLong => self.too_long(),
                Line::End if !self.closed && self.is_open() => return Ok(Next::Open),
                Line::End if !self.closed => self.close(),
                Line::End => {
                    self.ended = true;
                    self.finish(self.lines.given(), None, false);
                }
            }
        }
    }

    /// Whether the record under way is not at its end.
    const fn is_open(&self) -> bool {
        matches!(self.open, Open::Message(_) | Open::Fields(_) | Open::Text(_, Some(_))) || self.lines.is_within_line()
    }

    fn line(&mut self, range: Range<usize>) {
        let line = self.lines.slice(range.clone());
        let may_begin = if self.client { prefix::may_be_client(line) } else { line.starts_with(b"TL_") };
        let found =
            if may_begin { if self.client { prefix::client(line) } else { prefix::server(line) } } else { None };
        match found {
            Some(found) => self.begin(found, range),
            None if self.client => self.client_goes_on(range),
            None => self.server_goes_on(range),
        }
    }

    /// A line of a client without a prefix.
    fn client_goes_on(&mut self, range: Range<usize>) {
        match &mut self.open {
            Open::Nothing | Open::Rest => self.lines.release(),
            Open::Message(message) => {
                let line = self.lines.slice(range);
                message.size += line.len() + usize::from(line.ends_with(b"\n") && !line.ends_with(b"\r\n"));
            }
            Open::Text(begun, announced @ Some(_)) => {
                let line = self.lines.slice(range.clone());
                if line.trim_ascii().is_empty() {
                    return;
                }
                let (begun, announced) = (begun.clone(), announced.take());
                if sip::begins(line) == Likeness::Yes {
                    self.announced.pop();
                    self.open = Open::Message(Message {
                        begun,
                        announced,
                        text_at: range.start,
                        size: line.len(),
                        expected: None,
                    });
                }
            }
            Open::Text(..) | Open::Fields(_) => {}
        }
    }

    /// A line of a server without a prefix.
    fn server_goes_on(&mut self, range: Range<usize>) {
        let line = self.lines.slice(range.clone());
        match &self.open {
            Open::Nothing | Open::Rest => {
                if line.starts_with(END_RECORD) && matches!(self.open, Open::Nothing) {
                    self.stats.count(Counter::LogCut);
                    self.open = Open::Rest;
                }
                self.lines.release();
            }
            Open::Fields(_) if line.starts_with(END_RECORD) => {
                self.finish(range.start, None, true);
                self.lines.release();
            }
            Open::Text(begun, _) if line.starts_with(BEGIN_RECORD) => self.open = Open::Fields(begun.clone()),
            _ => {}
        }
    }

    /// A line with a prefix.
    fn begin(&mut self, found: Prefix, range: Range<usize>) {
        let told = self.lines.slice(range.start + found.text_at..range.end);
        let end = if self.client { end_of(told, found.thread) } else { None };
        if self.is_quoted(&found, end.as_ref(), &range) {
            if self.client {
                self.client_goes_on(range);
            }
            return;
        }
        let is_first = matches!(self.open, Open::Nothing);
        self.finish(range.start, end.as_ref(), true);
        self.lines.mark(range.start);
        let text_at = found.text_at;
        let text = self.lines.slice(text_at..range.end - range.start);
        self.last = found.time;
        let begun = Begun { line: self.lines.number(), part: self.part, prefix: found };
        self.open = if end.is_some() {
            // Of a message whose beginning is not in the file.
            self.stats.add(Counter::LogCut, u64::from(is_first));
            self.lines.release();
            Open::Rest
        } else if self.client {
            self.begin_client(begun, text_at, range.end - range.start)
        } else if text.trim_ascii_end().ends_with(BEGIN_RECORD) {
            Open::Fields(begun)
        } else {
            Open::Text(begun, None)
        };
    }

    fn begin_client(&mut self, begun: Begun, text_at: usize, end: usize) -> Open {
        let text = self.lines.slice(text_at..end);
        let thread = begun.prefix.thread;
        if let Some(announced) = announcement(text, thread) {
            if self.announced.len() >= MOST_ANNOUNCED {
                self.announced.remove(0);
            }
            self.announced.push(announced.clone());
            return Open::Text(begun, Some(announced));
        }
        let line = text.trim_ascii();
        let may_begin = line.starts_with(b"SIP/") || line.ends_with(b"SIP/2.0");
        if !may_begin || sip::begins(text.trim_ascii_start()) != Likeness::Yes {
            return Open::Text(begun, None);
        }
        let place = self.announced.iter().rposition(|announced| announced.thread == thread);
        let announced = place.map(|place| self.announced.remove(place));
        let text_at = text_at + text.len() - text.trim_ascii_start().len();
        let size = end - text_at + usize::from(!text.ends_with(b"\r\n"));
        Open::Message(Message { begun, announced, text_at, size, expected: None })
    }

    /// Whether a line with a prefix stands in the body of the message that is under way.
    fn is_quoted(&mut self, found: &Prefix, end: Option<&Announced>, range: &Range<usize>) -> bool {
        let lines = &self.lines;
        match &mut self.open {
            Open::Fields(begun) => found.time < begun.prefix.time,
            Open::Message(message) => {
                if let (Some(end), Some(announced)) = (end, &message.announced)
                    && end.is_of(announced)
                {
                    return false;
                }
                let counted = message.announced.as_ref().and_then(|announced| announced.count);
                let so_far = lines.slice(message.text_at..range.start);
                let asked = || counted.or_else(|| message::length(so_far)).unwrap_or(0);
                let is_missing = message.size < *message.expected.get_or_insert_with(asked);
                let earlier = found.time < message.begun.prefix.time;
                let text = lines.slice(range.start + found.text_at..range.end);
                is_missing && (earlier || end.is_none() && announcement(text, found.thread).is_none())
            }
            _ => false,
        }
    }

    /// A record is longer than the bound.
    fn too_long(&mut self) {
        self.finish(self.lines.given(), None, false);
        // What is left may be a line that is longer than the bound by itself.
        self.lines.release();
        if self.lines.kept() > self.most {
            self.lines.drop_line();
        }
    }

    /// The record under way ends before `end`; `ended` tells whether by a line that says so.
    fn finish(&mut self, end: usize, said: Option<&Announced>, ended: bool) {
        let open = std::mem::replace(&mut self.open, Open::Rest);
        let record = match open {
            // What announces a message is part of it.
            Open::Nothing | Open::Rest | Open::Text(_, Some(_)) => return,
            Open::Text(begun, None) => self.text(&begun, end),
            Open::Message(message) => self.message(&message, said, end, ended),
            Open::Fields(begun) => self.fields(&begun, end, ended),
        };
        self.stats.count(Counter::LogRecords);
        match record {
            Some(record) => self.ready = Some(Box::new(record)),
            None => self.stats.count(Counter::LogOther),
        }
    }

    fn record(&self, begun: &Begun, end: usize, ends: Ends, what: What) -> Record {
        let machine = begun.prefix.server.as_ref().filter(|server| server.centralized);
        let machine = machine.map(|server| String::from_utf8_lossy(self.lines.slice(server.machine.clone())).into());
        let hash = foldhash::fast::FixedState::default().hash_one(self.lines.slice(0..end));
        Record { time: begun.prefix.time, line: begun.line, part: begun.part, machine, hash, ends, what }
    }

    fn component(&self, begun: &Begun) -> Option<String> {
        let component = self.lines.slice(begun.prefix.server.as_ref()?.component.clone());
        (!component.is_empty()).then(|| String::from_utf8_lossy(component).chars().take(64).collect())
    }

    fn text(&self, begun: &Begun, end: usize) -> Option<Record> {
        let text = self.lines.slice(begun.prefix.text_at..end.max(begun.prefix.text_at));
        let (event, ends) = event::event(text, begun.prefix.level, self.component(begun).as_deref())?;
        Some(self.record(begun, end, ends, What::Event(Box::new(event))))
    }

    fn message(&mut self, message: &Message, said: Option<&Announced>, end: usize, ended: bool) -> Option<Record> {
        let announced = message.announced.as_ref().or(said);
        let text = self.lines.slice(message.text_at..end);
        let told = message::message(text, announced.and_then(|announced| announced.count), ended)?;
        if !told.complete {
            self.stats.count(Counter::LogCut);
        }
        let ends = announced.map(|announced| announced.ends.clone()).unwrap_or_default();
        let what = What::Sip(announced.map(|announced| announced.sent), Box::new(told));
        Some(self.record(&message.begun, end, ends, what))
    }

    fn fields(&mut self, begun: &Begun, end: usize, ended: bool) -> Option<Record> {
        let block = self.lines.slice(begun.prefix.text_at..end.max(begun.prefix.text_at));
        let block = block::read(block);
        let component = self.component(begun);
        let (what, ends, complete) = if block.start_line.is_some() {
            let told = block.message(ended)?;
            let sent = block.field("Direction").map(|way| way.trim_start().to_ascii_lowercase().starts_with("out"));
            let ends = Ends { local: None, remote: block.field("Peer").and_then(Peer::parse) };
            let complete = told.complete;
            (What::Sip(sent, Box::new(told)), ends, complete)
        } else {
            let server = begun.prefix.server.as_ref();
            let diagnostic = server.is_some_and(|server| server.diagnostic);
            let (event, ends) = event::diagnostic(&block.fields, begun.prefix.level, component.as_deref(), diagnostic)?;
            (What::Event(Box::new(event)), ends, ended)
        };
        let record = self.record(begun, end, ends, what);
        self.stats.add(Counter::LogCut, u64::from(!complete));
        Some(record)
    }
}

/// Longest line that announces a message.
const LONGEST_ANNOUNCEMENT: usize = 512;

impl Announced {
    /// Whether both speak of one message.
    fn is_of(&self, other: &Self) -> bool {
        self.sent == other.sent && self.ends == other.ends && (self.count.is_none() || self.count == other.count)
    }
}

/// `Sending Packet - 192.0.2.10:5061 (From Local Address: 192.0.2.55:20323) 818 bytes:`, or `Data Received -…`
fn announcement(text: &[u8], thread: (u32, u32)) -> Option<Announced> {
    let text = text.trim_ascii();
    let (sent, rest) = match text.strip_prefix(b"Sending Packet") {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix(b"Data Received")?),
    };
    let rest = std::str::from_utf8(rest.get(..LONGEST_ANNOUNCEMENT).unwrap_or(rest)).ok()?;
    let rest = rest.trim_start().strip_prefix('-')?.trim_start();
    let end = rest.find([' ', '(']).unwrap_or(rest.len());
    let (remote, rest) = rest.split_at(end);
    let local = rest.split_once("Local Address:").map(|(_, local)| local.split(')').next().unwrap_or_default());
    let count = rest.rsplit(')').next().unwrap_or_default().split_whitespace().next();
    let ends = Ends {
        local: local.and_then(|local| local.trim().parse().ok()),
        remote: Peer::parse(remote.trim_end_matches(':')),
    };
    let count = count.and_then(|count| count.trim_end_matches(':').parse().ok());
    Some(Announced { sent, ends, count, thread })
}

/// What a line that begins `End of` ends.
fn end_of(text: &[u8], thread: (u32, u32)) -> Option<Announced> {
    announcement(text.trim_ascii_start().strip_prefix(b"End of ")?, thread)
}

/// Whether the text of a line ends a message.
pub fn is_end(text: &[u8]) -> bool {
    end_of(text, (0, 0)).is_some()
}

/// For the fuzzer: any bytes as a log of that kind, with bounds that matter.
pub fn fuzz(bytes: &[u8], format: Format) {
    let most = 4096;
    let mut log = LogReader::new(Box::new(io::Cursor::new(bytes.to_vec())), (format, Encoding::of(bytes)), most);
    let (mut held, mut line) = (0, 0);
    loop {
        match log.advance() {
            Ok(Next::Record(record)) => {
                assert!(record.line >= line, "records come in order");
                line = record.line;
                if let What::Sip(_, message) = &record.what {
                    held += message.raw.len();
                }
            }
            Ok(Next::Open) => log.close(),
            Ok(Next::End) => break,
            Err(error) => panic!("memory is read without errors: {error}"),
        }
    }
    // An end of line may grow by a byte, a byte of UTF-16 by another one, and a head by its blank line.
    assert!(held <= bytes.len() * 4 + 4, "{held} bytes of messages in {} of log", bytes.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: &str = "04/16/2030|03:17:30.168 1F68:C14 INFO  :: Sending Packet - 192.0.2.10:5061 (From Local Address: 192.0.2.55:20323) 150 bytes:\r\n\
        04/16/2030|03:17:30.168 1F68:C14 INFO  :: REGISTER sip:ex.test SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.55:20323\r\n\
        From: <sip:a@ex.test>\r\nTo: <sip:a@ex.test>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n\r\n\
        04/16/2030|03:17:30.168 1F68:C14 INFO  :: End of Sending Packet - 192.0.2.10:5061 (From Local Address: 192.0.2.55:20323) 150 bytes\r\n\
        04/16/2030|03:17:31.000 1F68:C14 ERROR :: Connect to 192.0.2.10:5061 failed: 10060\r\n";
    const SERVER: &str = "TL_INFO(TF_PROTOCOL) [0]0A10.0B20::01/18/2030-05:00:43.101.00001234 (SIPStack,A::B:c.cpp(125))$$begin_record\n\
        Direction: incoming;source=\"internal edge\"\nPeer: fe01.ex.test:61182\nStart-Line: OPTIONS sip:u@ex.test SIP/2.0\n\
        From: <sip:a@ex.test>\nTo: <sip:u@ex.test>\nCSeq: 1 OPTIONS\nCall-ID: 017b\nContent-Length: 0\nMessage-Body: -\n$$end_record\n";

    /// Whether it is sent, the remote end, the local one, the length in bytes.
    type Told<'a> = (bool, Option<&'a str>, Option<&'a str>, Option<usize>);

    #[track_caller]
    fn check_announcement(text: &str, expected: Option<Told<'_>>) {
        let found = announcement(text.as_bytes(), (0, 0));
        let address = |text: &str| text.parse().unwrap();
        let expected = expected.map(|(sent, remote, local, count)| {
            let ends = Ends { local: local.map(address), remote: remote.and_then(Peer::parse) };
            Announced { sent, ends, count, thread: (0, 0) }
        });
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn announcements() {
        let (remote, local) = (Some("192.0.2.10:5061"), Some("192.0.2.55:20323"));
        check_announcement(
            "Sending Packet - 192.0.2.10:5061 (From Local Address: 192.0.2.55:20323) 818 bytes:",
            Some((true, remote, local, Some(818))),
        );
        check_announcement(
            "Data Received -192.0.2.10:5061 (To Local Address: 192.0.2.55:20323) 1184 bytes",
            Some((false, remote, local, Some(1184))),
        );
        check_announcement(
            "Data Received-192.0.2.10:5061(To Local Address:192.0.2.55:20323):",
            Some((false, remote, local, None)),
        );
        check_announcement("Sending Packet - [2001:db8::1]:5061", Some((true, Some("[2001:db8::1]:5061"), None, None)));
        check_announcement("Sending Packet failed", None);
        check_announcement("Data Received", None);
    }

    #[test]
    fn any_bytes_end() {
        let utf16: Vec<u8> = CLIENT.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let samples =
            [(CLIENT.as_bytes(), Format::Client), (&utf16, Format::Client), (SERVER.as_bytes(), Format::OcsLogger)];
        for (sample, format) in samples {
            for length in 0..sample.len() {
                fuzz(&sample[..length], format);
                fuzz(&sample[length..], format);
                let mut flipped = sample.to_vec();
                flipped[length] ^= 0x21;
                fuzz(&flipped, format);
                crate::logs::fuzz(&flipped);
            }
        }
    }
}
