//! The TLS handshake inside TLS-DSK authentication ([MS-SIPAE] §3.2): flights in `gssapi-data`.
//!
//! In: SIP messages. Out: for each that carries a flight, the handshake messages in it by name, version
//! and suite, the sender's certificate, and whether the keys open the session. The inner session is
//! not the outer one: it has its own randoms, certificates and keys.

use std::borrow::Cow;

use crate::crypto::dsk::SigningKeys;
use crate::crypto::suites::Suite;
use crate::crypto::{KeyStore, Secret, master};
use crate::model::tls::{Certificate, CipherSuite, ClientHello, KeySource, NotOpened, ServerHello, TlsVersion};
use crate::model::{Both, Direction};
use crate::wire::certificate;
use crate::wire::tls::{self, content, handshake};

/// What one message carries of the inner handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flight {
    /// Handshake messages and what else is in it, by name.
    pub messages: Vec<Cow<'static, str>>,
    /// Version, once it is chosen.
    pub version: Option<TlsVersion>,
    /// Suite, once it is chosen.
    pub suite: Option<CipherSuite>,
    /// The sender's certificate.
    pub certificate: Option<Certificate>,
    /// Names of the authorities of which the server takes certificates; the first ones.
    pub authorities: Vec<String>,
    /// What opened the session, on the flight that made it possible.
    pub opened: Option<KeySource>,
    /// Why nothing did.
    pub not_opened: Option<NotOpened>,
}

/// One inner session.
#[derive(Debug, Default)]
pub struct Inner {
    client: Option<ClientHello>,
    server: Option<ServerHello>,
    server_certificate: Option<Certificate>,
    transcript: Vec<u8>,
    partial: Both<Vec<u8>>,
    encrypts: Both<bool>,
    chosen: Option<(TlsVersion, CipherSuite)>,
    tried: bool,
    /// What messages are signed with, where a key opened the session.
    pub keys: Option<SigningKeys>,
    /// The inner master secret, where a key opened the session.
    pub master: Option<Secret>,
}

/// Longest handshake of a side that is kept: chains and lists of authorities of Windows stay below 32 KiB.
const LONGEST: usize = 64 << 10;

/// About the most that a session holds during its handshake: a transcript and a partial message of each side.
pub const LARGEST: usize = 4 * LONGEST;

/// Most messages of a flight that are named: a full handshake has ten.
const MOST_MESSAGES: usize = 32;

/// Most authorities that are named.
const MOST_AUTHORITIES: usize = 16;

/// Whether a token begins a new session, whatever was before: a client hello.
pub fn begins(token: &[u8]) -> bool {
    matches!(token, [content::HANDSHAKE, _, _, _, _, handshake::CLIENT_HELLO, ..])
}

impl Inner {
    /// Takes the token of a message.
    pub fn flight(&mut self, direction: Direction, token: &[u8], keys: &KeyStore) -> Flight {
        let mut flight = Flight::default();
        let mut rest = token;
        while let Some(header) = tls::record_header(rest).filter(tls::RecordHeader::is_plausible) {
            let Some(fragment) = rest.get(tls::RECORD_HEADER..tls::RECORD_HEADER + header.length) else { break };
            rest = rest.get(tls::RECORD_HEADER + header.length..).unwrap_or_default();
            self.record(direction, header.kind, fragment, keys, &mut flight);
        }
        if !rest.is_empty() {
            flight.messages.push("bytes that are no TLS record".into());
        }
        if self.tried {
            // What is kept for long is small.
            self.partial = Both::default();
        }
        if let Some((version, suite)) = self.chosen {
            (flight.version, flight.suite) = (Some(version), Some(suite));
        }
        flight
    }

    /// Whether its handshake is under way, so that it is large.
    pub const fn is_large(&self) -> bool {
        !self.tried
    }

