//! One line for people about a row.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::model::codes::CodeKind;
use crate::model::dhcp::DhcpMessage;
use crate::model::dns::{DnsMessage, rcode_name};
use crate::model::http::{HttpMessage, HttpStart};
use crate::model::kerberos::KerberosMessage;
use crate::model::sip::{SipMessage, StartLine};
use crate::model::tls::{Certificate, CipherSuite, TlsEvent, TlsVersion};
use crate::model::{Direction, LogEvent, Loss, LossCause, Message, Span, TcpEvent, Timestamp};
use crate::story::authentication::{Authentication, Token};
use crate::story::names::Origin;
use crate::story::row::Row;

/// Silence before a reset that is worth telling.
const SILENCE: Span = Span::from_secs(10);
/// Most answers that a line names.
const MOST_ANSWERS: usize = 6;

/// The line.
pub fn summary(row: &Row) -> String {
    let mut text = String::with_capacity(80);
    write_summary(row, &mut text);
    text
}

/// Appends the line.
pub fn write_summary(row: &Row, text: &mut String) {
    match &row.message {
        Message::Dns(message) => dns(message, text),
        Message::Tcp(event) => tcp(*event, row, text),
        Message::Icmp { icmp_type, icmp_code, v6 } => {
            let (_, about) = row.flow.map_or((None, None), |flow| (Some(flow.key.client), Some(flow.key.server)));
            let about = about.map(|server| server.to_string()).unwrap_or_default();
            let _ = write!(text, "{} for a datagram to {about}", icmp_reason(*icmp_type, *icmp_code, *v6));
        }
        Message::Sip(message) => sip(message, row.step, text),
        Message::Tls(event) => tls(event, row, text),
        Message::Http(message) => http(message, text),
        Message::Log(event) => log(event, text),
        Message::Kerberos(message) => kerberos(message, text),
        Message::Dhcp(message) => dhcp(message, text),
        Message::TlsSession(_) | Message::Payload(_) | Message::Ciphertext(_) => {}
        Message::Lost(loss) => lost(loss, row.direction, text),
        Message::Defect(defect) => {
            let _ = write!(text, "{}: {} (at byte {})", defect.layer, defect.what, defect.offset);
        }
    }
    if let Some(said) = &row.authentication {
        authentication(said, text);
    }
    if let Some(note) = row.note {
        let _ = write!(text, " ({note})");
    }
}

fn kerberos(message: &KerberosMessage, text: &mut String) {
    text.push_str(message.kind.name());
    if let Some(error) = message.error {
        let _ = write!(text, " {error}");
    }
    if let Some(service) = &message.service {
        let _ = write!(text, " for {service}");
    }
    if let Some(client) = &message.client {
        let _ = write!(text, " by {client}");
    }
    if let Some(said) = &message.error_text {
        let _ = write!(text, ": {said}");
    }
}

fn dhcp(message: &DhcpMessage, text: &mut String) {
    text.push_str(&message.name());
    if let Some(class) = &message.vendor_class {
        let _ = write!(text, " {class}");
    }
    if message.is_request {
        let asked: Vec<_> = message.asked_for_lync().map(|code| code.to_string()).collect();
        if !asked.is_empty() {
            let _ = write!(text, " asks for option {}", asked.join(" and "));
        }
        return;
    }
    if let Some(address) = message.your_address {
        let _ = write!(text, " gives {address}");
    }
    if !message.sip_servers.is_empty() {
        let _ = write!(text, ", SIP servers: {}", message.sip_servers.join(", "));
    }
    if let Some(url) = message.certificate_url() {
        let _ = write!(text, ", certificates: {url}");
    }
}

fn dns(message: &DnsMessage, text: &mut String) {
    match message.questions.first() {
        Some(question) if !message.is_response() => {
            let _ = write!(text, "{}? {}", question.rtype, question.name);
        }
        Some(question) => {
            let _ = write!(text, "{} {}: ", question.rtype, question.name);
            answers(message, text);
        }
        None => answers(message, text),
    }
    if message.is_truncated() {
        text.push_str(" [truncated]");
    }
}

fn answers(message: &DnsMessage, text: &mut String) {
    if message.rcode != 0 {
        text.push_str(&rcode_name(message.rcode));
    } else if message.answers.is_empty() {
        text.push_str("no such record");
    }
    for (index, record) in message.answers.iter().enumerate() {
        if index == MOST_ANSWERS {
            let _ = write!(text, " and {} more", message.answers.len() - MOST_ANSWERS);
            break;
        }
        let _ = write!(text, "{}{} {}", if index > 0 { ", " } else { "" }, record.rtype, record.data);
    }
}

/// A time as people read it: `0.4 ms`, `12 ms`, `3.20 s`.
pub fn duration(span: Span) -> String {
    let seconds = span.as_secs_f64();
    if seconds.abs() < 0.0001 {
        format!("{:.0} µs", seconds * 1e6)
    } else if seconds.abs() < 0.01 {
        format!("{:.1} ms", seconds * 1e3)
    } else if seconds.abs() < 1.0 {
        format!("{:.0} ms", seconds * 1e3)
    } else {
        format!("{seconds:.2} s")
    }
}

