//! What a record that is no SIP message says: a connection, a look-up, a failure with its code.
//!
//! The wording of clients is not documented and differs by version. So this reads words that all versions
//! share, and takes a record up only where it also has what makes it worth a row: an address, a name or a code.

use std::net::SocketAddr;
use std::sync::LazyLock;

use memchr::{memchr_iter, memchr3_iter, memmem};
use smallvec::SmallVec;

use crate::model::codes::CodeKind;
use crate::model::{Direction, LogEvent, LogKind, LogLevel};

/// Longest text of a record that is kept.
const MOST_TEXT: usize = 1024;
/// Most parameters of `Data` that are kept.
const MOST_DATA: usize = 16;
/// Longest word that is looked at: no address, name or code is longer.
const LONGEST_WORD: usize = 300;

/// Where a record was written, as far as it says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// This machine.
    pub local: Option<SocketAddr>,
    /// The other side.
    pub remote: Option<Peer>,
}

/// The other side.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// By address.
    Address(SocketAddr),
    /// By name, with its port.
    Name(Box<str>, u16),
}

impl Peer {
    /// `192.0.2.10:5061`, `[2001:db8::1]:5061` or `fe01.ex.test:5061`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(address) = text.parse() {
            return Some(Self::Address(address));
        }
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok()?;
        if let Ok(ip) = host.trim_matches(['[', ']']).parse() {
            return Some(Self::Address(SocketAddr::new(ip, port)));
        }
        let is_name = !host.is_empty()
            && host.len() <= 255
            && host.chars().all(|char| char.is_alphanumeric() || "-._".contains(char));
        is_name.then(|| Self::Name(host.to_ascii_lowercase().into(), port))
    }
}

/// Whether a text has one of the words without which no record is taken up: `DNS`, `HRESULT`, `WSA…`, `0x8…`, `connect`.
/// Nearly every record of a log is decided here.
fn has_hint(text: &[u8]) -> bool {
    static CONNECT: LazyLock<memmem::Finder<'_>> = LazyLock::new(|| memmem::Finder::new("onnect"));
    let begins = |at: usize, word: &str| text.get(at..).is_some_and(|rest| rest.starts_with(word.as_bytes()));
    let is_failure = |x: usize| matches!(text.get(x.saturating_sub(1)..), Some([b'0', b'x', b'8' | b'c' | b'C', ..]));
    memchr3_iter(b'D', b'H', b'W', text).any(|at| ["DNS", "Dns", "HRESULT", "WSA"].iter().any(|word| begins(at, word)))
        || memchr_iter(b'x', text).any(is_failure)
        || CONNECT.find(text).is_some()
}

/// What `text` says; `None` where it is of no interest.
pub fn event(text: &[u8], level: LogLevel, component: Option<&str>) -> Option<(LogEvent, Ends)> {
    let text = text.get(..MOST_TEXT).unwrap_or(text).trim_ascii();
    if !has_hint(text) {
        return None;
    }
    let text = String::from_utf8_lossy(text);
    let kind = kind(&text)?;
    let (ends, code, name) = {
        let words: Words<'_> = words(&text).collect();
        (ends(&text, &words), code_of(&words), name(&words))
    };
    let has_place = ends.remote.is_some() || name.is_some();
    let kind = match kind {
        LogKind::Connected | LogKind::Closed(_) if ends.remote.is_none() => return None,
        LogKind::Failed if code.is_none() && !has_place => return None,
        LogKind::Dns if name.is_none() && code.is_none() => return None,
        LogKind::Error if code.is_none() => return None,
        kind => kind,
    };
    let name = name.map(Into::into);
    let component = component.map(Into::into);
    let event = LogEvent { kind, level, component, text: text.into(), code, name, call_id: None, data: Vec::new() };
    Some((event, ends))
}