    fn record(&mut self, direction: Direction, kind: u8, fragment: &[u8], keys: &KeyStore, flight: &mut Flight) {
        let encrypted = *self.encrypts.of(direction);
        match kind {
            content::CHANGE_CIPHER_SPEC => {
                *self.encrypts.of_mut(direction) = true;
                flight.name("change_cipher_spec");
                if !self.tried && direction == Direction::In {
                    // No key exchange came before: the session is resumed, and only a key log opens it.
                    self.open(None, keys, flight);
                }
            }
            content::HANDSHAKE if encrypted => flight.name("finished"),
            content::HANDSHAKE => self.handshake(direction, fragment, keys, flight),
            content::ALERT => match tls::alert(fragment).filter(|_| !encrypted) {
                Some(alert) => flight.name(format!("alert {}", alert.name())),
                None => flight.name("encrypted alert"),
            },
            _ => flight.name("application data"),
        }
    }

    fn handshake(&mut self, direction: Direction, fragment: &[u8], keys: &KeyStore, flight: &mut Flight) {
        let mut bytes = std::mem::take(self.partial.of_mut(direction));
        if bytes.len() + fragment.len() > LONGEST {
            return;
        }
        bytes.extend_from_slice(fragment);
        let mut rest = bytes.as_slice();
        while let Some((message, after)) = tls::take_handshake(rest) {
            rest = after;
            self.message(direction, &message, keys, flight);
        }
        let read = bytes.len() - rest.len();
        bytes.drain(..read);
        *self.partial.of_mut(direction) = bytes;
    }

    fn message(&mut self, direction: Direction, message: &tls::Handshake<'_>, keys: &KeyStore, flight: &mut Flight) {
        flight.name(name(message.kind));
        if !self.tried && self.transcript.len() + message.whole.len() <= 2 * LONGEST {
            self.transcript.extend_from_slice(message.whole);
        }
        match message.kind {
            handshake::CLIENT_HELLO => self.client = tls::client_hello(message.body),
            handshake::SERVER_HELLO => {
                self.server = tls::server_hello(message.body);
                let chosen = |server: &ServerHello| (TlsVersion(server.version), CipherSuite(server.suite));
                self.chosen = self.server.as_ref().map(chosen);
            }
            handshake::CERTIFICATE => {
                let own = tls::certificates(message.body, false).first().and_then(|der| certificate::parse(der));
                flight.certificate.clone_from(&own);
                if direction == Direction::In {
                    self.server_certificate = own;
                }
            }
            handshake::CERTIFICATE_REQUEST => {
                let tls12 = self.chosen.is_some_and(|(version, _)| version >= TlsVersion::TLS12);
                let names = tls::certificate_authorities(message.body, tls12);
                flight.authorities = names.into_iter().take(MOST_AUTHORITIES).filter_map(certificate::name).collect();
            }
            handshake::CLIENT_KEY_EXCHANGE if !self.tried => self.open(Some(message.body), keys, flight),
            _ => {}
        }
    }

    /// Looks for the key of the session, once its key exchange is complete. What only the handshake needed goes.
    fn open(&mut self, key_exchange: Option<&[u8]>, keys: &KeyStore, flight: &mut Flight) {
        self.tried = true;
        let (client, server) = (self.client.take(), self.server.take());
        let (certificate, transcript) = (self.server_certificate.take(), std::mem::take(&mut self.transcript));
        let (Some(client), Some(server)) = (client, server) else {
            flight.not_opened = Some(NotOpened::NoHandshake);
            return;
        };
        let (version, suite) = (TlsVersion(server.version), CipherSuite(server.suite));
        let Some(suite) = Suite::of(suite) else {
            flight.not_opened = Some(NotOpened::Suite(suite));
            return;
        };
        let handshake = master::Handshake {
            client: &client,
            server: &server,
            suite: &suite,
            version,
            certificate: certificate.as_ref(),
            encrypted_premaster: key_exchange.and_then(|body| tls::encrypted_premaster(body, false)),
            transcript: key_exchange.is_some().then_some(&transcript),
        };
        match master::find(&handshake, keys) {
            Ok((master, source)) => {
                self.keys = Some(SigningKeys::derive(suite.prf(version), &master, &client.random, &server.random));
                self.master = Some(master);
                flight.opened = Some(source);
            }
            Err(why) => flight.not_opened = Some(why),
        }
    }
}

