//! Presence of others: a subscription to several users (`application/msrtc-adrl-categorylist+xml`), and what comes
//! of it (`application/msrtc-event-categories+xml`, `application/rlmi+xml` of RFC 4662, or both in one body of several
//! parts).

use std::borrow::Cow;

use crate::wire::bodies::Body;
use crate::wire::bodies::View;
use crate::wire::bodies::category;
use crate::wire::bodies::category::Category;
use crate::wire::bodies::category::availabilities;
use crate::wire::bodies::words::Facts;
use crate::wire::bodies::words::attribute;
use crate::wire::bodies::words::bracketed;
use crate::wire::bodies::words::counted;
use crate::wire::bodies::words::listed;
use crate::wire::bodies::words::tallied;
use crate::wire::xml::Element;

/// A subscription to the presence of several users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchSubscribe {
    /// `subscribe` or `unsubscribe`.
    pub action: Option<String>,
    /// Addresses of the users.
    pub resources: Vec<String>,
    /// Categories that are asked.
    pub categories: Vec<String>,
}

/// Presence of others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// Users of the list with the state of their subscription: `active`, `pending`, `terminated`, `resubscribe`.
    pub resources: Vec<(String, Option<String>)>,
    /// What is told of each user.
    pub users: Vec<UserPresence>,
}

/// Presence of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPresence {
    /// Address.
    pub uri: String,
    /// What is told.
    pub categories: Vec<Category>,
}

impl Presence {
    /// Takes up what another part of the same body tells.
    pub fn join(&mut self, other: Self) {
        self.resources.extend(other.resources);
        self.users.extend(other.users);
    }

    /// Of how many users something is told, or whose subscription is.
    pub fn len(&self) -> usize {
        self.users.len().max(self.resources.len())
    }

    /// Whether nothing is told.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn availabilities(&self) -> Vec<String> {
        let words: Vec<String> = self.users.iter().flat_map(|user| availabilities(&user.categories)).collect();
        tallied(words.iter().map(String::as_str)).into_iter().map(Cow::into_owned).collect()
    }
}

/// Reads a subscription.
pub fn read_subscription(root: Element<'_>) -> Option<Body> {
    let batch = root.find("batchSub")?;
    let categories = batch.find("categoryList").map(|list| list.find_all("category"));
    Some(Body::BatchSubscribe(BatchSubscribe {
        action: batch.find("action").and_then(|action| attribute(action, "name")),
        resources: batch.find_all("resource").filter_map(|resource| attribute(resource, "uri")).collect(),
        categories: categories.into_iter().flatten().filter_map(|category| attribute(category, "name")).collect(),
    }))
}

/// Reads a list, or the categories of one user.
pub fn read(root: Element<'_>) -> Option<Body> {
    let resource = |resource: Element<'_>| {
        let state = resource.find("instance").and_then(|instance| attribute(instance, "state"));
        attribute(resource, "uri").map(|uri| (uri, state))
    };
    let user = |categories: Element<'_>| UserPresence {
        uri: attribute(categories, "uri").unwrap_or_default(),
        categories: categories.children("category").map(category::read).collect(),
    };
    let lists = ["list", "categories"].iter().any(|name| root.is(name));
    lists.then(|| {
        Body::Presence(Presence {
            resources: root.find_all("resource").filter_map(resource).collect(),
            users: root.find_all("categories").map(user).collect(),
        })
    })
}

impl View for BatchSubscribe {
    fn kind(&self) -> &'static str {
        "presence-request"
    }

    fn facts(&self, facts: &mut Facts) {
        facts.put("action", self.action.as_ref());
        facts.count("contacts", self.resources.len());
        facts.list("contact_names", &self.resources);
        facts.list("categories_asked", &self.categories);
    }

    fn sentence(&self) -> String {
        let count = counted(self.resources.len(), "contact", "contacts");
        if self.action.as_ref().is_some_and(|action| action.eq_ignore_ascii_case("unsubscribe")) {
            return format!("The client no longer wants the presence of {count}.");
        }
        format!("The client asks for the presence of {count}{}.", bracketed(&self.categories))
    }
}

impl View for Presence {
    fn kind(&self) -> &'static str {
        "presence"
    }

    fn facts(&self, facts: &mut Facts) {
        facts.count("contacts", self.len());
        facts.list("availability", self.availabilities());
        let names = self.users.iter().flat_map(|user| &user.categories).map(|category| category.name.as_str());
        facts.list("category_names", tallied(names));
        let states = self.resources.iter().filter_map(|(_, state)| state.as_deref());
        facts.list("subscriptions", tallied(states));
    }

    fn sentence(&self) -> String {
        let count = counted(self.len(), "contact", "contacts");
        let availabilities = listed(self.availabilities());
        if availabilities.is_empty() {
            return format!("The server tells of the presence of {count}.");
        }
        format!("The server tells of the presence of {count}: {availabilities}.")
    }
}
