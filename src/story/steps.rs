//! What the messages of a sign-in ask, and what the answers mean: the steps by their wire form.

use std::borrow::Cow;
use std::cell::OnceCell;

use crate::model::http::HttpMessage;
use crate::model::sip::{HeaderName, SipMessage, StartLine};
use crate::model::tls::Certificate;
use crate::story::login::exchange::Fact;
use crate::story::summary::day;
use crate::wire::bodies::{self, Body};
use crate::wire::certificate;
use crate::wire::diagnostics::Diagnostics;
use crate::wire::sip::{before_parameters, parameter};

/// A step of a sign-in, in the order in which they usually come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "`STEPS` says what each is")]
pub enum StepKind {
    Discover,
    Connect,
    Secure,
    Compress,
    Challenge,
    WebTicket,
    Certificate,
    Authenticate,
    Register,
    LocationProfile,
    Contacts,
    Provisioning,
    OwnPresence,
    ConferencingCapabilities,
    PublishState,
    PublishDevice,
    Conferences,
    AddConference,
    ConferenceKey,
    Buddies,
    MediaRelay,
    SignOut,
}

/// Id and title of each step.
#[rustfmt::skip]
pub static STEPS: [(StepKind, &str, &str); 22] = [
    (StepKind::Discover, "discover", "The client looks for its server"),
    (StepKind::Connect, "connect", "It connects"),
    (StepKind::Secure, "secure", "TLS comes up"),
    (StepKind::Compress, "compress", "Compression is agreed on"),
    (StepKind::Challenge, "challenge", "The server says how it wants to be convinced"),
    (StepKind::WebTicket, "web-ticket", "The client gets a web ticket"),
    (StepKind::Certificate, "certificate", "The client gets its certificate"),
    (StepKind::Authenticate, "authenticate", "The client proves who it is"),
    (StepKind::Register, "register", "The server takes the registration"),
    (StepKind::LocationProfile, "location-profile", "Dial plan of the user"),
    (StepKind::Contacts, "contacts", "Contact list"),
    (StepKind::Provisioning, "provisioning", "Settings and policies"),
    (StepKind::OwnPresence, "self", "Own presence, containers and subscribers"),
    (StepKind::ConferencingCapabilities, "conferencing-capabilities", "What conferencing offers"),
    (StepKind::PublishState, "publish-state", "The client publishes its state"),
    (StepKind::PublishDevice, "publish-device", "The client publishes its device"),
    (StepKind::Conferences, "conferences", "The user's own conference is looked for"),
    (StepKind::AddConference, "add-conference", "The user's own conference is made"),
    (StepKind::ConferenceKey, "conference-key", "The conference's keys are fetched"),
    (StepKind::Buddies, "buddies", "Presence of the contacts"),
    (StepKind::MediaRelay, "media-relay", "Credentials for the A/V Edge"),
    (StepKind::SignOut, "sign-out", "The client signs out"),
];

impl StepKind {
    /// As rows and exports spell it.
    pub fn id(self) -> &'static str {
        STEPS.iter().find(|(kind, ..)| *kind == self).map_or("", |(_, id, _)| id)
    }

    /// In a few words.
    pub fn title(self) -> &'static str {
        STEPS.iter().find(|(kind, ..)| *kind == self).map_or("", |(.., title)| title)
    }

    /// Whether the client must have it to work: its settings and its own presence.
    pub const fn is_essential(self) -> bool {
        matches!(self, Self::Provisioning | Self::OwnPresence)
    }
}

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// As it should.
    Ok,
    /// Not as it should.
    Failed,
    /// Nothing answered, as far as the capture goes.
    Unanswered,
    /// The client had no need of it.
    Skipped,
    /// Worth telling, neither good nor bad.
    Info,
}

impl StepOutcome {
    /// As exports spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Unanswered => "unanswered",
            Self::Skipped => "skipped",
            Self::Info => "info",
        }
    }
}

/// First labels by which a client looks for its server.
const DISCOVERY: [&str; 9] = [
    "lyncdiscoverinternal.",
    "lyncdiscover.",
    "_sipinternaltls._tcp.",
    "_sipinternal._tcp.",
    "_sip._tls.",
    "_sip._tcp.",
    "sipinternal.",
    "sipexternal.",
    "sip.",
];

/// Whether a client looks for its server by this name (lower case).
pub fn is_discovery(name: &str) -> bool {
    DISCOVERY.iter().any(|prefix| name.starts_with(prefix))
}

/// The SIP domain in a name of discovery.
pub fn domain_of(name: &str) -> Option<&str> {
    DISCOVERY.iter().find_map(|prefix| name.strip_prefix(prefix))
}

