//! Conference control (`application/cccp+xml`, [MS-CONFPRO]): what the client asks of the focus factory, and what
//! that answers. Secrets of a conference are counted, not read.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::GeneralPurpose;
use base64::engine::GeneralPurposeConfig;

use crate::wire::bodies::Body;
use crate::wire::bodies::View;
use crate::wire::bodies::category::is_true;
use crate::wire::bodies::words::Facts;
use crate::wire::bodies::words::attribute;
use crate::wire::bodies::words::bracketed;
use crate::wire::bodies::words::counted;
use crate::wire::bodies::words::listed;
use crate::wire::bodies::words::number;
use crate::wire::bodies::words::short;
use crate::wire::bodies::words::tallied;
use crate::wire::bodies::words::text;
use crate::wire::xml::Element;
use crate::wire::xml_words::is_number;
use crate::wire::xml_words::mcu;

/// Longest certificate or other base64 that is decoded, in characters: a chain of 4 KiB certificates and more.
const MAX_BASE64: usize = 1 << 16;
/// What stands before the id of a conference in its address.
const FOCUS_ID: &str = "conf:focus:id:";

/// A request to the focus factory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConferenceRequest {
    /// `getConferencingCapabilities`, `getConferences`, `addConference` …
    pub operation: Option<String>,
    /// Number of the request in the client's session.
    pub request_id: Option<String>,
    /// Whether it is about the user's own, permanent conference.
    pub is_static: bool,
    /// Which conference.
    pub conference_id: Option<String>,
    /// Media that the conference is to have.
    pub media: Vec<String>,
    /// Who may come in.
    pub admission: Option<String>,
    /// Until when it is to last, as it stands.
    pub expires: Option<String>,
    /// Certificate, DER, for which the secrets of the conference are to be encrypted.
    pub certificate: Option<Vec<u8>>,
}

/// An answer of the focus factory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConferenceResponse {
    /// The operation that it answers.
    pub operation: Option<String>,
    /// Number of the request.
    pub request_id: Option<String>,
    /// `success`, `failure`, `pending`; it tells more than the SIP status.
    pub code: Option<String>,
    /// Why it failed.
    pub reason: Option<String>,
    /// MCU types: what conferencing can carry.
    pub mcus: Vec<String>,
    /// Regions that have dial-in numbers.
    pub regions: Vec<String>,
    /// The region that is offered first.
    pub default_region: Option<String>,
    /// Dial-in numbers.
    pub access_numbers: Vec<String>,
    /// Page of the dial-in numbers, from inside and from outside.
    pub dial_in_urls: [Option<String>; 2],
    /// Most people in a conference.
    pub max_participants: Option<u32>,
    /// Ids of the conferences that are listed; where one has none it is empty.
    pub conferences: Vec<String>,
    /// Id of the conference that was made or fetched.
    pub conference_id: Option<String>,
    /// `full`, or `partial`, which is normal.
    pub state: Option<String>,
    /// Version of the conference.
    pub version: Option<u32>,
    /// Id by which callers find it.
    pub dial_in_id: Option<String>,
    /// Whether secrets are in it, encrypted for the client.
    pub has_encrypted: bool,
}

impl ConferenceResponse {
    /// Whether it failed, whatever the SIP status says.
    pub fn has_failed(&self) -> bool {
        self.code.as_ref().is_some_and(|code| code.eq_ignore_ascii_case("failure"))
    }

    fn is(&self, operation: &str) -> bool {
        self.operation.as_ref().is_some_and(|known| known.eq_ignore_ascii_case(operation))
    }

    /// What media the MCUs carry, each once, in words.
    pub fn media(&self) -> Vec<String> {
        let mut media: Vec<String> = Vec::new();
        for words in self.mcus.iter().filter_map(|name| mcu(name)) {
            if !media.iter().any(|known| known == words) {
                media.push(words.to_owned());
            }
        }
        media
    }
}

/// Operations that occur; another child of a request or answer is not taken for one where these are there.
const OPERATIONS: [&str; 8] = [
    "getConferencingCapabilities",
    "getConferences",
    "addConference",
    "getConference",
    "modifyConference",
    "deleteConference",
    "addUser",
    "getEncryptionKey",
];

