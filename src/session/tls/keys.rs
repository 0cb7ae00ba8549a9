//! From what a handshake shows and the keys that were given to ciphers for both directions.

use crate::crypto::suites::Suite;
use crate::crypto::{KeyStore, Secret, master};
use crate::model::tls::{
    Certificate, CipherSuite, ClientHello, KeySource, NotOpened, SecretLabel, ServerHello, TlsVersion,
};
use crate::model::{FlowKey, Recent};
use crate::session::tls::cipher::{self, RecordCipher};
use crate::wire::tls;
use std::net::IpAddr;
use std::sync::Arc;

/// Sessions that may be resumed: by the pair of addresses, and session id or ticket.
pub struct Resumptions(Recent<SessionKey, (Secret, KeySource)>);

/// Client, server, and session id or ticket.
type SessionKey = (IpAddr, IpAddr, Box<[u8]>);

impl Resumptions {
    /// Remembers at least `limit` sessions.
    pub fn new(limit: usize) -> Self {
        Self(Recent::new(limit))
    }

    fn key(flow: &FlowKey, id: &[u8]) -> SessionKey {
        (flow.client.ip(), flow.server.ip(), id.into())
    }

    /// Remembers the master secret of a session.
    pub fn remember(&mut self, flow: &FlowKey, id: &[u8], master: &Secret, source: &KeySource) {
        if !id.is_empty() {
            self.0.insert(Self::key(flow, id), (Secret::new(master.expose()), source.clone()));
        }
    }

    /// The master secret of a session.
    pub fn master(&mut self, flow: &FlowKey, id: &[u8]) -> Option<(Secret, KeySource)> {
        let (secret, source) = self.0.get_mut(&Self::key(flow, id))?;
        Some((Secret::new(secret.expose()), format!("the session it resumes ({source})").into()))
    }
}

/// What a handshake has shown so far.
#[derive(Default)]
pub struct Shown {
    /// Client's hello.
    pub client: Option<ClientHello>,
    /// Server's hello.
    pub server: Option<ServerHello>,
    /// Server's certificate.
    pub certificate: Option<Arc<Certificate>>,
    /// Body of the client key exchange.
    pub key_exchange: Option<Vec<u8>>,
    /// Messages up to the client key exchange, for the extended master secret.
    pub transcript: Vec<u8>,
    /// Ticket that the server sent.
    pub ticket: Option<Vec<u8>>,
    /// Bytes of the handshake are missing.
    pub broken: bool,
}

/// Longest transcript that is kept: two chains of certificates.
const LONGEST_TRANSCRIPT: usize = 2 * tls::LONGEST_HANDSHAKE;

impl Shown {
    /// Adds a handshake message to the transcript.
    pub fn transcribe(&mut self, message: &[u8]) {
        if self.key_exchange.is_none() && self.transcript.len() + message.len() <= LONGEST_TRANSCRIPT {
            self.transcript.extend_from_slice(message);
        }
    }

    /// The handshake as the master secret is found by.
    fn handshake<'a>(
        &'a self,
        client: &'a ClientHello,
        server: &'a ServerHello,
        suite: &'a Suite,
    ) -> master::Handshake<'a> {
        master::Handshake {
            client,
            server,
            suite,
            version: self.version(),
            certificate: self.certificate.as_deref(),
            encrypted_premaster: self.key_exchange.as_deref().and_then(|body| tls::encrypted_premaster(body, false)),
            transcript: (!self.broken).then_some(&self.transcript),
        }
    }

    /// Version that both agreed on.
    pub fn version(&self) -> TlsVersion {
        TlsVersion(self.server.as_ref().map_or(0, |hello| hello.version))
    }

    /// Suite that both agreed on.
    pub fn suite(&self) -> CipherSuite {
        CipherSuite(self.server.as_ref().map_or(0, |hello| hello.suite))
    }

    /// Whether an earlier session is resumed: no certificate, no key exchange, and something to resume with.
    pub fn is_resumed(&self) -> bool {
        let (Some(client), Some(server)) = (&self.client, &self.server) else { return false };
        if self.version() >= TlsVersion::TLS13 {
            return server.pre_shared_key;
        }
        let offered = client.ticket.is_some() || !client.session_id.is_empty();
        offered && self.key_exchange.is_none() && self.certificate.is_none()
    }
}

/// Ciphers of both directions, client's first, with what is needed to resume the session.
pub struct Keys {
    /// Client's records.
    pub client: Box<dyn RecordCipher>,
    /// Server's records.
    pub server: Box<dyn RecordCipher>,
    /// Master secret.
    pub master: Secret,
    /// Where it came from.
    pub source: KeySource,
}

/// Derives the keys of a session up to TLS 1.2.
///
/// # Errors
/// Says why the session stays closed.
pub fn derive(
    shown: &Shown,
    flow: &FlowKey,
    keys: &KeyStore,
    resumptions: &mut Resumptions,
) -> Result<Keys, NotOpened> {
    let (Some(client), Some(server)) = (&shown.client, &shown.server) else { return Err(NotOpened::NoHandshake) };
    let version = shown.version();
    if version < TlsVersion::TLS10 {
        return Err(NotOpened::Version(version));
    }
    let suite = Suite::of(shown.suite()).ok_or(NotOpened::Suite(shown.suite()))?;
    let (master, source) = match resumed_master(shown, (client, server), flow, keys, resumptions) {
        Some(found) => found?,
        None => master::find(&shown.handshake(client, server, &suite), keys)?,
    };
    let (mac, key, iv) = cipher::key_block_lengths(&suite, version);
    let mut block = vec![0; 2 * (mac + key + iv)];
    let seed = [server.random, client.random].concat();
    suite.prf(version).expand(master.expose(), b"key expansion", &seed, &mut block);
    let mut rest = block.as_slice();
    let mut cut = |length: usize| {
        let (piece, after) = rest.split_at_checked(length).unwrap_or_default();
        rest = after;
        piece
    };
    let macs = [cut(mac), cut(mac)];
    let ciphers = [cut(key), cut(key)];
    let ivs = [cut(iv), cut(iv)];
    let etm = server.encrypt_then_mac;
    let make = |side: usize| {
        let material = (*macs.get(side)?, *ciphers.get(side)?, *ivs.get(side)?);
        cipher::tls12(&suite, version, etm, material)
    };
    let (Some(client), Some(server)) = (make(0), make(1)) else { return Err(NotOpened::Suite(shown.suite())) };
    Ok(Keys { client, server, master, source })
}

/// The master secret of a session that resumes another; `None` where it is not resumed, or in a key log.
fn resumed_master(
    shown: &Shown,
    (client, server): (&ClientHello, &ServerHello),
    flow: &FlowKey,
    keys: &KeyStore,
    resumptions: &mut Resumptions,
) -> Option<Result<(Secret, KeySource), NotOpened>> {
    if !shown.is_resumed() || keys.secret(SecretLabel::ClientRandom, &client.random).is_some() {
        return None;
    }
    let ids = [Some(&server.session_id), client.ticket.as_ref(), Some(&client.session_id)];
    for id in ids.into_iter().flatten().filter(|id| !id.is_empty()) {
        if let Some(found) = resumptions.master(flow, id) {
            return Some(Ok(found));
        }
        if let Some((secret, source)) = keys.secret(SecretLabel::SessionId, id) {
            return Some(Ok((Secret::new(secret.expose()), source)));
        }
    }
    let why = if keys.is_empty() { NotOpened::NoKeys { rsa_would_do: false } } else { NotOpened::ResumedUnknown };
    Some(Err(why))
}