/// What a request after the registration asks; `None` where it is no step of a sign-in.
pub fn asked(message: &SipMessage, reading: &Reading<'_>) -> Option<StepKind> {
    let StartLine::Request { method, uri } = message.start else { return None };
    match &*message.text(method) {
        "SUBSCRIBE" => {
            let event = message.header(HeaderName::Event)?.to_ascii_lowercase();
            match before_parameters(&event) {
                "vnd-microsoft-roaming-contacts" => Some(StepKind::Contacts),
                "vnd-microsoft-provisioning-v2" | "vnd-microsoft-provisioning" => Some(StepKind::Provisioning),
                "vnd-microsoft-roaming-self" => Some(StepKind::OwnPresence),
                "presence" => Some(StepKind::Buddies),
                _ => None,
            }
        }
        "SERVICE" => service(message, &message.text(uri).to_ascii_lowercase(), reading),
        "NEGOTIATE" => Some(StepKind::Compress),
        _ => None,
    }
}

fn service(message: &SipMessage, uri: &str, reading: &Reading<'_>) -> Option<StepKind> {
    if uri.contains("app:locationprofile") {
        return Some(StepKind::LocationProfile);
    }
    match reading.body() {
        Some(Body::MediaRelayRequest(_)) => Some(StepKind::MediaRelay),
        Some(Body::Publish(publish)) => {
            let names = || publish.publications.iter().map(|published| published.name.as_str());
            let device = names().any(|name| name == "device") && !names().any(|name| name == "state");
            Some(if device { StepKind::PublishDevice } else { StepKind::PublishState })
        }
        Some(Body::ConferenceRequest(request)) => match request.operation.as_deref()? {
            "getConferencingCapabilities" => Some(StepKind::ConferencingCapabilities),
            "addConference" => Some(StepKind::AddConference),
            "getConferences" => Some(StepKind::Conferences),
            "getConference" => Some(StepKind::ConferenceKey),
            _ => None,
        },
        _ => {
            let content_type = message.header(HeaderName::ContentType).unwrap_or_default();
            let media_relay =
                before_parameters(&content_type).eq_ignore_ascii_case("application/msrtc-media-relay-auth+xml");
            media_relay.then_some(StepKind::MediaRelay)
        }
    }
}

/// How a step stands after the final answer to its request; a conferencing failure can hide in a 200.
pub fn outcome(kind: Option<StepKind>, reading: &Reading<'_>, status: u16) -> StepOutcome {
    // What is asked by SUBSCRIBE cannot.
    let subscribes =
        matches!(kind, Some(StepKind::Contacts | StepKind::Provisioning | StepKind::OwnPresence | StepKind::Buddies));
    let failed_inside = || matches!(reading.body(), Some(Body::ConferenceResponse(response)) if response.has_failed());
    match (status, kind) {
        (200..=299, _) if subscribes || !failed_inside() => StepOutcome::Ok,
        // Users without Enterprise Voice have no dial plan. Where another endpoint published first, the
        // client does so again. A server need not compress.
        (403, Some(StepKind::LocationProfile))
        | (409, Some(StepKind::PublishState | StepKind::PublishDevice))
        | (300.., Some(StepKind::Compress)) => StepOutcome::Info,
        _ => StepOutcome::Failed,
    }
}

/// A body, which is read when it is first asked for.
pub struct Reading<'a> {
    content_type: Cow<'a, str>,
    bytes: &'a [u8],
    body: OnceCell<Option<Body>>,
}

impl<'a> Reading<'a> {
    const fn new(content_type: Cow<'a, str>, bytes: &'a [u8]) -> Self {
        Self { content_type, bytes, body: OnceCell::new() }
    }

    /// The body itself, where it is one that is known.
    pub fn body(&self) -> Option<&Body> {
        let read = || bodies::read(&self.content_type, self.bytes).map(|reading| reading.body);
        self.body.get_or_init(|| read().filter(|_| !self.bytes.is_empty())).as_ref()
    }

    /// What it says: name and value.
    pub fn facts(&self) -> Vec<Fact> {
        let mut facts = self.body().map(bodies::facts).unwrap_or_default();
        if let Some(own) = self.own_certificate() {
            let until = day(own.not_after);
            facts.extend([("certificate", own.subject), ("issuer", own.issuer), ("valid_until", until)]);
        }
        facts
    }

    /// What an expert would say of it; empty where there is nothing to say.
    pub fn sentence(&self) -> String {
        if let Some(own) = self.own_certificate() {
            let until = day(own.not_after);
            return format!(
                "The user's certificate was issued to {} by {}; it is valid until {until}.",
                own.subject, own.issuer
            );
        }
        let mut sentence = self.body().map(bodies::sentence).unwrap_or_default();
        // Sign-ins keep thousands of them.
        sentence.shrink_to_fit();
        sentence
    }