impl Flight {
    fn name(&mut self, name: impl Into<Cow<'static, str>>) {
        if self.messages.len() < MOST_MESSAGES {
            self.messages.push(name.into());
        }
    }
}

/// A handshake message by the name that RFC 5246 §7.4 gives it.
const fn name(kind: u8) -> &'static str {
    match kind {
        handshake::HELLO_REQUEST => "hello_request",
        handshake::CLIENT_HELLO => "client_hello",
        handshake::SERVER_HELLO => "server_hello",
        handshake::NEW_SESSION_TICKET => "new_session_ticket",
        handshake::CERTIFICATE => "certificate",
        handshake::SERVER_KEY_EXCHANGE => "server_key_exchange",
        handshake::CERTIFICATE_REQUEST => "certificate_request",
        handshake::SERVER_HELLO_DONE => "server_hello_done",
        handshake::CERTIFICATE_VERIFY => "certificate_verify",
        handshake::CLIENT_KEY_EXCHANGE => "client_key_exchange",
        handshake::FINISHED => "finished",
        _ => "unknown handshake message",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of one handshake message.
    fn record(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = |bytes: usize| u16::try_from(bytes).unwrap().to_be_bytes();
        let message = [&[kind, 0], &length(body.len())[..], body].concat();
        [&[content::HANDSHAKE, 3, 1], &length(message.len())[..], &message].concat()
    }

    #[track_caller]
    fn check(inner: &mut Inner, token: &[u8], messages: &[&str]) -> Flight {
        let flight = inner.flight(Direction::In, token, &KeyStore::default());
        assert_eq!(flight.messages, messages);
        flight
    }

    #[test]
    fn a_request_names_the_authorities_it_accepts() {
        // CN=Communications Server, DC=test
        let one = b"\x30\x20\x31\x1e\x30\x1c\x06\x03\x55\x04\x03\x0c\x15Communications Server";
        let other = b"\x30\x16\x31\x14\x30\x12\x06\x0a\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19\x16\x04test";
        let list = [&[0, 34][..], one, &[0, 24], other, &[0, 2, 1, 2]].concat();
        let body = [&[1, 1, 0, u8::try_from(list.len()).unwrap()][..], &list].concat();
        let flight = check(&mut Inner::default(), &record(13, &body), &["certificate_request"]);
        assert_eq!(flight.authorities, ["CN=Communications Server", "DC=test"]);
        let many = [&[1, 1, 0, 36 * 7][..], &[&[0, 34][..], one].concat().repeat(7)].concat();
        assert_eq!(check(&mut Inner::default(), &record(13, &many), &["certificate_request"]).authorities.len(), 7);
    }

    #[test]
    fn an_alert_says_its_name() {
        let alert = [content::ALERT, 3, 1, 0, 2, 2, 48];
        check(&mut Inner::default(), &alert, &["alert unknown_ca"]);
        let mut inner = Inner::default();
        check(&mut inner, &[&[20, 3, 1, 0, 1, 1][..], &alert].concat(), &["change_cipher_spec", "encrypted alert"]);
        check(&mut Inner::default(), b"\x16\x03\x01", &["bytes that are no TLS record"]);
    }

    #[test]
    fn a_session_stays_small() {
        let mut inner = Inner::default();
        // Messages that claim 64 KiB and never end, and a great many of them.
        let endless = [22, 3, 1, 0, 4, 11, 0, 0xff, 0xff];
        check(&mut inner, &endless.repeat(20_000), &[]);
        assert!(inner.partial.r#in.len() <= LONGEST && inner.transcript.len() <= 2 * LONGEST);
        let flight = inner.flight(Direction::Out, &record(11, b"").repeat(60_000), &KeyStore::default());
        assert_eq!(flight.messages.len(), MOST_MESSAGES);
        assert!(inner.is_large() && inner.transcript.len() <= 2 * LONGEST);
        inner.flight(Direction::Out, &record(16, b""), &KeyStore::default());
        assert!(!inner.is_large() && inner.transcript.is_empty() && inner.partial.r#in.is_empty());
    }
}
