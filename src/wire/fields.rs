//! Lines and header fields as SIP and HTTP have them: a name, a colon, a value, possibly folded.

use memchr::memchr;

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
    let mut from = 0;
    while let Some(end) = bytes.get(from..).and_then(|tail| memchr(b'\n', tail)).map(|end| from + end) {
        let next = bytes.get(end + 1..).unwrap_or_default();
        if !next.first().is_some_and(|&byte| is_blank(byte)) {
            return (bytes.get(..end).unwrap_or_default().trim_ascii_end(), next);
        }
        from = end + 1;
    }
    (bytes.trim_ascii_end(), &[])
}

/// Name and value of a header field's line; `None` where it has no colon or no name.
pub fn split_field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|&byte| byte == b':')?;
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
        assert_eq!((split_field(b"no colon"), split_field(b": x")), (None, None));
        assert_eq!(take_line(b"x"), (&b"x"[..], &[][..]));
    }
}
