//! `ms-diagnostics` header fields and their kin ([MS-OCER] §2.2.1): an error id, and what the server says of it.
//!
//! In: a header's value. Out: the id and the parameters in their order, of any form that servers, other
//! vendors and copied logs have. What an id means is in [`crate::model::codes::diagnostics`].

use std::borrow::Cow;

use nom::IResult;
use nom::Parser;
use nom::bytes::complete::{tag_no_case, take_till, take_while};
use nom::character::complete::{char, digit1, u16 as status, u32 as decimal};
use nom::combinator::opt;
use nom::sequence::{preceded, separated_pair, terminated};

use crate::model::codes::Code;
use crate::model::codes::diagnostics;

/// Parameters that are kept besides reason and source. Servers send ten at most; a header that is all
/// semicolons must not cost more memory than its own bytes.
pub const MOST_PARAMETERS: usize = 64;

/// Which header it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiagnosticsKind {
    /// `ms-diagnostics`: a server to those inside the enterprise.
    Server,
    /// `ms-diagnostics-public`: a server to anybody; an Edge makes it of the former, with the same id.
    Public,
    /// `ms-client-diagnostics`: a client, in a request.
    Client,
    /// `x-ms-diagnostics` of HTTPS; ids of six or seven digits are of a space of their own.
    Web,
}

/// Names of the headers.
const NAMES: [(DiagnosticsKind, &str); 4] = [
    (DiagnosticsKind::Server, "ms-diagnostics"),
    (DiagnosticsKind::Public, "ms-diagnostics-public"),
    (DiagnosticsKind::Client, "ms-client-diagnostics"),
    (DiagnosticsKind::Web, "x-ms-diagnostics"),
];

impl DiagnosticsKind {
    /// The kind of the header of that name, in any case.
    pub fn of(header: &str) -> Option<Self> {
        NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(header)).map(|&(kind, _)| kind)
    }

    /// The header's name in lower case.
    pub fn header(self) -> &'static str {
        NAMES.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }
}

/// One diagnosis of one hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics {
    /// Which header it was.
    pub kind: DiagnosticsKind,
    /// Error id.
    pub id: u32,
    /// Sub-code behind a full stop.
    pub sub_code: Option<u32>,
    /// Its text.
    pub reason: Option<String>,
    /// The server that says it.
    pub source: Option<String>,
    /// All other parameters in their order, at most [`MOST_PARAMETERS`]; one without `=` has an empty value.
    pub parameters: Vec<(String, String)>,
}

impl Diagnostics {
    /// Reads the value of an `ms-diagnostics` header: `4005;reason="…";source="…"` in any order of
    /// parameters; `None` without a number.
    pub fn parse(value: &str) -> Option<Self> {
        let id: IResult<&str, u32> =
            terminated(decimal, take_while(|char: char| char.is_ascii_digit())).parse(value.trim_start());
        let (rest, id) = id.ok()?;
        let sub_code: IResult<&str, Option<u32>> = opt(preceded(char('.'), decimal)).parse(rest);
        let (rest, sub_code) = sub_code.unwrap_or((rest, None));
        let mut found =
            Self { kind: DiagnosticsKind::Server, id, sub_code, reason: None, source: None, parameters: Vec::new() };
        // What stands between the id and the first parameter is passed over.
        let mut rest = after_semicolon(rest);
        while let Some((tail, name, value)) = rest.map(parameter) {
            found.keep(name, &value);
            rest = after_semicolon(tail);
        }
        Some(found)
    }

    /// Reads a header of any kind; `None` where it is none of them or has no number.
    pub fn of_header(name: &str, value: &str) -> Option<Self> {
        let kind = DiagnosticsKind::of(name)?;
        Some(Self { kind, ..Self::parse(value)? })
    }

    /// Of several parameters of a name the first is the reason or the source, as it is for readers.
    fn keep(&mut self, name: &str, value: &str) {
        if self.reason.is_none() && name.eq_ignore_ascii_case("reason") {
            self.reason = Some(value.to_owned());
        } else if self.source.is_none() && name.eq_ignore_ascii_case("source") {
            self.source = Some(value.to_owned());
        } else if !(name.is_empty() && value.is_empty()) && self.parameters.len() < MOST_PARAMETERS {
            self.parameters.push((name.to_owned(), value.to_owned()));
        }
    }

