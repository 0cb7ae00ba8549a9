//! What the messages of a sign-in ask, and what the answers mean: the steps by their wire form.

use crate::model::sip::{HeaderName, SipMessage, StartLine};
use crate::wire::diagnostics::Diagnostics;
use crate::wire::sip::before_parameters;

/// A step of a sign-in, in the order in which they usually come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "`STEPS` says what each is")]
pub enum StepKind {
    Discover,
    Connect,
    Secure,
    Challenge,
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
pub static STEPS: [(StepKind, &str, &str); 19] = [
    (StepKind::Discover, "discover", "The client looks for its server"),
    (StepKind::Connect, "connect", "It connects"),
    (StepKind::Secure, "secure", "TLS comes up"),
    (StepKind::Challenge, "challenge", "The server says how it wants to be convinced"),
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
            Self::Info => "info",
        }
    }
}

/// Which of the attempts that were begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptNo(pub usize);

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
pub fn asked(message: &SipMessage) -> Option<StepKind> {
    let StartLine::Request { method, uri } = message.start else { return None };
    let (method, uri) = (message.text(method), message.text(uri).to_ascii_lowercase());
    match &*method {
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
        "SERVICE" => service(message, &uri),
        _ => None,
    }
}

fn service(message: &SipMessage, uri: &str) -> Option<StepKind> {
    if uri.contains("app:locationprofile") {
        return Some(StepKind::LocationProfile);
    }
    let content_type = message.header(HeaderName::ContentType).unwrap_or_default().to_ascii_lowercase();
    let body = message.body();
    let has = |text: &str| memchr::memmem::find(body, text.as_bytes()).is_some();
    match before_parameters(&content_type) {
        "application/msrtc-media-relay-auth+xml" => Some(StepKind::MediaRelay),
        "application/msrtc-category-publish+xml" => {
            let device = has("categoryName=\"device\"") && !has("categoryName=\"state\"");
            Some(if device { StepKind::PublishDevice } else { StepKind::PublishState })
        }
        "application/cccp+xml" => [
            ("getConferencingCapabilities", StepKind::ConferencingCapabilities),
            ("addConference", StepKind::AddConference),
            ("getConferences", StepKind::Conferences),
            ("getConference", StepKind::ConferenceKey),
        ]
        .into_iter()
        .find(|(operation, _)| has(operation))
        .map(|(_, kind)| kind),
        _ => None,
    }
}

/// How a step stands after a message of it.
pub fn outcome(kind: StepKind, message: &SipMessage) -> StepOutcome {
    let Some(status) = message.status() else {
        // A BENOTIFY comes after the answer and needs none.
        let notifies = message.method().is_some_and(|method| matches!(&*method, "BENOTIFY" | "NOTIFY"));
        return if notifies { StepOutcome::Ok } else { StepOutcome::Unanswered };
    };
    match (status, kind) {
        (100..=199, _) => StepOutcome::Unanswered,
        (200..=299, _) if has_failed_inside(message) => StepOutcome::Failed,
        (200..=299, _) => StepOutcome::Ok,
        // Users without Enterprise Voice have no dial plan. Where another endpoint published first, the
        // client does so again.
        (403, StepKind::LocationProfile) | (409, StepKind::PublishState | StepKind::PublishDevice) => StepOutcome::Info,
        _ => StepOutcome::Failed,
    }
}

/// A conferencing failure can hide in a 200.
fn has_failed_inside(message: &SipMessage) -> bool {
    let content_type = message.header(HeaderName::ContentType).unwrap_or_default();
    before_parameters(&content_type).eq_ignore_ascii_case("application/cccp+xml")
        && memchr::memmem::find(message.body(), b"code=\"failure\"").is_some()
}

/// What an answer says of its step.
pub fn details(kind: StepKind, message: &SipMessage) -> Vec<(&'static str, String)> {
    let mut details = Vec::new();
    if kind == StepKind::AddConference
        && message.status() == Some(200)
        && let Some(id) = between(message.body(), "conf:focus:id:", &['"', ';', '<', '&'])
    {
        details.push(("conference_id", id));
    }
    details.extend(diagnostics(message).into_iter().filter_map(|found| Some(("reason", found.reason?))));
    details
}

/// The text behind `mark` up to one of `ends`, at most 64 bytes.
fn between(body: &[u8], mark: &str, ends: &[char]) -> Option<String> {
    let at = memchr::memmem::find(body, mark.as_bytes())? + mark.len();
    let text = String::from_utf8_lossy(body.get(at..)?.get(..64).or(body.get(at..))?).into_owned();
    Some(text.split(ends).next()?.to_owned())
}

/// What the servers on the way say about an answer.
pub fn diagnostics(message: &SipMessage) -> Vec<Diagnostics> {
    let names = ["ms-diagnostics", "ms-diagnostics-public"];
    let headers = message.headers().filter(|header| names.iter().any(|name| header.name.eq_ignore_ascii_case(name)));
    headers.filter_map(|header| Diagnostics::parse(&header.value)).collect()
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