/// A point in capture time as a day, for people: `2026-11-24`.
pub fn day(time: Timestamp) -> String {
    let instant = jiff::Timestamp::from_nanosecond(i128::from(time.as_nanos())).unwrap_or_default();
    instant.strftime("%Y-%m-%d").to_string()
}

fn tcp(event: TcpEvent, row: &Row, text: &mut String) {
    let server = row.flow.map(|flow| flow.key.server.to_string()).unwrap_or_default();
    let named = match &row.origin {
        Some(Origin::LookedUp { host, .. }) => format!("{host} ({server})"),
        _ => server,
    };
    let side = |by: Direction| if by == Direction::Out { "client" } else { "server" };
    let _ = match event {
        TcpEvent::Open { answer_time: Some(time), syns } => {
            let tries = if syns > 1 { format!(" after {syns} SYNs") } else { String::new() };
            write!(text, "connected to {named} in {}{tries}", duration(time))
        }
        TcpEvent::Open { answer_time: None, .. } => {
            write!(text, "connected to {named}; the handshake is not complete here")
        }
        TcpEvent::Refused { answer_time } => {
            write!(text, "{named} refused the connection after {}", duration(answer_time))
        }
        TcpEvent::Unanswered { syns, waited } => {
            write!(
                text,
                "no answer from {named} to {syns} SYN{} in {}",
                if syns == 1 { "" } else { "s" },
                duration(waited)
            )
        }
        TcpEvent::Unreachable { icmp_type, icmp_code, v6 } => {
            write!(text, "no connection to {named}: {}", icmp_reason(icmp_type, icmp_code, v6))
        }
        TcpEvent::Reset { by, idle } => {
            let silent = if idle >= SILENCE { format!(" after {} of silence", duration(idle)) } else { String::new() };
            write!(text, "connection reset by the {}{silent}", side(by))
        }
        TcpEvent::Closed { by } => write!(text, "connection closed, first by the {}", side(by)),
    };
    if let Some(origin) = &row.origin {
        text.push_str(&origin_text(origin));
    }
}

/// How the server was found, as the end of a sentence.
fn origin_text(origin: &Origin) -> String {
    match origin {
        Origin::LookedUp { service, choice: (which, of), delay, .. } => {
            let service = service.as_ref().map(|name| format!(" through SRV {name}")).unwrap_or_default();
            let choice = if *of > 1 { format!(", address {which} of {of}") } else { String::new() };
            format!(", looked up{service} {} before{choice}", duration(*delay))
        }
        Origin::NotLookedUp => ", not looked up in this capture".to_owned(),
    }
}

fn sip(message: &SipMessage, step: Option<&str>, text: &mut String) {
    // Most rows are these, and `fmt` takes its time.
    match message.start {
        StartLine::Request { method, uri } => text.extend([&*message.text(method), " ", &*message.text(uri)]),
        StartLine::Response { status, reason } => {
            let mut number = itoa::Buffer::new();
            let status = status.map_or("a status that is out of range", |status| number.format(status));
            text.extend([status, " ", &*message.text(reason)]);
        }
    }
    if let Some(cseq) = message.cseq {
        text.extend([" (CSeq ", itoa::Buffer::new().format(cseq.number)]);
        if !message.is_request() {
            text.extend([" ", &*message.text(cseq.method)]);
        }
        text.push(')');
    }
    // Without it one SUBSCRIBE, SERVICE or 200 looks like the other.
    if let Some(step) = step.filter(|_| message.method().is_none_or(|method| method != "REGISTER")) {
        text.extend([" · ", step]);
    }
    if !message.complete {
        text.push_str(" [incomplete]");
    }
    if let Some(defect) = message.defects.first() {
        let _ = write!(text, " [{}]", defect.what);
    }
}

/// Whether the line of a message says something of its authentication.
pub fn tells(said: &Authentication) -> bool {
    told_token(said).is_some() || said.is_wrong()
}

fn told_token(said: &Authentication) -> Option<&Token> {
    said.token.as_ref().filter(|token| **token != Token::Empty)
}

fn authentication(said: &Authentication, text: &mut String) {
    if let Some(token) = told_token(said) {
        let _ = write!(text, " — {}: {}", said.scheme, token.line());
    }
    if said.is_wrong() {
        text.push_str(" [signature wrong]");
    }
}

