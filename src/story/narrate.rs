//! What an expert would say of one row: what it asks, and what the answer means.
//!
//! In: a row, with what the whole capture knows of it. Out: a sentence or two, or nothing where the summary says
//! it all. Decides nothing, and reads only the row.

use std::fmt::Write as _;

use crate::model::codes::CodeKind;
use crate::model::dhcp::DhcpMessage;
use crate::model::dns::{DnsMessage, RecordType};
use crate::model::http::{HttpMessage, HttpStart};
use crate::model::kerberos::{KerberosKind, KerberosMessage};
use crate::model::sip::{HeaderName, SipMessage};
use crate::model::tls::{NotOpened, TlsEvent};
use crate::model::{Direction, Message, TcpEvent};
use crate::story::authentication::Token;
use crate::story::login::ladder::{self, Scheme};
use crate::story::login::web::Purpose;
use crate::story::names::Origin;
use crate::story::row::Row;
use crate::story::steps::{self, StepKind};
use crate::story::summary::duration;
use crate::wire::auth::{Auth, Parameter};
use crate::wire::sip::{address_uri, before_parameters, parameter};

/// What an expert would say of a row; empty where there is nothing to add.
pub fn narrate(row: &Row) -> String {
    match &row.message {
        Message::Dns(message) => dns(row, message),
        Message::Tcp(event) => tcp(row, *event),
        Message::Tls(event) => tls(row, event),
        Message::Sip(message) => sip(row, message),
        Message::Http(message) => http(message),
        Message::Kerberos(message) => kerberos(message),
        Message::Dhcp(message) => dhcp(message),
        _ => String::new(),
    }
}

/// What a name of discovery stands for.
const NAMES: [(&str, &str); 9] = [
    ("_sipinternaltls._tcp.", "the record by which clients inside find their pool, over TLS"),
    ("_sipinternal._tcp.", "the record by which clients inside find their pool, over TCP in the clear"),
    ("_sip._tls.", "the record by which clients outside find the Access Edge"),
    ("_sip._tcp.", "the record for clients outside over TCP in the clear, which only old clients ask for"),
    ("lyncdiscoverinternal.", "autodiscover inside, where the web services tell the user's home"),
    ("lyncdiscover.", "autodiscover outside, where the web services tell the user's home"),
    ("sipinternal.", "a fallback: a pool or Director inside, port 5061 assumed"),
    ("sipexternal.", "a fallback: the Access Edge, port 443 assumed"),
    ("sip.", "a fallback: the Access Edge outside, or a pool inside; ports 5061 and 443 are tried"),
];

fn dns(row: &Row, message: &DnsMessage) -> String {
    let Some(question) = message.questions.first() else { return String::new() };
    let name = question.name.to_ascii_lowercase();
    let meaning = NAMES.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, meaning)| *meaning);
    if !message.is_response() {
        let meaning = meaning.map(|meaning| format!(": {meaning}")).unwrap_or_default();
        return format!("The client asks for {name}{meaning}.");
    }
    let srv = message.answers.iter().find(|record| record.rtype == RecordType::SRV);
    match (message.rcode, meaning) {
        (0, _) if srv.is_some() => {
            let records: Vec<String> = message.answers.iter().take(4).map(|record| record.data.to_string()).collect();
            format!(
                "There is such a record; priority, weight, port and host are {}. The client asks for the host's address next.",
                records.join(", ")
            )
        }
        (0, _) if !message.answers.is_empty() => "The name has an address; the client connects to it next.".to_owned(),
        (0 | 3, Some(_)) => {
            "There is no such record: the client goes on to the next name. That is no fault unless all names fail."
                .to_owned()
        }
        (0 | 3, None) => "There is no such record.".to_owned(),
        (2 | 5, _) => {
            "The name server cannot or will not answer; the client tries another one, which takes time.".to_owned()
        }
        _ => row.note.map(str::to_owned).unwrap_or_default(),
    }
}

