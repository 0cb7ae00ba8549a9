//! The fields of a row by name: what exports write, filters ask for and the reference lists.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use crate::model::dhcp::DhcpMessage;
use crate::model::dns::{DnsMessage, Record, rcode_name};
use crate::model::http::{HttpMessage, HttpStart};
use crate::model::kerberos::KerberosMessage;
use crate::model::sip::{Carrier, HeaderName, SipMessage, StartLine};
use crate::model::tls::{CipherSuite, TlsEvent, TlsVersion};
use crate::model::{Direction, LogEvent, Message, Span, Timestamp};
use crate::story::names::Origin;
use crate::story::narrate;
use crate::story::row::AlsoSeen;
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
    Seconds(Span),
    /// Text.
    Text(Cow<'a, str>),
    /// An address.
    Address(IpAddr),
    /// Capture time.
    Time(Timestamp),
    /// Several texts.
    Texts(Vec<&'a str>),
    /// DNS records.
    Records(&'a [Record]),
    /// Another place where a message was captured.
    Seen(&'a AlsoSeen),
}

/// Of what kind the values of a field are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// Text, or anything else that text is searched in.
    Text,
    /// A whole number, or seconds.
    Number,
    /// True or false.
    Truth,
    /// An IP address.
    Address,
    /// The id of a step.
    Step,
    /// `out` or `in`.
    Direction,
}

/// A field.
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Of what kind its values are.
    pub kind: FieldKind,
    /// What it means.
    pub about: &'static str,
    /// Its value in a row; `None` where it does not apply.
    pub value: Getter,
}

/// Takes a value out of a row.
pub type Getter = for<'a> fn(&'a Row) -> Option<Value<'a>>;

const fn field(name: &'static str, about: &'static str, value: Getter) -> Field {
    Field { name, kind: FieldKind::Text, about, value }
}

impl Field {
    const fn of(self, kind: FieldKind) -> Self {
        Self { kind, ..self }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "getters return an option")]
fn text<'a>(text: impl Into<Cow<'a, str>>) -> Option<Value<'a>> {
    Some(Value::Text(text.into()))
}

#[expect(clippy::unnecessary_wraps, reason = "getters return an option")]
fn int(number: impl Into<u64>) -> Option<Value<'static>> {
    Some(Value::Int(number.into()))
}

/// Who sent it.
fn sender(row: &Row) -> Option<&SocketAddr> {
    end(row, row.direction)
}

/// Whom it was sent to.
fn receiver(row: &Row) -> Option<&SocketAddr> {
    end(row, row.direction.reverse())
}

/// The end of a conversation that sends in that direction, where it is known: a trace log may not say it.
fn end(row: &Row, direction: Direction) -> Option<&SocketAddr> {
    let key = &row.flow.as_ref()?.key;
    let end = if direction == Direction::Out { &key.client } else { &key.server };
    (!row.at.input.is_log() || !end.ip().is_unspecified()).then_some(end)
}

fn dns(row: &Row) -> Option<&DnsMessage> {
    if let Message::Dns(message) = &row.message { Some(message) } else { None }
}

fn sip(row: &Row) -> Option<&SipMessage> {
    if let Message::Sip(message) = &row.message { Some(message) } else { None }
}

fn http(row: &Row) -> Option<&HttpMessage> {
    if let Message::Http(message) = &row.message { Some(message) } else { None }
}

fn tls(row: &Row) -> Option<&TlsEvent> {
    if let Message::Tls(event) = &row.message { Some(event) } else { None }
}

fn kerberos(row: &Row) -> Option<&KerberosMessage> {
    if let Message::Kerberos(message) = &row.message { Some(message) } else { None }
}

fn dhcp(row: &Row) -> Option<&DhcpMessage> {
    if let Message::Dhcp(message) = &row.message { Some(message) } else { None }
}

fn log(row: &Row) -> Option<&LogEvent> {
    if let Message::Log(event) = &row.message { Some(event) } else { None }
}