fn tls(event: &TlsEvent, row: &Row, text: &mut String) {
    let side = if row.direction == Direction::Out { "client" } else { "server" };
    let _ = match event {
        TlsEvent::ClientHello(hello) => {
            let name = hello.sni.as_ref().map(|name| format!(" for {name}")).unwrap_or_default();
            let old = if hello.sslv2_framed { ", in the frame of SSLv2" } else { "" };
            let resume = if hello.ticket.is_some() || !hello.session_id.is_empty() && hello.versions.is_empty() {
                ", would resume a session"
            } else {
                ""
            };
            write!(text, "hello{name}: up to {}, {} suites{resume}{old}", hello.version(), hello.suites.len())
        }
        TlsEvent::ServerHello(hello) if hello.retry => {
            write!(text, "hello: asks for another one with other parameters")
        }
        TlsEvent::ServerHello(hello) => {
            let extended = if hello.extended_master_secret { ", extended master secret" } else { "" };
            write!(text, "hello: {}, {}{extended}", TlsVersion(hello.version), CipherSuite(hello.suite))
        }
        TlsEvent::Certificate(chain) => {
            let own = chain.first().map(|own| certificate(own, row.at.time)).unwrap_or_default();
            let more = chain.len().saturating_sub(1);
            write!(text, "certificate of the {side}: {own}, {more} more in the chain")
        }
        TlsEvent::CertificateRequest => write!(text, "asks for a client certificate"),
        TlsEvent::Established { resumed, renegotiated, took, opened, version, suite } => {
            let how = match (renegotiated, resumed) {
                (true, _) => "renegotiated",
                (false, true) => "resumed",
                (false, false) => "established",
            };
            let opened = opened.as_ref().map(|source| format!("; opened with {source}")).unwrap_or_default();
            write!(text, "{how}: {version}, {suite}, in {}{opened}", duration(*took))
        }
        TlsEvent::NotOpened(why) => write!(text, "not decrypted: {why}"),
        TlsEvent::Alert(None) => write!(text, "encrypted alert"),
        TlsEvent::Alert(Some(alert)) => {
            let level = if alert.fatal { "fatal" } else { "warning" };
            write!(text, "{level} alert from the {side}: {} ({})", alert.name(), alert.meaning())
        }
        TlsEvent::Closed { data: [(_, client), (_, server)] } => {
            write!(text, "over: {client} bytes of application data from the client, {server} from the server")
        }
    };
}

/// A certificate in a few words; whether it is valid is judged at `now`, the time of the capture.
fn certificate(certificate: &Certificate, now: Timestamp) -> String {
    let signed =
        if certificate.self_signed { "self-signed".to_owned() } else { format!("issued by {}", certificate.issuer) };
    let valid = if now > certificate.not_after {
        ", expired"
    } else if now < certificate.not_before {
        ", not valid yet"
    } else {
        ""
    };
    format!("{} ({signed}, {} {} bits{valid})", certificate.subject, certificate.key_kind, certificate.key_bits)
}

fn http(message: &HttpMessage, text: &mut String) {
    let url = message.url().unwrap_or_default();
    let _ = match &message.start {
        HttpStart::Request { method, .. } => write!(text, "{method} {url}"),
        HttpStart::Response { status, reason } => write!(text, "{status} {reason} for {url}"),
    };
    if message.body_bytes > 0 {
        let _ = write!(text, ", {} bytes", message.body_bytes);
    }
    if !message.complete {
        text.push_str(" [incomplete]");
    }
}

/// The code of a log record, by name where it is known.
pub fn code(event: &LogEvent) -> Option<String> {
    let (kind, number) = event.code?;
    Some(match event.explained() {
        Some(code) => code.to_string(),
        None if kind == CodeKind::Hresult => format!("HRESULT {number:#010x}"),
        None => format!("{} {number}", kind.title()),
    })
}

/// Longest text of a record in a line.
const MOST_LOG_TEXT: usize = 300;

fn log(event: &LogEvent, text: &mut String) {
    let _ = write!(text, "{}: ", event.kind.name());
    if let Some(known) = event.explained() {
        let _ = write!(text, "{known}, {}; ", known.meaning);
    }
    text.extend(event.text.chars().take(MOST_LOG_TEXT).map(|char| if char == '\n' { ' ' } else { char }));
    for (name, value) in &event.data {
        let _ = write!(text, " {name}={value}");
    }
}

fn lost(loss: &Loss, direction: Direction, text: &mut String) {
    let sender = if direction == Direction::Out { "client" } else { "server" };
    let why = match loss.cause {
        LossCause::NotCaptured => "the receiver has them, the capture does not",
        LossCause::NotSeen => "nothing in the capture acknowledges them",
        LossCause::Bound => "given up for the memory bound",
    };
    let _ = write!(text, "{} bytes from the {sender} are missing: {why}", loss.bytes);
}

/// An ICMP error in words (IANA "ICMP Parameters", "`ICMPv6` Parameters").
pub fn icmp_reason(icmp_type: u8, icmp_code: u8, v6: bool) -> Cow<'static, str> {
    let known = match (v6, icmp_type, icmp_code) {
        (false, 3, 0) | (true, 1, 0) => "network unreachable",
        (false, 3, 1) | (true, 1, 3) => "host unreachable",
        (false, 3, 3) | (true, 1, 4) => "port unreachable",
        (false, 3, 4) => "fragmentation needed",
        (false, 3, 9 | 10 | 13) | (true, 1, 1) => "administratively prohibited",
        (false, 11, _) | (true, 3, _) => "time exceeded",
        (false, 12, _) | (true, 4, _) => "parameter problem",
        (true, 2, _) => "packet too big",
        _ => return format!("ICMP{} type {icmp_type} code {icmp_code}", if v6 { "v6" } else { "" }).into(),
    };
    Cow::Borrowed(known)
}
