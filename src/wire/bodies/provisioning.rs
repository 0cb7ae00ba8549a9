//! Settings and policies (`application/vnd-microsoft-roaming-provisioning-v2+xml`): groups asked, and their values.

use crate::wire::bodies::Body;
use crate::wire::bodies::View;
use crate::wire::bodies::words::Facts;
use crate::wire::bodies::words::bracketed;
use crate::wire::bodies::words::counted;
use crate::wire::bodies::words::short;
use crate::wire::xml::Element;

/// Groups of settings that the client asks for (`provisioningGroupList`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvisioningRequest {
    /// Their names.
    pub groups: Vec<String>,
}

/// A group of settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingGroup {
    /// Its name: `ServerConfiguration`, `meetingPolicy` …
    pub name: String,
    /// Name and value of each setting; a value may be empty.
    pub values: Vec<(String, String)>,
}

/// Settings from the server (`provisionGroupList`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provisioning {
    /// Groups in their order.
    pub groups: Vec<SettingGroup>,
}

impl Provisioning {
    /// The first setting of that name in any group, where it has a value.
    pub fn value(&self, name: &str) -> Option<&str> {
        let mut values = self.groups.iter().flat_map(|group| &group.values);
        let found = values.find(|(known, value)| known.eq_ignore_ascii_case(name) && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    /// How many settings have a value.
    pub fn values(&self) -> usize {
        self.groups.iter().flat_map(|group| &group.values).filter(|(_, value)| !value.is_empty()).count()
    }
}

/// Reads a request or an answer.
pub fn read(root: Element<'_>) -> Option<Body> {
    if let Some(list) = root.find("provisioningGroupList") {
        let groups = list.find_all("provisioningGroup").filter_map(|group| group.attribute("name"));
        return Some(Body::ProvisioningRequest(ProvisioningRequest { groups: groups.map(str::to_owned).collect() }));
    }
    let list = root.find("provisionGroupList")?;
    let group = |group: Element<'_>| {
        let mut values = Vec::new();
        add_settings(&mut values, group);
        SettingGroup { name: group.attribute("name").unwrap_or_default().to_owned(), values }
    };
    Some(Body::Provisioning(Provisioning { groups: list.find_all("provisionGroup").map(group).collect() }))
}

/// Settings stand as elements of their name, or as `property` elements at some depth, which is bounded.
fn add_settings(found: &mut Vec<(String, String)>, group: Element<'_>) {
    // A group that was not closed holds the next one, which is told for itself.
    for element in group.elements().filter(|element| !element.is("provisionGroup")) {
        let name = element.attribute("name").filter(|_| element.is("property"));
        if name.is_some() || element.elements().next().is_none() {
            found.push((name.unwrap_or(element.name()).to_owned(), value(element)));
        } else {
            add_settings(found, element);
        }
    }
}

/// Text, or the attributes of an element that has none.
fn value(element: Element<'_>) -> String {
    if !element.text().is_empty() || element.is("property") {
        return element.text().to_owned();
    }
    element.attributes().iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

impl View for ProvisioningRequest {
    fn kind(&self) -> &'static str {
        "provisioning-request"
    }

    fn facts(&self, facts: &mut Facts) {
        facts.list("groups_asked", &self.groups);
    }

    fn sentence(&self) -> String {
        let groups = counted(self.groups.len(), "group", "groups");
        format!("The client asks for {groups} of settings{}.", bracketed(&self.groups))
    }
}

/// Settings that a reader of a sign-in looks for, and what they are called in a step.
#[rustfmt::skip]
const TOLD: [(&str, &str); 12] = [
    ("focusFactoryUri", "focus_factory"),
    ("mrasUri", "media_relay"),
    ("absInternalServerUrl", "address_book_internal"),
    ("absExternalServerUrl", "address_book_external"),
    ("dlxInternalUrl", "group_expansion_internal"),
    ("dlxExternalUrl", "group_expansion_external"),
    ("botSipUriForTestCall", "test_call"),
    ("ucPC2PCAVEncryption", "media_encryption"),
    ("EnableEnterpriseVoice", "enterprise_voice"),
    ("MaxMeetingSize", "max_meeting_size"),
    ("AllowIPAudio", "conference_audio"),
    ("AllowIPVideo", "conference_video"),
];

impl View for Provisioning {
    fn kind(&self) -> &'static str {
        "provisioning"
    }

    fn facts(&self, facts: &mut Facts) {
        facts.list("groups_received", self.groups.iter().map(|group| &group.name));
        facts.count("values_received", self.values());
        for (setting, name) in TOLD {
            facts.put(name, self.value(setting));
        }
    }

    fn sentence(&self) -> String {
        let (values, groups) = (self.values(), self.groups.len());
        let (values, groups) = (counted(values, "setting", "settings"), counted(groups, "group", "groups"));
        let names = bracketed(self.groups.iter().map(|group| &group.name));
        let factory = self.value("focusFactoryUri").map(|uri| format!("; conferences are made at {}", short(uri)));
        let relay =
            self.value("mrasUri").map(|uri| format!("; credentials for the A/V Edge are asked at {}", short(uri)));
        let (factory, relay) = (factory.unwrap_or_default(), relay.unwrap_or_default());
        format!("The server gives {values} in {groups}{names}{factory}{relay}.")
    }
}