/// Reads a request or an answer.
pub fn read(root: Element<'_>) -> Option<Body> {
    if let Some(request) = root.find("request") {
        return Some(Body::ConferenceRequest(Box::new(read_request(request))));
    }
    root.find("response").map(|response| Body::ConferenceResponse(Box::new(read_response(response))))
}

/// As [`read`], where only the root tells: it must be conference control and nothing else.
pub fn read_if_cccp(root: Element<'_>) -> Option<Body> {
    let is_cccp = root.attribute("C3PVersion").is_some() || operation(root).is_some_and(|(_, is_known)| is_known);
    is_cccp.then(|| read(root)).flatten()
}

fn operation(message: Element<'_>) -> Option<(String, bool)> {
    let known = message.elements().find(|child| OPERATIONS.iter().any(|name| child.is(name)));
    known
        .map(|child| (child.name().to_owned(), true))
        .or_else(|| Some((message.elements().next()?.name().to_owned(), false)))
}

fn read_request(request: Element<'_>) -> ConferenceRequest {
    let certificate = ["encryptionCertificate", "x509-certificate"].iter().find_map(|name| request.text_of(name));
    ConferenceRequest {
        operation: operation(request).map(|(name, _)| name),
        request_id: attribute(request, "requestId"),
        is_static: is_static(request),
        conference_id: conference_id(request),
        media: request.find_all("entity-view").filter_map(|view| attribute(view, "entity")).collect(),
        admission: text(request, "admission-policy"),
        expires: text(request, "expiry-time"),
        certificate: certificate.and_then(decode_base64),
    }
}

/// `static` is an attribute or an element of something, true.
fn is_static(message: Element<'_>) -> bool {
    let says = |element: Element<'_>| {
        element.attribute("static").is_some_and(is_true) || (element.is("static") && is_true(element.text()))
    };
    message.all().any(says)
}

fn read_response(response: Element<'_>) -> ConferenceResponse {
    let info = response.find("conference-info");
    let numbers = response.find("access-numbers");
    let (operation, is_list) = match operation(response) {
        Some((name, _)) => (Some(name.clone()), name.eq_ignore_ascii_case("getConferences")),
        None => (None, false),
    };
    ConferenceResponse {
        conferences: if is_list { listed_conferences(response) } else { Vec::new() },
        operation,
        request_id: attribute(response, "requestId"),
        code: attribute(response, "code"),
        reason: reason(response),
        mcus: mcus(response),
        regions: response.find_all("region").filter_map(region).collect(),
        default_region: text(response, "default-region"),
        access_numbers: response.find_all("access-number").filter_map(|number| text(number, "number")).collect(),
        dial_in_urls: ["internalURL", "externalURL"].map(|name| attribute(numbers?, name)),
        max_participants: response.text_of("max-participants").and_then(|number| number.parse().ok()),
        conference_id: if is_list { None } else { conference_id(response) },
        state: info.and_then(|info| attribute(info, "state")),
        version: info.and_then(|info| number(info, "version")),
        dial_in_id: info.and_then(dial_in_id),
        has_encrypted: response.all().any(|element| element.name().to_ascii_lowercase().contains("encrypted")),
    }
}

fn mcus(response: Element<'_>) -> Vec<String> {
    let is_mcu = |element: &Element<'_>| element.is("mcuType") || element.is("mcu-type");
    let name = |element: Element<'_>| Some(element.text().to_owned()).filter(|name| !name.is_empty());
    response.all().filter(is_mcu).filter_map(|mcu| name(mcu).or_else(|| attribute(mcu, "name"))).collect()
}

fn region(region: Element<'_>) -> Option<String> {
    attribute(region, "name").or_else(|| Some(region.text().to_owned()).filter(|name| !name.is_empty()))
}

