//! The contact list (`application/vnd-microsoft-roaming-contacts+xml`, [MS-SIP] contact management): whole, or what
//! changed.

use std::collections::HashMap;

use crate::wire::bodies::Body;
use crate::wire::bodies::View;
use crate::wire::bodies::words::Facts;
use crate::wire::bodies::words::attribute;
use crate::wire::bodies::words::bracketed;
use crate::wire::bodies::words::counted;
use crate::wire::bodies::words::number;
use crate::wire::bodies::words::short;
use crate::wire::xml::Element;

/// A group of contacts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its id in this list.
    pub id: String,
    /// Its name; `~` is the default group.
    pub name: String,
    /// How many contacts are in it.
    pub contacts: usize,
}

/// The whole list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactList {
    /// Groups in their order.
    pub groups: Vec<Group>,
    /// How many contacts.
    pub contacts: usize,
    /// Version of the list (`deltaNum`).
    pub delta: Option<u32>,
    /// Where it is kept (`ucsmode`): `migrated` means in Exchange.
    pub ucs_mode: Option<String>,
}

impl ContactList {
    /// Whether the list is kept in Exchange (Unified Contact Store), so that this one is empty or old.
    pub fn is_in_exchange(&self) -> bool {
        self.ucs_mode.as_ref().is_some_and(|mode| mode.eq_ignore_ascii_case("migrated"))
    }
}

/// What changed since an earlier version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactDelta {
    /// Each change: `addedGroup`, `deletedContact` …, and the name, the URI or the id that it is about.
    pub changes: Vec<(String, String)>,
    /// New version.
    pub delta: Option<u32>,
    /// Version that the changes are to.
    pub previous: Option<u32>,
}

/// Reads a list or its changes.
pub fn read(root: Element<'_>) -> Option<Body> {
    if let Some(list) = root.find("contactList") {
        return Some(Body::ContactList(read_list(list)));
    }
    root.find("contactDelta").map(|delta| Body::ContactDelta(read_delta(delta)))
}

fn read_list(list: Element<'_>) -> ContactList {
    let value = |element: Element<'_>, name| element.attribute(name).unwrap_or_default().to_owned();
    let mut members: HashMap<&str, usize, foldhash::fast::RandomState> = HashMap::default();
    for contact in list.find_all("contact") {
        for group in contact.attribute("groups").unwrap_or_default().split_whitespace() {
            *members.entry(group).or_default() += 1;
        }
    }
    let group = |group: Element<'_>| Group {
        id: value(group, "id"),
        name: value(group, "name"),
        contacts: group.attribute("id").and_then(|id| members.get(id)).copied().unwrap_or(0),
    };
    ContactList {
        groups: list.find_all("group").map(group).collect(),
        contacts: list.find_all("contact").count(),
        delta: number(list, "deltaNum"),
        ucs_mode: attribute(list, "ucsmode"),
    }
}

fn read_delta(delta: Element<'_>) -> ContactDelta {
    let about = |change: Element<'_>| ["name", "uri", "id"].iter().find_map(|name| attribute(change, name));
    let change = |change: Element<'_>| (change.name().to_owned(), about(change).unwrap_or_default());
    ContactDelta {
        changes: delta.elements().map(change).collect(),
        delta: number(delta, "deltaNum"),
        previous: number(delta, "prevDeltaNum"),
    }
}

impl View for ContactList {
    fn kind(&self) -> &'static str {
        "contact-list"
    }

    fn facts(&self, facts: &mut Facts) {
        facts.count("groups", self.groups.len());
        facts.list("group_names", self.groups.iter().map(|group| &group.name));
        facts.count("contacts", self.contacts);
        facts.put("contact_list_in", self.is_in_exchange().then_some("Exchange"));
        facts.number("version", self.delta);
    }

    fn sentence(&self) -> String {
        let groups = counted(self.groups.len(), "group", "groups");
        let names = bracketed(self.groups.iter().map(|group| &group.name));
        let contacts = counted(self.contacts, "contact", "contacts");
        if self.is_in_exchange() {
            return format!(
                "The contact list is kept in Exchange; what the server has of it, {groups}{names} and {contacts}, may be old."
            );
        }
        format!("The server says that the contact list holds {groups}{names} and {contacts}.")
    }
}

impl View for ContactDelta {
    fn kind(&self) -> &'static str {
        "contact-changes"
    }

    fn facts(&self, facts: &mut Facts) {
        facts.list("changes", self.changes.iter().map(|(change, about)| format!("{change} {about}")));
        facts.number("version", self.delta);
        facts.number("previous_version", self.previous);
    }

    fn sentence(&self) -> String {
        let words = |(change, about): &(String, String)| format!("{} {}", spaced(change), short(about));
        let changes = counted(self.changes.len(), "change", "changes");
        format!("The server tells {changes} to the contact list{}.", bracketed(self.changes.iter().map(words)))
    }
}

/// `modified group` of `modifiedGroup`.
fn spaced(name: &str) -> String {
    let mut words = String::new();
    for char in name.chars() {
        if char.is_ascii_uppercase() {
            words.push(' ');
        }
        words.push(char.to_ascii_lowercase());
    }
    words
}