    /// The further parameter of that name, in any case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// HRESULT of what failed, such as that of `HRESULT="0x80090322(SEC_E_WRONG_PRINCIPAL)"`.
    pub fn hresult(&self) -> Option<u32> {
        number(self.parameter("HRESULT")?)
    }

    /// Winsock error of what failed: `WinsockFailureCode="10054(WSAECONNRESET)"` or `winsock-code="10060"`.
    pub fn winsock(&self) -> Option<u32> {
        number(self.parameter("WinsockFailureCode").or_else(|| self.parameter("winsock-code"))?)
    }

    /// What the id means.
    pub fn code(&self) -> Code {
        diagnostics::of(self.id)
    }
}

/// What follows the next semicolon.
fn after_semicolon(text: &str) -> Option<&str> {
    text.split_once(';').map(|(_, rest)| rest)
}

/// One parameter: its name, its value, and what follows it up to a semicolon. Takes at least what it returns.
fn parameter(input: &str) -> (&str, &str, Cow<'_, str>) {
    let name: IResult<&str, &str> = take_till(|char| matches!(char, '=' | ';')).parse(input);
    let (rest, name) = name.unwrap_or((input, ""));
    let Some(value) = rest.strip_prefix('=').map(str::trim_start) else { return (rest, name.trim(), "".into()) };
    if let Some(quoted) = value.strip_prefix('"') {
        let (text, rest) = quoted_string(quoted);
        return (rest, name.trim(), text);
    }
    // Word processors make these of quotes; they are not always a pair.
    let typographic = ['\u{201c}', '\u{201d}', '\u{201e}'];
    let (text, rest) = match value.strip_prefix(typographic) {
        Some(quoted) => {
            quoted.split_once(|char: char| char == '"' || typographic.contains(&char)).unwrap_or((quoted, ""))
        }
        None => value.split_at(value.find(';').unwrap_or(value.len())),
    };
    (rest, name.trim(), text.trim().into())
}

/// The text up to the closing quote and what follows it; without one all of it. A backslash quotes only a
/// quote or a backslash (RFC 3261 §25.1): servers write `DOMAIN\user` without quoting it.
fn quoted_string(input: &str) -> (Cow<'_, str>, &str) {
    let (mut text, mut from, mut at) = (String::new(), 0, 0);
    let bytes = input.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        let is_pair = byte == b'\\' && matches!(bytes.get(at + 1), Some(b'"' | b'\\'));
        if byte == b'"' {
            break;
        }
        if is_pair {
            text.push_str(input.get(from..at).unwrap_or_default());
            from = at + 1;
        }
        at += if is_pair { 2 } else { 1 };
    }
    let tail = input.get(from..at).unwrap_or_default();
    let rest = input.get(at + 1..).unwrap_or_default();
    if text.is_empty() && from == 0 {
        (tail.trim().into(), rest)
    } else {
        ((text + tail).trim().to_owned().into(), rest)
    }
}

/// A 32-bit error number as headers, logs and people write it: `0x80090322`, `80090322` (eight hex digits with
/// the sign bit), `-2146893022`, `2148074274`, `10054`; a name in parentheses behind it is passed over.
pub fn number(text: &str) -> Option<u32> {
    let text = text.split('(').next().unwrap_or_default().trim();
    let prefix: IResult<&str, &str> = tag_no_case("0x").parse(text);
    if let Ok((digits, _)) = prefix {
        return hexadecimal(digits);
    }
    if text.len() == 8 && text.starts_with(|char: char| matches!(char.to_ascii_lowercase(), '8'..='9' | 'a'..='f')) {
        return hexadecimal(text);
    }
    match text.strip_prefix('-') {
        Some(digits) => digits.parse::<u32>().ok().filter(|&value| value <= 1 << 31).map(u32::wrapping_neg),
        None => text.parse().ok(),
    }
}

fn hexadecimal(digits: &str) -> Option<u32> {
    // `from_str_radix` would take a sign.
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

/// A `Warning` header (RFC 3261 §20.43); old servers tell reasons in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Three digits.
    pub code: u16,
    /// Who warns, such as `lcs.microsoft.com`.
    pub agent: String,
    /// The text.
    pub text: String,
}

