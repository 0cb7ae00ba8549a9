//! HTTP/1 on a stream (RFC 9112): where messages begin and end, and which response answers which request.
//!
//! In: bytes of a stream. Out: messages with their bodies, transfer coding taken off, kept up to a
//! bound. After an upgrade or a `CONNECT` that succeeded nothing more is read.

use std::borrow::Cow;
use std::collections::VecDeque;

use crate::model::http::{HttpMessage, HttpStart};
use crate::model::sip::Carrier;
use crate::model::{At, Both, DecodeAs, Defect, Direction, Loss};
use crate::session::held::{self, Held};
use crate::session::{Decoder, Output, Probe};
use crate::wire::http::{self, Head};
use crate::wire::sip::find_head_end;

/// The entry in [`crate::session::PROBES`].
pub static PROBE: Probe = Probe {
    name: "http",
    kinds: &[DecodeAs::Http],
    begins: http::begins,
    keeps: false,
    decoder: |carrier, _| Box::new(Stream::new(carrier)),
};

/// Longest body that is kept; the story reads autodiscover answers and web tickets, which are below 64 KiB.
const LONGEST_BODY: usize = 1 << 20;
/// Longest line between chunks.
const LONGEST_LINE: usize = 16 << 10;
/// Most requests that wait for their responses (pipelining).
const MOST_WAITING: usize = 64;

/// How the rest of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    /// So many bytes.
    Length(u64),
    /// A chunk's head comes next.
    ChunkHead,
    /// So many bytes of a chunk, and the line end behind it.
    Chunk(u64),
    /// Lines up to a blank one.
    Trailer,
    /// Everything up to the end of the stream.
    UntilClose,
}

/// A message whose head was read.
struct Message {
    began: At,
    last: At,
    start: HttpStart,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    body_bytes: u64,
    rest: Rest,
    /// Bytes of the body are missing.
    holed: bool,
}

#[derive(Default)]
struct Half {
    held: Held,
    message: Option<Message>,
    scan: usize,
    /// Nothing more is read: an upgrade, rubbish or a hole.
    over: bool,
}

/// Both directions of a stream.
struct Stream {
    carrier: Carrier,
    halves: Both<Half>,
    /// Method and URL of requests without a response so far.
    waiting: VecDeque<(String, String)>,
}

impl Stream {
    fn new(carrier: Carrier) -> Self {
        Self { carrier, halves: Both::default(), waiting: VecDeque::new() }
    }

    const fn half(&mut self, direction: Direction) -> &mut Half {
        self.halves.of_mut(direction)
    }

    /// Takes what can be taken off the front; returns how many bytes are done with.
    fn read(&mut self, bytes: &[u8], marks: &[(usize, At)], direction: Direction, out: &mut Output<'_>) -> usize {
        let mut from = 0;
        while let Some(rest) = bytes.get(from..).filter(|rest| !rest.is_empty()) {
            let Some((at, _)) = held::span(marks, from, 1) else { break };
            let half = self.half(direction);
            if half.over {
                return bytes.len();
            }
            let used = if half.message.is_some() {
                self.body(rest, at, direction, out)
            } else {
                self.head(rest, marks, from, direction, out)
            };
            match used {
                Some(used) => from += used,
                None => break,
            }
        }
        from.min(bytes.len())
    }

    /// Reads a head; `None` where more bytes are needed.
    fn head(
        &mut self,
        rest: &[u8],
        marks: &[(usize, At)],
        from: usize,
        direction: Direction,
        out: &mut Output<'_>,
    ) -> Option<usize> {
        if let [b'\r' | b'\n', ..] = rest {
            return Some(1);
        }
        let half = self.half(direction);
        let end = match find_head_end(rest, half.scan) {
            Ok(end) => end,
            Err(scan) if rest.len() <= out.limits.sip_head => {
                half.scan = scan;
                return None;
            }
            Err(_) => rest.len(),
        };
        half.scan = 0;
        let (began, last) = held::span(marks, from, end)?;
        let Some(head) = rest.get(..end).and_then(http::parse_head) else {
            half.over = true;
            out.defect(
                began,
                direction,
                Defect::new("HTTP", 0, "bytes that are no HTTP message; the rest is passed over"),
            );
            return Some(rest.len());
        };
        self.begin(head, (began, last), direction, out);
        Some(end)
    }

    /// Begins the message of a head; one without a body is complete at once.
    fn begin(&mut self, head: Head, (began, last): (At, At), direction: Direction, out: &mut Output<'_>) {
        let request = matches!(head.start, HttpStart::Response { .. }).then(|| self.waiting.front().cloned()).flatten();
        let header = |name: &str| {
            head.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
        };
        let chunked = header("transfer-encoding").is_some_and(|value| value.to_ascii_lowercase().contains("chunked"));
        let length = header("content-length").and_then(http::content_length);
        let bodiless = match head.start {
            HttpStart::Request { .. } => !chunked && length.is_none(),
            HttpStart::Response { status: 100..=199 | 204 | 304, .. } => true,
            HttpStart::Response { status, .. } => request
                .as_ref()
                .is_some_and(|(method, _)| method == "HEAD" || method == "CONNECT" && (200..300).contains(&status)),
        };
        let rest = match (bodiless, chunked, length) {
            (true, ..) => Rest::Length(0),
            (false, true, _) => Rest::ChunkHead,
            (false, false, Some(length)) => Rest::Length(length),
            (false, false, None) => Rest::UntilClose,
        };
        let Head { start, headers } = head;
        let message = Message { began, last, start, headers, body: Vec::new(), body_bytes: 0, rest, holed: false };
        self.half(direction).message = Some(message);
        if rest == Rest::Length(0) {
            self.complete(direction, true, out);
        }
    }

