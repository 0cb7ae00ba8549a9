//! Challenges and credentials of SIP authentication ([MS-SIPAE] §2.2, RFC 7235): a scheme and its parameters.

use crate::wire::fields::split_at_byte;

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
    Stale,
}

/// How many there are.
const PARAMETERS: usize = Parameter::Stale as usize + 1;

impl Parameter {
    /// The parameter of that name, in any case.
    fn named(name: &str) -> Option<Self> {
        // By length first, and most are written like this: few comparisons decide.
        let is = |known: &str| name == known || name.eq_ignore_ascii_case(known);
        Some(match name.len() {
            4 if is("cnum") => Self::Cnum,
            4 if is("snum") => Self::Snum,
            5 if is("realm") => Self::Realm,
            5 if is("crand") => Self::Crand,
            5 if is("srand") => Self::Srand,
            5 if is("stale") => Self::Stale,
            6 if is("opaque") => Self::Opaque,
            7 if is("version") => Self::Version,
            7 if is("sts-uri") => Self::StsUri,
            7 if is("rspauth") => Self::Rspauth,
            8 if is("response") => Self::Response,
            10 if is("targetname") => Self::TargetName,
            11 if is("gssapi-data") => Self::GssapiData,
            _ => return None,
        })
    }
}

/// A challenge or credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth<'a> {
    /// `NTLM`, `Kerberos`, `TLS-DSK` …
    pub scheme: &'a str,
    /// Their values, quotes taken off; of several of one name the first.
    values: [Option<&'a str>; PARAMETERS],
}

impl<'a> Auth<'a> {
    /// Reads a header value; `None` where it has no scheme. Parameters up to the first damage, their names in any case.
    pub fn parse(value: &'a str) -> Option<Self> {
        let (scheme, rest) = word(skip(value, BLANK))?;
        let mut auth = Self { scheme, values: [None; PARAMETERS] };
        let mut rest = skip(rest, BLANK);
        while let Some((name, value, after)) = parameter(rest) {
            if let Some(known) = Parameter::named(name)
                && let Some(place) = auth.values.get_mut(known as usize)
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

/// A class of bytes: blanks.
const BLANK: u8 = 1;
/// What stands between parameters: blanks and commas.
const SEPARATOR: u8 = 2;
/// What ends a word: those, `=` and `"`.
const WORD_END: u8 = 4;

/// The classes of each byte.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut rest: &mut [u8] = &mut classes;
    let mut byte = 0_u8;
    while let Some((class, after)) = rest.split_first_mut() {
        *class = match byte {
            b' ' | b'\t' | b'\n' | b'\x0c' | b'\r' => BLANK | SEPARATOR | WORD_END,
            b',' => SEPARATOR | WORD_END,
            b'=' | b'"' => WORD_END,
            _ => 0,
        };
        byte = byte.wrapping_add(1);
        rest = after;
    }
    classes
};

/// Whether a byte is of a class.
fn is_of(byte: u8, class: u8) -> bool {
    CLASSES.get(usize::from(byte)).is_some_and(|classes| classes & class > 0)
}

/// Splits before the first byte of a class.
fn split(input: &str, class: u8) -> Option<(&str, &str)> {
    input.split_at_checked(input.bytes().position(|byte| is_of(byte, class)).unwrap_or(input.len()))
}

/// What begins with the first byte that is of another class.
fn skip(input: &str, class: u8) -> &str {
    let begins = input.bytes().position(|byte| !is_of(byte, class)).unwrap_or(input.len());
    input.get(begins..).unwrap_or_default()
}

/// Takes what comes before what ends a word; `None` where nothing does.
fn word(input: &str) -> Option<(&str, &str)> {
    split(input, WORD_END).filter(|(word, _)| !word.is_empty())
}

/// Takes `name="value"` or `name=value` and the commas behind it; base64 inside the quotes has `=` of its own.
fn parameter(input: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = word(input)?;
    let rest = skip(skip(rest, BLANK).strip_prefix('=')?, BLANK);
    let quoted = rest.strip_prefix('"').and_then(|inside| split_at_byte(inside, b'"'));
    let (value, rest) = quoted.or_else(|| split(rest, SEPARATOR))?;
    Some((name, value, skip(rest, SEPARATOR)))
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
        assert_eq!(Auth::parse("NTLM").unwrap().values, [None; PARAMETERS]);
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
    }

    #[test]
    fn each_name_has_its_place() {
        use Parameter as P;
        let all = [P::Realm, P::TargetName, P::Version, P::Opaque, P::StsUri, P::GssapiData];
        let all = all.iter().chain(&[P::Response, P::Rspauth, P::Crand, P::Srand, P::Cnum, P::Snum, P::Stale]);
        let names = "realm targetname version opaque sts-uri gssapi-data response rspauth crand srand cnum snum stale";
        assert_eq!(names.split(' ').count(), PARAMETERS);
        for (&known, name) in all.zip(names.split(' ')) {
            let value = format!("X a=0, {}=1, {name}=2, {name}x=3", name.to_uppercase());
            let auth = Auth::parse(&value).unwrap();
            assert_eq!(auth.parameter(known), Some("1"), "{name}");
            assert_eq!(auth.values.iter().flatten().count(), 1, "{name}");
        }
    }
}