fn tcp(row: &Row, event: TcpEvent) -> String {
    let Some(flow) = row.flow else { return String::new() };
    let by = match &row.origin {
        Some(Origin::LookedUp { service: Some(service), .. }) => format!(" that {service} led to"),
        Some(Origin::LookedUp { host, .. }) => format!(" that {host} led to"),
        Some(Origin::NotLookedUp) => {
            " that no look-up in the capture led to: it is configured, or known from before".to_owned()
        }
        None => String::new(),
    };
    match event {
        TcpEvent::Open { .. } => format!("The client is connected to the server{by}, port {}.", flow.key.server.port()),
        TcpEvent::Refused { .. } => {
            "Nothing listens on that port: the service does not run, or the record names a wrong port or host."
                .to_owned()
        }
        TcpEvent::Unanswered { .. } => {
            "Nothing answers: a firewall drops the packets, or there is no such machine.".to_owned()
        }
        TcpEvent::Unreachable { .. } => "A router says that there is no way to the server.".to_owned(),
        TcpEvent::Reset { idle, .. } if idle.as_secs_f64() >= 25.0 => {
            format!(
                "The connection is cut after {} in which nothing was sent, as firewalls do with idle connections.",
                duration(idle)
            )
        }
        TcpEvent::Reset { by: Direction::Out, .. } => "The client throws the connection away.".to_owned(),
        TcpEvent::Reset { .. } => "The server, or something on the way, throws the connection away.".to_owned(),
        TcpEvent::Closed { by: Direction::Out } => "The client closes the connection.".to_owned(),
        TcpEvent::Closed { .. } => "The server closes the connection.".to_owned(),
    }
}

fn tls(row: &Row, event: &TlsEvent) -> String {
    match event {
        TlsEvent::ClientHello(hello) => {
            let name = hello.sni.as_ref().map(|name| format!(" for {name}")).unwrap_or_default();
            format!("The client begins TLS{name}, up to {}.", hello.version())
        }
        TlsEvent::ServerHello(_) => "The server chooses version and suite.".to_owned(),
        TlsEvent::Certificate(chain) if row.direction == Direction::In => {
            let names = chain.first().map(|own| own.names.join(", ")).unwrap_or_default();
            format!(
                "The server says who it is; the client checks that the name it connected to is among {names}, that it trusts the issuer, and the dates."
            )
        }
        TlsEvent::Certificate(_) => "The client says who it is by a certificate of its own.".to_owned(),
        TlsEvent::CertificateRequest => "The server asks for a certificate, as it does of other servers.".to_owned(),
        TlsEvent::Established { .. } => {
            "The connection is secured: from here on only who has the keys can read it.".to_owned()
        }
        TlsEvent::NotOpened(NotOpened::NoKeys { .. }) => "What follows cannot be read: no key was given.".to_owned(),
        TlsEvent::NotOpened(_) => "What follows cannot be read with the keys that were given.".to_owned(),
        TlsEvent::Alert(Some(alert)) if !alert.is_close_notify() => {
            let who = if row.direction == Direction::Out { "client" } else { "server" };
            format!("The {who} ends it: {}.", alert.meaning())
        }
        _ => String::new(),
    }
}

fn http(message: &HttpMessage) -> String {
    let purpose = message.url().and_then(|url| Purpose::of_path(&url));
    let what = match purpose {
        Some(Purpose::Autodiscover) => "autodiscover",
        Some(Purpose::WebTicket) => "the web ticket service",
        Some(Purpose::Certificate | Purpose::Provisioning) => "the certificate service",
        Some(Purpose::Revocation) => "the list of revoked certificates",
        Some(Purpose::Service) | None => return String::new(),
    };
    let said = steps::read_http(message).sentence();
    let begins = match &message.start {
        HttpStart::Request { .. } => format!("The client asks {what}."),
        HttpStart::Response { status: 401, .. } => {
            format!("{} asks for a proof; the client tries again with one.", capital(what))
        }
        HttpStart::Response { status: 200..=299, .. } => format!("{} answers.", capital(what)),
        HttpStart::Response { status: 300..=399, .. } => format!("{} sends the client elsewhere.", capital(what)),
        HttpStart::Response { status, .. } => format!("{} refuses with {status}.", capital(what)),
    };
    join(&begins, &said)
}

