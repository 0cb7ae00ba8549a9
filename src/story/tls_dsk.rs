//! The TLS handshake inside TLS-DSK authentication ([MS-SIPAE] §3.2): flights in `gssapi-data`.
//!
//! In: SIP messages. Out: for each that carries a flight, the handshake messages in it by name, version
//! and suite, the sender's certificate, and whether the keys open the session. The inner session is
//! not the outer one: it has its own randoms, certificates and keys.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::crypto::dsk::SigningKeys;
use crate::crypto::suites::Suite;
use crate::crypto::{KeyStore, master};
use crate::model::sip::{HeaderName, SipMessage};
use crate::model::tls::{Certificate, CipherSuite, ClientHello, KeySource, NotOpened, ServerHello, TlsVersion};
use crate::model::{Direction, FlowKey, Recent};
use crate::wire::auth::Auth;
use crate::wire::certificate;
use crate::wire::tls::{self, content, handshake};

/// What one message carries of the inner handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flight {
    /// Handshake messages and what else is in it, by name.
    pub messages: Vec<&'static str>,
    /// Version, once it is chosen.
    pub version: Option<TlsVersion>,
    /// Suite, once it is chosen.
    pub suite: Option<CipherSuite>,
    /// The sender's certificate.
    pub certificate: Option<Certificate>,
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
    /// The user's certificate.
    pub client_certificate: Option<Certificate>,
    transcript: Vec<u8>,
    client_bytes: Vec<u8>,
    server_bytes: Vec<u8>,
    client_encrypts: bool,
    server_encrypts: bool,
    /// What messages are signed with, where a key opened the session.
    pub keys: Option<SigningKeys>,
    /// The inner master secret, where a key opened the session.
    pub master: Option<crate::crypto::Secret>,
}

/// The inner sessions of a capture, by flow and Call-ID.
pub struct TlsDsk {
    sessions: Recent<(FlowKey, Box<str>), Inner>,
}

/// Longest handshake of a side that is kept.
const LONGEST: usize = tls::LONGEST_HANDSHAKE;

impl TlsDsk {
    /// No sessions; remembers `limit`.
    pub fn new(limit: usize) -> Self {
        Self { sessions: Recent::new(limit) }
    }

    /// The session of a dialog.
    pub fn session(&self, flow: &FlowKey, call_id: &str) -> Option<&Inner> {
        self.sessions.peek(&(*flow, Box::from(call_id)))
    }

    /// Takes a SIP message; returns the flight that it carries.
    pub fn message(
        &mut self,
        flow: &FlowKey,
        direction: Direction,
        message: &SipMessage,
        keys: &KeyStore,
    ) -> Option<Flight> {
        let bytes = token(message)?;
        let call_id = message.header(HeaderName::CallId)?;
        let key = (*flow, Box::from(&*call_id));
        // A client hello begins a new session, whatever was before.
        let begins = matches!(bytes.as_slice(), [content::HANDSHAKE, _, _, _, _, handshake::CLIENT_HELLO, ..]);
        if begins || self.sessions.peek(&key).is_none() {
            self.sessions.insert((*flow, Box::from(&*call_id)), Inner::default());
        }
        let inner = self.sessions.get_mut(&key)?;
        Some(inner.flight(direction, &bytes, keys))
    }
}

/// The token of TLS-DSK in a message, decoded.
fn token(message: &SipMessage) -> Option<Vec<u8>> {
    use HeaderName as H;
    let carriers =
        [H::Authorization, H::ProxyAuthorization, H::WwwAuthenticate, H::ProxyAuthenticate, H::AuthenticationInfo];
    message.headers().filter(|header| carriers.contains(&header.id)).find_map(|header| {
        let auth = Auth::parse(&header.value)?;
        let data = auth.parameter("gssapi-data").filter(|data| !data.is_empty())?;
        auth.scheme.eq_ignore_ascii_case("TLS-DSK").then(|| STANDARD.decode(data).ok()).flatten()
    })
}