/// What the words say.
fn kind(text: &str) -> Option<LogKind> {
    let lower = text.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let about_connections = has(&["connect"]);
    let failed = has(&["fail", "unable", "could not", "cannot", "refused", "timed out", "error", "not connected"]);
    if has(&["dns", "_sip"]) && !has(&["http"]) {
        return Some(LogKind::Dns);
    }
    if about_connections && has(&["closed", "disconnected", "terminated", "shut down", "was reset", "reset by"]) {
        let by_other =
            has(&["by remote", "by the remote", "by peer", "by the peer", "by server", "by the server", "reset by"]);
        return Some(LogKind::Closed(if by_other { Direction::In } else { Direction::Out }));
    }
    if about_connections && failed {
        return Some(LogKind::Failed);
    }
    if has(&[
        "connected to",
        "connection established",
        "connection is established",
        "connect succeeded",
        "connection to",
    ]) && has(&["connected", "established", "succeeded"])
    {
        return Some(LogKind::Connected);
    }
    (failed || has(&["hresult"])).then_some(LogKind::Error)
}

type Words<'a> = SmallVec<[&'a str; 32]>;

/// Words that may be addresses, names or numbers.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let between = |char: char| !matches!(char, '0'..='9' | 'A'..='Z' | 'a'..='z' | '.' | ':' | '-' | '_' | '[' | ']');
    let words = text.split(between).map(|word| word.trim_matches(|char| matches!(char, '.' | ':' | '-')));
    words.filter(|word| !word.is_empty() && word.len() <= LONGEST_WORD)
}

fn ends(text: &str, words: &[&str]) -> Ends {
    let mut ends = Ends::default();
    let mut before = "";
    for word in words {
        if let Ok(address) = word.parse() {
            let is_local = before.eq_ignore_ascii_case("address") && text.contains("ocal Address")
                || before.eq_ignore_ascii_case("local");
            if is_local {
                ends.local.get_or_insert(address);
            } else {
                ends.remote.get_or_insert(Peer::Address(address));
            }
        }
        before = word;
    }
    ends
}

/// The first name with a dot in it: `_sip._tls.ex.test`, `sipinternal.ex.test`.
fn name(words: &[&str]) -> Option<String> {
    let is_file =
        |word: &str| [".cpp", ".h", ".cs", ".dll", ".exe", ".xml", ".log"].iter().any(|end| word.ends_with(end));
    let is_label = |label: &str| {
        !label.is_empty() && label.chars().all(|char| char.is_ascii_alphanumeric() || "-_".contains(char))
    };
    let is_name = |word: &&&str| {
        if !word.contains('.') {
            return false;
        }
        let word = word.split_once(':').map_or(**word, |(host, _)| host);
        let Some((_, last)) = word.rsplit_once('.') else { return false };
        word.split('.').all(is_label) && last.chars().all(|char| char.is_ascii_alphabetic()) && !is_file(word)
    };
    let found = *words.iter().find(is_name)?;
    Some(found.split_once(':').map_or(found, |(host, _)| host).to_ascii_lowercase())
}

