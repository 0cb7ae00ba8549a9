//! What a TLS session shows without keys and with them.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::model::codes::Code;
use crate::model::codes::CodeKind;
use crate::model::packet::At;
use crate::model::suite_names::SUITE_NAMES;
use crate::model::time::{Span, Timestamp};

/// Protocol version as on the wire. Unknown numbers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TlsVersion(pub u16);

impl TlsVersion {
    /// SSL 2.0.
    pub const SSL2: Self = Self(0x0002);
    /// SSL 3.0 (RFC 6101).
    pub const SSL3: Self = Self(0x0300);
    /// TLS 1.0 (RFC 2246).
    pub const TLS10: Self = Self(0x0301);
    /// TLS 1.1 (RFC 4346).
    pub const TLS11: Self = Self(0x0302);
    /// TLS 1.2 (RFC 5246).
    pub const TLS12: Self = Self(0x0303);
    /// TLS 1.3 (RFC 8446).
    pub const TLS13: Self = Self(0x0304);
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::SSL2 => f.write_str("SSLv2"),
            Self::SSL3 => f.write_str("SSLv3"),
            Self::TLS10 => f.write_str("TLSv1.0"),
            Self::TLS11 => f.write_str("TLSv1.1"),
            Self::TLS12 => f.write_str("TLSv1.2"),
            Self::TLS13 => f.write_str("TLSv1.3"),
            Self(0x7f00..=0x7fff) => write!(f, "TLSv1.3-draft-{}", self.0 & 0xff),
            Self(other) => write!(f, "{other:#06x}"),
        }
    }
}

/// Cipher suite. Unknown numbers print in hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CipherSuite(pub u16);

impl CipherSuite {
    /// IANA's name, where it has one.
    pub fn name(self) -> Option<&'static str> {
        let index = SUITE_NAMES.binary_search_by_key(&self.0, |&(number, _)| number).ok()?;
        SUITE_NAMES.get(index).map(|&(_, name)| name)
    }
}

impl fmt::Display for CipherSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#06x}", self.0),
        }
    }
}

/// An alert (IANA "TLS Alerts").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Whether it ends the connection.
    pub fatal: bool,
    /// Number.
    pub description: u8,
}

impl Alert {
    /// Its name; unknown numbers as `alert_99`.
    pub fn name(self) -> Cow<'static, str> {
        self.code().map_or_else(|| format!("alert_{}", self.description).into(), |code| code.name.into())
    }

    /// What it means; empty where unknown.
    pub fn meaning(self) -> &'static str {
        self.code().map_or("", |code| code.meaning)
    }

    /// What to do about it, where something can be done.
    pub fn fix(self) -> Option<&'static str> {
        self.code()?.fix
    }

    /// Its entry in the table; `None` where unknown.
    pub fn code(self) -> Option<Code> {
        CodeKind::TlsAlert.find(self.description.into())
    }

    /// Whether it is the ordinary end of a session.
    pub const fn is_close_notify(self) -> bool {
        self.description == 0
    }
}

/// What a client offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an extension that is there or not")]
pub struct ClientHello {
    /// Highest version in the old field.
    pub legacy_version: u16,
    /// Versions in the extension of TLS 1.3, as offered.
    pub versions: Vec<u16>,
    /// Random.
    pub random: [u8; 32],
    /// Session to resume; empty where none.
    pub session_id: Vec<u8>,
    /// Suites in the client's order.
    pub suites: Vec<u16>,
    /// Server name.
    pub sni: Option<String>,
    /// Application protocols.
    pub alpn: Vec<String>,
    /// Ticket to resume with.
    pub ticket: Option<Vec<u8>>,
    /// Extended master secret (RFC 7627).
    pub extended_master_secret: bool,
    /// Encrypt-then-MAC (RFC 7366).
    pub encrypt_then_mac: bool,
    /// Early data of TLS 1.3 follows.
    pub early_data: bool,
    /// It came in the frame of SSL 2.0.
    pub sslv2_framed: bool,
}

impl ClientHello {
    /// Highest version offered, GREASE (RFC 8701) apart.
    pub fn version(&self) -> TlsVersion {
        let highest = self.versions.iter().copied().filter(|version| version & 0x0f0f != 0x0a0a).max();
        TlsVersion(highest.unwrap_or(self.legacy_version))
    }
}