impl Warning {
    /// Reads `310 lcs.microsoft.com "…"`, of several the first; `None` without a code.
    pub fn parse(value: &str) -> Option<Self> {
        let word = |input| take_till(char::is_whitespace).parse(input);
        let blanks = take_while(char::is_whitespace);
        let head: IResult<&str, (u16, &str)> = separated_pair(status, blanks, word).parse(value.trim_start());
        let (rest, (code, agent)) = head.ok()?;
        let (_, digits): (_, &str) = digit1::<_, nom::error::Error<&str>>.parse(value.trim_start()).ok()?;
        let rest = rest.trim_start();
        let text = rest.strip_prefix('"').map_or(rest.trim_end().into(), |quoted| quoted_string(quoted).0);
        (digits.len() == 3).then(|| Self { code, agent: agent.to_owned(), text: text.into_owned() })
    }
}

/// For the fuzzer: any header value.
pub fn fuzz(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(found) = Diagnostics::parse(&text) {
        let semicolons = text.matches(';').count();
        let own = usize::from(found.reason.is_some()) + usize::from(found.source.is_some());
        assert!(found.parameters.len() <= MOST_PARAMETERS && found.parameters.len() + own <= semicolons);
        let kept = found.parameters.iter().map(|(name, value)| name.len() + value.len());
        let own = found.reason.iter().chain(&found.source).map(String::len);
        assert!(kept.chain(own).sum::<usize>() <= text.len());
        assert!(found.parameters.iter().all(|(name, _)| !name.contains([';', '='])));
        assert_eq!(found.code().number, found.id);
    }
    if let Some(warning) = Warning::parse(&text) {
        assert!(warning.code < 1000 && warning.agent.len() + warning.text.len() < text.len());
    }
    let _ = number(&text);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `name=value` of each parameter, reason and source first.
    #[track_caller]
    fn check(value: &str, id: u32, sub_code: Option<u32>, expected: &[&str]) {
        let found = Diagnostics::parse(value).unwrap();
        assert_eq!((found.id, found.sub_code), (id, sub_code), "{value}");
        let own = [("reason", &found.reason), ("source", &found.source)];
        let own = own.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?)));
        let all: Vec<_> = own.chain(found.parameters.iter().map(|(name, value)| format!("{name}={value}"))).collect();
        assert_eq!(all, expected, "{value}");
    }

    const SAMPLES: [&str; 4] = [
        "4005;reason=\"Destination URI either not enabled for SIP or does not exist\";source=\"fe01.ex.test\"",
        "1010.3 ; source = \"edge.ex.test\" ;Reason= \"Certificate trust\" ; fqdn1=\"a:5061\";peer-type=\"FederatedPartner\";\
         HRESULT=\"0x80090322(SEC_E_WRONG_PRINCIPAL)\";WinsockFailureCode=\"10054(WSAECONNRESET)\"",
        "1014;reason=“Unable to resolve DNS A record”;domain=„ex.test”",
        "51004; reason=\"He said \\\"no; source=\\\"x\\\"\\\"\";component=\"Audio/Video\";flag;x=bare words ;;=",
    ];

    #[test]
    fn forms_of_the_header() {
        check(
            SAMPLES[0],
            4005,
            None,
            &["reason=Destination URI either not enabled for SIP or does not exist", "source=fe01.ex.test"],
        );
        check(
            SAMPLES[1],
            1010,
            Some(3),
            &[
                "reason=Certificate trust",
                "source=edge.ex.test",
                "fqdn1=a:5061",
                "peer-type=FederatedPartner",
                "HRESULT=0x80090322(SEC_E_WRONG_PRINCIPAL)",
                "WinsockFailureCode=10054(WSAECONNRESET)",
            ],
        );
        check(SAMPLES[2], 1014, None, &["reason=Unable to resolve DNS A record", "domain=ex.test"]);
        check(
            SAMPLES[3],
            51004,
            None,
            &["reason=He said \"no; source=\"x\"\"", "component=Audio/Video", "flag=", "x=bare words"],
        );
        check("1010.3 ; source = “edge” ;reason=bare", 1010, Some(3), &["reason=bare", "source=edge"]);
        check("17", 17, None, &[]);
        check("17 garbage;reason=\"never closed; source=x", 17, None, &["reason=never closed; source=x"]);
        check("17;reason=\"a\" b;reason=\"c\"", 17, None, &["reason=a", "reason=c"]);
        check("17;reason=\"EX\\ann\";path=\"\\\\srv\"", 17, None, &["reason=EX\\ann", "path=\\srv"]);
        check("17;reason=\"“quoted” text\"", 17, None, &["reason=“quoted” text"]);
        for value in ["reason=\"x\"", "", ";", "99999999999;reason=x", "-1"] {
            assert_eq!(Diagnostics::parse(value), None, "{value}");
        }
    }

    #[test]
    fn numbers_inside() {
        let found = Diagnostics::parse(SAMPLES[1]).unwrap();
        assert_eq!((found.hresult(), found.winsock()), (Some(0x8009_0322), Some(10054)));
        assert_eq!(found.parameter("PEER-TYPE"), Some("FederatedPartner"));
        let found = Diagnostics::parse("1046;winsock-code=\"10060\"").unwrap();
        assert_eq!((found.hresult(), found.winsock()), (None, Some(10060)));
        assert_eq!(found.code().meaning, "the TCP connection to a federated partner failed");
    }

    #[test]
    fn kinds_of_the_header() {
        for (name, kind, id) in [
            ("Ms-Diagnostics", DiagnosticsKind::Server, 4003),
            ("ms-diagnostics-PUBLIC", DiagnosticsKind::Public, 4003),
            ("ms-client-diagnostics", DiagnosticsKind::Client, 22),
            ("X-MS-diagnostics", DiagnosticsKind::Web, 4_000_000),
        ] {
            let found = Diagnostics::of_header(name, &format!("{id};reason=\"x\"")).unwrap();
            assert_eq!((found.kind, found.id, found.reason.as_deref()), (kind, id, Some("x")));
            assert!(found.kind.header().eq_ignore_ascii_case(name));
        }
        assert_eq!(Diagnostics::of_header("ms-telemetry-id", "1"), None);
    }

    #[test]
    fn parameters_are_bounded() {
        let found = Diagnostics::parse(&format!("1{};source=\"late\"", ";a=b".repeat(10_000))).unwrap();
        assert_eq!((found.parameters.len(), found.source.as_deref()), (MOST_PARAMETERS, Some("late")));
    }

    #[track_caller]
    fn check_number(text: &str, expected: Option<u32>) {
        assert_eq!(number(text), expected, "{text}");
    }

    #[test]
    fn numbers_as_people_write_them() {
        check_number("0x80090322", Some(0x8009_0322));
        check_number("0X80090322(SEC_E_WRONG_PRINCIPAL)", Some(0x8009_0322));
        check_number("80090322", Some(0x8009_0322));
        check_number("c3e93d67", Some(0xc3e9_3d67));
        check_number("-2146893022", Some(0x8009_0322));
        check_number("2148074274", Some(0x8009_0322));
        check_number(" 10054 (WSAECONNRESET)", Some(10054));
        check_number("-2147483648", Some(0x8000_0000));
        for text in ["", "0x", "-", "0x+1", "0x123456789", "-2147483649", "abc", "8009032g"] {
            check_number(text, None);
        }
    }

    #[test]
    fn warnings() {
        let found =
            Warning::parse("310 lcs.microsoft.com \"You are not using the recommended version\", 399 x").unwrap();
        assert_eq!((found.code, found.agent.as_str()), (310, "lcs.microsoft.com"));
        assert_eq!(found.text, "You are not using the recommended version");
        assert_eq!(Warning::parse("307 isi.edu bare ").unwrap().text, "bare");
        assert_eq!((Warning::parse("x"), Warning::parse("31 a \"b\""), Warning::parse("")), (None, None, None));
    }

    #[test]
    fn damage_does_no_harm() {
        for sample in SAMPLES.into_iter().chain(["310 lcs.microsoft.com \"text\""]) {
            let bytes = sample.as_bytes();
            for end in 0..=bytes.len() {
                fuzz(&bytes[..end]);
            }
            for at in 0..bytes.len() {
                for flip in [1, 2, 0x19, 0x80] {
                    let mut damaged = bytes.to_vec();
                    damaged[at] ^= flip;
                    fuzz(&damaged);
                }
            }
        }
    }
}
