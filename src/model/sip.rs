//! A SIP message: its exact bytes, and where in them everything stands.

use std::borrow::Cow;
use std::ops::{Deref, Range};

use smallvec::SmallVec;

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

    const fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
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

impl From<Vec<u8>> for Raw {
    /// Nothing is copied where the vector has no room left.
    fn from(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes)
            .map_or_else(|not_text| Self::Bytes(not_text.into_bytes().into()), |text| Self::Text(text.into()))
    }
}

impl From<&str> for Raw {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
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

impl StartLine {
    /// Bytes of its parts.
    const fn len(self) -> usize {
        match self {
            Self::Request { method, uri } => method.len() + uri.len(),
            Self::Response { reason, .. } => reason.len(),
        }
    }
}

/// Header field names that lynccap asks for. Compact forms (RFC 3261 §7.3.3) are the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the name in the RFC or MS-* document")]
pub enum HeaderName {
    Authorization,
    AuthenticationInfo,
    CallId,
    Compression,
    Contact,
    ContentLength,
    ContentType,
    CSeq,
    Date,
    Event,
    Expires,
    From,
    MsDiagnostics,
    MsDiagnosticsPublic,
    MsUserLogonData,
    ProxyAuthenticate,
    ProxyAuthenticationInfo,
    ProxyAuthorization,
    SubscriptionState,
    To,
    UserAgent,
    Via,
    Warning,
    WwwAuthenticate,
    /// Any other; compare [`Header::name`].
    Other,
}

impl HeaderName {
    /// How many there are.
    const COUNT: usize = Self::Other as usize + 1;

    /// The one that is written so, in any case.
    pub fn of(name: &[u8]) -> Self {
        // Nearly all are written as in the document that defines them.
        let is = |known: &str| name == known.as_bytes() || name.eq_ignore_ascii_case(known.as_bytes());
        // By length first: one comparison decides for nearly every field.
        match name.len() {
            1 => match name.first().map(u8::to_ascii_lowercase) {
                Some(b'i') => Self::CallId,
                Some(b'm') => Self::Contact,
                Some(b'l') => Self::ContentLength,
                Some(b'c') => Self::ContentType,
                Some(b'o') => Self::Event,
                Some(b'f') => Self::From,
                Some(b't') => Self::To,
                Some(b'v') => Self::Via,
                _ => Self::Other,
            },
            2 if is("To") => Self::To,
            3 if is("Via") => Self::Via,
            4 if is("From") => Self::From,
            4 if is("CSeq") => Self::CSeq,
            4 if is("Date") => Self::Date,
            5 if is("Event") => Self::Event,
            7 if is("Call-ID") => Self::CallId,
            7 if is("Contact") => Self::Contact,
            7 if is("Expires") => Self::Expires,
            7 if is("Warning") => Self::Warning,
            10 if is("User-Agent") => Self::UserAgent,
            11 if is("Compression") => Self::Compression,
            12 if is("Content-Type") => Self::ContentType,
            13 if is("Authorization") => Self::Authorization,
            14 if is("Content-Length") => Self::ContentLength,
            14 if is("ms-diagnostics") => Self::MsDiagnostics,
            16 if is("WWW-Authenticate") => Self::WwwAuthenticate,
            18 if is("Subscription-State") => Self::SubscriptionState,
            18 if is("Proxy-Authenticate") => Self::ProxyAuthenticate,
            18 if is("ms-user-logon-data") => Self::MsUserLogonData,
            19 if is("Proxy-Authorization") => Self::ProxyAuthorization,
            19 if is("Authentication-Info") => Self::AuthenticationInfo,
            21 if is("ms-diagnostics-public") => Self::MsDiagnosticsPublic,
            25 if is("Proxy-Authentication-Info") => Self::ProxyAuthenticationInfo,
            _ => Self::Other,
        }
    }
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
    /// Whether the value may hold ends of lines: it is folded, or a CR stands in it.
    pub folded: bool,
}

/// The header fields of a message in their order, and where to look for one.
#[derive(Clone, Debug)]
pub struct Headers {
    fields: Box<[HeaderField]>,
    /// For each name, a place before which no field has it; far beyond the usual number where none has.
    first: [u8; HeaderName::COUNT],
}

impl Headers {
    /// The fields of a message.
    pub fn new(fields: Box<[HeaderField]>) -> Self {
        let mut first = [u8::MAX; HeaderName::COUNT];
        for (field, place) in fields.iter().zip(0..u8::MAX) {
            if let Some(first) = first.get_mut(field.id as usize) {
                *first = place.min(*first);
            }
        }
        Self { fields, first }
    }

