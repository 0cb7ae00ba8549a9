//! Facts and the words of sentences: short, in one line, bounded.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::wire::xml::Element;

/// Longest value, in characters: a URL of Lync has up to about 200.
const MAX_VALUE: usize = 240;
/// Most items of a list that are named; a sign-in names about a dozen groups of settings.
const MAX_LISTED: usize = 20;

/// What is told of a body: names in snake case, values for people.
#[derive(Debug, Default)]
pub struct Facts(pub Vec<(&'static str, String)>);

impl Facts {
    /// Adds a value where there is one.
    pub fn put(&mut self, name: &'static str, value: Option<impl AsRef<str>>) {
        let value = value.map(|value| short(value.as_ref()));
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.0.push((name, value));
        }
    }

    /// Adds a number.
    pub fn count(&mut self, name: &'static str, number: usize) {
        self.0.push((name, number.to_string()));
    }

    /// Adds a list where it has items.
    pub fn list<T: AsRef<str>>(&mut self, name: &'static str, items: impl IntoIterator<Item = T>) {
        let list = listed(items);
        if !list.is_empty() {
            self.0.push((name, list));
        }
    }

    /// Adds a number where there is one.
    pub fn number(&mut self, name: &'static str, number: Option<u32>) {
        self.put(name, number.map(|number| number.to_string()));
    }
}

/// Text in one line, without control characters, cut where it is long.
pub fn short(text: &str) -> String {
    let words = text.split(|char: char| char.is_whitespace() || char.is_control());
    let mut line = String::with_capacity(text.len());
    for word in words.filter(|word| !word.is_empty()) {
        line.push_str(if line.is_empty() { "" } else { " " });
        line.push_str(word);
    }
    match line.char_indices().nth(MAX_VALUE) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

/// Items with commas between; beyond some, their number.
pub fn listed<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    let mut items = items.into_iter();
    let named: Vec<String> = items.by_ref().take(MAX_LISTED).map(|item| short(item.as_ref())).collect();
    match items.count() {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// `no groups`, `1 group`, `2 groups`.
pub fn counted(number: usize, one: &str, many: &str) -> String {
    match number {
        0 => format!("no {many}"),
        1 => format!("1 {one}"),
        _ => format!("{number} {many}"),
    }
}

/// A list in brackets after a blank; nothing where it is empty.
pub fn bracketed<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    let list = listed(items);
    if list.is_empty() { list } else { format!(" ({list})") }
}

/// Each distinct item with how often it is there, in the order of the first: `state ×3, note`.
pub fn tallied<'a>(items: impl IntoIterator<Item = &'a str>) -> Vec<Cow<'a, str>> {
    let mut order: Vec<&str> = Vec::new();
    let mut counts: HashMap<&str, usize, foldhash::fast::RandomState> = HashMap::default();
    for item in items {
        let count = counts.entry(item).or_default();
        if *count == 0 {
            order.push(item);
        }
        *count += 1;
    }
    let spell = |item: &'a str| match counts.get(item) {
        Some(&count) if count > 1 => format!("{item} ×{count}").into(),
        _ => item.into(),
    };
    order.into_iter().map(spell).collect()
}

/// An attribute that is not empty.
pub fn attribute(element: Element<'_>, name: &str) -> Option<String> {
    element.attribute(name).map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned)
}

/// A number in an attribute.
pub fn number(element: Element<'_>, name: &str) -> Option<u32> {
    element.attribute(name)?.trim().parse().ok()
}

/// The text of the first element of that name.
pub fn text(element: Element<'_>, name: &str) -> Option<String> {
    element.text_of(name).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_bounded() {
        assert_eq!(listed(["a", "b"]), "a, b");
        let many: Vec<String> = (0..25).map(|number| number.to_string()).collect();
        assert!(listed(&many).ends_with("18, 19 and 5 more"));
        assert_eq!(tallied(["a", "b", "a"]), ["a ×2", "b"]);
        assert_eq!(short("a\r\n\u{7}b"), "a b");
        assert_eq!(short(&"x".repeat(1000)).chars().count(), MAX_VALUE + 1);
        assert_eq!([0, 1, 2].map(|number| counted(number, "list", "lists")), ["no lists", "1 list", "2 lists"]);
    }
}
