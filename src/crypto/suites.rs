//! What the name of a cipher suite says: key exchange, cipher, hash.
//!
//! IANA's names are regular, so one row a cipher stands for all suites with it.

use crate::crypto::prf::Prf;
use crate::model::tls::{CipherSuite, TlsVersion};

/// How client and server agree on a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyExchange {
    /// The client encrypts it with the server's RSA key: that key opens the session.
    Rsa,
    /// Ephemeral, anonymous, static Diffie-Hellman or pre-shared: only a key log opens it.
    Other,
    /// TLS 1.3: only a key log opens it.
    Tls13,
}

/// How records are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bulk {
    /// Not encrypted, but authenticated.
    Null,
    /// RC4 with 128 bits.
    Rc4,
    /// A block cipher in CBC mode.
    Cbc(Block),
    /// AES-GCM with a key of so many bytes.
    AesGcm(usize),
    /// AES-CCM with a key and a tag of so many bytes.
    AesCcm(usize, usize),
    /// ChaCha20-Poly1305.
    ChaCha20Poly1305,
}

/// A block cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the cipher's own name")]
pub enum Block {
    Aes128,
    Aes256,
    Camellia128,
    Camellia256,
    TripleDes,
}

/// Hash of a MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the hash's own name")]
pub enum Hash {
    Md5,
    Sha1,
    Sha256,
    Sha384,
}

/// A row a cipher, by its part of the name; longer names before those they begin with.
static BULKS: [(&str, Bulk); 14] = [
    ("AES_128_CBC", Bulk::Cbc(Block::Aes128)),
    ("AES_256_CBC", Bulk::Cbc(Block::Aes256)),
    ("CAMELLIA_128_CBC", Bulk::Cbc(Block::Camellia128)),
    ("CAMELLIA_256_CBC", Bulk::Cbc(Block::Camellia256)),
    ("3DES_EDE_CBC", Bulk::Cbc(Block::TripleDes)),
    ("AES_128_GCM", Bulk::AesGcm(16)),
    ("AES_256_GCM", Bulk::AesGcm(32)),
    ("AES_128_CCM_8", Bulk::AesCcm(16, 8)),
    ("AES_256_CCM_8", Bulk::AesCcm(32, 8)),
    ("AES_128_CCM", Bulk::AesCcm(16, 16)),
    ("AES_256_CCM", Bulk::AesCcm(32, 16)),
    ("CHACHA20_POLY1305", Bulk::ChaCha20Poly1305),
    ("RC4_128", Bulk::Rc4),
    ("NULL", Bulk::Null),
];

/// What a suite is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suite {
    /// Number.
    pub id: CipherSuite,
    /// Key exchange.
    pub exchange: KeyExchange,
    /// Protection of records.
    pub bulk: Bulk,
    /// Hash of the MAC, or of the key schedule.
    pub hash: Hash,
}

impl Suite {
    /// Takes a suite apart; `None` where it is unknown or its cipher is not supported.
    pub fn of(id: CipherSuite) -> Option<Self> {
        let name = id.name()?.strip_prefix("TLS_")?;
        let (exchange, rest) = match name.split_once("_WITH_") {
            Some(("RSA", rest)) => (KeyExchange::Rsa, rest),
            Some((exchange, _)) if exchange.contains("EXPORT") => return None,
            Some((_, rest)) => (KeyExchange::Other, rest),
            None => (KeyExchange::Tls13, name),
        };
        let (cipher, bulk) = BULKS.iter().find(|(cipher, _)| rest.starts_with(cipher))?;
        let hash = match rest.strip_prefix(cipher)? {
            "_MD5" => Hash::Md5,
            "_SHA" => Hash::Sha1,
            "" | "_SHA256" => Hash::Sha256,
            "_SHA384" => Hash::Sha384,
            _ => return None,
        };
        Some(Self { id, exchange, bulk: *bulk, hash })
    }

    /// The pseudorandom function of a session up to TLS 1.2.
    pub const fn prf(&self, version: TlsVersion) -> Prf {
        match (version.0 >= TlsVersion::TLS12.0, self.hash) {
            (false, _) => Prf::Md5Sha1,
            (true, Hash::Sha384) => Prf::Sha384,
            (true, _) => Prf::Sha256,
        }
    }

