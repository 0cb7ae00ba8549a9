//! `ms-diagnostics` header fields ([MS-OCER] §2.2.1): an error id, and what the server says of it.

/// One diagnosis of one hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics {
    /// Error id.
    pub id: u32,
    /// Its text.
    pub reason: Option<String>,
    /// The server that says it.
    pub source: Option<String>,
}

impl Diagnostics {
    /// Reads `4005;reason="…";source="…"` in any order of parameters; `None` without a number.
    /// A sub-code behind a full stop is passed over.
    pub fn parse(value: &str) -> Option<Self> {
        let digits: String = value.trim().chars().take_while(char::is_ascii_digit).collect();
        let id = digits.parse().ok()?;
        Some(Self { id, reason: parameter(value, "reason"), source: parameter(value, "source") })
    }
}

/// A parameter's value: quoted, also with the quotes that word processors make, or bare.
fn parameter(value: &str, name: &str) -> Option<String> {
    let lower = value.to_ascii_lowercase();
    let mut from = 0;
    while let Some(at) = lower.get(from..)?.find(name).map(|at| from + at) {
        let before = value.get(..at)?.trim_end();
        let after = value.get(at + name.len()..)?.trim_start();
        from = at + name.len();
        if !before.ends_with(';') {
            continue;
        }
        let Some(text) = after.strip_prefix('=').map(str::trim_start) else { continue };
        let quoted = text.strip_prefix(['"', '\u{201c}', '\u{201d}']);
        let end: &[char] = if quoted.is_some() { &['"', '\u{201c}', '\u{201d}'] } else { &[';'] };
        return quoted.unwrap_or(text).split(end).next().map(|text| text.trim().to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_the_header() {
        let found = Diagnostics::parse("4005;reason=\"Not enabled; sorry\";source=\"fe01.ex.test\"").unwrap();
        assert_eq!((found.id, found.reason.as_deref()), (4005, Some("Not enabled; sorry")));
        assert_eq!(found.source.as_deref(), Some("fe01.ex.test"));
        let found = Diagnostics::parse("1010.3 ; source = “edge” ;reason=bare").unwrap();
        assert_eq!((found.id, found.reason.as_deref(), found.source.as_deref()), (1010, Some("bare"), Some("edge")));
        assert_eq!(Diagnostics::parse("reason=\"x\""), None);
        assert_eq!(Diagnostics::parse("17").unwrap().reason, None);
    }
}
