//! The fields of a row by name: what exports write, filters ask for and the reference lists.

use std::borrow::Cow;
use std::net::SocketAddr;

use crate::model::dns::{DnsMessage, Record, rcode_name};
use crate::model::sip::{HeaderName, SipMessage, StartLine};
use crate::model::{Message, Timestamp};
use crate::story::names::Origin;
use crate::story::row::Row;
use crate::story::summary;
use crate::wire::sip::{address_uri, before_parameters};

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(u64),
    /// A number of seconds.
    Seconds(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// Capture time.
    Time(Timestamp),
    /// Several texts.
    Texts(Vec<&'a str>),
    /// DNS records.
    Records(&'a [Record]),
}

/// A field.
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub about: &'static str,
    /// Its value in a row; `None` where it does not apply.
    pub value: for<'a> fn(&'a Row) -> Option<Value<'a>>,
}

const fn field(name: &'static str, about: &'static str, value: for<'a> fn(&'a Row) -> Option<Value<'a>>) -> Field {
    Field { name, about, value }
}

#[expect(clippy::unnecessary_wraps, reason = "getters return an option")]
fn text<'a>(text: impl Into<Cow<'a, str>>) -> Option<Value<'a>> {
    Some(Value::Text(text.into()))
}

#[expect(clippy::unnecessary_wraps, reason = "getters return an option")]
fn int(number: impl Into<u64>) -> Option<Value<'static>> {
    Some(Value::Int(number.into()))
}

fn ends(row: &Row) -> Option<(SocketAddr, SocketAddr)> {
    row.flow.map(|flow| flow.key.ends(row.direction))
}

fn dns(row: &Row) -> Option<&DnsMessage> {
    if let Message::Dns(message) = &row.message { Some(message) } else { None }
}

fn sip(row: &Row) -> Option<&SipMessage> {
    if let Message::Sip(message) = &row.message { Some(message) } else { None }
}

/// A header field's value, passed through `part`.
fn header(row: &Row, name: HeaderName, part: for<'b> fn(&'b str) -> &'b str) -> Option<Value<'_>> {
    match sip(row)?.header(name)? {
        Cow::Borrowed(value) => text(part(value)),
        Cow::Owned(value) => text(part(&value).to_owned()),
    }
}

/// All fields, in the order in which they are written.
pub static FIELDS: &[Field] = &[
    field("row", "position in the timeline, from 1", |row| int(row.number)),
    field("kind", "dns, tcp, icmp, sip, loss, defect", |row| text(row.kind())),
    field("time", "capture time, RFC 3339, UTC", |row| Some(Value::Time(row.at.time))),
    field("elapsed", "seconds since the first packet", |row| Some(Value::Seconds(row.elapsed.as_secs_f64()))),
    field("frame", "packet that completed it, as Wireshark counts", |row| int(row.at.frame.0)),
    field("first_frame", "packet in which it began", |row| int(row.began.frame.0)),
    field("input", "file or interface, where there are several", |row| text(row.input.as_deref()?)),
    field("src_ip", "sender's address", |row| text(ends(row)?.0.ip().to_string())),
    field("src_port", "sender's port", |row| int(ends(row)?.0.port())),
    field("dst_ip", "receiver's address", |row| text(ends(row)?.1.ip().to_string())),
    field("dst_port", "receiver's port", |row| int(ends(row)?.1.port())),
    field("direction", "out leaves the client, in reaches it", |row| row.flow.and_then(|_| text(row.direction.name()))),
    field("flow", "which TCP or UDP conversation", |row| int(row.flow?.number)),
    field("summary", "one line for people", |row| text(summary::summary(row))),
    field("login", "which sign-in attempt", |row| int(row.login?)),
    field("step", "which step of it", |row| text(row.step?)),
    field("findings", "findings that cite this row", |row| {
        (!row.findings.is_empty()).then(|| Value::Texts(row.findings.clone()))
    }),
    field("dns_id", "transaction id", |row| int(dns(row)?.id)),
    field("dns_response", "whether it is a response", |row| Some(Value::Bool(dns(row)?.is_response()))),
    field("dns_name", "name asked for", |row| text(dns(row)?.questions.first()?.name.as_str())),
    field("dns_type", "type asked for", |row| text(dns(row)?.questions.first()?.rtype.to_string())),
    field("dns_rcode", "response code", |row| {
        let message = dns(row)?;
        message.is_response().then(|| Value::Text(rcode_name(message.rcode)))
    }),
    field("dns_answers", "records of the answer section", |row| {
        let message = dns(row)?;
        message.is_response().then_some(Value::Records(&message.answers))
    }),
    field("dns_rtt", "seconds since the query", |row| {
        dns(row)?;
        Some(Value::Seconds(row.rtt?.as_secs_f64()))
    }),
    field("transport", "udp, tcp or tls", |row| text(sip(row)?.carrier.name())),
    field("decrypted", "whether it was decrypted", |row| {
        Some(Value::Bool(sip(row)?.carrier == crate::model::sip::Carrier::Tls))
    }),
    field("complete", "whether all of it is there", |row| Some(Value::Bool(sip(row)?.complete))),
    field("method", "method; of a response, its CSeq's", |row| text(sip(row)?.method()?)),
    field("request_uri", "Request-URI", |row| {
        let message = sip(row)?;
        if let StartLine::Request { uri, .. } = message.start { text(message.text(uri)) } else { None }
    }),
    field("status", "status code", |row| int(sip(row)?.status()?)),
    field("reason", "reason phrase", |row| {
        let message = sip(row)?;
        if let StartLine::Response { reason, .. } = message.start { text(message.text(reason)) } else { None }
    }),
    field("call_id", "Call-ID", |row| header(row, HeaderName::CallId, |value| value)),
    field("cseq", "CSeq", |row| header(row, HeaderName::CSeq, |value| value)),
    field("from", "URI of From", |row| header(row, HeaderName::From, address_uri)),
    field("to", "URI of To", |row| header(row, HeaderName::To, address_uri)),
    field("event", "event package", |row| header(row, HeaderName::Event, before_parameters)),
    field("content_type", "media type of the body", |row| header(row, HeaderName::ContentType, before_parameters)),
    field("body_bytes", "bytes of the body", |row| int(sip(row)?.body().len() as u64)),
    field("response_time", "seconds since the request", |row| {
        sip(row)?;
        Some(Value::Seconds(row.rtt?.as_secs_f64()))
    }),
    field("tcp_event", "open, refused, unanswered, unreachable, reset, closed", |row| match &row.message {
        Message::Tcp(event) => text(event.name()),
        _ => None,
    }),
    field("server_name", "name whose address the client connected to", |row| match row.origin.as_ref()? {
        Origin::LookedUp { host, .. } => text(&**host),
        Origin::NotLookedUp => None,
    }),
    field("service_name", "SRV name that pointed there", |row| match row.origin.as_ref()? {
        Origin::LookedUp { service, .. } => text(service.as_deref()?),
        Origin::NotLookedUp => None,
    }),
    field("lost_bytes", "bytes that the capture does not have", |row| match &row.message {
        Message::Lost(loss) => int(loss.bytes),
        _ => None,
    }),
];

/// The field of that name.
pub fn find(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        for (index, field) in FIELDS.iter().enumerate() {
            assert!(FIELDS.iter().skip(index + 1).all(|other| other.name != field.name), "{}", field.name);
        }
    }
}
