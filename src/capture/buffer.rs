//! A sliding window over a reader: bytes are lent where they lie, and moved only when room is needed.
//!
//! A large input is read ahead by a thread ([`Ahead`]): copying and decompression then cost the decoders no time. The
//! thread's pieces become the window as they are; only what is left of the one before is copied before them.

use std::io::{self, Read};

use crate::capture::ahead::{Ahead, PIECE, Piece, ROOM, read_once};

/// Bytes after which an input is read ahead: a small one is read sooner than a thread begins.
const SMALL: u64 = 2 << 20;

/// Where bytes come from.
enum From {
    Reader(Box<dyn Read + Send>),
    Ahead(Ahead),
    /// Nothing follows.
    Ended,
}

/// The window.
pub struct Buffer {
    from: From,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Offset of `start` in the stream.
    offset: u64,
}

impl Buffer {
    /// A window over `reader`.
    pub fn new(reader: Box<dyn Read + Send>) -> Self {
        Self { from: From::Reader(reader), bytes: vec![0; PIECE], start: 0, end: 0, offset: 0 }
    }

    /// Offset in the stream of the first byte of the window.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// What is in the window now.
    pub fn window(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Tries to have at least `need` bytes in the window; fewer are there only at the end.
    ///
    /// # Errors
    /// What the reader says; what was read before stays in the window.
    pub fn fill(&mut self, need: usize) -> io::Result<()> {
        while self.end - self.start < need {
            let read = match &mut self.from {
                From::Reader(_) => self.read(need),
                From::Ahead(_) => self.take(),
                From::Ended => return Ok(()),
            };
            match read {
                Ok(true) => {}
                Ok(false) => self.from = From::Ended,
                Err(error) => {
                    self.from = From::Ended;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Reads more behind what is there; `false` at the end.
    fn read(&mut self, need: usize) -> io::Result<bool> {
        if self.offset >= SMALL
            && let From::Reader(reader) = std::mem::replace(&mut self.from, From::Ended)
        {
            match Ahead::start(reader) {
                Ok(ahead) => {
                    self.from = From::Ahead(ahead);
                    return self.take();
                }
                Err(reader) => self.from = From::Reader(reader),
            }
        }
        if self.start + need > self.bytes.len() {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.bytes.len() {
            // Grown by what has come, never by what a header claims: a lie costs nothing.
            let grown = (self.bytes.len() * 2).min(need.max(PIECE)).max(self.end + PIECE);
            self.bytes.resize(grown, 0);
        }
        let room = self.bytes.get_mut(self.end..).unwrap_or_default();
        let From::Reader(reader) = &mut self.from else { return Ok(false) };
        let read = read_once(reader, room)?;
        self.end += read;
        Ok(read > 0)
    }

    /// Takes the next piece that was read ahead, behind what is there; `false` at the end.
    fn take(&mut self) -> io::Result<bool> {
        let From::Ahead(ahead) = &mut self.from else { return Ok(false) };
        let Some(Piece { mut bytes, end }) = ahead.take()? else { return Ok(false) };
        let left = self.bytes.get(self.start..self.end).unwrap_or_default();
        if let Some(start) = ROOM.checked_sub(left.len()) {
            if let Some(room) = bytes.get_mut(start..ROOM) {
                room.copy_from_slice(left);
            }
            ahead.give_back(std::mem::replace(&mut self.bytes, bytes));
            (self.start, self.end) = (start, end);
        } else {
            // A record that is longer than the room before a piece.
            self.bytes.truncate(self.end);
            self.bytes.drain(..self.start);
            self.bytes.extend_from_slice(bytes.get(ROOM..end).unwrap_or_default());
            (self.start, self.end) = (0, self.bytes.len());
            ahead.give_back(bytes);
        }
        Ok(true)
    }

    /// Passes over `count` bytes of the window.
    pub fn consume(&mut self, count: usize) {
        let count = count.min(self.end - self.start);
        self.start += count;
        self.offset += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Dribble(u8);

    impl Read for Dribble {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            if self.0 == 200 {
                return Err(io::Error::other("gone"));
            }
            room[0] = self.0;
            self.0 += 1;
            Ok(1)
        }
    }

    #[test]
    fn bytes_come_in_order_whatever_the_reader_does() {
        let mut buffer = Buffer::new(Box::new(Dribble(0)));
        buffer.fill(3).unwrap();
        assert_eq!(buffer.window(), [0, 1, 2]);
        buffer.consume(2);
        buffer.fill(4).unwrap();
        assert_eq!((buffer.window(), buffer.offset()), (&[2, 3, 4, 5][..], 2));
        assert!(buffer.fill(1000).is_err());
        assert_eq!(buffer.window().len(), 198, "what came before the error stays");
        assert!(buffer.fill(1000).is_ok(), "an error is told once");
    }

    #[test]
    fn what_is_read_ahead_is_the_same() {
        let bytes: Vec<u8> =
            (0..6_000_000_u32).map(|index| (index.wrapping_mul(0x9e37_79b1) >> 24).to_le_bytes()[0]).collect();
        let mut buffer = Buffer::new(Box::new(io::Cursor::new(bytes.clone())));
        let (mut place, mut ahead) = (0, false);
        for need in (1..).map(|number| number * 7919 % 300_000 + 1) {
            buffer.fill(need).unwrap();
            ahead |= matches!(buffer.from, From::Ahead(_));
            let window = buffer.window();
            let have = window.len().min(need);
            assert_eq!(window[..have], bytes[place..place + have]);
            buffer.consume(need);
            place += have;
            if have < need {
                break;
            }
        }
        assert_eq!((place, buffer.offset()), (bytes.len(), bytes.len() as u64));
        assert!(ahead, "the input is too small to be read ahead");
    }

    /// Fails behind the bytes from which on it is read ahead.
    struct Broken(u64);

    impl Read for Broken {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            if self.0 > 2 * SMALL {
                return Err(io::Error::other("gone"));
            }
            self.0 += room.len() as u64;
            Ok(room.len())
        }
    }

    #[test]
    fn an_error_ahead_comes_behind_what_was_read() {
        let mut buffer = Buffer::new(Box::new(Broken(0)));
        let mut read = 0;
        let error = loop {
            match buffer.fill(1) {
                Ok(()) => {
                    let have = buffer.window().len();
                    assert!(have > 0, "the error is not told");
                    buffer.consume(have);
                    read += have as u64;
                }
                Err(error) => break error,
            }
        };
        assert_eq!(error.to_string(), "gone");
        assert!(read > 2 * SMALL);
        assert!(buffer.fill(1).is_ok(), "an error is told once");
    }

    #[test]
    fn large_records_grow_the_window() {
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|index| index.to_le_bytes()[0]).collect();
        let mut buffer = Buffer::new(Box::new(io::Cursor::new(bytes.clone())));
        buffer.fill(900_000).unwrap();
        assert_eq!(buffer.window()[..900_000], bytes[..900_000]);
        buffer.consume(900_000);
        buffer.fill(900_000).unwrap();
        assert_eq!(buffer.window(), &bytes[900_000..]);
    }
}
