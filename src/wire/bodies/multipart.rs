//! Bodies of several parts (RFC 2046 §5.1): a `Content-Type` and a body in, its parts out, bounded.

use memchr::memmem;

use crate::wire::fields::split_field;
use crate::wire::fields::take_field;
use crate::wire::fields::take_line;

/// Most parts that are read; a subscription to the presence of 1,000 contacts is answered with one part each.
pub const MAX_PARTS: usize = 4096;
/// Most header fields of a part; real ones have three.
const MAX_FIELDS: usize = 32;
/// Longest boundary (RFC 2046 §5.1.1).
const MAX_BOUNDARY: usize = 70;

/// A part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// Its `Content-Type`, empty where it has none.
    pub content_type: String,
    /// Its body.
    pub body: &'a [u8],
}

/// Splits a body. The boundary is that of the content type, or where that has none that of the first line.
pub fn split<'a>(content_type: &str, body: &'a [u8]) -> Vec<Part<'a>> {
    let Some(boundary) = boundary(content_type).or_else(|| first_boundary(body)) else { return Vec::new() };
    let delimiter = [b"--", boundary.as_bytes()].concat();
    let begins_line = |at: &usize| at.checked_sub(1).is_none_or(|before| body.get(before) == Some(&b'\n'));
    let mut places = memmem::find_iter(body, &delimiter).filter(begins_line).take(MAX_PARTS + 1).peekable();
    let mut parts = Vec::new();
    while let Some(at) = places.next() {
        let from = at + delimiter.len();
        let end = places.peek().copied().unwrap_or(body.len());
        let Some(whole) = body.get(from..end).filter(|whole| !whole.starts_with(b"--")) else { break };
        if parts.len() < MAX_PARTS {
            parts.push(part(whole));
        }
    }
    parts
}

/// Reads what stands between two delimiters, the rest of the delimiter's line included.
fn part(whole: &[u8]) -> Part<'_> {
    let (_, mut rest) = take_line(whole);
    let mut content_type = String::new();
    for _ in 0..MAX_FIELDS {
        let (line, after) = take_field(rest);
        let field = split_field(line).filter(|_| !line.starts_with(b"<"));
        let Some((name, value)) = field else {
            // A blank line ends the head; anything else is the body already.
            rest = if line.is_empty() { after } else { rest };
            break;
        };
        if name.eq_ignore_ascii_case(b"content-type") {
            content_type = String::from_utf8_lossy(value).into_owned();
        }
        rest = after;
    }
    let body = rest.strip_suffix(b"\n").unwrap_or(rest);
    Part { content_type, body: body.strip_suffix(b"\r").unwrap_or(body) }
}

fn boundary(content_type: &str) -> Option<String> {
    let parameters = content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let found = parameters.into_iter().find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"));
    let value = found?.1.trim().trim_matches('"');
    (!value.is_empty() && value.len() <= MAX_BOUNDARY).then(|| value.to_owned())
}

fn first_boundary(body: &[u8]) -> Option<String> {
    let line = body.trim_ascii_start().strip_prefix(b"--")?;
    let end = line.iter().take(MAX_BOUNDARY + 1).position(u8::is_ascii_whitespace)?;
    let name = std::str::from_utf8(line.get(..end)?).ok()?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// For the fuzzer: a line with the content type, then the body.
pub fn fuzz(bytes: &[u8]) {
    let (line, body) = take_line(bytes);
    let parts = split(&String::from_utf8_lossy(line), body);
    assert!(parts.len() <= MAX_PARTS);
    assert!(parts.iter().map(|part| part.body.len()).sum::<usize>() <= body.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content_type: &str, body: &str, expected: &[(&str, &str)]) {
        let parts = split(content_type, body.as_bytes());
        let parts: Vec<_> =
            parts.iter().map(|part| (part.content_type.as_str(), std::str::from_utf8(part.body).unwrap())).collect();
        assert_eq!(parts, expected, "{body}");
    }

    #[test]
    fn parts() {
        let body = "preamble\r\n--Ab\r\nContent-ID: 1\r\nContent-Type: application/rlmi+xml\r\n\r\n<list/>\r\n--Ab\r\n\r\n<a>--Ab</a>\r\n--Ab--\r\nepilogue";
        let expected = [("application/rlmi+xml", "<list/>"), ("", "<a>--Ab</a>")];
        check("multipart/related;type=\"application/rlmi+xml\";boundary=Ab", body, &expected);
        check("multipart/related; Boundary=\"Ab\"", body, &expected);
        check("multipart/related", &body["preamble\r\n".len()..], &expected);
        check("multipart/related", body, &[]);
        check("multipart/related;boundary=Ab", "--Ab\nContent-Type: a/b\n\n<cut", &[("a/b", "<cut")]);
        check("multipart/related;boundary=Ab", "--Ab\n<no:head/>\n--Ab--", &[("", "<no:head/>")]);
    }

    #[test]
    fn bounds_hold() {
        let body = "--x\n\n\n".repeat(MAX_PARTS + 10);
        assert_eq!(split("multipart/mixed;boundary=x", body.as_bytes()).len(), MAX_PARTS);
        for at in 0..40 {
            fuzz(&b"multipart/x;boundary=b\n--b\nA: b\n\nc\n--b--"[..at]);
        }
    }
}