fn carrier(row: &Row) -> Option<Carrier> {
    match &row.message {
        Message::Sip(message) => Some(message.carrier),
        Message::Http(message) => Some(message.carrier),
        _ => None,
    }
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
    field("row", "position in the timeline, from 1", |row| int(row.number)).of(FieldKind::Number),
    field("kind", "dns, tcp, icmp, tls, sip, http, kerberos, dhcp, log, loss, defect", |row| text(row.kind())),
    field("time", "capture time, RFC 3339, UTC", |row| Some(Value::Time(row.at.time))),
    field("elapsed", "seconds since the first packet", |row| Some(Value::Seconds(row.elapsed))).of(FieldKind::Number),
    field("source", "capture, log, or both", |row| {
        text(match (row.at.input.is_log(), row.copy) {
            (true, _) => "log",
            (false, Some(_)) => "both",
            (false, None) => "capture",
        })
    }),
    field("frame", "packet that completed it, as Wireshark counts", |row| int(row.at.frame_no()?))
        .of(FieldKind::Number),
    field("first_frame", "packet in which it began", |row| int(row.began.frame_no()?)).of(FieldKind::Number),
    field("log_line", "line of the trace log with which it begins", |row| {
        int(row.began.line_no().or(row.copy.map(|copy| copy.line))?)
    })
    .of(FieldKind::Number),
    field("input", "file or interface, where there are several", |row| text(row.input.as_deref()?)),
    field("src_ip", "sender's address", |row| Some(Value::Address(sender(row)?.ip()))).of(FieldKind::Address),
    field("src_port", "sender's port", |row| int(sender(row)?.port())).of(FieldKind::Number),
    field("dst_ip", "receiver's address", |row| Some(Value::Address(receiver(row)?.ip()))).of(FieldKind::Address),
    field("dst_port", "receiver's port", |row| int(receiver(row)?.port())).of(FieldKind::Number),
    field("direction", "out leaves the client, in reaches it", |row| row.flow.and_then(|_| text(row.direction.name())))
        .of(FieldKind::Direction),
    field("flow", "which TCP or UDP conversation", |row| int(row.flow?.number)).of(FieldKind::Number),
    field("also_seen", "where another capture has the same message before: row, input, delta_s, changed", |row| {
        Some(Value::Seen(row.also_seen.as_deref()?))
    }),
    field("summary", "one line for people", |row| text(summary::summary(row))),
    field("says", "what an expert would say of it", |row| {
        let says = narrate::narrate(row);
        (!says.is_empty()).then_some(Value::Text(says.into()))
    }),
    field("login", "which sign-in attempt", |row| int(row.login?)).of(FieldKind::Number),
    field("step", "which step of it", |row| text(row.step?)).of(FieldKind::Step),
    field("findings", "findings that cite this row", |row| {
        (!row.findings.is_empty()).then(|| Value::Texts(row.findings.clone()))
    }),
    field("dns_id", "transaction id", |row| int(dns(row)?.id)).of(FieldKind::Number),
    field("dns_response", "whether it is a response", |row| Some(Value::Bool(dns(row)?.is_response())))
        .of(FieldKind::Truth),
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
        Some(Value::Seconds(row.rtt?))
    })
    .of(FieldKind::Number),
    field("transport", "udp, tcp or tls", |row| text(carrier(row)?.name())),
    field("decrypted", "whether it was decrypted; not of trace logs, which have all in the clear", |row| {
        row.at.frame_no()?;
        Some(Value::Bool(carrier(row)? == Carrier::Tls))
    })
    .of(FieldKind::Truth),
    field("compressed", "whether it came out of SIP compression", |row| Some(Value::Bool(sip(row)?.compressed)))
        .of(FieldKind::Truth),
    field("complete", "whether all of it is there", |row| match &row.message {
        Message::Sip(message) => Some(Value::Bool(message.complete)),
        Message::Http(message) => Some(Value::Bool(message.complete)),
        _ => None,
    })
    .of(FieldKind::Truth),
    field("method", "method; of a response, that of its request", |row| match &row.message {
        Message::Sip(message) => text(message.method()?),
        Message::Http(message) => match &message.start {
            HttpStart::Request { method, .. } => text(method.as_str()),
            HttpStart::Response { .. } => text(message.request.as_ref()?.0.as_str()),
        },
        _ => None,
    }),
    field("url", "URL of an HTTP request, or of the request that a response answers", |row| text(http(row)?.url()?)),
    field("request_uri", "Request-URI", |row| {
        let message = sip(row)?;
        if let StartLine::Request { uri, .. } = message.start { text(message.text(uri)) } else { None }
    }),
    field("status", "status code", |row| match &row.message {
        Message::Sip(message) => int(message.status()?),
        Message::Http(message) => match message.start {
            HttpStart::Response { status, .. } => int(status),
            HttpStart::Request { .. } => None,
        },
        _ => None,
    })
    .of(FieldKind::Number),
    field("reason", "reason phrase", |row| match &row.message {
        Message::Sip(message) => match message.start {
            StartLine::Response { reason, .. } => text(message.text(reason)),
            StartLine::Request { .. } => None,
        },
        Message::Http(message) => match &message.start {
            HttpStart::Response { reason, .. } => text(reason.as_str()),
            HttpStart::Request { .. } => None,
        },
        _ => None,
    }),
    field("call_id", "Call-ID", |row| match log(row) {
        Some(event) => text(event.call_id.as_deref()?),
        None => header(row, HeaderName::CallId, |value| value),
    }),
    field("cseq", "CSeq", |row| header(row, HeaderName::CSeq, |value| value)),
    field("from", "URI of From", |row| header(row, HeaderName::From, address_uri)),
    field("to", "URI of To", |row| header(row, HeaderName::To, address_uri)),
    field("event", "event package", |row| header(row, HeaderName::Event, before_parameters)),
    field("content_type", "media type of the body", |row| header(row, HeaderName::ContentType, before_parameters)),
    field("body_bytes", "bytes of the body", |row| match &row.message {
        Message::Sip(message) => int(message.body_bytes),
        Message::Http(message) => int(message.body_bytes),
        _ => None,
    })
    .of(FieldKind::Number),
    field("response_time", "seconds since the request", |row| {
        carrier(row).map(drop).or_else(|| kerberos(row).map(drop))?;
        Some(Value::Seconds(row.rtt?))
    })
    .of(FieldKind::Number),
    field(
        "tls_event",
        "client-hello, server-hello, certificate, established, resumed, renegotiated, alert, closed, not-opened",
        |row| text(tls(row)?.name()),
    ),
    field("sni", "server name that the client asks for", |row| match tls(row)? {
        TlsEvent::ClientHello(hello) => text(hello.sni.as_deref()?),
        _ => None,
    }),
    field("tls_version", "version offered or chosen", |row| match tls(row)? {
        TlsEvent::ClientHello(hello) => text(hello.version().to_string()),
        TlsEvent::ServerHello(hello) => text(TlsVersion(hello.version).to_string()),
        TlsEvent::Established { version, .. } => text(version.to_string()),
        _ => None,
    }),
    field("cipher_suite", "suite chosen", |row| match tls(row)? {
        TlsEvent::ServerHello(hello) => text(CipherSuite(hello.suite).to_string()),
        TlsEvent::Established { suite, .. } => text(suite.to_string()),
        _ => None,
    }),
    field("alert", "TLS alert", |row| match tls(row)? {
        TlsEvent::Alert(Some(alert)) => text(alert.name()),
        _ => None,
    }),
    field("tls_dsk", "messages of the TLS handshake inside the authentication token", |row| {
        Some(Value::Texts(row.authentication.as_ref()?.flight()?.messages.iter().map(|name| &**name).collect()))
    }),
    field("auth_scheme", "authentication scheme in use, or all that are offered", |row| {
        text(row.authentication.as_ref()?.schemes())
    }),
    field("auth_token", "what the authentication token is", |row| {
        text(row.authentication.as_ref()?.token.as_ref()?.line())
    }),
    field("signature", "right, wrong, or not checkable and why", |row| {
        text(row.authentication.as_ref()?.signature.as_ref()?.verdict.to_string())
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
    field("kerberos_type", "AS-REQ, AS-REP, TGS-REQ, TGS-REP, AP-REQ, AP-REP, KRB-ERROR", |row| {
        text(kerberos(row)?.kind.name())
    }),
    field("kerberos_client", "principal of the client", |row| text(kerberos(row)?.client.as_deref()?)),
    field("kerberos_service", "principal for which a ticket is asked or given", |row| {
        text(kerberos(row)?.service.as_deref()?)
    }),
    field("kerberos_realm", "realm of the service", |row| text(kerberos(row)?.realm.as_deref()?)),
    field("kerberos_error", "error code by name", |row| text(kerberos(row)?.error?.name())),
    field("dhcp_type", "DHCPDISCOVER, DHCPOFFER, DHCPREQUEST, DHCPACK …", |row| text(dhcp(row)?.name())),
    field("dhcp_vendor_class", "option 60", |row| text(dhcp(row)?.vendor_class.as_deref()?)),
    field("dhcp_sip_servers", "option 120", |row| {
        let servers = &dhcp(row)?.sip_servers;
        (!servers.is_empty()).then(|| Value::Texts(servers.iter().map(String::as_str).collect()))
    }),
    field("dhcp_certificate_url", "URL of the certificate service, of option 43", |row| {
        text(dhcp(row)?.certificate_url()?)
    }),
    field("lost_bytes", "bytes that the capture does not have", |row| match &row.message {
        Message::Lost(loss) => int(loss.bytes),
        _ => None,
    })
    .of(FieldKind::Number),
    field("log_event", "connected, closed, failed, dns, diagnostic, error", |row| text(log(row)?.kind.name())),
    field("log_level", "trace, info, warn, error", |row| text(log(row)?.level.name())),
    field("log_component", "component that wrote the record", |row| text(log(row)?.component.as_deref()?)),
    field("log_text", "what the record says", |row| text(&*log(row)?.text)),
    field("log_code", "HRESULT or Winsock error in the record", |row| text(summary::code(log(row)?)?)),
    field("log_name", "name that a look-up is for", |row| text(log(row)?.name.as_deref()?)),
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
