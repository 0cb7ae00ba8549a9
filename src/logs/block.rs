//! What stands between `$$begin_record` and `$$end_record` in a server's log: fields, or fields and a SIP message.

use memchr::{memchr, memmem};

use crate::logs::message::message;
use crate::model::sip::SipMessage;
use crate::wire::fields::split_field;

/// Most fields that are kept of a record.
const MOST_FIELDS: usize = 64;
/// Longest value of a field that is kept.
const LONGEST_VALUE: usize = 4096;

/// A record's fields and the parts of its message.
#[derive(Debug, Default)]
pub struct Block<'a> {
    /// Name and value of the fields before a message.
    pub fields: Vec<(String, String)>,
    /// `Start-Line` of the message.
    pub start_line: Option<&'a [u8]>,
    /// Its header fields, with the ends of their lines.
    head: &'a [u8],
    /// What follows `Message-Body:`; `None` where the record has no such line.
    body: Option<&'a [u8]>,
}

/// Reads the text of a record from its prefix on, without its last line.
pub fn read(text: &[u8]) -> Block<'_> {
    let mut block = Block::default();
    let mut rest = after_line(text);
    while !rest.is_empty() {
        let end = memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        let (line, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        rest = after;
        if let Some(start_line) = value(line, b"Start-Line:") {
            block.start_line = Some(start_line.trim_ascii());
            (block.head, block.body) = split_message(rest);
            break;
        }
        block.note(line);
    }
    block
}

fn after_line(text: &[u8]) -> &[u8] {
    memchr(b'\n', text).and_then(|end| text.get(end + 1..)).unwrap_or_default()
}

/// What follows a name that begins a line.
fn value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (begin, value) = line.split_at_checked(name.len())?;
    begin.eq_ignore_ascii_case(name).then_some(value)
}

/// Header fields, and the body with its first line.
fn split_message(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut at = 0;
    while let Some(line) = text.get(at..).filter(|line| !line.is_empty()) {
        if let Some(body) = value(line, b"Message-Body:") {
            return (text.get(..at).unwrap_or_default(), Some(body));
        }
        at += memchr(b'\n', line).map_or(line.len(), |end| end + 1);
    }
    (text, None)
}

impl Block<'_> {
    /// Keeps a field's line, or what goes on from the line before.
    fn note(&mut self, line: &[u8]) {
        let line = line.trim_ascii();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes.get(..LONGEST_VALUE).unwrap_or(bytes)).into_owned();
        if let Some((name, value)) = split_field(line).filter(|(name, _)| !name.contains(&b' ')) {
            if self.fields.len() < MOST_FIELDS {
                self.fields.push((text(name), text(value)));
            }
        } else if let Some((_, value)) = self.fields.last_mut().filter(|(_, value)| value.len() < LONGEST_VALUE) {
            value.push(' ');
            value.push_str(&text(line));
        }
    }

    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The message; `None` where it has no start line that is one.
    pub fn message(&self, ended: bool) -> Option<SipMessage> {
        let start_line = self.start_line?;
        let end: &[u8] = if memmem::find(self.head, b"\r\n").is_some() { b"\r\n" } else { b"\n" };
        let mut head = [start_line, end, self.head].concat();
        let Some(body) = self.body else { return message(&head, None, false) };
        head.extend_from_slice(end);
        let build = |body: &[u8]| message(&[&head, body].concat(), None, ended);
        let body = body.strip_prefix(b" ").unwrap_or(body);
        if matches!(body.trim_ascii(), b"" | b"-") {
            return build(b"");
        }
        // A body may begin on the next line, and may begin with an end of line.
        let first_line = body.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count().min(2);
        let on_next = body.strip_prefix(b"\r\n").or_else(|| body.strip_prefix(b"\n")).unwrap_or(body);
        let message = build(on_next)?;
        let fits = message.complete && message.defects.is_empty();
        let other = if fits || first_line == 0 { None } else { build(body) };
        Some(other.filter(|other| other.complete).unwrap_or(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(record: &str, body: &str, complete: bool) {
        for record in [record.to_owned(), record.replace('\n', "\r\n")] {
            let block = read(record.as_bytes());
            let message = block.message(true).unwrap();
            assert_eq!(String::from_utf8_lossy(message.body()).replace("\r\n", "\n"), body, "{record}");
            assert_eq!(message.complete, complete, "{record}");
            assert_eq!(block.field("peer"), Some("fe01.ex.test:61182"));
        }
    }

    #[test]
    fn messages_of_records() {
        let head = "$$begin_record\nDirection: incoming\nPeer: fe01.ex.test:61182\nStart-Line: OPTIONS sip:u@ex.test SIP/2.0\n\
            From: <sip:a@ex.test>\nTo: <sip:u@ex.test>\nCSeq: 1 OPTIONS\nCall-ID: 017b\n";
        check(&format!("{head}Content-Length: 0\nMessage-Body: -\n"), "", true);
        check(&format!("{head}Content-Length: 4\nMessage-Body: <a/>\n"), "<a/>", true);
        check(&format!("{head}Content-Length: 4\nMessage-Body:\n<a/>\n"), "<a/>", true);
        check(&format!("{head}Message-Body: <a/>\n"), "<a/>", true);
        check(&format!("{head}Content-Length: 9\nMessage-Body: <a/>\n"), "<a/>", false);
        check(&format!("{head}Content-Length: 0\n"), "", false);
    }

    #[test]
    fn fields_of_records() {
        let block = read(b"$$begin_record\r\nSeverity: warning\r\nText: one\r\ntwo three\r\nData: a=\"b\"\r\n");
        assert_eq!((block.field("Text"), block.field("Data")), (Some("one two three"), Some("a=\"b\"")));
        assert!(block.start_line.is_none() && block.message(true).is_none());
    }
}
