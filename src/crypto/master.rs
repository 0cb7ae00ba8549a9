//! The master secret of a session up to TLS 1.2, from what its handshake shows and the keys given.
//!
//! The same for a TLS connection and for the TLS inside TLS-DSK authentication.

use crate::crypto::secret::Secret;
use crate::crypto::store::KeyStore;
use crate::crypto::suites::{KeyExchange, Suite};
use crate::model::tls::{Certificate, ClientHello, KeySource, NotOpened, SecretLabel, ServerHello, TlsVersion};

/// A full handshake.
#[derive(Clone, Copy, Debug)]
pub struct Handshake<'a> {
    /// Client's hello.
    pub client: &'a ClientHello,
    /// Server's hello.
    pub server: &'a ServerHello,
    /// Suite chosen.
    pub suite: &'a Suite,
    /// Version chosen.
    pub version: TlsVersion,
    /// Server's certificate.
    pub certificate: Option<&'a Certificate>,
    /// Premaster secret as the client sent it, where the key exchange is RSA.
    pub encrypted_premaster: Option<&'a [u8]>,
    /// All messages up to and with the client key exchange; `None` where some are missing.
    pub transcript: Option<&'a Vec<u8>>,
}

/// Finds the master secret: in a key log by client random or session id, or by the premaster secret.
///
/// # Errors
/// Says which key is missing.
pub fn find(handshake: &Handshake<'_>, keys: &KeyStore) -> Result<(Secret, KeySource), NotOpened> {
    let Handshake { client, server, suite, version, .. } = *handshake;
    let in_log = keys
        .secret(SecretLabel::ClientRandom, &client.random)
        .or_else(|| keys.secret(SecretLabel::SessionId, &server.session_id));
    if let Some((secret, source)) = in_log {
        return Ok((Secret::new(secret.expose()), source));
    }
    let (premaster, source) = premaster(handshake, keys)?;
    let (mut master, prf) = ([0; 48], suite.prf(version));
    if server.extended_master_secret && client.extended_master_secret {
        // RFC 7627: the secret depends on all that was said.
        let hash = prf.hash(handshake.transcript.ok_or(NotOpened::NoHandshake)?);
        prf.expand(premaster.expose(), b"extended master secret", &hash, &mut master);
    } else {
        prf.expand(premaster.expose(), b"master secret", &[client.random, server.random].concat(), &mut master);
    }
    Ok((Secret::new(master), source))
}

/// The premaster secret of an RSA key exchange.
fn premaster(handshake: &Handshake<'_>, keys: &KeyStore) -> Result<(Secret, KeySource), NotOpened> {
    let encrypted = handshake.encrypted_premaster;
    let in_log = encrypted
        .and_then(|encrypted| keys.secret(SecretLabel::Rsa, encrypted.get(..8)?))
        .or_else(|| keys.secret(SecretLabel::Premaster, &handshake.client.random));
    if let Some((secret, source)) = in_log {
        return Ok((Secret::new(secret.expose()), source));
    }
    let rsa = handshake.suite.exchange == KeyExchange::Rsa;
    if keys.is_empty() {
        return Err(NotOpened::NoKeys { rsa_would_do: rsa });
    }
    let not_in_log = NotOpened::NotInKeyLog { random: handshake.client.random };
    match (keys.rsa_keys().is_empty(), rsa) {
        (true, _) => return Err(not_in_log),
        (false, false) => return Err(if keys.has_key_log() { not_in_log } else { NotOpened::Ephemeral }),
        (false, true) => {}
    }
    let certificate = handshake.certificate.ok_or(NotOpened::NoHandshake)?;
    let key = keys.rsa_for(&certificate.modulus).ok_or(NotOpened::OtherCertificate)?;
    let encrypted = encrypted.ok_or(NotOpened::NoHandshake)?;
    let secret = key.decrypt(encrypted).ok_or_else(|| NotOpened::WrongKey(key.source.clone()))?;
    Ok((secret, format!("the RSA key {}", key.source).into()))
}
