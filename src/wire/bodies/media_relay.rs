//! Credentials for the A/V Edge (`application/msrtc-media-relay-auth+xml`, [MS-AVEDGEA]). User name and password are
//! not read.

use crate::wire::bodies::Body;
use crate::wire::bodies::View;
use crate::wire::bodies::words::Facts;
use crate::wire::bodies::words::attribute;
use crate::wire::bodies::words::counted;
use crate::wire::bodies::words::listed;
use crate::wire::bodies::words::short;
use crate::wire::bodies::words::text;
use crate::wire::xml::Element;

/// Asks for credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaRelayRequest {
    /// For whom.
    pub identity: Option<String>,
    /// Where the client says it is: `intranet` or `internet`.
    pub location: Option<String>,
    /// For how long, in minutes.
    pub minutes: Option<u32>,
}

/// What the server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaRelays {
    /// `OK`, or what went wrong.
    pub reason: Option<String>,
    /// How many credentials were given.
    pub credentials: usize,
    /// How long they are good for, in minutes.
    pub minutes: Option<u32>,
    /// The relays.
    pub relays: Vec<MediaRelay>,
}

/// A media relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaRelay {
    /// For clients `intranet` or `internet`.
    pub location: Option<String>,
    /// Host name or address.
    pub host: Option<String>,
    /// UDP port of TURN.
    pub udp_port: Option<u16>,
    /// TCP port of TURN.
    pub tcp_port: Option<u16>,
}

impl MediaRelay {
    fn in_words(&self) -> String {
        let ports = [(self.udp_port, "udp"), (self.tcp_port, "tcp")];
        let ports = ports.iter().filter_map(|(port, name)| Some(format!(" {name} {}", (*port)?)));
        format!("{}{}", self.host.as_deref().unwrap_or("?"), ports.collect::<String>())
    }
}

/// Reads a request or an answer.
pub fn read(root: Element<'_>) -> Option<Body> {
    let minutes = text(root, "duration").and_then(|minutes| minutes.parse().ok());
    if let Some(request) = root.find("credentialsRequest") {
        let (identity, location) = (text(request, "identity"), text(request, "location"));
        return Some(Body::MediaRelayRequest(MediaRelayRequest { identity, location, minutes }));
    }
    let is_answer = ["credentialsResponse", "mediaRelayList"].iter().any(|name| root.find(name).is_some());
    // A refusal has a reason and nothing in it.
    let is_refusal = root.is("response") && root.attribute("reasonPhrase").is_some();
    (is_answer || is_refusal).then(|| {
        Body::MediaRelays(MediaRelays {
            reason: attribute(root, "reasonPhrase"),
            credentials: root.find_all("credentials").count(),
            minutes,
            relays: root.find_all("mediaRelay").map(relay).collect(),
        })
    })
}

fn relay(relay: Element<'_>) -> MediaRelay {
    let port = |name| relay.text_of(name).and_then(|port| port.parse().ok());
    MediaRelay {
        location: text(relay, "location"),
        host: text(relay, "hostName").or_else(|| text(relay, "directIPAddress")),
        udp_port: port("udpPort"),
        tcp_port: port("tcpPort"),
    }
}

impl View for MediaRelayRequest {
    fn kind(&self) -> &'static str {
        "media-relay-request"
    }

    fn facts(&self, facts: &mut Facts) {
        facts.put("identity", self.identity.as_ref());
        facts.put("location", self.location.as_ref());
        facts.number("minutes", self.minutes);
    }

    fn sentence(&self) -> String {
        let place = self.location.as_deref().map(|location| format!(", from the {}", short(location)));
        format!("The client asks for credentials for the A/V Edge{}.", place.unwrap_or_default())
    }
}

impl View for MediaRelays {
    fn kind(&self) -> &'static str {
        "media-relay"
    }

    fn facts(&self, facts: &mut Facts) {
        facts.list("relays", self.relays.iter().map(MediaRelay::in_words));
        facts.list("location", self.relays.iter().filter_map(|relay| relay.location.as_ref()));
        facts.number("minutes", self.minutes);
        facts.put("reason", self.reason.as_ref());
    }

    fn sentence(&self) -> String {
        if self.credentials == 0 {
            let reason = self.reason.as_deref().map(|reason| format!(": {}", short(reason))).unwrap_or_default();
            return format!("The server gives no credentials for the A/V Edge{reason}.");
        }
        let relays = listed(self.relays.iter().map(MediaRelay::in_words));
        let relays = if relays.is_empty() { "no relay".to_owned() } else { relays };
        let minutes = self.minutes.and_then(|minutes| usize::try_from(minutes).ok());
        let time = minutes.map(|minutes| format!(", good for {}", counted(minutes, "minute", "minutes")));
        format!("The server gives credentials for {relays}{}.", time.unwrap_or_default())
    }
}
