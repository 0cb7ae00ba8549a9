//! What the numbers and words mean that servers, clients and Windows give as a reason.
//!
//! One table a file, each sorted by number. Holds text only: what a message says is read in `wire`,
//! what it means for a sign-in is decided above.

pub mod diagnostics;
pub mod dns;
pub mod event_log;
pub mod hresult;
pub mod http_status;
pub mod kerberos;
pub mod registration;
pub mod sip_status;
pub mod tls_alert;
pub mod win32;
pub mod winsock;

use std::fmt;

/// Whose numbers they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CodeKind {
    /// Error id of an `ms-diagnostics` header ([MS-OCER] §2.2.1).
    Diagnostics,
    /// SIP status (RFC 3261 §21).
    Sip,
    /// HTTP status (RFC 9110 §15).
    Http,
    /// TLS alert (IANA "TLS Alerts").
    TlsAlert,
    /// HRESULT ([MS-ERREF] §2.1).
    Hresult,
    /// Windows Sockets error.
    Winsock,
    /// Win32 error ([MS-ERREF] §2.2).
    Win32,
    /// Kerberos error (RFC 4120 §7.5.9, RFC 4556).
    Kerberos,
    /// DNS response code (IANA "DNS RCODEs").
    Dns,
    /// Id in the event log of a client or a server.
    Event,
    /// Event of a `text/registration-event` body ([MS-SIPREGE]); a word, its number is 0.
    Registration,
}

impl CodeKind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::Diagnostics,
        Self::Sip,
        Self::Http,
        Self::TlsAlert,
        Self::Hresult,
        Self::Winsock,
        Self::Win32,
        Self::Kerberos,
        Self::Dns,
        Self::Event,
        Self::Registration,
    ];

    /// As text for people says it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Diagnostics => "ms-diagnostics",
            Self::Sip => "SIP status",
            Self::Http => "HTTP status",
            Self::TlsAlert => "TLS alert",
            Self::Hresult => "HRESULT",
            Self::Winsock => "Winsock error",
            Self::Win32 => "Win32 error",
            Self::Kerberos => "Kerberos error",
            Self::Dns => "DNS response code",
            Self::Event => "event",
            Self::Registration => "registration event",
        }
    }

    /// What is known of this kind, in the order of the numbers.
    pub fn table(self) -> &'static [Code] {
        match self {
            Self::Diagnostics => &diagnostics::TABLE,
            Self::Sip => &sip_status::TABLE,
            Self::Http => &http_status::TABLE,
            Self::TlsAlert => &tls_alert::TABLE,
            Self::Hresult => &hresult::TABLE,
            Self::Winsock => &winsock::TABLE,
            Self::Win32 => &win32::TABLE,
            Self::Kerberos => &kerberos::TABLE,
            Self::Dns => &dns::TABLE,
            Self::Event => &event_log::TABLE,
            Self::Registration => &registration::TABLE,
        }
    }

    /// The entry of that number in the table.
    pub fn find(self, number: u32) -> Option<Code> {
        let table = self.table();
        let index = table.binary_search_by_key(&number, |code| code.number).ok()?;
        table.get(index).copied()
    }
}

/// A code and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// Whose number it is.
    pub kind: CodeKind,
    /// The number.
    pub number: u32,
    /// Its name; of an `ms-diagnostics` id the component, of an event the source.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What to do, where something can be done.
    pub fix: Option<&'static str>,
    /// Whether a source confirms the meaning; else it is to be shown as "probably".
    pub certain: bool,
}

impl Code {
    const fn new(kind: CodeKind, number: u32, name: &'static str, meaning: &'static str) -> Self {
        Self { kind, number, name, meaning, fix: None, certain: true }
    }

    const fn fix(mut self, fix: &'static str) -> Self {
        self.fix = Some(fix);
        self
    }

    const fn probably(mut self) -> Self {
        self.certain = false;
        self
    }
}

impl fmt::Display for Code {
    /// `SIP status 403 Forbidden`, `HRESULT 0x80090322 SEC_E_WRONG_PRINCIPAL`, `ms-diagnostics 4005 (user services)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (title, number, name) = (self.kind.title(), self.number, self.name);
        match self.kind {
            CodeKind::Hresult => write!(f, "{title} {number:#010x} {name}"),
            CodeKind::Diagnostics | CodeKind::Event => write!(f, "{title} {number} ({name})"),
            CodeKind::Registration => write!(f, "{title} {name}"),
            _ => write!(f, "{title} {number} {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_order(table: &[Code], key: fn(&Code) -> (u32, &'static str)) {
        for pair in table.windows(2) {
            assert!(key(&pair[0]) < key(&pair[1]), "{} and {}", pair[0], pair[1]);
        }
    }

    #[test]
    fn tables_are_in_order_and_have_text() {
        for kind in CodeKind::ALL {
            let table = kind.table();
            assert!(!table.is_empty(), "{kind:?}");
            // A number stands once; words, which have none, by their names.
            let by_number = kind != CodeKind::Registration;
            check_order(table, if by_number { |code| (code.number, "") } else { |code| (code.number, code.name) });
            for code in table {
                assert_eq!(code.kind, kind, "{code}");
                assert!(!code.name.is_empty() && !code.meaning.is_empty(), "{code}");
                assert!(code.fix.is_none_or(|fix| !fix.is_empty()), "{code}");
                for text in [code.name, code.meaning].into_iter().chain(code.fix) {
                    assert_eq!(text, text.trim(), "{code}");
                    assert!(!text.contains("  ") && !text.ends_with('.'), "{code}: {text}");
                }
            }
        }
    }

    #[test]
    fn names_are_unique_where_they_are_looked_up() {
        let looked_up = [CodeKind::TlsAlert, CodeKind::Hresult, CodeKind::Winsock, CodeKind::Win32, CodeKind::Kerberos];
        for table in looked_up.map(CodeKind::table) {
            for (index, code) in table.iter().enumerate() {
                assert!(table[index + 1..].iter().all(|other| other.name != code.name), "{code}");
            }
        }
    }

    #[track_caller]
    fn check_display(code: Option<Code>, text: &str) {
        assert_eq!(code.unwrap().to_string(), text);
    }

    #[test]
    fn codes_print_by_their_kind() {
        check_display(CodeKind::Sip.find(403), "SIP status 403 Forbidden");
        check_display(CodeKind::Hresult.find(0x8009_0322), "HRESULT 0x80090322 SEC_E_WRONG_PRINCIPAL");
        check_display(CodeKind::Diagnostics.find(4005), "ms-diagnostics 4005 (user services)");
        check_display(CodeKind::Kerberos.find(7), "Kerberos error 7 KDC_ERR_S_PRINCIPAL_UNKNOWN");
        check_display(registration::of("rejected"), "registration event rejected");
        assert_eq!(CodeKind::Sip.find(999), None);
    }
}
