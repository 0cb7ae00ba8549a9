//! SIP messages (RFC 3261) as Lync's components write them, and as everybody else does.
//!
//! In: bytes. Out: where the start line, the header fields and the body stand. Any method, any
//! header field, names in any case or compact, folded values, LF for CRLF. Framing on a stream is
//! not done here (`session::sip`).

use memchr::{memchr, memchr_iter, memchr2, memchr2_iter, memchr3, memmem, memrchr};
use nom::IResult;
use nom::Parser;
use nom::bytes::complete::take_while1;
use smallvec::SmallVec;

use crate::model::Defect;
use crate::model::sip::{CSeq, Carrier, Extent, HeaderField, HeaderName, Headers, Raw, SipMessage, StartLine};
use crate::wire::fields::{FieldEnd, is_blank, split_at_byte, split_field};

/// Longest start line that is looked for where bytes may or may not be SIP.
pub const LONGEST_START: usize = 8192;

/// Whether bytes begin a SIP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// They do.
    Yes,
    /// They do not.
    No,
    /// Too few to tell.
    Unsure,
}

type Bytes<'a> = &'a [u8];

/// A character of a token (RFC 3261 §25.1), the form of a method.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
}

/// What stands behind `SIP/` and a version number; whatever number, since a wrong one is a fault to be shown.
fn after_version(input: &[u8]) -> Option<&[u8]> {
    let [b'S' | b's', b'I' | b'i', b'P' | b'p', b'/', rest @ ..] = input else { return None };
    let length = rest.iter().position(|&byte| byte != b'.' && !byte.is_ascii_digit()).unwrap_or(rest.len());
    let (number, rest) = rest.split_at(length);
    number.contains(&b'.').then_some(rest)
}

/// Whether `line` (without its end) is a start line: it begins with a version, or with a method and ends with one.
fn is_start_line(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    let begins_with_version =
        || after_version(line).is_some_and(|rest| rest.first().is_some_and(|&byte| is_blank(byte)));
    let ends_with_version = || {
        let blank = line.iter().rposition(|&byte| is_blank(byte));
        let last = blank.and_then(|blank| line.get(blank + 1..));
        last.and_then(after_version).is_some_and(<[u8]>::is_empty)
    };
    // Nearly all have the one version there is.
    line.starts_with(b"SIP/2.0 ")
        || begins_with_version()
        || line.first().is_some_and(|&byte| is_token(byte)) && (line.ends_with(b" SIP/2.0") || ends_with_version())
}

/// Whether `bytes` begin with a start line. Line ends before it are not skipped.
pub fn begins(bytes: &[u8]) -> Likeness {
    let window = bytes.get(..LONGEST_START).unwrap_or(bytes);
    if let Some(end) = memchr(b'\n', window) {
        return if is_start_line(window.get(..end).unwrap_or_default()) { Likeness::Yes } else { Likeness::No };
    }
    // No whole line yet: it may still become one as long as it has the beginning of one.
    let status = b"SIP/2.0 ";
    let common = window.len().min(status.len());
    if window.get(..common) == status.get(..common) {
        return if common == status.len() { Likeness::Yes } else { Likeness::Unsure };
    }
    let token = window.iter().take_while(|&&byte| is_token(byte)).count();
    let Some(after) = window.get(token..).filter(|_| token > 0) else { return Likeness::No };
    match after {
        [] if token <= 64 => Likeness::Unsure,
        [b' ', uri @ ..] if bytes.len() < LONGEST_START => uri_likeness(uri),
        _ => Likeness::No,
    }
}

/// Whether the beginning of a Request-URI is one of a scheme that SIP requests go to.
fn uri_likeness(uri: &[u8]) -> Likeness {
    let schemes: [&[u8]; 4] = [b"sip:", b"sips:", b"tel:", b"urn:"];
    let mut answer = Likeness::No;
    for scheme in schemes {
        let common = uri.len().min(scheme.len());
        let same = uri.get(..common).zip(scheme.get(..common)).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b));
        match (same, common == scheme.len()) {
            (true, true) => return Likeness::Yes,
            (true, false) => answer = Likeness::Unsure,
            (false, _) => {}
        }
    }
    answer
}

/// Methods that are recognised at the end of a longer word, where a body without a final line end
/// stands before a request.
#[rustfmt::skip]
const METHODS: [&[u8]; 17] = [
    b"BENOTIFY", b"NEGOTIATE", b"SUBSCRIBE", b"REGISTER", b"SERVICE", b"OPTIONS", b"MESSAGE", b"PUBLISH", b"NOTIFY",
    b"INVITE", b"CANCEL", b"UPDATE", b"PRACK", b"REFER", b"INFO", b"BYE", b"ACK",
];

