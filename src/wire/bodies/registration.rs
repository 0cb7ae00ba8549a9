//! What the server says of a registration that it ends (`text/registration-event`, [MS-SIPREGE]).

use crate::wire::bodies::Body;
use crate::wire::bodies::View;
use crate::wire::bodies::words::Facts;
use crate::wire::bodies::words::short;

/// Longest line that is read; a real one has some 30 bytes.
const MAX_LINE: usize = 256;

/// What became of a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationEvent {
    /// `deregistered` …
    pub state: String,
    /// Why: `rejected`, `unregistered`, `deactivated` …
    pub event: Option<String>,
}

impl RegistrationEvent {
    /// What the event means; `None` for one that is not known.
    pub fn meaning(&self) -> Option<&'static str> {
        let event = self.event.as_deref().unwrap_or(&self.state).to_ascii_lowercase();
        Some(match event.as_str() {
            "rejected" => "the user is disabled",
            "unregistered" => "the user signed in elsewhere or signed out",
            "deactivated" => "the user was moved to another pool",
            _ => return None,
        })
    }
}

/// Reads `deregistered;event=rejected`; `None` where the first line is no word.
pub fn read(body: &[u8]) -> Option<Body> {
    let text = String::from_utf8_lossy(body.get(..MAX_LINE).unwrap_or(body)).into_owned();
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let mut parts = line.split(';').map(str::trim);
    let state = parts.next().filter(|state| state.chars().all(|char| char.is_ascii_alphanumeric() || char == '-'))?;
    let events = parts.filter_map(|part| part.split_once('='));
    let event = events.into_iter().find(|(name, _)| name.trim().eq_ignore_ascii_case("event"));
    let event = event.map(|(_, value)| value.trim().trim_matches('"').to_owned());
    Some(Body::RegistrationEvent(RegistrationEvent { state: state.to_owned(), event }))
}

impl View for RegistrationEvent {
    fn kind(&self) -> &'static str {
        "registration-event"
    }

    fn facts(&self, facts: &mut Facts) {
        facts.put("registration", Some(&self.state));
        facts.put("event", self.event.as_ref());
        facts.put("meaning", self.meaning());
    }

    fn sentence(&self) -> String {
        let event = self.event.as_deref().unwrap_or(&self.state);
        let meaning = self.meaning().map(|meaning| format!(": {meaning}")).unwrap_or_default();
        format!("The server ends the registration ({}){meaning}.", short(event))
    }
}