fn kerberos(message: &KerberosMessage) -> String {
    let service = message.service.as_deref().unwrap_or("a service");
    match (message.kind, message.error.map(|error| error.0)) {
        (KerberosKind::AsReq, _) => {
            "The client asks the domain controller for a ticket to ask for tickets with.".to_owned()
        }
        (KerberosKind::TgsReq, _) => format!("The client asks the domain controller for a ticket for {service}."),
        (KerberosKind::AsRep | KerberosKind::TgsRep, _) => "The domain controller gives the ticket.".to_owned(),
        (KerberosKind::Error, Some(25)) => {
            "The domain controller wants the request with proof of the password, as always: the client repeats it."
                .to_owned()
        }
        (KerberosKind::Error, Some(7)) => {
            format!("The domain controller knows no {service}: its service principal name is missing.")
        }
        (KerberosKind::Error, Some(37)) => "The clocks of client and domain controller are too far apart.".to_owned(),
        (KerberosKind::Error, Some(code)) => {
            let known = CodeKind::Kerberos.find(code.unsigned_abs()).map(|known| known.meaning).unwrap_or_default();
            format!("The domain controller refuses: {known}.")
        }
        _ => String::new(),
    }
}

fn dhcp(message: &DhcpMessage) -> String {
    if message.is_request {
        let asked: Vec<&str> = message
            .asked_for_lync()
            .map(|code| if code == 120 { "its registrar (option 120)" } else { "vendor options (43)" })
            .collect();
        return if asked.is_empty() {
            String::new()
        } else {
            format!("The client asks DHCP for {}.", asked.join(" and "))
        };
    }
    let servers = message.sip_servers.join(", ");
    let servers = if servers.is_empty() { "no registrar".to_owned() } else { format!("the registrar {servers}") };
    let url = message
        .certificate_url()
        .map_or_else(|| "no certificate service".to_owned(), |url| format!("the certificate service {url}"));
    format!("The DHCP server names {servers} and {url}.")
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn join(one: &str, other: &str) -> String {
    match (one.is_empty(), other.is_empty()) {
        (false, false) => format!("{one} {other}"),
        _ => format!("{one}{other}"),
    }
}

fn sip(row: &Row, message: &SipMessage) -> String {
    let method = message.method().unwrap_or_default();
    let said = match (&*method, message.status()) {
        ("REGISTER", None) => register(row, message),
        ("REGISTER", Some(status)) => registered(row, message, status),
        (_, None) => request(row, message, &method),
        (_, Some(status)) => response(row, message, status),
    };
    let diagnostics: Vec<String> = steps::diagnostics(message).iter().map(steps::describe).collect();
    join(&said, &if diagnostics.is_empty() { String::new() } else { format!("It says {}.", diagnostics.join("; ")) })
}

/// What a token or signature in the message is, as the end of a sentence.
fn token(row: &Row) -> String {
    let token = row.authentication.as_ref().and_then(|said| said.token.as_ref()).map(Token::line);
    token.filter(|line| !line.is_empty()).map(|line| format!(": {line}")).unwrap_or_default()
}

fn register(row: &Row, message: &SipMessage) -> String {
    let from = message.header(HeaderName::From).unwrap_or_default();
    let user = address_uri(&from).trim_start_matches("sip:").to_owned();
    let number = message.cseq.map_or(0, |cseq| cseq.number);
    let credentials = message.header(HeaderName::Authorization).or(message.header(HeaderName::ProxyAuthorization));
    let scheme = credentials.as_deref().and_then(Auth::parse);
    if steps::expires_at_once(message) {
        return format!("The client signs {user} out: a REGISTER that expires at once.");
    }
    let epid = parameter(&from, "epid").map(|epid| format!(" (epid {epid})")).unwrap_or_default();
    let Some(scheme) = scheme else {
        return format!(
            "The client asks the server to register an endpoint of {user}{epid}, CSeq {number}, without any proof yet."
        );
    };
    let has_token = scheme.parameter(Parameter::GssapiData).is_some();
    let signed = scheme.parameter(Parameter::Response).is_some();
    let name = scheme.scheme;
    match (has_token, signed) {
        (true, _) => format!("The client tries again with CSeq {number} and proves itself by {name}{}.", token(row)),
        (false, true) => format!(
            "The client asks again with CSeq {number}, now with a signature over the message by {name} (salt crand {}, message number cnum {}).",
            scheme.parameter(Parameter::Crand).unwrap_or("?"),
            scheme.parameter(Parameter::Cnum).unwrap_or("?")
        ),
        (false, false) => format!("The client tries again with CSeq {number} by {name}."),
    }
}

fn registered(row: &Row, message: &SipMessage, status: u16) -> String {
    match status {
        100..=199 => "The server is at work.".to_owned(),
        200..=299 if row.step == Some(StepKind::SignOut.id()) => "The server takes the sign-out.".to_owned(),
        200..=299 => welcome(message),
        301 | 302 => {
            let to =
                message.header(HeaderName::Contact).map(|contact| address_uri(&contact).to_owned()).unwrap_or_default();
            format!(
                "The server sends the client to the user's home pool, {to}: as a Director does. The client connects there and begins anew."
            )
        }
        401 | 407 => challenge(row, message),
        403 if ladder::refuses_credentials(status, &ladder::reason(message), &steps::diagnostics(message)) => {
            "The server does not accept the proof: the user name or password is wrong, or the account may not log on."
                .to_owned()
        }
        403 => "The server knows who it is and refuses.".to_owned(),
        404 => "The server does not know this address.".to_owned(),
        480 | 500..=599 => "The server cannot take the user now.".to_owned(),
        _ => format!("The server refuses with {status}."),
    }
}

fn challenge(row: &Row, message: &SipMessage) -> String {
    let of = |header: &crate::model::sip::Header<'_>| {
        matches!(header.id, HeaderName::WwwAuthenticate | HeaderName::ProxyAuthenticate)
    };
    let schemes: Vec<Scheme> = message.headers().filter(of).filter_map(|header| Scheme::read(&header.value)).collect();
    if let Some(going_on) = schemes.iter().find(|scheme| scheme.goes_on()) {
        let flight = row.authentication.as_ref().and_then(|said| said.flight());
        if flight.is_some_and(|flight| flight.messages.iter().any(|name| name == "finished")) {
            return "The server has checked what the client sent, agrees on the suite and has computed the keys of both sides; \
                    it ends its part of the handshake. Still a 401: the client has to ask once more, with a signature by those keys."
                .to_owned();
        }
        return format!(
            "The server is not convinced yet; it goes on with {}{}. That is how the ladder goes, not a refusal.",
            going_on.name,
            token(row)
        );
    }
    let reasons: Vec<String> = steps::diagnostics(message).iter().filter_map(|found| found.reason.clone()).collect();
    let begins = message.cseq.is_none_or(|cseq| cseq.number <= 1);
    let mut text = match reasons.first() {
        Some(reason) => format!("The server does not accept the proof ({reason}), and says again what it takes: "),
        None if begins => "The server registers nobody without a proof, and says what it takes: ".to_owned(),
        None => "The server asks for a proof from the beginning, and says what it takes: ".to_owned(),
    };
    let each = schemes.iter().map(|scheme| {
        let sts =
            if scheme.sts_uri.is_empty() { String::new() } else { format!(", certificates from {}", scheme.sts_uri) };
        format!(
            "{} (target {}, version {}{sts})",
            scheme.name,
            scheme.targetname,
            if scheme.version.is_empty() { "2" } else { &scheme.version }
        )
    });
    let _ = write!(text, "{}.", each.collect::<Vec<_>>().join(", "));
    text
}