/// Whether `bytes` begin with a method that is known, or with a status line.
pub fn begins_known(bytes: &[u8]) -> bool {
    let word = bytes.iter().take_while(|&&byte| is_token(byte)).count();
    bytes.starts_with(b"SIP/") || bytes.get(..word).is_some_and(|word| METHODS.contains(&word))
}

/// Finds the next start line from `from` on; returns where it begins.
///
/// It may stand behind other bytes of its line: the XML bodies of Lync end without a line end, and
/// after a hole anything may come before. Only whole lines count.
pub fn find_start(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    // Each line is judged once, whatever it holds.
    while let Some(found) = memmem::find(bytes.get(at..)?, b"SIP/").map(|found| at + found) {
        let line = memrchr(b'\n', bytes.get(at..found)?).map_or(at, |end| at + end + 1);
        let end = memchr(b'\n', bytes.get(found..)?).map(|end| found + end)?;
        if let Some(start) = start_in_line(bytes.get(line..end)?) {
            return Some(line + start);
        }
        at = end + 1;
    }
    None
}

/// Where in a line a start line begins that goes on to its end.
fn start_in_line(line: &[u8]) -> Option<usize> {
    let trimmed = line.trim_ascii_end();
    // The last version in the line that a status follows begins a response.
    for at in memmem::rfind_iter(trimmed, b"SIP/") {
        let tail = trimmed.get(at..)?;
        if let Some(rest) = after_version(tail) {
            if rest.is_empty() {
                return request_before(trimmed, at);
            }
            let status: IResult<Bytes<'_>, (Bytes<'_>, Bytes<'_>)> =
                (take_while1(is_blank), take_while1(|byte: u8| byte.is_ascii_digit())).parse(rest);
            if status
                .is_ok_and(|(rest, (_, digits))| digits.len() == 3 && rest.first().is_none_or(|&byte| is_blank(byte)))
            {
                return Some(at);
            }
        }
    }
    None
}

/// Where the request begins whose version stands at `version_at`: one URI before it, and the method before that.
fn request_before(line: &[u8], version_at: usize) -> Option<usize> {
    let before = line.get(..version_at)?;
    let uri_end = before.trim_ascii_end().len();
    let uri = before.get(..uri_end)?.iter().rposition(|&byte| is_blank(byte)).map(|blank| blank + 1)?;
    if uri_end == version_at || uri_likeness(before.get(uri..uri_end)?) != Likeness::Yes {
        // An odd URI: only where the whole line has the form of a request.
        return (is_start_line(line) && line.split(|&byte| is_blank(byte)).count() == 3).then_some(0);
    }
    let method_end = before.get(..uri)?.trim_ascii_end().len();
    let run = before.get(..method_end)?.iter().rev().take_while(|&&byte| is_token(byte)).count();
    let word = before.get(method_end - run..method_end)?;
    let known = METHODS.iter().find(|method| word.ends_with(method)).map_or(run, |method| method.len());
    // A word of its own is a method, whatever it is; a longer one that ends in a known method follows a body.
    let begins_line = method_end == run;
    (run > 0).then_some(method_end - if begins_line { run } else { known })
}

/// Finds the end of the head: the length of start line, header fields and the blank line after them.
///
/// `from` is where to go on when more bytes have come; pass what the last call returned as `Err`.
///
/// # Errors
/// Where the blank line is not there yet: from where to look next time.
pub fn find_head_end(bytes: &[u8], from: usize) -> Result<usize, usize> {
    for end in memchr_iter(b'\n', bytes.get(from..).unwrap_or_default()).map(|at| from + at + 1) {
        match bytes.get(end..) {
            Some([b'\n', ..]) => return Ok(end + 1),
            Some([b'\r', b'\n', ..]) => return Ok(end + 2),
            _ => {}
        }
    }
    Err(bytes.len().saturating_sub(3).max(from.min(bytes.len())))
}

/// The part of `bytes` that `part`, a slice of it, stands for.
fn extent(bytes: &[u8], part: &[u8]) -> Extent {
    let start = (part.as_ptr() as usize).saturating_sub(bytes.as_ptr() as usize);
    Extent::new(start..start + part.len())
}

