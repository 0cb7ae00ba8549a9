//! Characters of a capture that could steer a terminal, and JSON in which they are written out.
//!
//! JSON itself asks for escapes of U+0000 to U+001F only (RFC 8259 §7), but what is written may go to a terminal.
//! Every parser reads `\u009b` as the character that it stands for.

use std::fmt::Write as _;

use serde_json::Value as Json;

/// Whether a character may reach a terminal as it is: no controls, nothing that reorders text or ends a line.
pub fn is_harmless(char: char) -> bool {
    !(char.is_control()
        || matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'))
}

/// A value as JSON whose characters are all harmless.
///
/// # Errors
/// Where it cannot be written as JSON.
pub fn to_vec(value: &Json) -> serde_json::Result<Vec<u8>> {
    let mut json = serde_json::to_vec(value)?;
    escape(&mut json);
    Ok(json)
}

/// Writes the characters of a JSON text that are not harmless as escapes. Line ends between values stay.
pub fn escape(json: &mut Vec<u8>) {
    // Looked at once; most has nothing beyond ASCII, and what has stands in strings, where escapes may.
    if json.iter().any(|&byte| byte >= 0x7f)
        && let Some(escaped) = escaped(&String::from_utf8_lossy(json))
    {
        *json = escaped.into_bytes();
    }
}

/// The text with escapes, where it needs any.
fn escaped(json: &str) -> Option<String> {
    let is_steering = |char: char| char >= '\u{7f}' && !is_harmless(char);
    let mut rest = json.split_inclusive(is_steering).peekable();
    let mut out = String::with_capacity(json.len() + 16);
    while let Some(part) = rest.next() {
        match part.chars().next_back().filter(|&char| is_steering(char)) {
            Some(last) => {
                out.push_str(part.strip_suffix(last).unwrap_or(part));
                for unit in last.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}"); // to memory, which does not fail
                }
            }
            None if out.is_empty() && rest.peek().is_none() => return None,
            None => out.push_str(part),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let json = String::from_utf8(to_vec(&Json::from(text)).unwrap()).unwrap();
        assert_eq!(json, format!("\"{expected}\""));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }

    #[test]
    fn what_steers_a_terminal_is_written_out() {
        check("plain", "plain");
        check("é → … 😀", "é → … 😀");
        check("\u{1b}[2J", "\\u001b[2J");
        check("a\u{7f}\u{9b}2J", "a\\u007f\\u009b2J");
        check("\u{80}\u{85}\u{9f}\u{a0}é", "\\u0080\\u0085\\u009f\u{a0}é");
        check("\u{61c}x\u{200e}\u{200f}", "\\u061cx\\u200e\\u200f");
        check("\u{2028}\u{2029}\u{202a}\u{202e}", "\\u2028\\u2029\\u202a\\u202e");
        check("\u{2066}\u{2069}\u{feff}", "\\u2066\\u2069\\ufeff");
        check("\\\u{9b}\"", "\\\\\\u009b\\\"");
    }

    proptest! {
        #[test]
        fn every_text_is_the_same_to_a_parser(text in any::<String>(), controls in "[\u{7f}-\u{a0}\u{2020}-\u{2070}]*") {
            let text = format!("{text}{controls}{text}");
            let json = String::from_utf8(to_vec(&Json::from(&*text)).unwrap()).unwrap();
            prop_assert!(json.chars().all(is_harmless));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }
}