fn welcome(message: &SipMessage) -> String {
    let facts = ladder::registration(message, None);
    let fact = |name: &str| facts.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
    let mut text = "The endpoint is registered: the user is signed in.".to_owned();
    let mut say = |label: &str, value: Option<&str>| {
        if let Some(value) = value {
            let _ = write!(text, " {label} {value}.");
        }
    };
    say("Its address (GRUU) is", fact("gruu"));
    let seconds = fact("expires_s").map(|seconds| format!("{seconds} s"));
    say("The registration holds for", seconds.as_deref());
    say("What became of its state:", fact("presence_state"));
    say("It may subscribe to", fact("allowed_events"));
    say("The server is", fact("server"));
    let silence = fact("keep_alive_s").map(|seconds| format!("{seconds} s"));
    say("A keep-alive is due after a silence of", silence.as_deref());
    text
}

/// What a request of a step asks for.
fn asks(kind: StepKind) -> &'static str {
    match kind {
        StepKind::LocationProfile => "The client asks for the default location profile: the dial plan of the user.",
        StepKind::Contacts => "The client asks for the user's contact list and for its changes.",
        StepKind::Provisioning => "The client asks for its settings (in-band provisioning).",
        StepKind::OwnPresence => {
            "The client asks for the user's own presence: categories, containers, subscribers and delegates."
        }
        StepKind::ConferencingCapabilities => "The client asks the focus factory what conferencing offers.",
        StepKind::PublishState => {
            "The client publishes the state of this machine, by which others see whether the user is there."
        }
        StepKind::PublishDevice => "The client publishes what this device can do.",
        StepKind::Conferences => "The client asks the focus factory for the user's own standing conference.",
        StepKind::AddConference => "The client has a standing conference made for the user.",
        StepKind::ConferenceKey => {
            "The client hands over a certificate and asks for the whole of its conference, secrets encrypted to it."
        }
        StepKind::Buddies => "The client asks for the presence of the contacts.",
        StepKind::MediaRelay => "The client asks for credentials of the A/V Edge.",
        _ => "",
    }
}

