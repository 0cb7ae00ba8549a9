//! A sliding window over a reader: bytes are lent where they lie, and moved only when room is needed.

use std::io::{self, Read};

/// Bytes asked of the reader at once: large enough to make calls rare, small enough to stay in the
/// second-level cache.
const CHUNK: usize = 256 << 10;

/// The window.
pub struct Buffer {
    reader: Box<dyn Read + Send>,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Offset of `start` in the stream.
    offset: u64,
    ended: bool,
}

impl Buffer {
    /// A window over `reader`.
    pub fn new(reader: Box<dyn Read + Send>) -> Self {
        Self { reader, bytes: vec![0; CHUNK], start: 0, end: 0, offset: 0, ended: false }
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
        if self.end - self.start >= need {
            return Ok(());
        }
        if self.start + need > self.bytes.len() {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        while self.end - self.start < need && !self.ended {
            if self.end == self.bytes.len() {
                // Grown by what has come, never by what a header claims: a lie costs nothing.
                let grown = (self.bytes.len() * 2).min(need.max(CHUNK)).max(self.end + CHUNK);
                self.bytes.resize(grown, 0);
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
        }
        Ok(())
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