    /// The certificate that a body hands to the user.
    fn own_certificate(&self) -> Option<Certificate> {
        let Some(Body::IssuedCertificate(issued)) = self.body() else { return None };
        certificate::parse(issued.der.as_deref()?)
    }
}

/// The body of a SIP message.
pub fn read(message: &SipMessage) -> Reading<'_> {
    Reading::new(message.header(HeaderName::ContentType).unwrap_or_default(), message.body())
}

/// The body of an HTTP message.
pub fn read_http(message: &HttpMessage) -> Reading<'_> {
    Reading::new(message.header("content-type").unwrap_or_default().into(), &message.body)
}

/// Whether a SUBSCRIBE ends its subscription: within a dialog, with no time to live (RFC 6665 §4.1.2.3).
pub fn ends_subscription(message: &SipMessage) -> bool {
    let to = message.header(HeaderName::To).unwrap_or_default();
    let subscribes = message.method().is_some_and(|method| method == "SUBSCRIBE");
    subscribes && parameter(&to, "tag").is_some() && expires_at_once(message)
}

/// Whether what a request asks for is to last for no time: it ends what there is.
pub fn expires_at_once(message: &SipMessage) -> bool {
    message.header(HeaderName::Expires).is_some_and(|expires| expires.trim() == "0")
}

/// How a message ends the registration that it notifies of: `rejected`, `unregistered`, `deactivated`; `None`
/// where it does not ([MS-SIPREGE] §3.1.5).
pub fn deregistration(message: &SipMessage) -> Option<String> {
    let event = message.header(HeaderName::Event)?;
    let package = before_parameters(&event);
    if !["registration", "registration-notify"].iter().any(|known| package.eq_ignore_ascii_case(known)) {
        return None;
    }
    let ends = message
        .header(HeaderName::SubscriptionState)
        .is_some_and(|state| before_parameters(&state).eq_ignore_ascii_case("terminated"));
    let body = String::from_utf8_lossy(message.body().get(..256).unwrap_or(message.body())).into_owned();
    let deregistered = body.to_ascii_lowercase().contains("deregistered");
    let word = body.split(';').find_map(|part| part.trim().strip_prefix("event="));
    let word = word.map(|word| word.split_whitespace().next().unwrap_or_default().to_owned());
    (ends || deregistered).then(|| word.unwrap_or_else(|| "ended".to_owned()))
}

/// What a web service says about a failure.
pub fn http_diagnostics(message: &HttpMessage) -> Vec<Diagnostics> {
    let names = ["x-ms-diagnostics", "ms-diagnostics"];
    let values = names.iter().filter_map(|name| message.header(name));
    values.filter_map(Diagnostics::parse).collect()
}

/// A diagnosis in one line.
pub fn describe(found: &Diagnostics) -> String {
    let reason = found.reason.as_deref().unwrap_or("no text");
    let source = found.source.as_ref().map(|source| format!(", from {source}")).unwrap_or_default();
    format!("ms-diagnostics {}: {reason}{source}", found.id)
}

/// A text up to so many characters.
pub fn clip(text: &str, characters: usize) -> &str {
    // No more bytes, no more characters.
    if text.len() <= characters {
        return text;
    }
    let end = text.char_indices().nth(characters).map_or(text.len(), |(end, _)| end);
    text.get(..end).unwrap_or(text)
}

/// Call-IDs are told apart by so many characters.
const LONGEST_CALL_ID: usize = 256;

/// The Call-ID of a message, cut where it is longer than any that clients make.
pub fn call_id(message: &SipMessage) -> Cow<'_, str> {
    match message.header(HeaderName::CallId).unwrap_or_default() {
        Cow::Borrowed(whole) => clip(whole, LONGEST_CALL_ID).into(),
        Cow::Owned(whole) => clip(&whole, LONGEST_CALL_ID).to_owned().into(),
    }
}

/// Most diagnoses of one answer that are kept: each hop adds one.
const MOST_DIAGNOSTICS: usize = 16;

/// What the servers on the way say about an answer.
pub fn diagnostics(message: &SipMessage) -> Vec<Diagnostics> {
    let headers =
        message.headers_where(|id, _| matches!(id, HeaderName::MsDiagnostics | HeaderName::MsDiagnosticsPublic));
    headers.filter_map(|header| Diagnostics::parse(&header.value)).take(MOST_DIAGNOSTICS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_its_line() {
        for (kind, id, title) in STEPS {
            assert_eq!((kind.id(), kind.title()), (id, title));
        }
    }

    #[test]
    fn names_of_discovery() {
        assert_eq!(domain_of("_sipinternaltls._tcp.ex.test"), Some("ex.test"));
        assert_eq!(domain_of("sip.ex.test"), Some("ex.test"));
        assert!(is_discovery("lyncdiscover.ex.test") && !is_discovery("www.ex.test"));
    }
}
