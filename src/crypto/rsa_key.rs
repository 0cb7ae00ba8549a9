//! RSA private keys: reading them, and decrypting premaster secrets with them.
//!
//! PEM (PKCS#1, PKCS#8, encrypted PKCS#8), DER, and PKCS#12 as Windows exports it.

use p12_keystore::Pkcs12Archive;
use pkcs8::{EncryptedPrivateKeyInfo, PrivateKeyInfo, SecretDocument};
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
    /// An encryption that is not supported.
    #[error("its encryption is not supported; convert it with `openssl pkcs8 -topk8 -v2 aes-256-cbc`")]
    Encryption,
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
        let (_, document) = SecretDocument::from_pem(&pem).map_err(|_| KeyError::Unknown)?;
        let encrypted = EncryptedPrivateKeyInfo::try_from(document.as_bytes()).map_err(|_| KeyError::Unknown)?;
        return decrypt(&encrypted, password);
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
    if let Ok(encrypted) = EncryptedPrivateKeyInfo::try_from(bytes) {
        return decrypt(&encrypted, password);
    }
    if PrivateKeyInfo::try_from(bytes).is_ok() {
        return Err(KeyError::NotRsa);
    }
    if is_certificate(bytes) {
        return Err(KeyError::NotPrivate);
    }
    from_pkcs12(bytes, password)
}

/// Whether DER is a certificate: a sequence in a sequence, with a version in brackets first.
fn is_certificate(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0x30) && bytes.windows(4).take(12).any(|window| window == [0xa0, 3, 2, 1])
}

fn decrypt(encrypted: &EncryptedPrivateKeyInfo<'_>, password: Option<&str>) -> Result<RsaPrivateKey, KeyError> {
    use pkcs8::Error::EncryptedPrivateKey;
    use pkcs8::pkcs5::Error::{NoPbes1CryptSupport, UnsupportedAlgorithm};
    let password = password.ok_or(KeyError::PasswordNeeded)?;
    let key = encrypted.decrypt(password).map_err(|error| match error {
        EncryptedPrivateKey(NoPbes1CryptSupport | UnsupportedAlgorithm { .. }) => KeyError::Encryption,
        _ => KeyError::WrongPassword,
    })?;
    RsaPrivateKey::from_pkcs8_der(key.as_bytes()).map_err(|_| KeyError::NotRsa)
}

fn from_pkcs12(bytes: &[u8], password: Option<&str>) -> Result<RsaPrivateKey, KeyError> {
    // A PKCS#12 file is a sequence that begins with version 3.
    let is_pkcs12 = bytes.first() == Some(&0x30) && bytes.windows(3).take(8).any(|window| window == [2, 1, 3]);
    if !is_pkcs12 {
        return Err(KeyError::Unknown);
    }
    let failed = if password.is_none() { KeyError::PasswordNeeded } else { KeyError::WrongPassword };
    let archive = Pkcs12Archive::from_pkcs12(bytes, password.unwrap_or("")).map_err(|_| failed)?;
    let bag = archive.keys.first().ok_or(KeyError::NotPrivate)?;
    RsaPrivateKey::from_pkcs8_der(bag.key.as_der()).map_err(|_| KeyError::NotRsa)
}

/// For the fuzzer: any bytes as a key file.
pub fn fuzz(bytes: &[u8]) {
    let _ = RsaKey::parse(bytes, Some("password"), "fuzz".into());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            fuzz(&bytes);
            fuzz(&[&[0x30, 0x82, 0, 0xff, 2, 1, 3][..], &bytes].concat());
        }
    }
}