/// The start line of `line`, whose parts lie in `whole`.
fn start_line(whole: &[u8], line: &[u8]) -> Option<StartLine> {
    let line = line.trim_ascii();
    if !is_start_line(line) {
        return None;
    }
    if let Some(after) = after_version(line) {
        let after = after.trim_ascii_start();
        let code = after.iter().position(|&byte| is_blank(byte)).unwrap_or(after.len());
        let (code, reason) = after.split_at(code);
        let status = std::str::from_utf8(code).ok().and_then(|digits| digits.parse().ok());
        return Some(StartLine::Response { status, reason: extent(whole, reason.trim_ascii()) });
    }
    let (method, after) = line.split_at(line.iter().position(|&byte| is_blank(byte))?);
    let version_at = after.windows(4).rposition(|word| word.eq_ignore_ascii_case(b"SIP/"))?;
    let uri = after.get(..version_at)?.trim_ascii();
    Some(StartLine::Request { method: extent(whole, method), uri: extent(whole, uri) })
}

/// Header fields that a message has at most, but for odd ones.
const USUAL_FIELDS: usize = 32;

/// Most defects that are told of one message.
const MOST_DEFECTS: usize = 16;

/// Where the parts of a message's head stand.
#[derive(Clone, Debug)]
pub struct Head {
    /// First line.
    pub start: StartLine,
    /// Header fields in their order.
    pub headers: Headers,
    /// Bytes up to and with the blank line; `None` where that is not there.
    pub length: Option<usize>,
    /// `Content-Length`, where it is there and a number.
    pub content_length: Option<usize>,
    /// What is not as it should be.
    pub defects: Vec<Defect>,
}

/// Reads the head that `bytes` begin, up to the blank line, or as much of it as there is.
/// `None` where the first line is no start line.
pub fn parse_head(bytes: &[u8]) -> Option<Head> {
    match HeadReader::default().read(bytes, true) {
        Reading::Done(head) => Some(head),
        Reading::Cut | Reading::NoHead => None,
    }
}

/// How far a head was read.
#[derive(Clone, Debug)]
pub enum Reading {
    /// To its end.
    Done(Head),
    /// More bytes are needed.
    Cut,
    /// The first line is no start line.
    NoHead,
}

/// Reads a head of which more and more comes; each line is read once.
#[derive(Clone, Debug, Default)]
pub struct HeadReader {
    start: Option<StartLine>,
    fields: SmallVec<[HeaderField; USUAL_FIELDS]>,
    content_length: Option<usize>,
    /// Header fields that tell the length.
    lengths: usize,
    defects: Vec<Defect>,
    /// Where the line begins that was not read yet, and how far its end was looked for from there.
    at: usize,
    end: FieldEnd,
}

impl HeadReader {
    /// Whether the start line was read.
    pub const fn has_start(&self) -> bool {
        self.start.is_some()
    }

    /// About how many bytes of memory it takes.
    pub fn cost(&self) -> usize {
        size_of::<Self>() + if self.fields.spilled() { self.fields.capacity() * size_of::<HeaderField>() } else { 0 }
    }

    /// Reads on in `bytes`, which begin with those of the last call. Where they are all there is, the head ends with
    /// them if not before.
    pub fn read(&mut self, bytes: &[u8], are_all: bool) -> Reading {
        let last = |bytes: &[u8]| are_all.then_some((bytes.len(), bytes.len()));
        if self.start.is_none() {
            let Some((end, next)) = self.end.find_line(bytes).or(last(bytes)) else { return Reading::Cut };
            self.start = start_line(bytes, bytes.get(..end).unwrap_or_default());
            (self.at, self.end) = (next, FieldEnd::default());
        }
        let Some(start) = self.start else { return Reading::NoHead };
        let mut rest = bytes.get(self.at..).unwrap_or_default();
        let mut field = self.end;
        let length = loop {
            let at = bytes.len() - rest.len();
            match rest {
                [b'\n', ..] => break Some(at + 1),
                [b'\r', b'\n', ..] => break Some(at + 2),
                [] if are_all => break None,
                _ => {}
            }
            let Some((end, next)) = field.find(rest).or(last(rest)) else {
                (self.at, self.end) = (at, field);
                return Reading::Cut;
            };
            self.line(bytes, at, rest.get(..end).unwrap_or_default(), field.is_folded());
            (rest, field) = (rest.get(next..).unwrap_or_default(), FieldEnd::default());
        };
        Reading::Done(Head {
            start,
            headers: Headers::new(self.fields.as_slice().into()),
            length,
            content_length: self.content_length,
            defects: std::mem::take(&mut self.defects),
        })
    }

    /// Takes the line that begins at `at`.
    #[inline]
    fn line(&mut self, bytes: &[u8], at: usize, line: &[u8], folded: bool) {
        let Some((name, value)) = split_field(line) else {
            if !line.trim_ascii_end().is_empty() {
                self.tell(at, "header line without a colon");
            }
            return;
        };
        let id = HeaderName::of(name);
        if id == HeaderName::ContentLength {
            self.length(at, value);
        }
        let name = Extent::new(at..at + name.len());
        self.fields.push(HeaderField { id, name, value: extent(bytes, value), folded });
    }