fn request(row: &Row, message: &SipMessage, method: &str) -> String {
    let kind = row.attempt.map(|(_, kind)| kind);
    let said = steps::read(message).sentence();
    match method {
        "NEGOTIATE" => "The client asks whether the connection may be compressed (LZ77-8K).".to_owned(),
        "BENOTIFY" | "NOTIFY" => {
            let event = message.header(HeaderName::Event).unwrap_or_default();
            let answer = if method == "BENOTIFY" { ", which is never answered" } else { "" };
            join(&format!("The server tells of a change ({}){answer}.", before_parameters(&event)), &said)
        }
        "SUBSCRIBE" if steps::ends_subscription(message) => "The client ends the subscription.".to_owned(),
        _ => match kind {
            // What the focus factory is asked for is plain; of the others the body says more.
            Some(
                kind @ (StepKind::ConferencingCapabilities
                | StepKind::Conferences
                | StepKind::AddConference
                | StepKind::ConferenceKey),
            ) => asks(kind).to_owned(),
            Some(StepKind::Provisioning | StepKind::OwnPresence) if !said.is_empty() => said,
            kind => join(kind.map(asks).unwrap_or_default(), &said),
        },
    }
}

fn response(row: &Row, message: &SipMessage, status: u16) -> String {
    let said = steps::read(message).sentence();
    let kind = row.attempt.map(|(_, kind)| kind);
    let begins = match (status, kind) {
        (100..=199, _) => "The server is at work.",
        (200..=299, Some(StepKind::Compress)) => "The server agrees to compress, if it names LZ77-8K.",
        (200..=299, _) if said.is_empty() => "Done as asked.",
        (200..=299, _) => "",
        (403, Some(StepKind::LocationProfile)) => {
            "Refused: the user has no Enterprise Voice and so no dial plan. Expected, and harmless."
        }
        (409, Some(StepKind::PublishState | StepKind::PublishDevice)) => {
            "Another endpoint published first; the client does so again with the version that the answer tells."
        }
        (480 | 500..=599, _) => "The service behind does not answer.",
        _ => "Refused.",
    };
    join(begins, &said)
}
