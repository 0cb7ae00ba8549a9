//! What changed in the user's own data from one answer or BENOTIFY to the next.

use std::collections::BTreeMap;

use crate::wire::bodies::category::Category;
use crate::wire::bodies::category::Detail;
use crate::wire::bodies::roaming::RoamingData;
use crate::wire::bodies::roaming::container_in_words;
use crate::wire::bodies::words::short;

/// Most categories that are remembered of one user: a client publishes some ten in up to seven containers, and
/// even ten clients have less than a thousand.
pub const MAX_KNOWN: usize = 4096;
/// Most changes that are told of one message.
pub const MAX_TOLD: usize = 64;

/// Name, instance and container of a category.
type Place = (String, Option<String>, Option<u32>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    version: Option<u32>,
    availability: Option<String>,
}

/// The categories of one user as last told, bounded.
#[derive(Clone, Debug, Default)]
pub struct CategoryVersions {
    known: BTreeMap<Place, Known>,
    has_begun: bool,
}

impl CategoryVersions {
    /// Takes note of what a message tells. Of the first nothing is said; of a later one what it changes, in order.
    pub fn note(&mut self, data: &RoamingData) -> Vec<String> {
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        let mut changes: Vec<String> = Vec::new();
        for category in &data.categories {
            let told = self.note_one(category);
            if changes.len() < MAX_TOLD && !is_first {
                changes.extend(told);
            }
        }
        changes
    }

    /// How many categories are known.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    fn note_one(&mut self, category: &Category) -> Option<String> {
        if is_gone(category) {
            return self.remove(category);
        }
        let place = (category.name.clone(), category.instance.clone(), category.container);
        let now = Known { version: category.version, availability: availability(category) };
        let words = match self.known.get(&place) {
            Some(before) if *before == now => return None,
            Some(before) => changed(category, before, &now),
            None => added(category, &now),
        };
        if self.known.len() < MAX_KNOWN || self.known.contains_key(&place) {
            self.known.insert(place, now);
        }
        Some(words)
    }

    /// Forgets the category, or all of its name where it says no more than that.
    fn remove(&mut self, category: &Category) -> Option<String> {
        let place = (category.name.clone(), category.instance.clone(), category.container);
        let is_exact = place.1.is_some() || place.2.is_some();
        let gone: Vec<Place> = if is_exact {
            self.known.contains_key(&place).then_some(place).into_iter().collect()
        } else {
            let same_name = self.known.range(place..).take_while(|((name, ..), _)| *name == category.name);
            same_name.map(|(place, _)| place.clone()).collect()
        };
        for place in &gone {
            self.known.remove(place);
        }
        (!gone.is_empty()).then(|| format!("removed: {}", place_in_words(category)))
    }
}

/// A category is taken back with `expires="0"`, or by its name alone: `<category name="note"/>`.
fn is_gone(category: &Category) -> bool {
    category.is_deleted || (category.version.is_none() && category.detail == Detail::Empty)
}

fn availability(category: &Category) -> Option<String> {
    let Detail::State(state) = &category.detail else { return None };
    state.in_words()
}

fn version(known: &Known) -> String {
    known.version.map_or_else(|| "no version".to_owned(), |version| format!("version {version}"))
}

fn added(category: &Category, now: &Known) -> String {
    let words = format!("added: {}, {}", place_in_words(category), version(now));
    now.availability.as_ref().map_or(words.clone(), |availability| format!("{words}: {availability}"))
}

fn changed(category: &Category, before: &Known, now: &Known) -> String {
    let number = |known: &Known| known.version.map_or("?".to_owned(), |version| version.to_string());
    let versions = if before.version == now.version {
        version(now)
    } else {
        format!("version {} to {}", number(before), number(now))
    };
    let words = format!("changed: {}, {versions}", place_in_words(category));
    match (&before.availability, &now.availability) {
        (Some(before), Some(now)) if before != now => format!("{words}: {before}, now {now}"),
        (_, Some(now)) => format!("{words}: {now}"),
        _ => words,
    }
}

/// `machine state 926460663 in container 200 company`.
fn place_in_words(category: &Category) -> String {
    let name = match &category.detail {
        Detail::State(state) => state.kind_in_words(),
        _ => short(&category.name),
    };
    let instance = category.instance.as_deref().filter(|instance| *instance != "0");
    let instance = instance.map(|instance| format!(" {}", short(instance))).unwrap_or_default();
    let container = category.container.map(|id| format!(" in container {}", container_in_words(id)));
    format!("{name}{instance}{}", container.unwrap_or_default())
}