/// What the server chose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an extension that is there or not")]
pub struct ServerHello {
    /// Version.
    pub version: u16,
    /// Random.
    pub random: [u8; 32],
    /// Session id; the client's own where that is resumed.
    pub session_id: Vec<u8>,
    /// Suite.
    pub suite: u16,
    /// Application protocol.
    pub alpn: Option<String>,
    /// Extended master secret.
    pub extended_master_secret: bool,
    /// Encrypt-then-MAC.
    pub encrypt_then_mac: bool,
    /// A ticket will come.
    pub ticket: bool,
    /// A pre-shared key of TLS 1.3 was accepted.
    pub pre_shared_key: bool,
    /// It asks for another hello (TLS 1.3).
    pub retry: bool,
}

/// An X.509 certificate, as far as a sign-in is judged by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Subject.
    pub subject: String,
    /// Issuer.
    pub issuer: String,
    /// DNS names, addresses and URIs of the subject alternative name.
    pub names: Vec<String>,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
    /// Kind of key: `RSA`, `EC` …
    pub key_kind: Cow<'static, str>,
    /// Bits of the key; 0 where unknown.
    pub key_bits: u32,
    /// Modulus of an RSA key, without leading zeros.
    pub modulus: Vec<u8>,
    /// Serial number, hex.
    pub serial: String,
    /// Subject and issuer are the same.
    pub self_signed: bool,
    /// Where to ask whether it was revoked: CRL distribution points and OCSP responders (RFC 5280 §4.2.1.13, §4.2.2.1).
    pub revocation: Vec<String>,
}

impl Certificate {
    fn weight(&self) -> usize {
        let names: usize = self.names.iter().chain(&self.revocation).map(|name| name.len() + 24).sum();
        size_of::<Self>() + self.subject.len() + self.issuer.len() + names + self.modulus.len() + self.serial.len()
    }
}

/// What a secret of a key log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecretLabel {
    /// Master secret up to TLS 1.2, by client random.
    ClientRandom,
    /// Premaster secret, by the first eight bytes of its encrypted form.
    Rsa,
    /// Premaster secret, by client random.
    Premaster,
    /// Master secret, by session id.
    SessionId,
    /// Early data of the client (TLS 1.3).
    ClientEarly,
    /// Handshake of the client (TLS 1.3).
    ClientHandshake,
    /// Handshake of the server (TLS 1.3).
    ServerHandshake,
    /// Application data of the client (TLS 1.3).
    ClientTraffic,
    /// Application data of the server (TLS 1.3).
    ServerTraffic,
}

/// Where a key came from, for people: `line 3 of login.keys`. Never the key.
pub type KeySource = Arc<str>;

/// Why a session stayed closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotOpened {
    /// No keys were given at all.
    NoKeys {
        /// The server's RSA key would do.
        rsa_would_do: bool,
    },
    /// Key logs were given, but none has this client random.
    NotInKeyLog {
        /// The client random.
        random: [u8; 32],
    },
    /// Only an RSA key was given, and the key exchange does not use it.
    Ephemeral,
    /// The RSA key given is another one.
    OtherCertificate,
    /// The handshake is not in the capture.
    NoHandshake,
    /// Resumed from a session that is not here.
    ResumedUnknown,
    /// The suite is not supported.
    Suite(CipherSuite),
    /// SSL 3.0 and older are named, not decrypted.
    Version(TlsVersion),
    /// Records do not verify with the key found.
    WrongKey(KeySource),
    /// The key log has the secrets of TLS 1.3 in part only.
    SecretMissing(&'static str),
    /// The key log got its line after the session's records were given up.
    KeysLate,
}

impl fmt::Display for NotOpened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKeys { rsa_would_do: true } => f.write_str("no key: the server's RSA key or a key log can open it"),
            Self::NoKeys { rsa_would_do: false } => f.write_str("no key: a key log can open it"),
            Self::NotInKeyLog { random } => {
                f.write_str("the key log has no line for client random ")?;
                random.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))?;
                f.write_str("…")
            }
            Self::Ephemeral => f.write_str("ephemeral key exchange, an RSA key cannot open it; a key log can"),
            Self::OtherCertificate => f.write_str("the RSA key is for another certificate"),
            Self::NoHandshake => f.write_str("the handshake is not in the capture"),
            Self::ResumedUnknown => f.write_str("resumed from a session that is not here"),
            Self::Suite(suite) => write!(f, "{suite} is not supported"),
            Self::Version(version) => write!(f, "{version} is not decrypted"),
            Self::WrongKey(source) => write!(f, "{source} does not fit: records fail their check"),
            Self::SecretMissing(label) => write!(f, "the key log has no {label} for it"),
            Self::KeysLate => f.write_str("keys came too late: its records are gone"),
        }
    }
}