/// An HRESULT that says failure, or a Winsock error; one that is wrapped in an HRESULT is told as itself.
pub fn code(text: &str) -> Option<(CodeKind, u32)> {
    code_of(&words(text).collect::<Words<'_>>())
}

fn code_of(words: &[&str]) -> Option<(CodeKind, u32)> {
    let hresult = |word: &str| {
        let digits = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"))?;
        let number = u32::from_str_radix(digits, 16).ok()?;
        (number >= 0x8000_0000 && digits.len() == 8).then_some(number)
    };
    let winsock = |word: &str| {
        word.parse()
            .ok()
            .filter(|&number| (10_000..12_000).contains(&number) && CodeKind::Winsock.find(number).is_some())
    };
    if let Some(number) = words.iter().find_map(|word| hresult(word)) {
        let low = number & 0xffff;
        let wrapped = number & 0xffff_0000 == 0x8007_0000 && CodeKind::Winsock.find(low).is_some();
        return Some(if wrapped { (CodeKind::Winsock, low) } else { (CodeKind::Hresult, number) });
    }
    if let Some(number) = words.iter().find_map(|word| winsock(word)) {
        return Some((CodeKind::Winsock, number));
    }
    let named = words.iter().find(|word| word.starts_with("WSA"))?;
    let code = CodeKind::Winsock.table().iter().find(|code| code.name == *named)?;
    Some((CodeKind::Winsock, code.number))
}

/// What the fields of a server's diagnostic or connection record say: `Severity`, `Text`, `Result-Code`, `Data` …
pub fn diagnostic(
    fields: &[(String, String)],
    level: LogLevel,
    component: Option<&str>,
    diagnostic: bool,
) -> Option<(LogEvent, Ends)> {
    let field =
        |name: &str| fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
    let text: String = field("Text").or_else(|| field("SIP-Start-Line"))?.chars().take(MOST_TEXT).collect();
    let code = field("Result-Code").and_then(code).or_else(|| code(&text));
    let local = field("Local-IP").and_then(|address| address.trim().parse().ok());
    let remote = field("Peer-IP").or_else(|| field("Peer")).and_then(Peer::parse);
    let ends = Ends { local, remote };
    let kind = match kind(&text) {
        _ if diagnostic => LogKind::Diagnostic,
        Some(kind @ (LogKind::Connected | LogKind::Closed(_) | LogKind::Failed)) => kind,
        _ if code.is_some() => LogKind::Error,
        _ => return None,
    };
    let level = match field("Severity").map(str::to_ascii_lowercase).as_deref() {
        Some("error") => LogLevel::Error,
        Some("warning") => LogLevel::Warn,
        _ => level,
    };
    let event = LogEvent {
        kind,
        level,
        component: component.map(Into::into),
        text: text.into(),
        code,
        name: None,
        call_id: field("SIP-Call-ID").map(|call_id| call_id.chars().take(LONGEST_WORD).collect::<String>().into()),
        data: field("Data").map(data).unwrap_or_default(),
    };
    Some((event, ends))
}

/// `name="value";name="value"`
fn data(text: &str) -> Vec<(Box<str>, Box<str>)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=').filter(|_| found.len() < MOST_DATA) {
        let (value, more) = match after.strip_prefix('"') {
            Some(quoted) => {
                let (value, more) = quoted.split_once('"').unwrap_or((quoted, ""));
                (value, more.split_once(';').map_or("", |(_, more)| more))
            }
            None => after.split_once(';').unwrap_or((after, "")),
        };
        found.push((name.trim().into(), value.chars().take(MOST_TEXT).collect::<String>().into()));
        rest = more;
    }
    found
}

