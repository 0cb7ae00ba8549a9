//! UTF-16 to UTF-8 while reading (RFC 2781), and the byte order mark of UTF-8.

use std::io::{self, Read};

/// How the characters of a log are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// 8-bit or UTF-8 as it stands; so many bytes of byte order mark.
    Bytes(usize),
    /// UTF-16, little endian; so many bytes before its first unit.
    Little(usize),
    /// UTF-16, big endian; so many bytes before its first unit.
    Big(usize),
}

/// Bytes without a byte order mark that decide: a file that was cut off at its start may have none.
const JUDGED: usize = 512;

impl Encoding {
    /// What the first bytes of a file say.
    pub fn of(head: &[u8]) -> Self {
        match head {
            [0xef, 0xbb, 0xbf, ..] => return Self::Bytes(3),
            [0xff, 0xfe, ..] => return Self::Little(2),
            [0xfe, 0xff, ..] => return Self::Big(2),
            _ => {}
        }
        let judged = head.get(..JUDGED).unwrap_or(head);
        let zeros = |odd: usize| judged.iter().skip(odd).step_by(2).filter(|&&byte| byte == 0).count();
        let (even, odd, units) = (zeros(0), zeros(1), judged.len() / 2);
        if units < 8 || even.max(odd) * 4 < units * 3 || even.min(odd) * 4 > units {
            return Self::Bytes(0);
        }
        // The high bytes are zero. Where they come first it is big endian, or little endian without its first
        // byte: Windows writes little endian.
        if odd > even { Self::Little(0) } else { Self::Little(1) }
    }

    /// The bytes as UTF-8 from here on, where `reader` begins with the first byte of the file.
    pub fn decode(self, reader: Box<dyn Read + Send>) -> Box<dyn Read + Send> {
        match self {
            Self::Bytes(skip) => Box::new(Skipped { reader, skip }),
            Self::Little(skip) => Box::new(Utf16::new(Box::new(Skipped { reader, skip }), u16::from_le_bytes)),
            Self::Big(skip) => Box::new(Utf16::new(Box::new(Skipped { reader, skip }), u16::from_be_bytes)),
        }
    }

    /// The beginning of a file as UTF-8.
    pub fn decode_head(self, head: &[u8]) -> Vec<u8> {
        let mut text = Vec::with_capacity(head.len());
        let _ = self.decode(Box::new(io::Cursor::new(head.to_vec()))).read_to_end(&mut text);
        text
    }
}

/// A reader without its first bytes.
struct Skipped {
    reader: Box<dyn Read + Send>,
    skip: usize,
}

impl Read for Skipped {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        while self.skip > 0 {
            let mut passed = [0; 4];
            let few = passed.get_mut(..self.skip.min(4)).unwrap_or_default();
            match self.reader.read(few)? {
                0 => return Ok(0),
                read => self.skip -= read,
            }
        }
        self.reader.read(room)
    }
}

/// Bytes of UTF-16 read at once.
const CHUNK: usize = 64 << 10;

/// UTF-16 as UTF-8; a lone surrogate becomes U+FFFD.
struct Utf16 {
    reader: Box<dyn Read + Send>,
    unit: fn([u8; 2]) -> u16,
    raw: Vec<u8>,
    /// Bytes of `raw` that are not decoded yet: half a unit.
    left: usize,
    high: Option<u16>,
    text: Vec<u8>,
    given: usize,
}

impl Utf16 {
    fn new(reader: Box<dyn Read + Send>, unit: fn([u8; 2]) -> u16) -> Self {
        Self { reader, unit, raw: vec![0; CHUNK], left: 0, high: None, text: Vec::new(), given: 0 }
    }

    fn decode(&mut self, have: usize) {
        (self.given, self.left) = (0, have % 2);
        self.text.clear();
        let (unit, whole) = (self.unit, have - self.left);
        for pair in self.raw.get(..whole).unwrap_or_default().chunks_exact(2) {
            let unit = unit([pair.first().copied().unwrap_or(0), pair.last().copied().unwrap_or(0)]);
            if let (0..0x80, None) = (unit, self.high) {
                self.text.push(unit.to_le_bytes()[0]);
            } else {
                push(unit, &mut self.high, &mut self.text);
            }
        }
        self.raw.copy_within(whole..have, 0);
    }
}

fn push(unit: u16, high: &mut Option<u16>, text: &mut Vec<u8>) {
    let before = high.take();
    if (0xd800..0xdc00).contains(&unit) {
        *high = Some(unit);
        if before.is_none() {
            return;
        }
    }
    let units = if high.is_some() { [before, None] } else { [before, Some(unit)] };
    for char in char::decode_utf16(units.into_iter().flatten()) {
        let char = char.unwrap_or(char::REPLACEMENT_CHARACTER);
        text.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

impl Read for Utf16 {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() {
            let left = self.left;
            let read = self.reader.read(self.raw.get_mut(left..).unwrap_or_default())?;
            if read == 0 {
                return Ok(0);
            }
            self.decode(left + read);
        }
        let waiting = self.text.get(self.given..).unwrap_or_default();
        let count = waiting.len().min(room.len());
        if let (Some(room), Some(waiting)) = (room.get_mut(..count), waiting.get(..count)) {
            room.copy_from_slice(waiting);
        }
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(order).collect()
    }

    #[track_caller]
    fn check(head: &[u8], encoding: Encoding, text: &str) {
        assert_eq!(Encoding::of(head), encoding, "{text}");
        assert_eq!(String::from_utf8(encoding.decode_head(head)).unwrap(), text);
    }

    #[test]
    fn encodings() {
        let text = "04/16/2030|é😀\u{2019}";
        let (little, big) = (units(text, u16::to_le_bytes), units(text, u16::to_be_bytes));
        check(text.as_bytes(), Encoding::Bytes(0), text);
        check(&[b"\xef\xbb\xbf", text.as_bytes()].concat(), Encoding::Bytes(3), text);
        check(&[&b"\xff\xfe"[..], &little].concat(), Encoding::Little(2), text);
        check(&[&b"\xfe\xff"[..], &big].concat(), Encoding::Big(2), text);
        check(&little, Encoding::Little(0), text);
        check(&little[1..], Encoding::Little(1), &text[1..]);
        check(b"", Encoding::Bytes(0), "");
    }

    /// Gives one byte at a time.
    struct Dribble(Vec<u8>);
    impl Read for Dribble {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            room[0] = self.0.remove(0);
            Ok(1)
        }
    }

    #[test]
    fn lone_surrogates_are_replaced_and_pairs_survive_any_cut() {
        assert_eq!(Encoding::Little(0).decode_head(&[0x00, 0xd8, b'a', 0]), "\u{fffd}a".as_bytes());
        assert_eq!(
            Encoding::Little(0).decode_head(&[0x00, 0xd8, 0x00, 0xd8, 0x00, 0xdc]),
            "\u{fffd}\u{10000}".as_bytes()
        );
        let mut text = String::new();
        let bytes = units("a😀b", u16::to_le_bytes);
        Encoding::Little(0).decode(Box::new(Dribble(bytes))).read_to_string(&mut text).unwrap();
        assert_eq!(text, "a😀b");
    }
}
