//! Publishing (`application/msrtc-category-publish+xml`), what refuses it (`application/msrtc-fault+xml`), and taking
//! note of subscribers (`application/msrtc-presence-setsubscriber+xml`) ([MS-PRES]).

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::wire::bodies::Body;
use crate::wire::bodies::View;
use crate::wire::bodies::category;
use crate::wire::bodies::category::Category;
use crate::wire::bodies::category::Detail;
use crate::wire::bodies::category::availabilities;
use crate::wire::bodies::category::devices;
use crate::wire::bodies::roaming;
use crate::wire::bodies::roaming::Subscriber;
use crate::wire::bodies::roaming::modalities;
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

/// What a client publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// Whose presence.
    pub uri: Option<String>,
    /// Publications in their order.
    pub publications: Vec<Category>,
}

/// Why a publication was refused: most often another client was quicker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishFault {
    /// `Client.BadCall.WrongDelta` …
    pub code: Option<String>,
    /// For each publication that was refused its number, from 1, and the version that the server has.
    pub operations: Vec<(Option<u32>, Option<u32>)>,
}

/// The client takes note of subscribers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetSubscribers {
    /// Of whom.
    pub subscribers: Vec<Subscriber>,
}

/// Reads a publication.
pub fn read(root: Element<'_>) -> Option<Body> {
    let publish = root.find("publish").or_else(|| root.find("publications"))?;
    Some(Body::Publish(Publish {
        uri: publish.find("publications").and_then(|publications| attribute(publications, "uri")),
        publications: publish.find_all("publication").map(category::read).collect(),
    }))
}

/// Reads a fault that stands alone, not in a SOAP envelope.
pub fn read_fault(root: Element<'_>) -> Option<Body> {
    let fault = root.find("Fault")?;
    let operation = |operation: Element<'_>| (number(operation, "index"), number(operation, "curVersion"));
    Some(Body::PublishFault(PublishFault {
        code: text(fault, "Faultcode"),
        operations: fault.find_all("operation").map(operation).collect(),
    }))
}

/// Reads what subscribers are taken note of.
pub fn read_subscribers(root: Element<'_>) -> Option<Body> {
    let list = root.find("setSubscribers")?;
    let subscribers = list.find_all("subscriber").map(roaming::subscriber).collect();
    Some(Body::SetSubscribers(SetSubscribers { subscribers }))
}

impl View for Publish {
    fn kind(&self) -> &'static str {
        "publish"
    }

    fn facts(&self, facts: &mut Facts) {
        facts.count("categories", self.publications.len());
        facts.list("category_names", tallied(self.publications.iter().map(|category| category.name.as_str())));
        facts.list("state_types", self.state_types());
        facts.list("availability", availabilities(&self.publications));
        facts.list("modalities", modalities(&self.publications));
        facts.list("machine_name", devices(&self.publications).filter_map(|device| device.machine_name.as_ref()));
        facts.list("endpoint", devices(&self.publications).filter_map(|device| device.endpoint_id.as_ref()));
        let deleted = self.publications.iter().filter(|category| category.is_deleted).count();
        if deleted > 0 {
            facts.count("taken_back", deleted);
        }
    }

    fn sentence(&self) -> String {
        let mut seen = BTreeSet::new();
        // The same goes to several containers.
        let parts: Vec<String> =
            self.publications.iter().map(published).filter(|part| seen.insert(part.clone())).collect();
        if parts.is_empty() {
            return "The client publishes nothing.".to_owned();
        }
        format!("The client publishes {}.", listed(parts))
    }
}

impl Publish {
    fn state_types(&self) -> Vec<Cow<'_, str>> {
        let kinds = category::states(&self.publications).filter_map(|(_, state)| state.kind.as_deref());
        tallied(kinds)
    }
}

/// A publication in a sentence.
fn published(category: &Category) -> String {
    if category.is_deleted {
        return format!("that its {} is gone", short(&category.name));
    }
    match &category.detail {
        Detail::State(state) => {
            let words = state.in_words().map(|words| format!(" \"{words}\"")).unwrap_or_default();
            format!("its {}{words}", state.kind_in_words())
        }
        Detail::Device(device) => {
            let name = device.machine_name.as_deref().map(|name| format!(" {}", short(name))).unwrap_or_default();
            format!("its device{name}{}", bracketed(device.able()))
        }
        _ => format!("its {}", short(&category.name)),
    }
}

impl View for PublishFault {
    fn kind(&self) -> &'static str {
        "publish-fault"
    }

    fn facts(&self, facts: &mut Facts) {
        facts.put("fault", self.code.as_ref());
        let spell = |number: Option<u32>| number.map_or("?".to_owned(), |number| number.to_string());
        let operation = |(index, version): &(Option<u32>, Option<u32>)| {
            format!("publication {} is at version {}", spell(*index), spell(*version))
        };
        facts.list("operations", self.operations.iter().map(operation));
    }

    fn sentence(&self) -> String {
        let code = bracketed(&self.code);
        if self.operations.iter().any(|(_, version)| version.is_some()) {
            let count = counted(self.operations.len(), "publication", "publications");
            return format!(
                "The server has a newer version of {count}{code}: another client was quicker, this one repeats it with \
                 that version, which is harmless."
            );
        }
        format!("The server refuses the publication{code}.")
    }
}

impl View for SetSubscribers {
    fn kind(&self) -> &'static str {
        "set-subscribers"
    }

    fn facts(&self, facts: &mut Facts) {
        facts.count("subscribers", self.subscribers.len());
        facts.list("subscriber_names", self.subscribers.iter().map(|subscriber| &subscriber.user));
    }

    fn sentence(&self) -> String {
        let count = counted(self.subscribers.len(), "subscriber", "subscribers");
        let names = bracketed(self.subscribers.iter().map(|subscriber| &subscriber.user));
        format!("The client takes note of {count}{names}.")
    }
}