/// For the fuzzer: any text.
pub fn fuzz(bytes: &[u8]) {
    if let Some((event, _)) = event(bytes, LogLevel::Warn, None) {
        // A byte that is no UTF-8 becomes three.
        assert!(event.text.len() <= 3 * MOST_TEXT);
    }
    let text = String::from_utf8_lossy(bytes);
    let _ = (code(&text), Peer::parse(&text));
    assert!(data(&text).len() <= MOST_DATA);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kind, code, name and the other end.
    type Told<'a> = (LogKind, Option<(CodeKind, u32)>, Option<&'a str>, Option<&'a str>);

    #[track_caller]
    fn check(text: &str, expected: Option<Told<'_>>) {
        let found = event(text.as_bytes(), LogLevel::Info, None);
        let found = found.map(|(event, ends)| {
            let remote = ends.remote.map(|peer| match peer {
                Peer::Address(address) => address.to_string(),
                Peer::Name(name, port) => format!("{name}:{port}"),
            });
            (event.kind, event.code, event.name, remote)
        });
        let expected =
            expected.map(|(kind, code, name, remote)| (kind, code, name.map(Into::into), remote.map(str::to_owned)));
        assert_eq!(found, expected, "{text}");
        for length in 0..text.len() {
            fuzz(&text.as_bytes()[..length]);
        }
    }

    #[test]
    fn connections_names_and_codes() {
        use CodeKind::{Hresult, Winsock};
        let remote = Some("192.0.2.10:5061");
        check("Connection to 192.0.2.10:5061 established", Some((LogKind::Connected, None, None, remote)));
        check(
            "Connected to 192.0.2.10:5061 (From Local Address: 192.0.2.55:20323)",
            Some((LogKind::Connected, None, None, remote)),
        );
        check(
            "Connection 192.0.2.10:5061 closed by the server",
            Some((LogKind::Closed(Direction::In), None, None, remote)),
        );
        check(
            "TCP connection to 192.0.2.10:5061 is disconnected",
            Some((LogKind::Closed(Direction::Out), None, None, remote)),
        );
        check(
            "connect to 192.0.2.10:5061 failed with 10061",
            Some((LogKind::Failed, Some((Winsock, 10_061)), None, remote)),
        );
        check("Connect failed, hr = 0x8007274c", Some((LogKind::Failed, Some((Winsock, 10_060)), None, None)));
        check("HRESULT failed: 0x80090325", Some((LogKind::Error, Some((Hresult, 0x8009_0325)), None, None)));
        check(
            "DNS query for _sipinternaltls._tcp.ex.test failed 0x8007232B",
            Some((LogKind::Dns, Some((Hresult, 0x8007_232b)), Some("_sipinternaltls._tcp.ex.test"), None)),
        );
        check(
            "DNS resolution of sip.ex.test: WSAHOST_NOT_FOUND",
            Some((LogKind::Dns, Some((Winsock, 11_001)), Some("sip.ex.test"), None)),
        );
        check("The conference is connected", None);
        check("Contact list has 3 members", None);
        check("HRESULT 0x0 from file.cpp", None);
    }

    #[test]
    fn fields_of_diagnostic_records() {
        let fields = [
            ("Severity", "warning"),
            ("Text", "The domain does not match Result-Code: 0xc3e93d6f SIPPROXY_E"),
            ("SIP-Call-ID", "017b"),
            ("Peer", "host.fab.test:25002"),
            ("Data", "domain=\"fab.test\";fqdn1=\"host;sub.fab.test:5061\"; n=1"),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let (event, ends) = diagnostic(&fields, LogLevel::Info, Some("SIPStack"), true).unwrap();
        assert_eq!((event.kind, event.level), (LogKind::Diagnostic, LogLevel::Warn));
        assert_eq!(event.code, Some((CodeKind::Hresult, 0xc3e9_3d6f)));
        assert_eq!(event.call_id.as_deref(), Some("017b"));
        let data: Vec<_> = event.data.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(data, [("domain", "fab.test"), ("fqdn1", "host;sub.fab.test:5061"), ("n", "1")]);
        assert_eq!(ends.remote, Some(Peer::Name("host.fab.test".into(), 25_002)));
    }

    #[track_caller]
    fn check_peer(text: &str, expected: Option<&Peer>) {
        assert_eq!(Peer::parse(text).as_ref(), expected, "{text}");
    }

    #[test]
    fn peers() {
        check_peer("192.0.2.10:5061", Some(&Peer::Address("192.0.2.10:5061".parse().unwrap())));
        check_peer("[2001:db8::1]:5061", Some(&Peer::Address("[2001:db8::1]:5061".parse().unwrap())));
        check_peer("2001:db8::1:5061", Some(&Peer::Address("[2001:db8::1]:5061".parse().unwrap())));
        check_peer("FE01.ex.test:61182", Some(&Peer::Name("fe01.ex.test".into(), 61_182)));
        check_peer("fe01.ex.test", None);
        check_peer("a b:1", None);
    }
}