    /// The first field of that name.
    pub fn first(&self, id: HeaderName) -> Option<&HeaderField> {
        self.all(id).next()
    }

    /// The fields of that name in their order.
    fn all(&self, id: HeaderName) -> impl Iterator<Item = &HeaderField> {
        let from = self.first.get(id as usize).map_or(0, |&first| usize::from(first));
        self.fields.get(from..).unwrap_or_default().iter().filter(move |field| field.id == id)
    }
}

impl Deref for Headers {
    type Target = [HeaderField];

    fn deref(&self) -> &[HeaderField] {
        &self.fields
    }
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
    pub headers: Headers,
    /// Where the body begins: after the blank line.
    pub body_at: u32,
    /// Bytes of the body, also where it was let go.
    pub body_bytes: u32,
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

    /// Lets go of the body, which nobody will ask for.
    pub fn let_body_go(&mut self) {
        let head = self.body_at as usize;
        if self.raw.len().saturating_sub(head) > SMALL_BODY {
            self.raw = match &self.raw {
                Raw::Text(text) => text.get(..head).unwrap_or_default().into(),
                Raw::Bytes(bytes) => bytes.get(..head).unwrap_or_default().into(),
            };
        }
    }

    /// Lets go of all but the start line, `CSeq`'s parts and the first header field of each of these names, without
    /// its name as written.
    pub fn abridge(&mut self, names: &[HeaderName]) {
        let Self { raw, start, cseq, headers, .. } = self;
        let mut fields: SmallVec<[HeaderField; 8]> =
            names.iter().filter_map(|&name| headers.first(name).copied()).collect();
        let lengths = fields.iter().map(|field| field.value.len());
        let mut bytes =
            Vec::with_capacity(start.len() + cseq.map_or(0, |cseq| cseq.method.len()) + lengths.sum::<usize>());
        let mut keep = |text: &mut Extent| {
            let begin = bytes.len();
            bytes.extend_from_slice(text.of(raw));
            *text = Extent::new(begin..bytes.len());
        };
        match start {
            StartLine::Request { method, uri } => [method, uri].into_iter().for_each(&mut keep),
            StartLine::Response { reason, .. } => keep(reason),
        }
        if let Some(cseq) = cseq {
            keep(&mut cseq.method);
        }
        for field in &mut fields {
            field.name = Extent::default();
            keep(&mut field.value);
        }
        self.body_at = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.headers = Headers::new(fields.as_slice().into());
        self.raw = bytes.into();
    }

    /// About how many bytes of memory it takes.
    pub fn weight(&self) -> usize {
        const BESIDES: usize = 128;
        const FIELD: usize = 20;
        self.raw.len() + self.headers.len() * FIELD + BESIDES
    }

    /// The body; empty where there is none, or where it was let go.
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
        let text = self.text(field.value);
        if field.folded { unfold(text) } else { text }
    }

    /// The first header field of that name, unfolded.
    pub fn header(&self, id: HeaderName) -> Option<Cow<'_, str>> {
        self.headers.first(id).map(|field| self.value(field))
    }

    /// The first header field whose name is `name` in any case, unfolded.
    pub fn header_named(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut fields = self.headers.all(HeaderName::of(name.as_bytes()));
        let is_named = |field: &&HeaderField| field.name.of(&self.raw).eq_ignore_ascii_case(name.as_bytes());
        fields.find(is_named).map(|field| self.value(field))
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

/// A body so small stays: a copy of the head would take longer than it frees.
const SMALL_BODY: usize = 256;

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
