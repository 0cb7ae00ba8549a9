//! Elements of DER (X.690), leniently: one that is cut keeps what is there of it.
//!
//! In: bytes. Out: tag and content of each element. Tags of one byte and definite lengths only, which
//! is all that Kerberos, GSS-API and SPNEGO use.

/// An element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    /// Class, form and number.
    pub tag: u8,
    /// The content, or as much of it as there is.
    pub content: &'a [u8],
    /// Bytes of the whole element by its length, which may be more than there are.
    pub length: usize,
}

/// Takes the element in front; returns also what stands behind it. `None` where there is none.
pub fn take(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk::<2>()?;
    if tag & 0x1f == 0x1f {
        return None;
    }
    let (length, header) = match first {
        ..=0x7f => (usize::from(first), 2),
        0x81..=0x84 => {
            let count = usize::from(first & 0x7f);
            let number = rest.get(..count)?;
            (number.iter().fold(0, |number, &byte| number << 8 | usize::from(byte)), 2 + count)
        }
        _ => return None,
    };
    let rest = bytes.get(header..)?;
    let (content, rest) = rest.split_at_checked(length).unwrap_or((rest, &[]));
    Some((Element { tag, content, length: header.saturating_add(length) }, rest))
}

/// The elements that stand one behind the other.
pub fn elements(bytes: &[u8]) -> impl Iterator<Item = Element<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (element, behind) = take(rest)?;
        rest = behind;
        Some(element)
    })
}

/// The content of the first element with that tag.
pub fn find(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    elements(bytes).find(|element| element.tag == tag).map(|element| element.content)
}

/// The content of the element in front, if it has that tag.
pub fn open(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    take(bytes).filter(|(element, _)| element.tag == tag).map(|(element, _)| element.content)
}

/// A number of at most four bytes.
pub fn int32(content: &[u8]) -> Option<i32> {
    let sign = if content.first()? & 0x80 == 0 { 0 } else { -1 };
    (content.len() <= 4).then(|| content.iter().fold(sign, |number, &byte| number << 8 | i32::from(byte)))
}

/// Any bytes end in elements that lie within them.
pub fn fuzz(bytes: &[u8]) {
    let total: usize = elements(bytes).map(|element| 2 + element.content.len()).sum();
    assert!(total <= bytes.len(), "elements do not overlap");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_and_what_is_left_of_one() {
        let (element, rest) = take(b"\x30\x03abcd").unwrap();
        assert_eq!((element.tag, element.content, element.length, rest), (0x30, &b"abc"[..], 5, &b"d"[..]));
        let (element, rest) = take(b"\x04\x82\x01\x00ab").unwrap();
        assert_eq!((element.content, element.length, rest), (&b"ab"[..], 260, &b""[..]));
        for none in [&b""[..], b"\x30", b"\x30\x80", b"\x1f\x20\x01a", b"\x30\x82\x01", b"\x30\x85\0\0\0\0\x01a"] {
            assert_eq!(take(none), None, "{none:x?}");
        }
        assert_eq!(find(b"\xa0\x01a\xa2\x01b", 0xa2), Some(&b"b"[..]));
        assert_eq!(
            (int32(b"\x12"), int32(b"\xff\x7b"), int32(b""), int32(&[1; 5])),
            (Some(18), Some(-133), None, None)
        );
    }

    #[test]
    fn any_bytes_end() {
        for first in 0..=255 {
            for second in 0..=255 {
                fuzz(&[first, second, 1, 2, 3, first, second]);
            }
        }
    }
}
