//! Bodies of a sign-in as typed views: a content type and bytes in, what they say out.
//!
//! A body is known by its content type, and where that is missing, generic or wrong by its root element. Names count
//! without their namespace. What is damaged is read as far as it goes. User names and passwords of media relays,
//! tickets, proofs and keys are never kept. Nothing here knows which step of a sign-in a body belongs to.
//!
//! Sources: [MS-PRES], [MS-CONFPRO], [MS-SIP], [MS-AVEDGEA], [MS-OCDISCWS], [MS-OCAUTHWS], WS-Trust, WSDL 1.1.

pub mod autodiscover;
pub mod category;
pub mod conferencing;
pub mod contacts;
pub mod location_profile;
pub mod media_relay;
pub mod multipart;
pub mod presence;
pub mod provisioning;
pub mod publish;
pub mod registration;
pub mod roaming;
pub mod soap;
pub mod versions;
mod words;

pub use crate::wire::bodies::versions::CategoryVersions;

use crate::model::Defect;
use crate::wire::bodies::autodiscover::Autodiscover;
use crate::wire::bodies::conferencing::ConferenceRequest;
use crate::wire::bodies::conferencing::ConferenceResponse;
use crate::wire::bodies::contacts::ContactDelta;
use crate::wire::bodies::contacts::ContactList;
use crate::wire::bodies::location_profile::LocationProfile;
use crate::wire::bodies::media_relay::MediaRelayRequest;
use crate::wire::bodies::media_relay::MediaRelays;
use crate::wire::bodies::presence::BatchSubscribe;
use crate::wire::bodies::presence::Presence;
use crate::wire::bodies::provisioning::Provisioning;
use crate::wire::bodies::provisioning::ProvisioningRequest;
use crate::wire::bodies::publish::Publish;
use crate::wire::bodies::publish::PublishFault;
use crate::wire::bodies::publish::SetSubscribers;
use crate::wire::bodies::registration::RegistrationEvent;
use crate::wire::bodies::roaming::RoamingData;
use crate::wire::bodies::roaming::RoamingRequest;
use crate::wire::bodies::soap::CertificateRequest;
use crate::wire::bodies::soap::IssuedCertificate;
use crate::wire::bodies::soap::Metadata;
use crate::wire::bodies::soap::SoapFault;
use crate::wire::bodies::soap::SoapMessage;
use crate::wire::bodies::soap::Ticket;
use crate::wire::bodies::soap::TicketRequest;
use crate::wire::bodies::words::Facts;
use crate::wire::sip::before_parameters;
use crate::wire::xml;
use crate::wire::xml::Document;
use crate::wire::xml::Element;

/// A body that is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is told at its type")]
pub enum Body {
    ContactList(ContactList),
    ContactDelta(ContactDelta),
    ProvisioningRequest(ProvisioningRequest),
    Provisioning(Provisioning),
    RoamingRequest(RoamingRequest),
    RoamingData(RoamingData),
    Publish(Publish),
    PublishFault(PublishFault),
    SetSubscribers(SetSubscribers),
    ConferenceRequest(Box<ConferenceRequest>),
    ConferenceResponse(Box<ConferenceResponse>),
    LocationProfile(LocationProfile),
    MediaRelayRequest(MediaRelayRequest),
    MediaRelays(MediaRelays),
    RegistrationEvent(RegistrationEvent),
    BatchSubscribe(BatchSubscribe),
    Presence(Presence),
    Autodiscover(Autodiscover),
    TicketRequest(TicketRequest),
    Ticket(Ticket),
    CertificateRequest(CertificateRequest),
    IssuedCertificate(IssuedCertificate),
    SoapFault(SoapFault),
    SoapMessage(SoapMessage),
    Metadata(Metadata),
}

/// What each kind of body can tell.
trait View {
    /// What it is, in a word or two with hyphens.
    fn kind(&self) -> &'static str;
    /// Adds what a step says of it.
    fn facts(&self, facts: &mut Facts);
    /// One sentence.
    fn sentence(&self) -> String;
}

