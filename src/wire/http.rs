//! Heads of HTTP/1 messages (RFC 9112). Framing on a stream is `session::http`.
//!
//! HTTP/2 and what follows an upgrade are not read.

use nom::IResult;
use nom::Parser;
use nom::bytes::complete::{tag, take_while, take_while1};
use nom::character::complete::{u16 as decimal, u64 as length};

use crate::model::http::HttpStart;
use crate::wire::fields::{is_blank, split_field, take_field, take_line};
use crate::wire::sip::Likeness;

/// Methods that begin a request where no port says that it is HTTP.
const METHODS: [&[u8]; 9] =
    [b"GET ", b"POST ", b"PUT ", b"HEAD ", b"DELETE ", b"OPTIONS ", b"CONNECT ", b"PATCH ", b"PROPFIND "];

/// Longest request line that is looked at before it is whole.
const LONGEST_LINE: usize = 8192;

type Bytes<'a> = &'a [u8];

/// Whether bytes begin an HTTP/1 message.
pub fn begins(bytes: &[u8]) -> Likeness {
    let window = bytes.get(..LONGEST_LINE).unwrap_or(bytes);
    // Nearly all that is asked for differs in the first byte.
    let starts = |word: &&[u8]| window.iter().zip(*word).all(|(byte, expected)| byte == expected);
    if starts(&b"HTTP/1.".as_slice()) {
        return if window.len() >= 7 { Likeness::Yes } else { Likeness::Unsure };
    }
    if !METHODS.iter().any(starts) {
        return Likeness::No;
    }
    match memchr::memchr(b'\n', window) {
        Some(end) => {
            let line = window.get(..end).unwrap_or_default().trim_ascii_end();
            let version = line.rsplit(|&byte| byte == b' ').next().unwrap_or_default();
            if version.starts_with(b"HTTP/1.") { Likeness::Yes } else { Likeness::No }
        }
        None if window.len() < LONGEST_LINE => Likeness::Unsure,
        None => Likeness::No,
    }
}

/// A head that could be read.
#[derive(Clone, Debug)]
pub struct Head {
    /// First line.
    pub start: HttpStart,
    /// Header fields in their order.
    pub headers: Vec<(String, String)>,
}

/// Reads a head: `bytes` up to and with the blank line. `None` where the first line is none of HTTP.
pub fn parse_head(bytes: &[u8]) -> Option<Head> {
    let (line, mut rest) = take_line(bytes);
    let start = start_line(line)?;
    let mut headers = Vec::new();
    while !rest.is_empty() {
        let (line, after) = take_field(rest);
        rest = after;
        if let Some((name, value)) = split_field(line) {
            headers.push((text(name), text(value)));
        }
    }
    Some(Head { start, headers })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn start_line(line: &[u8]) -> Option<HttpStart> {
    let word = |input| take_while1::<_, Bytes<'_>, nom::error::Error<Bytes<'_>>>(|byte| !is_blank(byte)).parse(input);
    let response: IResult<Bytes<'_>, (Bytes<'_>, Bytes<'_>, Bytes<'_>, u16)> =
        (tag("HTTP/1."), take_while1(|byte: u8| byte.is_ascii_digit()), take_while1(is_blank), decimal).parse(line);
    if let Ok((reason, (.., status))) = response {
        return Some(HttpStart::Response { status, reason: text(reason.trim_ascii()) });
    }
    let (rest, method) = word(line).ok()?;
    let blanks: IResult<Bytes<'_>, Bytes<'_>> = take_while(is_blank).parse(rest);
    let (rest, target) = word(blanks.ok()?.0).ok()?;
    let version = rest.trim_ascii();
    let request = HttpStart::Request { method: text(method), target: text(target) };
    version.starts_with(b"HTTP/1.").then_some(request)
}

/// Length in the line before a chunk, without extensions (RFC 9112 §7.1).
pub fn chunk_length(line: &[u8]) -> Option<u64> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let digits = std::str::from_utf8(line.get(..digits)?).ok()?;
    u64::from_str_radix(digits, 16).ok()
}

/// A `Content-Length`.
pub fn content_length(value: &str) -> Option<u64> {
    let number: IResult<&str, u64> = length.parse(value.trim());
    number.ok().filter(|(rest, _)| rest.trim().is_empty()).map(|(_, number)| number)
}

/// For the fuzzer: any bytes.
pub fn fuzz(bytes: &[u8]) {
    let _ = (begins(bytes), parse_head(bytes), chunk_length(bytes));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        let head = parse_head(b"GET /?sipuri=a HTTP/1.1\r\nHost: lyncdiscover.ex.test\r\nbad\r\n\r\n").unwrap();
        assert_eq!(head.start, HttpStart::Request { method: "GET".into(), target: "/?sipuri=a".into() });
        assert_eq!(head.headers, [("Host".to_owned(), "lyncdiscover.ex.test".to_owned())]);
        let head = parse_head(b"HTTP/1.1 401 Not you\r\n\r\n").unwrap();
        assert_eq!(head.start, HttpStart::Response { status: 401, reason: "Not you".into() });
        assert!(parse_head(b"REGISTER sip:a SIP/2.0\r\n\r\n").is_none());
    }

    #[test]
    fn beginnings() {
        assert_eq!(begins(b"GET / HTTP/1.1\r\n"), Likeness::Yes);
        assert_eq!(begins(b"OPTIONS sip:a@ex.test SIP/2.0\r\n"), Likeness::No);
        assert_eq!(begins(b"OPTIONS sip:a"), Likeness::Unsure);
        assert_eq!(begins(b"HTTP/1.1 200"), Likeness::Yes);
        assert_eq!(begins(b"PO"), Likeness::Unsure);
        assert_eq!(begins(b"hello"), Likeness::No);
        assert_eq!((chunk_length(b"1a;x=y"), chunk_length(b"zz"), chunk_length(b"")), (Some(26), None, None));
        assert_eq!((content_length(" 12 "), content_length("1x")), (Some(12), None));
    }
}
