//! Text for a terminal: nothing in it can steer the terminal, and it fits.

use std::borrow::Cow;
use std::io::{self, BufWriter, IsTerminal as _, Write};

use unicode_width::UnicodeWidthChar;
use unicode_width::UnicodeWidthStr;

use crate::export::escape::is_harmless;

/// Says on standard error what is wrong. A closed standard error is no reason to fail.
pub fn complain(what: &str) {
    let _ = writeln!(io::stderr(), "lynccap: {}", visible(what));
}

/// Standard output for exports and bytes: a file or pipe gets them as they are, in large pieces, a terminal as they
/// come, and nothing that steers it.
pub fn stdout() -> Box<dyn Write> {
    let stdout = io::stdout();
    if stdout.is_terminal() {
        Box::new(Harmless::new(stdout))
    } else {
        Box::new(BufWriter::with_capacity(64 << 10, stdout))
    }
}

/// Writes out what could steer a terminal. Tabs and line ends stay, and a byte order mark at the beginning.
struct Harmless<W> {
    out: W,
    begun: bool,
    /// What a following byte decides: the beginning of a character, or a CR.
    held: Vec<u8>,
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

impl<W: Write> Harmless<W> {
    const fn new(out: W) -> Self {
        Self { out, begun: false, held: Vec::new() }
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        let bytes = match bytes.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) if !self.begun => {
                self.out.write_all(BYTE_ORDER_MARK)?;
                rest
            }
            _ => bytes,
        };
        self.begun = true;
        String::from_utf8_lossy(bytes).split_inclusive('\n').try_for_each(|line| {
            let end = ["\r\n", "\n"].into_iter().find(|end| line.ends_with(end)).unwrap_or_default();
            let mut separator = "";
            for part in line.strip_suffix(end).unwrap_or(line).split('\t') {
                write!(self.out, "{}{}", std::mem::replace(&mut separator, "\t"), visible(part))?;
            }
            self.out.write_all(end.as_bytes())
        })
    }
}

impl<W: Write> Write for Harmless<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(bytes);
        self.held = all.split_off(all.len() - undecided(&all));
        if !all.is_empty() {
            self.put(&all)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let held = std::mem::take(&mut self.held);
        self.put(&held)?;
        self.out.flush()
    }
}

/// How many bytes at the end are none that can be judged yet.
fn undecided(bytes: &[u8]) -> usize {
    let Some(last) = bytes.utf8_chunks().last() else { return 0 };
    let is_cut = std::str::from_utf8(last.invalid()).is_err_and(|error| error.error_len().is_none());
    if is_cut { last.invalid().len() } else { usize::from(bytes.ends_with(b"\r")) }
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
    fn pieces_that_reach_a_terminal_do_not_steer_it() {
        let text = "\u{feff}row,é\t\u{9b}2J→\r\na\rb\u{1b}[2J\u{feff}\u{202e}\n\r".as_bytes();
        let bytes = [text, b"\x9b\xe2\x80"].concat();
        let expected = "\u{feff}row,é\t\\u{9b}2J→\r\na\\rb\\u{1b}[2J\\u{feff}\\u{202e}\n\\r\u{fffd}\u{fffd}";
        for size in 1..=bytes.len() {
            let mut writer = Harmless::new(Vec::new());
            bytes.chunks(size).for_each(|piece| writer.write_all(piece).unwrap());
            writer.flush().unwrap();
            assert_eq!(String::from_utf8(writer.out).unwrap(), expected, "in pieces of {size}");
        }
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