impl Body {
    fn view(&self) -> &dyn View {
        match self {
            Self::ContactList(view) => view,
            Self::ContactDelta(view) => view,
            Self::ProvisioningRequest(view) => view,
            Self::Provisioning(view) => view,
            Self::RoamingRequest(view) => view,
            Self::RoamingData(view) => view,
            Self::Publish(view) => view,
            Self::PublishFault(view) => view,
            Self::SetSubscribers(view) => view,
            Self::ConferenceRequest(view) => &**view,
            Self::ConferenceResponse(view) => &**view,
            Self::LocationProfile(view) => view,
            Self::MediaRelayRequest(view) => view,
            Self::MediaRelays(view) => view,
            Self::RegistrationEvent(view) => view,
            Self::BatchSubscribe(view) => view,
            Self::Presence(view) => view,
            Self::Autodiscover(view) => view,
            Self::TicketRequest(view) => view,
            Self::Ticket(view) => view,
            Self::CertificateRequest(view) => view,
            Self::IssuedCertificate(view) => view,
            Self::SoapFault(view) => view,
            Self::SoapMessage(view) => view,
            Self::Metadata(view) => view,
        }
    }

    /// What it is, in a word or two with hyphens: `contact-list`, `provisioning` …
    pub fn kind(&self) -> &'static str {
        self.view().kind()
    }
}

/// What a sign-in step says of a body: names in snake case, values in one line of at most some 240 characters, or
/// a list of at most 20 of them.
pub fn facts(body: &Body) -> Vec<(&'static str, String)> {
    let mut facts = Facts::default();
    body.view().facts(&mut facts);
    facts.0
}

/// One plain sentence about a body.
pub fn sentence(body: &Body) -> String {
    body.view().sentence()
}

/// A body, and what was wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What it says.
    pub body: Body,
    /// What is not as it should be.
    pub defects: Vec<Defect>,
}

/// Most defects that are told of one body of several parts.
const MAX_DEFECTS: usize = 32;

/// How a family of bodies is known and read. A reader refuses a root that is none of its family.
struct Family {
    types: &'static [&'static str],
    roots: &'static [&'static str],
    read: fn(Element<'_>) -> Option<Body>,
}

/// Tried in this order: by content type, then by root. What shares a root comes after what can tell.
#[rustfmt::skip]
static FAMILIES: [Family; 15] = [
    Family { types: &["application/vnd-microsoft-roaming-contacts+xml"], roots: &["contactList", "contactDelta"], read: contacts::read },
    Family { types: &["application/vnd-microsoft-roaming-provisioning-v2+xml", "application/vnd-microsoft-roaming-provisioning+xml"], roots: &["provisioningGroupList", "provisionGroupList"], read: provisioning::read },
    Family { types: &["application/vnd-microsoft-roaming-self+xml"], roots: &["roamingList", "roamingData"], read: roaming::read },
    Family { types: &["application/msrtc-category-publish+xml"], roots: &["publish"], read: publish::read },
    Family { types: &["application/msrtc-fault+xml"], roots: &["Fault"], read: publish::read_fault },
    Family { types: &["application/msrtc-presence-setsubscriber+xml"], roots: &["setSubscribers"], read: publish::read_subscribers },
    Family { types: &["application/msrtc-media-relay-auth+xml"], roots: &[], read: media_relay::read },
    Family { types: &["application/cccp+xml"], roots: &[], read: conferencing::read },
    Family { types: &["application/ms-location-profile-definition+xml"], roots: &["LocationProfileDescription"], read: location_profile::read },
    Family { types: &["application/msrtc-adrl-categorylist+xml"], roots: &["batchSub"], read: presence::read_subscription },
    Family { types: &["application/msrtc-event-categories+xml", "application/rlmi+xml"], roots: &["categories", "list"], read: presence::read },
    Family { types: &["application/vnd.microsoft.rtc.autodiscover+xml"], roots: &["AutodiscoverResponse"], read: autodiscover::read },
    Family { types: &["application/soap+xml"], roots: &["Envelope"], read: soap::read },
    Family { types: &[], roots: &["definitions", "Metadata"], read: soap::read_metadata },
    // Requests and answers of which only what is in them tells what they are.
    Family { types: &[], roots: &["request", "response"], read: read_exchange },
];

