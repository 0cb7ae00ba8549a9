//! The pseudorandom functions of TLS 1.0 to 1.2 (RFC 2246 §5, RFC 5246 §5).

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384};

/// Which function a session uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prf {
    /// TLS 1.0 and 1.1: MD5 and SHA-1 together.
    Md5Sha1,
    /// TLS 1.2 with SHA-256.
    Sha256,
    /// TLS 1.2 with suites of SHA-384.
    Sha384,
}

impl Prf {
    /// Fills `out` from a secret, a label and a seed.
    pub fn expand(self, secret: &[u8], label: &[u8], seed: &[u8], out: &mut [u8]) {
        let seed = [label, seed].concat();
        match self {
            Self::Md5Sha1 => {
                // Halves overlap by a byte where the length is odd.
                let half = secret.len().div_ceil(2);
                let first = secret.get(..half).unwrap_or_default();
                let second = secret.get(secret.len() - half..).unwrap_or_default();
                p_hash::<Hmac<Md5>>(first, &seed, out);
                let mut other = vec![0; out.len()];
                p_hash::<Hmac<Sha1>>(second, &seed, &mut other);
                out.iter_mut().zip(other).for_each(|(byte, other)| *byte ^= other);
            }
            Self::Sha256 => p_hash::<Hmac<Sha256>>(secret, &seed, out),
            Self::Sha384 => p_hash::<Hmac<Sha384>>(secret, &seed, out),
        }
    }

    /// The hash of a handshake transcript as this version takes it.
    pub fn hash(self, transcript: &[u8]) -> Vec<u8> {
        match self {
            Self::Md5Sha1 => [Md5::digest(transcript).to_vec(), Sha1::digest(transcript).to_vec()].concat(),
            Self::Sha256 => Sha256::digest(transcript).to_vec(),
            Self::Sha384 => Sha384::digest(transcript).to_vec(),
        }
    }
}

fn p_hash<M: Mac + KeyInit + Clone>(secret: &[u8], seed: &[u8], out: &mut [u8]) {
    // HMAC takes keys of any length.
    let Ok(keyed) = <M as KeyInit>::new_from_slice(secret) else { return };
    let hash = |parts: &[&[u8]]| {
        let mut mac = keyed.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes()
    };
    let mut a = hash(&[seed]);
    for block in out.chunks_mut(M::output_size()) {
        let bytes = hash(&[&a, seed]);
        block.copy_from_slice(bytes.get(..block.len()).unwrap_or_default());
        a = hash(&[&a]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key derivation of TLS-DSK: 128 bytes from a known master secret and randoms.
    #[track_caller]
    fn check(prf: Prf, client_key: &str) {
        let master: Vec<u8> = (0..48).collect();
        let seed = [[0x11; 32], [0x22; 32]].concat();
        let mut out = [0; 128];
        prf.expand(&master, b"client EAP encryption", &seed, &mut out);
        let found = out[64..96].iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        assert_eq!(found, client_key);
    }

    #[test]
    fn known_vectors() {
        check(Prf::Md5Sha1, "7db5b73956f827779c14a889051cceeff590bb12af8df2db2edfcfbbb707d344");
        check(Prf::Sha256, "940502bee3d46d527e83eeecba373c3c73808ab75e7376f3eff643eb149dcd2d");
        check(Prf::Sha384, "f07b0f852ee068b4ad570fd9ad777e0fc48203be4c14b66ecd52455f8a193b7f");
    }
}