    /// Takes bytes of a body; `None` where more are needed.
    fn body(&mut self, rest: &[u8], at: At, direction: Direction, out: &mut Output<'_>) -> Option<usize> {
        let message = self.half(direction).message.as_mut()?;
        message.last = message.last.later(at);
        let (used, done) = match message.rest {
            Rest::Length(left) => {
                let used = message.take(rest, left);
                message.rest = Rest::Length(left - used as u64);
                (used, left == used as u64)
            }
            Rest::UntilClose => (message.take(rest, u64::MAX), false),
            Rest::Chunk(left) => {
                let used = message.take(rest, left);
                message.rest = if left == used as u64 { Rest::ChunkHead } else { Rest::Chunk(left - used as u64) };
                (used, false)
            }
            Rest::ChunkHead | Rest::Trailer => {
                let Some(end) = memchr::memchr(b'\n', rest).map(|end| end + 1) else {
                    if rest.len() <= LONGEST_LINE {
                        return None;
                    }
                    message.rest = Rest::UntilClose; // damaged
                    return Some(message.take(rest, u64::MAX));
                };
                let line = rest.get(..end).unwrap_or_default().trim_ascii();
                let done = message.line(line);
                (end, done)
            }
        };
        if done {
            self.complete(direction, true, out);
        }
        Some(used)
    }

    /// Tells the message under way.
    fn complete(&mut self, direction: Direction, complete: bool, out: &mut Output<'_>) {
        let Some(message) = self.half(direction).message.take() else { return };
        let Message { began, last, start, headers, body, body_bytes, holed, .. } = message;
        let complete = complete && !holed;
        let is_final = matches!(start, HttpStart::Response { status: 200.., .. });
        let is_response = matches!(start, HttpStart::Response { .. });
        let request = match (is_response, is_final) {
            (true, true) => self.waiting.pop_front(),
            (true, false) => self.waiting.front().cloned(),
            (false, _) => None,
        };
        let upgraded = match (&start, &request) {
            (HttpStart::Response { status: 101, .. }, _) => true,
            (HttpStart::Response { status: 200..=299, .. }, Some((method, _))) => method == "CONNECT",
            _ => false,
        };
        let message = HttpMessage { start, headers, body, body_bytes, complete, carrier: self.carrier, request };
        if let HttpStart::Request { method, .. } = &message.start
            && self.waiting.len() < MOST_WAITING
        {
            self.waiting.push_back((method.clone(), message.url().unwrap_or_default().into_owned()));
        }
        out.keep |= message.header("host").is_some_and(crate::model::watch::is_watched);
        out.ignore = true; // unless its name is watched, or a key opened it
        out.http((began, last), direction, message);
        if upgraded {
            (self.halves.out.over, self.halves.r#in.over) = (true, true);
        }
    }
}

impl Message {
    /// Takes at most `left` bytes of the body.
    fn take(&mut self, bytes: &[u8], left: u64) -> usize {
        let used = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let room = LONGEST_BODY.saturating_sub(self.body.len());
        self.body.extend_from_slice(bytes.get(..used.min(room)).unwrap_or_default());
        self.body_bytes += used as u64;
        used
    }

    /// Takes a line between chunks or behind them; tells whether the message is complete.
    fn line(&mut self, line: &[u8]) -> bool {
        match (self.rest, line.is_empty()) {
            (Rest::Trailer, empty) => return empty,
            (_, true) => {} // the line end behind a chunk
            (_, false) => match http::chunk_length(line) {
                Some(0) => self.rest = Rest::Trailer,
                Some(length) => self.rest = Rest::Chunk(length),
                None => self.rest = Rest::UntilClose, // damaged: what follows is body as far as anybody can tell
            },
        }
        false
    }
}

impl Decoder for Stream {
    fn data(&mut self, at: At, direction: Direction, bytes: Cow<'_, [u8]>, out: &mut Output<'_>) {
        let mut held = self.half(direction).held.take();
        if held.bytes.is_empty() {
            let used = self.read(&bytes, &[(bytes.len(), at)], direction, out);
            held.begin(bytes.get(used..).unwrap_or_default(), at, out.spares);
        } else {
            held.push(&bytes, at);
            let used = self.read(&held.bytes, &held.marks, direction, out);
            held = held.behind(used, out.spares);
        }
        self.half(direction).held = held;
    }

    fn gap(&mut self, _: At, direction: Direction, loss: Loss, out: &mut Output<'_>) {
        let half = self.half(direction);
        half.held = Held::default();
        // Within a body of known length the place is not lost.
        if let Some(Message { rest: Rest::Length(left) | Rest::Chunk(left), holed, .. }) = &mut half.message
            && loss.bytes > 0
            && loss.bytes < *left
        {
            *left -= loss.bytes;
            *holed = true;
            return;
        }
        self.complete(direction, false, out);
        self.half(direction).over = true;
    }

    fn finish(&mut self, _: At, direction: Direction, out: &mut Output<'_>) {
        let whole = self.half(direction).message.as_ref().is_some_and(|message| message.rest == Rest::UntilClose);
        self.complete(direction, whole, out);
    }

    fn held(&self) -> usize {
        let half = |half: &Half| half.held.cost() + half.message.as_ref().map_or(0, |message| message.body.len());
        half(&self.halves.out) + half(&self.halves.r#in)
    }

    fn relieve(&mut self, _: At, out: &mut Output<'_>) {
        for direction in Direction::BOTH {
            self.complete(direction, false, out);
            let half = self.half(direction);
            half.held = Held::default();
            half.over = true;
        }
    }
}
