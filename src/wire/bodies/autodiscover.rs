//! Answers of Autodiscover ([MS-OCDISCWS] §3.1.5.2), XML or JSON: where the user's server is.

use serde_json::Map;
use serde_json::Value;

use crate::model::Defect;
use crate::wire::bodies::Body;
use crate::wire::bodies::View;
use crate::wire::bodies::words::Facts;
use crate::wire::bodies::words::attribute;
use crate::wire::bodies::words::listed;
use crate::wire::bodies::words::short;
use crate::wire::xml;
use crate::wire::xml::Element;

/// Longest JSON that is read; real answers have 2 KiB.
const MAX_JSON: usize = 1 << 20;
/// Most links that are kept; real answers have about 20.
const MAX_LINKS: usize = 256;

/// An answer of Autodiscover.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Autodiscover {
    /// Where the server sees the client: `Internal` or `External`.
    pub access_location: Option<String>,
    /// Token and URL of each link but for `Redirect`.
    pub links: Vec<(String, String)>,
    /// Where to ask instead.
    pub redirect: Option<String>,
    /// SIP server for a client inside, `name:port`.
    pub sip_internal: Option<String>,
    /// SIP server for a client outside, `name:port`.
    pub sip_external: Option<String>,
}

impl Autodiscover {
    /// The URL of a link by its token, in any case.
    pub fn link(&self, token: &str) -> Option<&str> {
        self.links.iter().find(|(known, _)| known.eq_ignore_ascii_case(token)).map(|(_, href)| href.as_str())
    }

    /// The SIP server for the place where the client is.
    pub fn sip_server(&self) -> Option<&str> {
        let is_inside = self.access_location.as_ref()?.eq_ignore_ascii_case("Internal");
        if is_inside { self.sip_internal.as_deref() } else { self.sip_external.as_deref() }
    }

    fn add_link(&mut self, token: &str, href: &str) {
        let (token, href) = (token.trim(), href.trim());
        if token.eq_ignore_ascii_case("redirect") {
            self.redirect = Some(href.to_owned());
        } else if self.links.len() < MAX_LINKS {
            self.links.push((token.to_owned(), href.to_owned()));
        }
    }

