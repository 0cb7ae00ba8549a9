//! A category of presence ([MS-PRES] §2.2.2): what it is, where it is published, and what a state or device says.

use crate::wire::bodies::words::attribute;
use crate::wire::bodies::words::number;
use crate::wire::bodies::words::short;
use crate::wire::bodies::words::text;
use crate::wire::xml::Element;
use crate::wire::xml_words::availability;
use crate::wire::xml_words::unprefixed;

/// A category as the server tells it, or as a client publishes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Category {
    /// Name: `state`, `device`, `contactCard` …
    pub name: String,
    /// Which of that name; of a state, which client's.
    pub instance: Option<String>,
    /// Container: for whom.
    pub container: Option<u32>,
    /// Version, counted up with each change.
    pub version: Option<u32>,
    /// What ends it: `endpoint`, `static`, `user`, `time`.
    pub expire_type: Option<String>,
    /// Whether it is taken back (`expires="0"`).
    pub is_deleted: bool,
    /// The client that it came from.
    pub endpoint_id: Option<String>,
    /// When it was published, as it stands.
    pub published: Option<String>,
    /// What it says.
    pub detail: Detail,
}

/// What a category says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Nothing: the category is empty.
    #[default]
    Empty,
    /// Availability.
    State(State),
    /// What a client can do.
    Device(Device),
    /// Name of the user.
    ContactCard {
        /// As others see it.
        display_name: Option<String>,
    },
    /// From the directory.
    UserProperties {
        /// `None`, `UC` …: how the user telephones.
        telephony_mode: Option<String>,
        /// Telephone lines, as URIs.
        lines: Vec<String>,
    },
    /// Something else.
    Other,
}

/// Availability of a user, of a client, by the calendar …
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// `xsi:type` without prefix: `aggregateState`, `userState`, `machineState`, `calendarState`, `phoneState`.
    pub kind: Option<String>,
    /// Number: the higher, the less available.
    pub availability: Option<u32>,
    /// What the user does: `on-the-phone`, `in-a-meeting` …
    pub activity: Option<String>,
    /// Whether the user chose it.
    pub manual: Option<bool>,
    /// Since when the client has been idle, as it stands.
    pub last_active: Option<String>,
}

impl State {
    /// `machine state`, or `state`.
    pub fn kind_in_words(&self) -> String {
        match self.kind.as_deref().and_then(|kind| kind.strip_suffix("State")) {
            Some(kind) => format!("{} state", short(kind)),
            None => "state".to_owned(),
        }
    }

    /// `available`, `busy (on-the-phone)`; `None` where it says neither.
    pub fn in_words(&self) -> Option<String> {
        let words = self.availability.map(|number| availability(number).map_or(number.to_string(), str::to_owned));
        match (words, self.activity.as_deref().map(short)) {
            (Some(words), Some(activity)) => Some(format!("{words} ({activity})")),
            (words, activity) => words.or(activity),
        }
    }
}

/// A client's device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Endpoint id, as in `+sip.instance`.
    pub endpoint_id: Option<String>,
    /// Name of the computer.
    pub machine_name: Option<String>,
    /// What it can do.
    pub modalities: Vec<Modality>,
    /// Offset from UTC, as it stands.
    pub timezone: Option<String>,
}

impl Device {
    /// Names of what it can both take in and show.
    pub fn able(&self) -> impl Iterator<Item = &str> {
        self.modalities.iter().filter(|modality| modality.capture && modality.render).map(|modality| &*modality.name)
    }
}

/// A medium that a device can carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Modality {
    /// `text`, `voice`, `video`, `applicationSharing` …
    pub name: String,
    /// Whether it can take it in.
    pub capture: bool,
    /// Whether it can show or play it.
    pub render: bool,
}

/// Reads a `category`, or a `publication` whose name is in `categoryName`.
pub fn read(element: Element<'_>) -> Category {
    let name = element.attribute("name").or_else(|| element.attribute("categoryName")).unwrap_or_default();
    Category {
        name: name.to_owned(),
        instance: attribute(element, "instance"),
        container: number(element, "container"),
        version: number(element, "version"),
        expire_type: attribute(element, "expireType"),
        is_deleted: element.attribute("expires") == Some("0"),
        endpoint_id: attribute(element, "endpointId"),
        published: attribute(element, "publishTime"),
        detail: detail(element, name),
    }
}

fn detail(element: Element<'_>, name: &str) -> Detail {
    // What a category that was not closed has swallowed is not its own.
    let own = |name| element.child(name);
    match name {
        "state" => own("state").map(|state| Detail::State(read_state(state))),
        "device" => own("device").map(|device| Detail::Device(read_device(device))),
        "contactCard" => own("contactCard").map(|card| Detail::ContactCard { display_name: text(card, "displayName") }),
        "userProperties" => own("userProperties").map(|properties| Detail::UserProperties {
            telephony_mode: text(properties, "telephonyMode"),
            lines: properties.find_all("line").map(|line| line.text().to_owned()).collect(),
        }),
        _ => None,
    }
    .unwrap_or(if element.elements().next().is_none() { Detail::Empty } else { Detail::Other })
}

fn read_state(state: Element<'_>) -> State {
    State {
        kind: attribute(state, "type").map(|kind| unprefixed(&kind).to_owned()),
        availability: state.text_of("availability").and_then(|number| number.parse().ok()),
        activity: state.find("activity").and_then(|activity| attribute(activity, "token")),
        manual: state.attribute("manual").map(is_true),
        last_active: attribute(state, "lastActive"),
    }
}

fn read_device(device: Element<'_>) -> Device {
    let can = |modality: Element<'_>, what| modality.attribute(what).is_some_and(is_true);
    let modality = |modality: Element<'_>| Modality {
        name: modality.name().to_owned(),
        capture: can(modality, "capture"),
        render: can(modality, "render"),
    };
    let capabilities = device.find("capabilities").into_iter().flat_map(Element::elements);
    Device {
        endpoint_id: attribute(device, "endpointId"),
        machine_name: text(device, "machineName"),
        modalities: capabilities.map(modality).collect(),
        timezone: text(device, "timezone"),
    }
}

/// A boolean of XML Schema.
pub fn is_true(value: &str) -> bool {
    value.eq_ignore_ascii_case("true") || value == "1"
}

/// States among categories.
pub fn states(categories: &[Category]) -> impl Iterator<Item = (&Category, &State)> {
    categories.iter().filter_map(|category| match &category.detail {
        Detail::State(state) => Some((category, state)),
        _ => None,
    })
}

/// Devices among categories.
pub fn devices(categories: &[Category]) -> impl Iterator<Item = &Device> {
    categories.iter().filter_map(|category| match &category.detail {
        Detail::Device(device) => Some(device),
        _ => None,
    })
}

/// What of availability is worth telling: the aggregate where there is one, else each distinct state.
pub fn availabilities(categories: &[Category]) -> Vec<String> {
    let is_aggregate = |state: &State| state.kind.as_deref() == Some("aggregateState");
    let has_aggregate = states(categories).any(|(_, state)| is_aggregate(state));
    let mut words: Vec<String> = Vec::new();
    for (_, state) in states(categories).filter(|(_, state)| !has_aggregate || is_aggregate(state)) {
        // There are only some words and numbers, but activities are anyone's: enough is enough.
        if let Some(word) = state.in_words().filter(|word| words.len() < 32 && !words.contains(word)) {
            words.push(word);
        }
    }
    words
}
