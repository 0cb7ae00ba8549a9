//! A SIP message: its exact bytes, and where in them everything stands.

use std::borrow::Cow;
use std::ops::{Deref, Range};

use crate::model::defect::Defect;

/// Part of a message's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    start: u32,
    end: u32,
}

impl Extent {
    /// The bytes of `range`. Messages are bounded far below 4 GiB; what lies beyond is clamped.
    pub fn new(range: Range<usize>) -> Self {
        let clamp = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Self { start: clamp(range.start), end: clamp(range.end.max(range.start)) }
    }

    /// The bytes of `whole` that it stands for; empty where `whole` is shorter.
    pub fn of(self, whole: &[u8]) -> &[u8] {
        whole.get(self.range()).unwrap_or_default()
    }

    const fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// The bytes of a message. Whether they are text is looked at once: nearly all are, and each of their parts then is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Raw {
    /// They are UTF-8.
    Text(Box<str>),
    /// They are not, as a whole.
    Bytes(Box<[u8]>),
}

impl Raw {
    /// The text of a part, bytes that are no UTF-8 replaced.
    fn text(&self, extent: Extent) -> Cow<'_, str> {
        let text = match self {
            Self::Text(text) => text.get(extent.range()),
            Self::Bytes(_) => None,
        };
        text.map_or_else(|| String::from_utf8_lossy(extent.of(self)), Cow::Borrowed)
    }
}

impl Deref for Raw {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

impl From<&[u8]> for Raw {
    fn from(bytes: &[u8]) -> Self {
        str::from_utf8(bytes).map_or_else(|_| Self::Bytes(bytes.into()), |text| Self::Text(text.into()))
    }
}

/// First line of a message (RFC 3261 §7.1, §7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartLine {
    /// Of a request.
    Request {
        /// Any token.
        method: Extent,
        /// Request-URI, as it stands.
        uri: Extent,
    },
    /// Of a response.
    Response {
        /// Status code; `None` where it is no number up to 65,535.
        status: Option<u16>,
        /// Reason phrase, possibly empty.
        reason: Extent,
    },
}

/// Header field names that lynccap asks for. Compact forms (RFC 3261 §7.3.3) are the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the name in the RFC or MS-* document")]
pub enum HeaderName {
    Authorization,
    AuthenticationInfo,
    CallId,
    Contact,
    ContentLength,
    ContentType,
    CSeq,
    Event,
    From,
    ProxyAuthenticate,
    ProxyAuthorization,
    To,
    Via,
    WwwAuthenticate,
    /// Any other; compare [`Header::name`].
    Other,
}

/// One header field as it stands in the message.
#[derive(Clone, Copy, Debug)]
pub struct HeaderField {
    /// Which it is.
    pub id: HeaderName,
    /// Its name as written.
    pub name: Extent,
    /// Its value without surrounding white space, folds included.
    pub value: Extent,
}

/// A header field with its text.
#[derive(Clone, Debug)]
pub struct Header<'a> {
    /// Which it is.
    pub id: HeaderName,
    /// Its name as written.
    pub name: Cow<'a, str>,
    /// Its value, unfolded; bytes that are no UTF-8 replaced.
    pub value: Cow<'a, str>,
}

/// `CSeq` (RFC 3261 §20.16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CSeq {
    /// Sequence number.
    pub number: u32,
    /// Method.
    pub method: Extent,
}

/// What carried a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// A datagram.
    Udp,
    /// A TCP stream.
    Tcp,
    /// A TLS session over TCP.
    Tls,
}

impl Carrier {
    /// As rows and exports spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

/// A SIP message.
#[derive(Clone, Debug)]
pub struct SipMessage {
    /// Start line, header fields, blank line and body, byte for byte.
    pub raw: Raw,
    /// First line.
    pub start: StartLine,
    /// Header fields in their order.
    pub headers: Box<[HeaderField]>,
    /// Where the body begins: after the blank line.
    pub body_at: u32,
    /// `CSeq`, where it can be read.
    pub cseq: Option<CSeq>,
    /// What carried it.
    pub carrier: Carrier,
    /// Whether it came out of SIP compression (MS-SIPCOMP).
    pub compressed: bool,
    /// Whether all of it is there.
    pub complete: bool,
    /// What is not as it should be.
    pub defects: Vec<Defect>,
}

impl SipMessage {
    /// The text of a part of the message, bytes that are no UTF-8 replaced.
    pub fn text(&self, extent: Extent) -> Cow<'_, str> {
        self.raw.text(extent)
    }

    /// The body; empty where there is none.
    pub fn body(&self) -> &[u8] {
        self.raw.get(self.body_at as usize..).unwrap_or_default()
    }

    /// Header fields in their order.
    pub fn headers(&self) -> impl Iterator<Item = Header<'_>> {
        self.headers_where(|_, _| true)
    }

    /// Header fields in their order, those whose id and name, as written, are wanted.
    pub fn headers_where(&self, wanted: impl Fn(HeaderName, &[u8]) -> bool) -> impl Iterator<Item = Header<'_>> {
        let fields = self.headers.iter().filter(move |field| wanted(field.id, field.name.of(&self.raw)));
        fields.map(|field| Header { id: field.id, name: self.text(field.name), value: self.value(field) })
    }

    /// The value of a header field, unfolded.
    pub fn value(&self, field: &HeaderField) -> Cow<'_, str> {
        unfold(self.text(field.value))
    }

    /// Whether a header field is of that name in any case.
    pub fn is_named(&self, field: &HeaderField, name: &str) -> bool {
        field.name.of(&self.raw).eq_ignore_ascii_case(name.as_bytes())
    }

    /// The first header field of that name, unfolded.
    pub fn header(&self, id: HeaderName) -> Option<Cow<'_, str>> {
        self.headers.iter().find(|field| field.id == id).map(|field| self.value(field))
    }

    /// The first header field whose name is `name` in any case, unfolded.
    pub fn header_named(&self, name: &str) -> Option<Cow<'_, str>> {
        self.headers.iter().find(|field| self.is_named(field, name)).map(|field| self.value(field))
    }

    /// Method of a request, or the method in the `CSeq` of a response.
    pub fn method(&self) -> Option<Cow<'_, str>> {
        match self.start {
            StartLine::Request { method, .. } => Some(self.text(method)),
            StartLine::Response { .. } => self.cseq.map(|cseq| self.text(cseq.method)),
        }
    }

    /// Status code of a response.
    pub const fn status(&self) -> Option<u16> {
        match self.start {
            StartLine::Response { status, .. } => status,
            StartLine::Request { .. } => None,
        }
    }

    /// Whether it is a request.
    pub const fn is_request(&self) -> bool {
        matches!(self.start, StartLine::Request { .. })
    }
}

/// Joins the lines of a folded value with one blank each (RFC 3261 §7.3.1).
fn unfold(value: Cow<'_, str>) -> Cow<'_, str> {
    if memchr::memchr2(b'\r', b'\n', value.as_bytes()).is_none() {
        return value;
    }
    let lines = value.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty());
    Cow::Owned(lines.collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_become_one_blank() {
        assert_eq!(unfold("a\r\n\t b\r\n c".into()), "a b c");
        assert!(matches!(unfold("plain".into()), Cow::Borrowed("plain")));
    }
}