    fn add_server(&mut self, name: &str, fqdn: &str, port: &str) {
        let address =
            if port.trim().is_empty() { fqdn.trim().to_owned() } else { format!("{}:{}", fqdn.trim(), port.trim()) };
        if name.eq_ignore_ascii_case("SipClientInternalAccess") {
            self.sip_internal = Some(address);
        } else if name.eq_ignore_ascii_case("SipClientExternalAccess") {
            self.sip_external = Some(address);
        }
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Reads XML.
pub fn read(root: Element<'_>) -> Option<Body> {
    let response = root.find("AutodiscoverResponse")?;
    let mut found = Autodiscover {
        access_location: response.all().find_map(|element| attribute(element, "AccessLocation")),
        ..Autodiscover::default()
    };
    for element in response.all() {
        let value = |name| element.attribute(name).unwrap_or_default();
        if element.is("Link") {
            found.add_link(value("token"), value("href"));
        } else if element.attribute("fqdn").is_some() {
            found.add_server(element.name(), value("fqdn"), value("port"));
        }
    }
    Some(Body::Autodiscover(found))
}

/// Reads JSON, of a cut text what stands before the cut.
pub fn read_json(bytes: &[u8]) -> Option<(Body, Vec<Defect>)> {
    let text = xml::decode(bytes.get(..MAX_JSON).unwrap_or(bytes));
    let mut defects = Vec::new();
    let value: Value = match serde_json::from_str(text.trim()) {
        Ok(value) => value,
        Err(error) => {
            defects.push(Defect::new("JSON", 0, error.to_string()));
            serde_json::from_str(&close(text.trim())).ok()?
        }
    };
    let mut found = Autodiscover::default();
    walk(&mut found, "", &value);
    (!found.is_empty()).then_some((Body::Autodiscover(found), defects))
}

/// A value by its key. `serde_json` reads no deeper than 128.
fn walk(found: &mut Autodiscover, key: &str, value: &Value) {
    match value {
        Value::Object(object) => {
            note(found, key, object);
            for (key, value) in object {
                walk(found, key, value);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| walk(found, key, value)),
        _ => {}
    }
}

/// Links are `{"token":…,"href":…}` in a list, or `{"href":…}` by their name (UCWA).
fn note(found: &mut Autodiscover, key: &str, object: &Map<String, Value>) {
    let member = |name: &str| {
        let (_, value) = object.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    if let Some(href) = member("href") {
        found.add_link(&member("token").unwrap_or_else(|| key.to_owned()), &href);
    }
    if let Some(fqdn) = member("fqdn") {
        found.add_server(key, &fqdn, &member("port").unwrap_or_default());
    }
    if let Some(place) = member("AccessLocation") {
        found.access_location = Some(place);
    }
}

/// Cuts behind the last value that is whole, and closes what is open.
fn close(text: &str) -> String {
    let (mut open, mut in_text, mut escaped) = (Vec::new(), false, false);
    let (mut cut, mut open_at_cut) = (0, 0);
    for (at, char) in text.char_indices() {
        if in_text {
            in_text = escaped || char != '"';
            escaped = !escaped && char == '\\';
            continue;
        }
        match char {
            '"' => in_text = true,
            '{' | '[' => {
                open.push(if char == '{' { '}' } else { ']' });
                (cut, open_at_cut) = (at + 1, open.len());
            }
            '}' | ']' => {
                open.pop();
                (cut, open_at_cut) = (at + 1, open.len());
            }
            ',' => (cut, open_at_cut) = (at, open.len()),
            _ => {}
        }
    }
    open.truncate(open_at_cut);
    text.get(..cut).unwrap_or_default().chars().chain(open.into_iter().rev()).collect()
}

impl View for Autodiscover {
    fn kind(&self) -> &'static str {
        "autodiscover"
    }

    fn facts(&self, facts: &mut Facts) {
        facts.put("access_location", self.access_location.as_ref());
        facts.put("redirect", self.redirect.as_ref());
        facts.put("sip_server", self.sip_server());
        facts.put("sip_server_internal", self.sip_internal.as_ref());
        facts.put("sip_server_external", self.sip_external.as_ref());
        facts.list("links", self.links.iter().map(|(token, _)| token));
        for (token, name) in [("User", "user_url"), ("Domain", "domain_url"), ("OAuth", "oauth_url")] {
            facts.put(name, self.link(token));
        }
    }

    fn sentence(&self) -> String {
        if let Some(redirect) = &self.redirect {
            return format!("Autodiscover sends the client to {}.", short(redirect));
        }
        let place = self.access_location.as_deref().map(short);
        let place = place.map(|place| format!("sees the client as {place}")).unwrap_or_default();
        let server = match (self.sip_server(), &self.sip_internal, &self.sip_external) {
            (Some(server), ..) => format!("gives it {} as SIP server", short(server)),
            (None, None, None) => String::new(),
            (None, inside, outside) => {
                let name = |server: &Option<String>| server.as_deref().map_or_else(|| "none".to_owned(), short);
                format!("gives {} as SIP server inside and {} outside", name(inside), name(outside))
            }
        };
        let links = listed(self.links.iter().map(|(token, _)| token));
        let links =
            if links.is_empty() || !server.is_empty() { String::new() } else { format!("gives links ({links})") };
        let parts: Vec<String> = [place, server, links].into_iter().filter(|part| !part.is_empty()).collect();
        if parts.is_empty() {
            "Autodiscover answers nothing.".to_owned()
        } else {
            format!("Autodiscover {}.", parts.join(" and "))
        }
    }
}