/// Why it failed: a reason code anywhere, and what diagnostics say.
fn reason(response: Element<'_>) -> Option<String> {
    let code = response.all().find_map(|element| attribute(element, "reasonCode"));
    let says = |element: Element<'_>| {
        let name = element.name().to_ascii_lowercase();
        let attribute = || attribute(element, "reason").or_else(|| attribute(element, "ms-diagnostics"));
        let text = || (name.contains("diagnostics") || name == "reason").then(|| element.text().to_owned());
        attribute().or_else(text).filter(|text| !text.is_empty())
    };
    match (code, response.all().find_map(says)) {
        (Some(code), Some(text)) => Some(format!("{code}: {text}")),
        (code, text) => code.or(text),
    }
}

fn listed_conferences(response: Element<'_>) -> Vec<String> {
    let infos = response.find_all("conference-info").count();
    let name = if infos > 0 { "conference-info" } else { "conferenceKeys" };
    response.find_all(name).map(|conference| conference_id(conference).unwrap_or_default()).collect()
}

/// The id of a conference: in its address, or as `conference-id`.
fn conference_id(message: Element<'_>) -> Option<String> {
    let in_address = |element: Element<'_>| {
        let mut values = element.attributes().iter().map(|(_, value)| &**value).chain([element.text()]);
        values.find_map(focus_id)
    };
    let named = || message.all().find_map(|element| attribute(element, "conference-id"));
    message.all().find_map(in_address).or_else(named).or_else(|| text(message, "conference-id"))
}

/// What stands behind `conf:focus:id:` in an address.
fn focus_id(address: &str) -> Option<String> {
    let (_, id) = address.split_once(FOCUS_ID)?;
    let id = id.split(|char: char| !(char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.' | '%'))).next()?;
    (!id.is_empty()).then(|| id.to_owned())
}

/// Id for callers: in `pstn-access`, or a text of digits beside the address.
fn dial_in_id(info: Element<'_>) -> Option<String> {
    let of_access = |access: Element<'_>| text(access, "id").or_else(|| attribute(access, "id"));
    let access = info.find("pstn-access").and_then(of_access);
    let digits =
        |name| info.all().filter(move |element| element.is(name)).map(Element::text).find(|text| is_number(text));
    let other = || ["pstn-conference-id", "pstn-id", "display-text"].into_iter().find_map(digits).map(str::to_owned);
    access.or_else(other)
}

/// Bytes of base64 with any white space, padded or not; `None` where it is none.
pub fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let engine = GeneralPurpose::new(&alphabet::STANDARD, config.with_decode_allow_trailing_bits(true));
    let text: String = text.chars().filter(|char| !char.is_whitespace()).take(MAX_BASE64).collect();
    engine.decode(text).ok().filter(|bytes| !bytes.is_empty())
}

impl View for ConferenceRequest {
    fn kind(&self) -> &'static str {
        "conference-request"
    }

    fn facts(&self, facts: &mut Facts) {
        facts.put("operation", self.operation.as_ref());
        facts.put("request_id", self.request_id.as_ref());
        facts.put("static", self.is_static.then_some("yes"));
        facts.put("conference_id", self.conference_id.as_ref());
        facts.list("media", &self.media);
        facts.put("admission", self.admission.as_ref());
        facts.put("expires", self.expires.as_ref());
        facts.put("certificate", self.certificate.as_ref().map(|der| format!("{} bytes", der.len())));
    }

    fn sentence(&self) -> String {
        let which = self.conference_id.as_deref().map(|id| format!(" {}", short(id))).unwrap_or_default();
        let operation = self.operation.as_deref().unwrap_or_default();
        match operation.to_ascii_lowercase().as_str() {
            "getconferencingcapabilities" => "The client asks what conferencing offers.".to_owned(),
            "getconferences" if self.is_static => "The client asks for the user's own (static) conferences.".to_owned(),
            "getconferences" => "The client asks for the user's conferences.".to_owned(),
            "addconference" if self.is_static => {
                format!("The client asks for the user's own (static) conference{which} to be made.")
            }
            "addconference" => format!("The client asks for a conference{which} to be made."),
            "getconference" if self.certificate.is_some() => format!(
                "The client asks for the conference{which} and passes a certificate for which its secrets are to be encrypted."
            ),
            "getconference" => format!("The client asks for the conference{which}."),
            _ => format!("The client asks the focus factory for {}{which}.", short(operation)),
        }
    }
}

