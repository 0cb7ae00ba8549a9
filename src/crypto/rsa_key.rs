//! RSA private keys: reading them, and decrypting premaster secrets with them.
//!
//! PEM (PKCS#1, PKCS#8, encrypted PKCS#8), DER, and PKCS#12 as Windows exports it.

use pkcs8::EncryptedPrivateKeyInfo;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::traits::PublicKeyParts;
use rsa::{Pkcs1v15Encrypt, RsaPrivateKey};

use crate::crypto::secret::Secret;
use crate::model::tls::KeySource;

/// Why a key file cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is encrypted and no password was given.
    #[error("the key is encrypted; give its password with --tls-key-password-file")]
    PasswordNeeded,
    /// The password does not open it.
    #[error("the password does not open the key, or the file is damaged")]
    WrongPassword,
    /// The old encryption of PEM.
    #[error("a PEM file with the old `Proc-Type: 4,ENCRYPTED` header; convert it with `openssl pkcs8 -topk8`")]
    OldPem,
    /// A certificate or a public key.
    #[error("a certificate or public key; the private key is needed")]
    NotPrivate,
    /// Another kind of key.
    #[error("not an RSA key; only RSA key exchange can be opened with a private key, a key log opens the others")]
    NotRsa,
    /// None of the formats.
    #[error("no RSA private key in PEM, DER or PKCS#12")]
    Unknown,
}

/// An RSA private key.
pub struct RsaKey {
    key: RsaPrivateKey,
    modulus: Vec<u8>,
    /// Its file.
    pub source: KeySource,
}

impl std::fmt::Debug for RsaKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RsaKey({} bits, {})", self.modulus.len() * 8, self.source)
    }
}

impl RsaKey {
    /// Reads a key file of any of the formats.
    ///
    /// # Errors
    /// Says what the file is instead, or what is missing.
    pub fn parse(bytes: &[u8], password: Option<&str>, source: KeySource) -> Result<Self, KeyError> {
        let key = match std::str::from_utf8(bytes) {
            Ok(text) if text.contains("-----BEGIN ") => from_pem(text, password)?,
            _ => from_der(bytes, password)?,
        };
        let modulus = key.n().to_bytes_be();
        Ok(Self { key, modulus, source })
    }

    /// The modulus, without leading zeros.
    pub fn modulus(&self) -> &[u8] {
        &self.modulus
    }

    /// Decrypts a premaster secret (RFC 5246 §7.4.7.1); `None` where it is for another key.
    pub fn decrypt(&self, encrypted: &[u8]) -> Option<Secret> {
        let secret = self.key.decrypt(Pkcs1v15Encrypt, encrypted).ok()?;
        (secret.len() == 48).then(|| Secret::new(secret))
    }
}

fn from_pem(text: &str, password: Option<&str>) -> Result<RsaPrivateKey, KeyError> {
    if text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(KeyError::OldPem);
    }
    let block = |label: &str| {
        let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
        let start = text.find(&begin)?;
        let stop = text.get(start..)?.find(&end)? + start + end.len();
        // Lines of Windows, and blanks before them, are no part of PEM.
        Some(text.get(start..stop)?.lines().map(str::trim).collect::<Vec<_>>().join("\n") + "\n")
    };
    if let Some(pem) = block("RSA PRIVATE KEY") {
        return RsaPrivateKey::from_pkcs1_pem(&pem).map_err(|_| KeyError::Unknown);
    }
    if let Some(pem) = block("PRIVATE KEY") {
        return RsaPrivateKey::from_pkcs8_pem(&pem).map_err(|_| KeyError::NotRsa);
    }
    if let Some(pem) = block("ENCRYPTED PRIVATE KEY") {
        let password = password.ok_or(KeyError::PasswordNeeded)?;
        return RsaPrivateKey::from_pkcs8_encrypted_pem(&pem, password).map_err(|_| KeyError::WrongPassword);
    }
    let other_key = text.contains("BEGIN EC PRIVATE KEY") || text.contains("BEGIN DSA PRIVATE KEY");
    Err(if other_key { KeyError::NotRsa } else { KeyError::NotPrivate })
}

fn from_der(bytes: &[u8], password: Option<&str>) -> Result<RsaPrivateKey, KeyError> {
    if let Ok(key) =
        RsaPrivateKey::from_pkcs1_der(bytes).or_else(|_| RsaPrivateKey::from_pkcs8_der(bytes).map_err(|_| ()))
    {
        return Ok(key);
    }
    if EncryptedPrivateKeyInfo::try_from(bytes).is_ok() {
        let password = password.ok_or(KeyError::PasswordNeeded)?;
        return RsaPrivateKey::from_pkcs8_encrypted_der(bytes, password).map_err(|_| KeyError::WrongPassword);
    }
    from_pkcs12(bytes, password)
}

fn from_pkcs12(bytes: &[u8], password: Option<&str>) -> Result<RsaPrivateKey, KeyError> {
    use p12_keystore::{KeyStore, Pkcs12ImportPolicy};
    // A PKCS#12 file is a sequence that begins with version 3.
    let is_pkcs12 = bytes.first() == Some(&0x30) && bytes.windows(3).take(8).any(|window| window == [2, 1, 3]);
    if !is_pkcs12 {
        return Err(KeyError::Unknown);
    }
    let store = KeyStore::from_pkcs12(bytes, password.unwrap_or(""), Pkcs12ImportPolicy::Relaxed);
    let failed = if password.is_none() { KeyError::PasswordNeeded } else { KeyError::WrongPassword };
    let store = store.map_err(|_| failed)?;
    let (_, chain) = store.private_key_chain().ok_or(KeyError::NotPrivate)?;
    RsaPrivateKey::from_pkcs8_der(chain.key().as_der()).map_err(|_| KeyError::NotRsa)
}

/// For the fuzzer: any bytes as a key file.
pub fn fuzz(bytes: &[u8]) {
    let _ = RsaKey::parse(bytes, Some("password"), "fuzz".into());
}
