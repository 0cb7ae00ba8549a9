//! An HTTP message: its head, and its body as far as it is kept.

use std::borrow::Cow;

use crate::model::sip::Carrier;

/// First line of a message (RFC 9112 §2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpStart {
    /// Of a request.
    Request {
        /// Method.
        method: String,
        /// Target as it stands.
        target: String,
    },
    /// Of a response.
    Response {
        /// Status code.
        status: u16,
        /// Reason phrase.
        reason: String,
    },
}

/// An HTTP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpMessage {
    /// First line.
    pub start: HttpStart,
    /// Header fields in their order.
    pub headers: Vec<(String, String)>,
    /// The body, transfer coding taken off; at most what the limits keep.
    pub body: Vec<u8>,
    /// Bytes of the body, kept or not.
    pub body_bytes: u64,
    /// Whether all of it is there.
    pub complete: bool,
    /// What carried it.
    pub carrier: Carrier,
    /// Method and URL of the request that a response answers.
    pub request: Option<(String, String)>,
}

impl HttpMessage {
    /// About how many bytes of memory it takes.
    pub fn weight(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len() + 48).sum();
        self.body.len() + headers
    }

    /// The first header field of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The URL of a request, or of the request that a response answers.
    pub fn url(&self) -> Option<Cow<'_, str>> {
        let HttpStart::Request { target, .. } = &self.start else {
            return self.request.as_ref().map(|(_, url)| Cow::Borrowed(url.as_str()));
        };
        if !target.starts_with('/') {
            return Some(Cow::Borrowed(target));
        }
        let scheme = if self.carrier == Carrier::Tls { "https" } else { "http" };
        Some(
            self.header("host")
                .map_or(Cow::Borrowed(target.as_str()), |host| format!("{scheme}://{host}{target}").into()),
        )
    }
}