impl View for ConferenceResponse {
    fn kind(&self) -> &'static str {
        "conference-response"
    }

    fn facts(&self, facts: &mut Facts) {
        facts.put("operation", self.operation.as_ref());
        facts.put("request_id", self.request_id.as_ref());
        facts.put("code", self.code.as_ref());
        facts.put("fault", self.reason.as_ref().filter(|_| self.has_failed()));
        facts.list("mcus", tallied(self.mcus.iter().map(String::as_str)));
        facts.list("media", self.media());
        facts.list("dial_in_regions", &self.regions);
        facts.put("default_region", self.default_region.as_ref());
        facts.list("dial_in_numbers", &self.access_numbers);
        let [inside, outside] = &self.dial_in_urls;
        facts.put("dial_in_page_internal", inside.as_ref());
        facts.put("dial_in_page_external", outside.as_ref());
        facts.number("max_participants", self.max_participants);
        if self.is("getConferences") && !self.has_failed() {
            facts.count("conferences", self.conferences.len());
            facts.list("conference_ids", self.conferences.iter().filter(|id| !id.is_empty()));
        }
        facts.put("conference_id", self.conference_id.as_ref());
        facts.put("conference_state", self.state.as_ref().filter(|_| !self.is("getConferences")));
        facts.number("conference_version", self.version.filter(|_| !self.is("getConferences")));
        facts.put("dial_in_id", self.dial_in_id.as_ref().filter(|_| !self.is("getConferences")));
        facts.put("secrets", self.has_encrypted.then_some("encrypted for the client"));
    }

    fn sentence(&self) -> String {
        let operation = self.operation.as_deref().map_or_else(|| "the request".to_owned(), short);
        if self.has_failed() {
            let reason = self.reason.as_deref().map(|reason| format!(": {}", short(reason))).unwrap_or_default();
            return format!("The server could not do {operation}{reason}.");
        }
        match operation.to_ascii_lowercase().as_str() {
            "getconferencingcapabilities" => self.capabilities(),
            "getconferences" if self.conferences.is_empty() => {
                "The server lists no conferences: none is there yet.".to_owned()
            }
            "getconferences" => {
                let count = counted(self.conferences.len(), "conference", "conferences");
                format!("The server lists {count}{}.", bracketed(self.conferences.iter().filter(|id| !id.is_empty())))
            }
            "addconference" => format!("The conference{} was created{}.", self.which(), self.state_and_id()),
            "getconference" => {
                let secrets = if self.has_encrypted { "; its secrets are encrypted for the client" } else { "" };
                format!("The server gives the conference{}{}{secrets}.", self.which(), self.state_and_id())
            }
            _ => format!("The server did {operation}."),
        }
    }
}

impl ConferenceResponse {
    fn which(&self) -> String {
        self.conference_id.as_deref().map(|id| format!(" {}", short(id))).unwrap_or_default()
    }

    fn state_and_id(&self) -> String {
        let state = self.state.as_deref().map(|state| match state {
            "partial" => "its state is partial, which is normal".to_owned(),
            state => format!("its state is {}", short(state)),
        });
        let id = self.dial_in_id.as_deref().map(|id| format!("its dial-in id is {}", short(id)));
        match (state, id) {
            (Some(state), Some(id)) => format!("; {state}, and {id}"),
            (state, id) => state.or(id).map(|words| format!("; {words}")).unwrap_or_default(),
        }
    }

    fn capabilities(&self) -> String {
        let mcus = counted(self.mcus.len(), "kind of MCU", "kinds of MCU") + &bracketed(&self.mcus);
        let media = listed(self.media());
        let media = if media.is_empty() { media } else { format!(", for {media}") };
        let regions = counted(self.regions.len(), "region", "regions");
        format!("Conferencing has {mcus}{media}; {regions} with dial-in numbers{}.", bracketed(&self.regions))
    }
}
