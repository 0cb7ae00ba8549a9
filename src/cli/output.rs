//! Text for a terminal: nothing in it can steer the terminal, and it fits.

use std::borrow::Cow;
use std::io::Write as _;

use unicode_width::UnicodeWidthChar;
use unicode_width::UnicodeWidthStr;

use crate::export::escape::is_harmless;

/// Says on standard error what is wrong. A closed standard error is no reason to fail.
pub fn complain(what: &str) {
    let _ = writeln!(std::io::stderr(), "lynccap: {}", visible(what));
}

/// The text with everything that could steer a terminal written out.
pub fn visible(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_harmless) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        match char {
            '\t' => out.push(' '),
            '\r' => out.push_str("\\r"),
            '\n' => out.push_str("\\n"),
            _ if is_harmless(char) => out.push(char),
            _ => out.extend(char.escape_unicode()),
        }
    }
    out.into()
}

/// The text made to fit `width` columns: its middle gives way to `…`.
pub fn shorten(text: &str, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
        return text.into();
    }
    let room = width.saturating_sub(1);
    let (front, back) = (room - room / 3, room / 3);
    let head = take_width(text.chars(), front);
    let mut tail: Vec<char> = take_width(text.chars().rev(), back);
    tail.reverse();
    head.into_iter().chain((width > 0).then_some('…')).chain(tail).collect::<String>().into()
}

fn take_width(chars: impl Iterator<Item = char>, width: usize) -> Vec<char> {
    let mut left = width;
    let fits = chars.map_while(|char| {
        left = left.checked_sub(char.width().unwrap_or(0))?;
        Some(char)
    });
    fits.collect()
}

/// The text in lines of at most `width` columns, broken at blanks where there are any.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if line.width() + 1 + word.width() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// The text, shortened and padded to exactly `width` columns.
pub fn column(text: &str, width: usize) -> String {
    let text = shorten(text, width);
    let pad = width.saturating_sub(text.width());
    format!("{text}{:pad$}", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(visible("plain ünïcode"), "plain ünïcode");
        assert_eq!(visible("a\u{1b}[2Jb\u{9b}c\u{7f}"), "a\\u{1b}[2Jb\\u{9b}c\\u{7f}");
        assert_eq!(visible("a\u{202e}b\r\n"), "a\\u{202e}b\\r\\n");
    }

    #[test]
    fn long_text_gives_way_in_the_middle() {
        assert_eq!(shorten("abcdefghij", 10), "abcdefghij");
        assert_eq!(shorten("abcdefghijk", 10), "abcdef…ijk");
        assert_eq!(shorten("日本語日本語", 7).width(), 7);
        assert_eq!(shorten("abc", 0), "");
        assert_eq!(column("ab", 4), "ab  ");
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("unbreakable", 3), ["unbreakable"]);
    }
}