    /// Takes a `Content-Length`.
    fn length(&mut self, at: usize, value: &[u8]) {
        let number = decimal_length(value);
        if number.is_none() {
            self.tell(at, "Content-Length is no number");
        } else if self.lengths > 0 && number != self.content_length {
            self.tell(at, "several Content-Length that differ");
        }
        self.lengths += 1;
        self.content_length = self.content_length.or(number);
    }

    /// Tells what is wrong with a line, if not enough is said of this message.
    #[cold]
    fn tell(&mut self, at: usize, what: &'static str) {
        if self.defects.len() < MOST_DEFECTS {
            self.defects.push(Defect::new("SIP", at, what));
        }
    }
}

fn decimal_length(value: &[u8]) -> Option<usize> {
    let number: IResult<Bytes<'_>, u64> = nom::character::complete::u64.parse(value);
    let (rest, number) = number.ok()?;
    usize::try_from(number).ok().filter(|_| rest.trim_ascii().is_empty())
}

/// `CSeq` as a number and the method in `whole`.
fn cseq(whole: &[u8], value: &[u8]) -> Option<CSeq> {
    let (digits, rest) = value.split_at(value.iter().position(|&byte| is_blank(byte))?);
    let number = digits.iter().try_fold(0u32, |number, &byte| {
        let digit = byte.checked_sub(b'0').filter(|&digit| digit < 10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })?;
    let method = rest.get(rest.iter().position(|&byte| !is_blank(byte))?..)?;
    let length = method.iter().position(|&byte| is_blank(byte)).unwrap_or(method.len());
    Some(CSeq { number, method: extent(whole, method.get(..length)?) }).filter(|_| !digits.is_empty())
}

/// Builds the message of `raw`, whose head ends at `body_at`. `head` must have been read from the same bytes.
pub fn message(raw: Raw, body_at: usize, head: Head, carrier: Carrier, complete: bool) -> SipMessage {
    let cseq = head.headers.first(HeaderName::CSeq).and_then(|field| cseq(&raw, field.value.of(&raw)));
    let mut defects = head.defects;
    if complete {
        for (id, name) in [(HeaderName::CallId, "Call-ID"), (HeaderName::From, "From"), (HeaderName::To, "To")] {
            if head.headers.first(id).is_none() {
                defects.push(Defect::new("SIP", 0, format!("no {name}")));
            }
        }
        if cseq.is_none() {
            defects.push(Defect::new("SIP", 0, "no CSeq that can be read"));
        }
    }
    SipMessage {
        start: head.start,
        headers: head.headers,
        body_at: u32::try_from(body_at.min(raw.len())).unwrap_or(u32::MAX),
        body_bytes: u32::try_from(raw.len().saturating_sub(body_at)).unwrap_or(u32::MAX),
        cseq,
        carrier,
        compressed: false,
        complete,
        defects,
        raw,
    }
}

/// The URI in a `From`, `To` or `Contact` value, without display name and parameters: `sip:ann@ex.test`.
pub fn address_uri(value: &str) -> &str {
    let after_name = skip_display_name(value);
    trim(match after_bracket(after_name) {
        Some(bracketed) => before(bracketed, memchr3(b'>', b';', b'?', bracketed.as_bytes())),
        None => before(after_name, memchr2(b';', b'?', after_name.as_bytes())),
    })
}

/// The URI in a `From` or `To` value with the parameters inside its brackets, as it was written.
pub fn whole_uri(value: &str) -> &str {
    let after_name = skip_display_name(value);
    match after_bracket(after_name) {
        Some(bracketed) => before(bracketed, memchr(b'>', bracketed.as_bytes())),
        None => before_parameters(after_name),
    }
}

/// What stands behind the first opening bracket, which nearly always comes first.
fn after_bracket(text: &str) -> Option<&str> {
    let open = text.bytes().position(|byte| byte == b'<')?;
    text.get(open + 1..)
}

/// [`str::trim`], which decodes characters, where an end of the text may be white space.
fn trim(text: &str) -> &str {
    match text.as_bytes() {
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

/// Text up to where it ends, all of it where it does not. An ASCII character is a byte, wherever it stands in UTF-8.
fn before(text: &str, end: Option<usize>) -> &str {
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

/// Splits a header value at a character, but not inside quotes and brackets.
pub fn split_outside(value: &str, at: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut bracketed) = (false, false);
    value.split(move |char| {
        match char {
            '"' if !bracketed => quoted = !quoted,
            '<' if !quoted => bracketed = true,
            '>' if !quoted => bracketed = false,
            _ => {}
        }
        char == at && !quoted && !bracketed
    })
}

/// A parameter of a header value behind the address: `tag`, `epid`. `None` where it is not there.
pub fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let after_name = skip_display_name(value);
    let first = memchr2(b'<', b';', after_name.as_bytes())?;
    let is_bracketed = after_name.as_bytes().get(first) == Some(&b'<');
    let after_bracket = split_at_byte(after_name, b'>').filter(|_| is_bracketed);
    let after_address = after_bracket.map_or(after_name, |(_, after)| after);
    let (_, mut rest) = split_at_byte(after_address, b';')?;
    while !rest.is_empty() {
        let (parameter, after) = split_parameter(rest);
        let (key, text) = split_at_byte(parameter, b'=').unwrap_or((parameter, ""));
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(text.trim().trim_matches('"'));
        }
        rest = after;
    }
    None
}

/// Splits at the next semicolon that stands outside of quotes.
fn split_parameter(text: &str) -> (&str, &str) {
    let bytes = text.as_bytes();
    let mut quoted = false;
    for at in memchr2_iter(b'"', b';', bytes) {
        if bytes.get(at) == Some(&b'"') {
            quoted = !quoted;
        } else if !quoted {
            return (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default());
        }
    }
    (text, "")
}

/// The value behind a quoted display name, in which brackets mean nothing.
fn skip_display_name(value: &str) -> &str {
    if value.as_bytes().first() == Some(&b'<') {
        return value; // as most do
    }
    let value = value.trim_start();
    let Some(quoted) = value.strip_prefix('"') else { return value };
    let bytes = quoted.as_bytes();
    let mut from = 0;
    while let Some(at) = bytes.get(from..).and_then(|rest| memchr2(b'"', b'\\', rest)).map(|at| from + at) {
        if bytes.get(at) == Some(&b'"') {
            return quoted.get(at + 1..).unwrap_or_default();
        }
        from = at + 2; // a backslash, and what it takes the meaning of
    }
    value
}

/// The value of a header field up to its first parameter: the media type of a `Content-Type`.
pub fn before_parameters(value: &str) -> &str {
    trim(before(value, memchr(b';', value.as_bytes())))
}

/// For the fuzzer: any bytes, read as a head and as a stream start.
pub fn fuzz(bytes: &[u8]) {
    let _ = begins(bytes);
    if let Some(at) = find_start(bytes, 0) {
        assert!(at < bytes.len());
    }
    if let Some(head) = parse_head(bytes) {
        assert_eq!(head.length, find_head_end(bytes, 0).ok(), "both find the blank line");
        let end = head.length.unwrap_or(bytes.len());
        let message = message(bytes.into(), end, head, Carrier::Tcp, true);
        for header in message.headers() {
            let _ = (address_uri(&header.value), parameter(&header.value, "tag"), before_parameters(&header.value));
        }
        assert_eq!(message.body().len(), bytes.len() - end);
    }
}

#[cfg(test)]
mod tests {
    use nom::bytes::complete::tag_no_case;
    use proptest::prelude::*;

    use super::*;

    const BENOTIFY: &[u8] = b"BENOTIFY sip:192.0.2.55:50123 SIP/2.0\r\nv: SIP/2.0/TLS 192.0.2.10:5061\r\n\
        f: \"Ann <odd>\" <sip:ann@ex.test;x=1>;tag=a1;epid=8248ca9ebb\r\nTO:<sip:ann@ex.test>\r\n\
        i: 4f6e\r\nCSEQ: 2 BENOTIFY\r\nSubject: one\r\n\t two\r\nno colon here\r\nl : 2\r\n\r\nab";

    fn read(bytes: &[u8]) -> SipMessage {
        let head = parse_head(bytes).unwrap();
        message(bytes.into(), head.length.unwrap(), head, Carrier::Tcp, true)
    }

    #[test]
    fn any_method_compact_names_folds_and_bad_lines() {
        let message = read(BENOTIFY);
        assert_eq!(message.method().unwrap(), "BENOTIFY");
        assert_eq!(message.header(HeaderName::CallId).unwrap(), "4f6e");
        assert_eq!(message.header_named("subject").unwrap(), "one two");
        assert_eq!(message.cseq.unwrap().number, 2);
        assert_eq!(message.body(), b"ab");
        let from = message.header(HeaderName::From).unwrap();
        assert_eq!(address_uri(&from), "sip:ann@ex.test");
        assert_eq!(parameter(&from, "EPID"), Some("8248ca9ebb"));
        assert_eq!(parameter(&from, "nothing"), None);
        let contact = "<sip:192.0.2.55:50123;ms-received-cid=2600>;expires=7200;+sip.instance=\"<urn:uuid:1>\";gruu=\"sip:ann@ex.test;opaque=user:epid:x;gruu\"";
        assert_eq!(parameter(contact, "gruu"), Some("sip:ann@ex.test;opaque=user:epid:x;gruu"));
        assert_eq!(parameter(contact, "+sip.instance"), Some("<urn:uuid:1>"));
        assert_eq!(parameter(contact, "opaque"), None);
        assert_eq!(parameter("SIP/2.0/TLS 192.0.2.55:5;x=\"<a>\";ms-received-cid=A", "ms-received-cid"), Some("A"));
        assert_eq!(message.defects.len(), 1, "{:?}", message.defects);
    }

    #[track_caller]
    fn check_begins(bytes: &[u8], expected: Likeness) {
        assert_eq!(begins(bytes), expected, "{:?}", String::from_utf8_lossy(bytes));
    }

    #[test]
    fn what_begins_a_message() {
        check_begins(b"REGISTER sip:ex.test SIP/2.0\r\n", Likeness::Yes);
        check_begins(b"SIP/2.0 401 Unauthorized\r\n", Likeness::Yes);
        check_begins(b"SIP/2.0 200 \r\n", Likeness::Yes);
        check_begins(b"OPTIONS sip:a@ex.test SIP/7.0\r\n", Likeness::Yes);
        check_begins(b"!int-meth_*+`.%'~ sip:x SIP/2.0\r\n", Likeness::Yes);
        check_begins(b"REGISTER sip:very-long", Likeness::Yes);
        check_begins(b"SIP/2", Likeness::Unsure);
        check_begins(b"SERVIC", Likeness::Unsure);
        check_begins(b"SERVICE s", Likeness::Unsure);
        check_begins(b"", Likeness::Unsure);
        check_begins(b"GET / HTTP/1.1\r\n", Likeness::No);
        check_begins(b"GET /", Likeness::No);
        check_begins(b"\x16\x03\x01", Likeness::No);
        check_begins(b"Via: SIP/2.0/TLS 192.0.2.1\r\n", Likeness::No);
    }

    #[test]
    fn starts_are_found_after_rubbish() {
        let stream = b"dy>\r\nVia: SIP/2.0/TCP x\r\n\r\nSIP/2.0 200 OK\r\n";
        assert_eq!(find_start(stream, 0), Some(27));
        assert_eq!(find_start(stream, 28), None);
        assert_eq!(find_start(b"SIP/2.0 200 OK", 0), None, "the line is not whole");
        assert_eq!(find_start(b"</x>SIP/2.0 200 OK\r\n", 0), Some(4));
        assert_eq!(find_start(b"est a=\"b\"></x>INVITE sip:a@b SIP/2.0\r\n", 0), Some(14));
        assert_eq!(find_start(b"x y jaKINVITE sip:a@b SIP/2.0\r\n", 0), Some(7));
        assert_eq!(find_start(b"CUSTOM sip:a@b SIP/2.0\r\n", 0), Some(0));
        assert_eq!(find_start(b"REGISTER odd:thing SIP/2.0\r\n", 0), Some(0));
        assert_eq!(find_start(b"some text of SIP/2.0\r\n", 0), None);
    }

    #[test]
    fn heads_end_at_the_blank_line() {
        assert_eq!(find_head_end(b"a\r\n\r\nb", 0), Ok(5));
        assert_eq!(find_head_end(b"a\n\nb", 0), Ok(3));
        assert_eq!(find_head_end(b"a\r\n\r", 0), Err(1));
        assert_eq!(find_head_end(b"abc\r\n\r\n", 3), Ok(7));
    }

    #[test]
    fn versions_in_any_case() {
        let message = read(b"INVITE sip:a@b sip/2.0\r\nCSeq: 1 INVITE\r\n\r\n");
        assert_eq!(message.method().unwrap(), "INVITE");
        assert!(matches!(message.start, StartLine::Request { uri, .. } if message.text(uri) == "sip:a@b"));
        assert_eq!(read(b"sIp/2.0 200 OK\r\n\r\n").status(), Some(200));
    }

    #[test]
    fn odd_numbers() {
        let message = read(b"SIP/2.0 4294967301 no\r\nCSeq: 36893488147419103232 REGISTER\r\n\r\n");
        assert_eq!((message.status(), message.cseq), (None, None));
        let head = parse_head(b"SIP/2.0 200 OK\r\nContent-Length: -9\r\n\r\n").unwrap();
        assert_eq!((head.content_length, head.defects.len()), (None, 1));
    }

    /// What reads addresses, character by character.
    mod by_character {
        pub fn address_uri(value: &str) -> &str {
            let after_name = skip_display_name(value);
            let uri = match after_name.split_once('<') {
                Some((_, bracketed)) => bracketed.split_once('>').map_or(bracketed, |(uri, _)| uri),
                None => after_name,
            };
            let uri = uri.trim();
            uri.split_once([';', '?']).map_or(uri, |(uri, _)| uri).trim()
        }

        pub fn whole_uri(value: &str) -> &str {
            let after_name = skip_display_name(value);
            match after_name.split_once('<') {
                Some((_, bracketed)) => bracketed.split_once('>').map_or(bracketed, |(uri, _)| uri),
                None => before_parameters(after_name),
            }
        }

        pub fn split_parameter(text: &str) -> (&str, &str) {
            let mut quoted = false;
            for (at, char) in text.char_indices() {
                match char {
                    '"' => quoted = !quoted,
                    ';' if !quoted => return (&text[..at], &text[at + 1..]),
                    _ => {}
                }
            }
            (text, "")
        }

        pub fn skip_display_name(value: &str) -> &str {
            let value = value.trim_start();
            let Some(quoted) = value.strip_prefix('"') else { return value };
            let mut escaped = false;
            for (at, char) in quoted.char_indices() {
                match char {
                    '"' if !escaped => return &quoted[at + 1..],
                    '\\' => escaped = !escaped,
                    _ => escaped = false,
                }
            }
            value
        }

        pub fn before_parameters(value: &str) -> &str {
            value.split_once(';').map_or(value, |(main, _)| main).trim()
        }
    }

    #[track_caller]
    fn check_address(value: &str) {
        assert_eq!(address_uri(value), by_character::address_uri(value), "{value}");
        assert_eq!(whole_uri(value), by_character::whole_uri(value), "{value}");
        assert_eq!(split_parameter(value), by_character::split_parameter(value), "{value}");
        assert_eq!(skip_display_name(value), by_character::skip_display_name(value), "{value}");
        assert_eq!(before_parameters(value), by_character::before_parameters(value), "{value}");
    }

    #[test]
    fn addresses_at_their_edges() {
        for value in
            ["", "\"", "\"\\", "\"\\\"", "\"\\é\"<", "<", ">", "<>", "\u{a0}<\u{2003}é;é>", "\"a\\\\\";b", ";", "?"]
        {
            check_address(value);
        }
    }

    proptest! {
        #[test]
        fn addresses_are_read_as_by_character(
            chars in proptest::collection::vec(proptest::sample::select(&['"', '\\', '<', '>', ';', '?', ' ', '\u{2003}', 'é', 'a'][..]), 0..16),
        ) {
            check_address(&String::from_iter(chars));
        }
    }

    #[test]
    fn any_bytes_end() {
        for length in 0..BENOTIFY.len() {
            fuzz(&BENOTIFY[..length]);
            fuzz(&BENOTIFY[length..]);
        }
    }

    #[track_caller]
    fn check_pieces(bytes: &[u8], size: usize) {
        let whole = parse_head(bytes).filter(|head| head.length.is_some());
        let mut reader = HeadReader::default();
        let pieces = (size..bytes.len()).step_by(size).chain([bytes.len()]);
        let read = pieces.map(|length| reader.read(&bytes[..length], false)).find(|read| !matches!(read, Reading::Cut));
        let head = read.and_then(|read| if let Reading::Done(head) = read { Some(head) } else { None });
        assert_eq!(format!("{head:?}"), format!("{whole:?}"), "{:?}", String::from_utf8_lossy(bytes));
    }

    #[test]
    fn a_head_in_pieces_is_the_same() {
        for size in 1..BENOTIFY.len() {
            check_pieces(BENOTIFY, size);
        }
    }

    #[test]
    fn bare_line_ends_are_blanks_in_a_value() {
        let message = read(b"SIP/2.0 200 OK\r\nSubject: a\rb\r\nEvent: c\r\r\nTo: d\n e\n\n");
        assert_eq!(message.header_named("Subject").unwrap(), "a b");
        assert_eq!(message.header(HeaderName::Event).unwrap(), "c");
        assert_eq!(message.header(HeaderName::To).unwrap(), "d e");
    }

    #[test]
    fn fields_far_behind_are_found() {
        let many = "X: y\r\n".repeat(300);
        let message = read(format!("SIP/2.0 200 OK\r\n{many}To: a\r\nt: b\r\nDate: c\r\n\r\n").as_bytes());
        assert_eq!(message.header(HeaderName::To).unwrap(), "a");
        assert_eq!(message.header_named("date").unwrap(), "c");
        assert_eq!(message.header_named("T").unwrap(), "b", "by name, a compact form is another");
        assert_eq!((message.header(HeaderName::From), message.header_named("Y")), (None, None));
    }

    /// What a start line is, in terms of the grammar.
    fn has_the_form_of_a_start_line(line: &[u8]) -> bool {
        let line = line.trim_ascii();
        let version = |input: &[u8]| -> Option<usize> {
            let parts: IResult<Bytes<'_>, (Bytes<'_>, Bytes<'_>)> =
                (tag_no_case("SIP/"), take_while1(|byte: u8| byte.is_ascii_digit() || byte == b'.')).parse(input);
            parts.ok().filter(|(_, (_, number))| number.contains(&b'.')).map(|(rest, _)| input.len() - rest.len())
        };
        if version(line).is_some_and(|length| line.get(length).is_some_and(|&byte| is_blank(byte))) {
            return true;
        }
        let method: IResult<Bytes<'_>, Bytes<'_>> = take_while1(is_token).parse(line);
        let Ok((rest, _)) = method else { return false };
        let last = rest.rsplit(|&byte| is_blank(byte)).next().unwrap_or_default();
        last.len() < rest.len() && version(last) == Some(last.len())
    }

    proptest! {
        #[test]
        fn start_lines_have_the_form(parts in prop::collection::vec(0..12usize, 0..8)) {
            let words: [&[u8]; 12] =
                [b"SIP/2.0", b"sip/", b"SIP/", b"2.0", b"2", b".", b" ", b"\t", b"INVITE", b"@", b"\r", b"1"];
            let line = parts.iter().flat_map(|&part| words[part]).copied().collect::<Vec<_>>();
            prop_assert_eq!(is_start_line(&line), has_the_form_of_a_start_line(&line));
        }

        #[test]
        fn odd_heads_in_pieces_are_the_same(parts in prop::collection::vec(0..14usize, 0..24), size in 1..9usize) {
            let words: [&[u8]; 14] = [
                b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"To", b"Content-Length: 1", b"\xff", b"\x0c", b"x: y\r\n",
                b"l: 2\n", b"\r\n\r\n", b"\r\n z",
            ];
            let odd = parts.iter().flat_map(|&part| words[part]).copied();
            let bytes = b"SIP/2.0 200 OK".iter().copied().chain(odd).collect::<Vec<_>>();
            check_pieces(&bytes, size);
            fuzz(&bytes);
        }
    }

    #[track_caller]
    fn check_abridged(text: &[u8]) {
        let head = parse_head(text).unwrap();
        let whole = message(text.into(), head.length.unwrap(), head, Carrier::Tcp, true);
        let (names, mut short) = ([HeaderName::To, HeaderName::CSeq, HeaderName::Event], whole.clone());
        short.abridge(&names);
        assert!(short.raw.len() < whole.raw.len());
        for name in names {
            assert_eq!(short.header(name), whole.header(name), "{name:?}");
        }
        let line = |message: &SipMessage| match message.start {
            StartLine::Request { method, uri } => [method, uri].map(|part| message.text(part).into_owned()),
            StartLine::Response { reason, .. } => [message.text(reason).into_owned(), String::new()],
        };
        assert_eq!((line(&short), short.status()), (line(&whole), whole.status()));
        assert_eq!((short.method(), short.body_bytes), (whole.method(), whole.body_bytes));
        assert_eq!(short.cseq.map(|cseq| cseq.number), whole.cseq.map(|cseq| cseq.number));
        assert_eq!((short.header(HeaderName::From), short.header_named("X"), short.body()), (None, None, &[][..]));
        let again = short.raw.to_vec();
        short.abridge(&names);
        assert_eq!(*short.raw, again, "nothing is left to let go");
    }

    #[test]
    fn what_is_asked_for_stays() {
        check_abridged(b"MESSAGE sip:b@ex SIP/2.0\r\nf: <sip:a@ex>\r\nT: \"B\"\r\n <sip:b@ex>\r\nTo: 2\r\nCSeq: 7 MESSAGE\r\nX: y\r\n\r\nbody");
        check_abridged(
            b"SIP/2.0 200 Gr\xc3\xbc\xc3\x9fe\nTo: \xfcber\nCSeq: 9 INVITE\nEvent:\no: presence\nX: \xff\n\nb",
        );
        check_abridged(b"SIP/2.0 abc\r\nTo: a\xc3\r\nEvent: \xbc\r\nFrom: c\r\n\r\n");
    }
}
