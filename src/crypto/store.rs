//! All keys that were given, found by what a handshake shows.

use std::collections::HashMap;
use std::sync::Arc;

use crate::crypto::account::Account;
use crate::crypto::rsa_key::RsaKey;
use crate::crypto::secret::Secret;
use crate::model::tls::{KeySource, SecretLabel};

/// Where a secret of a key log stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    file: Arc<str>,
    line: u32,
}

impl Place {
    fn source(&self) -> KeySource {
        format!("line {} of {}", self.line, self.file).into()
    }
}

/// What a secret is found by.
type SecretId = (SecretLabel, Box<[u8]>);

/// The keys.
#[derive(Clone, Debug, Default)]
pub struct KeyStore {
    secrets: HashMap<SecretId, (Arc<Secret>, Place)>,
    rsa: Vec<Arc<RsaKey>>,
    accounts: Vec<Arc<Account>>,
    has_key_log: bool,
    has_session_secrets: bool,
    files: Vec<Arc<str>>,
}

impl KeyStore {
    /// Adds a secret of a key log. The first of several for one session counts, as Wireshark has it.
    pub fn add_secret(&mut self, label: SecretLabel, id: &[u8], secret: Vec<u8>, file: &Arc<str>, line: u32) {
        self.has_key_log = true;
        self.has_session_secrets |= matches!(label, SecretLabel::Rsa | SecretLabel::SessionId);
        let place = Place { file: file.clone(), line };
        self.secrets.entry((label, id.into())).or_insert_with(|| (Arc::new(Secret::new(secret)), place));
    }

    /// A key log was given, even if it has no line that fits anything.
    pub fn add_key_log(&mut self, file: Arc<str>) {
        self.has_key_log = true;
        self.files.push(file);
    }

    /// Names of all files that keys came from.
    pub fn files(&self) -> Vec<&str> {
        self.files.iter().map(|file| &**file).chain(self.rsa.iter().map(|key| &*key.source)).collect()
    }

    /// Adds an RSA private key.
    pub fn add_rsa(&mut self, key: RsaKey) {
        self.rsa.push(Arc::new(key));
    }

    /// The secret of that label and id, and where it came from.
    pub fn secret(&self, label: SecretLabel, id: &[u8]) -> Option<(&Secret, KeySource)> {
        let (secret, place) = self.secrets.get(&(label, Box::from(id)))?;
        Some((secret, place.source()))
    }

    /// Whether any secret is there for a client random.
    pub fn knows_random(&self, random: &[u8]) -> bool {
        !self.secrets.is_empty()
            && [
                SecretLabel::ClientRandom,
                SecretLabel::Premaster,
                SecretLabel::ClientTraffic,
                SecretLabel::ClientHandshake,
                SecretLabel::ClientEarly,
            ]
            .into_iter()
            .any(|label| self.secrets.contains_key(&(label, Box::from(random))))
    }

    /// Whether any key is found by what only a whole handshake shows: a certificate, a session id, an
    /// encrypted premaster secret.
    pub const fn needs_handshake(&self) -> bool {
        !self.rsa.is_empty() || self.has_session_secrets
    }

    /// The RSA key whose public part a certificate has.
    pub fn rsa_for(&self, modulus: &[u8]) -> Option<&RsaKey> {
        self.rsa.iter().map(|key| &**key).find(|key| !modulus.is_empty() && key.modulus() == modulus)
    }

    /// The RSA keys.
    pub fn rsa_keys(&self) -> &[Arc<RsaKey>] {
        &self.rsa
    }

    /// Whether a key log was given.
    pub const fn has_key_log(&self) -> bool {
        self.has_key_log
    }

    /// Adds the passwords of a file, even if it has none.
    pub fn add_accounts(&mut self, file: Arc<str>, accounts: Vec<Account>) {
        self.accounts.extend(accounts.into_iter().map(Arc::new));
        self.files.push(file);
    }

    /// The passwords that may be those of a user as a client names him.
    pub fn accounts_of(&self, domain: &str, user: &str) -> impl Iterator<Item = &Account> {
        self.accounts.iter().map(|account| &**account).filter(move |account| account.is_of(domain, user))
    }

    /// Whether any password was given.
    pub const fn has_accounts(&self) -> bool {
        !self.accounts.is_empty()
    }

    /// Whether no key of a TLS session was given.
    pub const fn is_empty(&self) -> bool {
        !self.has_key_log && self.rsa.is_empty()
    }
}
