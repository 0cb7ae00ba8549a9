//! A body laid out for people: an element a line, what it means beside it.
//!
//! Secrets are not shown, and what is only long is cut.

use crate::wire::xml::Attribute;
use crate::wire::xml::Element;
use crate::wire::xml_words::is_secret;
use crate::wire::xml_words::meaning;

/// Longest text or value that is shown, in characters; a URL of Lync has up to about 200.
const MAX_SHOWN: usize = 300;
/// Shortest text that counts as base64: no name or URL is that long without a sign that base64 has not.
const MIN_BASE64: usize = 64;
/// How much of base64 is shown: enough to recognise `MII`, the beginning of every certificate.
const BASE64_SHOWN: usize = 16;

/// An element of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How deep it is, the root 0.
    pub depth: usize,
    /// Name, attributes and text, without control characters.
    pub text: String,
    /// What it means, where that is known.
    pub about: Option<&'static str>,
}

/// Lays out an element and all that is in it.
pub fn lay_out(root: Element<'_>) -> Vec<Line> {
    let mut lines = Vec::new();
    add(&mut lines, root, None, 0);
    lines
}

/// The tree is not deeper than [`crate::wire::xml::MAX_DEPTH`].
fn add(lines: &mut Vec<Line>, element: Element<'_>, parent: Option<Element<'_>>, depth: usize) {
    lines.push(Line { depth, text: spell(element), about: meaning(element, parent) });
    for child in element.elements() {
        add(lines, child, Some(element), depth + 1);
    }
}

fn spell(element: Element<'_>) -> String {
    let attribute = |(name, value): &Attribute<'_>| format!(" {}=\"{}\"", tidy(name), shown(name, value));
    let attributes: Vec<String> = element.attributes().iter().map(attribute).collect();
    let text = shown(element.name(), element.text());
    let colon = if text.is_empty() { "" } else { ": " };
    format!("{}{}{colon}{text}", tidy(element.name()), attributes.concat())
}

/// The value of what has that name, unless it is a secret.
fn shown(name: &str, value: &str) -> String {
    if is_secret(name) && !value.is_empty() { "(not shown)".to_owned() } else { tidy(value) }
}

/// Text in one line, as much of it as is worth showing.
pub fn tidy(text: &str) -> String {
    let signs = text.chars().filter(|char| !char.is_whitespace()).count();
    if signs >= MIN_BASE64 && text.chars().all(is_base64) {
        let head: String = text.chars().filter(|char| !char.is_whitespace()).take(BASE64_SHOWN).collect();
        return format!("{head}… ({signs} characters of base64)");
    }
    let words: Vec<&str> = text.split(|char: char| char.is_whitespace() || char.is_control()).collect();
    let line = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}… ({} characters)", line.get(..end).unwrap_or_default(), line.chars().count()),
        None => line,
    }
}

fn is_base64(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '+' | '/' | '=' | '\r' | '\n')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::xml::Document;

    #[track_caller]
    fn check(body: &str, expected: &[(usize, &str, Option<&str>)]) {
        let document = Document::parse(body);
        let lines = lay_out(document.root().unwrap());
        let lines: Vec<_> = lines.iter().map(|line| (line.depth, line.text.as_str(), line.about)).collect();
        assert_eq!(lines, expected, "{body}");
    }

    #[test]
    fn a_line_an_element() {
        check(
            "<state xsi:type='aggregateState'><availability>3500</availability><x>a\n b</x></state>",
            &[
                (0, "state type=\"aggregateState\"", Some("the state that others see, made of all the others")),
                (1, "availability: 3500", Some("available")),
                (1, "x: a b", None),
            ],
        );
        check(
            "<container id='300'><member type='sameEnterprise'/></container>",
            &[
                (0, "container id=\"300\"", Some("workgroup: contacts of the team")),
                (1, "member type=\"sameEnterprise\"", Some("everyone of the same company")),
            ],
        );
        check(
            "<m:mrasUri>sip:a</m:mrasUri>",
            &[(0, "mrasUri: sip:a", Some("where credentials for the A/V Edge are asked"))],
        );
    }

    #[test]
    fn secrets_are_not_shown() {
        check(
            "<credentials pin='77'><username>u</username><Password>p</Password><BinarySecret>s</BinarySecret></credentials>",
            &[
                (0, "credentials pin=\"(not shown)\"", Some("credentials for the media relay; they are not shown")),
                (1, "username: (not shown)", None),
                (1, "Password: (not shown)", None),
                (1, "BinarySecret: (not shown)", None),
            ],
        );
    }

    #[test]
    fn long_text_is_cut() {
        let base64 = "MIIC/jCC".repeat(20);
        assert_eq!(tidy(&base64), "MIIC/jCCMIIC/jCC… (160 characters of base64)");
        assert_eq!(tidy(&"a b ".repeat(200)).chars().count(), 300 + "… (799 characters)".chars().count());
        assert_eq!(tidy("a\u{1b}[31m\tb"), "a [31m b");
    }
}
