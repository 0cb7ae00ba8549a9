//! A sliding window over a log, line by line: what is being looked at stays, the rest makes room.

use std::io::{self, Read};
use std::ops::Range;

use memchr::memchr;

/// Bytes asked of the reader at once: large enough to make calls rare, small enough to stay in the cache.
const CHUNK: usize = 256 << 10;

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A line with its end, counted from the mark.
    Whole(Range<usize>),
    /// More than the bound lies between the mark and the end of the line.
    TooLong,
    /// The bytes end here; a last line without an end comes only after [`Lines::close`].
    End,
}

/// The window. Bytes from the mark on are kept.
pub struct Lines {
    reader: Box<dyn Read + Send>,
    bytes: Vec<u8>,
    mark: usize,
    next: usize,
    /// Up to here no line ends after `next`.
    scanned: usize,
    end: usize,
    ended: bool,
    closed: bool,
    number: u64,
}

impl Lines {
    /// The lines of `reader`.
    pub fn new(reader: Box<dyn Read + Send>) -> Self {
        let bytes = vec![0; CHUNK];
        Self { reader, bytes, mark: 0, next: 0, scanned: 0, end: 0, ended: false, closed: false, number: 0 }
    }

    /// The number of the line given last, counted from 1.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The bytes of a range that counts from the mark.
    pub fn slice(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(self.mark + range.start..self.mark + range.end).unwrap_or_default()
    }

    /// Moves the mark on by `count` bytes, to the start of a line that was given, or to the next one.
    pub fn mark(&mut self, count: usize) {
        self.mark = (self.mark + count).min(self.next);
    }

    /// Bytes from the mark to the end of the line given last.
    pub const fn given(&self) -> usize {
        self.next - self.mark
    }

    /// Bytes from the mark to the end of the window.
    pub const fn kept(&self) -> usize {
        self.end - self.mark
    }

    /// Whether a line has begun that was not given.
    pub const fn is_within_line(&self) -> bool {
        self.next < self.end
    }

    /// Keeps nothing of what was given.
    pub const fn release(&mut self) {
        self.mark = self.next;
    }

    /// Goes on with another reader, whose bytes follow and whose lines are counted anew.
    pub fn follow(&mut self, reader: Box<dyn Read + Send>) {
        self.reader = reader;
        (self.ended, self.closed) = (false, false);
        // A line that the last reader left open is the first of this one.
        self.number = 0;
    }

    /// Nothing follows: a last line without an end is one.
    pub const fn close(&mut self) {
        self.closed = true;
    }

    /// Gives up the line that is too long: passes over what is there of it.
    pub fn drop_line(&mut self) {
        (self.mark, self.next, self.scanned) = (self.end, self.end, self.end);
    }

    /// The next line, where no more than `most` bytes are kept.
    ///
    /// # Errors
    /// What the reader says; nothing follows.
    pub fn advance(&mut self, most: usize) -> io::Result<Line> {
        loop {
            let ahead = self.bytes.get(self.scanned..self.end).unwrap_or_default();
            if let Some(at) = memchr(b'\n', ahead) {
                return Ok(self.take(self.scanned + at + 1));
            }
            self.scanned = self.end;
            if self.end - self.mark > most {
                return Ok(Line::TooLong);
            }
            if self.ended {
                let rest = self.closed && self.next < self.end;
                return Ok(if rest { self.take(self.end) } else { Line::End });
            }
            self.fill()?;
        }
    }

    fn take(&mut self, end: usize) -> Line {
        let line = self.next - self.mark..end - self.mark;
        (self.next, self.scanned) = (end, end);
        self.number += 1;
        Line::Whole(line)
    }

    fn fill(&mut self) -> io::Result<()> {
        if self.bytes.len() - self.end < CHUNK / 2 {
            self.bytes.copy_within(self.mark..self.end, 0);
            self.next -= self.mark;
            self.scanned -= self.mark;
            self.end -= self.mark;
            self.mark = 0;
            if self.bytes.len() - self.end < CHUNK / 2 {
                self.bytes.resize(self.end + CHUNK, 0);
            }
        }
        let room = self.bytes.get_mut(self.end..).unwrap_or_default();
        match self.reader.read(room) {
            Ok(0) => self.ended = true,
            Ok(read) => self.end += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                self.ended = true;
                return Err(error);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Lines {
        Lines::new(Box::new(io::Cursor::new(bytes.to_vec())))
    }

    #[test]
    fn lines_come_with_their_ends_and_numbers() {
        let mut lines = lines(b"one\r\ntwo\n\nlast");
        assert_eq!(lines.advance(100).unwrap(), Line::Whole(0..5));
        assert_eq!(lines.advance(100).unwrap(), Line::Whole(5..9));
        lines.mark(5);
        assert_eq!(lines.slice(0..4), b"two\n");
        assert_eq!((lines.advance(100).unwrap(), lines.number()), (Line::Whole(4..5), 3));
        assert_eq!(lines.advance(100).unwrap(), Line::End);
        lines.follow(Box::new(io::Cursor::new(b" and more\nx".to_vec())));
        assert_eq!((lines.advance(100).unwrap(), lines.number()), (Line::Whole(5..19), 1));
        assert_eq!(lines.slice(5..19), b"last and more\n");
        assert_eq!(lines.advance(100).unwrap(), Line::End);
        lines.close();
        assert_eq!(lines.advance(100).unwrap(), Line::Whole(19..20));
        assert_eq!(lines.advance(100).unwrap(), Line::End);
    }

    #[test]
    fn a_long_line_takes_no_more_than_its_bound() {
        let mut bytes = vec![b'x'; 5 << 20];
        bytes.extend_from_slice(b"\nnext\n");
        let mut lines = lines(&bytes);
        let mut dropped = 0;
        loop {
            match lines.advance(1 << 20).unwrap() {
                Line::TooLong => {
                    lines.drop_line();
                    dropped += 1;
                }
                Line::Whole(range) if lines.slice(range.clone()) == b"next\n" => break,
                Line::Whole(_) => lines.release(),
                Line::End => panic!("the line after it is lost"),
            }
            assert!(lines.bytes.len() < 2 << 20);
        }
        assert!(dropped >= 2);
    }
}