impl Inner {
    fn flight(&mut self, direction: Direction, token: &[u8], keys: &KeyStore) -> Flight {
        let mut flight = Flight::default();
        let mut rest = token;
        while let Some(header) = tls::record_header(rest).filter(tls::RecordHeader::is_plausible) {
            let Some(fragment) = rest.get(tls::RECORD_HEADER..tls::RECORD_HEADER + header.length) else { break };
            rest = rest.get(tls::RECORD_HEADER + header.length..).unwrap_or_default();
            self.record(direction, header.kind, fragment, keys, &mut flight);
        }
        if !rest.is_empty() {
            flight.messages.push("bytes that are no TLS record");
        }
        if let Some(server) = &self.server {
            flight.version = Some(TlsVersion(server.version));
            flight.suite = Some(CipherSuite(server.suite));
        }
        flight
    }

    fn record(&mut self, direction: Direction, kind: u8, fragment: &[u8], keys: &KeyStore, flight: &mut Flight) {
        let encrypts = match direction {
            Direction::Out => &mut self.client_encrypts,
            Direction::In => &mut self.server_encrypts,
        };
        match kind {
            content::CHANGE_CIPHER_SPEC => {
                *encrypts = true;
                flight.messages.push("change_cipher_spec");
            }
            content::HANDSHAKE if *encrypts => flight.messages.push("finished"),
            content::HANDSHAKE => self.handshake(direction, fragment, keys, flight),
            content::ALERT => flight.messages.push("alert"),
            _ => flight.messages.push("application data"),
        }
    }

    fn handshake(&mut self, direction: Direction, fragment: &[u8], keys: &KeyStore, flight: &mut Flight) {
        let bytes = match direction {
            Direction::Out => &mut self.client_bytes,
            Direction::In => &mut self.server_bytes,
        };
        if bytes.len() + fragment.len() > LONGEST {
            bytes.clear();
            return;
        }
        bytes.extend_from_slice(fragment);
        let bytes = std::mem::take(bytes);
        let mut rest = bytes.as_slice();
        while let Some((message, after)) = tls::take_handshake(rest) {
            rest = after;
            self.message(direction, &message, keys, flight);
        }
        let rest = rest.to_vec();
        match direction {
            Direction::Out => self.client_bytes = rest,
            Direction::In => self.server_bytes = rest,
        }
    }

    fn message(&mut self, direction: Direction, message: &tls::Handshake<'_>, keys: &KeyStore, flight: &mut Flight) {
        if self.transcript.len() + message.whole.len() <= 2 * LONGEST && message.kind != handshake::CERTIFICATE_VERIFY {
            self.transcript.extend_from_slice(message.whole);
        }
        flight.messages.push(name(message.kind));
        match message.kind {
            handshake::CLIENT_HELLO => self.client = tls::client_hello(message.body),
            handshake::SERVER_HELLO => self.server = tls::server_hello(message.body),
            handshake::CERTIFICATE => {
                let own = tls::certificates(message.body, false).first().and_then(|der| certificate::parse(der));
                flight.certificate.clone_from(&own);
                match direction {
                    Direction::Out => self.client_certificate = own,
                    Direction::In => self.server_certificate = own,
                }
            }
            handshake::CLIENT_KEY_EXCHANGE => self.open(message.body, keys, flight),
            _ => {}
        }
    }

    /// Looks for the key of the session, once its key exchange is complete.
    fn open(&mut self, key_exchange: &[u8], keys: &KeyStore, flight: &mut Flight) {
        let (Some(client), Some(server)) = (&self.client, &self.server) else {
            flight.not_opened = Some(NotOpened::NoHandshake);
            return;
        };
        let (version, suite) = (TlsVersion(server.version), CipherSuite(server.suite));
        let Some(suite) = Suite::of(suite) else {
            flight.not_opened = Some(NotOpened::Suite(suite));
            return;
        };
        let handshake = master::Handshake {
            client,
            server,
            suite: &suite,
            version,
            certificate: self.server_certificate.as_ref(),
            encrypted_premaster: tls::encrypted_premaster(key_exchange, false),
            transcript: Some(&self.transcript),
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
