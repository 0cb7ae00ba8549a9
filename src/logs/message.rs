//! A SIP message as a log has it, put together again: CRLF at the ends of lines, and the bytes that the log
//! itself and `Content-Length` count.

use std::borrow::Cow;

use memchr::memchr_iter;
use smallvec::SmallVec;

use crate::model::sip::{Carrier, HeaderName, SipMessage};
use crate::model::{Defect, Direction};
use crate::wire::sip::{self, Head};

/// The message in `text`, of which the log says that it has `count` bytes. `None` where no start line begins it.
/// `ended` tells whether the log goes on after it.
pub fn message(text: &[u8], count: Option<usize>, ended: bool) -> Option<SipMessage> {
    let forms = forms(text);
    let by_count = count.and_then(|count| forms.iter().find_map(|text| fit(text, count)));
    // By its own length a head fits however its lines end; it had CRLF.
    let by_length = || forms.iter().skip(forms.len() / 2).find_map(|text| fit(text, length(text)?));
    let (raw, fits) = match by_count {
        Some(raw) => (raw, true),
        None => match by_length() {
            Some(raw) => (raw, count.is_none()),
            None => (Cow::Borrowed(without_end(forms.last()?, ended)), false),
        },
    };
    let head_end = sip::find_head_end(&raw, 0).unwrap_or(raw.len());
    let mut head = sip::parse_head(raw.get(..head_end)?)?;
    let body = raw.len() - head_end;
    let claimed = head.content_length.unwrap_or(body);
    if let (Some(count), false) = (count, fits) {
        head.defects.push(Defect::new("log", 0, format!("the log says {count} bytes, {} are in it", raw.len())));
    }
    if claimed > body {
        let what = format!("Content-Length is {claimed}, the log has {body} bytes of body");
        head.defects.push(Defect::new("log", head_end, what));
    }
    let is_short = !fits && count.is_some_and(|count| raw.len() < count);
    let complete = claimed <= body && !is_short && (ended || fits || by_length().is_some());
    let carrier = carrier(&raw, &head);
    Some(sip::message(raw.as_ref().into(), head_end, head, carrier, complete))
}

/// What was written, and where a head lost its CRLF, what it may have been: a body may have had ends of lines of its
/// own. The last form is the one to take where none fits.
fn forms(text: &[u8]) -> SmallVec<[Cow<'_, [u8]>; 3]> {
    let mut forms = SmallVec::new();
    forms.push(Cow::Borrowed(text));
    let (head, body) = text.split_at(sip::find_head_end(text, 0).unwrap_or(text.len()));
    if !memchr_iter(b'\n', head).all(|at| at > 0 && head.get(at - 1) == Some(&b'\r')) {
        forms.push(Cow::Owned([&crlf(head), body].concat()));
        forms.push(Cow::Owned(crlf(text)));
    }
    forms
}

/// The text with CRLF at the ends of its lines.
fn crlf(text: &[u8]) -> Vec<u8> {
    let mut whole = Vec::with_capacity(text.len() + text.len() / 16);
    let mut from = 0;
    for at in memchr_iter(b'\n', text) {
        let line = text.get(from..at).unwrap_or_default();
        whole.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        whole.extend_from_slice(b"\r\n");
        from = at + 1;
    }
    whole.extend_from_slice(text.get(from..).unwrap_or_default());
    whole
}

/// The first `count` bytes, where the others are ends of lines, or where ends of lines are missing at the end of
/// a head.
fn fit(text: &[u8], count: usize) -> Option<Cow<'_, [u8]>> {
    if let Some((whole, rest)) = text.split_at_checked(count) {
        return (count > 0 && rest.len() <= 4 && is_ends(rest)).then_some(Cow::Borrowed(whole));
    }
    if count - text.len() > 4 || sip::find_head_end(text, 0).is_ok() {
        return None;
    }
    let trimmed = text.trim_ascii_end();
    (trimmed.len() + 4 == count).then(|| Cow::Owned([trimmed, b"\r\n\r\n"].concat()))
}

fn is_ends(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
}

