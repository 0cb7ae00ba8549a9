//! Challenges and credentials of SIP authentication ([MS-SIPAE] §2.2, RFC 7235): a scheme and its parameters.

use std::borrow::Cow;

use nom::IResult;
use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{take_till, take_while, take_while1};
use nom::character::complete::char;
use nom::combinator::map;
use nom::sequence::{delimited, preceded, separated_pair, terminated};

/// A challenge or credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth<'a> {
    /// `NTLM`, `Kerberos`, `TLS-DSK` …
    pub scheme: &'a str,
    /// Parameters in their order, quotes taken off.
    pub parameters: Vec<(&'a str, Cow<'a, str>)>,
}

/// Credentials with a signature have about ten.
const USUAL_PARAMETERS: usize = 12;

impl<'a> Auth<'a> {
    /// Reads a header value; `None` where it has no scheme. Parameters up to the first damage.
    pub fn parse(value: &'a str) -> Option<Self> {
        let scheme: IResult<&str, &str> = terminated(word, blanks).parse(value.trim_start());
        let (mut rest, scheme) = scheme.ok()?;
        let mut parameters = Vec::with_capacity(USUAL_PARAMETERS);
        while let Ok((after, found)) = terminated(parameter, separator).parse(rest) {
            parameters.push(found);
            rest = after;
        }
        Some(Self { scheme, parameters })
    }

    /// The parameter of that name, in any case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }
}

fn blanks(input: &str) -> IResult<&str, &str> {
    take_while(char::is_whitespace).parse(input)
}

fn word(input: &str) -> IResult<&str, &str> {
    take_while1(|char: char| !char.is_whitespace() && !matches!(char, '=' | ',' | '"')).parse(input)
}

fn separator(input: &str) -> IResult<&str, &str> {
    take_while(|char: char| char.is_whitespace() || char == ',').parse(input)
}

/// `name="value"` or `name=value`; base64 inside the quotes has `=` of its own.
fn parameter(input: &str) -> IResult<&str, (&str, Cow<'_, str>)> {
    let quoted = delimited(char('"'), take_till(|char| char == '"'), char('"'));
    let bare = take_till(|char: char| char == ',' || char.is_whitespace());
    let equals = delimited(blanks, char('='), blanks);
    preceded(blanks, separated_pair(word, equals, map(alt((quoted, bare)), Cow::Borrowed))).parse(input)
}

/// For the fuzzer: any text.
pub fn fuzz(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(auth) = Auth::parse(&text) {
        assert!(auth.parameters.len() <= text.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge() {
        let value = "TLS-DSK realm=\"SIP Communications Service\", gssapi-data=\"FgMBAA==\",version=4 , opaque=\"\"";
        let auth = Auth::parse(value).unwrap();
        assert_eq!(auth.scheme, "TLS-DSK");
        assert_eq!(auth.parameter("Realm"), Some("SIP Communications Service"));
        assert_eq!(auth.parameter("gssapi-data"), Some("FgMBAA=="));
        assert_eq!((auth.parameter("version"), auth.parameter("opaque")), (Some("4"), Some("")));
        assert_eq!(auth.parameter("crand"), None);
        assert_eq!(Auth::parse("NTLM").unwrap().parameters, []);
        assert_eq!(Auth::parse(""), None);
        fuzz(value.as_bytes());
    }
}