/// A step in the life of a TLS session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsEvent {
    /// The client's offer.
    ClientHello(Box<ClientHello>),
    /// The server's choice.
    ServerHello(Box<ServerHello>),
    /// A chain as sent, own certificate first.
    Certificate(Vec<Arc<Certificate>>),
    /// The server asks for a client certificate.
    CertificateRequest,
    /// The handshake is over.
    Established {
        /// A session was resumed.
        resumed: bool,
        /// Not the first handshake of the connection.
        renegotiated: bool,
        /// From the client's hello.
        took: Span,
        /// What opened it, where something did.
        opened: Option<KeySource>,
        /// Version and suite.
        version: TlsVersion,
        /// Suite.
        suite: CipherSuite,
    },
    /// It stays closed.
    NotOpened(NotOpened),
    /// An alert; `None` where it is encrypted and cannot be read.
    Alert(Option<Alert>),
    /// The connection is over.
    Closed {
        /// Application data of client and server: records and bytes (ciphertext where it stayed closed).
        data: [(u64, u64); 2],
    },
}

impl TlsEvent {
    /// About how many bytes of memory it takes.
    pub fn weight(&self) -> usize {
        match self {
            Self::Certificate(chain) => chain.iter().map(|certificate| certificate.weight()).sum(),
            Self::ClientHello(hello) => 512 + hello.suites.len() * 2 + hello.ticket.as_ref().map_or(0, Vec::len),
            _ => 256,
        }
    }

    /// As rows and exports spell it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ClientHello(_) => "client-hello",
            Self::ServerHello(_) => "server-hello",
            Self::Certificate(_) => "certificate",
            Self::CertificateRequest => "certificate-request",
            Self::Established { renegotiated: true, .. } => "renegotiated",
            Self::Established { resumed: true, .. } => "resumed",
            Self::Established { .. } => "established",
            Self::NotOpened(_) => "not-opened",
            Self::Alert(_) => "alert",
            Self::Closed { .. } => "closed",
        }
    }
}

/// A TLS session as a whole.
#[derive(Clone, Debug, Default)]
pub struct TlsSession {
    /// The first record.
    pub began: Option<At>,
    /// Server name asked for.
    pub sni: Option<String>,
    /// Client random; zero where not seen.
    pub client_random: Option<[u8; 32]>,
    /// Highest version offered.
    pub offered: Option<TlsVersion>,
    /// Version chosen.
    pub version: Option<TlsVersion>,
    /// Suite chosen.
    pub suite: Option<CipherSuite>,
    /// Extended master secret.
    pub extended_master_secret: bool,
    /// Encrypt-then-MAC.
    pub encrypt_then_mac: bool,
    /// The server's own certificate.
    pub certificate: Option<Arc<Certificate>>,
    /// Resumed.
    pub resumed: bool,
    /// What opened it.
    pub opened: Option<KeySource>,
    /// Why nothing did.
    pub not_opened: Option<NotOpened>,
    /// Application data of client and server: records and bytes.
    pub data: [(u64, u64); 2],
    /// Records whose size is that of a SIP keep-alive (4 bytes of plaintext), where it stayed closed.
    pub keep_alives: u64,
    /// Records that failed their check.
    pub failed_records: u64,
    /// Records that could not be read after bytes were missing.
    pub unreadable_records: u64,
}

impl TlsSession {
    /// Whether anything was said in it.
    pub fn has_data(&self) -> bool {
        self.data.iter().any(|&(records, _)| records > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_names() {
        assert!(SUITE_NAMES.is_sorted_by_key(|&(number, _)| number));
        assert_eq!(CipherSuite(0xc02f).to_string(), "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
        assert_eq!(CipherSuite(0x0a0a).to_string(), "0x0a0a");
        assert_eq!(TlsVersion(0x0303).to_string(), "TLSv1.2");
        assert_eq!(Alert { fatal: true, description: 48 }.name(), "unknown_ca");
        assert_eq!(Alert { fatal: true, description: 99 }.name(), "alert_99");
        assert_eq!(Alert { fatal: true, description: 99 }.fix(), None);
    }

    #[test]
    fn the_offer_is_the_highest_version() {
        let hello =
            ClientHello { legacy_version: 0x303, versions: vec![0xdada, 0x304, 0x303], ..ClientHello::default() };
        assert_eq!(hello.version(), TlsVersion::TLS13);
    }
}