/// Bytes of the whole message that begins `text`, where its head says it.
pub fn length(text: &[u8]) -> Option<usize> {
    let end = sip::find_head_end(text, 0).ok()?;
    end.checked_add(sip::parse_head(text.get(..end)?)?.content_length?)
}

/// The text without the end of line that the log put behind it.
fn without_end(text: &[u8], ended: bool) -> &[u8] {
    if !ended {
        return text;
    }
    text.strip_suffix(b"\r\n").or_else(|| text.strip_suffix(b"\n")).unwrap_or(text)
}

/// What the topmost `Via` says that it was sent over (RFC 3261 §20.42); TLS, as nearly all is, where nothing does.
fn carrier(raw: &[u8], head: &Head) -> Carrier {
    let via = head.headers.iter().find(|field| field.id == HeaderName::Via).map(|field| field.value.of(raw));
    let protocol = via.and_then(|via| via.split(|&byte| byte == b'/').nth(2)).unwrap_or_default();
    let begins = |name: &[u8]| protocol.get(..name.len()).is_some_and(|word| word.eq_ignore_ascii_case(name));
    if begins(b"TCP") {
        Carrier::Tcp
    } else if begins(b"UDP") {
        Carrier::Udp
    } else {
        Carrier::Tls
    }
}

/// The host in the topmost `Via` of a request that reached a server: its sender.
pub fn sender(message: &SipMessage, direction: Direction) -> Option<std::net::IpAddr> {
    if direction != Direction::Out || !message.is_request() {
        return None;
    }
    let via = message.header(HeaderName::Via)?;
    let sent_by = via.split_whitespace().nth(1)?.split(';').next()?;
    let address = sent_by.parse().map(|address: std::net::SocketAddr| address.ip());
    address.or_else(|_| sent_by.trim_matches(['[', ']']).parse()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGISTER: &str = "REGISTER sip:ex.test SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.55:20323\r\nFrom: <sip:a@ex.test>\r\n\
        To: <sip:a@ex.test>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n";
    const BODY: &str = "SIP/2.0 200 OK\r\nFrom: <sip:a@ex.test>\r\nTo: <sip:a@ex.test>\r\nCall-ID: 1\r\n\
        CSeq: 1 SUBSCRIBE\r\nContent-Length: 10\r\n\r\n<a>\n\r\n</a>";

    #[track_caller]
    fn check(text: &str, count: Option<usize>, expected: &str, complete: bool, defects: usize) {
        let told = message(text.as_bytes(), count, true).unwrap();
        let raw = String::from_utf8(told.raw.to_vec()).unwrap();
        assert_eq!((raw.as_str(), told.complete, told.defects.len()), (expected, complete, defects), "{text}");
    }

    #[test]
    fn messages_are_put_together() {
        let count = Some(REGISTER.len());
        check(&format!("{REGISTER}\r\n"), count, REGISTER, true, 0);
        check(REGISTER, count, REGISTER, true, 0);
        check(&format!("{REGISTER}\r\n"), None, REGISTER, true, 0);
        check(&format!("{}\n", REGISTER.replace("\r\n", "\n")), count, REGISTER, true, 0);
        check(REGISTER.trim_end(), count, REGISTER, true, 0);
        check(&format!("{REGISTER}\r\n"), Some(999), REGISTER, false, 1);
        check(&format!("{REGISTER}\r\n"), Some(9), REGISTER, true, 1);
        // A body with line ends of its own, in a file with CRLF and in one with LF.
        check(&format!("{BODY}\r\n"), Some(BODY.len()), BODY, true, 0);
        let (head, body) = BODY.split_at(BODY.find("<a>").unwrap());
        check(&format!("{}{body}\n", head.replace("\r\n", "\n")), Some(BODY.len()), BODY, true, 0);
        check(&BODY[..BODY.len() - 3], None, &BODY[..BODY.len() - 3], false, 1);
        assert!(message(b"no message\r\n", None, true).is_none());
        assert_eq!(message(REGISTER.as_bytes(), None, true).unwrap().carrier, Carrier::Tcp);
    }
}
