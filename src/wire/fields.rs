//! Lines and header fields as SIP and HTTP have them: a name, a colon, a value, possibly folded.

use memchr::{memchr, memchr2};

/// A blank or a tab.
pub const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The first line of `bytes` without its end, and the rest.
pub fn take_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match memchr(b'\n', bytes) {
        Some(end) => (bytes.get(..end).unwrap_or_default().trim_ascii_end(), bytes.get(end + 1..).unwrap_or_default()),
        None => (bytes, &[]),
    }
}

/// Takes the next line with the lines folded onto it. Returns it without its end, and the rest.
pub fn take_field(bytes: &[u8]) -> (&[u8], &[u8]) {
    match FieldEnd::default().find(bytes) {
        Some((end, next)) => {
            (bytes.get(..end).unwrap_or_default().trim_ascii_end(), bytes.get(next..).unwrap_or_default())
        }
        None => (bytes.trim_ascii_end(), &[]),
    }
}

/// Looks for the end of a line and of those folded onto it, in bytes that come piece by piece.
#[derive(Clone, Copy, Debug, Default)]
pub struct FieldEnd {
    from: usize,
    folded: bool,
}

impl FieldEnd {
    /// As [`Self::find`], of a line that nothing is folded onto.
    pub fn find_line(&mut self, bytes: &[u8]) -> Option<(usize, usize)> {
        let found = bytes.get(self.from..).and_then(|tail| memchr(b'\n', tail)).map(|found| self.from + found);
        self.from = found.unwrap_or(bytes.len());
        found.map(|end| (end, end + 1))
    }

    /// Where the field's end begins, and where the next line. `None` where that is not known yet: it can be asked again
    /// with more bytes behind these, and looks at what is new.
    #[inline]
    pub fn find(&mut self, bytes: &[u8]) -> Option<(usize, usize)> {
        while let Some(found) = bytes.get(self.from..).and_then(|tail| memchr2(b'\r', b'\n', tail)) {
            let end = self.from + found;
            let next = match bytes.get(end..) {
                Some([b'\r', b'\n', next, ..]) if !is_blank(*next) => return Some((end, end + 2)),
                Some([b'\n', next, ..]) if !is_blank(*next) => return Some((end, end + 1)),
                // What comes next decides.
                Some([_] | [b'\r', b'\n']) => {
                    self.from = end;
                    return None;
                }
                // A fold, or a CR that ends no line.
                _ => end + 1,
            };
            (self.from, self.folded) = (next, true);
        }
        self.from = bytes.len();
        None
    }

    /// Whether CR or LF stand within the field as far as it was looked at.
    pub const fn is_folded(self) -> bool {
        self.folded
    }
}

/// What stands before the first such byte, which is ASCII, and behind it.
pub fn split_at_byte(text: &str, byte: u8) -> Option<(&str, &str)> {
    let (before, rest) = text.split_at_checked(memchr(byte, text.as_bytes())?)?;
    Some((before, rest.get(1..)?))
}

/// Where the first colon stands. Names are short, and there are many: eight bytes are looked at in one.
fn find_colon(line: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const COLONS: u64 = u64::from_le_bytes([b':'; 8]);
    let (words, rest) = line.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let differs = u64::from_le_bytes(*word) ^ COLONS;
        // The lowest byte that is 0 is the lowest that borrows.
        let colons = differs.wrapping_sub(ONES) & !differs & (ONES << 7);
        if colons != 0 {
            return Some(8 * index + colons.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(|&byte| byte == b':').map(|at| line.len() - rest.len() + at)
}

/// Name and value of a header field's line; `None` where it has no colon or no name.
#[inline]
pub fn split_field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = find_colon(line)?;
    let name = line.get(..colon)?.trim_ascii_end();
    let value = line.get(colon + 1..)?.trim_ascii();
    (!name.is_empty()).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields() {
        assert_eq!(take_field(b"A: b\r\n c\r\nD: e"), (&b"A: b\r\n c"[..], &b"D: e"[..]));
        assert_eq!(split_field(b"Name :  a:b "), Some((&b"Name"[..], &b"a:b"[..])));
        assert_eq!(
            split_field(b"a long name;of bytes near\xba: \xbax"),
            Some((&b"a long name;of bytes near\xba"[..], &b"\xbax"[..]))
        );
        for length in 0..20 {
            assert_eq!(find_colon(&[&vec![b';'; length][..], b"::"].concat()), Some(length));
        }
        assert_eq!((split_field(b"no colon"), split_field(b": x")), (None, None));
        assert_eq!(take_line(b"x"), (&b"x"[..], &[][..]));
    }

    #[track_caller]
    fn check_end(bytes: &[u8], expected: Option<(usize, usize)>, folded: bool) {
        let mut whole = FieldEnd::default();
        assert_eq!((whole.find(bytes), whole.is_folded()), (expected, folded));
        let mut piecewise = FieldEnd::default();
        let found = (0..=bytes.len()).find_map(|length| piecewise.find(&bytes[..length]));
        assert_eq!((found, piecewise.is_folded()), (expected, folded));
    }

    #[test]
    fn fields_end() {
        check_end(b"A: b\r\nC", Some((4, 6)), false);
        check_end(b"A: b\nC", Some((4, 5)), false);
        check_end(b"A: b\r\n c\n\td\r\nE", Some((11, 13)), true);
        check_end(b"A:\rb\r\r\nC", Some((5, 7)), true);
        check_end(b"A: b\r\n", None, false);
        check_end(b"A: b\r", None, false);
        check_end(b"", None, false);
    }
}
