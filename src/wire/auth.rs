//! Challenges and credentials of SIP authentication ([MS-SIPAE] §2.2, RFC 7235): a scheme and its parameters.

use memchr::memchr;

/// The parameters that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the name in the MS-* document")]
pub enum Parameter {
    Realm,
    TargetName,
    Version,
    Opaque,
    StsUri,
    GssapiData,
    Response,
    Rspauth,
    Crand,
    Srand,
    Cnum,
    Snum,
}

/// Their names.
const PARAMETERS: [(&str, Parameter); 12] = [
    ("realm", Parameter::Realm),
    ("targetname", Parameter::TargetName),
    ("version", Parameter::Version),
    ("opaque", Parameter::Opaque),
    ("sts-uri", Parameter::StsUri),
    ("gssapi-data", Parameter::GssapiData),
    ("response", Parameter::Response),
    ("rspauth", Parameter::Rspauth),
    ("crand", Parameter::Crand),
    ("srand", Parameter::Srand),
    ("cnum", Parameter::Cnum),
    ("snum", Parameter::Snum),
];

/// A challenge or credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth<'a> {
    /// `NTLM`, `Kerberos`, `TLS-DSK` …
    pub scheme: &'a str,
    /// Their values, quotes taken off; of several of one name the first.
    values: [Option<&'a str>; PARAMETERS.len()],
}

impl<'a> Auth<'a> {
    /// Reads a header value; `None` where it has no scheme. Parameters up to the first damage, their names in any case.
    pub fn parse(value: &'a str) -> Option<Self> {
        let (scheme, rest) = word(value.trim_ascii_start())?;
        let mut auth = Self { scheme, values: [None; PARAMETERS.len()] };
        let mut rest = rest.trim_ascii_start();
        while let Some((name, value, after)) = parameter(rest) {
            if let Some((_, known)) = PARAMETERS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))
                && let Some(place) = auth.values.get_mut(*known as usize)
            {
                place.get_or_insert(value);
            }
            rest = after;
        }
        Some(auth)
    }

    /// The value of a parameter.
    pub fn parameter(&self, name: Parameter) -> Option<&'a str> {
        self.values.get(name as usize).copied().flatten()
    }
}

/// Splits before the first byte that ends a part.
fn split(input: &str, ends: impl Fn(&u8) -> bool) -> Option<(&str, &str)> {
    input.split_at_checked(input.as_bytes().iter().position(ends).unwrap_or(input.len()))
}

/// Takes what comes before any blank, `=`, `,` or `"`; `None` where nothing does.
fn word(input: &str) -> Option<(&str, &str)> {
    split(input, |byte| byte.is_ascii_whitespace() || matches!(byte, b'=' | b',' | b'"'))
        .filter(|(word, _)| !word.is_empty())
}

/// Takes `name="value"` or `name=value` and the commas behind it; base64 inside the quotes has `=` of its own.
fn parameter(input: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = word(input)?;
    let rest = rest.trim_ascii_start().strip_prefix('=')?.trim_ascii_start();
    let quoted = rest.strip_prefix('"').and_then(|inside| {
        let (value, rest) = inside.split_at_checked(memchr(b'"', inside.as_bytes())?)?;
        Some((value, rest.get(1..)?))
    });
    let separates = |byte: &u8| *byte == b',' || byte.is_ascii_whitespace();
    let (value, rest) = quoted.or_else(|| split(rest, separates))?;
    let (_, rest) = split(rest, |byte| !separates(byte))?;
    Some((name, value, rest))
}

/// For the fuzzer: any text.
pub fn fuzz(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(auth) = Auth::parse(&text) {
        assert!(auth.values.iter().flatten().map(|value| value.len()).sum::<usize>() < text.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge() {
        let value = "TLS-DSK Realm=\"SIP Communications Service\", gssapi-data=\"FgMBAA==\",version=4 , opaque=\"\"";
        let auth = Auth::parse(value).unwrap();
        assert_eq!(auth.scheme, "TLS-DSK");
        assert_eq!(auth.parameter(Parameter::Realm), Some("SIP Communications Service"));
        assert_eq!(auth.parameter(Parameter::GssapiData), Some("FgMBAA=="));
        assert_eq!((auth.parameter(Parameter::Version), auth.parameter(Parameter::Opaque)), (Some("4"), Some("")));
        assert_eq!(auth.parameter(Parameter::Crand), None);
        assert_eq!(Auth::parse("NTLM").unwrap().values, [None; PARAMETERS.len()]);
        assert_eq!(Auth::parse(""), None);
        fuzz(value.as_bytes());
    }

    #[track_caller]
    fn check(value: &str, realm: Option<&str>, version: Option<&str>) {
        let auth = Auth::parse(value).unwrap();
        let found = [Parameter::Realm, Parameter::Version].map(|name| auth.parameter(name));
        assert_eq!(found, [realm, version], "{value}");
        fuzz(value.as_bytes());
    }

    #[test]
    fn odd_parameters() {
        check("X realm=a,version=4", Some("a"), Some("4"));
        check(" X\trealm = a\t,, version\r\n =\t4", Some("a"), Some("4"));
        check("X realm=\"a, version=4", Some("\"a"), Some("4"));
        check("X realm=a realm=b version=", Some("a"), Some(""));
        check("X realm=\"a\"version=4", Some("a"), Some("4"));
        check("X realm, version=4", None, None);
        check("X, realm=a", None, None);
        check("X =a, version=4", None, None);
        check("X=realm=a", None, None);
        check("Xé realm=é\u{a0}ß,version=ß", Some("é\u{a0}ß"), Some("ß"));
        for name in PARAMETERS.map(|(name, _)| name) {
            let value = format!("X {}=1", name.to_uppercase());
            let known = PARAMETERS.iter().find(|(known, _)| *known == name).unwrap().1;
            assert_eq!(Auth::parse(&value).unwrap().parameter(known), Some("1"));
        }
    }
}
