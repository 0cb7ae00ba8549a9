//! The user's own data (`application/vnd-microsoft-roaming-self+xml`, [MS-PRES]): what the client asks to be told,
//! and categories, containers, subscribers and delegates in the answers, BENOTIFYs and answers to publications.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::wire::bodies::Body;
use crate::wire::bodies::View;
use crate::wire::bodies::category;
use crate::wire::bodies::category::Category;
use crate::wire::bodies::category::Detail;
use crate::wire::bodies::category::availabilities;
use crate::wire::bodies::category::devices;
use crate::wire::bodies::category::is_true;
use crate::wire::bodies::words::Facts;
use crate::wire::bodies::words::attribute;
use crate::wire::bodies::words::bracketed;
use crate::wire::bodies::words::counted;
use crate::wire::bodies::words::listed;
use crate::wire::bodies::words::number;
use crate::wire::bodies::words::short;
use crate::wire::bodies::words::tallied;
use crate::wire::xml::Element;
use crate::wire::xml_words::trust;

/// What the client asks to be told (`roamingList`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoamingRequest {
    /// `categories`, `containers`, `subscribers`, `delegates`.
    pub kinds: Vec<String>,
}

/// The user's own data (`roamingData`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoamingData {
    /// Whose.
    pub uri: Option<String>,
    /// Categories in their order.
    pub categories: Vec<Category>,
    /// Containers.
    pub containers: Vec<Container>,
    /// Who watches the user; `None` where that is not told.
    pub subscribers: Option<Vec<Subscriber>>,
    /// Who may act for the user; `None` where that is not told.
    pub delegates: Option<Vec<String>>,
}

/// A container: a level of trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its number.
    pub id: Option<u32>,
    /// Version, counted up with each change.
    pub version: Option<u32>,
    /// Who is in it: type (`user`, `domain`, `sameEnterprise` …) and value, which may be empty.
    pub members: Vec<(String, String)>,
}

/// Someone who watches the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriber {
    /// Address.
    pub user: String,
    /// Name.
    pub display_name: Option<String>,
    /// Whether the user has taken note.
    pub acknowledged: bool,
    /// `sameEnterprise`, `federated` …
    pub kind: Option<String>,
}

impl RoamingData {
    /// Distinct endpoint ids, in lower case: more than one where several clients are signed in.
    pub fn endpoints(&self) -> BTreeSet<String> {
        let of_categories = self.categories.iter().filter_map(|category| category.endpoint_id.as_ref());
        let of_devices = devices(&self.categories).filter_map(|device| device.endpoint_id.as_ref());
        of_categories.chain(of_devices).map(|id| id.trim_matches(['{', '}']).to_ascii_lowercase()).collect()
    }

    /// Number of categories in each container.
    pub fn by_container(&self) -> BTreeMap<u32, usize> {
        let mut counts = BTreeMap::new();
        for container in self.categories.iter().filter_map(|category| category.container) {
            *counts.entry(container).or_default() += 1;
        }
        counts
    }

    /// How many subscribers the user has not taken note of.
    pub fn waiting(&self) -> usize {
        self.subscribers.iter().flatten().filter(|subscriber| !subscriber.acknowledged).count()
    }
}

/// Reads a request or data.
pub fn read(root: Element<'_>) -> Option<Body> {
    if let Some(list) = root.find("roamingList") {
        let kinds = list.find_all("roaming").filter_map(|roaming| attribute(roaming, "type"));
        return Some(Body::RoamingRequest(RoamingRequest { kinds: kinds.collect() }));
    }
    root.find("roamingData").map(|data| Body::RoamingData(read_data(data)))
}

fn read_data(data: Element<'_>) -> RoamingData {
    RoamingData {
        uri: data.find("categories").and_then(|categories| attribute(categories, "uri")),
        categories: data.find_all("category").map(category::read).collect(),
        containers: data.find_all("container").map(container).collect(),
        subscribers: data.find("subscribers").map(|list| list.find_all("subscriber").map(subscriber).collect()),
        delegates: data.find("delegates").map(|list| list.find_all("delegate").map(delegate).collect()),
    }
}

fn container(container: Element<'_>) -> Container {
    let member = |member: Element<'_>| {
        let value = |name| member.attribute(name).unwrap_or_default().to_owned();
        (value("type"), value("value"))
    };
    Container {
        id: number(container, "id"),
        version: number(container, "version"),
        members: container.children("member").map(member).collect(),
    }
}

/// Reads a `subscriber`.
pub fn subscriber(subscriber: Element<'_>) -> Subscriber {
    Subscriber {
        user: attribute(subscriber, "user").unwrap_or_default(),
        display_name: attribute(subscriber, "displayName"),
        acknowledged: subscriber.attribute("acknowledged").is_some_and(is_true),
        kind: attribute(subscriber, "type"),
    }
}

fn delegate(delegate: Element<'_>) -> String {
    let name = ["user", "uri", "value"].iter().find_map(|name| attribute(delegate, name));
    name.unwrap_or_else(|| delegate.text().to_owned())
}