    /// Bytes that a record of four bytes of plaintext has, where that is certain: a SIP keep-alive.
    pub fn keep_alive_length(&self, version: TlsVersion) -> Option<usize> {
        self.overhead(version).map(|overhead| 4 + overhead)
    }

    /// Bytes of a record besides its plaintext, where padding does not make it one of many.
    const fn overhead(&self, version: TlsVersion) -> Option<usize> {
        let tls13 = version.0 >= TlsVersion::TLS13.0;
        let tag = match self.bulk {
            Bulk::AesGcm(_) | Bulk::ChaCha20Poly1305 => 16,
            Bulk::AesCcm(_, tag) => tag,
            Bulk::Rc4 | Bulk::Null => self.hash.length(),
            Bulk::Cbc(_) => return None,
        };
        // TLS 1.3 adds the content type; AES before it sends half of its nonce.
        let more = match (tls13, self.bulk) {
            (true, _) => 1,
            (false, Bulk::AesGcm(_) | Bulk::AesCcm(..)) => 8,
            (false, _) => 0,
        };
        Some(more + tag)
    }

    /// How many bytes of plaintext a record of that length holds, at least and at most. Block ciphers are taken to
    /// pad to the next block, as every common stack does (RFC 5246 §6.2.3.2 allows more).
    pub fn plaintext_length(&self, version: TlsVersion, length: usize) -> (usize, usize) {
        if let Some(overhead) = self.overhead(version) {
            let plain = length.saturating_sub(overhead);
            return (plain, plain);
        }
        let Bulk::Cbc(block) = self.bulk else { return (0, length) };
        // TLS 1.1 and 1.2 send the vector before the blocks (RFC 4346 §6.2.3.2).
        let vector = if version.0 > TlsVersion::TLS10.0 { block.length() } else { 0 };
        let most = length.saturating_sub(vector + self.hash.length() + 1);
        (most.saturating_sub(block.length() - 1), most)
    }
}

impl Hash {
    /// Length in bytes.
    pub const fn length(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }
}

impl Block {
    /// Length of the key in bytes.
    pub const fn key_length(self) -> usize {
        match self {
            Self::Aes128 | Self::Camellia128 => 16,
            Self::TripleDes => 24,
            Self::Aes256 | Self::Camellia256 => 32,
        }
    }

    /// Length of a block in bytes.
    pub const fn length(self) -> usize {
        match self {
            Self::TripleDes => 8,
            _ => 16,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(id: u16, expected: Option<(KeyExchange, Bulk, Hash)>) {
        let suite = Suite::of(CipherSuite(id)).map(|suite| (suite.exchange, suite.bulk, suite.hash));
        assert_eq!(suite, expected, "{}", CipherSuite(id));
    }

    #[test]
    fn names_say_what_suites_are() {
        check(0x0004, Some((KeyExchange::Rsa, Bulk::Rc4, Hash::Md5)));
        check(0x0035, Some((KeyExchange::Rsa, Bulk::Cbc(Block::Aes256), Hash::Sha1)));
        check(0x003b, Some((KeyExchange::Rsa, Bulk::Null, Hash::Sha256)));
        check(0xc030, Some((KeyExchange::Other, Bulk::AesGcm(32), Hash::Sha384)));
        check(0xc0ac, Some((KeyExchange::Other, Bulk::AesCcm(16, 16), Hash::Sha256)));
        check(0xc0ae, Some((KeyExchange::Other, Bulk::AesCcm(16, 8), Hash::Sha256)));
        check(0x1301, Some((KeyExchange::Tls13, Bulk::AesGcm(16), Hash::Sha256)));
        check(0x1305, Some((KeyExchange::Tls13, Bulk::AesCcm(16, 8), Hash::Sha256)));
        check(0xc088, None); // ECDHE_RSA_WITH_CAMELLIA_128_GCM…: not needed by anybody here
        check(0x0003, None); // export
        check(0x0a0a, None);
    }
}