fn read_exchange(root: Element<'_>) -> Option<Body> {
    conferencing::read_if_cccp(root).or_else(|| media_relay::read(root))
}

/// Reads a body; `None` where it is none that belongs to a sign-in. `content_type` is the value of the header field,
/// empty where there is none.
pub fn read(content_type: &str, body: &[u8]) -> Option<Reading> {
    let media = before_parameters(content_type).to_ascii_lowercase();
    if media.starts_with("multipart/") {
        return read_parts(content_type, body);
    }
    read_one(&media, body)
}

fn read_one(media: &str, body: &[u8]) -> Option<Reading> {
    if media == "text/registration-event" {
        return registration::read(body).map(|body| Reading { body, defects: Vec::new() });
    }
    let is_generic = matches!(media, "" | "text/plain" | "application/octet-stream");
    let begins = |text: &[u8]| body.trim_ascii_start().starts_with(text);
    if media.contains("json") || (is_generic && begins(b"{")) {
        return autodiscover::read_json(body).map(|(body, defects)| Reading { body, defects });
    }
    let is_marked = [&b"<"[..], b"\xef\xbb\xbf<", b"\xff\xfe<", b"\xfe\xff\0<"].iter().any(|mark| begins(mark));
    if media.contains("xml") || media.contains("soap") || (is_generic && is_marked) {
        return read_xml(media, body);
    }
    None
}

fn read_xml(media: &str, body: &[u8]) -> Option<Reading> {
    let text = xml::decode(body);
    let document = Document::parse(&text);
    let root = document.root()?;
    let of_type = FAMILIES.iter().filter(|family| family.types.contains(&media));
    let of_root = FAMILIES.iter().filter(|family| family.roots.iter().any(|name| root.is(name)));
    let body = of_type.chain(of_root).find_map(|family| (family.read)(root))?;
    Some(Reading { body, defects: document.defects })
}

/// Presence comes in many parts that are one; of anything else the first part that is understood counts.
fn read_parts(content_type: &str, body: &[u8]) -> Option<Reading> {
    let (mut presence, mut defects) = (None::<Presence>, Vec::new());
    for part in multipart::split(content_type, body) {
        let media = before_parameters(&part.content_type).to_ascii_lowercase();
        let Some(reading) = read_one(&media, part.body) else { continue };
        let room = MAX_DEFECTS.saturating_sub(defects.len());
        defects.extend(reading.defects.into_iter().take(room));
        match (reading.body, &mut presence) {
            (Body::Presence(more), Some(presence)) => presence.join(more),
            (Body::Presence(first), None) => presence = Some(first),
            (body, None) => return Some(Reading { body, defects }),
            _ => {}
        }
    }
    presence.map(|presence| Reading { body: Body::Presence(presence), defects })
}

/// For the fuzzer: any bytes, read as each content type that is known and as none.
pub fn fuzz(bytes: &[u8]) {
    let types = FAMILIES.iter().flat_map(|family| family.types);
    let others = ["", "text/xml", "application/json", "text/registration-event", "multipart/related;boundary=b"];
    for content_type in types.chain(&others) {
        fuzz_as(content_type, bytes);
    }
    multipart::fuzz(bytes);
}

/// For the fuzzer: any bytes as one content type, which picks the family.
pub fn fuzz_as(content_type: &str, bytes: &[u8]) {
    let Some(Reading { body, defects }) = read(content_type, bytes) else { return };
    assert!(defects.len() <= MAX_DEFECTS);
    let sentence = sentence(&body);
    assert!(sentence.ends_with('.') && !sentence.contains(char::is_control), "{sentence}");
    for (name, value) in facts(&body) {
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        assert!(!value.is_empty() && value.len() < 1 << 15 && !value.contains(char::is_control), "{name}: {value}");
    }
    if let Body::RoamingData(data) = &body {
        let mut versions = CategoryVersions::default();
        assert!(versions.note(data).is_empty(), "the first is no change");
        assert!(versions.len() <= data.categories.len().min(versions::MAX_KNOWN));
        assert!(versions.note(data).len() <= versions::MAX_TOLD);
    }
}

#[cfg(test)]
mod tests;