/// `200 company`, or the number alone.
pub fn container_in_words(id: u32) -> String {
    trust(id).map_or_else(|| id.to_string(), |words| format!("{id} {words}"))
}

impl View for RoamingRequest {
    fn kind(&self) -> &'static str {
        "self-request"
    }

    fn facts(&self, facts: &mut Facts) {
        facts.list("asked", &self.kinds);
    }

    fn sentence(&self) -> String {
        format!("The client asks to be told of the user's own {}, and of their changes.", listed(&self.kinds))
    }
}

impl View for RoamingData {
    fn kind(&self) -> &'static str {
        "self-data"
    }

    fn facts(&self, facts: &mut Facts) {
        facts.count("categories", self.categories.len());
        facts.list("category_names", self.names());
        let places = self.by_container();
        facts.list(
            "categories_by_container",
            places.iter().map(|(id, count)| format!("{}: {count}", container_in_words(*id))),
        );
        facts.list("availability", availabilities(&self.categories));
        facts.list("machine_name", devices(&self.categories).filter_map(|device| device.machine_name.as_ref()));
        facts.list("modalities", modalities(&self.categories));
        facts.list("containers", self.containers.iter().map(Container::in_words));
        if let Some(subscribers) = &self.subscribers {
            facts.count("subscribers", subscribers.len());
            facts.list("subscriber_names", subscribers.iter().map(|subscriber| &subscriber.user));
            facts.count("subscribers_waiting", self.waiting());
        }
        if let Some(delegates) = &self.delegates {
            facts.count("delegates", delegates.len());
        }
        let endpoints = self.endpoints().len();
        if endpoints > 0 {
            facts.count("endpoints", endpoints);
        }
        let names = self.categories.iter().find_map(|category| match &category.detail {
            Detail::ContactCard { display_name } => display_name.as_ref(),
            _ => None,
        });
        facts.put("display_name", names);
    }

    fn sentence(&self) -> String {
        let is_change = self.containers.is_empty() && self.subscribers.is_none() && self.categories.len() <= FEW;
        if is_change && !self.categories.is_empty() {
            return format!("The server tells of the user's own {}.", listed(self.categories.iter().map(one)));
        }
        let mut parts =
            vec![format!("{}{}", counted(self.categories.len(), "category", "categories"), bracketed(self.names()))];
        if !self.containers.is_empty() {
            parts.push(counted(self.containers.len(), "container", "containers"));
        }
        if let Some(subscribers) = &self.subscribers {
            let waiting = self.waiting();
            let new = if waiting > 0 { format!(" ({waiting} new)") } else { String::new() };
            parts.push(counted(subscribers.len(), "subscriber", "subscribers") + &new);
        }
        if let Some(delegates) = &self.delegates {
            parts.push(counted(delegates.len(), "delegate", "delegates"));
        }
        let mut clauses = vec![format!("The server tells the user's own data: {}", parts.join(", "))];
        let availability = listed(availabilities(&self.categories));
        clauses.extend((!availability.is_empty()).then(|| format!("the user is {availability}")));
        let endpoints = self.endpoints().len();
        clauses.extend((endpoints > 1).then(|| format!("{endpoints} clients are signed in")));
        clauses.join("; ") + "."
    }
}

/// Up to how many categories a BENOTIFY is told in full; the same state comes for two containers.
const FEW: usize = 4;

impl RoamingData {
    fn names(&self) -> Vec<Cow<'_, str>> {
        tallied(self.categories.iter().map(|category| category.name.as_str()))
    }
}

impl Container {
    fn in_words(&self) -> String {
        let id = self.id.map_or_else(|| "?".to_owned(), container_in_words);
        let members = self.members.iter().map(|(kind, value)| format!("{kind} {value}").trim().to_owned());
        format!("{id}{}", bracketed(members))
    }
}

/// What the devices can do, each medium once.
pub fn modalities(categories: &[Category]) -> Vec<String> {
    let mut names: Vec<&str> = devices(categories).flat_map(category::Device::able).collect();
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(*name));
    names.into_iter().map(str::to_owned).collect()
}

/// A category in a sentence: `aggregate state: available (container 2, version 3)`.
fn one(category: &Category) -> String {
    let what = match &category.detail {
        Detail::State(state) => {
            format!(
                "{}{}",
                state.kind_in_words(),
                state.in_words().map(|words| format!(": {words}")).unwrap_or_default()
            )
        }
        Detail::Device(device) => format!("device {}", device.machine_name.as_deref().map(short).unwrap_or_default()),
        Detail::Empty => format!("{}: nothing", short(&category.name)),
        _ => short(&category.name),
    };
    let mut place = Vec::new();
    place.extend(category.container.map(|id| format!("container {}", container_in_words(id))));
    place.extend(category.version.map(|version| format!("version {version}")));
    format!("{}{}", what.trim(), bracketed(place))
}
